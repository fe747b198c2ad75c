//! What every event store must do, against the trait: `every_store!` runs all of it on a store of a kind. A model
//! (`model.rs`) keeps the same events in a list and answers by looking at all of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod counts;
mod decisions;
mod fixture;
mod ingest;
mod lists;
mod model;
mod queries;
mod retention;
mod sample;
mod sqlite;
mod tuning;
