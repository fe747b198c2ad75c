//! [`SqliteStore`]: the embedded store. One file in WAL mode, one thread that writes, a few that read.
//!
//! *Writing*: batches are read and compressed on the reading threads, queue up, and are written many at a time, 20,000
//! rows or [`SqliteConfig::commit_after`], whichever is first. A full queue is [`StoreError::Busy`]: whoever sends keeps
//! the events and comes again. *Reading*: each call is one snapshot, has [`SqliteConfig::time_limit`] and may look at
//! [`SqliteConfig::row_budget`] rows; what it then has is a partial answer that says so.
//! *Durability*: `synchronous=NORMAL`: a crash of the process loses nothing that was acknowledged, a power cut may
//! lose the last moments; agents keep their spool.

mod actions;
mod admin;
mod arrivals;
mod asked;
mod audit;
mod body;
mod bundles;
mod compile;
mod detail;
mod dictionary;
mod events;
mod groups;
mod groups_work;
mod guard;
mod hours;
mod index;
mod link;
mod names;
mod open;
mod preview;
mod put;
mod retain;
mod row;
mod rows;
mod silence;
mod sql;
mod stats;
mod store;
mod tally;
mod threads;
mod tuning;
mod writer;

pub use store::SqliteStore;

use std::path::PathBuf;
use std::time::Duration;

/// Settings of the embedded store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The database; `-wal`, `-shm` and `.lock` files are beside it.
    pub path: PathBuf,
    /// Name of the cluster, for `cluster:` in queries; empty: events have none.
    pub cluster: String,
    /// Threads that read.
    pub readers: usize,
    /// Page cache of each reading connection, MiB; the system's own cache is behind it.
    pub cache_mib: u32,
    /// Page cache of the writing connection, MiB.
    pub writer_cache_mib: u32,
    /// How long a batch may wait for others.
    pub commit_after: Duration,
    /// How long a read may look for what was asked; the rows of its answer come on top, some milliseconds. A request of
    /// the manager makes several reads, and has 2 s for all.
    pub time_limit: Duration,
    /// How many rows a read may look at.
    pub row_budget: u64,
    /// The file never grows beyond, in bytes; writes fail as on a full disk.
    pub max_file_bytes: Option<u64>,
}

impl SqliteConfig {
    /// Usual settings for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cluster: String::new(),
            readers: 4,
            cache_mib: 12,
            writer_cache_mib: 48,
            commit_after: Duration::from_millis(200),
            time_limit: Duration::from_millis(1_200),
            row_budget: 200_000,
            max_file_bytes: None,
        }
    }
}
