//! The security event: what a detection tells the world, owned and bounded. No I/O.
//!
//! *How it fits*: the engine turns a detection into a [`SecurityEvent`] before it leaves the worker; a
//! [`Sequencer`] gives it its identity; each output format is one file under `formats/` and a pure function
//! of the event.

#![forbid(unsafe_code)]

mod community;
mod dns_names;
mod evidence;
mod formats;
mod group;
mod identity;
mod lenient;
mod level;
pub mod quiet;
mod rule;
mod security_event;
pub mod session;
mod shape;
#[cfg(test)]
mod testing;
mod time;
mod wire;
mod workload;

pub use community::community_id;
pub use evidence::{Evidence, EvidenceBuffer, EvidenceHit, EvidencePacket};
pub use formats::{CalicoWords, Format, Style};
pub use group::GroupKey;
pub use identity::{BadEventId, EventId, Sequencer};
pub use level::Level;
pub use rule::{Attack, RuleSummary};
pub use security_event::{
    Endpoint, FlowDirection, FlowSummary, Generator, Inspection, Orientation, SecurityEvent, WireHeaders,
};
pub use session::Session;
pub use shape::shape;
pub use time::{eve_time, parse_rfc3339, rfc3339, snort_time};
pub use workload::Workload;
