//! The agent of a node: joins the engine with what a cluster, or a directory of files, wants inspected.
//!
//! *How it fits*: two sides that share a few pointers ([`shared`]). The **capture** side ([`inspector`]) is a thread with a
//! ring and a worker for each endpoint. The **control** side follows the cluster ([`view`]), finds interfaces ([`discovery`]),
//! keeps rules, names and status, and posts a new [`board`] when something changes. Whoever runs an agent joins them with a
//! way out for events.
//!
//! What takes capabilities is done by a third, the [`porter`].
//!
//! *Invariants*: the control side never waits for packets nor the capture side for anything; an error on one side leaves the
//! other at work.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "tests fail like this"))]

mod blindness;
pub mod board;
mod budget;
pub mod clock;
pub mod cluster;
pub mod cost;
pub mod discovery;
pub mod health;
mod inside;
pub mod inspector;
pub mod keeper;
pub mod library;
pub mod memory;
mod names;
pub mod own;
pub mod pinned;
pub mod porter;
mod processes;
mod received;
pub mod recorder;
mod routes;
pub mod rules;
pub mod selection;
pub mod shared;
pub mod speaker;
pub mod standalone;
pub mod unseen;
pub mod view;
