//! Events on their way out: the spool on disk, and the sinks that it is delivered to.
//!
//! *How it fits*: the engine's workers [`offer`](SpoolHandle::offer) records to a bounded queue and never wait. One thread
//! appends them to the spool ([`open`]). Each sink has a [courier](courier): a task that reads batches at the sink's own pace,
//! delivers them, tries again, and keeps what was rejected in a dead-letter file. The [beacon] tells the manager how the agent is.
//!
//! *Invariants*: 1. at least once: a record leaves the spool when the sink has acknowledged it; 2. its id is stable, so
//! that a store keeps it once; 3. a sink that is slow or away holds up no other and no packet; 4. whatever is lost (queue
//! full, disk full, caps, damage, rejects) is counted.
//!
//! What is lost when is a table in `docs/delivery.md`.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

pub mod beacon;
mod clock;
pub mod courier;
mod error;
mod note;
pub mod queue;
mod record;
mod sink;
pub mod sinks;
mod spool;
#[cfg(test)]
mod testing;

pub use clock::{Clock, SystemClock};
pub use error::{AppendError, Error};
pub use queue::{QueueConfig, QueueStats, SpoolHandle, SpoolThread};
pub use record::{MAX_PAYLOAD, NewRecord, Record, Stream};
pub use sink::{Answer, BoxFuture, Delivery, Load, Outcome, Sink};
#[cfg(feature = "kafka")]
pub use sinks::kafka::fuzz_kafka;
pub use spool::{
    Losses, Opened, Recovery, Spool, SpoolConfig, SpoolStats, Subscription, SyncPolicy, Writer, fuzz_spool, open,
};
pub use tapir_outbound::{TlsConfig, own};
