//! AVX2: `vpshufb` looks up 32 bytes in a table of 16 entries.
//!
//! A byte's low and high part are its nibbles. Sets with many needles use sixteen buckets, in two passes of look-ups
//! over the same loads.
#![allow(unsafe_code, reason = "vector loads and functions compiled for AVX2; each block says why it is sound")]

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16,
};

use super::{Candidates, Flow};
use crate::search::choice::Masks;

/// Bytes that 32 windows cover.
const STEP: usize = 35;

/// Bucket masks by half of the buckets, position in the window and nibble. Exists only where [`is_available`].
pub(in crate::search) struct Tables {
    low: [[[u8; 16]; 4]; 2],
    high: [[[u8; 16]; 4]; 2],
    /// Are there more than eight buckets?
    wide: bool,
}

/// Does the processor (and the system) have what this kernel uses?
pub(super) fn is_available() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

impl Tables {
    /// None where the kernel can't run.
    pub(super) fn new(masks: &Masks) -> Option<Self> {
        is_available().then(|| Self { low: masks.low_nibbles(), high: masks.high_nibbles(), wide: masks.is_wide() })
    }

    /// See the contract in [`kernel`](super).
    #[inline]
    pub(super) fn scan<C: Candidates>(&self, haystack: &[u8], from: usize, candidates: &mut C) -> Option<usize> {
        // SAFETY: `Tables` is only made by `new`, which has checked that the processor has AVX2.
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
    low: [__m256i; 4],
    high: [__m256i; 4],
    alive: __m256i,
}

/// The nibbles of the bytes at one of the four places of 32 windows.
#[derive(Clone, Copy)]
struct Nibbles {
    low: __m256i,
    high: __m256i,
}

impl Registers {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(low: &[[u8; 16]; 4], high: &[[u8; 16]; 4], alive: u8) -> Self {
        // SAFETY: a table is 16 bytes long.
        let load = |table: &[u8; 16]| _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) });
        let ([l0, l1, l2, l3], [h0, h1, h2, h3]) = (low, high);
        Self {
            low: [load(l0), load(l1), load(l2), load(l3)],
            high: [load(h0), load(h1), load(h2), load(h3)],
            alive: _mm256_set1_epi8(alive as i8),
        }
    }

    /// The living buckets that each window passes for.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn buckets(&self, nibbles: [Nibbles; 4]) -> __m256i {
        let [n0, n1, n2, n3] = nibbles;
        let ([l0, l1, l2, l3], [h0, h1, h2, h3]) = (self.low, self.high);
        let buckets = |nibbles: Nibbles, low, high| {
            _mm256_and_si256(_mm256_shuffle_epi8(low, nibbles.low), _mm256_shuffle_epi8(high, nibbles.high))
        };
        let first = _mm256_and_si256(buckets(n0, l0, h0), buckets(n1, l1, h1));
        let second = _mm256_and_si256(buckets(n2, l2, h2), buckets(n3, l3, h3));
        _mm256_and_si256(_mm256_and_si256(first, second), self.alive)
    }
}

impl Nibbles {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn of(bytes: __m256i) -> Self {
        let nibble = _mm256_set1_epi8(0x0F);
        Self { low: _mm256_and_si256(bytes, nibble), high: _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble) }
    }
}

#[target_feature(enable = "avx2")]
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
        let (base, start) = if rest >= 32 {
            // SAFETY: `position < end <= len`.
            (position, unsafe { haystack.as_ptr().add(position) })
        } else if let Some(base) = haystack.len().checked_sub(STEP) {
            // SAFETY: `base <= len`.
            (base, unsafe { haystack.as_ptr().add(base) })
        } else {
            padded.iter_mut().zip(haystack).for_each(|(to, &from)| *to = from);
            (0, padded.as_ptr())
        };
        // SAFETY: STEP bytes are readable: `position + 32 <= end == len - 3`, or `base + STEP == len`, or in `padded`.
        let bytes = unsafe { load(start) };
        let nibbles = [Nibbles::of(bytes[0]), Nibbles::of(bytes[1]), Nibbles::of(bytes[2]), Nibbles::of(bytes[3])];
        let mut buckets = first.buckets(nibbles);
        if WIDE {
            buckets = _mm256_or_si256(buckets, second.buckets(nibbles));
        }
        let mut passing = !(_mm256_movemask_epi8(_mm256_cmpeq_epi8(buckets, _mm256_setzero_si256())) as u32);
        if rest < 32 {
            // Of the windows from `base` on those in `position..end`; there are at most 32.
            passing &= (u32::MAX << (position - base)) & ((1u64 << (end - base)) - 1) as u32;
        }
        if passing != 0 {
            while passing != 0 {
                let at = base + passing.trailing_zeros() as usize;
                if candidates.at(at) == Flow::Stop {
                    return Some(at + 1);
                }
                passing &= passing - 1;
            }
            first.alive = _mm256_set1_epi8(candidates.alive() as i8);
            second.alive = _mm256_set1_epi8((candidates.alive() >> 8) as i8);
        }
        position += 32;
    }
    None
}

/// The bytes at the four places of 32 windows.
///
/// # Safety
/// [`STEP`] bytes must be readable from `start`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(start: *const u8) -> [__m256i; 4] {
    // SAFETY: the loads read 32 bytes from `start + 0..=3`, 35 in all, which the caller vouches for.
    unsafe {
        [
            _mm256_loadu_si256(start.cast()),
            _mm256_loadu_si256(start.add(1).cast()),
            _mm256_loadu_si256(start.add(2).cast()),
            _mm256_loadu_si256(start.add(3).cast()),
        ]
    }
}
