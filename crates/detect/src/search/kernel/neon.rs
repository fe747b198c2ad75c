//! AArch64: `tbl` looks up 16 bytes in a table of 16 entries, the nibbles as in the AVX2 kernel.
//!
//! `tbl` over four registers would take six bits of the byte at once, but the eight tables would fill all 32 vector
//! registers, and it is several times slower than `tbl` over one on the cores in use.
#![allow(unsafe_code, reason = "vector loads and functions compiled for NEON; each block says why it is sound")]

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vdupq_n_u8, vget_lane_u64, vld1q_u8, vorrq_u8, vqtbl1q_u8, vreinterpret_u64_u8,
    vreinterpretq_u16_u8, vshrn_n_u16, vshrq_n_u8, vtstq_u8,
};

use super::{Candidates, Flow};
use crate::search::choice::Masks;

/// Bytes that 16 windows cover.
const STEP: usize = 19;

/// Bucket masks by half of the buckets, position in the window and nibble. Exists only where [`is_available`].
pub(in crate::search) struct Tables {
    low: [[[u8; 16]; 4]; 2],
    high: [[[u8; 16]; 4]; 2],
    /// Are there more than eight buckets?
    wide: bool,
}

/// Does the processor have what this kernel uses?
pub(super) fn is_available() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
}

impl Tables {
    /// None where the kernel can't run.
    pub(super) fn new(masks: &Masks) -> Option<Self> {
        is_available().then(|| Self { low: masks.low_nibbles(), high: masks.high_nibbles(), wide: masks.is_wide() })
    }

    /// See the contract in [`kernel`](super).
    #[inline]
    pub(super) fn scan<C: Candidates>(&self, haystack: &[u8], from: usize, candidates: &mut C) -> Option<usize> {
        // SAFETY: `Tables` is only made by `new`, which has checked that the processor has NEON.
        unsafe {
            if self.wide {
                scan::<true, C>(self, haystack, from, candidates)
            } else {
                scan::<false, C>(self, haystack, from, candidates)
            }
        }
    }
}

/// The tables of eight buckets in registers.
#[derive(Clone, Copy)]
struct Registers {
    low: [uint8x16_t; 4],
    high: [uint8x16_t; 4],
    alive: uint8x16_t,
}

/// The nibbles of the bytes at one of the four places of 16 windows.
#[derive(Clone, Copy)]
struct Nibbles {
    low: uint8x16_t,
    high: uint8x16_t,
}

impl Registers {
    #[inline]
    #[target_feature(enable = "neon")]
    fn load(low: &[[u8; 16]; 4], high: &[[u8; 16]; 4], alive: u8) -> Self {
        // SAFETY: a table is 16 bytes long.
        let load = |table: &[u8; 16]| unsafe { vld1q_u8(table.as_ptr()) };
        let ([l0, l1, l2, l3], [h0, h1, h2, h3]) = (low, high);
        Self {
            low: [load(l0), load(l1), load(l2), load(l3)],
            high: [load(h0), load(h1), load(h2), load(h3)],
            alive: vdupq_n_u8(alive),
        }
    }

    /// The buckets that each window passes for, the dead ones included.
    #[inline]
    #[target_feature(enable = "neon")]
    fn buckets(&self, nibbles: [Nibbles; 4]) -> uint8x16_t {
        let [n0, n1, n2, n3] = nibbles;
        let ([l0, l1, l2, l3], [h0, h1, h2, h3]) = (self.low, self.high);
        let buckets =
            |nibbles: Nibbles, low, high| vandq_u8(vqtbl1q_u8(low, nibbles.low), vqtbl1q_u8(high, nibbles.high));
        vandq_u8(vandq_u8(buckets(n0, l0, h0), buckets(n1, l1, h1)), vandq_u8(buckets(n2, l2, h2), buckets(n3, l3, h3)))
    }
}

impl Nibbles {
    #[inline]
    #[target_feature(enable = "neon")]
    fn of(bytes: uint8x16_t) -> Self {
        Self { low: vandq_u8(bytes, vdupq_n_u8(0x0F)), high: vshrq_n_u8::<4>(bytes) }
    }
}

#[target_feature(enable = "neon")]
fn scan<const WIDE: bool, C: Candidates>(
    tables: &Tables,
    haystack: &[u8],
    from: usize,
    candidates: &mut C,
) -> Option<usize> {
    let end = haystack.len().saturating_sub(3);
    let ([low, low_wide], [high, high_wide]) = (&tables.low, &tables.high);
    let mut first = Registers::load(low, high, candidates.alive() as u8);
    let mut second = Registers::load(low_wide, high_wide, (candidates.alive() >> 8) as u8);
    let mut position = from;
    let mut padded = [0u8; STEP];
    while position < end {
        let rest = end - position;
        // The last step starts early to end with the buffer; buffers shorter than a step are copied.
        let (base, start) = if rest >= 16 {
            // SAFETY: `position < end <= len`.
            (position, unsafe { haystack.as_ptr().add(position) })
        } else if let Some(base) = haystack.len().checked_sub(STEP) {
            // SAFETY: `base <= len`.
            (base, unsafe { haystack.as_ptr().add(base) })
        } else {
            padded.iter_mut().zip(haystack).for_each(|(to, &from)| *to = from);
            (0, padded.as_ptr())
        };
        // SAFETY: STEP bytes are readable: `position + 16 <= end == len - 3`, or `base + STEP == len`, or in `padded`.
        let bytes = unsafe { load(start) };
        let nibbles = [Nibbles::of(bytes[0]), Nibbles::of(bytes[1]), Nibbles::of(bytes[2]), Nibbles::of(bytes[3])];
        let mut passed = vtstq_u8(first.buckets(nibbles), first.alive);
        if WIDE {
            passed = vorrq_u8(passed, vtstq_u8(second.buckets(nibbles), second.alive));
        }
        let mut passing = quarters(passed);
        if rest < 16 {
            // Of the windows from `base` on those in `position..end`; there are at most 16.
            passing &= (u64::MAX << (4 * (position - base))) & ((1u128 << (4 * (end - base))) - 1) as u64;
        }
        if passing != 0 {
            while passing != 0 {
                let lane = passing.trailing_zeros() as usize / 4;
                let at = base + lane;
                if candidates.at(at) == Flow::Stop {
                    return Some(at + 1);
                }
                passing &= !(0xFu64 << (4 * lane));
            }
            first.alive = vdupq_n_u8(candidates.alive() as u8);
            second.alive = vdupq_n_u8((candidates.alive() >> 8) as u8);
        }
        position += 16;
    }
    None
}

/// Four bits for each of sixteen lanes that are all ones or all zeros, the first lane in the lowest.
#[inline]
#[target_feature(enable = "neon")]
fn quarters(lanes: uint8x16_t) -> u64 {
    // Shifting each pair of lanes right by four and keeping the low byte takes half of either lane.
    vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(vreinterpretq_u16_u8(lanes))))
}

/// The bytes at the four places of 16 windows.
///
/// # Safety
/// [`STEP`] bytes must be readable from `start`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load(start: *const u8) -> [uint8x16_t; 4] {
    // SAFETY: the loads read 16 bytes from `start + 0..=3`, 19 in all, which the caller vouches for.
    unsafe { [vld1q_u8(start), vld1q_u8(start.add(1)), vld1q_u8(start.add(2)), vld1q_u8(start.add(3))] }
}
