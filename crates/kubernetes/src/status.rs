//! What a node says of an inspection, truthfully, and when it is worth a write.
//!
//! *How it fits*: an agent keeps a [`NodeFacts`] a resource and an [`ErrorLog`] in it. Of these come its entry in the list of a
//! `DeepPacketInspection` ([`entry`], [`merged`]), which is read, changed and written as a whole, and its report in an
//! `Inspection` ([`report`]), which it applies under its own name. [`decide`] says whether to write now. The operator makes the
//! [`summary`] and the [`verdicts`] of all reports; the manager tells it the [`AlertCounts`].
//! *Invariants*: 1. success means: every selected endpoint of the node is attached, and rules are loaded; 2. an error that is gone is
//! gone from the status; 3. entries of other nodes come out as they went in; 4. a resource is written at most once in
//! [`WriteLimits::least`], whatever happens.
//! *Limits*: [`MAX_ERRORS`](crate::resources::MAX_ERRORS) errors of a node, the newest; messages of [`MAX_MESSAGE`] bytes.

mod alerts;
mod entry;
mod errors;
mod facts;
mod report;
mod summary;
mod write;

pub use alerts::AlertCounts;
pub use entry::{entry, merged, unsuccessful};
pub use errors::{ErrorLog, MAX_MESSAGE};
pub use facts::{EndpointFact, NodeFacts, RuleFacts};
pub use report::{report, unready};
pub use summary::{accepted, annotations, plain_verdicts, summary, verdicts};
pub use write::{Decision, Material, WriteLimits, Written, decide};
