//! The entry of a node in the list of a `DeepPacketInspection`, which every node writes.

use super::NodeFacts;
use crate::resources::{Active, ErrorCondition, MAX_ERRORS, NodeEntry};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeSet;

/// What the node has to say; `None` if it has nothing to inspect and nothing is wrong: its entry is to go.
pub fn entry(facts: &NodeFacts, now: Timestamp) -> Option<NodeEntry> {
    if facts.is_silent() {
        return None;
    }
    let error = |error: &super::errors::Standing| ErrorCondition {
        message: error.message.clone(),
        last_updated: Some(second(error.last)),
    };
    Some(NodeEntry {
        node: facts.node.clone(),
        active: Some(Active { success: facts.success(), last_updated: Some(second(now)) }),
        endpoints: Some(facts.counts()),
        error_conditions: facts.errors.standing().iter().map(error).collect(),
    })
}

/// The entry of a node that does not inspect any more, and why.
pub fn unsuccessful(mut entry: NodeEntry, why: &str, now: Timestamp) -> NodeEntry {
    let now = Some(second(now));
    entry.active = Some(Active { success: false, last_updated: now.clone() });
    push(&mut entry.error_conditions, ErrorCondition { message: why.to_owned(), last_updated: now });
    entry
}

/// The newest are kept, as many as the schema has room for.
pub(super) fn push<T>(errors: &mut Vec<T>, error: T) {
    errors.push(error);
    errors.drain(..errors.len().saturating_sub(MAX_ERRORS));
}

pub(super) fn second(time: Timestamp) -> Time {
    Time(crate::resources::whole_second(time))
}

/// The list with the entry of one node put in its place, or taken out. Entries of other nodes stay as they are and where they
/// are, but for those of nodes that are gone (`nodes`: all there are; `None`: not known, so none are taken for gone) and second ones of the
/// same node.
pub fn merged(
    list: &[NodeEntry],
    node: &str,
    own: Option<NodeEntry>,
    nodes: Option<&BTreeSet<String>>,
) -> Vec<NodeEntry> {
    let mut seen = BTreeSet::new();
    let mut own = own;
    let mut out = Vec::with_capacity(list.len() + 1);
    for known in list {
        let there = nodes.is_none_or(|nodes| nodes.contains(&known.node)) || known.node == node;
        if !there || !seen.insert(&known.node) {
            continue;
        }
        if known.node == node { out.extend(own.take()) } else { out.push(known.clone()) }
    }
    out.extend(own);
    out
}

#[cfg(test)]
mod tests {
    use super::super::{EndpointFact, RuleFacts};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn facts(attached: &[bool], loaded: u64) -> NodeFacts {
        let endpoint =
            |(at, attached): (usize, &bool)| EndpointFact { name: format!("shop/{at}"), attached: *attached };
        NodeFacts {
            node: "n1".into(),
            endpoints: attached.iter().enumerate().map(endpoint).collect(),
            rules: RuleFacts { loaded, ..RuleFacts::default() },
            ..NodeFacts::default()
        }
    }

    #[test]
    fn success_is_the_whole_truth() {
        for (attached, loaded, success) in [
            (&[true, true][..], 4000, true),
            (&[true, false][..], 4000, false),
            (&[true, true][..], 0, false),
            (&[false][..], 0, false),
        ] {
            assert_eq!(entry(&facts(attached, loaded), at(1)).unwrap().success(), success, "{attached:?} {loaded}");
        }
        assert_eq!(entry(&facts(&[], 4000), at(1)), None);
    }

    #[test]
    fn errors_stand_in_the_entry_until_they_are_mended() {
        let mut facts = facts(&[false], 1);
        facts.errors.failed("attach", "no interface eth0", at(5));
        let written = serde_json::to_value(entry(&facts, at(9)).unwrap()).unwrap();
        assert_eq!(
            written,
            json!({
                "node": "n1",
                "active": {"lastUpdated": "1970-01-01T00:00:09Z"},
                "endpoints": {"selected": 1, "attached": 0},
                "errorConditions": [{"message": "no interface eth0", "lastUpdated": "1970-01-01T00:00:05Z"}],
            })
        );
        facts.errors.recovered("attach");
        assert!(entry(&facts, at(9)).unwrap().error_conditions.is_empty());
        // Also a node without endpoints has something to say while something is wrong.
        facts.endpoints.clear();
        facts.errors.failed("rules", "no rules", at(5));
        assert!(!entry(&facts, at(9)).unwrap().success());
    }

    #[test]
    fn what_was_said_last_stays_beside_why_it_holds_no_more() {
        let mut facts = facts(&[true], 1);
        facts.errors.failed("x", "rules left out", at(5));
        let last = entry(&facts, at(9)).unwrap();
        let told = unsuccessful(last.clone(), "the agent has ended", at(12));
        assert!(last.success() && !told.success());
        let messages: Vec<&str> = told.error_conditions.iter().map(|error| error.message.as_str()).collect();
        assert_eq!((told.endpoints, messages), (last.endpoints, vec!["rules left out", "the agent has ended"]));
        let many = (0..20).fold(last, |entry, number| unsuccessful(entry, &number.to_string(), at(13)));
        assert_eq!(many.error_conditions.len(), MAX_ERRORS);
        assert_eq!(many.error_conditions.last().unwrap().message, "19");
        // Selected pods that nobody knows of may be missing.
        facts.incomplete = true;
        assert!(!entry(&facts, at(9)).unwrap().success());
    }

    fn named(node: &str, success: bool) -> NodeEntry {
        NodeEntry { node: node.into(), active: Some(Active { success, last_updated: None }), ..NodeEntry::default() }
    }

    #[test]
    fn nodes_that_are_gone_leave_the_list() {
        let list = [named("gone", true), named("n1", false), named("n2", true), named("n1", true)];
        let nodes: BTreeSet<String> = ["n1".to_owned(), "n2".to_owned()].into();
        let all = merged(&list, "n1", Some(named("n1", true)), Some(&nodes));
        assert_eq!(all, [named("n1", true), named("n2", true)]);
        assert_eq!(merged(&list, "n1", None, Some(&nodes)), [named("n2", true)]);
        let unknown = merged(&list, "n1", Some(named("n1", true)), None);
        assert_eq!(unknown, [named("gone", true), named("n1", true), named("n2", true)]);
    }

    proptest! {
        #[test]
        fn others_come_out_as_they_went_in(list in prop::collection::vec(("[abc]", any::<bool>()), 0..6), own in any::<Option<bool>>()) {
            let list: Vec<NodeEntry> = list.iter().map(|(node, success)| named(node, *success)).collect();
            let out = merged(&list, "a", own.map(|success| named("a", success)), None);
            let firsts = |list: &[NodeEntry]| {
                let mut seen = BTreeSet::new();
                list.iter().filter(|entry| entry.node != "a" && seen.insert(entry.node.clone())).cloned().collect::<Vec<_>>()
            };
            let (others, ours): (Vec<NodeEntry>, Vec<NodeEntry>) = out.iter().cloned().partition(|entry| entry.node != "a");
            prop_assert_eq!(others, firsts(&list));
            prop_assert_eq!(ours, own.map(|success| named("a", success)).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(merged(&out, "a", own.map(|success| named("a", success)), None), out);
        }
    }
}
