//! Rules from outside: a file of a web server or an artifact of a registry, pinned by its digest.
//!
//! *How it fits*: a [`Source`] says where and what; a [`Fetcher`] brings it, from its [`Kept`] copies or over the network, checks every
//! byte, and [unpacks](unpack) it in memory. Who asks for what, and when again, is the agent's business. Nothing here knows what a rule is.
//!
//! *Invariants*: 1. nothing is parsed before its digest was found right, not even a manifest; 2. names inside of an archive are
//! labels: no path of it is ever opened or made; 3. credentials go to the server that they are for, encrypted or within this host.
//!
//! *Limits*: each stage has its own, named where it is; what is beyond is an error that says so.
//!
//! *Spec*: OCI distribution specification 1.1 (pulling: `GET …/manifests/DIGEST`, `GET …/blobs/DIGEST`), OCI image
//! specification 1.1 (manifest), the token flow of the Docker registry (`WWW-Authenticate: Bearer`).

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "tests fail like this"))]

mod challenge;
mod credentials;
mod digest;
mod fetch;
mod kept;
mod registry;
mod source;
pub mod unpack;

pub use credentials::{Credentials, CredentialsError};
pub use digest::Digest;
pub use fetch::{Artifact, FetchError, Fetcher, MAX_DOWNLOAD};
pub use kept::{Kept, KeptError};
pub use source::{Place, Source, SourceError};
pub use unpack::fuzz_unpack;
