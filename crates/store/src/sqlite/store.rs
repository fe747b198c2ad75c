//! The store as its users see it: calls go to the threads, answers come back.

use super::dictionary::Shared;
use super::link::Link;
use super::put::Batch;
use super::threads::{RETRY, Readers, answer, read, send};
use super::writer::{Arrival, Claim, Gauges, Write, Writer, packer};
use super::{
    SqliteConfig, actions, admin, arrivals, audit, bundles, detail, events, groups, open, preview, retain, row, rows,
    stats, tuning,
};
use crate::{
    ActionOutcome, ActionRequest, Answer, Arrivals, AuditPage, AuditWhat, Breakdown, BundleBy, BundlePage, Changes,
    Decision, EventPage, EventStore, Exception, Facet, Filter, GroupDetail, GroupId, GroupPage, GroupSort, Histogram,
    IngestBatch, IngestOutcome, Mark, NewException, NewSuppression, NewView, PageRequest, Partial, Preview, Rejected,
    RetentionPolicy, RetentionReport, Scope, StoreError, StoreHealth, StoredEvent, Suppression, SuppressionChange, Top,
    TopRequest, UndoOutcome, UndoToken, View,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use tapir_event::EventId;
use tapir_packet::Timestamp;
use tapir_query::Field;
use tokio::sync::oneshot;

/// Changes that may wait for the writer, and events among them.
const WAITING: usize = 256;
const WAITING_ROWS: u64 = 60_000;
/// Bytes of their documents.
const WAITING_BYTES: u64 = 128 << 20;
/// Most documents of a batch.
const BATCH: usize = 100_000;

/// The embedded store. Dropping it writes what waits and closes the file.
pub struct SqliteStore {
    readers: Readers,
    writes: Option<SyncSender<Write>>,
    thread: Option<JoinHandle<()>>,
    gauges: Arc<Gauges>,
    _lock: open::Lock,
}

impl SqliteStore {
    /// Opens the file, or makes it. Blocks for as long as that takes.
    pub fn open(config: SqliteConfig) -> Result<Self, StoreError> {
        let lock = open::lock(&config.path)?;
        let config = Arc::new(config);
        let gauges = Arc::new(Gauges::default());
        let shared = Shared::default();
        let link = Link::new(open::writer(&config)?, Arc::clone(&config), shared.clone(), true)?;
        let writer = Writer::new(link, Arc::clone(&gauges))?;
        let links = (0..config.readers.clamp(1, 64))
            .map(|_| Link::new(open::reader(&config)?, Arc::clone(&config), shared.clone(), false))
            .collect::<Result<_, _>>()?;
        let (writes, queue) = sync_channel(WAITING);
        let no_thread = |error: std::io::Error| StoreError::Internal(format!("no thread: {error}"));
        let readers = Readers::start(links).map_err(no_thread)?;
        let thread = std::thread::Builder::new().name("store-write".to_owned());
        let thread = thread.spawn(move || writer.run(&queue)).map_err(no_thread)?;
        Ok(Self { readers, writes: Some(writes), thread: Some(thread), gauges, _lock: lock })
    }

    fn read<T: Send + 'static>(
        &self,
        now: i64,
        call: impl FnOnce(&mut Link) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let gauges = Arc::clone(&self.gauges);
        let receiver = self.readers.run(move |link| {
            let result = link.read(now, call);
            if link.guard.partial().is_some() {
                gauges.partial.fetch_add(1, Ordering::Relaxed);
            }
            result
        });
        self.count_busy(receiver.as_ref().err());
        Box::pin(read(receiver))
    }

    fn change<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(move |writer: &mut Writer| {
            let result = call(writer);
            if let Err(error @ (StoreError::DiskFull { .. } | StoreError::Corrupt { .. })) = &result {
                writer.gauges.note(Some(error));
            }
            let _ = sender.send(result);
        });
        let sent = send(self.writes.as_ref(), Write::Other(job), "the queue of changes");
        self.count_busy(sent.as_ref().err());
        Box::pin(answer(sent.map(|()| receiver)))
    }

    fn count_busy(&self, error: Option<&StoreError>) {
        if let Some(StoreError::Busy { .. }) = error {
            self.gauges.busy.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.readers.stop();
        self.writes = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Reads and compresses the documents of a batch.
fn prepare(batch: IngestBatch, gauges: &Gauges, now: i64) -> Batch {
    let mut reader = row::Reader::default();
    let mut packer = packer(gauges);
    let mut rows = Vec::with_capacity(batch.documents.len());
    let mut outcome = IngestOutcome::default();
    for (index, document) in batch.documents.into_iter().enumerate() {
        match reader.read(index, &document) {
            Ok(mut row) => {
                row.body = packer.pack(&document);
                rows.push(row);
            }
            Err((id, why)) => outcome.rejected.push(Rejected { index, id, why }),
        }
    }
    Batch { rows, names: reader.names, outcome, now }
}

impl EventStore for SqliteStore {
    fn ingest(&self, batch: IngestBatch, now: Timestamp) -> Answer<'_, IngestOutcome> {
        if batch.documents.len() > BATCH {
            let why = format!("a batch of {} documents; send at most {BATCH}", batch.documents.len());
            return Box::pin(std::future::ready(Err(StoreError::Invalid(why))));
        }
        let bytes = batch.documents.iter().map(Vec::len).sum();
        let most = (WAITING_ROWS, WAITING_BYTES);
        let Some(claim) = Claim::take(&self.gauges, batch.documents.len(), bytes, most) else {
            let busy = StoreError::Busy { queue: "the queue of events", retry_after: RETRY };
            self.count_busy(Some(&busy));
            return Box::pin(std::future::ready(Err(busy)));
        };
        let gauges = Arc::clone(&self.gauges);
        let writes = self.writes.clone();
        let (sender, receiver) = oneshot::channel();
        let prepared = self.readers.run(move |_| {
            let batch = prepare(batch, &gauges, now.0);
            let arrival = Box::new(Arrival { batch, answer: sender, claim });
            let sent = send(writes.as_ref(), Write::Batch(arrival), "the queue of events");
            if sent.is_err() {
                gauges.busy.fetch_add(1, Ordering::Relaxed);
            }
            sent
        });
        self.count_busy(prepared.as_ref().err());
        Box::pin(async move {
            read(prepared).await?;
            answer(Ok(receiver)).await
        })
    }

    fn groups(&self, filter: Filter, sort: GroupSort, page: PageRequest) -> Answer<'_, GroupPage> {
        self.read(filter.now.0, move |link| groups::page(link, &filter, sort, &page))
    }

    fn bundles(&self, filter: Filter, by: BundleBy, sort: GroupSort, page: PageRequest) -> Answer<'_, BundlePage> {
        self.read(filter.now.0, move |link| bundles::page(link, &filter, by, sort, &page))
    }

    fn group(&self, id: GroupId) -> Answer<'_, GroupDetail> {
        self.read(0, move |link| detail::group(link, id))
    }

    fn breakdown(&self, id: GroupId) -> Answer<'_, Breakdown> {
        self.read(0, move |link| detail::breakdown(link, id))
    }

    fn sparklines(
        &self,
        groups: Vec<GroupId>,
        from: Timestamp,
        to: Timestamp,
        buckets: usize,
    ) -> Answer<'_, (Vec<Vec<u64>>, Option<Partial>)> {
        self.read(0, move |link| detail::sparklines(link, &groups, from.0, to.0, buckets))
    }

    fn events(&self, filter: Filter, page: PageRequest) -> Answer<'_, EventPage> {
        self.read(filter.now.0, move |link| events::page(link, &filter, None, &page))
    }

    fn group_events(&self, id: GroupId, filter: Filter, page: PageRequest) -> Answer<'_, EventPage> {
        self.read(filter.now.0, move |link| events::page(link, &filter, Some(id), &page))
    }

    fn arrivals(&self, filter: Filter, after: Option<Mark>, limit: usize) -> Answer<'_, Arrivals> {
        self.read(filter.now.0, move |link| arrivals::after(link, &filter, after, limit))
    }

    fn event(&self, id: EventId) -> Answer<'_, StoredEvent> {
        self.read(0, move |link| rows::stored(link, &id))
    }

    fn mark_opened(&self, id: EventId, by: Decision) -> Answer<'_, ()> {
        self.change(move |writer| admin::mark_opened(writer, &id, &by))
    }

    fn histogram(&self, filter: Filter, buckets: usize) -> Answer<'_, Histogram> {
        self.read(filter.now.0, move |link| stats::histogram(link, &filter, buckets))
    }

    fn facets(&self, filter: Filter, fields: Vec<Field>) -> Answer<'_, (Vec<Facet>, Option<Partial>)> {
        self.read(filter.now.0, move |link| stats::facets(link, &filter, &fields))
    }

    fn top(&self, request: TopRequest) -> Answer<'_, Top> {
        self.read(request.filter.now.0, move |link| stats::top(link, &request))
    }

    fn changes(&self, filter: Filter, after: u64, limit: usize) -> Answer<'_, Changes> {
        self.read(filter.now.0, move |link| groups::changes(link, &filter, after, limit))
    }

    fn act(&self, request: ActionRequest) -> Answer<'_, ActionOutcome> {
        self.change(move |writer| actions::act(writer, &request))
    }

    fn undo(&self, token: UndoToken, by: Decision) -> Answer<'_, UndoOutcome> {
        self.change(move |writer| actions::undo(writer, &token, &by))
    }

    fn preview(&self, scopes: Vec<Scope>, days: u32, now: Timestamp) -> Answer<'_, Vec<Preview>> {
        self.read(now.0, move |link| preview::preview(link, scopes, days, now.0))
    }

    fn suppressions(&self) -> Answer<'_, Vec<Suppression>> {
        self.read(0, |link| tuning::list(link))
    }

    fn suppress(&self, new: NewSuppression, by: Decision) -> Answer<'_, Suppression> {
        self.change(move |writer| tuning::add(writer, &new, &by))
    }

    fn change_suppression(&self, id: String, change: SuppressionChange, by: Decision) -> Answer<'_, Suppression> {
        self.change(move |writer| tuning::change(writer, &id, &change, &by))
    }

    fn remove_suppression(&self, id: String, reveal: bool, by: Decision) -> Answer<'_, ()> {
        self.change(move |writer| tuning::remove(writer, &id, reveal, &by))
    }

    fn exceptions(&self) -> Answer<'_, Vec<Exception>> {
        self.read(0, |link| admin::exceptions(link))
    }

    fn put_exception(&self, new: NewException, by: Decision) -> Answer<'_, Exception> {
        self.change(move |writer| admin::put_exception(writer, new, &by))
    }

    fn remove_exception(&self, name: String, by: Decision) -> Answer<'_, ()> {
        self.change(move |writer| admin::remove_exception(writer, &name, &by))
    }

    fn views(&self, who: String) -> Answer<'_, Vec<View>> {
        self.read(0, move |link| admin::views(link, &who))
    }

    fn put_view(&self, new: NewView, by: Decision) -> Answer<'_, View> {
        self.change(move |writer| admin::put_view(writer, &new, &by))
    }

    fn remove_view(&self, id: u64, by: Decision) -> Answer<'_, ()> {
        self.change(move |writer| admin::remove_view(writer, id, &by))
    }

    fn audit(&self, what: AuditWhat, page: PageRequest) -> Answer<'_, AuditPage> {
        self.read(0, move |link| audit::page(link, &what, &page))
    }

    fn retain(&self, policy: RetentionPolicy, now: Timestamp) -> Answer<'_, RetentionReport> {
        self.change(move |writer| retain::step(writer, &policy, now.0))
    }

    fn last_change(&self) -> Answer<'_, u64> {
        let touch = self.gauges.touch.load(Ordering::Relaxed).unsigned_abs();
        Box::pin(std::future::ready(Ok(touch)))
    }

    fn health(&self) -> Answer<'_, StoreHealth> {
        let gauges = Arc::clone(&self.gauges);
        self.read(0, move |link| admin::health(link, &gauges))
    }
}
