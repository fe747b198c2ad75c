//! The spool: an append-only queue on disk between the engine and the sinks.
//!
//! *How it fits*: one [`Writer`] appends records to segments; each sink has a [`Subscription`] that follows it with a
//! cursor of its own. Segments that every cursor has passed are deleted.
//!
//! A folder holds `NNN.seg` (segments), `cursors/SINK` and `boot` (notes, see `note.rs`), `lock`, and
//! `NNN.seg.aside` for segments that could not be read.
//!
//! *Invariants*: 1. when [`Writer::append`] returns, the kernel has the records: an end of the process loses none; 2. a reader
//! sees whole records only; 3. sequence numbers are contiguous over all segments, so what is missing between two records is
//! known to the number; 4. a damaged record costs itself and nothing else; 5. nothing is deleted that a cursor has not
//! durably passed, but by the caps, which count.
//!
//! *Limits*: [`SpoolConfig`]; 4,096 segments; the oldest whole segments go first.

mod boot;
mod frame;
mod fuzz;
mod header;
mod inventory;
mod open;
mod subscription;
mod walk;
mod writer;

pub use fuzz::fuzz_spool;
pub use inventory::{Spool, SpoolStats};
pub use open::{Opened, Recovery, open};
pub use subscription::{Losses, Subscription};
pub use writer::Writer;

use crate::error::Error;
use std::time::Duration;

/// When records reach the disk, as against the kernel's memory. An end of the process never loses any; this is about the
/// machine's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before `append` returns: power loss loses nothing.
    Always,
    /// At most this long after: power loss loses that much.
    Interval(Duration),
    /// When the kernel likes, usually within 30 s.
    Never,
}

/// Sizes and ages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    /// A segment that has this many bytes is followed by a new one.
    pub segment_bytes: u64,
    /// All segments together; at the cap the oldest whole segment goes.
    pub max_bytes: u64,
    /// A segment whose newest record is older than this goes.
    pub max_age: Duration,
    /// A segment is followed by a new one after this time, so that ages can be told apart.
    pub roll_after: Duration,
    /// See there.
    pub sync: SyncPolicy,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 8 << 20,
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(7 * 24 * 3600),
            roll_after: Duration::from_secs(3600),
            sync: SyncPolicy::Interval(Duration::from_millis(200)),
        }
    }
}

impl SpoolConfig {
    fn check(&self) -> Result<(), Error> {
        if self.segment_bytes < 4096 {
            return Err(Error::Config(format!(
                "a segment of {} bytes is too small: 4096 at least",
                self.segment_bytes
            )));
        }
        if self.max_bytes / 2 < self.segment_bytes {
            let (max, segment) = (self.max_bytes, self.segment_bytes);
            let text = format!(
                "the spool's {max} bytes must hold two segments of {segment} bytes; raise the one or lower the other"
            );
            return Err(Error::Config(text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
