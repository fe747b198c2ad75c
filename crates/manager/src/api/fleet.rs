//! Agents as their heartbeats show them: nodes, inspections, sinks. In memory: a restart knows them again within a
//! heartbeat.
//!
//! *Limits*: [`crate::Limits::nodes`], 1 MiB a heartbeat, and the most of each list below; what is beyond is cut and
//! the heartbeat's answer says so. A node is alive for two minutes after a heartbeat and forgotten after a day.

use super::orders::MAX_WAIT;
use super::stats::field;
use super::unseen::Unseen;
use crate::app::{State, now};
use crate::auth::Caller;
use crate::problem::{Answer, Body, Params, Problem};
use crate::sight::Sight;
use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tapir_event::quiet::Standing;
use tapir_event::rfc3339;
use tapir_packet::Timestamp;
use tapir_store::{EventStore, Filter, TopRequest};
use utoipa::{IntoParams, ToSchema};

/// Longest heartbeat, bytes.
pub(super) const MAX_HEARTBEAT: usize = 1 << 20;
const MAX_INTERFACES: usize = 1_000;
const MAX_INSPECTIONS: usize = 1_000;
const MAX_SUPPRESSIONS: usize = 10_000;
const MAX_SINKS: usize = 32;
const MAX_REASONS: usize = 100;
const MAX_UNSEEN: usize = 3_000;
const MAX_COSTS: usize = 1_000;
/// A node that was not heard of for so many seconds is silent. Agents without news come every ten seconds.
const SILENT: i64 = 120;
const FORGET: i64 = 86_400_000_000_000;

/// A sink as an agent sees it. Counts are since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Sink {
    /// Name.
    name: String,
    /// `opensearch`, `syslog`, …
    kind: String,
    /// `ok`, or what is wrong.
    state: String,
    /// Events delivered.
    delivered: u64,
    /// Events that the receiver had already.
    duplicates: u64,
    /// Events that the receiver refused for good.
    rejected: u64,
    /// Tries that were repeated.
    retried: u64,
    /// Events that were lost.
    lost: u64,
    /// Events that wait.
    lag_records: u64,
    /// Age of the oldest of them.
    lag_seconds: f64,
    /// The last error.
    last_error: Option<String>,
    /// When, RFC 3339.
    last_error_at: Option<String>,
}

/// Something about an inspection, as Kubernetes writes conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Condition {
    /// `Attached`, `RulesLoaded`, …
    #[serde(rename = "type")]
    kind: String,
    /// `True`, `False`, `Unknown`.
    status: String,
    /// One word.
    reason: String,
    /// In words.
    message: String,
}

/// An inspection as an agent sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct LocalInspection {
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// Its selector.
    selector: String,
    /// Pods on this node that it selects.
    endpoints: u64,
    /// Packets inspected for it.
    packets: u64,
    /// Packets lost for it.
    drops: u64,
    /// How it is.
    conditions: Vec<Condition>,
}

/// What an agent says of itself. Unknown members are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Heartbeat {
    /// Name of the node.
    pub node: String,
    /// Version of the agent.
    version: String,
    /// Identity of its rule set.
    rule_set: String,
    /// Rules in it.
    rules: u64,
    /// Packets since its start.
    packets: u64,
    /// Bytes since its start.
    bytes: u64,
    /// Packets lost, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Bytes of memory.
    memory: u64,
    /// Pods that it inspects.
    endpoints: u64,
    /// Interfaces that it listens on.
    interfaces: Vec<String>,
    /// Name of the list of suppressions that it applies, as the answer to a heartbeat has it.
    suppressions: String,
    /// Suppressions that it applies.
    suppressions_active: Vec<String>,
    /// Events that it has dropped for suppressions that limit or stop, since its start.
    quieted: BTreeMap<String, u64>,
    /// Its sinks.
    sinks: Vec<Sink>,
    /// Its inspections.
    inspections: Vec<LocalInspection>,
    /// Conversations of each interface since its start.
    pub flows: BTreeMap<String, u64>,
    /// What it could not inspect.
    pub unseen: Vec<Unseen>,
    /// What rules cost it, if it times them.
    rule_costs: Option<RuleCosts>,
}

/// What rules cost a node, of the units that were samples, since it has its rule set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct RuleCosts {
    /// Of so many units one was a sample.
    every: u32,
    /// Units that were.
    units: u64,
    /// Evaluations of all rules.
    evaluations: u64,
    /// Their time, nanoseconds.
    nanos: u64,
    /// The dearest rules.
    rules: Vec<RuleCost>,
}

/// A rule in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct RuleCost {
    /// Generator.
    gid: u32,
    /// Signature.
    sid: u32,
    /// Evaluations.
    pub evaluations: u64,
    /// Those that matched.
    pub matches: u64,
    /// Time of all, nanoseconds.
    pub nanos: u64,
}

/// What rules cost the nodes that are alive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FleetCosts {
    /// Time of all rules, nanoseconds.
    pub nanos: u64,
    /// By generator and signature, with the nodes that name the rule.
    pub rules: BTreeMap<(u32, u32), (RuleCost, usize)>,
}

struct Node {
    at: Timestamp,
    beat: Heartbeat,
}

/// The agents.
pub(crate) struct Fleet {
    nodes: Mutex<BTreeMap<String, Node>>,
    most: usize,
}

impl Fleet {
    pub(crate) fn new(most: usize) -> Self {
        Self { nodes: Mutex::default(), most }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nodes alive, and nodes known.
    pub(super) fn alive(&self) -> (usize, usize) {
        self.count(|_| true)
    }

    /// Nodes alive that apply a suppression, nodes known, and the events that they have dropped for it.
    pub(crate) fn applying(&self, suppression: &str) -> (usize, usize, u64) {
        let (active, of) = self.count(|beat| beat.suppressions_active.iter().any(|id| id == suppression));
        let dropped = |node: &Node| node.beat.quieted.get(suppression).copied().unwrap_or(0);
        (active, of, self.lock().values().map(dropped).fold(0, u64::saturating_add))
    }

    /// What rules cost, by the last heartbeats of the nodes that are alive. What a rule takes is of the samples, whose share of the
    /// traffic may differ from node to node: it is weighted by that.
    pub(super) fn rule_costs(&self) -> FleetCosts {
        let (nodes, now) = (self.lock(), now());
        let mut sum = FleetCosts::default();
        for costs in nodes.values().filter(|node| is_alive(node, now)).filter_map(|node| node.beat.rule_costs.as_ref())
        {
            let weight = u64::from(costs.every.max(1));
            let more = |sum: &mut u64, part: u64| *sum = sum.saturating_add(part.saturating_mul(weight));
            more(&mut sum.nanos, costs.nanos);
            for rule in &costs.rules {
                let (known, on) = sum.rules.entry((rule.gid, rule.sid)).or_default();
                more(&mut known.evaluations, rule.evaluations);
                more(&mut known.matches, rule.matches);
                more(&mut known.nanos, rule.nanos);
                *on += 1;
            }
        }
        sum
    }

    /// Rule sets of the nodes that are alive, with how many have each.
    pub(super) fn rule_sets(&self) -> BTreeMap<String, usize> {
        let (nodes, now) = (self.lock(), now());
        let mut sets = BTreeMap::new();
        for node in nodes.values().filter(|node| is_alive(node, now)) {
            *sets.entry(node.beat.rule_set.clone()).or_default() += 1;
        }
        sets
    }

    /// Whether a node has named this rule set: any, or this one.
    pub(super) fn has_rule_set(&self, set: &str, node: Option<&str>) -> bool {
        self.lock().iter().any(|(name, known)| known.beat.rule_set == set && node.is_none_or(|node| node == name))
    }

    fn count(&self, counts: impl Fn(&Heartbeat) -> bool) -> (usize, usize) {
        let (nodes, now) = (self.lock(), now());
        (nodes.values().filter(|node| is_alive(node, now) && counts(&node.beat)).count(), nodes.len())
    }

    /// Takes a heartbeat, and gives back the one before.
    fn beat(&self, beat: Heartbeat, now: Timestamp) -> Answer<Option<Heartbeat>> {
        let mut nodes = self.lock();
        if !nodes.contains_key(&beat.node) && nodes.len() >= self.most {
            nodes.retain(|_, node| now.nanos_since(node.at) < FORGET);
            if nodes.len() >= self.most {
                return Err(Problem::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "nodes",
                    "Too many nodes",
                    format!("{} nodes are known, which is the limit; old ones are forgotten after a day", self.most),
                ));
            }
        }
        Ok(nodes.insert(beat.node.clone(), Node { at: now, beat }).map(|node| node.beat))
    }
}

fn is_alive(node: &Node, now: Timestamp) -> bool {
    now.nanos_since(node.at) < SILENT * 1_000_000_000
}

/// What became of a heartbeat.
#[derive(Serialize, ToSchema)]
pub(super) struct Beaten {
    /// Members of lists that were left out because the lists were too long.
    cut: usize,
    /// Suppressions to apply from now on, if they are not those that the heartbeat names.
    suppressions: Option<Told>,
    /// The rules of the set that the heartbeat names are not known: `PUT rule-sets/RULE_SET` takes them.
    rules_wanted: bool,
    /// Too many nodes wait already: come again after so many seconds.
    pause: Option<u64>,
}

/// Suppressions for a node.
#[derive(Serialize, ToSchema)]
pub(super) struct Told {
    /// Name of the list, to be given in the next heartbeat.
    digest: String,
    /// Oldest first: `id`, `scope`, `mode`, `expires` in nanoseconds since 1970.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Standing>,
}

/// How long it may take.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Waits {
    /// Seconds to wait for other suppressions than those that the heartbeat names, 0 to 30.
    wait: u64,
}

/// A node that could not be kept waiting comes again after this time.
const PAUSE: u64 = 10;

/// Takes an agent's heartbeat, and tells it which suppressions to apply.
#[utoipa::path(post, path = "/heartbeat", tag = "agents", params(Waits), request_body = Heartbeat,
    responses((status = 200, body = Beaten), (status = 400, body = Problem)))]
pub(super) async fn heartbeat(
    state: State,
    caller: Caller,
    Params(params): Params<Waits>,
    Body(mut beat): Body<Heartbeat>,
) -> Answer<Json<Beaten>> {
    if !(1..=253).contains(&beat.node.len()) || beat.node.chars().any(char::is_control) {
        return Err(Problem::bad_request("`node` is a name of 1 to 253 bytes without control characters"));
    }
    let wait = Duration::from_secs(params.wait);
    if wait > MAX_WAIT {
        return Err(Problem::bad_request(format!("`wait` is at most {} seconds", MAX_WAIT.as_secs())));
    }
    caller.speaks_for(&beat.node)?;
    let before = size(&beat);
    beat.interfaces.truncate(MAX_INTERFACES);
    beat.suppressions_active.truncate(MAX_SUPPRESSIONS);
    beat.sinks.truncate(MAX_SINKS);
    beat.inspections.truncate(MAX_INSPECTIONS);
    beat.unseen.truncate(MAX_UNSEEN);
    if let Some(costs) = &mut beat.rule_costs {
        costs.rules.truncate(MAX_COSTS);
    }
    while beat.flows.len() > MAX_INTERFACES {
        beat.flows.pop_last();
    }
    while beat.drops.len() > MAX_REASONS {
        beat.drops.pop_last();
    }
    while beat.quieted.len() > MAX_SUPPRESSIONS {
        beat.quieted.pop_last();
    }
    let cut = before - size(&beat);
    let (known, now) = (beat.suppressions.clone(), now());
    if let Some(before) = state.fleet.beat(beat.clone(), now)? {
        state.unseen.take(&before, &beat, now);
    }
    let rules_wanted = state.rule_sets.wants(&beat.rule_set, now);
    let wait = if rules_wanted { Duration::ZERO } else { wait };
    let (list, refused) = state.orders.other_than(&state, &known, wait).await?;
    let suppressions = list.map(|list| Told { digest: list.digest.clone(), items: list.items.clone() });
    Ok(Json(Beaten { cut, suppressions, rules_wanted, pause: refused.then_some(PAUSE) }))
}

fn size(beat: &Heartbeat) -> usize {
    let lists = beat.interfaces.len() + beat.suppressions_active.len() + beat.sinks.len();
    let maps = beat.drops.len() + beat.quieted.len() + beat.flows.len();
    let costs = beat.rule_costs.as_ref().map_or(0, |costs| costs.rules.len());
    lists + maps + beat.inspections.len() + beat.unseen.len() + costs
}

/// A node.
#[derive(Serialize, ToSchema)]
pub(super) struct NodeRow {
    /// Name.
    name: String,
    /// Version of the agent.
    version: String,
    /// Identity of its rule set.
    rule_set: String,
    /// Rules in it.
    rules: u64,
    /// RFC 3339.
    last_heartbeat: String,
    /// It was heard of in the last `silent_after` seconds.
    alive: bool,
    /// Packets since the agent's start.
    packets: u64,
    /// Bytes since the agent's start.
    bytes: u64,
    /// Packets lost, by reason.
    drops: BTreeMap<String, u64>,
    /// Bytes of memory.
    memory: u64,
    /// Pods that it inspects.
    endpoints: u64,
    /// Interfaces that it listens on.
    interfaces: Vec<String>,
}

/// All nodes.
#[derive(Serialize, ToSchema)]
pub(super) struct Nodes {
    /// By name.
    items: Vec<NodeRow>,
    /// Seconds after which a node that is not heard of is silent.
    silent_after: i64,
}

/// Nodes by their last heartbeats.
#[utoipa::path(get, path = "/nodes", tag = "agents", responses((status = 200, body = Nodes), (status = 403, body = Problem)))]
pub(super) async fn nodes(state: State, sight: Sight) -> Answer<Json<Nodes>> {
    everywhere(&sight)?;
    let now = now();
    let row = |(name, node): (&String, &Node)| NodeRow {
        name: name.clone(),
        version: node.beat.version.clone(),
        rule_set: node.beat.rule_set.clone(),
        rules: node.beat.rules,
        last_heartbeat: rfc3339(node.at),
        alive: is_alive(node, now),
        packets: node.beat.packets,
        bytes: node.beat.bytes,
        drops: node.beat.drops.clone(),
        memory: node.beat.memory,
        endpoints: node.beat.endpoints,
        interfaces: node.beat.interfaces.clone(),
    };
    Ok(Json(Nodes { items: state.fleet.lock().iter().map(row).collect(), silent_after: SILENT }))
}

/// Nodes and sinks carry what is of all namespaces.
pub(super) fn everywhere(sight: &Sight) -> Answer<()> {
    if sight.reads_all() {
        return Ok(());
    }
    Err(crate::auth::forbidden("nodes and sinks are seen by who may see the alerts of all namespaces"))
}

/// An inspection over all nodes.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct InspectionRow {
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// Its selector; empty if no agent names it.
    selector: String,
    /// Pods that it selects.
    endpoints: u64,
    /// Nodes alive that inspect for it.
    nodes_active: usize,
    /// Nodes that ever did.
    nodes: usize,
    /// Packets inspected for it.
    packets: u64,
    /// Packets lost for it.
    drops: u64,
    /// Events of the last 24 hours.
    alerts: u64,
    /// How it is on each node, whose name begins the message; at most 100.
    conditions: Vec<Condition>,
}

/// All inspections.
#[derive(Serialize, ToSchema)]
pub(super) struct Inspections {
    /// By namespace and name.
    items: Vec<InspectionRow>,
}

const DAY: i64 = 86_400_000_000_000;

/// Inspections by heartbeats and by the events of the last 24 hours.
#[utoipa::path(get, path = "/inspections", tag = "agents", responses((status = 200, body = Inspections)))]
pub(super) async fn inspections(state: State, sight: Sight) -> Answer<Json<Inspections>> {
    let now = now();
    let filter = Filter { from: Some(Timestamp(now.0.saturating_sub(DAY))), ..Filter::all(now) };
    let request = TopRequest { filter, field: field("inspection")?, prefix: String::new(), limit: MAX_INSPECTIONS };
    let mut rows: BTreeMap<String, InspectionRow> = BTreeMap::new();
    let alerts = sight.top(request).await?.values;
    for node in state.fleet.lock().values() {
        for local in node.beat.inspections.iter().filter(|local| sight.reads(&local.namespace)) {
            let row = entry(&mut rows, &local.namespace, &local.name);
            row.selector.clone_from(&local.selector);
            row.nodes += 1;
            row.packets = row.packets.saturating_add(local.packets);
            row.drops = row.drops.saturating_add(local.drops);
            if is_alive(node, now) {
                row.nodes_active += 1;
                row.endpoints = row.endpoints.saturating_add(local.endpoints);
            }
            for condition in local.conditions.iter().take(MAX_SINKS) {
                if row.conditions.len() < MAX_REASONS {
                    let message = format!("{}: {}", node.beat.node, condition.message);
                    row.conditions.push(Condition { message, ..condition.clone() });
                }
            }
        }
    }
    // Events have both in one word. An agent says which is which; without it the first stroke parts them, which no
    // namespace of Kubernetes has.
    for found in alerts {
        let (namespace, name) = found.value.split_once('/').unwrap_or(("", &found.value));
        entry(&mut rows, namespace, name).alerts += found.count;
    }
    let mut items: Vec<_> = rows.into_values().collect();
    items.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(Json(Inspections { items }))
}

/// The row of an inspection, by namespace and name as events have them.
fn entry<'r>(rows: &'r mut BTreeMap<String, InspectionRow>, namespace: &str, name: &str) -> &'r mut InspectionRow {
    rows.entry(format!("{namespace}/{name}")).or_insert_with(|| InspectionRow {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..InspectionRow::default()
    })
}

/// All sinks.
#[derive(Serialize, ToSchema)]
pub(super) struct Sinks {
    /// By name; numbers of several nodes are added, of lags and errors the worst and the last are shown.
    items: Vec<Sink>,
}

/// Sinks of all agents by their heartbeats.
#[utoipa::path(get, path = "/sinks", tag = "agents", responses((status = 200, body = Sinks), (status = 403, body = Problem)))]
pub(super) async fn sinks(state: State, sight: Sight) -> Answer<Json<Sinks>> {
    everywhere(&sight)?;
    let mut rows: BTreeMap<String, Sink> = BTreeMap::new();
    for node in state.fleet.lock().values() {
        for sink in &node.beat.sinks {
            match rows.get_mut(&sink.name) {
                Some(row) => row.add(sink),
                None => {
                    rows.insert(sink.name.clone(), sink.clone());
                }
            }
        }
    }
    Ok(Json(Sinks { items: rows.into_values().collect() }))
}

impl Sink {
    fn add(&mut self, other: &Self) {
        for (sum, part) in [
            (&mut self.delivered, other.delivered),
            (&mut self.duplicates, other.duplicates),
            (&mut self.rejected, other.rejected),
            (&mut self.retried, other.retried),
            (&mut self.lost, other.lost),
            (&mut self.lag_records, other.lag_records),
        ] {
            *sum = sum.saturating_add(part);
        }
        self.lag_seconds = self.lag_seconds.max(other.lag_seconds);
        if self.state == "ok" {
            self.state.clone_from(&other.state);
        }
        // RFC 3339 in UTC sorts as text.
        if other.last_error_at > self.last_error_at {
            self.last_error.clone_from(&other.last_error);
            self.last_error_at.clone_from(&other.last_error_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_nodes_is_bounded_and_forgets() {
        let fleet = Fleet::new(2);
        let beat = |node: &str, at| fleet.beat(Heartbeat { node: node.into(), ..Heartbeat::default() }, Timestamp(at));
        assert!(beat("a", 0).is_ok() && beat("b", 5).is_ok());
        assert_eq!(beat("c", 6).unwrap_err().status, 507);
        assert!(beat("b", 7).is_ok());
        assert!(beat("c", FORGET + 1).is_ok(), "a is forgotten");
        assert_eq!(fleet.lock().keys().cloned().collect::<Vec<_>>(), ["b", "c"]);
    }
}
