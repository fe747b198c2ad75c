//! What can go wrong outside of this program: folders, disks, other processes.

use std::io;
use std::path::{Path, PathBuf};

/// Why the spool, a cursor or a file of a sink cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder or a file in it.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried: `create`, `read`, `rename` …
        action: &'static str,
        /// Of which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes this spool.
    #[error("the spool {0} is in use by another process; give each agent a folder of its own")]
    Locked(PathBuf),
    /// A sink's name cannot be the name of its files.
    #[error("`{0}` is no name for a sink: use 1 to 64 letters, digits, `-` and `_`")]
    SinkName(String),
    /// Two sinks share a name.
    #[error("there are two sinks named `{0}`; each needs a name of its own, its place in the spool is kept under it")]
    SinkTaken(String),
    /// A limit that makes no sense.
    #[error("{0}")]
    Config(String),
}

impl From<tapir_outbound::ConfigError> for Error {
    fn from(error: tapir_outbound::ConfigError) -> Self {
        Self::Config(error.0)
    }
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}

/// Why records were not accepted. None of the batch is in the spool, and no reader sees any part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// No room on the disk, or in the quota. Trying again later may help.
    #[error("no room for the spool: {0}; free space, or lower the spool's size")]
    Full(#[source] io::Error),
    /// A payload above the limit; trying again does not help.
    #[error("an event of {0} bytes is too large for the spool")]
    TooLarge(usize),
    /// Anything else that the disk said.
    #[error("cannot write the spool: {0}")]
    Io(#[source] io::Error),
}

impl AppendError {
    /// Whether it is for want of room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    pub(crate) fn is_for_room(kind: io::ErrorKind) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
    }
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        if Self::is_for_room(error.kind()) { Self::Full(error) } else { Self::Io(error) }
    }
}
