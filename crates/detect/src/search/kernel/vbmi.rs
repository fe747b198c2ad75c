//! AVX-512 with VBMI: `vpermb` looks up 64 bytes in a table of 64 entries.
//!
//! A byte's low part is its low six bits, its high part the byte shifted right by two; together they share four bits,
//! so two look-ups tell nearly all bytes apart. `vpermb` ignores index bits 6 and 7: the 16-bit shift needs no mask.
#![allow(unsafe_code, reason = "vector loads and functions compiled for AVX-512; each block says why it is sound")]

use std::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_load_si512, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_permutexvar_epi8,
    _mm512_set1_epi8, _mm512_srli_epi16, _mm512_test_epi8_mask,
};

use super::{Candidates, Flow};
use crate::search::choice::Masks;

/// Bucket masks by position in the window and part of the byte. Exists only where [`is_available`].
#[repr(C, align(64))]
pub(in crate::search) struct Tables {
    low: [[u8; 64]; 4],
    high: [[u8; 64]; 4],
}

/// Does the processor (and the system) have what this kernel uses?
pub(super) fn is_available() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vbmi")
}

impl Tables {
    /// None where the kernel can't run.
    pub(super) fn new(masks: &Masks) -> Option<Self> {
        is_available().then(|| Self { low: masks.low_eight(), high: masks.high_eight() })
    }

    /// See the contract in [`kernel`](super).
    #[inline]
    pub(super) fn scan<C: Candidates>(&self, haystack: &[u8], from: usize, candidates: &mut C) -> Option<usize> {
        // SAFETY: `Tables` is only made by `new`, which has checked that the processor has the features.
        unsafe { scan(self, haystack, from, candidates) }
    }
}

/// The tables in registers.
#[derive(Clone, Copy)]
struct Registers {
    low: [__m512i; 4],
    high: [__m512i; 4],
}

impl Registers {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn load(tables: &Tables) -> Self {
        // SAFETY: each table is 64 bytes long and, by `repr(C, align(64))`, aligned to 64.
        let load = |table: &[u8; 64]| unsafe { _mm512_load_si512(table.as_ptr().cast()) };
        let [l0, l1, l2, l3] = &tables.low;
        let [h0, h1, h2, h3] = &tables.high;
        Self { low: [load(l0), load(l1), load(l2), load(l3)], high: [load(h0), load(h1), load(h2), load(h3)] }
    }

    /// The positions among 64 whose windows pass for a bucket in `alive`; `bytes[i]` is loaded from `i` bytes on.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn passing(&self, bytes: [__m512i; 4], alive: __m512i) -> u64 {
        let [b0, b1, b2, b3] = bytes;
        let ([l0, l1, l2, l3], [h0, h1, h2, h3]) = (self.low, self.high);
        let buckets = |byte, low, high| {
            let low = _mm512_permutexvar_epi8(byte, low);
            let high = _mm512_permutexvar_epi8(_mm512_srli_epi16::<2>(byte), high);
            _mm512_and_si512(low, high)
        };
        let first = _mm512_and_si512(buckets(b0, l0, h0), buckets(b1, l1, h1));
        let second = _mm512_and_si512(buckets(b2, l2, h2), buckets(b3, l3, h3));
        _mm512_test_epi8_mask(_mm512_and_si512(first, second), alive)
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn scan<C: Candidates>(tables: &Tables, haystack: &[u8], from: usize, candidates: &mut C) -> Option<usize> {
    let end = haystack.len().saturating_sub(3);
    let registers = Registers::load(tables);
    let mut alive = _mm512_set1_epi8(candidates.alive() as i8);
    let mut position = from;
    while position < end {
        let rest = end - position;
        let mut passing = if rest >= 64 {
            // SAFETY: `position + 64 <= end == len - 3`, so the last load reads up to `position + 67 <= len`.
            let bytes = unsafe { load_full(haystack.as_ptr().add(position)) };
            registers.passing(bytes, alive)
        } else {
            // SAFETY: `rest` windows start here and `rest + 3` bytes are left in the haystack.
            let bytes = unsafe { load_part(haystack.as_ptr().add(position), rest) };
            registers.passing(bytes, alive) & !(u64::MAX << rest)
        };
        if passing != 0 {
            while passing != 0 {
                let at = position + passing.trailing_zeros() as usize;
                if candidates.at(at) == Flow::Stop {
                    return Some(at + 1);
                }
                passing &= passing - 1;
            }
            alive = _mm512_set1_epi8(candidates.alive() as i8);
        }
        position += 64;
    }
    None
}

/// 64 windows.
///
/// # Safety
/// 67 bytes must be readable from `start`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn load_full(start: *const u8) -> [__m512i; 4] {
    // SAFETY: the loads read 64 bytes from `start + 0..=3`, 67 in all, which the caller vouches for.
    unsafe {
        [
            _mm512_loadu_si512(start.cast()),
            _mm512_loadu_si512(start.add(1).cast()),
            _mm512_loadu_si512(start.add(2).cast()),
            _mm512_loadu_si512(start.add(3).cast()),
        ]
    }
}

/// `windows` windows (fewer than 64), zeros behind them.
///
/// # Safety
/// `windows + 3` bytes must be readable from `start`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn load_part(start: *const u8, windows: usize) -> [__m512i; 4] {
    let lanes = !(u64::MAX << (windows & 63));
    // SAFETY: a masked load touches the selected lanes only: `windows` bytes from `start + 0..=3`, in bounds by the
    // caller's promise.
    unsafe {
        [
            _mm512_maskz_loadu_epi8(lanes, start.cast()),
            _mm512_maskz_loadu_epi8(lanes, start.add(1).cast()),
            _mm512_maskz_loadu_epi8(lanes, start.add(2).cast()),
            _mm512_maskz_loadu_epi8(lanes, start.add(3).cast()),
        ]
    }
}
