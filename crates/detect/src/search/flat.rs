//! The flat automaton: an Aho-Corasick machine whose cost per byte does not depend on the bytes.
//!
//! Slower than the filter on ordinary traffic, but the same on any: it finishes buffers on which the filter would
//! confirm too much, and serves as a second implementation to compare with.

use std::fmt;

use daachorse::{DoubleArrayAhoCorasick, DoubleArrayAhoCorasickBuilder};

use super::needles::Needles;
use super::{Pattern, PatternId, PatternSet};

/// The machine over the needles of a set.
pub(super) struct Automaton(DoubleArrayAhoCorasick<u32>);

impl Automaton {
    /// None for no needles, and for sets beyond what the machine can number (2³² states).
    pub(super) fn new(needles: &Needles) -> Option<Self> {
        let count = u32::try_from(needles.len()).ok()?;
        let patterns = (0..count).map(|needle| (needles.folded(needle), needle));
        // The prefilter takes 64 KiB and helps only where our own filter has given up already.
        DoubleArrayAhoCorasickBuilder::new().use_prefilter(false).build_with_values(patterns).ok().map(Self)
    }

    /// Calls `found` with needle and end of every occurrence that starts at or behind `from`.
    pub(super) fn scan(&self, haystack: &[u8], from: usize, mut found: impl FnMut(u32, usize)) {
        let folded = haystack.get(from..).unwrap_or(&[]).iter().map(u8::to_ascii_lowercase);
        for occurrence in self.0.find_overlapping_iter_from_iter(folded) {
            found(occurrence.value(), from + occurrence.end());
        }
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.0.heap_bytes()
    }
}

/// A set searched by the automaton alone.
pub struct FlatSet {
    needles: Needles,
    automaton: Option<Automaton>,
}

impl FlatSet {
    /// Compiles a set.
    pub fn compile(patterns: Vec<Pattern>) -> Self {
        let needles = Needles::new(patterns);
        let automaton = Automaton::new(&needles);
        Self { needles, automaton }
    }
}

impl PatternSet for FlatSet {
    fn scan(&self, haystack: &[u8], found: &mut dyn FnMut(PatternId, usize)) {
        self.needles.empty_ids().iter().for_each(|&id| found(id, 0));
        if let Some(automaton) = &self.automaton {
            automaton.scan(haystack, 0, |needle, end| self.needles.ids(needle).iter().for_each(|&id| found(id, end)));
        }
    }

    fn memory(&self) -> usize {
        self.needles.memory() + self.automaton.as_ref().map_or(0, Automaton::memory)
    }

    fn name(&self) -> &'static str {
        "flat"
    }
}

impl fmt::Debug for FlatSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlatSet").field("needles", &self.needles.len()).finish_non_exhaustive()
    }
}
