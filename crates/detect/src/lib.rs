//! What concerns *sets* of rules: fast patterns, groups, one search per set of bytes, evaluation
//! order, flowbits, filters, the event queue, rule-set identity.
//!
//! *How it fits*: [`RuleSet::build`] makes an immutable set from compiled rules; each worker has a
//! [`Detector`] and hands it one [`tapir_options::Unit`] after the other.

#![deny(clippy::indexing_slicing)]

mod cost;
mod detector;
mod evaluate;
mod fastpattern;
mod filters;
mod flow_state;
mod groups;
mod header;
mod profile;
mod queue;
mod ruleset;
pub mod search;
mod stops;

pub use cost::{Clock, Costs, RuleCost};
pub use detector::{BuiltinEvent, Detection, Detector, UnitContext};
pub use filters::{EventFilter, Filters, RateFilter, Scope, Suppression};
pub use flow_state::FlowState;
pub use profile::Profile;
pub use ruleset::{DetectRule, RuleSet, RuleSetId, RuleSetStats};
pub use stops::{Between, Stops};
