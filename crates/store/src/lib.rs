//! The event store: what was detected, how it is grouped, what people decided about it.
//!
//! *How it fits*: agents and the manager put [`IngestBatch`]es in; pages, the API and the command line ask
//! through [`EventStore`], one trait with one suite of contract tests (`tests/contract`).
//! [`SqliteStore`] is the embedded store: one file, no server. [`OpenSearchStore`] is for fleets: a server that others run.
//!
//! *Invariants*: 1. An event is kept once however often it is delivered, and its document is given back byte
//! for byte. 2. A group's counts, days, shapes and rollups change in the transaction that keeps or removes the
//! event. 3. An answer that does not cover everything says so ([`Partial`]); no call runs without bound. 4. What
//! a query means is what [`tapir_query::Query::matches`] says over [`EventFacts`].
//!
//! *Limits*: [`MAX_EVENT`], [`MAX_PAGE`], [`TOTAL_EXACT`], [`MAX_ACTION_GROUPS`], and those of [`SqliteConfig`].

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod action;
mod admin;
mod arrivals;
mod bundle;
mod cursor;
mod error;
mod event;
mod extent;
mod facts;
mod filter;
mod group;
mod ingest;
mod moment;
mod opensearch;
mod sqlite;
mod stats;
mod store;
mod tuning;

pub use action::{Action, ActionOutcome, ActionRequest, Covers, Decision, Reason, Target, UndoOutcome, UndoToken};
pub use admin::{
    AuditEntry, AuditPage, AuditWhat, Exception, NewException, NewView, RetentionPolicy, RetentionReport, StoreHealth,
    View,
};
pub use arrivals::{Arrivals, Mark};
pub use bundle::{Bundle, BundleBy, BundlePage};
pub use cursor::Cursor;
pub use error::StoreError;
pub use event::{EventPage, EventRow, StoredEvent};
pub use facts::{EventFacts, GroupState};
pub use filter::{Filter, PageRequest, Partial, Total, Why};
pub use group::{
    Breakdown, BreakdownRow, Changes, Group, GroupDetail, GroupId, GroupPage, GroupSort, Party, ShapeRow, Status,
};
pub use ingest::{IngestBatch, IngestOutcome, MAX_EVENT, Rejected};
pub use opensearch::{Auth, HttpConfig, OpenSearchConfig, OpenSearchStore, TlsConfig};
pub use sqlite::{SqliteConfig, SqliteStore};
pub use stats::{Bucket, Facet, FacetValue, Histogram, Top, TopRequest};
pub use store::{Answer, EventStore};
pub use tuning::{DayCount, Mode, NewSuppression, Preview, Scope, Shown, Side, Suppression, SuppressionChange};

/// Most rows of a page.
pub const MAX_PAGE: usize = 1_000;
/// Totals are exact up to here, and beyond when they cost nothing.
pub const TOTAL_EXACT: u64 = 10_000;
/// Most groups that one action changes.
pub const MAX_ACTION_GROUPS: usize = 10_000;
