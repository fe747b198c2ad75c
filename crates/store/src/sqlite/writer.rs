//! The one thread that writes.
//!
//! Batches that wait are written together; any other change ends the collecting and is its own transaction. When
//! nothing waits, hidden events whose suppression was removed come back, a few thousand at a time.

use super::index::Index;
use super::link::Link;
use super::put::{Batch, put};
use super::silence::Silences;
use super::{body, retain};
use crate::{IngestOutcome, StoreError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Rows of a transaction from which on it is written without waiting for more.
const ROWS: usize = 40_000;
/// The same before there is a dictionary for bodies: the sooner there is one, the fewer are without.
const FIRST_ROWS: usize = 2_000;
/// Documents from which the dictionary of bodies is made: so many of groups, so many of the newest, so many bytes.
const OF_GROUPS: i64 = 600;
const NEWEST: i64 = 400;
const SAMPLE: usize = 4 << 20;

/// A batch with who waits for it.
pub(super) struct Arrival {
    pub batch: Batch,
    pub answer: oneshot::Sender<Result<IngestOutcome, StoreError>>,
    pub claim: Claim,
}

/// A batch's share of the queue, from the call until it is written or given up.
pub(super) struct Claim {
    gauges: Arc<Gauges>,
    rows: u64,
    bytes: u64,
}

impl Claim {
    /// Takes a share of rows and bytes; `None` if there is no room. A batch of any size is taken by an empty queue.
    pub(super) fn take(gauges: &Arc<Gauges>, rows: usize, bytes: usize, most: (u64, u64)) -> Option<Self> {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (rows, bytes) = (number(rows), number(bytes));
        let rows_before = gauges.queued_rows.fetch_add(rows, Ordering::Relaxed);
        let bytes_before = gauges.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        gauges.queued.fetch_add(1, Ordering::Relaxed);
        let claim = Self { gauges: Arc::clone(gauges), rows, bytes };
        let fits = rows_before + rows <= most.0 && bytes_before + bytes <= most.1;
        (rows_before == 0 || fits).then_some(claim)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.gauges.queued_rows.fetch_sub(self.rows, Ordering::Relaxed);
        self.gauges.queued_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.gauges.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A change other than events.
pub(super) type Change = Box<dyn FnOnce(&mut Writer) + Send>;

/// What the thread is asked to do.
pub(super) enum Write {
    Batch(Box<Arrival>),
    Other(Change),
}

/// Counts and flags that others read.
#[derive(Default)]
pub(super) struct Gauges {
    pub queued_rows: AtomicU64,
    pub queued_bytes: AtomicU64,
    pub queued: AtomicU64,
    pub stored: AtomicU64,
    pub duplicates: AtomicU64,
    pub rejected: AtomicU64,
    pub removed: AtomicU64,
    pub busy: AtomicU64,
    pub partial: AtomicU64,
    pub touch: AtomicI64,
    pub error: Mutex<Option<String>>,
    /// Dictionary with which new bodies are compressed.
    pub dictionary: Mutex<Option<(u8, Arc<Vec<u8>>)>>,
}

impl Gauges {
    /// Keeps, or forgets, the last error of a write.
    pub(super) fn note(&self, error: Option<&StoreError>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error.map(ToString::to_string);
    }
}

/// The writing connection and what it knows.
pub(super) struct Writer {
    pub link: Link,
    pub index: Index,
    pub silences: Silences,
    pub gauges: Arc<Gauges>,
}

impl Writer {
    pub(super) fn new(link: Link, gauges: Arc<Gauges>) -> Result<Self, StoreError> {
        let read = || {
            let index = Index::load(&link.db, &link.words)?;
            let silences = Silences::load(&link.db)?;
            let touch: i64 = link.db.query_row("SELECT coalesce(max(touch), 0) FROM grp", [], |row| row.get(0))?;
            let reserved: Option<i64> = super::admin::meta(&link.db, "touch")?;
            Ok((index, silences, touch.max(reserved.unwrap_or(0))))
        };
        let (index, silences, touch) = read().map_err(|error| link.failed(&error))?;
        gauges.touch.store(touch, Ordering::Relaxed);
        let mut writer = Self { link, index, silences, gauges };
        writer.publish_dictionary()?;
        Ok(writer)
    }

    /// Runs until the queue is closed.
    pub(super) fn run(mut self, queue: &Receiver<Write>) {
        let mut revealing = true;
        loop {
            let write = match revealing {
                false => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                true => queue.recv_timeout(Duration::from_millis(20)),
            };
            match write {
                Ok(Write::Other(change)) => {
                    self.other(change);
                    revealing = true;
                }
                Ok(Write::Batch(arrival)) => {
                    if let Some(change) = self.collect(arrival, queue) {
                        self.other(change);
                        revealing = true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let step = self.transaction(retain::reveal);
                    revealing = step.unwrap_or(false);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let _ = self.link.db.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
    }

    fn other(&mut self, change: Change) {
        if catch_unwind(AssertUnwindSafe(|| change(self))).is_err() {
            self.link.guard.end();
            let _ = self.link.db.execute_batch("ROLLBACK");
            let _ = self.reload();
        }
    }

    /// Takes more batches until there are enough or it is time; returns a change that came in between.
    fn collect(&mut self, first: Box<Arrival>, queue: &Receiver<Write>) -> Option<Change> {
        let until = Instant::now() + self.link.config.commit_after;
        let mut rows = first.batch.rows.len();
        let mut arrivals = vec![first];
        let mut change = None;
        let enough = if self.has_dictionary() { ROWS } else { FIRST_ROWS };
        while rows < enough && change.is_none() {
            match queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Write::Batch(more)) => {
                    rows += more.batch.rows.len();
                    arrivals.push(more);
                }
                Ok(Write::Other(other)) => change = Some(other),
                Err(_) => break,
            }
        }
        self.write(arrivals);
        change
    }

    #[expect(clippy::vec_box, reason = "they come boxed through the queue")]
    fn write(&mut self, arrivals: Vec<Box<Arrival>>) {
        let (mut batches, answers): (Vec<Batch>, Vec<_>) =
            arrivals.into_iter().map(|arrival| (arrival.batch, (arrival.answer, arrival.claim))).unzip();
        let written = catch_unwind(AssertUnwindSafe(|| {
            self.transaction(|writer, touch| {
                let Writer { link, index, silences, .. } = writer;
                put(&link.db, index, silences, &mut batches, touch).map_err(|error| link.failed(&error))
            })
        }));
        let written = written.unwrap_or_else(|_| {
            let _ = self.link.db.execute_batch("ROLLBACK");
            let _ = self.reload();
            Err(StoreError::Internal("writing events panicked".to_owned()))
        });
        self.gauges.note(written.as_ref().err());
        for (batch, (answer, claim)) in batches.into_iter().zip(answers) {
            drop(claim);
            let outcome = written.clone().map(|()| batch.outcome);
            if let Ok(outcome) = &outcome {
                let gauges = &self.gauges;
                gauges.stored.fetch_add(outcome.stored, Ordering::Relaxed);
                gauges.duplicates.fetch_add(outcome.duplicates, Ordering::Relaxed);
                let rejected = u64::try_from(outcome.rejected.len()).unwrap_or(0);
                gauges.rejected.fetch_add(rejected, Ordering::Relaxed);
            }
            let _ = answer.send(outcome);
        }
        if written.is_ok() && self.dictionary_is_due() {
            let _ = self.make_dictionary();
        }
    }

    /// Runs a change as one transaction. `touch`: the number of the change, for groups that it touches.
    pub(super) fn transaction<T>(
        &mut self,
        change: impl FnOnce(&mut Self, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let touch = self.gauges.touch.load(Ordering::Relaxed) + 1;
        self.link.db.execute_batch("BEGIN IMMEDIATE").map_err(|error| self.link.failed(&error))?;
        let result = change(self, touch);
        let ended = match &result {
            Ok(_) => self.link.db.execute_batch("COMMIT"),
            Err(_) => self.link.db.execute_batch("ROLLBACK"),
        };
        match (result, ended) {
            (Ok(value), Ok(())) => {
                self.gauges.touch.store(touch, Ordering::Relaxed);
                Ok(value)
            }
            (result, ended) => {
                // Ids that were given out in the transaction are gone with it.
                let error = result.err().or(ended.err().map(|error| self.link.failed(&error)));
                if !self.link.db.is_autocommit() {
                    let _ = self.link.db.execute_batch("ROLLBACK");
                }
                self.reload()?;
                Err(error.unwrap_or(StoreError::Closed))
            }
        }
    }

    /// A change that looks for what it changes by a query: within the limits of a read.
    pub(super) fn searching<T>(
        &mut self,
        now: i64,
        search: impl FnOnce(&mut Link) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let config = Arc::clone(&self.link.config);
        let limits = super::guard::Limits { time: config.time_limit, rows: config.row_budget };
        self.link.guard.begin(limits, now);
        let result = self.link.refresh().and_then(|()| search(&mut self.link));
        self.link.guard.end();
        result
    }

    fn reload(&mut self) -> Result<(), StoreError> {
        self.link.words = super::dictionary::Dictionaries::default();
        self.link.refresh()?;
        let index = Index::load(&self.link.db, &self.link.words);
        self.index = index.map_err(|error| self.link.failed(&error))?;
        let silences = Silences::load(&self.link.db);
        self.silences = silences.map_err(|error| self.link.failed(&error))?;
        Ok(())
    }

    fn has_dictionary(&self) -> bool {
        self.gauges.dictionary.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn dictionary_is_due(&self) -> bool {
        !self.has_dictionary() && self.gauges.stored.load(Ordering::Relaxed) >= 1_000
    }

    /// Makes the dictionary of bodies from documents of different rules and the newest ones.
    fn make_dictionary(&mut self) -> Result<(), StoreError> {
        let read = |link: &Link| {
            let mut statement = link.db.prepare(
                "SELECT body FROM event WHERE id IN (
                    SELECT (SELECT id FROM event WHERE grp = g.grp LIMIT 1) FROM
                        (SELECT max(id) AS grp FROM grp GROUP BY sig ORDER BY max(n) DESC LIMIT ?) g
                    UNION SELECT id FROM (SELECT id FROM event ORDER BY id DESC LIMIT ?))",
            )?;
            let rows = statement.query_map([OF_GROUPS, NEWEST], |row| row.get::<_, Vec<u8>>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let bodies = read(&self.link).map_err(|error| self.link.failed(&error))?;
        let mut documents = Vec::new();
        let mut size = 0;
        for body in bodies {
            let Ok(document) = self.link.guard.open(&body) else { continue };
            size += document.len();
            if size > SAMPLE {
                break;
            }
            documents.push(document);
        }
        let bytes = body::dictionary(&documents);
        self.transaction(|writer, _| {
            let mut add = writer.link.db.prepare("INSERT OR IGNORE INTO meta VALUES ('dictionary/2', ?)");
            let added = add.as_mut().map(|add| add.execute([&bytes]));
            match added {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(writer.link.failed(&error)),
                Err(error) => Err(writer.link.failed(error)),
            }
        })?;
        self.publish_dictionary()
    }

    fn publish_dictionary(&mut self) -> Result<(), StoreError> {
        let found = super::link::dictionary(&self.link.db, 2).map_err(|error| self.link.failed(&error))?;
        if let Some(bytes) = found {
            let mut shared = self.gauges.dictionary.lock().unwrap_or_else(PoisonError::into_inner);
            *shared = Some((2, Arc::new(bytes)));
        }
        self.link.refresh()
    }
}

/// A compressor with the dictionary that is in force.
pub(super) fn packer(gauges: &Gauges) -> body::Packer {
    let dictionary = gauges.dictionary.lock().unwrap_or_else(PoisonError::into_inner).clone();
    body::Packer::new(dictionary.as_ref().map(|(number, bytes)| (*number, bytes.as_slice())))
}
