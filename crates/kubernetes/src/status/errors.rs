//! What is wrong on a node at the moment.
//!
//! *Invariants*: one error a cause; the same cause again renews it; recovery removes it; the newest stand last.
//! *Limits*: [`MAX_ERRORS`] causes, the oldest are dropped and counted; [`MAX_MESSAGE`] bytes of a message.

use crate::resources::{Bounded, MAX_ERRORS};
use k8s_openapi::jiff::Timestamp;

/// The longest message.
pub const MAX_MESSAGE: usize = 1024;

/// An error that is not mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// What it is about: an interface, a source of rules.
    cause: String,
    pub(super) message: String,
    pub(super) since: Timestamp,
    pub(super) last: Timestamp,
}

/// Errors that are not mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorLog {
    errors: Vec<Standing>,
    dropped: u64,
}

impl ErrorLog {
    /// Something went wrong. `cause` says what it is about, so that it can be mended: `attach shop/frontend-1`.
    pub fn failed(&mut self, cause: &str, message: &str, now: Timestamp) {
        let since = match self.errors.iter().position(|known| known.cause == cause) {
            Some(at) => self.errors.remove(at).since,
            None => now,
        };
        if self.errors.len() >= MAX_ERRORS {
            self.errors.remove(0);
            self.dropped += 1;
        }
        let message = message.bounded(MAX_MESSAGE);
        self.errors.push(Standing { cause: cause.to_owned(), message, since, last: now });
    }

    /// It is mended, or what it was about is gone.
    pub fn recovered(&mut self, cause: &str) {
        self.errors.retain(|known| known.cause != cause);
    }

    /// Errors of causes that are not among these are gone: endpoints that left, sources that were taken out.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.errors.retain(|known| keep(&known.cause));
    }

    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Errors that were dropped for newer ones since the log began.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn standing(&self) -> &[Standing] {
        &self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn messages(log: &ErrorLog) -> Vec<&str> {
        log.standing().iter().map(|error| error.message.as_str()).collect()
    }

    #[test]
    fn the_newest_are_kept_and_the_rest_is_counted() {
        let mut log = ErrorLog::default();
        for number in 0..14 {
            log.failed(&format!("cause {number}"), &format!("error {number}"), at(number));
        }
        assert_eq!((log.standing().len(), log.dropped()), (MAX_ERRORS, 4));
        assert_eq!((messages(&log)[0], messages(&log)[9]), ("error 4", "error 13"));
    }

    #[test]
    fn the_same_cause_is_one_error_that_keeps_its_beginning() {
        let mut log = ErrorLog::default();
        log.failed("a", "no interface", at(1));
        log.failed("b", "no rules", at(2));
        log.failed("a", "no such device", at(3));
        assert_eq!(messages(&log), ["no rules", "no such device"]);
        assert_eq!((log.standing()[1].since, log.standing()[1].last), (at(1), at(3)));
        // A crash loop is one error, however often it goes round.
        (4..1000).for_each(|second| log.failed("a", "no such device", at(second)));
        assert_eq!((log.standing().len(), log.dropped()), (2, 0));
    }

    #[test]
    fn recovery_clears() {
        let mut log = ErrorLog::default();
        log.failed("attach a", "x", at(1));
        log.failed("attach b", "y", at(1));
        log.failed("rules", "z", at(1));
        log.recovered("attach a");
        assert_eq!(messages(&log), ["y", "z"]);
        log.retain(|cause| !cause.starts_with("attach "));
        assert_eq!(messages(&log), ["z"]);
        log.recovered("rules");
        assert!(log.is_empty());
    }
}
