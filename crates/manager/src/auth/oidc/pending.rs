//! Sign-ins that are under way at the provider: what they began with, by the hash of a cookie that only this browser has.
//!
//! *Limits*: ten minutes, and 1,000 at once, the oldest goes. Each is taken once.

use crate::auth::tokens::{Hash, hash};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) const LIFE: Duration = Duration::from_secs(600);
const MOST: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignIn {
    pub state: String,
    pub nonce: String,
    /// Of PKCE.
    pub verifier: String,
    /// Page to return to.
    pub back: String,
    pub begun: Instant,
}

#[derive(Default)]
pub(super) struct Pending(Mutex<BTreeMap<Hash, SignIn>>);

impl Pending {
    pub(super) fn add(&self, cookie: &str, sign_in: SignIn) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, other| sign_in.begun.saturating_duration_since(other.begun) < LIFE);
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, other)| other.begun).map(|(key, _)| *key);
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        all.insert(hash(cookie), sign_in);
    }

    /// The sign-in of this browser, which is no more then.
    pub(super) fn take(&self, cookie: &str, now: Instant) -> Option<SignIn> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash(cookie))?;
        (now.saturating_duration_since(found.begun) < LIFE).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_taken_once_and_in_time_and_the_table_is_bounded() {
        let (pending, start) = (Pending::default(), Instant::now());
        let one =
            |begun| SignIn { state: "s".into(), nonce: "n".into(), verifier: "v".into(), back: "/".into(), begun };
        pending.add("a", one(start));
        assert_eq!(pending.take("b", start), None);
        assert_eq!(pending.take("a", start), Some(one(start)));
        assert_eq!(pending.take("a", start), None);
        pending.add("a", one(start));
        assert_eq!(pending.take("a", start + LIFE), None);
        for n in 0..MOST + 5 {
            pending.add(&n.to_string(), one(start + Duration::from_millis(u64::try_from(n).unwrap())));
        }
        assert_eq!(pending.0.lock().unwrap().len(), MOST);
        assert_eq!(pending.take("0", start), None, "the oldest went");
    }
}
