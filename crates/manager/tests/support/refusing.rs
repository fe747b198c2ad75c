//! Stores in trouble, for what clients see of them: one that refuses every call with the same error or never answers, and
//! one whose sparklines never come.

use std::sync::Arc;
use tapir_event::EventId;
use tapir_packet::Timestamp;
use tapir_query::Field;
use tapir_store::*;

/// Refuses with an error; without one it never answers.
pub struct Refusing(pub Option<StoreError>);

/// All but sparklines is another store's.
pub struct Flat(pub Arc<dyn EventStore>);

impl Refusing {
    fn answer<T: Send + 'static>(&self) -> Answer<'_, T> {
        match &self.0 {
            Some(error) => Box::pin(std::future::ready(Err(error.clone()))),
            None => Box::pin(std::future::pending()),
        }
    }
}

macro_rules! refuse {
    ($($name:ident($($kind:ty),*) -> $out:ty;)*) => {
        impl EventStore for Refusing {
            $(refuse!(@one $name ($($kind),*) -> $out);)*
        }

        impl EventStore for Flat {
            $(refuse!(@pass $name ($($kind),*) -> $out);)*
        }
    };
    (@pass sparklines ($a:ty, $b:ty, $c:ty, $d:ty) -> $out:ty) => {
        fn sparklines(&self, _: $a, _: $b, _: $c, _: $d) -> Answer<'_, $out> { Box::pin(std::future::pending()) }
    };
    (@pass $name:ident () -> $out:ty) => { fn $name(&self) -> Answer<'_, $out> { self.0.$name() } };
    (@pass $name:ident ($a:ty) -> $out:ty) => { fn $name(&self, a: $a) -> Answer<'_, $out> { self.0.$name(a) } };
    (@pass $name:ident ($a:ty, $b:ty) -> $out:ty) => {
        fn $name(&self, a: $a, b: $b) -> Answer<'_, $out> { self.0.$name(a, b) }
    };
    (@pass $name:ident ($a:ty, $b:ty, $c:ty) -> $out:ty) => {
        fn $name(&self, a: $a, b: $b, c: $c) -> Answer<'_, $out> { self.0.$name(a, b, c) }
    };
    (@pass $name:ident ($a:ty, $b:ty, $c:ty, $d:ty) -> $out:ty) => {
        fn $name(&self, a: $a, b: $b, c: $c, d: $d) -> Answer<'_, $out> { self.0.$name(a, b, c, d) }
    };
    (@one $name:ident () -> $out:ty) => { fn $name(&self) -> Answer<'_, $out> { self.answer() } };
    (@one $name:ident ($a:ty) -> $out:ty) => { fn $name(&self, _: $a) -> Answer<'_, $out> { self.answer() } };
    (@one $name:ident ($a:ty, $b:ty) -> $out:ty) => { fn $name(&self, _: $a, _: $b) -> Answer<'_, $out> { self.answer() } };
    (@one $name:ident ($a:ty, $b:ty, $c:ty) -> $out:ty) => {
        fn $name(&self, _: $a, _: $b, _: $c) -> Answer<'_, $out> { self.answer() }
    };
    (@one $name:ident ($a:ty, $b:ty, $c:ty, $d:ty) -> $out:ty) => {
        fn $name(&self, _: $a, _: $b, _: $c, _: $d) -> Answer<'_, $out> { self.answer() }
    };
}

refuse! {
    ingest(IngestBatch, Timestamp) -> IngestOutcome;
    groups(Filter, GroupSort, PageRequest) -> GroupPage;
    bundles(Filter, BundleBy, GroupSort, PageRequest) -> BundlePage;
    group(GroupId) -> GroupDetail;
    breakdown(GroupId) -> Breakdown;
    sparklines(Vec<GroupId>, Timestamp, Timestamp, usize) -> (Vec<Vec<u64>>, Option<Partial>);
    events(Filter, PageRequest) -> EventPage;
    group_events(GroupId, Filter, PageRequest) -> EventPage;
    arrivals(Filter, Option<Mark>, usize) -> Arrivals;
    event(EventId) -> StoredEvent;
    mark_opened(EventId, Decision) -> ();
    histogram(Filter, usize) -> Histogram;
    facets(Filter, Vec<Field>) -> (Vec<Facet>, Option<Partial>);
    top(TopRequest) -> Top;
    changes(Filter, u64, usize) -> Changes;
    last_change() -> u64;
    act(ActionRequest) -> ActionOutcome;
    undo(UndoToken, Decision) -> UndoOutcome;
    preview(Vec<Scope>, u32, Timestamp) -> Vec<Preview>;
    suppressions() -> Vec<Suppression>;
    suppress(NewSuppression, Decision) -> Suppression;
    change_suppression(String, SuppressionChange, Decision) -> Suppression;
    remove_suppression(String, bool, Decision) -> ();
    exceptions() -> Vec<Exception>;
    put_exception(NewException, Decision) -> Exception;
    remove_exception(String, Decision) -> ();
    views(String) -> Vec<View>;
    put_view(NewView, Decision) -> View;
    remove_view(u64, Decision) -> ();
    audit(AuditWhat, PageRequest) -> AuditPage;
    retain(RetentionPolicy, Timestamp) -> RetentionReport;
    health() -> StoreHealth;
}
