//! A store with nothing in it, and calls that wait for their answer.

use crate::kind::{Place, Store};
use std::sync::OnceLock;
use tapir_event::SecurityEvent;
use tapir_packet::Timestamp;
use tapir_query::{Dialect, Query, parse};
use tapir_store::*;
use tokio::runtime::Runtime;

/// Noon of a day in 2026.
pub const NOW: Timestamp = Timestamp(1_795_780_800_000_000_000);
pub const SECOND: i64 = 1_000_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// A store under test; `kind.rs` says which.
pub struct Fixture {
    store: Option<Store>,
    place: Place,
}

/// Waits for an answer. All run in one runtime, to which the connections of a store belong.
pub fn wait<T>(answer: Answer<'_, T>) -> Result<T, StoreError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let make = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    RUNTIME.get_or_init(make).block_on(answer)
}

impl Fixture {
    /// An empty store.
    pub fn new() -> Self {
        let place = Place::new();
        Self { store: Some(place.open()), place }
    }

    pub fn store(&self) -> &dyn EventStore {
        self.store.as_ref().unwrap()
    }

    /// Drops it without a word, and opens it again.
    pub fn reopen(&mut self) {
        self.store = None;
        self.store = Some(self.place.open());
    }

    /// What was kept can be seen.
    pub fn settle(&self) {
        self.place.settle(self.store.as_ref().unwrap());
    }

    pub fn ingest(&self, events: &[SecurityEvent]) -> IngestOutcome {
        self.ingest_at(events, NOW)
    }

    pub fn ingest_at(&self, events: &[SecurityEvent], now: Timestamp) -> IngestOutcome {
        let documents = events.iter().map(|event| serde_json::to_vec(event).unwrap()).collect();
        self.ingest_documents(documents, now)
    }

    pub fn ingest_documents(&self, documents: Vec<Vec<u8>>, now: Timestamp) -> IngestOutcome {
        let outcome = wait(self.store().ingest(IngestBatch { documents }, now)).unwrap();
        self.settle();
        outcome
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

    /// All bundles of a filter, page by page.
    pub fn bundles(&self, filter: &Filter, by: BundleBy, sort: GroupSort, limit: usize) -> Vec<Bundle> {
        let mut page = PageRequest { limit, total: true, ..PageRequest::default() };
        let mut all = Vec::new();
        loop {
            let found = wait(self.store().bundles(filter.clone(), by, sort, page.clone())).unwrap();
            assert!(found.items.len() <= limit && found.partial.is_none(), "{found:?}");
            all.extend(found.items);
            if found.next.is_none() {
                assert_eq!(found.total, Some(Total { count: all.len() as u64, exact: true }));
                return all;
            }
            page.cursor = found.next;
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

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(store) = self.store.take() {
            self.place.close(store);
        }
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
