//! Patterns of one to three bytes: too short for a window, so they have a filter and an index of their own.
//!
//! Their filter uses the same kernels with positions behind the pattern's end accepting every byte. The index is a
//! list per first byte. Such patterns occur often, so what keeps them cheap is that a bucket of the filter is switched
//! off as soon as all its patterns are found: with up to eight of them each has its own.

use super::confirm::{Alive, Budget, Record};
use super::kernel::{Candidates, Flow};
use super::needles::{Needles, case_mask};

/// A short needle as one comparison: `(bytes & extent) | case == value`.
#[derive(Clone, Copy, Debug)]
struct Entry {
    extent: u32,
    case: u32,
    value: u32,
    needle: u32,
    length: u8,
    bucket: u8,
}

/// Index of the short needles of a set.
pub(super) struct ShortIndex {
    /// Start of the entries per folded first byte; the end is the next one's start.
    heads: Box<[u16; 257]>,
    entries: Box<[Entry]>,
    alive: Alive,
}

impl ShortIndex {
    /// `places`: each short needle with its bucket of the filter.
    pub(super) fn new(needles: &Needles, places: &[(u32, u8)]) -> Self {
        let mut entries: Vec<Entry> =
            places.iter().map(|&(n, bucket)| Entry::new(n, needles.folded(n), bucket)).collect();
        entries.sort_by_key(|e| (e.value as u8, e.needle));
        let mut heads = Box::new([0u16; 257]);
        for (byte, head) in (0u32..).zip(heads.iter_mut()) {
            let before = entries.iter().take_while(|e| e.value & 0xFF < byte).count();
            *head = u16::try_from(before).unwrap_or(u16::MAX);
        }
        let mut sizes = [0u32; 16];
        for entry in &entries {
            if let Some(size) = sizes.get_mut(usize::from(entry.bucket)) {
                *size += 1;
            }
        }
        Self { heads, entries: entries.into(), alive: Alive::new(sizes) }
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.heads) + size_of_val(&*self.entries)
    }

    #[inline]
    fn entries(&self, first: u8) -> &[Entry] {
        match self.heads.get(usize::from(first)..).and_then(|heads| heads.first_chunk::<2>()) {
            Some(&[start, end]) => self.entries.get(usize::from(start)..usize::from(end)).unwrap_or(&[]),
            None => &[],
        }
    }
}

impl Entry {
    fn new(needle: u32, folded: &[u8], bucket: u8) -> Self {
        let (mut extent, mut case, mut value) = ([0u8; 4], [0u8; 4], [0u8; 4]);
        let places = extent.iter_mut().zip(&mut case).zip(&mut value);
        for (&byte, ((extent, case), value)) in folded.iter().zip(places) {
            (*extent, *case, *value) = (0xFF, case_mask(byte), byte);
        }
        Self {
            extent: u32::from_le_bytes(extent),
            case: u32::from_le_bytes(case),
            value: u32::from_le_bytes(value),
            needle,
            length: folded.len() as u8,
            bucket,
        }
    }
}

/// One scan for the short needles.
pub(super) struct ConfirmShort<'a, R> {
    index: &'a ShortIndex,
    haystack: &'a [u8],
    record: R,
    budget: Budget,
    alive: Alive,
}

impl<'a, R: Record> ConfirmShort<'a, R> {
    pub(super) fn new(index: &'a ShortIndex, haystack: &'a [u8], record: R, budget: Budget) -> Self {
        Self { index, haystack, record, budget, alive: index.alive }
    }

    /// Up to four bytes from `at`, zeros behind the end, and how many there are.
    #[inline]
    fn bytes_at(&self, at: usize) -> (u32, usize) {
        let rest = self.haystack.get(at..).unwrap_or(&[]);
        match (rest.first_chunk::<4>(), rest) {
            (Some(bytes), _) => (u32::from_le_bytes(*bytes), 4),
            (_, &[a, b, c]) => (u32::from_le_bytes([a, b, c, 0]), 3),
            (_, &[a, b]) => (u32::from_le_bytes([a, b, 0, 0]), 2),
            (_, &[a]) => (u32::from(a), 1),
            _ => (0, 0),
        }
    }
}

impl<R: Record> Candidates for ConfirmShort<'_, R> {
    #[inline(always)]
    fn at(&mut self, position: usize) -> Flow {
        let (bytes, count) = self.bytes_at(position);
        let index = self.index;
        let entries = index.entries((bytes as u8).to_ascii_lowercase());
        if entries.is_empty() {
            return Flow::Continue;
        }
        for entry in entries {
            let length = usize::from(entry.length);
            if (bytes & entry.extent) | entry.case == entry.value
                && length <= count
                && self.record.wants(entry.needle)
                && self.record.record(entry.needle, position + length)
            {
                self.alive.done(entry.bucket);
            }
        }
        if self.budget.spend(1 + entries.len() / 2) && self.alive.mask() != 0 { Flow::Continue } else { Flow::Stop }
    }

    #[inline(always)]
    fn alive(&self) -> u16 {
        self.alive.mask()
    }
}
