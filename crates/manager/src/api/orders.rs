//! What nodes are told in the answer to their heartbeats: the suppressions in force.
//!
//! A heartbeat names the list that its node applies; it is answered when there is another one, or when it has waited for
//! as long as it asked for. So every node applies a new suppression at once, without asking all the time.
//! *Limits*: [`WAITING`] heartbeats wait at once; of more the answer says when to come again.

use crate::app::{App, now};
use crate::problem::Answer;
use std::sync::Arc;
use std::time::Duration;
use tapir_event::quiet::{Standing, digest};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

/// Heartbeats that wait at once.
const WAITING: usize = 512;
/// How long a heartbeat may wait.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);
/// The list is read again after this time: one may have ended, or have been made by another manager.
const LOOK: Duration = Duration::from_secs(5);

/// A list under its name.
pub(super) struct List {
    pub digest: String,
    /// Oldest first.
    pub items: Vec<Standing>,
}

/// The suppressions in force, and who waits for others.
pub(crate) struct Orders {
    list: watch::Sender<Arc<List>>,
    looked: Mutex<Option<Instant>>,
    waiting: Semaphore,
}

impl Orders {
    pub(crate) fn new() -> Self {
        let none = List { digest: digest(&[]), items: Vec::new() };
        Self { list: watch::Sender::new(Arc::new(none)), looked: Mutex::new(None), waiting: Semaphore::new(WAITING) }
    }

    /// A suppression was made, changed or removed. If the store cannot be read now, the next heartbeat reads it.
    pub(crate) async fn changed(&self, app: &App) {
        let mut looked = self.looked.lock().await;
        if self.read(app, &mut looked).await.is_err() {
            *looked = None;
        }
    }

    /// Reads the list unless that was done a moment ago.
    async fn look(&self, app: &App) -> Answer<()> {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < LOOK) { Ok(()) } else { self.read(app, &mut looked).await }
    }

    async fn read(&self, app: &App, looked: &mut Option<Instant>) -> Answer<()> {
        let now = now();
        let mut items: Vec<Standing> =
            app.store.suppressions().await?.iter().map(|one| one.standing()).filter(|one| one.holds(now)).collect();
        items.reverse();
        let digest = digest(&items);
        *looked = Some(Instant::now());
        self.list.send_if_modified(|list| {
            let other = list.digest != digest;
            if other {
                *list = Arc::new(List { digest, items });
            }
            other
        });
        Ok(())
    }

    /// The list, if it is another one than `known`; waits for that for at most `wait`. The second value says that the
    /// node could not be kept waiting, because too many are.
    pub(super) async fn other_than(&self, app: &App, known: &str, wait: Duration) -> Answer<(Option<Arc<List>>, bool)> {
        let mut list = self.list.subscribe();
        let mut ending = app.ending.clone();
        let deadline = Instant::now() + wait.min(MAX_WAIT);
        let place = self.waiting.try_acquire().ok();
        loop {
            self.look(app).await?;
            let present = Arc::clone(&list.borrow_and_update());
            if present.digest != known {
                return Ok((Some(present), false));
            }
            let left = Instant::now() < deadline;
            if !left || place.is_none() || *ending.borrow() {
                return Ok((None, left && place.is_none()));
            }
            let until = deadline.min(Instant::now() + LOOK);
            let waits = async {
                tokio::select! {
                    _ = list.changed() => {}
                    _ = ending.wait_for(|end| *end) => {}
                }
            };
            // Whether something happened is seen above.
            let _ = timeout_at(until, waits).await;
        }
    }
}
