//! Connections to other servers: who we are, whom we trust, where we must not go, how long we wait.
//!
//! *How it fits*: the sinks of `delivery` and the OpenSearch store of `store` send their requests through
//! [`HttpClient`]; TLS of sinks that do not speak HTTP is [`TlsConfig`]. Which connections they have made is in [`own`]. It knows
//! nothing of events.

#![forbid(unsafe_code)]

mod http;
pub mod own;
mod pauses;
mod tls;

pub use http::{Answer, Auth, HttpClient, HttpConfig, MAX_ANSWER, leads_inside};
pub use pauses::Pauses;
pub use reqwest::{Method, StatusCode, Url};
pub use tls::{Pem, TlsConfig};

/// A client that cannot be made as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);
