//! One catalogue of counters and drop reasons.
//!
//! Every loss, limit and anomaly of Tapir has exactly one name here, with its unit and its help
//! text. A worker owns a plain [`Counters`] array and bumps it without locks or atomics; the engine
//! adds the arrays up. Nothing is exported from this crate.
//!
//! To add a counter: one line in `catalogue.rs`. A test in `xtask tidy` fails on a counter that
//! nothing increments.

#![forbid(unsafe_code)]

mod catalogue;

pub use catalogue::Counter;

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Frames or datagrams.
    Packets,
    /// Bytes on the wire or after decoding; the help text says which.
    Bytes,
    /// Occurrences.
    Events,
    /// Conversations.
    Flows,
    /// Rules of a rule set.
    Rules,
}

impl Unit {
    /// In words for people and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Bytes => "bytes",
            Self::Events => "events",
            Self::Flows => "flows",
            Self::Rules => "rules",
        }
    }
}

/// One worker's counters: a plain array indexed by [`Counter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([u64; Counter::COUNT]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Counter::COUNT])
    }
}

impl Counters {
    /// Adds one.
    #[inline]
    pub fn bump(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Adds `n`; saturates instead of wrapping.
    #[inline]
    pub fn add(&mut self, counter: Counter, n: u64) {
        if let Some(slot) = self.0.get_mut(counter as usize) {
            *slot = slot.saturating_add(n);
        }
    }

    /// The present value.
    #[inline]
    pub fn value(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }

    /// Adds every counter of `other` to this one (the sum over workers).
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// All counters in catalogue order with their values.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.iter().map(|&counter| (counter, self.value(counter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_snake_case() {
        let mut names: Vec<_> = Counter::ALL.iter().map(|c| c.name()).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(before, names.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')));
    }

    #[test]
    fn merge_adds_and_saturates() {
        let mut a = Counters::default();
        let mut b = Counters::default();
        a.add(Counter::Packets, u64::MAX);
        b.bump(Counter::Packets);
        a.merge(&b);
        assert_eq!(a.value(Counter::Packets), u64::MAX);
    }
}
