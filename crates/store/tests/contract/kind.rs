//! The embedded store under test: a file in a directory that goes away.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tapir_store::*;

/// Which store.
pub type Store = SqliteStore;

/// Random cases are divided by this.
pub const SHARE: u32 = 1;

/// A directory that goes away.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tapir-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn config(&self) -> SqliteConfig {
        let mut config = SqliteConfig::new(self.0.join("events.db"));
        config.cluster = "blue".to_owned();
        config.readers = 1;
        config.cache_mib = 4;
        config.writer_cache_mib = 4;
        config.commit_after = Duration::ZERO;
        config.time_limit = Duration::from_secs(60);
        config
    }

    /// Opens the store of this place, whatever is in it.
    pub fn open(&self) -> Store {
        SqliteStore::open(self.config()).unwrap()
    }

    /// What was kept is seen at once.
    pub fn settle(&self, _: &Store) {}

    /// The store of this place is no longer needed.
    pub fn close(&self, store: Store) {
        drop(store);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
