//! What the writer and the readers share: which segments there are, how far each is committed, and who has passed what.
//!
//! *Invariants*: 1. the size and the end of a segment change together, under one lock, after the bytes are with the
//! kernel: a reader never sees half a record; 2. segments are in the order of their sequence numbers; only the oldest goes;
//! 3. a file is deleted after it has left the list, so a reader that misses a file looks at the list again.

use super::header::Header;
use super::{SpoolConfig, SyncPolicy};
use crate::clock::Clock;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Segments at most; a process that starts and ends all day makes small ones.
const MAX_SEGMENTS: usize = 4096;
/// Deleted files that could not be removed yet; more are left to the next start.
const MAX_UNREMOVED: usize = 1024;

/// The spool as its readers see it. Clones are the same spool.
#[derive(Clone)]
pub struct Spool {
    pub(super) shared: Arc<Shared>,
}

/// The figures of a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolStats {
    /// The boot number of this run.
    pub boot: u64,
    /// The sequence number after the newest record.
    pub end: u64,
    /// Records appended in this run.
    pub appended_records: u64,
    /// Bytes of their payloads.
    pub appended_bytes: u64,
    /// Records that an append refused in this run (disk full, too large, input/output error). A batch that is tried again is
    /// counted each time; what the queue gave up is in its own figures.
    pub refused_records: u64,
    /// Segments on disk.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Segments dropped by the size cap. What a sink lost by it is in that sink's figures.
    pub dropped_by_size: u64,
    /// Segments dropped by the age cap.
    pub dropped_by_age: u64,
    /// Segments deleted because every sink had them.
    pub released: u64,
    /// Segments set aside because they could not be read, found at the start.
    pub set_aside: u64,
    /// Bytes cut from the newest segment at the start: a record that was being written when the process ended.
    pub torn_bytes: u64,
    /// Times that the disk refused to make records durable.
    pub sync_failures: u64,
    /// Whether the last append found no room.
    pub full: bool,
    /// The last problem and when it was, nanoseconds since 1970.
    pub last_error: Option<(String, u64)>,
}

/// One segment.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) header: Arc<Header>,
    pub(super) path: PathBuf,
    /// The sequence number after its last record.
    pub(super) end: u64,
    /// Bytes that may be read.
    pub(super) bytes: u64,
    pub(super) sealed: bool,
    /// Steady time of its newest record, or of the start for one that was found.
    pub(super) touched: Duration,
    /// How old it was then.
    pub(super) already: Duration,
}

/// Where a sequence number is.
pub(super) enum Place {
    /// Not written yet.
    CaughtUp,
    /// No longer, or never, there; the next record is `to`.
    Gap { to: u64, dropped: bool },
    /// In this segment.
    In(Segment),
}

/// See the module.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) config: SpoolConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) end: watch::Sender<u64>,
    inventory: Mutex<Inventory>,
}

#[derive(Default)]
pub(super) struct Inventory {
    pub(super) segments: VecDeque<Segment>,
    pub(super) stats: SpoolStats,
    /// Positions of the sinks that are known to be on disk; `true` while a subscription is out.
    cursors: BTreeMap<String, (u64, bool)>,
    unremoved: Vec<PathBuf>,
}

impl Shared {
    pub(super) fn new(folder: PathBuf, config: SpoolConfig, clock: Arc<dyn Clock>, inventory: Inventory) -> Self {
        let end = watch::Sender::new(inventory.stats.end);
        Self { folder, config, clock, end, inventory: Mutex::new(inventory) }
    }

    /// The list. No input or output under the lock.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inventory> {
        self.inventory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a problem where people look.
    pub(super) fn report(&self, problem: String) {
        let now = self.clock.wall_ns();
        self.lock().stats.last_error = Some((problem, now));
    }

    /// Deletes files that have left the list.
    pub(super) fn remove(&self, mut paths: Vec<PathBuf>) {
        paths.append(&mut self.lock().unremoved);
        for path in paths {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    self.report(format!("cannot delete {}: {error}", path.display()));
                    let mut inventory = self.lock();
                    if inventory.unremoved.len() < MAX_UNREMOVED {
                        inventory.unremoved.push(path);
                    }
                }
                _ => {}
            }
        }
    }

    /// Drops the oldest segments so that `extra` bytes have room, and those that are too old.
    pub(super) fn enforce_caps(&self, extra: u64) {
        let now = self.clock.steady();
        let dropped = self.lock().enforce_caps(&self.config, extra, now);
        self.remove(dropped);
    }

    /// A sink has durably passed everything before `next`.
    pub(super) fn passed(&self, sink: &str, next: u64) {
        let released = self.lock().passed(sink, next);
        self.remove(released);
    }

    /// Whether a cursor should be made durable at `next` because segments may go then.
    pub(super) fn wants_durable(&self, sink: &str, next: u64) -> bool {
        match self.config.sync {
            SyncPolicy::Always => true,
            SyncPolicy::Interval(_) | SyncPolicy::Never => self.lock().may_release(sink, next),
        }
    }
}

impl Inventory {
    pub(super) fn new(segments: VecDeque<Segment>, stats: SpoolStats, cursors: BTreeMap<String, u64>) -> Self {
        let cursors = cursors.into_iter().map(|(sink, next)| (sink, (next, false))).collect();
        Self { segments, stats, cursors, ..Self::default() }
    }

    /// Where `next` is.
    pub(super) fn locate(&self, next: u64) -> Place {
        let at = self.segments.partition_point(|segment| segment.end <= next);
        match self.segments.get(at) {
            Some(segment) if segment.header.first <= next => Place::In(segment.clone()),
            Some(segment) => Place::Gap { to: segment.header.first, dropped: at == 0 },
            None if next < self.stats.end => Place::Gap { to: self.stats.end, dropped: self.segments.is_empty() },
            None => Place::CaughtUp,
        }
    }

    /// A new segment is being written.
    pub(super) fn begin(&mut self, segment: Segment) {
        self.segments.push_back(segment);
    }

    /// The newest segment has grown: the records before `end` are in its first `bytes` bytes.
    pub(super) fn grown(&mut self, bytes: u64, end: u64, now: Duration) {
        if let Some(segment) = self.segments.back_mut() {
            (segment.bytes, segment.end, segment.touched) = (bytes, end, now);
        }
        self.stats.end = end;
    }

    /// The newest segment is complete.
    pub(super) fn seal(&mut self) {
        if let Some(segment) = self.segments.back_mut() {
            segment.sealed = true;
        }
    }

    fn enforce_caps(&mut self, config: &SpoolConfig, extra: u64, now: Duration) -> Vec<PathBuf> {
        let mut total = self.segments.iter().map(|segment| segment.bytes).sum::<u64>().saturating_add(extra);
        let mut paths = Vec::new();
        while let Some(oldest) = self.segments.front().filter(|segment| segment.sealed) {
            let age = now.saturating_sub(oldest.touched).saturating_add(oldest.already);
            if total > config.max_bytes || self.segments.len() >= MAX_SEGMENTS {
                self.stats.dropped_by_size += 1;
            } else if age > config.max_age {
                self.stats.dropped_by_age += 1;
            } else {
                break;
            }
            total = total.saturating_sub(oldest.bytes);
            paths.extend(self.segments.pop_front().map(|segment| segment.path));
        }
        paths
    }

    fn may_release(&self, sink: &str, next: u64) -> bool {
        let known = self.cursors.get(sink).map_or(0, |(known, _)| *known);
        self.segments.iter().any(|segment| segment.sealed && known < segment.end && segment.end <= next)
    }

    fn passed(&mut self, sink: &str, next: u64) -> Vec<PathBuf> {
        if let Some((known, _)) = self.cursors.get_mut(sink) {
            *known = next.max(*known);
        }
        let Some(all) = self.cursors.values().map(|(known, _)| *known).min() else { return Vec::new() };
        let mut paths = Vec::new();
        while self.segments.front().is_some_and(|segment| segment.sealed && segment.end <= all) {
            self.stats.released += 1;
            paths.extend(self.segments.pop_front().map(|segment| segment.path));
        }
        paths
    }

    /// Registers a sink's cursor; `false` when it is already out.
    pub(super) fn take_cursor(&mut self, sink: &str, next: u64) -> bool {
        let entry = self.cursors.entry(sink.to_owned()).or_insert((next, false));
        !std::mem::replace(&mut entry.1, true)
    }

    /// The subscription is gone; its place still holds segments back.
    pub(super) fn give_cursor(&mut self, sink: &str) {
        if let Some(entry) = self.cursors.get_mut(sink) {
            entry.1 = false;
        }
    }

    /// The sink no longer counts. Returns the files that it alone held back.
    pub(super) fn forget_cursor(&mut self, sink: &str) -> Vec<PathBuf> {
        self.cursors.remove(sink);
        self.passed(sink, 0)
    }

    /// Bytes of frames at and behind a place.
    pub(super) fn bytes_from(&self, next: u64, place: Option<(u64, u64)>) -> u64 {
        let waiting = self.segments.iter().filter(|segment| segment.end > next);
        waiting
            .map(|segment| match place {
                Some((index, at)) if index == segment.header.index => segment.bytes.saturating_sub(at),
                _ => segment.bytes.saturating_sub(segment.header.frames_at),
            })
            .sum()
    }
}

impl Spool {
    /// The figures now.
    pub fn stats(&self) -> SpoolStats {
        let inventory = self.shared.lock();
        let bytes = inventory.segments.iter().map(|segment| segment.bytes).sum();
        SpoolStats { segments: inventory.segments.len() as u64, bytes, ..inventory.stats.clone() }
    }

    /// The sequence number after the newest record.
    pub fn end(&self) -> u64 {
        *self.shared.end.borrow()
    }

    /// The sinks whose places hold segments back: those that subscribed once and were not [forgotten](Self::forget).
    pub fn sinks(&self) -> Vec<String> {
        self.shared.lock().cursors.keys().cloned().collect()
    }

    /// Bytes of frames from the record `next` on, of which `place` is known to be read up to.
    pub(crate) fn bytes_from(&self, next: u64, place: Option<(u64, u64)>) -> u64 {
        self.shared.lock().bytes_from(next, place)
    }

    /// The wall clock that the spool goes by, nanoseconds since 1970.
    pub(crate) fn wall_ns(&self) -> u64 {
        self.shared.clock.wall_ns()
    }
}
