//! What the packet path must not pull in, and whether the fuzz workspace's lock file is fresh.
//!
//! *How it fits*: `cargo metadata` tells the resolved graph; dev- and build-dependencies don't count.

use crate::problem::Problem;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The crates that packets pass through before an event exists.
const PACKET_PATH: &[&str] = &[
    "tapir-telemetry",
    "tapir-packet",
    "tapir-pcap",
    "tapir-capture",
    "tapir-flow",
    "tapir-protocol",
    "tapir-rules",
    "tapir-options",
    "tapir-detect",
];

/// No asynchronous runtime, HTTP, JSON or Kubernetes below events. A `*` at the end stands for any rest.
const BANNED: &[&str] = &[
    "tokio*",
    "async-*",
    "smol",
    "futures*",
    "mio",
    "hyper*",
    "http",
    "http-*",
    "h2",
    "axum*",
    "reqwest",
    "ureq*",
    "tonic*",
    "tower*",
    "rustls*",
    "openssl*",
    "native-tls",
    "serde_json",
    "kube*",
    "k8s-openapi",
    "rusqlite",
];

pub(super) fn check(found: &mut Vec<Problem>) {
    match metadata("Cargo.toml") {
        Ok(graph) => {
            for (package, chain) in banned(&graph) {
                found.push(Problem::new(
                    &format!("crates/{}/Cargo.toml", package.trim_start_matches("tapir-")),
                    0,
                    format!(
                        "`{}` is in the tree of `{package}`: {}",
                        chain.last().map_or("", |s| s),
                        chain.join(" > ")
                    ),
                    "the packet path has no async, HTTP, JSON or Kubernetes code; find another way",
                ));
            }
        }
        Err(error) => found.push(Problem::new("Cargo.lock", 0, error, "run `cargo check` and commit Cargo.lock")),
    }
    if let Err(error) = metadata("fuzz/Cargo.toml") {
        let help = "run `cargo metadata --manifest-path fuzz/Cargo.toml >/dev/null` and commit fuzz/Cargo.lock";
        found.push(Problem::new("fuzz/Cargo.lock", 0, error, help));
    }
}

fn metadata(manifest: &str) -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform, "--manifest-path"])
        .arg(crate::tree::root().join(manifest))
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata: {}", text.trim().replace('\n', " ")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// For every crate of the packet path: the way to each banned crate in its tree.
fn banned(graph: &Value) -> Vec<(&'static str, Vec<String>)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<String, String> =
        list(&graph["packages"]).iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let edges: BTreeMap<String, Vec<String>> = list(&graph["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let normal = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            (text(&node["id"]), list(&node["deps"]).iter().filter(normal).map(|dep| text(&dep["pkg"])).collect())
        })
        .collect();
    let mut found = Vec::new();
    for &package in PACKET_PATH {
        let Some((start, _)) = names.iter().find(|(_, name)| *name == package) else { continue };
        let mut seen = BTreeSet::from([start.clone()]);
        let mut open = vec![vec![start.clone()]];
        while let Some(way) = open.pop() {
            for next in way.last().and_then(|last| edges.get(last)).into_iter().flatten() {
                if !seen.insert(next.clone()) {
                    continue;
                }
                let longer: Vec<String> = way.iter().chain([next]).cloned().collect();
                if names.get(next).is_some_and(|name| is_banned(name)) {
                    found.push((package, longer.iter().filter_map(|id| names.get(id).cloned()).collect()));
                } else {
                    open.push(longer);
                }
            }
        }
    }
    found
}

fn is_banned(name: &str) -> bool {
    BANNED.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_banned_crate_is_found_through_others_but_not_among_dev_dependencies() {
        let graph = |kind: Value| {
            json!({
                "packages": [
                    {"id": "1", "name": "tapir-flow"}, {"id": "2", "name": "fine"}, {"id": "3", "name": "tokio-util"}
                ],
                "resolve": {"nodes": [
                    {"id": "1", "deps": [{"pkg": "2", "dep_kinds": [{"kind": null}]}]},
                    {"id": "2", "deps": [{"pkg": "3", "dep_kinds": [{"kind": kind}]}]},
                    {"id": "3", "deps": []}
                ]}
            })
        };
        let way = ["tapir-flow", "fine", "tokio-util"].map(str::to_owned).to_vec();
        assert_eq!(banned(&graph(Value::Null)), [("tapir-flow", way)]);
        assert!(banned(&graph(json!("dev"))).is_empty());
    }

    #[test]
    fn names_are_matched_whole_or_by_their_start() {
        assert!(is_banned("serde_json") && is_banned("kube-client") && is_banned("http"));
        assert!(!is_banned("httparse") && !is_banned("serde"));
    }
}
