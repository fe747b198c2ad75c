//! The rule language as syntax: text in, [`Rule`]s with spans and [`Diagnostic`]s out.
//!
//! Knows the lexers of the Snort 3, Snort 2.9 and Suricata surface forms, headers, variables,
//! classifications, references, includes, comments and disabled rules. Of the options it knows by
//! name only those that identify a rule (`msg`, `gid`, `sid`, `rev`, `classtype`, `priority`,
//! `reference`, `metadata`); every other option is an [`OptionNode`] with its raw value.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod ast;
mod diagnostic;

pub use ast::{
    Action, Address, AddressItem, Arrow, Dialect, Header, OptionNode, PortItem, Ports, Reference, Rule, RuleInfo,
};
pub use diagnostic::{Diagnostic, Severity, SourceId, Span};
