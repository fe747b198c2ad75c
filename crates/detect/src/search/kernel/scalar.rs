//! No vector instructions: every position is a candidate, and the bitmap of the index decides.

use super::{Candidates, Flow};

/// See the contract in [`kernel`](super).
#[inline]
pub(super) fn scan<C: Candidates>(haystack: &[u8], from: usize, candidates: &mut C) -> Option<usize> {
    for position in from..haystack.len().saturating_sub(3) {
        if candidates.at(position) == Flow::Stop {
            return Some(position + 1);
        }
    }
    None
}
