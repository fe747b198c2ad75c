//! Rule options: one file per option under `options/`.
//!
//! *How it fits*: [`fold`] turns Snort 2.9 and Suricata nodes into the Snort 3 form; [`compile`]
//! turns a rule's nodes into a [`CompiledRule`]; `detect` evaluates its [`RuleOption`]s in order
//! with a [`Cursor`] (Snort 3 semantics, `snort/02-options.md`).

#![deny(clippy::indexing_slicing)]

mod bits;
mod effect;
mod eval;
mod fold;
mod spec;

pub use bits::BitNames;
pub use effect::{BitOp, DetectionFilter, Effect, FilterKind, FlowSpec, StreamWord, Tag, TagKind, Threshold, Track};
pub use eval::{BitView, Cursor, Eval, Hit, HitKind, Net, Unit, UnitKind, Vars};
pub use fold::{fold, fuzz_fold};
pub use spec::{CompiledRule, FastPattern, RuleOption};
