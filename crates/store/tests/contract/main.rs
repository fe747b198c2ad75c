//! What every event store must do, against the trait. A model (`model.rs`) keeps the same events in a list and answers by
//! looking at all of them. Here it is asked of the embedded store; `../opensearch` asks the same of the other.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod arrivals;
mod bundles;
mod counts;
mod decisions;
mod fixture;
mod ingest;
mod kind;
mod lists;
mod model;
mod queries;
mod retention;
mod sample;
mod sqlite;
mod tuning;
