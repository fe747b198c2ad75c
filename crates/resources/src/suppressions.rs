//! `Suppression`: each that can be read is a suppression of the manager's store, as if somebody had made it through the API. The
//! manager's answers to heartbeats bring it to the nodes.
//!
//! *Invariants*: 1. the store has the suppressions of the cluster and no others under the names of resources; 2. one that cannot be read
//! does nothing, and its status says why and where; 3. nothing is removed before the cluster was heard.
//! *Limits*: suppressions are decided by rule and parties, on nodes, in both stores and in previews; none of them looks at a whole event. So
//! a resource with `spec.query` is refused, and not applied without it. A status is written when
//! its conditions change, and its numbers once in [`NUMBERS`] at most.

use crate::exceptions::{at_byte, fault};
use crate::follow::{Heard, Key};
use crate::time::{moment, now, of_moment};
use crate::{Shared, is_refusal, write};
use k8s_openapi::jiff;
use kube::Api;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_kubernetes::resources::{
    Mode as Asked, OutOfReach, Suppression as Object, SuppressionSpec, SuppressionStatus, Verdict, set_condition,
};
use tapir_manager::resources::{QueryFault, Resource, ResourceKind, suppression_author, suppression_name};
use tapir_query::{Dialect, parse};
use tapir_store::{Decision, Mode, NewSuppression, Scope, Side, StoreError, Suppression, SuppressionChange};
use tokio::sync::watch;
use tokio::time::timeout;

/// How often it is looked again: numbers of nodes and events change.
const LOOK: Duration = Duration::from_secs(5);
/// How often numbers alone are written.
const NUMBERS: Duration = Duration::from_secs(60);
/// How often a status is written at most, and how long one that could not be is left alone.
const PAUSE: Duration = Duration::from_secs(10);
/// Statuses that are written in one round; the others wait for the next.
const AT_ONCE: usize = 50;

/// When a status was written, and what went wrong.
#[derive(Default)]
struct Told {
    at: Option<Instant>,
    /// Version of the object in which it is expected.
    what: Option<SuppressionStatus>,
    trouble: String,
}

/// Keeps the store as the cluster has it, for ever.
pub(crate) async fn keep(shared: &Arc<Shared>, mut heard: watch::Receiver<Heard<Object>>) {
    let mut failing = String::new();
    let mut told: BTreeMap<Key, Told> = BTreeMap::new();
    let mut said: BTreeMap<Key, String> = BTreeMap::new();
    loop {
        let objects = {
            let heard = heard.borrow_and_update();
            heard.is_known.then(|| heard.objects.clone())
        };
        if let Some(objects) = objects {
            match once(shared, &objects).await {
                Ok(outcomes) => {
                    failing.clear();
                    tell(shared, &outcomes, &mut said);
                    told.retain(|key, _| objects.contains_key(key));
                    statuses(shared, &objects, &outcomes, &mut told).await;
                }
                Err(error) => {
                    let why = format!("suppressions of the cluster are not in the store: {error}; trying again");
                    if failing != why {
                        shared.warn(&why);
                        failing = why;
                    }
                }
            }
        }
        if let Ok(Err(_)) = timeout(LOOK, heard.changed()).await {
            return;
        }
    }
}

/// What became of a resource.
struct Outcome {
    accepted: Verdict,
    fault: Option<QueryFault>,
    /// As the store has it, if it is in force.
    stored: Option<Suppression>,
}

/// Why a resource is not applied.
#[derive(Debug)]
struct Unread {
    reason: &'static str,
    message: String,
    fault: Option<QueryFault>,
}

/// The suppression that a resource asks for.
fn read(namespace: &str, tapir: &str, spec: &SuppressionSpec) -> Result<NewSuppression, Unread> {
    let refuse = |reason, message: String| Unread { reason, message, fault: None };
    spec.reach(namespace, tapir).map_err(|error| match &error {
        OutOfReach::Rule(_) => refuse("InvalidRule", error.to_string()),
        OutOfReach::SideMissing { .. } | OutOfReach::SideElsewhere { .. } => refuse("OutOfReach", error.to_string()),
    })?;
    if let Some(query) = &spec.query {
        let Err(error) = parse(query, Dialect::Tapir) else {
            let why = "spec.query is not supported by this version, and without it more would be quiet than was asked for: \
                       name a rule and a scope";
            return Err(refuse("QueryNotSupported", why.to_owned()));
        };
        let fault = fault(&error);
        return Err(Unread { reason: "InvalidQuery", message: at_byte("spec.query", &fault), fault: Some(fault) });
    }
    // Read by `reach`.
    let rule = spec.rule().ok().flatten();
    let asked = spec.scope.clone().unwrap_or_default();
    let scope = Scope {
        gid: rule.map(|rule| rule.gid),
        sid: rule.and_then(|rule| rule.sid),
        client: Side::from_text(asked.client.as_deref()),
        server: Side::from_text(asked.server.as_deref()),
        namespace: asked.namespace,
    };
    if scope.is_everything() {
        return Err(refuse("InvalidScope", "it would quiet everything: name a rule or a party".to_owned()));
    }
    let mode = match (spec.mode, &spec.limit) {
        (Asked::Hide, None) => Mode::Hide,
        (Asked::Stop, None) => Mode::Stop,
        (Asked::Limit, Some(limit)) => match (u32::try_from(limit.count), u32::try_from(limit.seconds)) {
            (Ok(count @ 1..), Ok(seconds @ 1..)) => Mode::Limit { count, seconds },
            _ => return Err(refuse("InvalidLimit", "spec.limit: count and seconds must be above 0".to_owned())),
        },
        (Asked::Limit, None) => return Err(refuse("InvalidLimit", "spec.limit is missing".to_owned())),
        (Asked::Hide | Asked::Stop, Some(_)) => {
            return Err(refuse("InvalidLimit", "spec.limit goes with mode limit only".to_owned()));
        }
    };
    let expires = spec.expires.as_ref().map(moment);
    Ok(NewSuppression { scope, mode, reason: spec.reason.clone(), expires, shown: None })
}

/// Brings the store up to date; what became of each resource.
async fn once(shared: &Shared, objects: &BTreeMap<Key, Arc<Object>>) -> Result<BTreeMap<Key, Outcome>, StoreError> {
    let at = now();
    let by = |author: String| Decision { who: author, now: at };
    // Newest first: of several under one name the newest counts.
    let mut stored: BTreeMap<Key, Vec<Suppression>> = BTreeMap::new();
    for one in shared.store.suppressions().await? {
        if let Some((namespace, name)) = suppression_name(&one.author) {
            stored.entry((namespace.to_owned(), name.to_owned())).or_default().push(one);
        }
    }
    let mut outcomes = BTreeMap::new();
    let mut gone: BTreeSet<String> = BTreeSet::new();
    let mut is_changed = false;
    for (key, object) in objects {
        let mut known = stored.remove(key).unwrap_or_default().into_iter();
        let (first, author) = (known.next(), suppression_author(&key.0, &key.1));
        gone.extend(known.map(|one| one.id));
        let new = match read(&key.0, &shared.config.namespace, &object.spec) {
            Ok(new) => new,
            Err(Unread { reason, message, fault }) => {
                gone.extend(first.map(|one| one.id));
                let accepted = Verdict::no("Accepted", reason, message);
                outcomes.insert(key.clone(), Outcome { accepted, fault, stored: None });
                continue;
            }
        };
        let mut accepted = Verdict::yes("Accepted", "Valid", "");
        if new.expires.is_some_and(|expires| expires <= at) {
            gone.extend(first.map(|one| one.id));
            outcomes.insert(key.clone(), Outcome { accepted, fault: None, stored: None });
            continue;
        }
        let put = match first {
            Some(one) if same(&one.what, &new) => Ok(one),
            Some(one) if one.what.scope == new.scope => {
                is_changed = true;
                let change = SuppressionChange {
                    mode: Some(new.mode),
                    reason: Some(new.reason),
                    expires: Some(new.expires),
                    if_version: None,
                };
                shared.store.change_suppression(one.id, change, by(author)).await
            }
            other => {
                is_changed = true;
                gone.extend(other.map(|one| one.id));
                shared.store.suppress(new, by(author)).await
            }
        };
        let stored = match put {
            Ok(one) => Some(one),
            Err(error) if is_refusal(&error) => {
                accepted = Verdict::no("Accepted", "Refused", error.to_string());
                None
            }
            Err(error) => return Err(error),
        };
        outcomes.insert(key.clone(), Outcome { accepted, fault: None, stored });
    }
    for (key, rest) in stored {
        for one in rest {
            is_changed = true;
            shared.store.remove_suppression(one.id, false, by(suppression_author(&key.0, &key.1))).await?;
        }
    }
    for id in gone {
        is_changed = true;
        shared.store.remove_suppression(id, false, by(ResourceKind::Suppression.resource().to_owned())).await?;
    }
    if is_changed {
        shared.beside.suppressions_changed().await;
    }
    Ok(outcomes)
}

fn same(known: &NewSuppression, new: &NewSuppression) -> bool {
    (&known.scope, known.mode, &known.reason, known.expires) == (&new.scope, new.mode, &new.reason, new.expires)
}

/// Tells people of those that do nothing, once, and the board of all.
fn tell(shared: &Shared, outcomes: &BTreeMap<Key, Outcome>, said: &mut BTreeMap<Key, String>) {
    said.retain(|key, _| outcomes.get(key).is_some_and(|outcome| outcome.accepted.holds == Some(false)));
    let mut items = Vec::with_capacity(outcomes.len());
    for (key, outcome) in outcomes {
        let is_honoured = outcome.accepted.holds == Some(true);
        let message = outcome.accepted.message.clone();
        if !is_honoured && said.get(key) != Some(&message) {
            shared.warn(&format!("Suppression {}/{} does nothing: {message}", key.0, key.1));
            said.insert(key.clone(), message.clone());
        }
        let (reason, message) = match (&outcome.stored, is_honoured) {
            (Some(one), true) => ("InForce".to_owned(), format!("in force as {}", one.id)),
            (None, true) => ("Expired".to_owned(), "it has ended".to_owned()),
            (_, false) => (outcome.accepted.reason.to_owned(), message),
        };
        let fault = outcome.fault.clone();
        let (namespace, name) = key.clone();
        items.push(Resource { namespace, name, is_honoured, reason, message, fault, exception: None });
    }
    shared.board.tell(ResourceKind::Suppression, items);
}

/// Whether it is applied, and where.
fn applied(outcome: &Outcome, nodes: usize, of: usize) -> Verdict {
    const KIND: &str = "Applied";
    let Some(stored) = &outcome.stored else {
        return match outcome.accepted.holds {
            Some(true) => Verdict::no(KIND, "Expired", "it has ended"),
            _ => Verdict::no(KIND, "NotAccepted", "see condition Accepted"),
        };
    };
    let told = format!("{nodes} of {of} nodes apply it");
    match stored.what.mode {
        // What comes is hidden by the manager, whatever nodes do.
        Mode::Hide => Verdict::yes(KIND, "InForce", format!("the manager hides what comes; {told}")),
        Mode::Limit { .. } | Mode::Stop if of == 0 => Verdict::unknown(KIND, "NoNodes", "no node is heard of"),
        Mode::Limit { .. } | Mode::Stop if nodes >= of => Verdict::yes(KIND, "InForce", told),
        Mode::Limit { .. } | Mode::Stop => Verdict::no(KIND, "Pending", told),
    }
}

/// The status that a resource should have, of the one that it has.
fn status(
    old: &SuppressionStatus,
    outcome: &Outcome,
    generation: Option<i64>,
    (nodes, of, dropped): (usize, usize, u64),
    now: jiff::Timestamp,
) -> SuppressionStatus {
    let mut new = old.clone();
    new.observed_generation = generation;
    set_condition(&mut new.conditions, &outcome.accepted, generation, now);
    set_condition(&mut new.conditions, &applied(outcome, nodes, of), generation, now);
    new.nodes = outcome.stored.as_ref().map(|_| format!("{nodes}/{of}"));
    if let Some(stored) = &outcome.stored {
        let silenced = stored.silenced.saturating_add(dropped);
        new.silenced = Some(i64::try_from(silenced).unwrap_or(i64::MAX));
        new.last_silenced = stored.last_silenced.and_then(of_moment);
    }
    new
}

/// Writes the statuses that have changed, as often as is fit.
async fn statuses(
    shared: &Shared,
    objects: &BTreeMap<Key, Arc<Object>>,
    outcomes: &BTreeMap<Key, Outcome>,
    told: &mut BTreeMap<Key, Told>,
) {
    let mut written = 0;
    for (key, outcome) in outcomes {
        let Some(object) = objects.get(key) else { continue };
        let figures = outcome.stored.as_ref().map_or((0, 0, 0), |one| shared.beside.applying(&one.id));
        let generation = object.metadata.generation;
        let told = told.entry(key.clone()).or_default();
        let old = told.what.clone().or_else(|| object.status.clone()).unwrap_or_default();
        let at = jiff::Timestamp::now();
        let new = status(&old, outcome, generation, figures, at);
        if new == old && told.trouble.is_empty() {
            continue;
        }
        let conditions = |status: &SuppressionStatus| (status.observed_generation, status.conditions.clone());
        let is_news = conditions(&new) != conditions(&old) || new.nodes != old.nodes;
        let pause = if is_news || !told.trouble.is_empty() { PAUSE } else { NUMBERS };
        let changed_by_people = old.observed_generation != generation;
        let too_soon =
            told.at.is_some_and(|at| at.elapsed() < pause) && !(changed_by_people && told.trouble.is_empty());
        if too_soon || written >= AT_ONCE {
            continue;
        }
        written += 1;
        let api: Api<Object> = Api::namespaced(shared.client.clone(), &key.0);
        let change = |object: &mut Object| {
            let status = object.status.get_or_insert_default();
            let is_other = *status != new;
            *status = new.clone();
            is_other
        };
        let resource = ResourceKind::Suppression.resource();
        let result = write::status(&api, resource, &key.1, &shared.board, change).await;
        told.at = Some(Instant::now());
        match result {
            Ok(()) => (told.what, told.trouble) = (Some(new), String::new()),
            Err(why) => {
                if told.trouble != why {
                    shared.warn(&format!("status of Suppression {}/{} not written: {why}", key.0, key.1));
                }
                told.trouble = why;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(value: Value) -> SuppressionSpec {
        let mut all = json!({ "mode": "hide", "reason": "monitoring" });
        all.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn refused(namespace: &str, value: Value) -> Unread {
        read(namespace, "tapir-system", &spec(value)).unwrap_err()
    }

    #[test]
    fn a_resource_asks_for_what_the_api_would() {
        let asked = spec(json!({
            "rule": "1:408", "mode": "limit", "limit": {"count": 1, "seconds": 3600},
            "scope": {"client": "shop/Deployment/probe", "server": "shop/*"}, "expires": "2099-01-01T00:00:00Z",
        }));
        let new = read("shop", "tapir-system", &asked).unwrap();
        assert_eq!((new.scope.gid, new.scope.sid), (Some(1), Some(408)));
        assert_eq!(new.scope.client, Side::Party("shop/Deployment/probe".into()));
        assert_eq!(new.scope.server, Side::Namespace("shop".into()));
        assert_eq!(new.mode, Mode::Limit { count: 1, seconds: 3600 });
        assert_eq!((new.reason.as_str(), new.expires.is_some()), ("monitoring", true));
        let all_of_a_generator = read("tapir-system", "tapir-system", &spec(json!({"rule": "119:*"}))).unwrap();
        assert_eq!((all_of_a_generator.scope.gid, all_of_a_generator.scope.sid), (Some(119), None));
    }

    #[test]
    fn what_cannot_be_applied_is_refused_with_a_reason_and_a_place() {
        assert_eq!(refused("shop", json!({"rule": "1:408"})).reason, "OutOfReach");
        assert_eq!(refused("tapir-system", json!({"rule": "x"})).reason, "InvalidRule");
        assert_eq!(refused("tapir-system", json!({"scope": {}})).reason, "InvalidScope");
        assert_eq!(refused("tapir-system", json!({"rule": "1:1", "mode": "limit"})).reason, "InvalidLimit");
        let unreadable = refused("tapir-system", json!({"rule": "1:1", "query": "severty>=high"}));
        assert_eq!((unreadable.reason, unreadable.fault.unwrap().offset), ("InvalidQuery", 0));
        assert!(unreadable.message.contains("spec.query, byte 0: ") && unreadable.message.contains("severity"));
        assert_eq!(refused("tapir-system", json!({"rule": "1:1", "query": "ns:shop"})).reason, "QueryNotSupported");
    }

    fn outcome(mode: Option<Mode>) -> Outcome {
        let what = |mode| NewSuppression {
            scope: Scope { sid: Some(1), ..Scope::default() },
            mode,
            reason: "r".into(),
            expires: None,
            shown: None,
        };
        let stored = mode.map(|mode| Suppression {
            id: "s-1".into(),
            what: what(mode),
            author: String::new(),
            created: tapir_packet::Timestamp(0),
            version: 1,
            silenced: 7,
            last_silenced: None,
            days: Vec::new(),
        });
        Outcome { accepted: Verdict::yes("Accepted", "Valid", ""), fault: None, stored }
    }

    #[test]
    fn a_status_tells_whether_and_where_it_is_applied() {
        let at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let told = |outcome: &Outcome, figures| {
            let status = status(&SuppressionStatus::default(), outcome, Some(3), figures, at);
            let applied = status.conditions.iter().find(|condition| condition.type_ == "Applied").unwrap();
            (applied.status.clone(), applied.reason.clone(), status.nodes.clone(), status.silenced)
        };
        let words = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
        let hidden = told(&outcome(Some(Mode::Hide)), (1, 3, 2));
        assert_eq!((hidden.0, hidden.1), words("True", "InForce"));
        assert_eq!((hidden.2, hidden.3), (Some("1/3".into()), Some(9)));
        for (figures, wanted) in [
            ((0, 0, 0), words("Unknown", "NoNodes")),
            ((1, 3, 0), words("False", "Pending")),
            ((3, 3, 0), words("True", "InForce")),
        ] {
            let stopped = told(&outcome(Some(Mode::Stop)), figures);
            assert_eq!((stopped.0, stopped.1), wanted);
        }
        let ended = told(&outcome(None), (0, 0, 0));
        assert_eq!((ended.0, ended.1), words("False", "Expired"));
    }

    #[test]
    fn an_unchanged_status_is_not_another_one() {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let (outcome, none) = (outcome(Some(Mode::Hide)), SuppressionStatus::default());
        let first = status(&none, &outcome, Some(1), (1, 1, 0), at(1_800_000_000));
        assert_eq!(status(&first, &outcome, Some(1), (1, 1, 0), at(1_800_000_100)), first);
        assert_ne!(status(&first, &outcome, Some(2), (1, 1, 0), at(1_800_000_100)), first);
    }
}
