//! A store in a directory of its own, and calls that wait for their answer.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tapir_event::SecurityEvent;
use tapir_packet::Timestamp;
use tapir_query::{Dialect, Query, parse};
use tapir_store::*;

/// Noon of a day in 2026.
pub const NOW: Timestamp = Timestamp(1_795_780_800_000_000_000);
pub const SECOND: i64 = 1_000_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// A directory that goes away.
pub struct Directory(pub PathBuf);

impl Directory {
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
        config.commit_after = Duration::ZERO;
        config.time_limit = Duration::from_secs(60);
        config
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store under test.
pub struct Fixture {
    pub store: Option<Box<dyn EventStore>>,
    pub directory: Directory,
}

/// Runs a future on this thread.
pub fn wait<T>(answer: Answer<'_, T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

impl Fixture {
    /// An empty store. Here another kind of store is put in.
    pub fn new() -> Self {
        let directory = Directory::new();
        let store: Box<dyn EventStore> = Box::new(SqliteStore::open(directory.config()).unwrap());
        Self { store: Some(store), directory }
    }

    pub fn store(&self) -> &dyn EventStore {
        self.store.as_deref().unwrap()
    }

    /// Drops it without a word, and opens it again.
    pub fn reopen(&mut self) {
        self.store = None;
        self.store = Some(Box::new(SqliteStore::open(self.directory.config()).unwrap()));
    }

    pub fn ingest(&self, events: &[SecurityEvent]) -> IngestOutcome {
        self.ingest_at(events, NOW)
    }

    pub fn ingest_at(&self, events: &[SecurityEvent], now: Timestamp) -> IngestOutcome {
        let documents = events.iter().map(|event| serde_json::to_vec(event).unwrap()).collect();
        wait(self.store().ingest(IngestBatch { documents }, now)).unwrap()
    }

    /// All groups of a filter, page by page.
    pub fn groups(&self, filter: &Filter, sort: GroupSort, limit: usize) -> Vec<Group> {
        let mut page = PageRequest { limit, ..PageRequest::default() };
        let mut all = Vec::new();
        loop {
            let found = wait(self.store().groups(filter.clone(), sort, page.clone())).unwrap();
            assert!(found.items.len() <= limit && found.partial.is_none(), "{found:?}");
            all.extend(found.items);
            match found.next {
                None => return all,
                next => page.cursor = next,
            }
        }
    }

    /// All events of a filter, page by page.
    pub fn events(&self, filter: &Filter, limit: usize) -> Vec<EventRow> {
        let mut page = PageRequest { limit, ..PageRequest::default() };
        let mut all = Vec::new();
        loop {
            let found = wait(self.store().events(filter.clone(), page.clone())).unwrap();
            assert!(found.items.len() <= limit && found.partial.is_none(), "{found:?}");
            all.extend(found.items);
            match found.next {
                None => return all,
                next => page.cursor = next,
            }
        }
    }

    pub fn act(&self, group: GroupId, action: Action) -> ActionOutcome {
        let request = ActionRequest {
            target: Target::Ids(vec![(group, None)]),
            action,
            comment: None,
            expected_count: None,
            who: "ana".to_owned(),
            now: NOW,
        };
        wait(self.store().act(request)).unwrap()
    }

    pub fn group(&self, id: GroupId) -> Group {
        wait(self.store().group(id)).unwrap().group
    }
}

pub fn by(who: &str) -> Decision {
    Decision { who: who.to_owned(), now: NOW }
}

pub fn query(text: &str) -> Query {
    parse(text, Dialect::Tapir).unwrap_or_else(|error| panic!("{}", error.render(text)))
}

pub fn filter(text: &str) -> Filter {
    Filter { query: query(text), ..Filter::all(NOW) }
}
