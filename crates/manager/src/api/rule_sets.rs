//! The rules that agents have in force, as they send them when they are asked to. In memory: a restart asks again.
//!
//! *How it fits*: a heartbeat names the rule set of its node; of one that is not known the answer asks for the rules, once from
//! all nodes that have it. [`super::rules`] lists them.
//!
//! *Invariants*: only sets that a node has named are taken. A set goes when no node that is alive has it and another needs its
//! room.
//!
//! *Limits*: [`MAX_SETS`], [`MAX_RULES`] and [`MAX_BYTES`] of them together; who has more is refused and asked again after
//! [`REFUSED`].

use super::ingest::described;
use super::rules::Known;
use crate::app::{State, now};
use crate::auth::Caller;
use crate::problem::{Answer, Path, Problem, bytes};
use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tapir_event::RuleSummary;
use tapir_packet::Timestamp;
use utoipa::ToSchema;

const MAX_SETS: usize = 8;
/// Of a set.
const MAX_RULES: usize = 150_000;
/// Of all sets, as they were sent.
const MAX_BYTES: usize = 96 << 20;
/// Of a rule, as it is sent.
const MAX_RULE: usize = 64 << 10;
/// Digests whose rules were asked for that are remembered.
const MAX_ASKED: usize = 256;
/// Who was asked for rules has so long to send them, in nanoseconds.
const ASKED: i64 = 60_000_000_000;
/// Who was refused is not asked before.
const REFUSED: i64 = 600_000_000_000;

/// Rules by generator and signature.
pub(super) struct RuleSet {
    pub rules: BTreeMap<(u32, u32), Known>,
    bytes: usize,
}

#[derive(Default)]
struct Kept {
    sets: BTreeMap<String, Arc<RuleSet>>,
    /// Until when nobody is asked for a set.
    asked: BTreeMap<String, Timestamp>,
}

/// The sets.
#[derive(Default)]
pub(crate) struct RuleSets(Mutex<Kept>);

impl RuleSets {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the node that names this set is to send its rules: they are not known, and nobody else was asked just now.
    pub(super) fn wants(&self, set: &str, now: Timestamp) -> bool {
        let mut kept = self.lock();
        if !is_name(set) || kept.sets.contains_key(set) {
            return false;
        }
        kept.asked.retain(|_, until| *until > now);
        if kept.asked.contains_key(set) || kept.asked.len() >= MAX_ASKED {
            return false;
        }
        kept.asked.insert(set.to_owned(), Timestamp(now.0.saturating_add(ASKED)));
        true
    }

    /// Those of `names` that are known.
    pub(super) fn of(&self, names: &BTreeMap<String, usize>) -> Vec<(Arc<RuleSet>, usize)> {
        let kept = self.lock();
        names.iter().filter_map(|(name, nodes)| Some((Arc::clone(kept.sets.get(name)?), *nodes))).collect()
    }

    fn keep(&self, name: &str, set: RuleSet, needed: &BTreeSet<String>, now: Timestamp) -> Answer<()> {
        let mut kept = self.lock();
        kept.sets.retain(|known, _| known != name && needed.contains(known));
        let bytes = kept.sets.values().map(|set| set.bytes).fold(set.bytes, usize::saturating_add);
        if kept.sets.len() >= MAX_SETS || bytes > MAX_BYTES {
            kept.asked.insert(name.to_owned(), Timestamp(now.0.saturating_add(REFUSED)));
            return Err(Problem::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "rule-sets",
                "Too many rules",
                format!(
                    "the manager lists the rules of {MAX_SETS} sets and {} MiB of text; nodes that have others inspect all the same",
                    MAX_BYTES >> 20
                ),
            ));
        }
        kept.asked.remove(name);
        kept.sets.insert(name.to_owned(), Arc::new(set));
        Ok(())
    }
}

/// The digest of a set that has rules, as agents write it.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0')
}

/// What became of a set.
#[derive(Serialize, ToSchema)]
pub(super) struct SetTaken {
    /// Rules that are listed.
    rules: usize,
    /// Lines that are no rule.
    rejected: usize,
}

/// Takes the rules that an agent has in force: one JSON document a line, plain or packed with zstd or gzip. Asked for by the
/// answer to a heartbeat.
#[utoipa::path(put, path = "/rule-sets/{set}", tag = "agents",
    params(("set" = String, Path, description = "`rule_set` of the node's heartbeat")),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = SetTaken), (status = 404, description = "no node has named this set", body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 507, body = Problem)))]
pub(super) async fn put(
    state: State,
    caller: Caller,
    Path(name): Path<String>,
    request: Request,
) -> Answer<Json<SetTaken>> {
    let node = caller.identity.node.as_deref();
    if !is_name(&name) || !state.fleet.has_rule_set(&name, node) {
        return Err(Problem::not_found("rule set", &name));
    }
    let coding = described(request.headers())?;
    let body = bytes(request, &()).await?;
    let limits = state.config.limits.clone();
    let read = tokio::task::spawn_blocking(move || Ok::<_, Problem>(read(&coding.unpack(&body, &limits)?)));
    let (set, rejected) = read.await.map_err(|_| Problem::bad_request("the body could not be unpacked"))??;
    let rules = set.rules.len();
    let needed = state.fleet.rule_sets().into_keys().collect();
    state.rule_sets.keep(&name, set, &needed, now())?;
    Ok(Json(SetTaken { rules, rejected }))
}

/// The rules, and how many lines were none.
fn read(plain: &[u8]) -> (RuleSet, usize) {
    let (mut rules, mut rejected) = (BTreeMap::new(), 0);
    for line in plain.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let rule = (line.len() <= MAX_RULE && rules.len() < MAX_RULES)
            .then(|| serde_json::from_slice::<RuleSummary>(line).ok())
            .flatten()
            .filter(|rule| (rule.gid, rule.sid) != (0, 0));
        match rule {
            Some(rule) => drop(rules.insert((rule.gid, rule.sid), Known::in_force(&rule))),
            None => rejected += 1,
        }
    }
    (RuleSet { rules, bytes: plain.len() }, rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bytes: usize) -> RuleSet {
        RuleSet { rules: BTreeMap::new(), bytes }
    }

    #[test]
    fn one_node_is_asked_at_a_time_and_again_when_it_did_not_send() {
        let (sets, start) = (RuleSets::default(), Timestamp(0));
        assert!(sets.wants("00ff", start));
        assert!(!sets.wants("00ff", Timestamp(ASKED - 1)), "somebody was asked");
        assert!(sets.wants("00ff", Timestamp(ASKED)));
        sets.keep("00ff", set(1), &BTreeSet::new(), start).unwrap();
        assert!(!sets.wants("00ff", Timestamp(ASKED * 9)));
        for none in ["", "0000000000000000", "no digest", &"f".repeat(65)] {
            assert!(!sets.wants(none, start), "{none}");
        }
    }

    #[test]
    fn what_no_node_has_any_more_makes_room_and_what_is_too_much_is_not_asked_for_soon() {
        let (sets, start) = (RuleSets::default(), Timestamp(0));
        let needed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        sets.keep("a", set(MAX_BYTES), &needed(&["a"]), start).unwrap();
        assert!(sets.keep("b", set(1), &needed(&["a", "b"]), start).is_err());
        assert!(!sets.wants("b", Timestamp(REFUSED - 1)));
        assert!(sets.wants("b", Timestamp(REFUSED)));
        sets.keep("b", set(1), &needed(&["b"]), start).unwrap();
        let names = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(sets.of(&names).iter().map(|(_, nodes)| *nodes).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn lines_that_are_no_rule_are_counted_and_take_nothing_along() {
        let text =
            b"{\"gid\":1,\"sid\":7,\"msg\":\"seven\",\"future\":[1]}\nnonsense\n\n[]\n\xff\xfe\n{\"gid\":1,\"sid\":8}";
        let (set, rejected) = read(text);
        assert_eq!(set.rules.keys().copied().collect::<Vec<_>>(), [(1, 7), (1, 8)]);
        assert_eq!(rejected, 3);
    }
}
