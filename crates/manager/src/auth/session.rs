//! Sessions of browsers, in memory: by the hash of the cookie, so that a dump of memory is no list of cookies.
//!
//! *Limits*: [`crate::Limits::sessions`]; when they are full the one that ends first goes.

use super::tokens::{Hash, hash};
use super::{How, Identity};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub identity: Identity,
    pub csrf: String,
    ends: Instant,
}

pub(super) struct Sessions {
    open: Mutex<BTreeMap<Hash, Session>>,
    /// Told when one was closed.
    closed: watch::Sender<()>,
    most: usize,
    lifetime: Duration,
}

impl Sessions {
    pub(super) fn new(most: usize, lifetime: Duration) -> Self {
        Self { open: Mutex::default(), closed: watch::Sender::new(()), most, lifetime }
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    pub(super) fn open(&self, id: &str, identity: Identity, csrf: String, now: Instant, lifetime: Duration) {
        let mut open = self.lock();
        open.retain(|_, session| session.ends > now);
        while open.len() >= self.most {
            let Some(first) = open.iter().min_by_key(|(_, session)| session.ends).map(|(id, _)| *id) else { break };
            open.remove(&first);
            self.closed.send_replace(());
        }
        open.insert(hash(id), Session { identity, csrf, ends: now + lifetime });
    }

    /// The session of a cookie, by its hash.
    pub(super) fn get(&self, id: &Hash, now: Instant) -> Option<Session> {
        self.lock().get(id).filter(|session| session.ends > now).cloned()
    }

    /// How it had begun, if there was one.
    pub(super) fn close(&self, id: &str) -> Option<How> {
        let closed = self.lock().remove(&hash(id));
        if closed.is_some() {
            self.closed.send_replace(());
        }
        closed.map(|session| session.identity.how)
    }

    /// Hears of sessions that are closed from now on.
    pub(super) fn closed(&self) -> watch::Receiver<()> {
        self.closed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Realm;

    #[test]
    fn sessions_end_and_the_oldest_makes_room() {
        let who = || Identity::new("a", How::Token, Realm::nothing());
        let sessions = Sessions::new(2, Duration::from_secs(10));
        let start = Instant::now();
        for (id, at) in [("a", 0), ("b", 1), ("c", 2)] {
            sessions.open(id, who(), String::new(), start + Duration::from_secs(at), sessions.lifetime());
        }
        let alive = |at| ["a", "b", "c"].map(|id| sessions.get(&hash(id), start + Duration::from_secs(at)).is_some());
        assert_eq!(alive(2), [false, true, true]);
        assert_eq!(alive(11), [false, false, true]);
        sessions.close("c");
        assert_eq!(alive(2), [false, true, false]);
    }
}
