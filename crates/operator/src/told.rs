//! What the operator tells: its log, Kubernetes' events, and how each part is, as [`TapirStatus`] and on the incumbent's resource.
//!
//! *Invariants*: a failure is said once, when it begins, and once when it is over; conditions change their time only when they change.

use crate::object::{Object, resource};
use crate::options::Options;
use crate::world::{Hub, Say};
use crate::write::{self, FIELD_MANAGER, in_words};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tapir_kubernetes::resources::{
    Condition, INSPECTION_STATUS, INTRUSION_DETECTION_NAME, MANAGER_STATUS, TapirStatus, TapirStatusStatus, Verdict,
    set_condition,
};

/// Within this time pods are made, if nobody refuses them.
const CREATION: Duration = Duration::from_secs(120);
/// Controllers try again within seventeen minutes, and tell it again.
const REFUSED: SignedDuration = SignedDuration::from_mins(20);
/// Events that are looked at; the cluster counts those that are alike together.
const MAX_EVENTS: u32 = 50;

/// A part that is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Agents and definitions.
    Inspection,
    /// The manager.
    Manager,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Inspection => INSPECTION_STATUS,
            Self::Manager => MANAGER_STATUS,
        }
    }
}

/// How parts are, for the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Passes made.
    pub passes: u64,
    /// Objects written, by what was done.
    pub written: BTreeMap<&'static str, u64>,
    /// Failures now, by part.
    pub failing: BTreeMap<&'static str, usize>,
}

/// See the module.
pub struct Teller {
    recorder: Recorder,
    say: Say,
    failures: Vec<(Part, &'static str, String)>,
    /// What was said before, so that it is said once.
    said: BTreeSet<String>,
    noted: BTreeSet<String>,
    seen: Arc<Mutex<Seen>>,
    /// Since when pods are to be that are not, by part.
    lacking: BTreeMap<Part, Instant>,
}

impl Teller {
    /// `instance` is the pod.
    pub fn new(client: Client, instance: &str, say: Say, seen: Arc<Mutex<Seen>>) -> Self {
        let reporter = Reporter { controller: FIELD_MANAGER.into(), instance: Some(instance.into()) };
        Self {
            recorder: Recorder::new(client, reporter),
            say,
            failures: Vec::new(),
            said: BTreeSet::new(),
            noted: BTreeSet::new(),
            seen,
            lacking: BTreeMap::new(),
        }
    }

    /// A pass begins.
    pub fn begin(&mut self) {
        self.failures.clear();
        self.count(|seen| seen.passes = seen.passes.saturating_add(1));
    }

    /// Something was done, in words, to an object.
    pub async fn did(&mut self, part: Part, what: &'static str, text: &str, object: Option<&Object>) {
        (self.say)(&format!("{}: {text}", what.to_lowercase()), false);
        self.count(|seen| {
            let count = seen.written.entry(what).or_default();
            *count = count.saturating_add(1);
        });
        let related = object.map(|object| ObjectReference {
            kind: Some(object.kind().to_owned()),
            name: Some(object.name().to_owned()),
            namespace: Some(object.namespace().to_owned()).filter(|namespace| !namespace.is_empty()),
            ..ObjectReference::default()
        });
        self.publish(part, EventType::Normal, what, text, related).await;
    }

    /// Something did not go well.
    pub fn failed(&mut self, part: Part, reason: &'static str, why: String) {
        self.failures.push((part, reason, why));
    }

    /// Something to know, said once.
    pub fn note(&mut self, text: &str) {
        if self.noted.insert(text.to_owned()) {
            (self.say)(text, false);
        }
    }

    /// The pass is over: how everything is. `true`: something failed.
    pub async fn tell(&mut self, client: &Client, options: &Options, hub: &Arc<Hub>, wanted: bool) -> bool {
        let agents = options.agent();
        let set = read(client, "DaemonSet", "daemonsets", agents.namespace, agents.name).await;
        self.refused(client, Part::Inspection, set.as_ref(), lacks_agents(set.as_ref())).await;
        let inspection = self.verdicts(Part::Inspection, wanted.then(|| of_daemon_set(set.as_ref())));
        let mut told = vec![(Part::Inspection, inspection.clone())];
        if options.manager.is_some() {
            let name = crate::names::MANAGER;
            let set = read(client, "StatefulSet", "statefulsets", &options.namespace, name).await;
            self.refused(client, Part::Manager, set.as_ref(), lacks_manager(set.as_ref())).await;
            told.push((Part::Manager, self.verdicts(Part::Manager, Some(of_stateful_set(set.as_ref())))));
        }
        for (part, verdicts) in told {
            if let Err(why) = write_status(client, part, &verdicts).await {
                self.failed(part, "Status", why);
            }
        }
        if let Err(why) = self.on_intrusion_detection(client, hub, &inspection).await {
            self.failed(Part::Inspection, "Status", why);
        }
        self.say_failures().await;
        !self.failures.is_empty()
    }

    /// Pods that the cluster does not make, which a count of those that run does not tell from pods that begin.
    async fn refused(&mut self, client: &Client, part: Part, set: Option<&Value>, lacks: bool) {
        let Some(set) = set.filter(|_| lacks) else {
            self.lacking.remove(&part);
            return;
        };
        let since = *self.lacking.entry(part).or_insert_with(Instant::now);
        let text = |place: &str| set.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        match refusal(client, kind, namespace, name).await {
            Some(why) => {
                let why = format!("pods of {kind} {namespace}/{name} are refused: {why}");
                self.failed(part, "FailedCreate", why);
            }
            None if since.elapsed() > CREATION => {
                let minutes = CREATION.as_secs() / 60;
                let why = format!(
                    "pods of {kind} {namespace}/{name} have been lacking for more than {minutes} minutes; \
                     kubectl -n {namespace} describe {} {name}",
                    kind.to_lowercase()
                );
                self.failed(part, "NotCreated", why);
            }
            None => {}
        }
    }

    async fn say_failures(&mut self) {
        let now: BTreeSet<String> = self.failures.iter().map(|(.., why)| why.clone()).collect();
        for (part, reason, why) in self.failures.clone() {
            if !self.said.contains(&why) {
                (self.say)(&why, true);
                self.publish(part, EventType::Warning, reason, &why, None).await;
            }
        }
        for over in self.said.difference(&now) {
            (self.say)(&format!("no longer: {over}"), false);
        }
        self.said = now;
        let mut failing = BTreeMap::new();
        for (part, ..) in &self.failures {
            let count: &mut usize = failing.entry(part.name()).or_default();
            *count = count.saturating_add(1);
        }
        self.count(|seen| seen.failing = failing);
    }

    /// Available, Progressing and Degraded of a part; `rollout` is absent where nothing is to run.
    fn verdicts(&self, part: Part, rollout: Option<Rollout>) -> [Verdict; 3] {
        let failure = self.failures.iter().find(|(of, ..)| *of == part);
        let degraded = match failure {
            Some((_, reason, why)) => Verdict::yes("Degraded", reason, why.clone()),
            None => Verdict::no("Degraded", "AsExpected", ""),
        };
        let Some(rollout) = rollout else {
            let why = "nothing is to be inspected: agents come with the first DeepPacketInspection or Inspection";
            return [
                Verdict::yes("Available", "NothingToInspect", why),
                Verdict::no("Progressing", "NothingToInspect", ""),
                degraded,
            ];
        };
        let progressing = match rollout.waiting {
            Some(why) => Verdict::yes("Progressing", "RollingOut", why),
            None => Verdict::no("Progressing", "AsExpected", ""),
        };
        let available = match rollout.available {
            Ok(why) => Verdict::yes("Available", "Running", why),
            Err(why) => Verdict::no("Available", "NotRunning", why),
        };
        [available, progressing, degraded]
    }

    /// The incumbent's resource, where its definition is ours.
    async fn on_intrusion_detection(
        &self,
        client: &Client,
        hub: &Arc<Hub>,
        verdicts: &[Verdict; 3],
    ) -> Result<(), String> {
        let found = {
            let world = hub.world();
            let ours = world.definition("intrusiondetections.operator.tigera.io").is_some_and(|known| known.ours);
            world.intrusion.all().get(&(String::new(), INTRUSION_DETECTION_NAME.to_owned())).filter(|_| ours).cloned()
        };
        let Some(found) = found else { return Ok(()) };
        let mut status = found.status.clone().unwrap_or_default();
        let before = status.clone();
        let generation = found.metadata.generation;
        for verdict in verdicts {
            // What is called Available elsewhere is called Ready there.
            let kind = if verdict.kind == "Available" { "Ready" } else { verdict.kind };
            set_condition(&mut status.conditions, &Verdict { kind, ..verdict.clone() }, generation, Timestamp::now());
        }
        let is_ready = verdicts.iter().all(|one| one.holds == Some(one.kind == "Available"));
        status.state = is_ready.then(|| "Ready".to_owned());
        if status == before {
            return Ok(());
        }
        let resource = resource("operator.tigera.io/v1", "IntrusionDetection", "intrusiondetections");
        let patch = json!({ "status": { "state": status.state, "conditions": status.conditions } });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let api = write::api(client, &resource, "");
        let done = api.patch_status(INTRUSION_DETECTION_NAME, &params, &Patch::Merge(&patch)).await;
        done.map(|_| ()).map_err(|error| in_words(&error))
    }

    /// Events of one reason and one related object are counted together by the cluster.
    async fn publish(
        &self,
        part: Part,
        type_: EventType,
        reason: &str,
        note: &str,
        secondary: Option<ObjectReference>,
    ) {
        let mut note = note.to_owned();
        let end = (0..=note.len().min(1000)).rev().find(|end| note.is_char_boundary(*end)).unwrap_or_default();
        note.truncate(end);
        let event =
            Event { type_, reason: reason.to_owned(), note: Some(note), action: "Reconcile".to_owned(), secondary };
        let about = ObjectReference {
            api_version: Some("tapir.dev/v1alpha1".into()),
            kind: Some("TapirStatus".into()),
            name: Some(part.name().into()),
            ..ObjectReference::default()
        };
        // An event that cannot be told stands in the log all the same.
        drop(self.recorder.publish(&event, &about).await);
    }

    fn count(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Nodes are without a pod that should have one.
fn lacks_agents(set: Option<&Value>) -> bool {
    let number = |name: &str| set.and_then(|set| set.pointer(&format!("/status/{name}"))?.as_i64()).unwrap_or_default();
    number("currentNumberScheduled") < number("desiredNumberScheduled")
}

/// There is no pod at all.
fn lacks_manager(set: Option<&Value>) -> bool {
    set.is_some_and(|set| set.pointer("/status/replicas").and_then(Value::as_i64).unwrap_or_default() == 0)
}

/// The last that the cluster said of pods that it did not make, if it said so lately. Nothing where it may not be asked.
async fn refusal(client: &Client, kind: &str, namespace: &str, name: &str) -> Option<String> {
    let fields = format!("involvedObject.kind={kind},involvedObject.name={name},reason=FailedCreate");
    let params = ListParams::default().fields(&fields).limit(MAX_EVENTS);
    let events = write::api(client, &resource("v1", "Event", "events"), namespace).list(&params).await.ok()?;
    newest(events.items.iter().map(|event| &event.data), Timestamp::now())
}

/// The message of the newest event, if it is not old.
fn newest<'e>(events: impl Iterator<Item = &'e Value>, now: Timestamp) -> Option<String> {
    let of = |event: &'e Value| {
        let time =
            ["/lastTimestamp", "/eventTime", "/firstTimestamp"].iter().find_map(|at| event.pointer(at)?.as_str());
        Some((time?.parse::<Timestamp>().ok()?, event.get("message")?.as_str()?))
    };
    let (time, message) = events.filter_map(of).max()?;
    (now.duration_since(time) < REFUSED).then(|| message.to_owned())
}

/// How far pods are.
struct Rollout {
    /// What is waited for.
    waiting: Option<String>,
    /// How many run, in words; or that too few do.
    available: Result<String, String>,
}

fn of_daemon_set(set: Option<&Value>) -> Rollout {
    let number = |name: &str| set.and_then(|set| set.pointer(&format!("/status/{name}"))?.as_i64()).unwrap_or_default();
    let (wanted, updated) = (number("desiredNumberScheduled"), number("updatedNumberScheduled"));
    let available = number("numberAvailable");
    let text = format!("{available} of {wanted} agents run");
    Rollout {
        waiting: waiting(set, (wanted == 0).then(|| "the DaemonSet is not scheduled yet".to_owned()))
            .or_else(|| (updated < wanted).then(|| format!("{updated} of {wanted} agents are up to date")))
            .or_else(|| (available < wanted).then(|| text.clone())),
        available: if wanted > 0 && available >= wanted { Ok(text) } else { Err(text) },
    }
}

fn of_stateful_set(set: Option<&Value>) -> Rollout {
    let number = |name: &str| set.and_then(|set| set.pointer(&format!("/status/{name}"))?.as_i64()).unwrap_or_default();
    let (available, updated) = (number("readyReplicas"), number("updatedReplicas"));
    let text = if available > 0 { "the manager answers" } else { "the manager does not run yet" };
    Rollout {
        waiting: waiting(set, (available == 0).then(|| text.to_owned()))
            .or_else(|| (updated == 0).then(|| "the manager is being replaced".to_owned())),
        available: if available > 0 { Ok(text.to_owned()) } else { Err(text.to_owned()) },
    }
}

/// What controllers of the cluster have not seen yet, else `other`.
fn waiting(set: Option<&Value>, other: Option<String>) -> Option<String> {
    let Some(set) = set else { return Some("not created yet".to_owned()) };
    let seen = set.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let is = set.pointer("/metadata/generation").and_then(Value::as_i64);
    if seen < is { Some("the cluster's controllers have not taken it up yet".to_owned()) } else { other }
}

/// An object as it is; absent also when it cannot be had: that was said where it was written.
async fn read(client: &Client, kind: &str, plural: &str, namespace: &str, name: &str) -> Option<Value> {
    let resource = resource("apps/v1", kind, plural);
    let found = write::api(client, &resource, namespace).get_opt(name).await.ok()??;
    serde_json::to_value(found).ok()
}

async fn write_status(client: &Client, part: Part, verdicts: &[Verdict; 3]) -> Result<(), String> {
    let api: Api<TapirStatus> = Api::all(client.clone());
    let failed = |error: kube::Error| format!("TapirStatus {}: {}", part.name(), in_words(&error));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let found = match api.get_opt(part.name()).await.map_err(failed)? {
        Some(found) => found,
        None => {
            let object = json!({
                "apiVersion": "tapir.dev/v1alpha1", "kind": "TapirStatus",
                "metadata": { "name": part.name() }, "spec": {},
            });
            api.patch(part.name(), &params, &Patch::Apply(&object)).await.map_err(failed)?
        }
    };
    let before = found.status.unwrap_or_default();
    let mut conditions: Vec<Condition> = before.conditions.clone();
    for verdict in verdicts {
        set_condition(&mut conditions, verdict, found.metadata.generation, Timestamp::now());
    }
    let worst = [("Degraded", true), ("Progressing", true), ("Available", false), ("Available", true)];
    let message = worst.into_iter().find_map(|(kind, holds)| {
        verdicts.iter().find(|one| one.kind == kind && one.holds == Some(holds)).map(|one| one.message.clone())
    });
    let status = TapirStatusStatus { message: message.unwrap_or_default(), conditions };
    if status == before {
        return Ok(());
    }
    let object = json!({
        "apiVersion": "tapir.dev/v1alpha1", "kind": "TapirStatus",
        "metadata": { "name": part.name() }, "status": status,
    });
    api.patch_status(part.name(), &params, &Patch::Apply(&object)).await.map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refusal_is_told_until_it_is_old() {
        let event = |time: &str, message: &str| json!({ "lastTimestamp": time, "message": message });
        let events = [
            event("2026-11-28T10:05:00Z", "violates PodSecurity"),
            event("2026-11-28T10:00:00Z", "exceeded quota"),
            json!({ "lastTimestamp": null, "message": "without a time" }),
        ];
        let at = |time: &str| newest(events.iter(), time.parse().unwrap());
        assert_eq!(at("2026-11-28T10:06:00Z").as_deref(), Some("violates PodSecurity"));
        assert_eq!(at("2026-11-28T10:24:59Z").as_deref(), Some("violates PodSecurity"));
        assert_eq!(at("2026-11-28T10:25:00Z"), None);
        assert_eq!(newest([].iter(), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn pods_are_lacking_where_none_was_made_and_not_where_they_begin() {
        let agents =
            |current: i64| json!({ "status": { "desiredNumberScheduled": 3, "currentNumberScheduled": current } });
        assert!(lacks_agents(Some(&agents(0))) && lacks_agents(Some(&agents(2))));
        assert!(!lacks_agents(Some(&agents(3))) && !lacks_agents(None) && !lacks_agents(Some(&json!({}))));
        assert!(lacks_manager(Some(&json!({ "status": { "replicas": 0 } }))));
        assert!(!lacks_manager(Some(&json!({ "status": { "replicas": 1 } }))) && !lacks_manager(None));
    }
}
