//! The security event: what a detection tells the world, owned and bounded. No I/O.
//!
//! *How it fits*: the engine turns a detection into a [`SecurityEvent`] before it leaves the worker;
//! each output format is one file under `formats/` and a pure function of the event.

#![forbid(unsafe_code)]

mod community;
mod formats;
mod security_event;
mod time;

pub use community::community_id;
pub use formats::Format;
pub use security_event::{
    Endpoint, Evidence, EvidenceBuffer, EvidenceHit, FlowDirection, FlowSummary, Generator, RuleSummary, SecurityEvent,
    WireHeaders,
};
pub use time::{eve_time, snort_time};
