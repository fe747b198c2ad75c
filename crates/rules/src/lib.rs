//! The rule language as syntax: text in, [`Rule`]s with spans and [`Diagnostic`]s out.
//!
//! Knows the lexers of the Snort 3, Snort 2.9 and Suricata surface forms, headers, variables,
//! classifications, references, includes, comments and disabled rules. Of the options it knows by
//! name only those that identify a rule (`msg`, `gid`, `sid`, `rev`, `classtype`, `priority`,
//! `reference`, `metadata`); every other option is an [`OptionNode`] with its raw value.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod ast;
mod classification;
mod config;
mod diagnostic;
mod dialect;
mod filters;
mod format;
mod lex;
mod load;
mod lua;
mod render;
mod rule;
mod source;
mod suggest;
pub mod value;
mod variables;

pub use ast::{
    Action, Address, AddressItem, Arrow, Dialect, Header, OptionNode, PortItem, Ports, Reference, Rule, RuleInfo,
};
pub use classification::{Class, ClassTable, ReferenceTable};
pub use config::Config;
pub use diagnostic::{Diagnostic, Severity, SourceId, Span};
pub use filters::{FilterLine, FilterLineKind, FilterTrack, FilterType, SuppressTrack};
pub use format::{format_option, format_rule};
pub use load::{Counts, Input, Loaded, fuzz_rules, load_bytes, load_files, load_inputs, load_str};
pub use render::render;
pub use rule::{Enable, Stub};
pub use source::SourceMap;
pub use suggest::nearest;
