//! What every event store must do (`../contract`), asked of the store on a real OpenSearch, and what only it has.
//!
//! Needs `OPENSEARCH_URL`; `make opensearch-test` starts a server and sets it. Built with the feature
//! `opensearch-tests` only, so that a plain `cargo test` does not fail for want of a server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../contract/arrivals.rs"]
mod arrivals;
#[path = "../contract/bundles.rs"]
mod bundles;
#[path = "../contract/counts.rs"]
mod counts;
#[path = "../contract/decisions.rs"]
mod decisions;
#[path = "../contract/fixture.rs"]
mod fixture;
#[path = "../contract/ingest.rs"]
mod ingest;
mod kind;
#[path = "../contract/lists.rs"]
mod lists;
#[path = "../contract/model.rs"]
mod model;
#[path = "../contract/queries.rs"]
mod queries;
#[path = "../contract/retention.rs"]
mod retention;
#[path = "../contract/sample.rs"]
mod sample;
mod server;
#[path = "../contract/tuning.rs"]
mod tuning;
