//! From a place where a window may stand to the patterns that do stand there: hashed bitmap, bucket, full comparison.
//!
//! The 4-byte window at the place is folded (`| 0x20` in each byte, so letters lose their case and some other bytes
//! merge) and hashed. A bitmap of at most 8 KiB, which stays in the first-level cache, rejects nearly all places that
//! hold no window of the set. The rest is looked up in a list of entries per hash and compared in full.
//!
//! *Limits*: [`Budget`].

use super::kernel::{Candidates, Flow};
use super::needles::Needles;

/// Marks found needles; how a scan tells its caller.
pub(super) trait Record {
    /// Is it worth comparing `needle`?
    fn wants(&self, needle: u32) -> bool;
    /// `needle` ends at `end`. True if it will not be wanted again.
    fn record(&mut self, needle: u32, end: usize) -> bool;
}

impl<R: Record> Record for &mut R {
    #[inline]
    fn wants(&self, needle: u32) -> bool {
        (**self).wants(needle)
    }

    #[inline]
    fn record(&mut self, needle: u32, end: usize) -> bool {
        (**self).record(needle, end)
    }
}

/// How much confirmation work a scan may spend before the flat automaton takes over.
///
/// One unit is about 2 ns: a window that passed the bitmap, an entry of a bucket, eight bytes compared. The automaton
/// costs 2 to 4 ns per byte, so with one unit per byte a long hostile buffer costs at most twice what it would cost
/// there. Half as much would do for bodies, but message heads full of the names that header rules look for reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget(usize);

impl Budget {
    /// Units granted to any scan, so that short buffers never fall back.
    const BASE: usize = 512;

    /// The budget for scanning `len` bytes.
    #[inline]
    pub(super) fn for_bytes(len: usize) -> Self {
        Self(Self::BASE.saturating_add(len))
    }

    /// Takes `units`; false when they are used up.
    #[inline]
    pub(super) fn spend(&mut self, units: usize) -> bool {
        self.0 = self.0.saturating_sub(units);
        self.0 != 0
    }

    /// A budget that lasts: for sets without a fallback.
    pub(super) const UNLIMITED: Self = Self(usize::MAX);
}

/// The buckets of the filter that still have a needle to find. Only meaningful when needles are wanted once.
#[derive(Clone, Copy)]
pub(super) struct Alive {
    left: [u32; 16],
    mask: u16,
}

impl Alive {
    /// From the number of needles in each bucket.
    pub(super) fn new(sizes: [u32; 16]) -> Self {
        let mask = sizes.iter().enumerate().fold(0, |mask, (i, &n)| mask | (u16::from(n != 0) << i));
        Self { left: sizes, mask }
    }

    /// A needle of `bucket` is done.
    #[inline]
    pub(super) fn done(&mut self, bucket: u8) {
        if let Some(left) = self.left.get_mut(usize::from(bucket)) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.mask &= !(1u16.wrapping_shl(u32::from(bucket)));
            }
        }
    }

    /// One bit per bucket.
    #[inline]
    pub(super) fn mask(&self) -> u16 {
        self.mask
    }
}

/// A needle's window.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Folded.
    window: u32,
    needle: u32,
    /// Where in the needle the window starts.
    offset: u16,
    bucket: u8,
}

/// Index of the windows of a set.
pub(super) struct Index {
    bitmap: Box<[u64]>,
    bitmap_shift: u32,
    /// Start of each hash's entries; one more than there are hashes.
    heads: Box<[u32]>,
    heads_shift: u32,
    entries: Box<[Entry]>,
    /// Needles per bucket of the filter.
    alive: Alive,
}

/// Where a needle is looked for, as [`choice`](super::choice) decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The needle.
    pub(super) needle: u32,
    /// Start of the window in the needle.
    pub(super) offset: u16,
    /// Bucket of the filter.
    pub(super) bucket: u8,
}

impl Index {
    pub(super) fn new(needles: &Needles, places: &[Place]) -> Self {
        let count = places.len();
        let bitmap_bits = (count * 256).next_power_of_two().ilog2().clamp(10, 16);
        let heads_bits = (count * 2).next_power_of_two().ilog2().clamp(1, 16);
        let heads_shift = 32 - heads_bits;
        let mut entries: Vec<Entry> = places.iter().filter_map(|place| Entry::new(needles, *place)).collect();
        entries.sort_by_key(|e| (hash(e.window) >> heads_shift, e.window, e.needle));
        let mut bitmap = vec![0u64; 1 << (bitmap_bits - 6)].into_boxed_slice();
        let mut heads = vec![0u32; (1usize << heads_bits) + 1].into_boxed_slice();
        let mut sizes = [0u32; 16];
        for entry in &entries {
            let bit = hash(entry.window) >> (32 - bitmap_bits);
            if let Some(word) = bitmap.get_mut(bit as usize / 64) {
                *word |= 1 << (bit % 64);
            }
            if let Some(next) = heads.get_mut((hash(entry.window) >> heads_shift) as usize + 1) {
                *next += 1;
            }
            if let Some(size) = sizes.get_mut(usize::from(entry.bucket)) {
                *size += 1;
            }
        }
        let mut sum = 0u32;
        for head in &mut heads {
            sum += *head;
            *head = sum;
        }
        let (entries, bitmap_shift) = (entries.into(), 32 - bitmap_bits);
        Self { bitmap, bitmap_shift, heads, heads_shift, entries, alive: Alive::new(sizes) }
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.bitmap) + size_of_val(&*self.heads) + size_of_val(&*self.entries)
    }

    /// May a window of the set have this value?
    #[inline(always)]
    fn may_hold(&self, hash: u32) -> bool {
        let bit = hash >> self.bitmap_shift;
        self.bitmap.get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    #[inline]
    fn entries(&self, hash: u32) -> &[Entry] {
        let head = (hash >> self.heads_shift) as usize;
        match self.heads.get(head..).and_then(|heads| heads.first_chunk::<2>()) {
            Some(&[start, end]) => self.entries.get(start as usize..end as usize).unwrap_or(&[]),
            None => &[],
        }
    }
}

impl Entry {
    fn new(needles: &Needles, place: Place) -> Option<Self> {
        let window = needles.folded(place.needle).get(usize::from(place.offset)..)?.first_chunk::<4>()?;
        Some(Self { window: fold(*window), needle: place.needle, offset: place.offset, bucket: place.bucket })
    }
}

/// A window without case.
#[inline]
pub(super) fn fold(window: [u8; 4]) -> u32 {
    u32::from_le_bytes(window) | 0x2020_2020
}

/// Odd multiplier; the top bits depend on all of the window.
#[inline]
fn hash(window: u32) -> u32 {
    window.wrapping_mul(0x9E37_79B1)
}

/// One scan's confirmations.
pub(super) struct Confirm<'a, R> {
    index: &'a Index,
    needles: &'a Needles,
    haystack: &'a [u8],
    record: R,
    budget: Budget,
    alive: Alive,
}

impl<'a, R: Record> Confirm<'a, R> {
    pub(super) fn new(index: &'a Index, needles: &'a Needles, haystack: &'a [u8], record: R, budget: Budget) -> Self {
        Self { index, needles, haystack, record, budget, alive: index.alive }
    }

    /// What is left of the budget.
    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    /// Compares the entries of a window that passed the bitmap.
    #[inline]
    fn compare(&mut self, window: u32, hash: u32, at: usize) -> Flow {
        let mut units = 1;
        for entry in self.index.entries(hash) {
            units += 1;
            if entry.window != window || !self.record.wants(entry.needle) {
                continue;
            }
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
            let length = self.needles.length(entry.needle);
            units += length / 8;
            if self.needles.stands_at(entry.needle, self.haystack, start)
                && self.record.record(entry.needle, start + length)
            {
                self.alive.done(entry.bucket);
            }
        }
        if self.budget.spend(units) && self.alive.mask() != 0 { Flow::Continue } else { Flow::Stop }
    }
}

impl<R: Record> Candidates for Confirm<'_, R> {
    #[inline(always)]
    fn at(&mut self, position: usize) -> Flow {
        let Some(window) = self.haystack.get(position..).and_then(|h| h.first_chunk::<4>()) else {
            return Flow::Continue;
        };
        let window = fold(*window);
        let hash = hash(window);
        if self.index.may_hold(hash) { self.compare(window, hash, position) } else { Flow::Continue }
    }

    #[inline(always)]
    fn alive(&self) -> u16 {
        self.alive.mask()
    }
}
