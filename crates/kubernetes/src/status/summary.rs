//! What the operator makes of the reports of all nodes: conditions and numbers for tables.

use crate::crds;
use crate::resources::{Counts, DeepPacketInspectionStatus, InspectionSpec, NodeEntry, NodeReport, Summary, Verdict};
use crate::selector::Selector;
use std::collections::BTreeMap;

/// Nodes named in a message.
const NAMED: usize = 3;

/// All nodes together, as tables show it.
pub fn summary(reports: &[NodeReport], alerts_24h: Option<i64>) -> Summary {
    let (selected, attached) = endpoints(reports);
    let ready = reports.iter().filter(|report| report.ready).count();
    Summary { nodes: format!("{ready}/{}", reports.len()), endpoints: format!("{attached}/{selected}"), alerts_24h }
}

/// The annotations of a `DeepPacketInspection` that tables show, by its status: nodes ready, endpoints attached of selected; and
/// alerts, where they are counted. `None`: an annotation to take away.
pub fn annotations(
    status: Option<&DeepPacketInspectionStatus>,
    alerts_24h: Option<i64>,
) -> BTreeMap<&'static str, Option<String>> {
    let nodes = status.map_or(&[][..], |status| &status.nodes);
    let ready = nodes.iter().filter(|node| node.success()).count();
    let (selected, attached) = added(nodes.iter().filter_map(|node| node.endpoints.as_ref()));
    let counted = nodes.iter().any(|node| node.endpoints.is_some());
    let nodes = (!nodes.is_empty()).then(|| format!("{ready}/{}", nodes.len()));
    let endpoints = counted.then(|| format!("{attached}/{selected}"));
    let alerts = alerts_24h.map(|alerts| alerts.to_string());
    BTreeMap::from([(crds::NODES_READY, nodes), (crds::ENDPOINTS, endpoints), (crds::ALERTS, alerts)])
}

/// Whether the selectors of an inspection can be read. Its reason is `InvalidSelector`, its message has the field, the place and the repair.
pub fn accepted(spec: &InspectionSpec) -> Verdict {
    match spec.selectors() {
        Ok(_) => Verdict::yes("Accepted", "Valid", "selectors are valid"),
        Err((field, error)) => Verdict::no("Accepted", "InvalidSelector", format!("{field}: {error}")),
    }
}

impl Verdict {
    /// Whether the selector of a `DeepPacketInspection` can be read.
    pub fn of_selector(text: Option<&str>) -> Self {
        match Selector::parse(text.unwrap_or_default()) {
            Ok(_) => Self::yes("Accepted", "Valid", "the selector is valid"),
            Err(error) => Self::no("Accepted", "InvalidSelector", format!("spec.selector: {error}")),
        }
    }
}

/// The conditions of a `DeepPacketInspection`: `Accepted` and `Ready`.
pub fn plain_verdicts(selector: Option<&str>, nodes: &[NodeEntry]) -> Vec<Verdict> {
    let accepted = Verdict::of_selector(selector);
    if accepted.holds == Some(false) {
        let why = format!("not accepted: {}", accepted.message);
        return vec![accepted, Verdict::no("Ready", "InvalidSelector", why)];
    }
    if nodes.is_empty() {
        let none = "no node has anything that is selected, or none has said so yet";
        return vec![accepted, Verdict::unknown("Ready", "NothingSelected", none)];
    }
    let ready = match named(nodes, |entry| &entry.node, |entry| !entry.success()) {
        Some(missing) => {
            let failing = nodes.iter().filter(|entry| !entry.success());
            let error = failing.filter_map(|entry| entry.error_conditions.last()).map(|error| error.message.as_str());
            let why = error.into_iter().next().map(|error| format!(": {error}")).unwrap_or_default();
            Verdict::no("Ready", "NodesNotReady", format!("not ready: {missing}{why}"))
        }
        None => {
            let (selected, attached) = added(nodes.iter().filter_map(|entry| entry.endpoints.as_ref()));
            Verdict::yes("Ready", "Inspecting", format!("{attached} of {selected} endpoints are attached"))
        }
    };
    vec![accepted, ready]
}

/// The conditions of an inspection: `Accepted`, `RulesLoaded`, `Attached` and, of these, `Ready`. `generation`: of the resource; reports about
/// another one are not news.
pub fn verdicts(spec: &InspectionSpec, generation: Option<i64>, reports: &[NodeReport]) -> Vec<Verdict> {
    let node: fn(&NodeReport) -> &str = |report| &report.node;
    let accepted = accepted(spec);
    if accepted.holds == Some(false) {
        let why = format!("not accepted: {}", accepted.message);
        return vec![accepted, Verdict::no("Ready", "InvalidSelector", why)];
    }
    let old = named(reports, node, |report| report.observed_generation != generation);
    if let Some(old) = old {
        let waiting = |kind| Verdict::unknown(kind, "Pending", format!("not taken up yet by {old}"));
        return vec![accepted, waiting("RulesLoaded"), waiting("Attached"), waiting("Ready")];
    }
    if reports.is_empty() {
        let none = "no node has anything that is selected";
        return vec![accepted, Verdict::unknown("Ready", "NothingSelected", none)];
    }
    let rules = match named(reports, node, |report| report.rules.loaded == 0) {
        Some(nodes) => Verdict::no("RulesLoaded", "NoRules", format!("no rules are loaded on {nodes}")),
        None => {
            let rejected: i64 = reports.iter().map(|report| i64::from(report.rules.rejected)).max().unwrap_or_default();
            match rejected {
                0 => Verdict::yes("RulesLoaded", "AllLoaded", "all rules are loaded"),
                some => Verdict::yes(
                    "RulesLoaded",
                    "SomeRejected",
                    format!("{some} rules are left out; the agent's log says why"),
                ),
            }
        }
    };
    let (selected, attached) = endpoints(reports);
    let held = match named(reports, node, |report| report.endpoints.attached < report.endpoints.selected) {
        Some(nodes) => {
            let error =
                reports.iter().filter_map(|report| report.errors.last()).map(|error| error.message.as_str()).next();
            let why = error.map(|error| format!(": {error}")).unwrap_or_default();
            Verdict::no(
                "Attached",
                "NotAttached",
                format!("{attached} of {selected} endpoints are attached; missing on {nodes}{why}"),
            )
        }
        None => Verdict::yes("Attached", "AllAttached", format!("{attached} of {selected} endpoints are attached")),
    };
    let missing = [&rules, &held].into_iter().find(|verdict| verdict.holds == Some(false));
    let ready = match (missing, named(reports, node, |report| !report.ready)) {
        (Some(verdict), _) => Verdict::no("Ready", verdict.reason, verdict.message.clone()),
        (None, Some(nodes)) => Verdict::no("Ready", "NodesNotReady", format!("not ready: {nodes}")),
        (None, None) => Verdict::yes("Ready", "Inspecting", held.message.clone()),
    };
    vec![accepted, rules, held, ready]
}

fn endpoints(reports: &[NodeReport]) -> (i64, i64) {
    added(reports.iter().map(|report| &report.endpoints))
}

/// Selected and attached of several nodes.
fn added<'a>(counts: impl Iterator<Item = &'a Counts>) -> (i64, i64) {
    counts.fold((0, 0), |(selected, attached), node| {
        (selected + i64::from(node.selected), attached + i64::from(node.attached))
    })
}

/// The nodes that something is true of, a few by name.
fn named<T>(said: &[T], node: fn(&T) -> &str, is: impl Fn(&T) -> bool) -> Option<String> {
    let nodes: Vec<&str> = said.iter().filter(|one| is(one)).map(node).collect();
    let first = nodes.get(..nodes.len().min(NAMED)).filter(|first| !first.is_empty())?.join(", ");
    let rest = nodes.len().saturating_sub(NAMED);
    Some(if rest > 0 { format!("{first} and {rest} more") } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Active, ErrorCondition, NodeEntry, NodeError, RulesReport, Workloads};

    fn spec() -> InspectionSpec {
        InspectionSpec { workloads: Some(Workloads::default()), ..InspectionSpec::default() }
    }

    fn report(node: &str, attached: i32, selected: i32, loaded: i32) -> NodeReport {
        NodeReport {
            node: node.into(),
            observed_generation: Some(2),
            ready: attached == selected && loaded > 0,
            endpoints: Counts { selected, attached },
            rules: RulesReport { loaded, ..RulesReport::default() },
            ..NodeReport::default()
        }
    }

    fn ready(reports: &[NodeReport]) -> (Option<bool>, &'static str, String) {
        let verdict = verdicts(&spec(), Some(2), reports).pop().unwrap();
        assert_eq!(verdict.kind, "Ready");
        (verdict.holds, verdict.reason, verdict.message)
    }

    #[test]
    fn ready_says_why_not() {
        let well = report("n1", 2, 2, 4000);
        assert_eq!(
            ready(std::slice::from_ref(&well)),
            (Some(true), "Inspecting", "2 of 2 endpoints are attached".into())
        );
        assert_eq!(ready(&[]).1, "NothingSelected");
        let mut missing = report("n2", 1, 3, 4000);
        missing.errors.push(NodeError { message: "no interface".into(), ..NodeError::default() });
        let (holds, reason, message) = ready(&[well.clone(), missing]);
        assert_eq!((holds, reason), (Some(false), "NotAttached"));
        assert_eq!(message, "3 of 5 endpoints are attached; missing on n2: no interface");
        let bare: Vec<NodeReport> = (0..5).map(|node| report(&format!("n{node}"), 1, 1, 0)).collect();
        assert_eq!(ready(&bare), (Some(false), "NoRules", "no rules are loaded on n0, n1, n2 and 2 more".into()));
        let old = NodeReport { observed_generation: Some(1), ..well };
        assert_eq!(ready(&[old]), (None, "Pending", "not taken up yet by n1".into()));
    }

    #[test]
    fn an_invalid_selector_is_told_with_its_place() {
        let spec = InspectionSpec { node_selector: Some("zone = 'a'".into()), ..spec() };
        let verdicts = verdicts(&spec, Some(2), &[report("n1", 1, 1, 1)]);
        let [accepted, ready] = verdicts.as_slice() else { panic!("{verdicts:?}") };
        assert_eq!((accepted.holds, accepted.reason), (Some(false), "InvalidSelector"));
        assert_eq!(accepted.message, "spec.nodeSelector: a single `=` at byte 5; write `==`");
        assert_eq!(ready.holds, Some(false));
        assert_eq!(Verdict::of_selector(Some("app")).reason, "InvalidSelector");
        assert_eq!(Verdict::of_selector(None).holds, Some(true));
    }

    #[test]
    fn calicos_resource_has_conditions_too() {
        let entry = |node: &str, success, errors: &[&str]| NodeEntry {
            node: node.into(),
            active: Some(Active { success, last_updated: None }),
            endpoints: Some(Counts { selected: 2, attached: if success { 2 } else { 1 } }),
            error_conditions: errors
                .iter()
                .map(|message| ErrorCondition { message: (*message).into(), last_updated: None })
                .collect(),
        };
        let ready = |selector: &str, nodes: &[NodeEntry]| {
            let verdict = plain_verdicts(Some(selector), nodes).pop().unwrap();
            (verdict.holds, verdict.reason, verdict.message)
        };
        let wrong = ready("app == \"x\" &&", &[entry("n1", true, &[])]);
        assert_eq!((wrong.0, wrong.1), (Some(false), "InvalidSelector"));
        assert!(wrong.2.contains("byte"), "{}", wrong.2);
        assert_eq!(ready("all()", &[]).1, "NothingSelected");
        let both = [entry("n1", true, &[]), entry("n2", true, &[])];
        assert_eq!(ready("", &both), (Some(true), "Inspecting", "4 of 4 endpoints are attached".into()));
        let one = [entry("n1", true, &["a rule is left out"]), entry("n2", false, &["old", "no interface"])];
        assert_eq!(ready("", &one), (Some(false), "NodesNotReady", "not ready: n2: no interface".into()));
    }

    #[test]
    fn rejected_rules_are_told_and_do_not_hurt() {
        let mut one = report("n1", 1, 1, 4000);
        one.rules.rejected = 2;
        let verdicts = verdicts(&spec(), Some(2), &[one]);
        let rules = verdicts.iter().find(|verdict| verdict.kind == "RulesLoaded").unwrap();
        assert_eq!((rules.holds, rules.reason), (Some(true), "SomeRejected"));
        assert_eq!(verdicts.last().unwrap().holds, Some(true));
    }

    #[test]
    fn tables_show_what_holds_of_what_should() {
        let all = summary(&[report("n1", 2, 2, 1), report("n2", 1, 3, 1)], Some(7));
        assert_eq!((all.nodes.as_str(), all.endpoints.as_str(), all.alerts_24h), ("1/2", "3/5", Some(7)));
        let entry = |success, endpoints| NodeEntry {
            active: Some(Active { success, last_updated: None }),
            endpoints,
            ..NodeEntry::default()
        };
        let counts = |attached, selected| Some(Counts { selected, attached });
        let nodes = vec![entry(true, counts(8, 8)), entry(false, counts(3, 4)), NodeEntry::default()];
        let written = annotations(Some(&DeepPacketInspectionStatus { nodes, conditions: Vec::new() }), Some(0));
        assert_eq!(written["tapir.dev/nodes-ready"].as_deref(), Some("1/3"));
        assert_eq!(written["tapir.dev/endpoints"].as_deref(), Some("11/12"));
        assert_eq!(written["tapir.dev/alerts-24h"].as_deref(), Some("0"));
        // Where the definition is Calico's nobody counts.
        let written = annotations(
            Some(&DeepPacketInspectionStatus { nodes: vec![entry(true, None)], ..Default::default() }),
            None,
        );
        assert_eq!(written["tapir.dev/endpoints"], None);
        assert_eq!(annotations(None, None).into_values().collect::<Vec<_>>(), [None, None, None]);
    }
}
