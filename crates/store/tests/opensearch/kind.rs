//! The store on a real OpenSearch under test: indices of their own, removed at the end.

use crate::fixture::wait;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tapir_store::*;

/// Which store.
pub type Store = OpenSearchStore;

/// Random cases are divided by this: each call goes over a socket.
pub const SHARE: u32 = 4;

/// Names that nobody else has.
pub struct Place(String);

impl Place {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(format!("contract-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    pub fn config(&self) -> OpenSearchConfig {
        let url = std::env::var("OPENSEARCH_URL")
            .expect("OPENSEARCH_URL; `make opensearch-test` starts a server and sets it");
        let mut config = OpenSearchConfig::new(url);
        config.http.allow_local = true;
        config.prefix.clone_from(&self.0);
        config.cluster = "blue".to_owned();
        config.time_limit = Duration::from_secs(60);
        config
    }

    /// Opens the store of this place, whatever is in it.
    pub fn open(&self) -> Store {
        wait(Box::pin(OpenSearchStore::open(self.config()))).unwrap()
    }

    /// What was kept is seen from now on.
    pub fn settle(&self, store: &Store) {
        wait(Box::pin(store.refresh())).unwrap();
    }

    /// The store of this place is no longer needed.
    pub fn close(&self, store: Store) {
        let _ = wait(Box::pin(store.destroy()));
    }
}
