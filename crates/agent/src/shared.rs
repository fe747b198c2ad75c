//! Between the agent's two sides: what the capture thread is to do, and what it says of itself.
//!
//! *How it fits*: the control side posts a [`Board`], rules and suppressions; the capture side looks at one flag between
//! blocks, and about once a second leaves a [`Report`].
//!
//! *Invariants*: nobody waits for the other; locks are held for the exchange of a pointer. The capture side wakes nobody but by a
//! futex: who waits in a runtime is woken by writing to a file, which a sealed thread may not, so [`Shared::relay`] does that.

use crate::board::Board;
use crate::rules::RuleSets;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tapir_delivery::beacon::Unseen;
use tapir_engine::{Counters, RuleCosts, Rules, Suppressions};
use tapir_packet::Timestamp;
use tokio::sync::Notify;

/// What is new for the capture side; the rest stays as it is.
#[derive(Default)]
pub struct Orders {
    /// Other endpoints, or other names.
    pub board: Option<Arc<Board>>,
    /// Other rule sets.
    pub rules: Option<Arc<RuleSets>>,
    /// Other suppressions.
    pub suppressions: Option<Arc<Suppressions>>,
}

/// What an endpoint has seen since it was attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Packets.
    pub packets: u64,
    /// Those of them that go to the pod.
    pub to_pod: u64,
    /// Their captured bytes.
    pub bytes: u64,
    /// Events that were raised on it, once for each of its inspections.
    pub events: u64,
    /// Time of the last event.
    pub last_event: Option<Timestamp>,
}

/// Packets that were asked for and are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unrecorded {
    /// Events without them, because there were too many at once.
    pub events: u64,
    /// Endpoints without room for them, now.
    pub endpoints: u64,
}

/// How the capture side is.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Endpoints whose frames it takes, by number.
    pub seen: BTreeMap<u32, Seen>,
    /// Sums over all endpoints, those that have gone among them.
    pub counters: Counters,
    /// The node's rules in force; `None` before the first.
    pub rules: Option<Arc<Rules>>,
    /// The suppressions in force.
    pub suppressions: Arc<Suppressions>,
    /// Events that they dropped, by suppression.
    pub quieted: BTreeMap<String, u64>,
    /// Bytes that flows hold.
    pub flow_bytes: u64,
    /// Bytes that flows may hold.
    pub flow_limit: u64,
    /// Conversations by interface.
    pub flows: BTreeMap<String, u64>,
    /// What could not be inspected.
    pub unseen: Vec<Unseen>,
    /// What rules cost on all endpoints that are attached.
    pub costs: RuleCosts,
    /// Events that were to take packets along and did not, and endpoints that keep none for want of room.
    pub unrecorded: Unrecorded,
    /// Why nothing can be captured inside of a pod, by number.
    pub troubles: BTreeMap<u32, String>,
    /// Why nothing can be captured on the node's side, if so.
    pub trouble: Option<String>,
}

/// The place where both sides meet.
#[derive(Default)]
pub struct Shared {
    orders: Mutex<Orders>,
    is_new: AtomicBool,
    report: Mutex<(Option<Instant>, Arc<Report>)>,
    /// Whether there is a report that [`Shared::relay`] has not told of.
    untold: Mutex<bool>,
    left: Condvar,
    reported: Notify,
    /// Kinds of objects that we may not see, and why, in words.
    denied: Mutex<BTreeMap<String, String>>,
}

impl Shared {
    /// Nothing to do yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Says that we may not see a kind of objects, and why; `None`: we may.
    pub fn deny(&self, kind: &str, why: Option<String>) {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(denied.insert(kind.to_owned(), why)),
            None => drop(denied.remove(kind)),
        }
    }

    /// Kinds of objects that we may not see, and why.
    pub fn denied(&self) -> BTreeMap<String, String> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Posts endpoints and names.
    pub fn post_board(&self, board: Arc<Board>) {
        self.post(|orders| orders.board = Some(board));
    }

    /// Posts all rule sets.
    pub fn post_rules(&self, rules: Arc<RuleSets>) {
        self.post(|orders| orders.rules = Some(rules));
    }

    /// Posts suppressions.
    pub fn post_suppressions(&self, suppressions: Arc<Suppressions>) {
        self.post(|orders| orders.suppressions = Some(suppressions));
    }

    fn post(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut lock(&self.orders));
        self.is_new.store(true, Ordering::Release);
    }

    /// What is new since the last call; asks without a lock whether there is anything.
    pub fn take_orders(&self) -> Option<Orders> {
        self.is_new.swap(false, Ordering::Acquire).then(|| std::mem::take(&mut *lock(&self.orders)))
    }

    /// Leaves a report.
    pub fn set_report(&self, report: Report) {
        *lock(&self.report) = (Some(Instant::now()), Arc::new(report));
        *lock(&self.untold) = true;
        self.left.notify_one();
    }

    /// Starts the thread that tells of reports, which lives as long as the process.
    pub fn relay(self: &Arc<Self>) -> Result<(), String> {
        let shared = Arc::clone(self);
        let tell = move || {
            loop {
                let mut untold = lock(&shared.untold);
                while !*untold {
                    untold = shared.left.wait(untold).unwrap_or_else(PoisonError::into_inner);
                }
                *untold = false;
                drop(untold);
                shared.reported.notify_waiters();
            }
        };
        let started = std::thread::Builder::new().name("tapir-relay".into()).spawn(tell);
        started.map(drop).map_err(|error| format!("cannot start the thread that tells of reports: {error}"))
    }

    /// The last report.
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&lock(&self.report).1)
    }

    /// When it was left.
    pub fn reported_at(&self) -> Option<Instant> {
        lock(&self.report).0
    }

    /// Told when there is another report, by [`Shared::relay`].
    pub fn reported(&self) -> &Notify {
        &self.reported
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_report_is_told_of_by_the_relay() {
        let shared = Shared::new();
        shared.relay().unwrap();
        let told = shared.reported().notified();
        tokio::pin!(told);
        told.as_mut().enable();
        shared.set_report(Report { flow_bytes: 7, ..Report::default() });
        tokio::time::timeout(Duration::from_secs(5), told).await.unwrap();
        assert_eq!(shared.report().flow_bytes, 7);
    }
}
