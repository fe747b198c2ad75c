//! Blind spots: what could not be inspected, from two sides. *Alerts* say of themselves what of their conversations was not
//! visible; the store counts them by workload. *Heartbeats* say what agents could not inspect, alert or not; it is kept here by the
//! hour, because they count since their start only.
//!
//! *Limits*: hours of a week, in memory: they begin anew with the manager, and the answer says when that was. [`MOST`] numbers in
//! all; when they are full the oldest hour goes. Of a node that was not known before, what it had counted until then is not
//! known to be of any hour, and is left out.

use super::filter::moment;
use super::fleet::{Heartbeat, everywhere};
use super::stats::ValueCount;
use crate::app::{State, now};
use crate::problem::{Answer, Params, Problem};
use crate::sight::Sight;
use axum::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tapir_event::rfc3339;
use tapir_packet::Timestamp;
use tapir_query::{Field, Query};
use tapir_store::{EventStore, Filter, TopRequest};
use utoipa::{IntoParams, ToSchema};

/// Numbers that are kept.
const MOST: usize = 200_000;
const HOUR: i64 = 3_600_000_000_000;
/// Hours that are kept.
const HOURS: i64 = 7 * 24;
/// Rows of an answer.
const ROWS: usize = 500;
/// Workloads of an answer.
const WORKLOADS: usize = 100;

/// Something that an agent could not inspect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Unseen {
    /// The interface; empty: of the whole node.
    interface: String,
    /// `encrypted`, `gap`, a counter's name, …
    reason: String,
    /// Service, if it was recognised.
    service: Option<String>,
    /// Port of the server; absent: no port, or many.
    port: Option<u16>,
    /// What is counted: `flows`, `packets`, `bytes`, `events`.
    unit: String,
    /// How many, since the agent's start.
    count: u64,
}

/// What a number is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    node: String,
    interface: String,
    /// Empty: conversations in all.
    reason: String,
    service: Option<String>,
    port: Option<u16>,
    unit: String,
}

type Numbers = BTreeMap<Key, u64>;

struct Kept {
    /// By the hour since 1970.
    hours: BTreeMap<i64, Numbers>,
    /// How many there are.
    numbers: usize,
    /// Nothing is missing from here on.
    since: Timestamp,
    /// Numbers of the present hour for which there was no room.
    left_out: u64,
}

/// What agents could not inspect, hour by hour.
pub(crate) struct History {
    kept: Mutex<Kept>,
    most: usize,
}

/// What a heartbeat counts.
fn numbers(beat: &Heartbeat) -> Numbers {
    let mut numbers = Numbers::new();
    let key = |interface: &str, reason: &str, unit: &str| Key {
        node: beat.node.clone(),
        interface: interface.to_owned(),
        reason: reason.to_owned(),
        service: None,
        port: None,
        unit: unit.to_owned(),
    };
    for (interface, count) in &beat.flows {
        numbers.insert(key(interface, "", "flows"), *count);
    }
    for (reason, count) in &beat.drops {
        numbers.insert(key("", reason, "packets"), *count);
    }
    for one in beat.unseen.iter().filter(|one| !one.reason.is_empty()) {
        let key = Key { service: one.service.clone(), port: one.port, ..key(&one.interface, &one.reason, &one.unit) };
        let known = numbers.entry(key).or_default();
        *known = known.saturating_add(one.count);
    }
    numbers
}

impl History {
    pub(crate) fn new() -> Self {
        let kept = Kept { hours: BTreeMap::new(), numbers: 0, since: now(), left_out: 0 };
        Self { kept: Mutex::new(kept), most: MOST }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come between two heartbeats of a node.
    pub(super) fn take(&self, before: &Heartbeat, beat: &Heartbeat, at: Timestamp) {
        let (before, new) = (numbers(before), numbers(beat));
        let hour = at.0.div_euclid(HOUR);
        let mut kept = self.lock();
        for (key, count) in new {
            let was = before.get(&key).copied().unwrap_or(0);
            // An agent that has started anew counts from zero.
            let more = if count < was { count } else { count - was };
            if more > 0 {
                kept.add(hour, key, more, self.most);
            }
        }
        kept.forget(hour - HOURS);
    }

    /// Sums over the hours that a range touches.
    fn sums(&self, from: Timestamp, to: Timestamp) -> (Numbers, Timestamp, bool) {
        let kept = self.lock();
        let (first, last) = (from.0.div_euclid(HOUR), to.0.div_euclid(HOUR));
        let mut sums = Numbers::new();
        for (key, count) in kept.hours.range(first..=last.max(first)).flat_map(|(_, numbers)| numbers) {
            let sum = sums.entry(key.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        (sums, kept.since, kept.left_out > 0)
    }
}

impl Kept {
    fn add(&mut self, hour: i64, key: Key, more: u64, most: usize) {
        let known = self.hours.get_mut(&hour).and_then(|numbers| numbers.get_mut(&key));
        if let Some(known) = known {
            *known = known.saturating_add(more);
            return;
        }
        while self.numbers >= most {
            // Never the hour that is being counted.
            let oldest = self.hours.keys().next().copied().filter(|oldest| *oldest < hour);
            let Some(oldest) = oldest else {
                self.left_out = self.left_out.saturating_add(1);
                return;
            };
            self.forget(oldest + 1);
            self.since = self.since.max(Timestamp((oldest + 1).saturating_mul(HOUR)));
        }
        self.hours.entry(hour).or_default().insert(key, more);
        self.numbers += 1;
    }

    /// Forgets the hours before this one.
    fn forget(&mut self, first: i64) {
        let later = self.hours.split_off(&first);
        let gone = std::mem::replace(&mut self.hours, later);
        self.numbers -= gone.values().map(BTreeMap::len).sum::<usize>();
    }
}

/// Of which time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UnseenParams {
    /// Begin: `now-24h` (the default) or RFC 3339; at most seven days before now.
    from: Option<String>,
    /// End: `now` (the default) or RFC 3339.
    to: Option<String>,
}

/// Alerts of a workload.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct WorkloadRow {
    /// `namespace/name`.
    workload: String,
    /// Alerts on conversations that were visible in part only.
    partial: u64,
    /// All its alerts.
    alerts: u64,
    /// Why, with the alerts of each reason: `encrypted`, `gap`, `truncated`, `midstream`. An alert can have several.
    reasons: BTreeMap<&'static str, u64>,
}

/// What alerts say.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertsSide {
    /// Alerts in all.
    alerts: u64,
    /// Those whose conversation was visible in part only.
    partial: u64,
    /// Why, with the alerts of each reason.
    reasons: Vec<ValueCount>,
    /// By workload, most first, at most 100. What has no name is in the sums only.
    workloads: Vec<WorkloadRow>,
}

/// Something that agents could not inspect.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrafficRow {
    /// Node.
    node: String,
    /// Interface; empty: of the whole node.
    interface: String,
    /// `encrypted`, `gap`, a counter's name, …
    reason: String,
    /// Service, if it was recognised.
    service: Option<String>,
    /// Port of the server; `null`: no port, or many.
    port: Option<u16>,
    /// What is counted: `flows`, `packets`, `bytes`, `events`.
    unit: String,
    /// How many.
    count: u64,
}

/// Conversations of an interface.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InterfaceRow {
    /// Node.
    node: String,
    /// Interface.
    interface: String,
    /// Conversations in all.
    flows: u64,
    /// Those that are encrypted.
    encrypted: u64,
}

/// What agents say.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrafficSide {
    /// From when on it is known. Whole hours are counted.
    since: String,
    /// Most conversations first, at most 500.
    interfaces: Vec<InterfaceRow>,
    /// Conversations before packets before bytes, most first, at most 500.
    rows: Vec<TrafficRow>,
    /// There is more than was kept or is shown.
    more: bool,
}

/// What could not be inspected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlindSpots {
    /// Begin of the range.
    from: String,
    /// Its end.
    to: String,
    /// What alerts say.
    alerts: AlertsSide,
    /// What agents say; `null` for who does not see everything.
    traffic: Option<TrafficSide>,
}

const REASONS: [&str; 4] = ["encrypted", "gap", "truncated", "midstream"];

/// What could not be inspected, or not wholly, by workload, interface and reason.
#[utoipa::path(get, path = "/blind-spots", tag = "numbers", params(UnseenParams),
    responses((status = 200, body = BlindSpots), (status = 400, body = Problem)))]
pub(super) async fn blind_spots(
    state: State,
    sight: Sight,
    Params(params): Params<UnseenParams>,
) -> Answer<Json<BlindSpots>> {
    let now = now();
    let from = moment(params.from.as_deref().unwrap_or("now-24h"), now, "from")?;
    let to = moment(params.to.as_deref().unwrap_or("now"), now, "to")?;
    if from >= to {
        return Err(Problem::bad_request("`from` must lie before `to`"));
    }
    if from.0 < now.0.saturating_sub(HOURS * HOUR) {
        return Err(Problem::bad_request("`from` is at most seven days before now"));
    }
    // Nodes' clocks may be ahead of ours.
    let open = params.to.is_none_or(|to| to == "now");
    let filter = Filter { from: Some(from), to: (!open).then_some(to), ..Filter::all(now) };
    let alerts = alerts(&sight, &filter).await?;
    let traffic = everywhere(&sight).is_ok().then(|| traffic(&state.unseen, from, to));
    Ok(Json(BlindSpots { from: rfc3339(from), to: rfc3339(to), alerts, traffic }))
}

async fn alerts(sight: &Sight, filter: &Filter) -> Answer<AlertsSide> {
    let (facets, _) = sight.facets(filter.clone(), vec![Field::Visibility]).await?;
    let values: BTreeMap<String, u64> =
        facets.into_iter().flat_map(|facet| facet.values).map(|found| (found.value, found.count)).collect();
    let count = |name: &str| values.get(name).copied().unwrap_or(0);
    let mut reasons: Vec<_> = REASONS
        .iter()
        .map(|reason| ValueCount { value: (*reason).to_owned(), count: count(reason) })
        .filter(|found| found.count > 0)
        .collect();
    reasons.sort_by_key(|found| std::cmp::Reverse(found.count));
    let by_workload = async |value: Option<&str>| {
        let query = value
            .map_or_else(|| Ok(Query::all()), |value| super::filter::query(Some(&format!("visibility:{value}"))))?;
        let filter = Filter { query, ..filter.clone() };
        let request = TopRequest { filter, field: Field::Workload, prefix: String::new(), limit: 1_000 };
        Ok::<_, Problem>(sight.top(request).await?.values)
    };
    let mut workloads: BTreeMap<String, WorkloadRow> = BTreeMap::new();
    if count("partial") > 0 {
        for found in by_workload(Some("partial")).await? {
            let row = WorkloadRow { workload: found.value.clone(), partial: found.count, ..WorkloadRow::default() };
            workloads.insert(found.value, row);
        }
        for found in by_workload(None).await? {
            if let Some(row) = workloads.get_mut(&found.value) {
                row.alerts = found.count;
            }
        }
        for reason in REASONS.into_iter().filter(|reason| count(reason) > 0) {
            for found in by_workload(Some(reason)).await? {
                if let Some(row) = workloads.get_mut(&found.value) {
                    row.reasons.insert(reason, found.count);
                }
            }
        }
    }
    let mut workloads: Vec<_> = workloads.into_values().collect();
    for row in &mut workloads {
        // Beyond the first thousand it is not known.
        row.alerts = row.alerts.max(row.partial);
    }
    workloads.sort_by(|a, b| b.partial.cmp(&a.partial).then_with(|| a.workload.cmp(&b.workload)));
    workloads.truncate(WORKLOADS);
    Ok(AlertsSide { alerts: count("full") + count("partial"), partial: count("partial"), reasons, workloads })
}

/// Order of units: what cannot be compared does not stand between what can.
fn rank(unit: &str) -> usize {
    ["flows", "packets", "bytes"].iter().position(|known| *known == unit).unwrap_or(usize::MAX)
}

fn traffic(history: &History, from: Timestamp, to: Timestamp) -> TrafficSide {
    let (sums, since, left_out) = history.sums(from, to);
    let mut interfaces: BTreeMap<(String, String), InterfaceRow> = BTreeMap::new();
    let mut rows = Vec::new();
    for (key, count) in sums {
        let place = (key.node.clone(), key.interface.clone());
        let row = |(node, interface): &(String, String)| InterfaceRow {
            node: node.clone(),
            interface: interface.clone(),
            flows: 0,
            encrypted: 0,
        };
        if key.reason.is_empty() || key.reason == "encrypted" {
            let row = interfaces.entry(place).or_insert_with_key(row);
            let sum = if key.reason.is_empty() { &mut row.flows } else { &mut row.encrypted };
            *sum = sum.saturating_add(count);
        }
        if !key.reason.is_empty() {
            let Key { node, interface, reason, service, port, unit } = key;
            rows.push(TrafficRow { node, interface, reason, service, port, unit, count });
        }
    }
    let mut interfaces: Vec<_> = interfaces.into_values().collect();
    interfaces.sort_by_key(|one| std::cmp::Reverse(one.flows));
    rows.sort_by_key(|row| (rank(&row.unit), std::cmp::Reverse(row.count)));
    let more = left_out || interfaces.len() > ROWS || rows.len() > ROWS;
    interfaces.truncate(ROWS);
    rows.truncate(ROWS);
    TrafficSide { since: rfc3339(since), interfaces, rows, more }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(node: &str, encrypted: u64, drops: u64) -> Heartbeat {
        let body = serde_json::json!({
            "node": node, "flows": { "cali1": 2 * encrypted }, "drops": { "kernel_drops": drops },
            "unseen": [{ "interface": "cali1", "reason": "encrypted", "service": "ssl", "port": 443, "unit": "flows",
                "count": encrypted }],
        });
        serde_json::from_value(body).unwrap()
    }

    fn all(history: &History) -> Vec<(String, u64)> {
        let (sums, ..) = history.sums(Timestamp(0), Timestamp(i64::MAX));
        sums.into_iter().map(|(key, count)| (key.reason, count)).collect()
    }

    #[test]
    fn what_came_between_two_heartbeats_counts_in_its_hour_and_a_new_start_counts_from_zero() {
        let history = History::new();
        let at = |hour: i64| Timestamp(hour * HOUR + 1);
        history.take(&beat("a", 10, 0), &beat("a", 13, 0), at(100));
        let expected = |flows, encrypted| vec![(String::new(), flows), ("encrypted".to_owned(), encrypted)];
        assert_eq!(all(&history), expected(6, 3));
        history.take(&beat("a", 13, 0), &beat("a", 13, 0), at(101));
        history.take(&beat("a", 13, 0), &beat("a", 4, 0), at(101));
        assert_eq!(all(&history), expected(14, 7));
        let (sums, ..) = history.sums(at(101), at(102));
        assert_eq!(sums.into_values().collect::<Vec<_>>(), [8, 4]);
        history.take(&beat("a", 4, 0), &beat("a", 4, 9), at(101 + HOURS));
        assert_eq!(all(&history).len(), 3, "the first hour went, the second is the last that stays");
    }

    #[test]
    fn when_it_is_full_the_oldest_hour_goes_and_the_answer_says_from_when_it_is_whole() {
        let history = History { most: 4, ..History::new() };
        let start = now().0.div_euclid(HOUR);
        let at = |hour: i64| Timestamp((start + hour) * HOUR + 1);
        let take = |node: &str, hour| history.take(&beat(node, 0, 0), &beat(node, 1, 0), at(hour));
        take("a", 0);
        take("b", 1);
        assert_eq!(history.sums(at(0), at(9)).0.len(), 4);
        take("c", 2);
        let (sums, since, left_out) = history.sums(at(0), at(9));
        assert_eq!((sums.len(), since, left_out), (4, Timestamp((start + 1) * HOUR), false));
        for node in ["d", "e", "f"] {
            take(node, 2);
        }
        let (sums, _, left_out) = history.sums(at(0), at(9));
        assert!(sums.len() == 4 && left_out, "{}", sums.len());
    }
}
