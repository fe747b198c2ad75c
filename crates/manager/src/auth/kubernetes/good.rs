//! Tokens that the cluster found good when it was last asked, by their hashes.
//!
//! They may be asked about again from an address of which too many wrong ones came: whoever guesses has none of them.
//! *Limits*: so many as told; the one that was found good the longest ago goes.

use crate::auth::tokens::Hash;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub(super) struct Good {
    found: Mutex<BTreeMap<Hash, Instant>>,
    most: usize,
}

impl Good {
    pub(super) fn new(most: usize) -> Self {
        Self { found: Mutex::default(), most }
    }

    /// Takes down what the cluster said of a token.
    pub(super) fn found(&self, token: Hash, good: bool) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if !good {
            found.remove(&token);
            return;
        }
        if !found.contains_key(&token) && found.len() >= self.most {
            let oldest = found.iter().min_by_key(|(_, at)| **at).map(|(token, _)| *token);
            oldest.and_then(|oldest| found.remove(&oldest));
        }
        found.insert(token, Instant::now());
    }

    pub(super) fn has(&self, token: &Hash) -> bool {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).contains_key(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_what_was_taken_back_is_gone() {
        let good = Good::new(2);
        for token in [[1; 32], [2; 32], [1; 32], [3; 32]] {
            good.found(token, true);
        }
        let has = || [1, 2, 3].map(|token| good.has(&[token; 32]));
        assert_eq!(has(), [true, false, true]);
        good.found([1; 32], false);
        assert_eq!(has(), [false, false, true]);
    }
}
