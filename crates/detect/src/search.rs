//! Multi-pattern literal search: which of a set of byte strings occur in a buffer, ASCII case ignored.
//!
//! *How it fits*: `detect` compiles one [`SearchSet`] per group of rules and buffer at load time and scans each
//! buffer once; the patterns found are the candidates among the rules. Regular expressions never come here.
//!
//! A set is almost always scanned to learn that nothing occurs. So each pattern is represented by its rarest
//! 4-byte window ([`window`]), a SIMD filter ([`kernel`]) passes over the bytes and stops only where such a window
//! may stand, a hashed bitmap rejects most of those places, and what is left is compared in full ([`confirm`]).
//!
//! *Invariants*
//! 1. Every pattern that occurs is reported; nothing that does not occur is reported. The kernels differ in speed only.
//! 2. [`SearchSet::scan_once`] reports a pattern at most once, and all ids given for equal patterns.
//! 3. Time is linear in the buffer whatever its bytes: past a cap on confirmation work ([`confirm::Budget`]) the
//!    rest of the buffer is given to a flat automaton ([`flat`]), which [`Scan::capped`] tells.
//! 4. A scan allocates nothing once its [`Seen`] has grown to the largest set.
//!
//! *Limits*: confirmation work per KiB, see [`confirm::Budget`]; counter `search_capped`.

mod choice;
mod confirm;
mod flat;
mod frequency;
mod kernel;
mod needles;
mod seen;
mod set;
mod short;
#[cfg(test)]
mod tests;

pub use flat::FlatSet;
pub use kernel::Kernel;
pub use seen::Seen;
pub use set::{Scan, SearchSet};

/// The caller's name for a pattern; handed back as given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatternId(pub u32);

/// A byte string to search for. ASCII letters match in both cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What is reported when it occurs. Several patterns may have the same id, and equal patterns different ids.
    pub id: PatternId,
    /// The bytes. An empty pattern occurs in every buffer, once.
    pub bytes: Vec<u8>,
}

/// A compiled set of patterns, whatever the engine behind it.
pub trait PatternSet: Send + Sync {
    /// Reports every occurrence of every pattern with the offset behind its last byte, in no particular order.
    fn scan(&self, haystack: &[u8], found: &mut dyn FnMut(PatternId, usize));
    /// Bytes of memory held.
    fn memory(&self) -> usize;
    /// Name of the engine, for status output.
    fn name(&self) -> &'static str;
}
