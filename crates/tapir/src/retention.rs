//! Removing old events, for as long as the manager runs: a turn each minute, of as many steps as there is something for.
//!
//! *How it fits*: [`retain`] runs beside the server. The store removes a bounded number of events in a step
//! ([`EventStore::retain`]); between two steps the store is left alone for as long as the step took, so that reads and
//! writes go on. A turn that removed one step only would be outgrown by whoever brings more than that in a minute.
//! *Limits*: a pause has [`LONGEST`] at most. What fails ends the turn and is told once until it changes.

use crate::identity::wall_clock;
use crate::message::Messages;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tapir_store::{EventStore, RetentionPolicy, RetentionReport, StoreError};
use tokio::time::{Instant, MissedTickBehavior};

/// How often old events are looked for.
const EVERY: Duration = Duration::from_secs(60);
/// Between two steps.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(1);

/// Removes old events, for ever.
pub async fn retain(store: Arc<dyn EventStore>, policy: RetentionPolicy, messages: &Messages) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    loop {
        ticks.tick().await;
        let done = turn(|| store.retain(policy.clone(), wall_clock())).await;
        if let Some(text) = told.news(done.err()) {
            messages.warning(&text);
        }
    }
}

/// Takes steps until one finds nothing; how many events went. A step that removed less than it may has looked at one
/// kind of old events only: there may be others that are too many.
async fn turn<F>(mut step: impl FnMut() -> F) -> Result<u64, StoreError>
where
    F: Future<Output = Result<RetentionReport, StoreError>>,
{
    let mut sum = 0;
    loop {
        let began = Instant::now();
        let report = step().await?;
        let removed = report.by_age + report.by_suppression + report.by_size;
        sum += removed;
        if removed == 0 && !report.more {
            return Ok(sum);
        }
        tokio::time::sleep(began.elapsed().clamp(SHORTEST, LONGEST)).await;
    }
}

/// The failure that was told last.
#[derive(Default)]
struct Told(String);

impl Told {
    /// What is to be told of how a turn ended.
    fn news(&mut self, failed: Option<StoreError>) -> Option<String> {
        let text = failed.map(|error| format!("old events were not removed: {error}")).unwrap_or_default();
        if text == self.0 {
            return None;
        }
        self.0.clone_from(&text);
        Some(text).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_event::{EventId, SecurityEvent};
    use tapir_packet::Timestamp;
    use tapir_store::{IngestBatch, SqliteConfig, SqliteStore};

    const DAY: i64 = 86_400;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn batch(first: u64, events: u64) -> IngestBatch {
        let event = |seq| SecurityEvent {
            id: EventId { node: "worker-3".into(), boot: 1, seq },
            time: Timestamp::from_secs_nanos(DAY, 0),
            ..SecurityEvent::default()
        };
        let documents = (first..first + events).map(|seq| serde_json::to_vec(&event(seq)).unwrap());
        IngestBatch { documents: documents.collect() }
    }

    #[test]
    fn one_turn_removes_all_that_is_too_old_and_then_what_is_too_much() {
        let dir = std::env::temp_dir().join(format!("tapir-retention-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.join("events.db"))).unwrap();
        let at = |day: i64| Timestamp::from_secs_nanos(day * DAY, 0);
        wait(store.ingest(batch(1, 36_000), at(1))).unwrap();
        wait(store.ingest(batch(36_001, 100), at(3))).unwrap();
        wait(store.ingest(batch(36_101, 6_000), at(20))).unwrap();
        let policy =
            RetentionPolicy { keep: Duration::from_secs(10 * 86_400), max_bytes: u64::MAX, ..Default::default() };
        let events = || wait(store.health()).unwrap().events;
        assert_eq!(wait(turn(|| store.retain(policy.clone(), at(12)))).unwrap(), 36_000);
        assert_eq!(events(), 6_100);
        // A hundred are too old, which is less than a step; nothing fits.
        let full = RetentionPolicy { max_bytes: 1, ..policy };
        assert_eq!(wait(turn(|| store.retain(full.clone(), at(20)))).unwrap(), 6_100);
        assert_eq!(events(), 0);
        drop(store);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_step_that_fails_ends_the_turn_and_is_told_once() {
        let mut steps = 0;
        let failed = wait(turn(|| {
            steps += 1;
            let done = match steps {
                1 => Ok(RetentionReport { by_age: 5_000, more: true, ..RetentionReport::default() }),
                _ => Err(StoreError::Closed),
            };
            std::future::ready(done)
        }));
        assert_eq!((steps, &failed), (2, &Err(StoreError::Closed)));
        let mut told = Told::default();
        let mut news = |failed| told.news(failed);
        assert!(news(failed.err()).unwrap().contains("not removed"));
        assert_eq!(news(Some(StoreError::Closed)), None);
        assert!(news(Some(StoreError::Internal("else".into()))).is_some());
        assert_eq!(news(None), None);
        assert!(news(Some(StoreError::Closed)).is_some());
    }

    #[test]
    fn what_is_to_be_done_beside_it_is_done_between_its_steps() {
        let steps = std::cell::Cell::new(0);
        let (removed, seen) = wait(async {
            let step = || {
                steps.set(steps.get() + 1);
                let left = steps.get() < 4;
                std::future::ready(Ok(RetentionReport { by_size: u64::from(left), more: left, ..Default::default() }))
            };
            tokio::join!(turn(step), async { steps.get() })
        });
        assert_eq!((removed, seen, steps.get()), (Ok(3), 1, 4));
    }
}
