//! The store as its users see it.

use super::OpenSearchConfig;
use super::clock::Clock;
use super::ingest::{AT_ONCE, Underway};
use super::schema::{self, Names};
use super::server::Server;
use super::tuning::Remembered;
use crate::cursor::Signer;
use crate::{
    ActionOutcome, ActionRequest, Answer, Arrivals, AuditPage, AuditWhat, Breakdown, BundleBy, BundlePage, Changes,
    Decision, EventPage, EventStore, Exception, Facet, Filter, GroupDetail, GroupId, GroupPage, GroupSort, Histogram,
    IngestBatch, IngestOutcome, Mark, NewException, NewSuppression, NewView, PageRequest, Partial, Preview,
    RetentionPolicy, RetentionReport, Scope, StoreError, StoreHealth, StoredEvent, Suppression, SuppressionChange, Top,
    TopRequest, UndoOutcome, UndoToken, View,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tapir_event::EventId;
use tapir_outbound::Method;
use tapir_packet::Timestamp;
use tapir_query::Field;
use tokio::sync::Semaphore;

/// Reads at one time; further ones wait in line for a moment and are then told to come again.
const READS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);

/// The store on a server. Its futures need a runtime of tokio with time and network.
pub struct OpenSearchStore {
    inner: Inner,
    reads: Semaphore,
}

/// What the calls share.
pub(super) struct Inner {
    pub server: Server,
    pub names: Names,
    pub config: OpenSearchConfig,
    pub signer: Signer,
    pub clock: Clock,
    pub gauges: Gauges,
    pub noisy: Noisy,
    pub tuning: Remembered,
    pub underway: Mutex<Underway>,
    pub folding: tokio::sync::Mutex<()>,
    pub batches: Semaphore,
}

/// Figures since the start.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    pub stored: AtomicU64,
    pub duplicates: AtomicU64,
    pub rejected: AtomicU64,
    pub removed: AtomicU64,
    pub busy: AtomicU64,
    pub error: Mutex<Option<String>>,
}

impl Gauges {
    /// How the last write went.
    pub(super) fn note(&self, error: Option<&StoreError>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error.map(ToString::to_string);
    }
}

/// From how many events on a group is noisy, as far as that is known.
#[derive(Debug, Default)]
pub(super) struct Noisy {
    /// Grows with every change of a group.
    changes: AtomicU64,
    known: Mutex<Option<(Instant, u64, Option<u64>)>>,
}

impl Noisy {
    /// How long it is good if nothing changes here: other managers write, too.
    const FRESH: Duration = Duration::from_secs(5);

    /// The count of changes, and what is known.
    pub(super) fn get(&self) -> (u64, Option<Option<u64>>) {
        let changes = self.changes.load(Ordering::Acquire);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.filter(|(at, state, _)| *state == changes && at.elapsed() < Self::FRESH);
        (changes, known.map(|(_, _, noisy)| noisy))
    }

    pub(super) fn set(&self, changes: u64, noisy: Option<u64>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), changes, noisy));
    }

    /// A group has changed.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

impl OpenSearchStore {
    /// Speaks to the server and makes the indices that are missing.
    pub async fn open(config: OpenSearchConfig) -> Result<Self, StoreError> {
        let server = Server::new(&config)?;
        let names = Names::new(&config.prefix)?;
        let signer = schema::prepare(&server, &names, &config).await?;
        let inner = Inner {
            server,
            names,
            config,
            signer,
            clock: Clock::default(),
            gauges: Gauges::default(),
            noisy: Noisy::default(),
            tuning: Remembered::default(),
            underway: Mutex::default(),
            folding: tokio::sync::Mutex::default(),
            batches: Semaphore::new(AT_ONCE),
        };
        Ok(Self { inner, reads: Semaphore::new(READS) })
    }

    /// Makes all that was written before this call visible to readers, which the server does each second by itself.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let Names { events, groups, audit, state } = &self.inner.names;
        self.inner.server.refresh(&format!("{events},{groups},{audit},{state}")).await
    }

    /// Removes all indices of this store, with everything in them.
    pub async fn destroy(self) -> Result<(), StoreError> {
        let Names { events, groups, audit, state } = &self.inner.names;
        let path = format!("{events},{groups},{audit},{state}");
        self.inner.server.json(Method::DELETE, &path, None).await.map(drop)
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        call: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let Ok(Ok(_permit)) = tokio::time::timeout(PATIENCE, self.reads.acquire()).await else {
                self.inner.gauges.busy.fetch_add(1, Ordering::Relaxed);
                return Err(StoreError::Busy { queue: "the queue of reads", retry_after: PATIENCE });
            };
            call.await
        })
    }
}

impl EventStore for OpenSearchStore {
    fn ingest(&self, batch: IngestBatch, now: Timestamp) -> Answer<'_, IngestOutcome> {
        Box::pin(self.inner.keep(batch, now))
    }

    fn groups(&self, filter: Filter, sort: GroupSort, page: PageRequest) -> Answer<'_, GroupPage> {
        self.read(async move { self.inner.group_page(&filter, sort, &page).await })
    }

    fn bundles(&self, filter: Filter, by: BundleBy, sort: GroupSort, page: PageRequest) -> Answer<'_, BundlePage> {
        self.read(async move { self.inner.bundle_page(&filter, by, sort, &page).await })
    }

    fn group(&self, id: GroupId) -> Answer<'_, GroupDetail> {
        self.read(self.inner.detail(id))
    }

    fn breakdown(&self, id: GroupId) -> Answer<'_, Breakdown> {
        self.read(self.inner.broken_down(id))
    }

    fn sparklines(
        &self,
        groups: Vec<GroupId>,
        from: Timestamp,
        to: Timestamp,
        buckets: usize,
    ) -> Answer<'_, (Vec<Vec<u64>>, Option<Partial>)> {
        self.read(async move { Ok((self.inner.lines(&groups, from.0, to.0, buckets).await?, None)) })
    }

    fn events(&self, filter: Filter, page: PageRequest) -> Answer<'_, EventPage> {
        self.read(async move { self.inner.event_page(&filter, None, &page).await })
    }

    fn group_events(&self, id: GroupId, filter: Filter, page: PageRequest) -> Answer<'_, EventPage> {
        self.read(async move { self.inner.event_page(&filter, Some(id), &page).await })
    }

    fn arrivals(&self, filter: Filter, after: Option<Mark>, limit: usize) -> Answer<'_, Arrivals> {
        self.read(async move { self.inner.arrived(&filter, after, limit).await })
    }

    fn event(&self, id: EventId) -> Answer<'_, StoredEvent> {
        self.read(async move { self.inner.whole_event(&id).await })
    }

    fn mark_opened(&self, id: EventId, by: Decision) -> Answer<'_, ()> {
        Box::pin(async move { self.inner.opened(&id, &by).await })
    }

    fn histogram(&self, filter: Filter, buckets: usize) -> Answer<'_, Histogram> {
        self.read(async move { self.inner.over_time(&filter, buckets).await })
    }

    fn facets(&self, filter: Filter, fields: Vec<Field>) -> Answer<'_, (Vec<Facet>, Option<Partial>)> {
        self.read(async move { Ok((self.inner.frequent(&filter, &fields).await?, None)) })
    }

    fn top(&self, request: TopRequest) -> Answer<'_, Top> {
        self.read(async move { self.inner.top_list(&request).await })
    }

    fn changes(&self, filter: Filter, after: u64, limit: usize) -> Answer<'_, Changes> {
        self.read(async move { self.inner.changed(&filter, after, limit).await })
    }

    fn act(&self, request: ActionRequest) -> Answer<'_, ActionOutcome> {
        Box::pin(async move { self.inner.carry_out(&request).await })
    }

    fn undo(&self, token: UndoToken, by: Decision) -> Answer<'_, UndoOutcome> {
        Box::pin(async move { self.inner.take_back(&token, &by).await })
    }

    fn preview(&self, scopes: Vec<Scope>, days: u32, now: Timestamp) -> Answer<'_, Vec<Preview>> {
        self.read(self.inner.previews(scopes, days, now.0))
    }

    fn suppressions(&self) -> Answer<'_, Vec<Suppression>> {
        self.read(self.inner.all_suppressions())
    }

    fn suppress(&self, new: NewSuppression, by: Decision) -> Answer<'_, Suppression> {
        Box::pin(async move { self.inner.add_suppression(&new, &by).await })
    }

    fn change_suppression(&self, id: String, change: SuppressionChange, by: Decision) -> Answer<'_, Suppression> {
        Box::pin(async move { self.inner.alter_suppression(&id, &change, &by).await })
    }

    fn remove_suppression(&self, id: String, reveal: bool, by: Decision) -> Answer<'_, ()> {
        Box::pin(async move { self.inner.drop_suppression(&id, reveal, &by).await })
    }

    fn exceptions(&self) -> Answer<'_, Vec<Exception>> {
        self.read(self.inner.all_exceptions())
    }

    fn put_exception(&self, new: NewException, by: Decision) -> Answer<'_, Exception> {
        Box::pin(async move { self.inner.add_exception(new, &by).await })
    }

    fn remove_exception(&self, name: String, by: Decision) -> Answer<'_, ()> {
        Box::pin(async move { self.inner.drop_exception(&name, &by).await })
    }

    fn views(&self, who: String) -> Answer<'_, Vec<View>> {
        self.read(async move { self.inner.views_of(&who).await })
    }

    fn put_view(&self, new: NewView, by: Decision) -> Answer<'_, View> {
        Box::pin(async move { self.inner.add_view(&new, &by).await })
    }

    fn remove_view(&self, id: u64, by: Decision) -> Answer<'_, ()> {
        Box::pin(async move { self.inner.drop_view(id, &by).await })
    }

    fn audit(&self, what: AuditWhat, page: PageRequest) -> Answer<'_, AuditPage> {
        self.read(async move { self.inner.audit_page(&what, &page).await })
    }

    fn retain(&self, policy: RetentionPolicy, now: Timestamp) -> Answer<'_, RetentionReport> {
        Box::pin(async move {
            self.inner.forget_undo(now.0).await?;
            self.inner.retain_step(&policy, now).await
        })
    }

    fn last_change(&self) -> Answer<'_, u64> {
        self.read(self.inner.last_change())
    }

    fn health(&self) -> Answer<'_, StoreHealth> {
        self.read(self.inner.how_it_is())
    }
}
