//! The bounded queue between the engine's workers and the spool, and the thread that empties it.
//!
//! *Invariants*: 1. [`offer`](SpoolHandle::offer) never waits: a full queue refuses, and counts; 2. what was taken is
//! written, in order, or counted as given up when the queue closes; 3. while the disk is full the thread holds on to its batch
//! and tries again, so that the queue's length is what is gained, and the newest records are refused.
//!
//! *Limits*: [`QueueConfig`]. What is in the queue is in memory: an end of the process loses it. At rest that is nothing, as
//! the thread writes at once; under load it is what came during one write.

use crate::error::{AppendError, Error};
use crate::record::{MAX_PAYLOAD, NewRecord};
use crate::spool::Writer;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the writer looks after durability and ages when nothing comes.
const TICK: Duration = Duration::from_millis(100);
/// How long it waits after a failed write.
const RETRY: Duration = Duration::from_millis(250);

/// Bounds of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Records that wait at most.
    pub records: usize,
    /// Bytes of payload that wait at most.
    pub bytes: usize,
    /// Records of one write.
    pub batch_records: usize,
    /// Bytes of payload of one write, but at least one record.
    pub batch_bytes: usize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { records: 8192, bytes: 32 << 20, batch_records: 1024, batch_bytes: 1 << 20 }
    }
}

/// The figures of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Records that were taken.
    pub taken: u64,
    /// Records that reached the spool.
    pub written: u64,
    /// Records that wait now.
    pub waiting: u64,
    /// Refused because the queue was full.
    pub refused_full: u64,
    /// Refused because the payload is above [`MAX_PAYLOAD`].
    pub refused_large: u64,
    /// Refused because the queue was closed.
    pub refused_closed: u64,
    /// Taken, but the spool could not be written until the queue closed.
    pub given_up: u64,
    /// Writes that failed and were tried again.
    pub write_failures: u64,
}

#[derive(Default)]
struct Shared {
    closing: AtomicBool,
    ended: AtomicBool,
    waiting_bytes: AtomicUsize,
    taken: AtomicU64,
    written: AtomicU64,
    refused_full: AtomicU64,
    refused_large: AtomicU64,
    refused_closed: AtomicU64,
    write_failures: AtomicU64,
    give_up_at: Mutex<Option<Instant>>,
}

/// The producers' end. Clone it for each worker.
#[derive(Clone)]
pub struct SpoolHandle {
    sender: SyncSender<NewRecord>,
    shared: Arc<Shared>,
    max_bytes: usize,
}

impl SpoolHandle {
    /// Hands a record over; `false` when it was refused, which is counted. Never waits.
    pub fn offer(&self, record: NewRecord) -> bool {
        let shared = &self.shared;
        let len = record.payload.len();
        let refused = if len > MAX_PAYLOAD {
            &shared.refused_large
        } else if shared.closing.load(Ordering::Relaxed) {
            &shared.refused_closed
        } else if shared.waiting_bytes.fetch_add(len, Ordering::Relaxed).saturating_add(len) > self.max_bytes {
            shared.waiting_bytes.fetch_sub(len, Ordering::Relaxed);
            &shared.refused_full
        } else {
            match self.sender.try_send(record) {
                Ok(()) => {
                    shared.taken.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Err(error) => {
                    shared.waiting_bytes.fetch_sub(len, Ordering::Relaxed);
                    match error {
                        TrySendError::Full(_) => &shared.refused_full,
                        TrySendError::Disconnected(_) => &shared.refused_closed,
                    }
                }
            }
        };
        refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// The figures now.
    pub fn stats(&self) -> QueueStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let shared = &self.shared;
        let ended = shared.ended.load(Ordering::Acquire);
        let (written, taken) = (of(&shared.written), of(&shared.taken));
        let open = taken.saturating_sub(written);
        QueueStats {
            taken,
            written,
            waiting: if ended { 0 } else { open },
            refused_full: of(&shared.refused_full),
            refused_large: of(&shared.refused_large),
            refused_closed: of(&shared.refused_closed),
            given_up: if ended { open } else { 0 },
            write_failures: of(&shared.write_failures),
        }
    }
}

/// The thread that writes. Dropping it leaves the thread to the handles: it ends when the last one goes.
pub struct SpoolThread {
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
}

impl SpoolThread {
    /// Takes no more, writes what waits, makes it durable and gives the spool free. A disk that is full until `deadline` ends
    /// it with the rest counted as given up.
    pub fn close(self, deadline: Duration) {
        *self.shared.give_up_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + deadline);
        self.shared.closing.store(true, Ordering::Release);
        // The thread contains no panic that it does not cause itself; its end is what matters.
        let _ = self.thread.join();
    }
}

/// Starts the thread that writes what is offered.
pub fn start(writer: Writer, config: QueueConfig) -> Result<(SpoolHandle, SpoolThread), Error> {
    let (sender, receiver) = sync_channel(config.records.max(1));
    let shared = Arc::new(Shared::default());
    let handle = SpoolHandle { sender, shared: Arc::clone(&shared), max_bytes: config.bytes };
    let pump = Pump { writer, receiver, shared: Arc::clone(&shared), config };
    let thread = std::thread::Builder::new()
        .name("tapir-spool".into())
        .spawn(move || pump.run())
        .map_err(|error| Error::Config(format!("cannot start the spool's thread: {error}")))?;
    Ok((handle, SpoolThread { thread, shared }))
}

struct Pump {
    writer: Writer,
    receiver: Receiver<NewRecord>,
    shared: Arc<Shared>,
    config: QueueConfig,
}

/// Says that the thread has ended, however it does.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.closing.store(true, Ordering::Release);
        self.0.ended.store(true, Ordering::Release);
    }
}

impl Pump {
    fn run(mut self) {
        let _ended = Ended(Arc::clone(&self.shared));
        let mut ticked = Instant::now();
        let mut batch = Vec::new();
        loop {
            let closing = self.shared.closing.load(Ordering::Acquire);
            let wait = if closing { Duration::ZERO } else { TICK };
            match self.receiver.recv_timeout(wait) {
                Ok(record) => {
                    self.fill(record, &mut batch);
                    if !self.write(&batch) {
                        break;
                    }
                    batch.clear();
                }
                Err(RecvTimeoutError::Timeout) if closing => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if ticked.elapsed() >= TICK {
                self.writer.tick();
                ticked = Instant::now();
            }
        }
        self.writer.close();
    }

    fn fill(&self, first: NewRecord, batch: &mut Vec<NewRecord>) {
        let mut bytes = first.payload.len();
        batch.push(first);
        while batch.len() < self.config.batch_records && bytes < self.config.batch_bytes {
            let Ok(record) = self.receiver.try_recv() else { break };
            bytes += record.payload.len();
            batch.push(record);
        }
    }

    /// Writes a batch, however often it takes; `false` when it is given up because the queue closes.
    fn write(&mut self, batch: &[NewRecord]) -> bool {
        loop {
            match self.writer.append(batch) {
                Ok(_) | Err(AppendError::TooLarge(_)) => break,
                Err(AppendError::Full(_) | AppendError::Io(_)) => {
                    self.shared.write_failures.fetch_add(1, Ordering::Relaxed);
                    let give_up = *self.shared.give_up_at.lock().unwrap_or_else(PoisonError::into_inner);
                    if give_up.is_some_and(|at| Instant::now() >= at) {
                        return false;
                    }
                    std::thread::sleep(RETRY);
                    self.writer.tick();
                }
            }
        }
        let bytes = batch.iter().map(|record| record.payload.len()).sum();
        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.shared.written.fetch_add(batch.len() as u64, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, clock, drain, new_record, open, small};

    #[test]
    fn offers_of_many_threads_reach_the_spool_or_are_counted() {
        let (folder, clock) = (Folder::new(), clock());
        let (writer, spool) = open(&folder, small(), &clock);
        let config = QueueConfig { records: 64, ..QueueConfig::default() };
        let (handle, thread) = start(writer, config).unwrap();
        let accepted: u64 = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4_u64)
                .map(|worker| {
                    let handle = handle.clone();
                    scope.spawn(move || {
                        (0..2000).filter(|n| handle.offer(new_record(worker * 10_000 + n))).count() as u64
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        thread.close(Duration::from_secs(5));
        let stats = handle.stats();
        assert_eq!((stats.taken, stats.written, stats.given_up, stats.waiting), (accepted, accepted, 0, 0));
        assert_eq!(stats.refused_full, 8000 - accepted);
        let mut got = drain(&mut spool.subscribe("a").unwrap());
        assert_eq!(got.len() as u64, accepted);
        got.sort_unstable();
        got.dedup();
        assert_eq!(got.len() as u64, accepted);
        assert!(!handle.offer(new_record(1)));
        assert_eq!(handle.stats().refused_closed, 1);
    }

    #[test]
    fn bytes_are_bounded_and_large_records_refused() {
        let (folder, clock) = (Folder::new(), clock());
        let (writer, spool) = open(&folder, small(), &clock);
        let (handle, thread) = start(writer, QueueConfig { bytes: 100, ..QueueConfig::default() }).unwrap();
        let of = |len| NewRecord { time_ns: 0, payload: vec![b'1'; len] };
        assert!(!handle.offer(of(MAX_PAYLOAD + 1)));
        assert!(!handle.offer(of(101)));
        assert!(handle.offer(of(100)));
        thread.close(Duration::from_secs(5));
        assert_eq!((handle.stats().refused_large, handle.stats().refused_full), (1, 1));
        assert_eq!(spool.end(), 1);
    }
}
