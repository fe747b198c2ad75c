//! What keeps a manager from starting, in words for the person who starts it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a manager does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another manager running, or is the port below 1024?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of the data directory.
    #[error("cannot {what} {}: {source}; check that the directory exists and that this user may write there", path.display())]
    Data {
        /// `read`, `write`, `make`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of TLS.
    #[error("cannot use {} for TLS: {why}; a PEM file is wanted", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Settings of an OpenID provider.
    #[error("the settings of the OpenID provider cannot be used: {0}")]
    Oidc(String),
    /// A hash file that is none.
    #[error("{} is not a token's hash (64 hexadecimal digits expected); delete it to get a new token", path.display())]
    BadHash {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The page's directory.
    #[error("{} has no index.html; build the page there (make ui) or leave the setting out", path.display())]
    NoPage {
        /// The directory.
        path: PathBuf,
    },
    /// A token that protects nothing.
    #[error("an agent token has {0} characters; 32 at least are needed: take `openssl rand -hex 32`")]
    WeakToken(usize),
}
