//! The event store on OpenSearch or Elasticsearch, for fleets.
//!
//! *How it fits*: an event is a document, made once under its own id (`event.rs`); a group is a document with its counts
//! and what people decided (`group.rs`). Ingest makes events, then adds those that were new to their groups
//! (`ingest.rs`, `fold.rs`); where it is not known whether that happened the group is counted anew from its events
//! (`recount.rs`). Queries become the server's own (`compile.rs`) over values that the evaluator's facts gave
//! (`indexed.rs`).
//!
//! *Invariants*: 1. An event that is there already is never added to its group again. 2. A group document is only
//! replaced in the version that was read (`if_seq_no`), so managers may share the server. 3. What a person did is
//! visible when the call answers; what agents send, after the next refresh (one second). 4. Each request has a limit
//! of size and of time; a time-out is an error and never a part of an answer.
//!
//! *Limits*: [`MAX_SET`] groups in a query that mixes conditions of events and groups; [`group::MAX_NAMES`] shapes and
//! pods of a side that a group knows apart; the first [`indexed::MAX_TEXT`] bytes of a text are searched.

mod actions;
mod admin;
mod arrivals;
mod ask;
mod bundles;
mod clock;
mod compile;
mod detail;
mod event;
mod events;
mod fold;
mod group;
mod groups;
mod indexed;
mod ingest;
mod preview;
mod recount;
mod retain;
mod schema;
mod server;
mod stats;
mod store;
mod tuning;

pub use store::OpenSearchStore;

use std::time::Duration;
pub use tapir_outbound::{Auth, HttpConfig, TlsConfig};

/// Most groups that one condition may name to the server, and most that a list of events may be about.
const MAX_SET: usize = 60_000;

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct OpenSearchConfig {
    /// Address of the server, `https://…`.
    pub url: String,
    /// Credentials and trust; its time-out is set by `time_limit`.
    pub http: HttpConfig,
    /// Begin of the names of the indices, which are `PREFIX-events`, `-groups`, `-audit` and `-state`.
    pub prefix: String,
    /// Name of the cluster, for `cluster:` in queries; empty: events have none.
    pub cluster: String,
    /// Primary shards of the index of events, when it is made.
    pub shards: u32,
    /// Copies of every shard; `None`: one, or none on a server of a single node.
    pub replicas: Option<u32>,
    /// How long the server may take to answer one request.
    pub time_limit: Duration,
}

impl OpenSearchConfig {
    /// Usual settings for a server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            http: HttpConfig::default(),
            prefix: "tapir".to_owned(),
            cluster: String::new(),
            shards: 1,
            replicas: None,
            time_limit: Duration::from_secs(10),
        }
    }
}
