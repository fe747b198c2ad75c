//! The run-to-completion loop: it alone knows the order capture → packet → flow → protocol → detect
//! → event.
//!
//! *How it fits*: [`Rules::load`] makes a shared rule set; a [`Worker`] per core takes frames and
//! gives owned events to an [`EventSink`]; [`scan_file`] drives one from a capture.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod border;
mod builtin;
mod config;
mod conversation;
mod cost;
mod coverage;
mod directory;
mod evidence;
mod filters;
mod fuzz;
mod inspect;
mod packet_units;
mod quiet;
mod rules;
mod scan;
mod session;
mod stream;
mod worker;

pub use builtin::{builtin_events, generator};
pub use config::{ChecksumMode, EngineConfig};
pub use cost::{CostSample, RuleCosts};
pub use coverage::{Blind, Coverage, Spot};
pub use directory::Directory;
#[doc(hidden)]
pub use fuzz::fuzz_frames;
pub use inspect::EventSink;
pub use quiet::Suppressions;
pub use rules::{Enable, LoadReport, RuleSources, RuleText, Rules};
pub use scan::{Progress, ScanReport, scan_file};
pub use worker::{Excluded, Worker};

pub use tapir_detect::RuleCost;
pub use tapir_telemetry::{Counter, Counters};

/// The built-in rules, used when no file is given.
pub const STARTER_RULES: &str = include_str!("../../../rules/tapir-starter.rules");
