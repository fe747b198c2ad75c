//! What the crate's tests share: a folder of their own and short records.

use crate::clock::Clock;
use crate::clock::manual::ManualClock;
use crate::record::{NewRecord, Record};
use crate::spool::{self, Spool, SpoolConfig, Subscription, SyncPolicy, Writer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A folder that goes away with its owner. In memory where there is such a place: boot numbers are flushed to the disk, and
/// tests start hundreds of times.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("tapir-delivery-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let shm = Path::new("/dev/shm");
        let path = if shm.is_dir() { shm.join(name) } else { std::env::temp_dir().join(name) };
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The wall clock of tests at their start: seconds since 1970.
pub(crate) const NOW: u64 = 1_764_000_000;

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Duration::from_secs(NOW)))
}

pub(crate) fn new_record(n: u64) -> NewRecord {
    NewRecord { time_ns: n, payload: format!("{{\"n\":{n}}}").into_bytes() }
}

/// Records numbered from `from`, `count` of them.
pub(crate) fn new_records(from: u64, count: u64) -> Vec<NewRecord> {
    (from..from + count).map(new_record).collect()
}

pub(crate) fn small() -> SpoolConfig {
    SpoolConfig { segment_bytes: 4096, max_bytes: 1 << 20, sync: SyncPolicy::Never, ..SpoolConfig::default() }
}

pub(crate) fn open(folder: &Folder, config: SpoolConfig, clock: &Arc<ManualClock>) -> (Writer, Spool) {
    let opened = spool::open(folder.path(), "node-a", config, Arc::clone(clock) as Arc<dyn Clock>).unwrap();
    (opened.writer, opened.spool)
}

/// Everything that a subscription has now, as the numbers in the payloads.
pub(crate) fn drain(subscription: &mut Subscription) -> Vec<u64> {
    let mut out = Vec::new();
    while subscription.read(100, 1 << 20, &mut out).unwrap() > 0 {}
    out.iter().map(number_of).collect()
}

pub(crate) fn number_of(record: &Record) -> u64 {
    let text = std::str::from_utf8(&record.payload).unwrap();
    text.trim_start_matches("{\"n\":").trim_end_matches('}').parse().unwrap()
}

/// A record as a sink gets it.
pub(crate) fn record(n: u64) -> Record {
    let NewRecord { payload, .. } = new_record(n);
    let stream = crate::record::Stream { node: "node-a".into(), boot: 1 };
    Record { id: stream.id(n), time_ns: 0, queued_ns: 0, payload: payload.into() }
}
