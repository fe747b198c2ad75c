//! The inbox: groups, one group, its events, and how many there are of each state.

use super::event_form::EventPage;
use super::filter::{Unsaid, list_params, wrap};
use super::group_form::{Group, Technique, with_sparks};
use crate::app::now;
use crate::problem::{Answer, Params, Path, Problem};
use crate::sight::Sight;
use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::collections::BTreeMap;
use tapir_event::{SecurityEvent, rfc3339};
use tapir_packet::Timestamp;
use tapir_query::Query;
use tapir_store::{
    AuditEntry, Breakdown, BundleBy, EventRow, EventStore, Filter, GroupId, GroupSort, PageRequest, ShapeRow, Status,
    StoreError,
};
use utoipa::ToSchema;

list_params! {
    /// Parameters of the inbox.
    GroupsParams {
        /// `sig_pair` (the default): signature, client and server. `sig`, `workload`, `source`: rows for all groups of a
        /// rule, of a workload on either side, of a client; see `bundle`.
        by: Option<String>,
        /// `last_seen` (the default), `severity`, `count`, `first_seen`.
        sort: Option<String>,
        /// Of an earlier page.
        cursor: Option<String>,
        /// Rows, at most 500; 100 by default.
        limit: Option<usize>,
    }
}

list_params! {
    /// Parameters of a page of events.
    EventsParams {
        /// Of an earlier page.
        cursor: Option<String>,
        /// Rows, at most 500; 100 by default.
        limit: Option<usize>,
    }
}

impl EventsParams {
    pub(super) fn page(&self, status: Unsaid) -> Answer<(Filter, PageRequest)> {
        let (cursor, limit) = (self.cursor.as_deref(), self.limit);
        super::filter::Asked { cursor, limit, ..self.asked() }.page(status, false)
    }
}

list_params! {
    /// Parameters of counts.
    CountsParams {}
}

/// How many there are.
#[derive(Serialize, ToSchema)]
pub(super) struct Total {
    /// That many, or at least that many.
    count: u64,
    /// Exactly that many.
    exact: bool,
}

/// A page of the inbox.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupPage {
    /// Rows.
    items: Vec<Group>,
    /// Cursor of the next page; `null` at the end.
    next: Option<String>,
    /// The whole list.
    total: Option<Total>,
    /// When.
    as_of: String,
    /// Count of changes of the store before the list was made; a live stream with it as `after` goes on from this list.
    change: u64,
    /// Not everything was looked at: go on with `next`, or narrow the query.
    partial: bool,
}

/// Groups, as the inbox shows them. The `ETag` changes with the store, and each minute because the range moves along.
#[utoipa::path(get, path = "/groups", tag = "groups",
    params(GroupsParams, ("If-None-Match" = Option<String>, Header, description = "`ETag` of the page that one has")),
    responses((status = 200, body = GroupPage), (status = 304, description = "nothing has changed"),
        (status = 400, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list(
    sight: Sight,
    headers: HeaderMap,
    Params(params): Params<GroupsParams>,
) -> Answer<axum::response::Response> {
    let by = match params.by.as_deref() {
        None | Some("sig_pair") => None,
        Some("sig") => Some(BundleBy::Signature),
        Some("workload") => Some(BundleBy::Workload),
        Some("source") => Some(BundleBy::Source),
        Some("none") => {
            return Err(Problem::bad_request("by=none is the list of events: GET events with the same query"));
        }
        Some(_) => return Err(Problem::bad_request("`by` is sig_pair, sig, workload, source or none")),
    };
    let sort = match params.sort.as_deref() {
        None | Some("last_seen") => GroupSort::LastSeen,
        Some("severity") => GroupSort::Severity,
        Some("count") => GroupSort::Count,
        Some("first_seen") => GroupSort::FirstSeen,
        Some(_) => return Err(Problem::bad_request("`sort` is last_seen, severity, count or first_seen")),
    };
    let (cursor, limit) = (params.cursor.as_deref(), params.limit);
    let asked = super::filter::Asked { cursor, limit, ..params.asked() };
    let (filter, page) = asked.page(Unsaid::Open, true)?;
    let change = sight.last_change().await?;
    let etag = format!("W/\"{change}-{}\"", filter.now.secs().div_euclid(60));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let (items, next, total, as_of, partial) = if let Some(by) = by {
        let found = sight.bundles(filter.clone(), by, sort, page).await?;
        let items = found.items.into_iter().map(Group::of_bundle).collect();
        (items, found.next, found.total, found.as_of, found.partial)
    } else {
        let found = sight.groups(filter.clone(), sort, page).await?;
        let (from, to) = (filter.from.unwrap_or_default(), filter.to.unwrap_or(filter.now));
        let sparked = sight.spare(with_sparks(&sight, found.items.clone(), from, to)).await;
        // The list stands without them.
        let items = sparked.unwrap_or_else(|| found.items.into_iter().map(|row| Group::new(row, Vec::new())).collect());
        (items, found.next, found.total, found.as_of, found.partial)
    };
    let body = GroupPage {
        items,
        next: wrap(next, &filter),
        total: total.map(|total| Total { count: total.count, exact: total.exact }),
        as_of: rfc3339(as_of),
        change,
        partial: partial.is_some(),
    };
    Ok(([(header::ETAG, etag)], Json(body)).into_response())
}

/// Somebody did something.
#[derive(Serialize, ToSchema)]
pub(super) struct Entry {
    /// When, RFC 3339.
    at: String,
    /// Who; `tapir`: the store itself.
    by: String,
    /// `dismiss`, `comment`, `undo`, …
    what: String,
    /// The rest.
    detail: serde_json::Value,
}

impl Entry {
    pub(super) fn new(entry: AuditEntry) -> Self {
        Self { at: rfc3339(entry.at), by: entry.who, what: entry.action, detail: entry.detail }
    }
}

/// What somebody did with a group.
#[derive(Serialize, ToSchema)]
pub(super) struct HistoryEntry {
    /// When, RFC 3339.
    at: String,
    /// Who; `tapir`: the store itself.
    by: String,
    /// `dismiss`, `comment`, `undo`, …
    what: String,
    /// The rest in words; may be empty.
    detail: String,
}

impl HistoryEntry {
    fn new(entry: AuditEntry) -> Self {
        let word = |(name, value): (&String, &serde_json::Value)| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) if name == "text" => Some(text.clone()),
            serde_json::Value::String(text) => Some(format!("{name} {}", text.replace('_', " "))),
            other => Some(format!("{name} {other}")),
        };
        let words: Vec<_> = entry.detail.as_object().into_iter().flatten().filter_map(word).collect();
        Self { at: rfc3339(entry.at), by: entry.who, what: entry.action, detail: words.join("; ") }
    }
}

/// A remark.
#[derive(Serialize, ToSchema)]
pub(super) struct Comment {
    /// When.
    at: String,
    /// Whose.
    by: String,
    /// The remark.
    text: String,
}

/// Events of a pod.
#[derive(Serialize, ToSchema)]
pub(super) struct PodCount {
    /// `client` or `server`.
    side: &'static str,
    /// The pod, or an address outside of the cluster.
    pod: String,
    /// Events.
    count: u64,
}

/// Events on a port of the server.
#[derive(Serialize, ToSchema)]
pub(super) struct PortCount {
    /// Port.
    port: u16,
    /// Events.
    count: u64,
}

/// Events of a day of UTC.
#[derive(Serialize, ToSchema)]
pub(super) struct DayCount {
    /// Begin of the day, RFC 3339.
    pub day: String,
    /// Events.
    pub count: u64,
}

/// A payload shape.
#[derive(Serialize, ToSchema)]
pub(super) struct Shape {
    /// 16 hexadecimal digits.
    shape: String,
    /// Events.
    count: u64,
    /// First event; `null` if it is not among the group's newest 500 events.
    first_seen: Option<String>,
    /// Last event.
    last_seen: String,
    /// Somebody has opened an event of this shape.
    opened: bool,
    /// An event of this shape, if one is among the group's newest 500.
    sample_event: Option<String>,
}

/// A group with what its page shows.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupDetail {
    /// Row.
    #[serde(flatten)]
    group: Group,
    /// What people did, newest first, at most 100.
    history: Vec<HistoryEntry>,
    /// Remarks among them.
    comments_list: Vec<Comment>,
    /// By pod.
    pods: Vec<PodCount>,
    /// By port of the server.
    ports: Vec<PortCount>,
    /// The last 30 days.
    days: Vec<DayCount>,
    /// Shapes, newest first, at most 100.
    shapes_list: Vec<Shape>,
}

const NEWEST: usize = 500;
const DAYS: i64 = 30;
const DAY: i64 = 86_400_000_000_000;
const MAX_ADDRESSES: usize = 5;

/// One group.
#[utoipa::path(get, path = "/groups/{id}", tag = "groups", params(("id" = String, Path)),
    responses((status = 200, body = GroupDetail), (status = 404, body = Problem)))]
pub(super) async fn one(sight: Sight, Path(id): Path<String>) -> Answer<impl IntoResponse> {
    let id: GroupId = id.parse()?;
    let now = now();
    let store: &dyn EventStore = &sight;
    let detail = store.group(id).await?;
    let whole = Filter { suppressed: true, excepted: true, ..Filter::all(now) };
    let page = PageRequest { limit: NEWEST, ..PageRequest::default() };
    let (breakdown, newest, days) =
        tokio::join!(store.breakdown(id), store.group_events(id, whole, page), days(store, by_group(id)?, now));
    let (breakdown, newest) = (breakdown?, newest?.items);
    let day_ago = Timestamp(now.0.saturating_sub(DAY));
    let rows = with_sparks(store, vec![detail.group], day_ago, now).await?;
    let Some(mut group) = rows.into_iter().next() else { return Err(Problem::not_found("group", &id.to_string())) };
    if let Some(first) = newest.first() {
        fill_from_event(&mut group, &document(store, first).await?);
    }
    let [clients, servers] = addresses(&breakdown);
    for (party, addresses) in [(&mut group.client, clients), (&mut group.server, servers)] {
        if !addresses.is_empty() {
            party.address_count = u64::try_from(addresses.len()).unwrap_or(u64::MAX);
            party.addresses = addresses.into_iter().take(MAX_ADDRESSES).collect();
        }
    }
    let etag = format!("\"{}\"", group.version);
    let (pods, ports) = by_pod_and_port(&breakdown);
    let body = GroupDetail {
        comments_list: detail.history.iter().filter_map(comment).collect(),
        history: detail.history.into_iter().map(HistoryEntry::new).collect(),
        shapes_list: detail.shapes_seen.into_iter().map(|row| shape(row, &newest)).collect(),
        days: days?,
        pods,
        ports,
        group,
    };
    Ok(([(header::ETAG, etag)], Json(body)))
}

fn by_group(id: GroupId) -> Answer<Query> {
    super::filter::query(Some(&format!("group={id}")))
}

/// Events of the last 30 days of UTC, today included.
pub(super) async fn days(store: &dyn EventStore, query: Query, now: Timestamp) -> Result<Vec<DayCount>, StoreError> {
    let end = (now.0.div_euclid(DAY) + 1) * DAY;
    // Buckets are open at their begin and closed at their end; days are the other way round.
    let (from, to) = (Timestamp(end - DAYS * DAY - 1), Timestamp(end - 1));
    let filter = Filter { query, from: Some(from), to: Some(to), suppressed: true, ..Filter::all(now) };
    let found = store.histogram(filter, usize::try_from(DAYS).unwrap_or_default()).await?;
    let day = |bucket: &tapir_store::Bucket| DayCount {
        day: rfc3339(Timestamp((bucket.from.0 + 1).div_euclid(DAY) * DAY)),
        count: bucket.counts.iter().sum(),
    };
    Ok(found.buckets.iter().map(day).collect())
}

/// An event as the engine wrote it.
pub(super) async fn document(store: &dyn EventStore, row: &EventRow) -> Answer<SecurityEvent> {
    super::events::parsed(&store.event(row.id.clone()).await?.document)
}

fn fill_from_event(group: &mut Group, event: &SecurityEvent) {
    group.action = Some(event.rule.action.clone());
    group.service = event.service.as_deref().map(str::to_owned);
    group.blind_spots = event.blind_spots();
    let named = event.rule.techniques();
    if !named.is_empty() {
        group.mitre = named.into_iter().map(|attack| Technique::new(attack.id.to_owned(), attack.name)).collect();
    }
}

fn comment(entry: &AuditEntry) -> Option<Comment> {
    let text = entry.detail.get("text").filter(|_| entry.action == "comment")?.as_str()?;
    Some(Comment { at: rfc3339(entry.at), by: entry.who.clone(), text: text.to_owned() })
}

fn addresses(breakdown: &Breakdown) -> [Vec<String>; 2] {
    let mut found = [Vec::new(), Vec::new()];
    for row in &breakdown.rows {
        for (list, address) in found.iter_mut().zip([row.client_ip, row.server_ip]) {
            if let Some(address) = address.map(|address| address.to_string())
                && !list.contains(&address)
            {
                list.push(address);
            }
        }
    }
    found
}

fn by_pod_and_port(breakdown: &Breakdown) -> (Vec<PodCount>, Vec<PortCount>) {
    let mut pods: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
    let mut ports: BTreeMap<u16, u64> = BTreeMap::new();
    for row in &breakdown.rows {
        let sides = [("client", &row.client_pod, row.client_ip), ("server", &row.server_pod, row.server_ip)];
        for (side, pod, address) in sides {
            if let Some(name) = pod.clone().or_else(|| address.map(|address| address.to_string())) {
                *pods.entry((side, name)).or_default() += row.count;
            }
        }
        if let Some(port) = row.server_port {
            *ports.entry(port).or_default() += row.count;
        }
    }
    let mut pods: Vec<_> = pods.into_iter().map(|((side, pod), count)| PodCount { side, pod, count }).collect();
    let mut ports: Vec<_> = ports.into_iter().map(|(port, count)| PortCount { port, count }).collect();
    pods.sort_by_key(|row| std::cmp::Reverse(row.count));
    ports.sort_by_key(|row| std::cmp::Reverse(row.count));
    (pods, ports)
}

fn shape(row: ShapeRow, newest: &[EventRow]) -> Shape {
    let same: Vec<&EventRow> =
        newest.iter().filter(|event| event.shape.as_deref() == Some(row.shape.as_str())).collect();
    let all_known = u64::try_from(same.len()).is_ok_and(|known| known >= row.count);
    Shape {
        first_seen: same.last().filter(|_| all_known).map(|event| rfc3339(event.time)),
        sample_event: same.first().map(|event| event.id.to_string()),
        count: row.count,
        last_seen: rfc3339(row.last_seen),
        opened: row.opened_at.is_some(),
        shape: row.shape,
    }
}

/// Events of a group, newest first. Without a range all of them.
#[utoipa::path(get, path = "/groups/{id}/events", tag = "groups", params(("id" = String, Path), EventsParams),
    responses((status = 200, body = EventPage), (status = 404, body = Problem)))]
pub(super) async fn group_events(
    sight: Sight,
    Path(id): Path<String>,
    Params(params): Params<EventsParams>,
) -> Answer<Json<EventPage>> {
    let id: GroupId = id.parse()?;
    let (mut filter, page) = params.page(Unsaid::All)?;
    if params.from.is_none() && params.cursor.is_none() {
        filter.from = None;
    }
    let found = sight.group_events(id, filter.clone(), page).await?;
    Ok(Json(EventPage::new(found, &filter)))
}

/// Groups of each state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Counts {
    /// Nobody has looked at them.
    open: u64,
    /// Handed on.
    escalated: u64,
    /// Seen.
    acknowledged: u64,
    /// Done with.
    dismissed: u64,
    /// All of them are; else those of `at_least` are not.
    exact: bool,
    /// States that have at least as many: the store gave up counting at 10,000, or when it took too long.
    #[schema(value_type = Vec<String>)]
    at_least: Vec<Status>,
}

pub(super) async fn count(store: &dyn EventStore, filter: &Filter) -> Result<Counts, StoreError> {
    let one = |status| async move {
        let filter = Filter { status: vec![status], ..filter.clone() };
        let page = PageRequest { limit: 1, cursor: None, total: true };
        let found = store.groups(filter, GroupSort::LastSeen, page).await?;
        Ok::<_, StoreError>(found.total.map_or((0, false), |total| (total.count, total.exact)))
    };
    let found =
        tokio::try_join!(one(Status::Open), one(Status::Escalated), one(Status::Acknowledged), one(Status::Dismissed))?;
    let ((open, a), (escalated, b), (acknowledged, c), (dismissed, d)) = found;
    let known = [(Status::Open, a), (Status::Escalated, b), (Status::Acknowledged, c), (Status::Dismissed, d)];
    let at_least: Vec<Status> = known.into_iter().filter(|(_, exact)| !exact).map(|(status, _)| status).collect();
    Ok(Counts { open, escalated, acknowledged, dismissed, exact: at_least.is_empty(), at_least })
}

/// How many groups there are of each state.
#[utoipa::path(get, path = "/counts", tag = "groups", params(CountsParams),
    responses((status = 200, body = Counts), (status = 400, body = Problem)))]
pub(super) async fn counts(sight: Sight, Params(params): Params<CountsParams>) -> Answer<Json<Counts>> {
    let filter = params.asked().filter(Unsaid::All)?;
    Ok(Json(count(&sight, &filter).await?))
}
