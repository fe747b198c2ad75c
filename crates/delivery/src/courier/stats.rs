//! The figures of one sink, for metrics and the API.

use crate::spool::{Losses, Spool};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a courier is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CourierState {
    /// Nothing to deliver.
    #[default]
    Idle,
    /// A request is under way.
    Delivering,
    /// Waiting after a failure.
    BackingOff,
    /// Ended by a shutdown.
    Stopped,
    /// Ended by an error that it could not get over; see `last_error`.
    Broken,
}

/// The figures of one sink. Counts are of this run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkStats {
    /// What the courier is doing.
    pub state: CourierState,
    /// Records that the receiver has taken.
    pub delivered: u64,
    /// Records that it said it had before.
    pub duplicates: u64,
    /// Records that the sink's formatter did not want.
    pub skipped: u64,
    /// Records that it will never take: they are dead letters.
    pub rejected: u64,
    /// Times that a record had to be delivered again.
    pub retried: u64,
    /// Requests made.
    pub requests: u64,
    /// Requests that failed as a whole.
    pub failed_requests: u64,
    /// Of these, those that took too long.
    pub timed_out: u64,
    /// Dead letters in the files.
    pub dead_letters: u64,
    /// Dead letters that went with an old file or could not be written.
    pub dead_letters_lost: u64,
    /// Records that the spool's caps took before the sink had them.
    pub lost_to_caps: u64,
    /// Records damaged on disk or lost with the power.
    pub lost_to_damage: u64,
    /// Frames of a newer version left out.
    pub foreign: u64,
    /// Times that the cursor could not be written: records may come twice after a restart.
    pub cursor_failures: u64,
    /// Times that the spool could not be read.
    pub read_failures: u64,
    /// Whether the cursor was damaged at the start: records came twice.
    pub cursor_damaged: bool,
    /// Records that are not delivered yet.
    pub lag_records: u64,
    /// Bytes of these, about.
    pub lag_bytes: u64,
    /// How long the oldest of them has been in the spool, by the wall clock.
    pub lag: Duration,
    /// Records of the next request at most.
    pub batch_limit: usize,
    /// The last problem and when it was, nanoseconds since 1970.
    pub last_error: Option<(String, u64)>,
    /// When the receiver last took something, nanoseconds since 1970.
    pub last_delivery_ns: Option<u64>,
    /// Figures of the sink's own.
    pub figures: Vec<(&'static str, u64)>,
}

/// What the courier writes and others read.
#[derive(Default)]
pub(super) struct Board(Mutex<Entry>);

#[derive(Default)]
pub(super) struct Entry {
    pub(super) stats: SinkStats,
    /// The number after the last record read.
    pub(super) next: u64,
    pub(super) place: Option<(u64, u64)>,
    pub(super) pending: u64,
    pub(super) pending_bytes: u64,
    pub(super) oldest_ns: Option<u64>,
}

impl Board {
    pub(super) fn lock(&self) -> MutexGuard<'_, Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut SinkStats)) {
        change(&mut self.lock().stats);
    }

    pub(super) fn losses(&self, losses: Losses) {
        self.update(|stats| {
            (stats.lost_to_caps, stats.lost_to_damage, stats.foreign) =
                (losses.to_caps, losses.to_damage, losses.foreign);
        });
    }

    /// The figures, with the lag as it is now.
    pub(super) fn snapshot(&self, spool: &Spool) -> SinkStats {
        let entry = self.lock();
        let mut stats = entry.stats.clone();
        let (next, place) = (entry.next, entry.place);
        let (pending, pending_bytes, oldest) = (entry.pending, entry.pending_bytes, entry.oldest_ns);
        drop(entry);
        stats.lag_records = pending + spool.end().saturating_sub(next);
        stats.lag_bytes = pending_bytes + spool.bytes_from(next, place);
        stats.lag = Duration::from_nanos(oldest.map_or(0, |oldest| spool.wall_ns().saturating_sub(oldest)));
        stats
    }
}
