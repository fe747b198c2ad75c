//! What somebody sees of the store: the one way from a call to it.
//!
//! The store itself is behind [`Vault`], which gives it to nobody. Calls of people get a [`Sight`], which cannot be made
//! without a [`Caller`] and is a store itself: the one that he may see. So no call can forget to look who asks, and a new
//! method of [`EventStore`] does not compile before it is said here what of it somebody may see.
//!
//! *Which alerts*: an event, and with it its group, is seen by who may read in the namespace of its client or in that of its
//! server. Sides are properties of groups: all events of one have the same. What has a side in no namespace on either end
//! is seen by who may read everywhere only. What is not seen does not exist: a 404, not a 403.
//!
//! *Decisions* count for everybody who sees the group. So they need the permission in the namespaces of *both* sides,
//! where a side outside of the cluster needs none: a namespace whose workload attacks another one's must not be able to
//! hide it. A suppression must name both sides for the same reason. Exceptions, which are free queries, need it everywhere.
//!
//! *Limits*: 500 groups by their ids in one action of who does not see everything; the numbers of the store as a
//! whole (how many events there are) are everybody's.

use crate::app::App;
use crate::auth::{Caller, Reach, Realm};
use crate::guard::Until;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tapir_event::EventId;
use tapir_packet::Timestamp;
use tapir_query::{Expr, Field, Key, Node, Query, Span, Value};
use tapir_store::{
    ActionOutcome, ActionRequest, Answer, Arrivals, AuditPage, AuditWhat, Breakdown, BundleBy, BundlePage, Changes,
    Decision, EventPage, EventStore, Exception, Facet, Filter, Group, GroupDetail, GroupId, GroupPage, GroupSort,
    Histogram, IngestBatch, IngestOutcome, Mark, NewException, NewSuppression, NewView, PageRequest, Partial, Party,
    Preview, RetentionPolicy, RetentionReport, Scope, Side, StoreError, StoreHealth, StoredEvent, Suppression,
    SuppressionChange, Target, Top, TopRequest, UndoOutcome, UndoToken, View,
};

/// Most groups that one action names by their ids, of somebody who does not see everything.
const MAX_IDS: usize = 500;
/// Groups that a sight remembers to have shown.
const MAX_SHOWN: usize = 10_000;

/// Keeps the store.
pub(crate) struct Vault(Arc<dyn EventStore>);

impl Vault {
    pub(crate) fn new(store: Arc<dyn EventStore>) -> Self {
        Self(store)
    }

    /// What the caller sees.
    pub(crate) fn seen_by(&self, caller: &Caller) -> Sight {
        let (realm, user) = (caller.identity.realm.clone(), caller.identity.user.clone());
        Sight { store: Arc::clone(&self.0), realm, user, shown: Mutex::default(), until: None }
    }

    /// Keeps events; who may send them is for the routes of agents to say.
    pub(crate) fn ingest(&self, batch: IngestBatch, now: Timestamp) -> Answer<'_, IngestOutcome> {
        self.0.ingest(batch, now)
    }

    /// How the store is: numbers only.
    pub(crate) fn health(&self) -> Answer<'_, StoreHealth> {
        self.0.health()
    }

    /// All suppressions, for nodes, which apply them all.
    pub(crate) fn suppressions(&self) -> Answer<'_, Vec<Suppression>> {
        self.0.suppressions()
    }
}

/// The store as somebody sees it.
pub(crate) struct Sight {
    store: Arc<dyn EventStore>,
    realm: Realm,
    user: String,
    /// Groups that went out through it.
    shown: Mutex<BTreeSet<GroupId>>,
    /// Of a request: until when more than what it needs may be read.
    until: Option<Instant>,
}

impl FromRequestParts<Arc<App>> for Sight {
    type Rejection = crate::problem::Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let until = parts.extensions.get::<Until>().map(|until| until.0);
        Ok(Sight { until, ..app.store.seen_by(&caller) })
    }
}

fn expr(node: Node) -> Expr {
    Expr { node, span: Span::default() }
}

/// `field IN {…}`; without members it is true of nothing.
fn is_one_of(field: Field, members: impl Iterator<Item = String>) -> Expr {
    let mut members: Vec<Value> = members.map(Value::Text).collect();
    if members.is_empty() {
        // No event has the empty text in a field.
        members.push(Value::Text(String::new()));
    }
    expr(Node::In { key: Key::from(field), negated: false, members })
}

/// One side at least is in one of these.
fn touches(namespaces: &BTreeSet<String>) -> Query {
    Query::of(is_one_of(Field::Namespace, namespaces.iter().cloned()))
}

/// Both sides are in one of these or in none, and one is.
fn within(namespaces: &BTreeSet<String>) -> Query {
    let side = |field| {
        let outside = expr(Node::Not(Box::new(expr(Node::Has(Key::from(field))))));
        expr(Node::Or(vec![outside, is_one_of(field, namespaces.iter().cloned())]))
    };
    Query::of(expr(Node::And(vec![side(Field::ClientNamespace), side(Field::ServerNamespace)])))
        .and(touches(namespaces))
}

fn sides<'p>(client: &'p Party, server: &'p Party) -> impl Iterator<Item = &'p str> + Clone {
    [client, server].into_iter().map(|party| party.namespace.as_str()).filter(|namespace| !namespace.is_empty())
}

fn sees(reach: &Reach, client: &Party, server: &Party) -> bool {
    *reach == Reach::All || sides(client, server).any(|namespace| reach.has(namespace))
}

fn covers(reach: &Reach, client: &Party, server: &Party) -> bool {
    let mut sides = sides(client, server).peekable();
    *reach == Reach::All || (sides.peek().is_some() && sides.all(|namespace| reach.has(namespace)))
}

/// The namespace of a side of a suppression: `None`: it can be any; empty: outside of the cluster.
fn namespace(side: &Side) -> Option<&str> {
    match side {
        Side::Any => None,
        Side::Namespace(name) => Some(name),
        // `namespace/kind/owner`; a network has one stroke, an address none.
        Side::Party(key) => Some(match key.split('/').count() {
            3 => key.split('/').next().unwrap_or_default(),
            _ => "",
        }),
    }
}

/// All that a suppression can hide lies in these namespaces or outside of the cluster.
fn bounded(reach: &Reach, scope: &Scope) -> bool {
    if *reach == Reach::All {
        return true;
    }
    let (Some(client), Some(server)) = (namespace(&scope.client), namespace(&scope.server)) else { return false };
    let mut named = [client, server].into_iter().filter(|name| !name.is_empty()).peekable();
    named.peek().is_some() && named.all(|name| reach.has(name))
}

/// A suppression can hide something in these namespaces.
fn concerns(reach: &Reach, scope: &Scope) -> bool {
    if *reach == Reach::All {
        return true;
    }
    let sides = [namespace(&scope.client), namespace(&scope.server), scope.namespace.as_deref()];
    let mut named = sides.into_iter().flatten().filter(|name| !name.is_empty()).peekable();
    let anybody = scope.namespace.is_none() && sides.iter().take(2).any(Option::is_none);
    anybody || named.any(|name| reach.has(name))
}

fn not_allowed<T>(what: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::NotAllowed(what.into()))
}

impl Sight {
    /// Reads what an answer can do without; `None`: it failed, or there is no time left for it. What the request must read
    /// has taken its part of the time before.
    pub(crate) async fn spare<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        match self.until {
            Some(until) => tokio::time::timeout_at(until.into(), read).await.ok()?.ok(),
            None => read.await.ok(),
        }
    }

    /// Who does not see everything, with what he sees.
    fn limited(&self) -> Option<&Arc<BTreeSet<String>>> {
        match &self.realm.read {
            Reach::All => None,
            Reach::Only(some) => Some(some),
        }
    }

    /// He sees what is in this namespace.
    pub(crate) fn reads(&self, namespace: &str) -> bool {
        self.realm.read.has(namespace)
    }

    /// He sees everything.
    pub(crate) fn reads_all(&self) -> bool {
        self.limited().is_none()
    }

    fn narrowed(&self, mut filter: Filter) -> Filter {
        if let Some(some) = self.limited() {
            filter.query = filter.query.and(touches(some));
        }
        filter
    }

    fn remember<'g>(&self, groups: impl Iterator<Item = &'g Group>) {
        if self.limited().is_some() {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            if shown.len() > MAX_SHOWN {
                shown.clear();
            }
            shown.extend(groups.map(|group| group.id));
        }
    }

    fn was_shown(&self, id: GroupId) -> bool {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// The group, if it is seen.
    async fn seen(&self, id: GroupId) -> Result<GroupDetail, StoreError> {
        let detail = self.store.group(id).await?;
        if !sees(&self.realm.read, &detail.group.client, &detail.group.server) {
            return Err(StoreError::NotFound { what: "group", id: id.to_string() });
        }
        self.remember(std::iter::once(&detail.group));
        Ok(detail)
    }

    async fn must_see(&self, id: GroupId) -> Result<(), StoreError> {
        if self.limited().is_none() || self.was_shown(id) {
            return Ok(());
        }
        self.seen(id).await.map(|_| ())
    }

    /// Whether it is seen; one that is gone from the store is not.
    async fn is_seen(&self, id: GroupId) -> Result<bool, StoreError> {
        match self.must_see(id).await {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn seen_event(&self, id: EventId) -> Result<StoredEvent, StoreError> {
        let name = id.to_string();
        let event = self.store.event(id).await?;
        if !sees(&self.realm.read, &event.row.client, &event.row.server) {
            return Err(StoreError::NotFound { what: "event", id: name });
        }
        Ok(event)
    }

    async fn count(&self, filter: Filter) -> Result<u64, StoreError> {
        let page = PageRequest { limit: 1, cursor: None, total: true };
        let found = self.store.groups(filter, GroupSort::LastSeen, page).await?;
        Ok(found.total.map_or(0, |total| total.count))
    }

    /// The same request about what he may decide; refused if that is not all that it is about.
    async fn decidable(&self, mut request: ActionRequest) -> Result<ActionRequest, StoreError> {
        let act = match &self.realm.act {
            Reach::All => None,
            Reach::Only(some) => Some(Arc::clone(some)),
        };
        if self.limited().is_none() && act.is_none() {
            return Ok(request);
        }
        match &mut request.target {
            Target::Ids(ids) => {
                if ids.len() > MAX_IDS {
                    return not_allowed(format!(
                        "who does not see all namespaces names at most {MAX_IDS} groups at once"
                    ));
                }
                for (id, _) in ids.iter() {
                    let group = self.seen(*id).await?.group;
                    if !covers(&self.realm.act, &group.client, &group.server) {
                        return not_allowed(format!(
                            "deciding about group {id} needs the permission in all of: {}",
                            group.namespaces.join(", ")
                        ));
                    }
                }
            }
            Target::Matching(filter) => {
                let seen = self.narrowed(Filter::clone(filter));
                **filter = seen.clone();
                if let Some(act) = act {
                    filter.query = seen.query.clone().and(within(&act));
                    let (all, some) = (self.count(seen).await?, self.count(Filter::clone(filter)).await?);
                    if all > some {
                        return not_allowed(format!(
                            "{} of these {all} groups have a side in a namespace where {} may not decide; narrow the query",
                            all - some,
                            self.user
                        ));
                    }
                }
            }
        }
        Ok(request)
    }

    /// All that the scope hides is seen.
    pub(crate) fn previews(&self, scope: &Scope) -> bool {
        let sides = [namespace(&scope.client), namespace(&scope.server)];
        self.reads_all()
            || (sides.iter().all(Option::is_some) && sides.into_iter().flatten().any(|name| self.realm.read.has(name)))
    }

    /// A suppression that he may change.
    async fn own(&self, id: &str) -> Result<(), StoreError> {
        if self.realm.tune == Reach::All && self.limited().is_none() {
            return Ok(());
        }
        let all = self.store.suppressions().await?;
        let found = all.into_iter().find(|one| one.id == id && self.sees_suppression(one));
        let found = found.ok_or_else(|| StoreError::NotFound { what: "suppression", id: id.to_owned() })?;
        self.must_tune(&found.what.scope)
    }

    fn sees_suppression(&self, suppression: &Suppression) -> bool {
        concerns(&self.realm.read, &suppression.what.scope)
    }

    fn must_tune(&self, scope: &Scope) -> Result<(), StoreError> {
        if bounded(&self.realm.tune, scope) {
            return Ok(());
        }
        not_allowed(
            "a suppression counts for everybody: it must name both sides, each in a namespace where you may suppress or \
             outside of the cluster; ask somebody who may suppress in all namespaces",
        )
    }

    fn must_tune_everywhere(&self) -> Result<(), StoreError> {
        if self.realm.tune == Reach::All && self.reads_all() {
            return Ok(());
        }
        not_allowed("an exception is a free query and counts for everybody: it needs the permission in all namespaces")
    }

    /// Numbers of a preview without what is not seen: all that a bounded scope hides is; what it leaves is counted anew.
    async fn left(&self, mut preview: Preview, days: u32, now: Timestamp) -> Result<Preview, StoreError> {
        const DAY: i64 = 86_400_000_000_000;
        let rule = |field: Field, number: Option<u32>| {
            let value = number.map(|number| Value::Number(number.into()));
            let members = value.map(|value| vec![value]);
            members.map(|members| Query::of(expr(Node::In { key: Key::from(field), negated: false, members })))
        };
        let parts = [rule(Field::Gid, preview.scope.gid), rule(Field::Sid, preview.scope.sid)];
        let query = parts.into_iter().flatten().fold(Query::all(), Query::and);
        let end = (now.0.div_euclid(DAY) + 1) * DAY;
        let filter = Filter {
            query,
            // Buckets are open at their begin and closed at their end; days are the other way round.
            from: Some(Timestamp(end - i64::from(days) * DAY - 1)),
            to: Some(Timestamp(end - 1)),
            ..Filter::all(now)
        };
        let found = self.store.histogram(self.narrowed(filter), usize::try_from(days).unwrap_or(1)).await?;
        let seen: BTreeMap<i64, u64> = found
            .buckets
            .iter()
            .map(|bucket| ((bucket.from.0 + 1).div_euclid(DAY), bucket.counts.iter().sum()))
            .collect();
        for day in &mut preview.days {
            day.visible = seen.get(&day.day).copied().unwrap_or_default().saturating_sub(day.hidden);
        }
        preview.left_visible = preview.days.iter().map(|day| day.visible).sum();
        Ok(preview)
    }
}

impl EventStore for Sight {
    fn ingest(&self, _: IngestBatch, _: Timestamp) -> Answer<'_, IngestOutcome> {
        Box::pin(async { not_allowed("events come from agents") })
    }

    fn groups(&self, filter: Filter, sort: GroupSort, page: PageRequest) -> Answer<'_, GroupPage> {
        Box::pin(async move {
            let found = self.store.groups(self.narrowed(filter), sort, page).await?;
            self.remember(found.items.iter());
            Ok(found)
        })
    }

    fn bundles(&self, filter: Filter, by: BundleBy, sort: GroupSort, page: PageRequest) -> Answer<'_, BundlePage> {
        Box::pin(async move {
            let found = self.store.bundles(self.narrowed(filter), by, sort, page).await?;
            self.remember(found.items.iter().map(|bundle| &bundle.newest));
            Ok(found)
        })
    }

    fn group(&self, id: GroupId) -> Answer<'_, GroupDetail> {
        Box::pin(self.seen(id))
    }

    fn breakdown(&self, id: GroupId) -> Answer<'_, Breakdown> {
        Box::pin(async move {
            self.must_see(id).await?;
            self.store.breakdown(id).await
        })
    }

    fn sparklines(
        &self,
        groups: Vec<GroupId>,
        from: Timestamp,
        to: Timestamp,
        buckets: usize,
    ) -> Answer<'_, (Vec<Vec<u64>>, Option<Partial>)> {
        Box::pin(async move {
            for id in &groups {
                self.must_see(*id).await?;
            }
            self.store.sparklines(groups, from, to, buckets).await
        })
    }

    fn events(&self, filter: Filter, page: PageRequest) -> Answer<'_, EventPage> {
        self.store.events(self.narrowed(filter), page)
    }

    fn group_events(&self, id: GroupId, filter: Filter, page: PageRequest) -> Answer<'_, EventPage> {
        Box::pin(async move {
            self.must_see(id).await?;
            self.store.group_events(id, self.narrowed(filter), page).await
        })
    }

    /// Nobody's list: it is for those who pass events on.
    fn arrivals(&self, filter: Filter, after: Option<Mark>, limit: usize) -> Answer<'_, Arrivals> {
        if self.limited().is_some() {
            return Box::pin(async { not_allowed("arrivals are for who sees all namespaces") });
        }
        self.store.arrivals(filter, after, limit)
    }

    fn event(&self, id: EventId) -> Answer<'_, StoredEvent> {
        Box::pin(self.seen_event(id))
    }

    /// Where he may not decide his look is no sign that somebody took care.
    fn mark_opened(&self, id: EventId, by: Decision) -> Answer<'_, ()> {
        Box::pin(async move {
            let event = self.seen_event(id.clone()).await?;
            if covers(&self.realm.act, &event.row.client, &event.row.server) {
                self.store.mark_opened(id, by).await?;
            }
            Ok(())
        })
    }

    fn histogram(&self, filter: Filter, buckets: usize) -> Answer<'_, Histogram> {
        self.store.histogram(self.narrowed(filter), buckets)
    }

    fn facets(&self, filter: Filter, fields: Vec<Field>) -> Answer<'_, (Vec<Facet>, Option<Partial>)> {
        self.store.facets(self.narrowed(filter), fields)
    }

    fn top(&self, mut request: TopRequest) -> Answer<'_, Top> {
        request.filter = self.narrowed(request.filter);
        self.store.top(request)
    }

    /// The ids of groups that are gone are those of groups that are seen, too: an id can be guessed from rule and sides.
    fn changes(&self, filter: Filter, after: u64, limit: usize) -> Answer<'_, Changes> {
        Box::pin(async move {
            let mut found = self.store.changes(self.narrowed(filter), after, limit).await?;
            self.remember(found.groups.iter());
            if self.limited().is_some() {
                let mut gone = Vec::new();
                for id in found.gone {
                    if self.is_seen(id).await? {
                        gone.push(id);
                    }
                }
                found.gone = gone;
            }
            Ok(found)
        })
    }

    /// A number without a meaning, as in [`EventStore::health`].
    fn last_change(&self) -> Answer<'_, u64> {
        self.store.last_change()
    }

    fn act(&self, request: ActionRequest) -> Answer<'_, ActionOutcome> {
        Box::pin(async move {
            let done = self.store.act(self.decidable(request).await?).await?;
            self.remember(done.rows.iter());
            Ok(done)
        })
    }

    /// Whoever has the token has it from who did it.
    fn undo(&self, token: UndoToken, by: Decision) -> Answer<'_, UndoOutcome> {
        Box::pin(async move {
            let mut done = self.store.undo(token, by).await?;
            done.rows.retain(|group| sees(&self.realm.read, &group.client, &group.server));
            self.remember(done.rows.iter());
            Ok(done)
        })
    }

    fn preview(&self, scopes: Vec<Scope>, days: u32, now: Timestamp) -> Answer<'_, Vec<Preview>> {
        Box::pin(async move {
            if self.limited().is_none() {
                return self.store.preview(scopes, days, now).await;
            }
            if !scopes.iter().all(|scope| self.previews(scope)) {
                return not_allowed("a preview is of two sides, one of them in a namespace that is seen");
            }
            let mut previews = Vec::new();
            for preview in self.store.preview(scopes, days, now).await? {
                previews.push(self.left(preview, days, now).await?);
            }
            Ok(previews)
        })
    }

    fn suppressions(&self) -> Answer<'_, Vec<Suppression>> {
        Box::pin(async move {
            let mut all = self.store.suppressions().await?;
            all.retain(|one| self.sees_suppression(one));
            Ok(all)
        })
    }

    fn suppress(&self, new: NewSuppression, by: Decision) -> Answer<'_, Suppression> {
        Box::pin(async move {
            self.must_tune(&new.scope)?;
            self.store.suppress(new, by).await
        })
    }

    fn change_suppression(&self, id: String, change: SuppressionChange, by: Decision) -> Answer<'_, Suppression> {
        Box::pin(async move {
            self.own(&id).await?;
            self.store.change_suppression(id, change, by).await
        })
    }

    fn remove_suppression(&self, id: String, reveal: bool, by: Decision) -> Answer<'_, ()> {
        Box::pin(async move {
            self.own(&id).await?;
            self.store.remove_suppression(id, reveal, by).await
        })
    }

    /// A selector can name anything.
    fn exceptions(&self) -> Answer<'_, Vec<Exception>> {
        if self.limited().is_some() {
            return Box::pin(async { Ok(Vec::new()) });
        }
        self.store.exceptions()
    }

    fn put_exception(&self, new: NewException, by: Decision) -> Answer<'_, Exception> {
        Box::pin(async move {
            self.must_tune_everywhere()?;
            self.store.put_exception(new, by).await
        })
    }

    fn remove_exception(&self, name: String, by: Decision) -> Answer<'_, ()> {
        Box::pin(async move {
            self.must_tune_everywhere()?;
            self.store.remove_exception(name, by).await
        })
    }

    fn views(&self, who: String) -> Answer<'_, Vec<View>> {
        self.store.views(who)
    }

    fn put_view(&self, new: NewView, by: Decision) -> Answer<'_, View> {
        self.store.put_view(new, by)
    }

    fn remove_view(&self, id: u64, by: Decision) -> Answer<'_, ()> {
        self.store.remove_view(id, by)
    }

    /// What was done with a group that is seen, or by oneself.
    fn audit(&self, mut what: AuditWhat, page: PageRequest) -> Answer<'_, AuditPage> {
        Box::pin(async move {
            if self.limited().is_some() {
                match (what.group, &what.who) {
                    (Some(id), _) => self.must_see(id).await?,
                    (None, None) => what.who = Some(self.user.clone()),
                    (None, Some(who)) if *who == self.user => {}
                    (None, Some(_)) => {
                        return not_allowed("who does not see all namespaces asks for a group, or for himself");
                    }
                }
            }
            self.store.audit(what, page).await
        })
    }

    fn retain(&self, _: RetentionPolicy, _: Timestamp) -> Answer<'_, RetentionReport> {
        Box::pin(async { not_allowed("retention is the manager's own") })
    }

    fn health(&self) -> Answer<'_, StoreHealth> {
        self.store.health()
    }
}
