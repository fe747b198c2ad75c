//! The writer: the only one that appends.
//!
//! *How it fits*: the queue's thread owns it; tests and tools may drive it directly.
//!
//! *Invariants*: 1. a batch is one write; when it fails, the file is cut back to where it was, and if even that fails the
//! segment is left and the numbers that may be in it are not used again; 2. every start writes segments of its own, so a torn end
//! is always the end of a file; 3. the boot number is on disk before the first record under it.
//!
//! *Limits*: payloads of [`MAX_PAYLOAD`]; the caller bounds the batch, which may make a segment that much larger.

use super::SyncPolicy;
use super::boot;
use super::frame::{self, Head};
use super::header::{FRAMES_AT, Header};
use super::inventory::{Segment, Shared};
use crate::error::AppendError;
use crate::record::{MAX_PAYLOAD, NewRecord, Stream};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// Appends records to the spool, which it holds locked.
pub struct Writer {
    shared: Arc<Shared>,
    stream: Stream,
    boot_kept: bool,
    next_seq: u64,
    next_index: u64,
    active: Option<Active>,
    buffer: Vec<u8>,
    _lock: File,
}

/// The segment that is being written.
struct Active {
    file: File,
    salt: u32,
    bytes: u64,
    began: Duration,
    /// Steady time of the first record that is not durable.
    unsynced: Option<Duration>,
    /// Whether the folder knows the file durably.
    entered: bool,
    /// Whether the next batch goes to another segment, whatever the size.
    spent: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, stream: Stream, next_seq: u64, next_index: u64, lock: File) -> Self {
        Self { shared, stream, boot_kept: false, next_seq, next_index, active: None, buffer: Vec::new(), _lock: lock }
    }

    /// Whose records it writes.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Appends a batch and returns its sequence numbers. On success the kernel has every record, and the disk too under
    /// [`SyncPolicy::Always`]. On an error none was accepted.
    pub fn append(&mut self, records: &[NewRecord]) -> Result<Range<u64>, AppendError> {
        let result = self.try_append(records);
        let now = self.shared.clock.wall_ns();
        let stats = &mut self.shared.lock().stats;
        match &result {
            Ok(range) => {
                stats.appended_records += range.end - range.start;
                stats.appended_bytes += records.iter().map(|record| record.payload.len() as u64).sum::<u64>();
                stats.full = false;
            }
            Err(error) => {
                stats.refused_records += records.len() as u64;
                stats.full = error.is_full();
                stats.last_error = Some((error.to_string(), now));
            }
        }
        result
    }

    fn try_append(&mut self, records: &[NewRecord]) -> Result<Range<u64>, AppendError> {
        if let Some(record) = records.iter().find(|record| record.payload.len() > MAX_PAYLOAD) {
            return Err(AppendError::TooLarge(record.payload.len()));
        }
        let first = self.next_seq;
        let end = first.saturating_add(records.len() as u64);
        if records.is_empty() {
            return Ok(first..first);
        }
        let segment_bytes = self.shared.config.segment_bytes;
        if self.active.as_ref().is_some_and(|active| active.spent || active.bytes >= segment_bytes) {
            self.seal();
        }
        let payloads: usize = records.iter().map(|record| record.payload.len() + frame::HEAD).sum();
        self.shared.enforce_caps(payloads as u64);
        if self.active.is_none() {
            self.begin()?;
        }
        let Some(active) = &mut self.active else { return Ok(first..first) };
        let queued_ns = self.shared.clock.wall_ns();
        self.buffer.clear();
        for (record, seq) in records.iter().zip(first..) {
            frame::put(
                &mut self.buffer,
                active.salt,
                Head { seq, time_ns: record.time_ns, queued_ns },
                &record.payload,
            );
        }
        if let Err(error) = active.file.write_all_at(&self.buffer, active.bytes) {
            if let Err(stuck) = active.file.set_len(active.bytes) {
                // What is behind the end may be found by recovery: its numbers must not name other records.
                self.shared.report(format!("cannot cut a segment back after a failed write: {stuck}"));
                self.next_seq = end;
                self.seal();
            } else {
                // It may be the file that cannot grow, not the disk. One without a record stays, or there would be many.
                active.spent = active.bytes > FRAMES_AT;
            }
            return Err(error.into());
        }
        let now = self.shared.clock.steady();
        active.bytes += self.buffer.len() as u64;
        active.unsynced.get_or_insert(now);
        let bytes = active.bytes;
        self.next_seq = end;
        match self.shared.config.sync {
            SyncPolicy::Always => self.sync(),
            SyncPolicy::Interval(_) => self.sync_if_due(now),
            SyncPolicy::Never => {}
        }
        self.shared.lock().grown(bytes, end, now);
        self.shared.end.send_replace(end);
        Ok(first..end)
    }

    /// Does what is due without a record: durability, a new segment after [`roll_after`](super::SpoolConfig::roll_after),
    /// the age cap. To be called a few times a second.
    pub fn tick(&mut self) {
        let now = self.shared.clock.steady();
        self.sync_if_due(now);
        let roll_after = self.shared.config.roll_after;
        if self.active.as_ref().is_some_and(|active| now.saturating_sub(active.began) > roll_after) {
            self.seal();
        }
        self.shared.enforce_caps(0);
    }

    /// Makes everything durable, whatever the policy. A failure is counted, and the next record goes to a new segment:
    /// what the kernel has of this one is no longer certain.
    pub fn sync(&mut self) {
        let Some(active) = &mut self.active else { return };
        if active.unsynced.is_none() {
            return;
        }
        let mut done = active.file.sync_data();
        if done.is_ok() && !active.entered {
            done = File::open(&self.shared.folder).and_then(|folder| folder.sync_all());
            active.entered = done.is_ok();
        }
        active.unsynced = None;
        if let Err(error) = done {
            self.shared.report(format!("cannot make the spool durable: {error}"));
            self.shared.lock().stats.sync_failures += 1;
            active.spent = true;
        }
    }

    /// Makes everything durable and ends; the spool can be opened again.
    pub fn close(mut self) {
        self.sync();
        self.seal();
    }

    fn sync_if_due(&mut self, now: Duration) {
        if let SyncPolicy::Interval(interval) = self.shared.config.sync {
            let since = self.active.as_ref().and_then(|active| active.unsynced);
            if since.is_some_and(|since| now.saturating_sub(since) >= interval) {
                self.sync();
            }
        }
    }

    fn seal(&mut self) {
        if self.shared.config.sync != SyncPolicy::Never {
            self.sync();
        }
        if self.active.take().is_some() {
            self.shared.lock().seal();
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.boot_kept {
            boot::keep(&self.shared.folder, self.stream.boot)?;
            self.boot_kept = true;
        }
        let salt = RandomState::new().hash_one(self.next_index) as u32;
        let header = Header {
            index: self.next_index,
            stream: self.stream.clone(),
            first: self.next_seq,
            created_ns: self.shared.clock.wall_ns(),
            salt,
            frames_at: FRAMES_AT,
        };
        let path = self.shared.folder.join(segment_name(header.index));
        let file = File::options().write(true).create_new(true).open(&path)?;
        if let Err(error) = file.write_all_at(&header.bytes(), 0) {
            drop(file);
            std::fs::remove_file(&path)?;
            return Err(error);
        }
        self.next_index += 1;
        let now = self.shared.clock.steady();
        self.active =
            Some(Active { file, salt, bytes: FRAMES_AT, began: now, unsynced: None, entered: false, spent: false });
        let segment = Segment {
            end: header.first,
            header: Arc::new(header),
            path,
            bytes: FRAMES_AT,
            sealed: false,
            touched: now,
            already: Duration::ZERO,
        };
        self.shared.lock().begin(segment);
        Ok(())
    }
}

/// The name of a segment's file.
pub(super) fn segment_name(index: u64) -> String {
    format!("{index:020}.seg")
}
