//! What can go wrong with a cluster: all of it is about the machine, the programs or what a test asked for.

use std::path::PathBuf;
use std::time::Duration;

/// Why there is no cluster, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not there.
    #[error("no {name} in {places}; {help}")]
    Missing {
        /// Its file name.
        name: &'static str,
        /// Where it was looked for.
        places: String,
        /// What to do.
        help: &'static str,
    },
    /// A file or a folder of the cluster.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A socket of the cluster.
    #[error("no address on loopback: {0}")]
    Address(std::io::Error),
    /// A program does not start at all.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// Which.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A program ended before it was ready.
    #[error("{program} ended by itself ({status}); the end of its log:\n{log}")]
    Ended {
        /// Which.
        program: String,
        /// As the system words it.
        status: String,
        /// Its last lines.
        log: String,
    },
    /// It runs and does not become what was waited for.
    #[error("{what} within {} s; {said}\nthe end of its log:\n{log}", patience.as_secs())]
    Late {
        /// What did not happen.
        what: &'static str,
        /// How long that was waited for.
        patience: Duration,
        /// The last answer.
        said: String,
        /// Last lines of the program.
        log: String,
    },
    /// kubectl says no.
    #[error("kubectl {arguments}: {said}")]
    Refused {
        /// As it was called.
        arguments: String,
        /// What it printed on standard error.
        said: String,
    },
    /// kubectl does not come back, or says too much.
    #[error("kubectl {arguments}: {what}")]
    Kubectl {
        /// As it was called.
        arguments: String,
        /// What happened.
        what: String,
    },
    /// A certificate or a token cannot be made of this.
    #[error("no certificate or token can be made: {0}")]
    Credentials(String),
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// Whether kubectl came back with a no, which many tests want.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}
