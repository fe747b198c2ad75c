//! The report of a node in an `Inspection`, which it applies under its own name.

use super::NodeFacts;
use super::entry::{push, second};
use crate::resources::{NodeError, NodeReport, RulesReport};
use k8s_openapi::jiff::Timestamp;

/// What the node has to say; `None` if it has nothing to inspect and nothing is wrong: applying a status without it takes the
/// old one away.
pub fn report(facts: &NodeFacts, now: Timestamp) -> Option<NodeReport> {
    if facts.is_silent() {
        return None;
    }
    let rules = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
    let total = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let error = |error: &super::errors::Standing| NodeError {
        message: error.message.clone(),
        since: Some(second(error.since)),
        last_updated: Some(second(error.last)),
    };
    Some(NodeReport {
        node: facts.node.clone(),
        observed_generation: facts.generation,
        ready: facts.success(),
        endpoints: facts.counts(),
        rules: RulesReport {
            loaded: rules(facts.rules.loaded),
            rejected: rules(facts.rules.rejected),
            rule_set: facts.rules.rule_set.clone(),
        },
        packets: total(facts.packets),
        drops: total(facts.drops),
        last_alert: facts.last_alert.map(second),
        errors: facts.errors.standing().iter().map(error).collect(),
        last_updated: Some(second(now)),
    })
}

/// The report of a node that does not inspect any more, and why.
pub fn unready(mut report: NodeReport, why: &str, now: Timestamp) -> NodeReport {
    let now = Some(second(now));
    (report.ready, report.last_updated) = (false, now.clone());
    push(&mut report.errors, NodeError { message: why.to_owned(), since: now.clone(), last_updated: now });
    report
}

#[cfg(test)]
mod tests {
    use super::super::{EndpointFact, RuleFacts};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_has_everything_that_is_known() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let endpoint = |attached| EndpointFact { name: "shop/a".into(), attached };
        let mut facts = NodeFacts {
            node: "n1".into(),
            generation: Some(3),
            endpoints: vec![endpoint(true), endpoint(false)],
            rules: RuleFacts { loaded: 4000, rejected: 2, rule_set: "0123abcd".into() },
            packets: u64::MAX,
            drops: 7,
            last_alert: Some(at(3)),
            ..NodeFacts::default()
        };
        facts.errors.failed("attach", "no interface", at(1));
        facts.errors.failed("attach", "no interface", at(4));
        assert_eq!(
            serde_json::to_value(report(&facts, at(5)).unwrap()).unwrap(),
            json!({
                "node": "n1", "observedGeneration": 3, "ready": false,
                "endpoints": {"selected": 2, "attached": 1},
                "rules": {"loaded": 4000, "rejected": 2, "ruleSet": "0123abcd"},
                "packets": i64::MAX, "drops": 7,
                "lastAlert": "1970-01-01T00:00:03Z",
                "errors": [{
                    "message": "no interface", "since": "1970-01-01T00:00:01Z", "lastUpdated": "1970-01-01T00:00:04Z",
                }],
                "lastUpdated": "1970-01-01T00:00:05Z",
            })
        );
        assert_eq!(report(&NodeFacts::default(), at(5)), None);
    }
}
