//! Which four bytes of each pattern the filter looks for, and in which of its buckets.
//!
//! A window costs time in two ways: it widens its bucket, so that more places pass the filter by chance, and wherever
//! it truly stands the index must look at its patterns. Both are estimated from byte and window frequencies of
//! ordinary traffic ([`frequency`](super::frequency)), and each pattern, shortest first, takes the window and bucket
//! that add least. Traffic unlike the tables makes the filter slower, never wrong.

use std::collections::BTreeMap;

use super::confirm::{Place, fold};
use super::frequency;
use super::kernel::Kernel;
use super::needles::Needles;

/// How a kernel parts a byte for its two look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    /// High and low nibble.
    Nibbles,
    /// The low six bits and the byte shifted right by two.
    Sextets,
}

/// The tables of the filter before they are cut for a kernel: bit masks of buckets by position and part of the byte.
pub(super) struct Masks {
    low: [[u16; 64]; 4],
    high: [[u16; 64]; 4],
    wide: bool,
}

/// What was decided for a set.
pub(super) struct Choice {
    pub(super) masks: Masks,
    /// One place for each needle of four bytes or more.
    pub(super) places: Vec<Place>,
}

/// Places per byte that pass the filter by chance, above which sixteen buckets are better than eight (measured).
const WIDE_RATE: f32 = 0.01;

/// Windows looked at in a pattern; those further on are left unused.
const LOOKED_AT: u16 = 4096;

/// Decides for the needles of four bytes or more.
pub(super) fn choose(needles: &Needles, kernel: Kernel) -> Choice {
    let parts = Parts::of(kernel);
    let narrow = Chooser::new(parts, 8).windows(needles);
    if parts == Parts::Sextets || narrow.chance() <= WIDE_RATE {
        return narrow.into_choice();
    }
    Chooser::new(parts, 16).windows(needles).into_choice()
}

/// Decides for the needles of one to three bytes; every position behind a needle's end takes any byte.
/// At most eight buckets: with as many needles each has its own.
pub(super) fn choose_short(needles: &Needles, kernel: Kernel) -> (Masks, Vec<(u32, u8)>) {
    let mut chooser = Chooser::new(Parts::of(kernel), 8);
    let places = chooser.whole(needles);
    (chooser.into_choice().masks, places)
}

impl Parts {
    fn of(kernel: Kernel) -> Self {
        if kernel == Kernel::Vbmi { Self::Sextets } else { Self::Nibbles }
    }

    /// Low and high part of a byte as table indexes.
    #[inline]
    fn split(self, byte: u8) -> (usize, usize) {
        match self {
            Self::Nibbles => (usize::from(byte & 0x0F), usize::from(byte >> 4)),
            Self::Sextets => (usize::from(byte & 0x3F), usize::from(byte >> 2)),
        }
    }
}

/// The set of bytes that one bucket accepts at one position. Two look-ups accept every mixture of the low and high
/// parts of its bytes, so it can be larger than what was put in.
#[derive(Clone)]
struct Accepted {
    low: [bool; 64],
    high: [bool; 64],
    /// Probability that a byte of traffic is accepted.
    mass: f32,
    /// What `mass` grows by when a low part (with the present high parts), or a high part, is added.
    new_low: [f32; 64],
    new_high: [f32; 64],
}

impl Accepted {
    const NOTHING: Self =
        Self { low: [false; 64], high: [false; 64], mass: 0.0, new_low: [0.0; 64], new_high: [0.0; 64] };

    /// `mass` with `byte` added.
    fn mass_with(&self, parts: Parts, byte: u8) -> f32 {
        let case = if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte };
        let one = self.growth(parts, byte);
        let other = if case == byte { 0.0 } else { self.growth(parts, case) };
        (self.mass + one + other).min(1.0)
    }

    fn growth(&self, parts: Parts, byte: u8) -> f32 {
        let (low, high) = parts.split(byte);
        let has_low = self.low.get(low).copied().unwrap_or(false);
        let has_high = self.high.get(high).copied().unwrap_or(false);
        let low_growth = if has_low { 0.0 } else { self.new_low.get(low).copied().unwrap_or(0.0) };
        let high_growth = if has_high { 0.0 } else { self.new_high.get(high).copied().unwrap_or(0.0) };
        let own = if has_low || has_high { 0.0 } else { frequency::byte(byte) };
        low_growth + high_growth + own
    }

    /// Adds `byte` in both cases, or with None every byte.
    fn add(&mut self, parts: Parts, byte: Option<u8>) {
        match byte {
            Some(byte) => {
                for byte in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                    let (low, high) = parts.split(byte);
                    self.low.get_mut(low).into_iter().for_each(|slot| *slot = true);
                    self.high.get_mut(high).into_iter().for_each(|slot| *slot = true);
                }
            }
            None => (self.low, self.high) = ([true; 64], [true; 64]),
        }
        self.measure(parts);
    }

    fn measure(&mut self, parts: Parts) {
        (self.mass, self.new_low, self.new_high) = (0.0, [0.0; 64], [0.0; 64]);
        for byte in 0..=u8::MAX {
            let (low, high) = parts.split(byte);
            let has_low = self.low.get(low).copied().unwrap_or(false);
            let has_high = self.high.get(high).copied().unwrap_or(false);
            let probability = frequency::byte(byte);
            match (has_low, has_high) {
                (true, true) => self.mass += probability,
                (false, true) => self.new_low.get_mut(low).into_iter().for_each(|sum| *sum += probability),
                (true, false) => self.new_high.get_mut(high).into_iter().for_each(|sum| *sum += probability),
                (false, false) => {}
            }
        }
    }
}

/// The buckets while they fill.
struct Chooser {
    parts: Parts,
    buckets: Vec<[Accepted; 4]>,
    /// Needles that use a window already.
    users: BTreeMap<u32, u16>,
    places: Vec<Place>,
}

impl Chooser {
    fn new(parts: Parts, buckets: usize) -> Self {
        let empty = [Accepted::NOTHING, Accepted::NOTHING, Accepted::NOTHING, Accepted::NOTHING];
        Self { parts, buckets: vec![empty; buckets], users: BTreeMap::new(), places: Vec::new() }
    }

    /// Gives each needle of four bytes or more its window and bucket; they come shortest first.
    fn windows(mut self, needles: &Needles) -> Self {
        for needle in (0u32..).take(needles.len()).filter(|&needle| needles.length(needle) >= 4) {
            if let Some(place) = self.best(needle, needles.folded(needle)) {
                self.commit(needles, place);
            }
        }
        self
    }

    /// Gives each shorter needle a bucket, taking it whole.
    fn whole(&mut self, needles: &Needles) -> Vec<(u32, u8)> {
        let short = (0u32..).take(needles.len()).filter(|&needle| (1..4).contains(&needles.length(needle)));
        short
            .map(|needle| {
                let folded = needles.folded(needle);
                let window: [Option<u8>; 4] = std::array::from_fn(|i| folded.get(i).copied());
                let (_, bucket) = self.cheapest_bucket(window);
                self.widen(bucket, window);
                (needle, bucket)
            })
            .collect()
    }

    /// The later of equally good windows: what a scan across a border must look back for is then shorter.
    fn best(&self, needle: u32, folded: &[u8]) -> Option<Place> {
        let mut best: Option<(f32, Place)> = None;
        for (offset, window) in (0u16..LOOKED_AT).zip(folded.array_windows::<4>()) {
            let key = fold(*window);
            let users = f32::from(self.users.get(&key).copied().unwrap_or(0));
            let true_cost = frequency::window(*window) * (3.0 + users);
            if best.is_some_and(|(cost, _)| true_cost > cost) {
                continue;
            }
            let (chance, bucket) = self.cheapest_bucket(window.map(Some));
            let cost = true_cost + chance;
            if best.is_none_or(|(least, _)| cost <= least) {
                best = Some((cost, Place { needle, offset, bucket }));
            }
        }
        best.map(|(_, place)| place)
    }

    /// The bucket whose rate of chance hits grows least with `window`, and by how much. An empty one if there is: a
    /// needle alone in its bucket switches it off once found.
    fn cheapest_bucket(&self, window: [Option<u8>; 4]) -> (f32, u8) {
        let mut best = (f32::INFINITY, 0);
        for (number, bucket) in (0u8..).zip(&self.buckets) {
            let before: f32 = bucket.iter().map(|accepted| accepted.mass).product();
            let is_empty = bucket.iter().all(|accepted| accepted.mass == 0.0);
            let with =
                |(accepted, byte): (&Accepted, Option<u8>)| byte.map_or(1.0, |b| accepted.mass_with(self.parts, b));
            let after: f32 = bucket.iter().zip(window).map(with).product();
            if is_empty {
                return (after, number);
            }
            if after - before < best.0 {
                best = (after - before, number);
            }
        }
        best
    }

    fn commit(&mut self, needles: &Needles, place: Place) {
        let window = needles.folded(place.needle).get(usize::from(place.offset)..).and_then(|w| w.first_chunk::<4>());
        if let Some(window) = window {
            let users = self.users.entry(fold(*window)).or_insert(0);
            *users = users.saturating_add(1);
            self.widen(place.bucket, window.map(Some));
            self.places.push(place);
        }
    }

    fn widen(&mut self, bucket: u8, window: [Option<u8>; 4]) {
        if let Some(bucket) = self.buckets.get_mut(usize::from(bucket)) {
            bucket.iter_mut().zip(window).for_each(|(accepted, byte)| accepted.add(self.parts, byte));
        }
    }

    /// Places per byte of traffic that pass the filter by chance.
    fn chance(&self) -> f32 {
        self.buckets.iter().map(|bucket| bucket.iter().map(|accepted| accepted.mass).product::<f32>()).sum()
    }

    fn into_choice(self) -> Choice {
        let mut masks = Masks { low: [[0; 64]; 4], high: [[0; 64]; 4], wide: self.buckets.len() > 8 };
        for (number, bucket) in self.buckets.iter().enumerate() {
            for ((low, high), accepted) in masks.low.iter_mut().zip(masks.high.iter_mut()).zip(bucket) {
                let bit = |has: bool| u16::from(has) << number;
                low.iter_mut().zip(accepted.low).for_each(|(mask, has)| *mask |= bit(has));
                high.iter_mut().zip(accepted.high).for_each(|(mask, has)| *mask |= bit(has));
            }
        }
        Choice { masks, places: self.places }
    }
}

#[allow(dead_code, reason = "which tables are cut depends on the architecture")]
impl Masks {
    /// Are there more than eight buckets?
    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    /// Tables of 64 entries for the low parts of the first eight buckets.
    pub(super) fn low_eight(&self) -> [[u8; 64]; 4] {
        self.low.map(|table| table.map(|mask| mask as u8))
    }

    /// The same for the high parts.
    pub(super) fn high_eight(&self) -> [[u8; 64]; 4] {
        self.high.map(|table| table.map(|mask| mask as u8))
    }

    /// Tables of 16 entries for the low parts of the first and second eight buckets.
    pub(super) fn low_nibbles(&self) -> [[[u8; 16]; 4]; 2] {
        nibbles(&self.low)
    }

    /// The same for the high parts.
    pub(super) fn high_nibbles(&self) -> [[[u8; 16]; 4]; 2] {
        nibbles(&self.high)
    }
}

fn nibbles(tables: &[[u16; 64]; 4]) -> [[[u8; 16]; 4]; 2] {
    let eight =
        |shift: u32| tables.map(|table| std::array::from_fn(|i| table.get(i).map_or(0, |mask| (mask >> shift) as u8)));
    [eight(0), eight(8)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Pattern, PatternId};

    fn needles(list: &[&[u8]]) -> Needles {
        Needles::new(list.iter().map(|b| Pattern { id: PatternId(0), bytes: b.to_vec() }).collect())
    }

    /// Does the filter accept the window for the bucket, as a kernel would find out?
    fn accepts(masks: &Masks, parts: Parts, window: [u8; 4], bucket: u8) -> bool {
        window.iter().enumerate().all(|(i, &byte)| {
            let (low, high) = parts.split(byte);
            masks.low[i][low] & masks.high[i][high] & (1 << bucket) != 0
        })
    }

    #[test]
    fn every_window_is_accepted_in_its_bucket_in_both_cases() {
        let text: Vec<Vec<u8>> = (0..300u32)
            .map(|i| format!("Pattern{}\u{7f}{:x}", i * i, i.wrapping_mul(0x9E3779B1)).into_bytes())
            .collect();
        let list: Vec<&[u8]> = text.iter().map(|t| &t[..]).collect();
        let needles = needles(&list);
        for kernel in Kernel::ALL {
            let choice = choose(&needles, kernel);
            assert_eq!(choice.places.len(), 300);
            for place in &choice.places {
                let offset = usize::from(place.offset);
                let window: [u8; 4] = needles.folded(place.needle)[offset..offset + 4].try_into().unwrap();
                assert!(accepts(&choice.masks, Parts::of(kernel), window, place.bucket));
                assert!(accepts(
                    &choice.masks,
                    Parts::of(kernel),
                    window.map(|b| b.to_ascii_uppercase()),
                    place.bucket
                ));
            }
        }
    }

    #[test]
    fn the_rare_part_of_a_pattern_is_chosen() {
        let needles = needles(&[b"Content-Type: application/xq7z", b"GET /zqxj"]);
        for place in choose(&needles, Kernel::Avx2).places {
            let offset = usize::from(place.offset);
            let window = &needles.folded(place.needle)[offset..offset + 4];
            assert!(window.contains(&b'q'), "{window:?}");
        }
    }

    #[test]
    fn up_to_eight_short_patterns_have_a_bucket_each() {
        let needles = needles(&[b"a", b"\r\n", b"<!", b"abc", b"\0", b"\0\0", b"..", b"xyz"]);
        let (_, places) = choose_short(&needles, Kernel::Avx2);
        let buckets: std::collections::BTreeSet<u8> = places.iter().map(|place| place.1).collect();
        assert_eq!(buckets.len(), 8);
    }
}
