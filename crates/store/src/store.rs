//! [`EventStore`]: all that the manager asks of a store.
//!
//! *Shape*: methods return boxed futures, so that the manager holds an `Arc<dyn EventStore>` and is not generic
//! over a store that is chosen in a configuration file, and so that the contract tests take a `&dyn EventStore`.
//! Every call goes to a disk or a network; one allocation does not count. The futures need no particular
//! runtime. Dropping one does not take a write back that is on its way, but one that still waits may never begin.

use crate::{
    ActionOutcome, ActionRequest, Arrivals, AuditPage, AuditWhat, Breakdown, BundleBy, BundlePage, Changes, Decision,
    EventPage, Exception, Facet, Filter, GroupDetail, GroupId, GroupPage, GroupSort, Histogram, IngestBatch,
    IngestOutcome, Mark, NewException, NewSuppression, NewView, PageRequest, Partial, Preview, RetentionPolicy,
    RetentionReport, Scope, StoreError, StoreHealth, StoredEvent, Suppression, SuppressionChange, Top, TopRequest,
    UndoOutcome, UndoToken, View,
};
use std::future::Future;
use std::pin::Pin;
use tapir_event::EventId;
use tapir_packet::Timestamp;
use tapir_query::Field;

/// What a method returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of events.
pub trait EventStore: Send + Sync {
    /// Keeps events. Answers when they are durable as far as the store is; the same batch may come again.
    fn ingest(&self, batch: IngestBatch, now: Timestamp) -> Answer<'_, IngestOutcome>;

    /// A page of the inbox.
    fn groups(&self, filter: Filter, sort: GroupSort, page: PageRequest) -> Answer<'_, GroupPage>;

    /// A page of the inbox by rule, workload or source. Sorted as groups are, by what a row adds up to.
    fn bundles(&self, filter: Filter, by: BundleBy, sort: GroupSort, page: PageRequest) -> Answer<'_, BundlePage>;

    /// A group with its shapes and history.
    fn group(&self, id: GroupId) -> Answer<'_, GroupDetail>;

    /// A group's events by pod and port.
    fn breakdown(&self, id: GroupId) -> Answer<'_, Breakdown>;

    /// For each group its events in equal parts of the time after `from` up to `to`; at most 1,000 groups and 100
    /// buckets.
    fn sparklines(
        &self,
        groups: Vec<GroupId>,
        from: Timestamp,
        to: Timestamp,
        buckets: usize,
    ) -> Answer<'_, (Vec<Vec<u64>>, Option<Partial>)>;

    /// A page of events, newest first.
    fn events(&self, filter: Filter, page: PageRequest) -> Answer<'_, EventPage>;

    /// A page of a group's events, newest first; the filter narrows them.
    fn group_events(&self, id: GroupId, filter: Filter, page: PageRequest) -> Answer<'_, EventPage>;

    /// Events in the order in which they were kept, behind a mark; without one none, and the mark of now. At most `limit` events
    /// (1 to [`MAX_PAGE`](crate::MAX_PAGE)), and fewer where looking for them takes long.
    fn arrivals(&self, filter: Filter, after: Option<Mark>, limit: usize) -> Answer<'_, Arrivals>;

    /// A whole event.
    fn event(&self, id: EventId) -> Answer<'_, StoredEvent>;

    /// Somebody looks at an event: its shape counts as opened in its group.
    fn mark_opened(&self, id: EventId, by: Decision) -> Answer<'_, ()>;

    /// Events over time by level, in at most 500 equal buckets. Without a range: from the first event to the last.
    fn histogram(&self, filter: Filter, buckets: usize) -> Answer<'_, Histogram>;

    /// The most frequent values of fields, counted in one pass.
    fn facets(&self, filter: Filter, fields: Vec<Field>) -> Answer<'_, (Vec<Facet>, Option<Partial>)>;

    /// A top list, or values of a field that begin with a prefix.
    fn top(&self, request: TopRequest) -> Answer<'_, Top>;

    /// Groups that changed after a count of changes, oldest change first, at most `limit`.
    fn changes(&self, filter: Filter, after: u64, limit: usize) -> Answer<'_, Changes>;

    /// The count of changes now: what is read after it is not older. Cheap, for being asked with every list.
    fn last_change(&self) -> Answer<'_, u64>;

    /// Decides about groups.
    fn act(&self, request: ActionRequest) -> Answer<'_, ActionOutcome>;

    /// Takes an action back.
    fn undo(&self, token: UndoToken, by: Decision) -> Answer<'_, UndoOutcome>;

    /// What scopes would have hidden in the last `days` days (1–366), today included. At most 20 scopes.
    fn preview(&self, scopes: Vec<Scope>, days: u32, now: Timestamp) -> Answer<'_, Vec<Preview>>;

    /// All suppressions, newest first.
    fn suppressions(&self) -> Answer<'_, Vec<Suppression>>;

    /// Adds one.
    fn suppress(&self, new: NewSuppression, by: Decision) -> Answer<'_, Suppression>;

    /// Changes one.
    fn change_suppression(&self, id: String, change: SuppressionChange, by: Decision) -> Answer<'_, Suppression>;

    /// Removes one. `reveal`: events that it hides come back.
    fn remove_suppression(&self, id: String, reveal: bool, by: Decision) -> Answer<'_, ()>;

    /// All exceptions by name.
    fn exceptions(&self) -> Answer<'_, Vec<Exception>>;

    /// Adds or replaces the one of its name.
    fn put_exception(&self, new: NewException, by: Decision) -> Answer<'_, Exception>;

    /// Removes one.
    fn remove_exception(&self, name: String, by: Decision) -> Answer<'_, ()>;

    /// Saved views that somebody may see: his own and shared ones.
    fn views(&self, who: String) -> Answer<'_, Vec<View>>;

    /// Adds or replaces somebody's view of that name.
    fn put_view(&self, new: NewView, by: Decision) -> Answer<'_, View>;

    /// Removes somebody's own view.
    fn remove_view(&self, id: u64, by: Decision) -> Answer<'_, ()>;

    /// The audit log, newest first.
    fn audit(&self, what: AuditWhat, page: PageRequest) -> Answer<'_, AuditPage>;

    /// One step of retention, at most 5,000 events. Call it when there is nothing else to do.
    fn retain(&self, policy: RetentionPolicy, now: Timestamp) -> Answer<'_, RetentionReport>;

    /// How the store is.
    fn health(&self) -> Answer<'_, StoreHealth>;
}
