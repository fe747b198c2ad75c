//! Words that sign in once: for a link that the program prints for whoever started it.
//!
//! 256 random bits, of which the hash is kept, in memory, until somebody signs in with it or the process ends. The
//! word travels in the *fragment* of the address, which browsers send to nobody; the page trades it for a session.
//! *Limits*: [`MOST`] open words; then the oldest is good for nothing any more.

use super::tokens::{equal, hash, random_hex};
use crate::error::ManagerError;
use std::sync::{Mutex, PoisonError};

const MOST: usize = 16;

/// The open words.
#[derive(Default)]
pub(super) struct Links(Mutex<Vec<[u8; 32]>>);

impl Links {
    /// A new word.
    pub(super) fn make(&self) -> Result<String, ManagerError> {
        let word = random_hex()?;
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST {
            open.remove(0);
        }
        open.push(hash(&word));
        Ok(word)
    }

    /// Whether it was one; it is none afterwards.
    pub(super) fn take(&self, word: &str) -> bool {
        let given = hash(word);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = open.iter().position(|known| equal(known, &given));
        found.map(|at| open.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_good_once() {
        let links = Links::default();
        let (first, second) = (links.make().unwrap(), links.make().unwrap());
        assert!(!links.take("") && !links.take(&first[1..]));
        assert!(links.take(&first) && !links.take(&first));
        assert!(links.take(&second));
    }

    #[test]
    fn the_oldest_of_too_many_is_none_any_more() {
        let links = Links::default();
        let words: Vec<String> = (0..=MOST).map(|_| links.make().unwrap()).collect();
        let good: Vec<bool> = words.iter().map(|word| links.take(word)).collect();
        assert_eq!((good[0], good.iter().filter(|good| **good).count()), (false, MOST));
    }
}
