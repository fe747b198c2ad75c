//! `kubectl tapir status`: how the parts of Tapir are, and how many agents run.
//!
//! *Invariants*: degraded is what the operator calls so, or a part that is not available; a roll-out under way is neither.

use super::cluster::{Cluster, What, block_on, list, pages};
use crate::alerts::failure::Failure;
use crate::alerts::output::Output;
use crate::alerts::readable::readable;
use crate::alerts::table::{Cell, Look, age};
use crate::args::alerts::Form;
use crate::args::kubectl::ClusterArgs;
use crate::identity::wall_clock;
use crate::message::Messages;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;
use serde_json::json;
use tapir_kubernetes::resources::{Condition, TapirStatus};
use tapir_packet::Timestamp;

/// Who belongs to Tapir.
const OURS: &str = "app.kubernetes.io/part-of=tapir";

/// Prints it; 1 if something is degraded.
pub fn run(args: &ClusterArgs, messages: &Messages) -> Result<u8, Failure> {
    let (parts, agents) = block_on(async {
        // Agents have a namespace of their own, which is not that of the context.
        let everywhere = ClusterArgs { all_namespaces: args.namespace.is_none(), ..args.clone() };
        let cluster = Cluster::connect(&everywhere).await?;
        let parts = list(&cluster.whole::<TapirStatus>(), What("tapirstatuses.tapir.dev")).await?;
        let mut agents = Vec::new();
        let take = |page: Vec<DaemonSet>| {
            agents.extend(page.iter().map(Agents::of));
            Ok(())
        };
        pages(&cluster.api::<DaemonSet>(), What("daemonsets.apps"), Some(OURS), take).await?;
        Ok((parts, agents))
    })?;
    let mut output = Output::new(args.output, args.no_headers);
    print(&parts, &agents, args, &mut output)?;
    output.flush()?;
    if parts.is_empty() {
        messages
            .error("there is no TapirStatus: no operator has run here yet; kubectl -n tapir-system get pods says why");
        return Ok(1);
    }
    let bad: Vec<&TapirStatus> = parts.iter().filter(|part| is_degraded(part)).collect();
    for part in &bad {
        let message = part.status.as_ref().map(|status| readable(&status.message)).unwrap_or_default();
        messages.error(&format!("{} is degraded: {message}", readable(name(part))));
    }
    Ok(u8::from(!bad.is_empty()))
}

fn name(part: &TapirStatus) -> &str {
    part.metadata.name.as_deref().unwrap_or_default()
}

fn condition<'p>(part: &'p TapirStatus, kind: &str) -> Option<&'p Condition> {
    part.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
}

fn is_degraded(part: &TapirStatus) -> bool {
    let is = |kind, status| condition(part, kind).is_some_and(|condition| condition.status == status);
    is("Degraded", "True") || is("Available", "False")
}

/// A DaemonSet in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Agents {
    namespace: String,
    name: String,
    desired: i32,
    ready: i32,
    updated: i32,
    unavailable: i32,
    /// On nodes where none should be.
    misscheduled: i32,
    image: String,
}

impl Agents {
    fn of(set: &DaemonSet) -> Self {
        let status = set.status.clone().unwrap_or_default();
        let pod = set.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        let image = pod.and_then(|pod| pod.containers.first()).and_then(|container| container.image.clone());
        Self {
            namespace: set.metadata.namespace.clone().unwrap_or_default(),
            name: set.metadata.name.clone().unwrap_or_default(),
            desired: status.desired_number_scheduled,
            ready: status.number_ready,
            updated: status.updated_number_scheduled.unwrap_or_default(),
            unavailable: status.number_unavailable.unwrap_or_default(),
            misscheduled: status.number_misscheduled,
            image: image.unwrap_or_default(),
        }
    }
}

fn print(parts: &[TapirStatus], agents: &[Agents], args: &ClusterArgs, output: &mut Output) -> Result<(), Failure> {
    if output.answer(&json!({ "items": parts, "daemonSets": agents }))? {
        return Ok(());
    }
    if args.output == Form::Name {
        for part in parts {
            output.line(format!("tapirstatus.tapir.dev/{}", readable(name(part))))?;
        }
        return Ok(());
    }
    if !parts.is_empty() {
        let now = wall_clock();
        let rows: Vec<_> = parts.iter().map(|part| part_row(part, now)).collect();
        let text = output.table(&PART_HEADS).rows(&rows);
        output.text(&text)?;
    }
    if !agents.is_empty() {
        let wide = args.output == Form::Wide;
        let rows: Vec<_> = agents.iter().map(|one| agents_row(one, wide)).collect();
        let text = output.table(&agents_heads(wide)).rows(&rows);
        output.line("")?;
        output.text(&text)?;
    }
    Ok(())
}

const PART_HEADS: [&str; 6] = ["PART", "AVAILABLE", "PROGRESSING", "DEGRADED", "SINCE", "MESSAGE"];

fn part_row(part: &TapirStatus, now: Timestamp) -> Vec<Cell> {
    let cell = |kind: &str, bad: &str| {
        let status = condition(part, kind).map_or("", |condition| condition.status.as_str());
        Cell::looking(status, if status == bad { Look::Red } else { Look::Plain })
    };
    let since = condition(part, "Available").map(|condition| condition.last_transition_time.0.to_string());
    vec![
        Cell::new(name(part)),
        cell("Available", "False"),
        cell("Progressing", ""),
        cell("Degraded", "True"),
        Cell::new(age(&since.unwrap_or_default(), now)),
        Cell::new(part.status.as_ref().map_or("", |status| status.message.as_str())),
    ]
}

fn agents_heads(wide: bool) -> Vec<&'static str> {
    let mut heads = vec!["NAMESPACE", "DAEMONSET", "NODES", "READY", "UPDATED", "UNAVAILABLE"];
    if wide {
        heads.extend(["MISSCHEDULED", "IMAGE"]);
    }
    heads
}

fn agents_row(agents: &Agents, wide: bool) -> Vec<Cell> {
    let ready = if agents.ready < agents.desired { Look::Yellow } else { Look::Plain };
    let mut cells = vec![
        Cell::new(&agents.namespace),
        Cell::new(&agents.name),
        Cell::new(agents.desired.to_string()),
        Cell::looking(agents.ready.to_string(), ready),
        Cell::new(agents.updated.to_string()),
        Cell::new(agents.unavailable.to_string()),
    ];
    if wide {
        cells.extend([Cell::new(agents.misscheduled.to_string()), Cell::new(&agents.image)]);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::table::Table;

    fn part(name: &str, available: &str, degraded: &str, message: &str) -> TapirStatus {
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-11-24T03:12:07Z"});
        serde_json::from_value(json!({
            "metadata": {"name": name}, "spec": {},
            "status": {"message": message, "conditions": [
                condition("Available", available), condition("Progressing", "True"), condition("Degraded", degraded),
            ]},
        }))
        .unwrap()
    }

    #[test]
    fn a_part_is_degraded_by_its_conditions() {
        assert!(!is_degraded(&part("inspection", "True", "False", "")));
        assert!(!is_degraded(&part("inspection", "Unknown", "False", "")), "at first nobody knows");
        assert!(is_degraded(&part("inspection", "True", "True", "")));
        assert!(is_degraded(&part("manager", "False", "False", "")));
    }

    #[test]
    fn parts_and_agents_are_tables() {
        let now = tapir_event::parse_rfc3339("2026-11-24T04:12:07Z").unwrap();
        let rows = [
            part_row(&part("inspection", "True", "False", "2 of 3 agents run"), now),
            part_row(&part("manager", "False", "True", "no\u{1b}[2J answer"), now),
        ];
        insta::assert_snapshot!(Table::new(&PART_HEADS, false, false).rows(&rows), @r"
        PART         AVAILABLE   PROGRESSING   DEGRADED   SINCE   MESSAGE
        inspection   True        True          False      60m     2 of 3 agents run
        manager      False       True          True       60m     no\x1b[2J answer
        ");
        let set: DaemonSet = serde_json::from_value(json!({
            "metadata": {"name": "tigera-dpi", "namespace": "tigera-dpi"},
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": "r.example/tapir:1"}]}}},
            "status": {"currentNumberScheduled": 3, "desiredNumberScheduled": 3, "numberReady": 2, "numberMisscheduled": 0,
                "numberUnavailable": 1, "updatedNumberScheduled": 3},
        }))
        .unwrap();
        let rows = [agents_row(&Agents::of(&set), true)];
        insta::assert_snapshot!(Table::new(&agents_heads(true), false, false).rows(&rows), @r"
        NAMESPACE    DAEMONSET    NODES   READY   UPDATED   UNAVAILABLE   MISSCHEDULED   IMAGE
        tigera-dpi   tigera-dpi   3       2       3         1             0              r.example/tapir:1
        ");
    }
}
