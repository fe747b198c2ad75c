//! What the caller keeps between scans: which patterns of the present buffer were already reported.

/// Scratch of a worker for [`scan_once`](super::SearchSet::scan_once). One serves any number of sets, one at a time.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// One bit per needle; all zero between scans.
    bits: Vec<u64>,
    /// The needles whose bits are set, in order of discovery.
    found: Vec<u32>,
}

impl Seen {
    /// An empty scratch; it grows to the largest set that it is used with.
    pub fn new() -> Self {
        Self::default()
    }

    /// Clears the last scan and makes room for `needles` of them.
    #[inline]
    pub(super) fn begin(&mut self, needles: usize) {
        for needle in self.found.drain(..) {
            if let Some(word) = self.bits.get_mut(needle as usize / 64) {
                *word = 0;
            }
        }
        let words = needles.div_ceil(64);
        if self.bits.len() < words {
            self.bits.resize(words, 0);
            self.found.reserve(needles);
        }
    }

    /// Was `needle` found in this scan?
    #[inline]
    pub(super) fn has(&self, needle: u32) -> bool {
        self.bits.get(needle as usize / 64).is_some_and(|word| word >> (needle % 64) & 1 == 1)
    }

    /// Marks `needle`; true if it was not marked before.
    #[inline]
    pub(super) fn mark(&mut self, needle: u32) -> bool {
        let Some(word) = self.bits.get_mut(needle as usize / 64) else { return false };
        let bit = 1u64 << (needle % 64);
        let new = *word & bit == 0;
        if new {
            *word |= bit;
            self.found.push(needle);
        }
        new
    }

    /// The needles of this scan in order of discovery.
    #[inline]
    pub(super) fn found(&self) -> &[u32] {
        &self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_scan_starts_clean_and_keeps_its_memory() {
        let mut seen = Seen::new();
        seen.begin(200);
        assert!(seen.mark(199) && !seen.mark(199) && seen.mark(3));
        assert_eq!(seen.found(), [199, 3]);
        let capacity = seen.bits.capacity();
        seen.begin(10);
        assert!(!seen.has(199) && !seen.has(3) && seen.found().is_empty());
        assert_eq!(seen.bits.capacity(), capacity);
    }
}
