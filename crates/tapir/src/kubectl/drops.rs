//! `kubectl tapir drops`: what nodes lost, as their last heartbeats told the manager.
//!
//! *Invariants*: what the kernel could not hand over stands apart from everything else that was lost; nothing is left out of either.

use crate::alerts::client::Client;
use crate::alerts::failure::Failure;
use crate::alerts::model::read;
use crate::alerts::output::Output;
use crate::alerts::readable::readable;
use crate::alerts::table::{Cell, Look, age};
use crate::args::alerts::{CommonArgs, Form};
use crate::identity::wall_clock;
use crate::message::Messages;
use serde::Deserialize;
use std::collections::BTreeMap;
use tapir_packet::Timestamp;
use tapir_telemetry::Counter;

/// Nodes as the manager has them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Nodes {
    items: Vec<Node>,
}

/// A node. What is absent is empty, so that an older or newer manager is read, too.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Node {
    name: String,
    version: String,
    last_heartbeat: String,
    alive: bool,
    packets: u64,
    drops: BTreeMap<String, u64>,
    endpoints: u64,
    rules: u64,
}

/// Prints them.
pub fn run(args: &CommonArgs, messages: &Messages) -> Result<u8, Failure> {
    let client = Client::new(args)?;
    if client.is_in_the_clear() {
        messages.warning(&format!("the token goes to {} in the clear; use https://", client.server));
    }
    let answer = client.get(&["nodes"], &[])?;
    let mut output = Output::new(args.output, args.no_headers);
    let nodes: Nodes = read(&answer)?;
    if !output.answer(&answer)? {
        print(&nodes, args.output, &mut output)?;
    }
    output.flush()?;
    let silent = nodes.items.iter().filter(|node| !node.alive).count();
    if nodes.items.is_empty() {
        messages.info("the manager has heard of no node; agents report within ten seconds of their start");
    } else if silent > 0 {
        messages.warning(&format!("{silent} of {} nodes are silent: their numbers are old", nodes.items.len()));
    }
    Ok(0)
}

fn print(nodes: &Nodes, form: Form, output: &mut Output) -> Result<(), Failure> {
    if form == Form::Name {
        for node in &nodes.items {
            output.line(format!("node/{}", readable(&node.name)))?;
        }
        return Ok(());
    }
    if nodes.items.is_empty() {
        return Ok(());
    }
    let (wide, now) = (form == Form::Wide, wall_clock());
    let rows: Vec<_> = nodes.items.iter().map(|node| row(node, wide, now)).collect();
    let text = output.table(&heads(wide)).rows(&rows);
    output.text(&text)
}

fn heads(wide: bool) -> Vec<&'static str> {
    let mut heads = vec!["NODE", "PACKETS", "KERNEL DROPS", "OTHER LOSSES", "HEARTBEAT"];
    if wide {
        heads.extend(["PODS", "RULES", "VERSION", "BY REASON"]);
    }
    heads
}

fn row(node: &Node, wide: bool, now: Timestamp) -> Vec<Cell> {
    let kernel = node.drops.get(Counter::KernelDrops.name()).copied().unwrap_or(0);
    let all = node.drops.values().fold(0_u64, |all, one| all.saturating_add(*one));
    let look = |count: u64| if count > 0 { Look::Yellow } else { Look::Plain };
    let (kernel_look, other) = (look(kernel), all.saturating_sub(kernel));
    let mut cells = vec![
        Cell::new(&node.name),
        Cell::new(node.packets.to_string()),
        Cell::looking(share(kernel, node.packets), kernel_look),
        Cell::looking(other.to_string(), look(other)),
        Cell::looking(age(&node.last_heartbeat, now), if node.alive { Look::Plain } else { Look::Red }),
    ];
    if wide {
        let reasons: Vec<String> = node.drops.iter().map(|(name, count)| format!("{name}={count}")).collect();
        cells.extend([
            Cell::new(node.endpoints.to_string()),
            Cell::new(node.rules.to_string()),
            Cell::new(&node.version),
            Cell::new(reasons.join(" ")),
        ]);
    }
    cells
}

/// A count, and its share of what the kernel had: `12 (0.1%)`.
#[allow(clippy::cast_precision_loss, reason = "a share for people")]
fn share(dropped: u64, packets: u64) -> String {
    if dropped == 0 {
        return "0".to_owned();
    }
    let percent = dropped as f64 * 100.0 / (packets as f64 + dropped as f64);
    if percent < 0.1 { format!("{dropped} (<0.1%)") } else { format!("{dropped} ({percent:.1}%)") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::table::Table;

    #[test]
    fn kernel_drops_stand_apart_from_other_losses() {
        let now = tapir_event::parse_rfc3339("2026-11-24T03:12:07Z").unwrap();
        let nodes: Nodes = read(&serde_json::json!({ "silent_after": 120, "items": [
            { "name": "n1", "version": "0.1.0", "last_heartbeat": "2026-11-24T03:12:00Z", "alive": true, "packets": 990,
              "drops": { "kernel_drops": 10, "flows_evicted": 3, "events_before_spool": 1 }, "endpoints": 4, "rules": 4000 },
            { "name": "n2\u{202e}", "last_heartbeat": "2026-11-24T02:00:00Z", "packets": 5, "unheard": "of" },
        ] }))
        .unwrap();
        let show = |wide| {
            let rows: Vec<_> = nodes.items.iter().map(|node| row(node, wide, now)).collect();
            Table::new(&heads(wide), false, false).rows(&rows)
        };
        insta::assert_snapshot!(show(false), @r"
        NODE         PACKETS   KERNEL DROPS   OTHER LOSSES   HEARTBEAT
        n1           990       10 (1.0%)      4              7s
        n2\u{202e}   5         0              0              72m
        ");
        insta::assert_snapshot!(show(true), @r"
        NODE         PACKETS   KERNEL DROPS   OTHER LOSSES   HEARTBEAT   PODS   RULES   VERSION   BY REASON
        n1           990       10 (1.0%)      4              7s          4      4000    0.1.0     events_before_spool=1 flows_evicted=3 kernel_drops=10
        n2\u{202e}   5         0              0              72m         0      0       -         -
        ");
        assert_eq!(
            (share(1, 1_000_000), share(1, 0), share(u64::MAX, u64::MAX)),
            ("1 (<0.1%)".into(), "1 (100.0%)".into(), format!("{} (50.0%)", u64::MAX))
        );
    }
}
