//! How often a byte or a window of four bytes is expected in traffic.
//!
//! The tables are generated from sample traffic (see [`tables`]); recompute them when real traffic shows otherwise.
//! They steer the choice of windows only, so results never depend on them. All arithmetic is exact products of table
//! values: the same on every machine, so that a set compiles to the same tables everywhere.

mod tables;

use tables::{AFTER, BYTE, CLASS, CLASSES, WINDOW};

/// Probability of `byte`.
#[inline]
pub(super) fn byte(byte: u8) -> f32 {
    BYTE.get(usize::from(byte)).copied().map_or(0.0, probability)
}

/// Probability that a window, case aside, starts at a given byte. `folded` is in lower case.
pub(super) fn window(folded: [u8; 4]) -> f32 {
    let key = u32::from_le_bytes(folded);
    if let Ok(index) = WINDOW.binary_search_by_key(&key, |&(window, _)| window) {
        return WINDOW.get(index).map_or(0.0, |&(_, bits)| probability(bits));
    }
    // The letters' first byte in either case.
    let [first, ..] = folded;
    let start = byte(first) + if first.is_ascii_lowercase() { byte(first.to_ascii_uppercase()) } else { 0.0 };
    folded.array_windows::<2>().fold(start, |product, &[a, b]| product * after(a, b))
}

/// Probability of `second` behind `first`.
fn after(first: u8, second: u8) -> f32 {
    let class = |byte: u8| CLASS.get(usize::from(byte)).map_or(0, |&class| usize::from(class));
    AFTER.get(class(first) * CLASSES + class(second)).copied().map_or(0.0, probability)
}

/// 2^(-bits / 16).
#[inline]
fn probability(bits: u8) -> f32 {
    PROBABILITY.get(usize::from(bits)).copied().unwrap_or(0.0)
}

static PROBABILITY: [f32; 256] = probabilities();

const fn probabilities() -> [f32; 256] {
    /// 2^(-1/16).
    const STEP: f64 = 0.957_603_280_698_573_6;
    let mut table = [0.0; 256];
    let mut value = 1.0f64;
    let mut rest: &mut [f32] = &mut table;
    while let [first, others @ ..] = rest {
        *first = value as f32;
        value *= STEP;
        rest = others;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_add_up_to_about_one() {
        let sum: f32 = (0..=u8::MAX).map(byte).sum();
        assert!((0.9..1.1).contains(&sum), "{sum}");
        assert!((probability(160) - 1.0 / 1024.0).abs() < 1e-7);
    }

    #[test]
    fn common_words_are_common_and_odd_ones_rare() {
        assert!(window(*b"http") > 1e-4);
        assert!(window(*b"http") > 20.0 * window(*b"qzxj"));
        assert!(window([0; 4]) > window([0xFE, 1, 0xC3, 0x7F]));
    }

    #[test]
    fn listed_windows_are_sorted_for_the_search() {
        assert!(WINDOW.array_windows::<2>().all(|[a, b]| a.0 < b.0));
    }
}
