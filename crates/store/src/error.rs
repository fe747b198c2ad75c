//! What can go wrong, in words for the person who has to do something about it.

use std::path::PathBuf;
use std::time::Duration;

/// An error of the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The queue of writes or reads is full: the caller keeps its data and comes again.
    #[error("the store is busy: {queue} is full; send again in {} ms", retry_after.as_millis())]
    Busy {
        /// Which queue.
        queue: &'static str,
        /// When to come again.
        retry_after: Duration,
    },
    /// The server of the store does not answer, or not now.
    #[error("the store's server {server} cannot be used now ({detail}); it is asked again in {} s, agents keep events meanwhile", retry_after.as_secs())]
    Unavailable {
        /// Its name.
        server: String,
        /// What it says, or what happened on the way.
        detail: String,
        /// When to come again.
        retry_after: Duration,
    },
    /// It took longer than a call may take.
    #[error("the answer took longer than {} ms and was given up; ask for a shorter time range or a narrower query", limit.as_millis())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// A cursor that this store did not give out, or not for this list.
    #[error("bad cursor: {0}; begin again at the first page")]
    BadCursor(&'static str),
    /// A request that cannot be answered as it is.
    #[error("{0}")]
    Invalid(String),
    /// What the action would change is not what its author saw.
    #[error("{found} groups match now where {expected} were seen; look again and repeat")]
    CountMoved {
        /// As seen by the user.
        expected: u64,
        /// As found now.
        found: u64,
    },
    /// Somebody else acted first.
    #[error("{what} was changed by somebody else (version {found}, not {expected}); load it again and repeat")]
    Conflict {
        /// Which object.
        what: String,
        /// Version of the caller.
        expected: u64,
        /// Version in the store.
        found: u64,
    },
    /// An action would cover more than it may, or more than could be looked at.
    #[error("the query covers too much to act on at once ({0}); narrow it or shorten the time range")]
    TooBroad(String),
    /// There is no such object.
    #[error("no such {what}: {id}")]
    NotFound {
        /// Kind of object.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// Who asks may not. Stores refuse nobody; what stands between them and people does.
    #[error("{0}")]
    NotAllowed(String),
    /// The token of an undo has expired, was used, or never was.
    #[error("this action can't be undone any more: tokens hold for 10 minutes and once")]
    UndoGone,
    /// No space.
    #[error("the disk of {} is full; free space or lower the retention; the spool of the agents keeps events meanwhile", path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Another process holds the file.
    #[error("{} is in use by another process; only one manager may open it: stop the other one", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{} is damaged ({detail}); stop the manager, keep a copy, then restore a backup or let `sqlite3 {} .recover` save what it can", path.display(), path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The file cannot be opened, or not written.
    #[error("cannot open {} ({detail}); check that the directory exists and that this user may write there", path.display())]
    CannotOpen {
        /// The database.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// A newer Tapir wrote the file.
    #[error("{} has schema {found}, newer than {known} which this version knows; run the newer version, or restore a backup from before the upgrade", path.display())]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// A fault in the store itself.
    #[error("the store failed: {0}; this is a fault of Tapir, please report it")]
    Internal(String),
}
