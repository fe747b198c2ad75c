//! The manager: what people and agents talk to. An HTTP server over an event store, with the page.
//!
//! *How it fits*: agents send events to `/api/v1/ingest`, the page asks `/api/v1`, Prometheus reads `/metrics`;
//! all of it goes to one [`tapir_store::EventStore`]. The program that starts it opens the store, calls
//! [`run`] and prints the tokens that [`Manager::new_tokens`] gives once.
//!
//! *Invariants*: 1. every answer to `/api` without a known identity is a 401, but for `session`; 2. every error is
//! an RFC 9457 problem; 3. nothing is read without bound: connections, headers, bodies, decompressed bytes, lines,
//! requests at once, streams, sessions, nodes ([`Limits`]); 4. no token is kept, only its SHA-256.
//!
//! What resources of a cluster ask for comes from beside it ([`resources`], [`Beside`]).
//!
//! *Layout*: `serve` accepts, `guard` holds limits and headers, `auth` knows who asks, `api/` has one file for each
//! group of calls, `pages` the files of the page. `docs/openapi.json` is made from the handlers' types.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]
#![allow(clippy::result_large_err, reason = "a problem is an answer, made once for a request and moved a few times")]

mod api;
mod app;
mod auth;
mod config;
mod error;
mod guard;
mod manager;
mod metrics;
mod pages;
mod problem;
pub mod resources;
mod serve;
mod sight;
mod tls;

pub use api::openapi;
pub use auth::{Authenticator, Can, GROUP, Grant, How, Identity, KubernetesConfig, OidcConfig, Reach, Realm, Role};
pub use config::{Config, Limits, Notices};
pub use error::ManagerError;
pub use manager::{Beside, Manager, run};
pub use tls::TlsFiles;
