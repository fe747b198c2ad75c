//! Rule options: one file per option under `options/`.
//!
//! *How it fits*: [`fold`] turns Snort 2.9 and Suricata nodes into the Snort 3 form; [`compile`]
//! turns a rule's nodes into a [`CompiledRule`]; `detect` evaluates its [`RuleOption`]s in order
//! with a [`Cursor`] (Snort 3 semantics, `snort/02-options.md`).

#![deny(clippy::indexing_slicing)]

mod ber;
mod bits;
mod byte_read;
mod cip_fact;
mod code_match;
mod compile;
mod def;
mod digest;
mod effect;
mod eval;
mod field;
mod fold;
mod fuzz;
mod gtp;
mod http_fact;
mod int_match;
mod options;
mod pcre2;
mod probe;
mod search;
mod services;
mod spec;
#[cfg(test)]
mod testing;
mod text;
mod value;

pub use bits::BitNames;
pub use compile::{CompileContext, compile};
pub use def::{Kind, OptionDef, Repeat};
pub use effect::{BitOp, DetectionFilter, Effect, FilterKind, FlowSpec, StreamWord, Tag, TagKind, Threshold, Track};
pub use eval::{Beyond, BitView, Cursor, Eval, Hit, HitKind, Net, Unit, UnitKind, Vars};
pub use fold::{fold, fuzz_fold};
pub use fuzz::fuzz_option_value;
pub use options::{OPTIONS, declare, definition, fuzz_content};
pub use pcre2::PcreLimits;
pub use spec::{CompiledRule, FastPattern, RuleOption, TcpFlags};
