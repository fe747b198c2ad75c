//! What this node says of each resource, written into its status.
//!
//! *How it fits*: facts come from what the two sides of the agent left; what to say and when to write is decided by
//! [`tapir_kubernetes::status`]. A resource is written in the form that the cluster serves.
//!
//! *Invariants*: a node changes its own entry only; a conflict is read again, [`TRIES`] times; what could not be written is tried
//! again with the next look, and told once.

use super::{Hub, Key};
use crate::discovery::How;
use crate::keeper::State;
use crate::rules::{MAX_SELECTIONS, RulesState, SetStates};
use crate::shared::{Report, Shared};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tapir_engine::Counter;
use tapir_event::Inspection;
use tapir_kubernetes::resources::{
    DeepPacketInspection, DeepPacketInspectionStatus, Inspection as WholeInspection, NodeEntry, NodeReport,
    StoredDeepPacketInspection,
};
use tapir_kubernetes::status::{
    Decision, EndpointFact, NodeFacts, RuleFacts, WriteLimits, Written, decide, entry, merged, report, unready,
    unsuccessful,
};
use tokio::sync::watch;

/// How often a write that met another one is tried.
const TRIES: usize = 5;
/// What the last entry of an agent says.
const ENDED: &str = "the agent of this node has ended: nothing is inspected here until it is back";
/// Seconds that the clocks of the node and of the API server may be apart.
const CLOCK: i64 = 30;
/// How often facts are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where the facts are.
#[derive(Clone)]
pub struct Facts {
    /// What is inspected.
    pub state: watch::Receiver<Arc<State>>,
    /// What became of the rules.
    pub rules: watch::Receiver<SetStates>,
    /// What the capture side says.
    pub shared: Arc<Shared>,
    /// Parts of the sandbox that the kernel lacks, in words.
    pub lacking: BTreeSet<String>,
    /// Becomes true when the agent ends, or its other end goes.
    pub ending: watch::Receiver<bool>,
}

/// Writes until the agent ends, at last that it has.
pub(super) async fn follow(hub: &Arc<Hub>, client: Client, node: &str, mut facts: Facts) {
    let own = Own { node: node.to_owned(), lacking: facts.lacking, denied: BTreeMap::new(), ahead: 0 };
    let mut writer = Writer { client, own, told: BTreeMap::new(), said: BTreeMap::new() };
    loop {
        let ended = facts.ending.wait_for(|ending| *ending);
        if tokio::time::timeout(LOOK, ended).await.is_ok() {
            return writer.farewell(hub).await;
        }
        writer.own.denied = facts.shared.denied();
        let report = facts.shared.report();
        let state = Arc::clone(&facts.state.borrow());
        let rules = facts.rules.borrow().clone();
        if facts.shared.reported_at().is_none() {
            continue;
        }
        writer.look(hub, &state, &report, &rules).await;
    }
}

/// What is the same for every resource.
struct Own {
    node: String,
    lacking: BTreeSet<String>,
    /// Kinds of objects that may not be seen.
    denied: BTreeMap<String, String>,
    /// Seconds that this node's clock is ahead of the API server's.
    ahead: i64,
}

struct Writer {
    client: Client,
    own: Own,
    /// What is known and was written, by resource.
    told: BTreeMap<Key, Told>,
    /// What went wrong with a resource, so that it is said once.
    said: BTreeMap<Key, String>,
}

#[derive(Default)]
struct Told {
    facts: NodeFacts,
    last: Option<Written<NodeEntry>>,
    /// The same of an `Inspection`.
    last_whole: Option<Written<NodeReport>>,
}

impl Writer {
    async fn look(&mut self, hub: &Arc<Hub>, state: &State, report: &Report, rules: &SetStates) {
        let now = Timestamp::now();
        self.told.retain(|(namespace, name), _| {
            state.inspections.iter().any(|one| one.namespace == *namespace && one.name == *name)
        });
        for inspection in &state.inspections {
            let key = (inspection.namespace.clone(), inspection.name.clone());
            if inspection.namespace.is_empty() {
                self.look_whole(hub, &key, inspection, state, report, rules, now).await;
                continue;
            }
            let (own, is_served) = {
                let world = hub.world();
                let served = world.served.get(&key);
                let held = served.or_else(|| world.stored.get(&key));
                (held.and_then(|held| held.own.clone()), served.is_some())
            };
            let told = self.told.entry(key.clone()).or_insert_with(|| {
                // An agent that was here before may have said something that is no longer so.
                let last = own.map(|own| Written { at: Timestamp::MIN, what: Some(own) });
                Told { last, ..Told::default() }
            });
            update(&mut told.facts, &self.own, inspection, state, report, Some(&rules.node), now);
            let says = entry(&told.facts, now);
            if decide(told.last.as_ref(), says.as_ref(), now, &WriteLimits::default()) != Decision::Write {
                continue;
            }
            let written = if is_served {
                write::<DeepPacketInspection>(&self.client, &self.own.node, inspection, says.as_ref()).await
            } else {
                write::<StoredDeepPacketInspection>(&self.client, &self.own.node, inspection, says.as_ref()).await
            };
            // Also after a failure: the API server is not asked more often for it.
            told.last = Some(Written { what: says, at: now });
            match written {
                Ok(written_at) => {
                    self.own.ahead = written_at.map_or(self.own.ahead, ahead);
                    self.said.remove(&key);
                }
                Err(why) => {
                    told.last = Some(Written { what: None, at: now });
                    if self.said.get(&key) != Some(&why) {
                        (hub.say)(&format!("status of DeepPacketInspection {inspection} not written: {why}"), true);
                        self.said.insert(key, why);
                    }
                }
            }
        }
    }
}

impl Writer {
    /// Says of every resource of which something is said that it is not inspected here any more. The next agent of the node takes that back.
    async fn farewell(&self, hub: &Arc<Hub>) {
        let now = Timestamp::now();
        let (entries, reports) = {
            let world = hub.world();
            let (mut entries, mut reports) = (BTreeMap::new(), BTreeMap::new());
            for (table, is_served) in [(&world.stored, false), (&world.served, true)] {
                let said = table.iter().filter_map(|(key, held)| Some((key.clone(), (is_served, held.own.clone()?))));
                entries.extend(said);
            }
            reports.extend(world.wholes.iter().filter_map(|(key, held)| Some((key.clone(), held.own.clone()?))));
            (entries, reports)
        };
        let named = |(namespace, name): &Key| Inspection { namespace: namespace.clone(), name: name.clone() };
        for (key, heard) in reports {
            let last = self.told.get(&key).and_then(|told| told.last_whole.as_ref()?.what.clone()).unwrap_or(heard);
            let inspection = named(&key);
            let written = apply(&self.client, &self.own.node, &inspection, Some(&unready(last, ENDED, now))).await;
            untold(hub, "Inspection", &inspection, written);
        }
        for (key, (is_served, heard)) in entries {
            let last = self.told.get(&key).and_then(|told| told.last.as_ref()?.what.clone()).unwrap_or(heard);
            let (says, inspection) = (unsuccessful(last, ENDED, now), named(&key));
            let written = if is_served {
                write::<DeepPacketInspection>(&self.client, &self.own.node, &inspection, Some(&says)).await
            } else {
                write::<StoredDeepPacketInspection>(&self.client, &self.own.node, &inspection, Some(&says)).await
            };
            untold(hub, "DeepPacketInspection", &inspection, written);
        }
    }

    /// The same for an `Inspection`, in which each node owns its report.
    #[allow(clippy::too_many_arguments, reason = "one place calls it")]
    async fn look_whole(
        &mut self,
        hub: &Arc<Hub>,
        key: &Key,
        inspection: &Inspection,
        state: &State,
        said: &Report,
        rules: &SetStates,
        now: Timestamp,
    ) {
        let understood = state.wholes.get(&inspection.name).cloned().unwrap_or_default();
        let own = hub.world().wholes.get(key).and_then(|held| held.own.clone());
        let told = self.told.entry(key.clone()).or_insert_with(|| {
            let last_whole = own.map(|own| Written { at: Timestamp::MIN, what: Some(own) });
            Told { last_whole, ..Told::default() }
        });
        let of_set = rules.of(&understood.selection);
        told.facts.generation = understood.generation;
        update(&mut told.facts, &self.own, inspection, state, said, of_set, now);
        let says = report(&told.facts, now);
        if decide(told.last_whole.as_ref(), says.as_ref(), now, &WriteLimits::default()) != Decision::Write {
            return;
        }
        let written = apply(&self.client, &self.own.node, inspection, says.as_ref()).await;
        told.last_whole = Some(Written { what: says.filter(|_| written.is_ok()), at: now });
        match written {
            Ok(written_at) => {
                self.own.ahead = written_at.map_or(self.own.ahead, ahead);
                self.said.remove(key);
            }
            Err(why) if self.said.get(key) != Some(&why) => {
                (hub.say)(&format!("status of Inspection {inspection} not written: {why}"), true);
                self.said.insert(key.clone(), why);
            }
            Err(_) => {}
        }
    }
}

/// What cannot be told at the end nobody can tell later; the operator notices that the entry grows old.
fn untold<T>(hub: &Hub, kind: &str, inspection: &Inspection, written: Result<T, String>) {
    if let Err(why) = written {
        (hub.say)(&format!("status of {kind} {inspection} does not say that this agent ends: {why}"), true);
    }
}

/// Applies the node's own report under its own name; without one, what it said before goes. When it was written, if it was.
async fn apply(
    client: &Client,
    node: &str,
    inspection: &Inspection,
    says: Option<&NodeReport>,
) -> Result<Option<Timestamp>, String> {
    let api: Api<WholeInspection> = Api::all(client.clone());
    let status = says.map_or_else(|| json!({}), |report| json!({"nodes": [report]}));
    let body = json!({
        "apiVersion": "tapir.dev/v1alpha1", "kind": "Inspection",
        "metadata": {"name": inspection.name}, "status": status,
    });
    let owner = PatchParams::apply(&format!("tapir-agent-{node}")).force();
    match api.patch_status(&inspection.name, &owner, &Patch::Apply(body)).await {
        Ok(written) => Ok(server_time(&written)),
        Err(error) if code(&error) == Some(404) => Ok(None),
        Err(error) => Err(in_words("patch", &error)),
    }
}

/// Faults of rule files that a status has; the log and metrics have more.
const MAX_FAULTS: usize = 3;

/// What is known of a resource now. `rules`: what became of its rules; `None`: they are not compiled yet.
fn update(
    facts: &mut NodeFacts,
    own: &Own,
    inspection: &Inspection,
    state: &State,
    report: &Report,
    rules: Option<&RulesState>,
    now: Timestamp,
) {
    facts.node.clone_from(&own.node);
    facts.endpoints.clear();
    let mut causes: Vec<String> = Vec::new();
    let mut failed = |facts: &mut NodeFacts, cause: String, message: &str| {
        facts.errors.failed(&cause, message, now);
        causes.push(cause);
    };
    // Before all others, which are kept in its place if there are many. Who inspects nothing reads nothing of attackers.
    let inspects = state.attached.iter().any(|one| one.inspections.contains(inspection));
    for why in own.lacking.iter().filter(|_| inspects) {
        failed(facts, format!("sandbox {why}"), &format!("the sandbox lacks a part: {why}"));
    }
    (facts.packets, facts.last_alert) = (0, None);
    for one in state.attached.iter().filter(|one| one.inspections.contains(inspection)) {
        let seen = report.seen.get(&one.number);
        let name = match one.how {
            How::Node => one.tap.name.to_string(),
            _ => format!("{}/{}", one.workload.namespace, one.workload.pod),
        };
        if let Some(why) = one.blind.as_deref().or_else(|| report.troubles.get(&one.number).map(String::as_str)) {
            failed(facts, format!("capture {name} {}", one.tap.name), &format!("{name}: {why}"));
        }
        // Who sees one direction only does not inspect.
        facts.endpoints.push(EndpointFact { name, attached: seen.is_some() && one.blind.is_none() });
        let Some(seen) = seen else { continue };
        facts.packets = facts.packets.saturating_add(seen.packets);
        let last = seen.last_event.and_then(|time| Timestamp::from_second(time.secs()).ok());
        facts.last_alert = facts.last_alert.max(last);
    }
    for one in state.absent.iter().filter(|one| one.inspections.contains(inspection)) {
        facts.endpoints.push(EndpointFact { name: one.pod.clone(), attached: false });
        failed(facts, format!("attach {}", one.pod), &format!("{}: {}", one.pod, one.why));
    }
    for kind in NEEDED {
        if let Some(why) = own.denied.get(kind) {
            failed(facts, format!("denied {kind}"), why);
        }
    }
    if own.ahead.abs() > CLOCK && inspects {
        let way = if own.ahead > 0 { "ahead of" } else { "behind" };
        // Without the number, which changes with every write.
        let why = format!(
            "the clock of this node is more than {CLOCK} s {way} the API server's: times of its alerts are as wrong; \
             look after its time service"
        );
        failed(facts, "clock".to_owned(), &why);
    }
    facts.incomplete = NEEDED.iter().any(|kind| own.denied.contains_key(*kind));
    if let Some((_, text, error)) = state.unreadable.iter().find(|(known, ..)| known == inspection) {
        failed(facts, "selector".to_owned(), &format!("selector {text:?}: {error}"));
    }
    if let Some(why) = report.trouble.as_ref().filter(|_| !facts.endpoints.is_empty()) {
        failed(facts, "capture".to_owned(), why);
    }
    let understood = state.wholes.get(&inspection.name).filter(|_| inspection.namespace.is_empty());
    for (at, note) in understood.iter().flat_map(|one| &one.notes).enumerate() {
        failed(facts, format!("note {at}"), note);
    }
    // Rules are nobody's business where nothing is inspected.
    let concerned = rules.filter(|_| !facts.endpoints.is_empty());
    if let Some(rules) = concerned {
        for fault in rules.faults.iter().take(MAX_FAULTS) {
            failed(facts, format!("fault {}:{}", fault.file, fault.line), &format!("rule left out: {fault}"));
        }
        for note in &rules.notes {
            failed(facts, format!("rules {note}"), note);
        }
        for (place, why) in &rules.outside {
            if let Some(why) = why {
                failed(facts, format!("source {place}"), &format!("rules of {why}"));
            }
        }
        if let Some(why) = &rules.error {
            let message = match rules.loaded {
                0 => format!("no rules: {why}"),
                _ => format!("rules not reloaded, those before stay in force: {why}"),
            };
            failed(facts, "rules".to_owned(), &message);
        }
    } else if !facts.endpoints.is_empty() {
        let why = format!(
            "its rules are being compiled; if that does not end, there are more than {MAX_SELECTIONS} choices of rules on this node"
        );
        failed(facts, "rules".to_owned(), &why);
    }
    facts.errors.retain(|cause| causes.iter().any(|known| known == cause));
    facts.rules = rules.map_or_else(RuleFacts::default, |rules| RuleFacts {
        loaded: rules.loaded as u64,
        rejected: rules.rejected as u64,
        rule_set: format!("{:016x}", rules.rule_set),
    });
    facts.drops = report.counters.value(Counter::KernelDrops);
}

/// Kinds without which a resource does not do what it says: pods are inspected, of the others come labels that select.
const NEEDED: [&str; 4] = ["pods", "namespaces", "serviceaccounts", "nodes"];

/// A resource with a status of nodes.
trait HasStatus:
    kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + serde::de::DeserializeOwned
    + serde::Serialize
{
    fn status_mut(&mut self) -> &mut Option<DeepPacketInspectionStatus>;
}

impl HasStatus for DeepPacketInspection {
    fn status_mut(&mut self) -> &mut Option<DeepPacketInspectionStatus> {
        &mut self.status
    }
}

impl HasStatus for StoredDeepPacketInspection {
    fn status_mut(&mut self) -> &mut Option<DeepPacketInspectionStatus> {
        &mut self.status
    }
}

/// The API server's clock when it took a write: it notes who wrote when, in its own time.
fn server_time<K: kube::Resource>(written: &K) -> Option<Timestamp> {
    written.meta().managed_fields.iter().flatten().filter_map(|entry| Some(entry.time.as_ref()?.0)).max()
}

/// Seconds that our clock is ahead of the API server's, right after it took a write.
fn ahead(server: Timestamp) -> i64 {
    Timestamp::now().as_second().saturating_sub(server.as_second())
}

/// Reads, changes the node's own entry, and writes: when it was written, if it was.
async fn write<K: HasStatus>(
    client: &Client,
    node: &str,
    inspection: &Inspection,
    says: Option<&NodeEntry>,
) -> Result<Option<Timestamp>, String> {
    let api: Api<K> = Api::namespaced(client.clone(), &inspection.namespace);
    for _ in 0..TRIES {
        let mut resource = match api.get(&inspection.name).await {
            Ok(resource) => resource,
            Err(error) if code(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(in_words("get", &error)),
        };
        let status = resource.status_mut().get_or_insert_default();
        let nodes = merged(&status.nodes, node, says.cloned(), None);
        if nodes == status.nodes {
            return Ok(None);
        }
        status.nodes = nodes;
        match api.replace_status(&inspection.name, &PostParams::default(), &resource).await {
            Ok(written) => return Ok(server_time(&written)),
            Err(error) if code(&error) == Some(404) => return Ok(None),
            Err(error) if code(&error) == Some(409) => {}
            Err(error) => return Err(in_words("update", &error)),
        }
    }
    Err("others wrote at the same time, again and again; trying again later".to_owned())
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

fn in_words(verb: &str, error: &kube::Error) -> String {
    match code(error) {
        Some(403) => format!("the agent's service account needs the verb {verb} on it (and on its status)"),
        _ => super::watch::root(error),
    }
}
