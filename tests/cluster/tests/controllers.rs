//! With controllers: a DaemonSet makes one pod for each node, and what belongs to something deleted goes with it.
//!
//! Needs `TAPIR_ENVTEST` with kube-controller-manager in it; `make cluster-test` sees to both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tapir_cluster::{Cluster, Options};

const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn eventually<T: std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> Result<(), T>) {
    let begin = Instant::now();
    while let Err(found) = ask() {
        assert!(begin.elapsed() < PATIENCE, "{what}: {found:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Nodes that pods want to go to.
fn wanted(cluster: &Cluster) -> BTreeSet<String> {
    let pods = cluster.admin().kubectl_json(&["get", "pods", "--namespace", "tapir"]).unwrap();
    let node = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    let items = pods["items"].as_array().unwrap();
    items.iter().map(|pod| pod.pointer(node).and_then(Value::as_str).unwrap_or("?").to_owned()).collect()
}

#[test]
fn a_daemon_set_has_a_pod_for_each_node_and_takes_them_along() {
    let begin = Instant::now();
    let options = Options { controllers: true, ..Options::default() };
    let Some(cluster) = Cluster::start_if_asked(options).unwrap_or_else(|error| panic!("{error}")) else { return };
    println!("a cluster with controllers in {:.1} s", begin.elapsed().as_secs_f64());
    cluster.kubectl(&["create", "namespace", "tapir"]).unwrap();
    let add = |name: &str| {
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
        cluster.admin().apply(&node.to_string()).unwrap();
        // No kubelet says that it is ready, and nothing else would take this away.
        cluster.kubectl(&["taint", "node", name, "node.kubernetes.io/not-ready-"]).unwrap();
    };
    add("worker-1");
    add("worker-2");
    let labels = json!({ "app": "agent" });
    let set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "agent", "namespace": "tapir" },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "agent", "image": "tapir", "securityContext": { "privileged": true } }] },
            },
        },
    });
    eventually("pods may be made, when there is a default service account", || {
        cluster.kubectl(&["get", "serviceaccount", "--namespace", "tapir", "default"]).map(drop)
    });
    cluster.admin().apply(&set.to_string()).unwrap();
    let expect = |names: &[&str]| {
        let names: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
        eventually("a pod for each node", || {
            let found = wanted(&cluster);
            if found == names { Ok(()) } else { Err(found) }
        });
    };
    expect(&["worker-1", "worker-2"]);
    add("worker-3");
    expect(&["worker-1", "worker-2", "worker-3"]);
    cluster.kubectl(&["delete", "daemonset", "--namespace", "tapir", "agent"]).unwrap();
    expect(&[]);
    // And a namespace ends with all that is in it.
    cluster.kubectl(&["create", "configmap", "--namespace", "tapir", "some"]).unwrap();
    cluster.kubectl(&["delete", "namespace", "tapir", "--timeout=30s"]).unwrap();
    assert!(cluster.kubectl(&["get", "namespace", "tapir"]).unwrap_err().to_string().contains("NotFound"));
}
