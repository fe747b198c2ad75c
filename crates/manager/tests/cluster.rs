//! Sign-in with the tokens and permissions of a cluster, asked of a real API server.
//!
//! Needs `TAPIR_ENVTEST`; `make cluster-test` builds what it names and sets it. What a server may answer besides is in
//! `kubernetes.rs`, with a mock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{PATIENCE, Reply, Served, event};
use tapir_cluster::{Cluster, Options};
use tapir_event::{SecurityEvent, Workload};
use tapir_manager::{GROUP, KubernetesConfig};

/// How long the manager holds what the cluster said.
const KNOWN: Duration = Duration::from_millis(500);
/// How long the API server itself holds that a token is good.
const SERVER_KNOWS: Duration = Duration::from_secs(10);

struct Setup {
    cluster: Cluster,
    served: Served,
}

impl Setup {
    /// A manager of the service account `manager`, and a namespace `team` with the accounts `ann` and `bob`.
    async fn new(may_ask: bool) -> Option<Self> {
        let cluster = Cluster::start_if_asked(Options::default()).unwrap_or_else(|error| panic!("{error}"))?;
        for namespace in ["tapir", "team", "shop", "bank"] {
            kubectl(&cluster, &format!("create namespace {namespace}"));
        }
        kubectl(&cluster, "create serviceaccount --namespace tapir manager");
        kubectl(&cluster, "create serviceaccount --namespace tapir agent");
        kubectl(&cluster, "create serviceaccount --namespace team ann");
        kubectl(&cluster, "create serviceaccount --namespace team bob");
        if may_ask {
            let role = "--clusterrole=system:auth-delegator --serviceaccount=tapir:manager";
            kubectl(&cluster, &format!("create clusterrolebinding tapir-asks {role}"));
        }
        let roles = json!({ "apiVersion": "v1", "kind": "List", "items": [
            role("ClusterRole", "alerts-viewer", &[("alerts", &["list"])]),
            role("ClusterRole", "alerts-triager", &[("alerts", &["list", "update"]), ("suppressions", &["create"])]),
            role("ClusterRole", "agent", &[("events", &["create"])]),
        ] });
        cluster.admin().apply(&roles.to_string()).unwrap();
        let served = Served::with(|manager| {
            let token = manager.data_dir.parent().unwrap().join("own-token");
            std::fs::write(&token, cluster.token("tapir", "manager", &[]).unwrap()).unwrap();
            manager.kubernetes = Some(KubernetesConfig {
                server: cluster.url().to_owned(),
                token: Some(token),
                authorities: Some(cluster.authority()),
                audiences: Vec::new(),
            });
            manager.limits.known = KNOWN;
        })
        .await;
        served.ingest(&[between(1, "shop"), between(2, "bank")]).await.ok();
        Some(Self { cluster, served })
    }

    async fn call(&self, method: &str, path: &str, token: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.served.call(method, &format!("/api/v1/{path}"), &headers, body.as_bytes()).await
    }

    /// Rules whose events he sees, or the status of the refusal.
    async fn sees(&self, token: &str) -> Result<Vec<u64>, u16> {
        let reply = self.call("GET", "events", token, &Value::Null).await;
        if reply.status != 200 {
            reply.problem(reply.status);
            return Err(reply.status);
        }
        let mut sids: Vec<_> =
            reply.json()["items"].as_array().unwrap().iter().map(|row| row["sid"].as_u64().unwrap()).collect();
        sids.sort_unstable();
        Ok(sids)
    }

    /// Asks until he sees that; how long it took.
    async fn comes_to_see(&self, token: &str, wanted: Result<Vec<u64>, u16>, patience: Duration) -> Duration {
        let begin = Instant::now();
        loop {
            let found = self.sees(token).await;
            if found == wanted {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < patience, "{found:?} instead of {wanted:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn kubectl(cluster: &Cluster, words: &str) -> String {
    cluster.kubectl(&words.split(' ').collect::<Vec<_>>()).unwrap_or_else(|error| panic!("{error}"))
}

fn bind(cluster: &Cluster, namespace: &str, role: &str, account: &str) {
    let name = format!("{role}-{account}");
    let who = format!("--clusterrole={role} --serviceaccount=team:{account}");
    kubectl(cluster, &format!("create rolebinding --namespace {namespace} {name} {who}"));
}

fn role(kind: &str, name: &str, rules: &[(&str, &[&str])]) -> Value {
    let rules: Vec<Value> = rules
        .iter()
        .map(|(resource, verbs)| json!({ "apiGroups": [GROUP], "resources": [resource], "verbs": verbs }))
        .collect();
    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name }, "rules": rules })
}

/// Rule 101 in `shop`, 102 in `bank`, of a client outside.
fn between(seq: u64, namespace: &str) -> SecurityEvent {
    let mut event = event(seq, 100 + u32::try_from(seq).unwrap(), "192.0.2.1", 60);
    event.server = Some(Workload {
        namespace: namespace.into(),
        pod: "server-77b88cc7cb-nwx6t".into(),
        owner_kind: "Deployment".into(),
        owner_name: "server".into(),
        ..Workload::default()
    });
    event.inspection = None;
    event
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[tokio::test]
async fn a_service_account_sees_the_namespaces_of_its_roles_as_long_as_it_has_them() {
    let Some(setup) = Setup::new(true).await else { return };
    let Setup { cluster, .. } = &setup;
    bind(cluster, "shop", "alerts-viewer", "ann");
    let ann = cluster.token("team", "ann", &[]).unwrap();
    let bob = cluster.token("team", "bob", &[]).unwrap();
    let patience = KNOWN + PATIENCE;

    // Who has a role, where he has it; who has none, nothing.
    setup.comes_to_see(&ann, Ok(vec![101]), patience).await;
    assert_eq!(setup.sees(&bob).await, Err(403));
    let me = setup.call("GET", "me", &ann, &Value::Null).await.ok();
    assert_eq!((&me["user"], &me["how"]), (&json!("system:serviceaccount:team:ann"), &json!("kubernetes")));
    assert_eq!(me["reach"], json!({ "read": ["shop"], "act": [], "tune": [] }));
    let groups = setup.served.get("/api/v1/groups").await.ok();
    for group in groups["items"].as_array().unwrap() {
        let (id, shop) = (group["id"].as_str().unwrap(), group["sid"] == 101);
        let found = setup.call("GET", &format!("groups/{id}"), &ann, &Value::Null).await;
        assert_eq!(found.status, if shop { 200 } else { 404 }, "{group}");
        let act = json!({ "ids": [id], "action": "acknowledge" });
        setup.call("POST", "groups/actions", &ann, &act).await.problem(403);
    }

    // What is given and taken is seen after `KNOWN`.
    bind(cluster, "bank", "alerts-triager", "ann");
    let given = setup.comes_to_see(&ann, Ok(vec![101, 102]), patience).await;
    kubectl(cluster, "delete rolebinding --namespace shop alerts-viewer-ann");
    let taken = setup.comes_to_see(&ann, Ok(vec![102]), patience).await;
    println!("a role that is given is seen after {given:?}, one that is taken after {taken:?} (held for {KNOWN:?})");
    let me = setup.call("GET", "me", &ann, &Value::Null).await.ok();
    assert_eq!(me["reach"], json!({ "read": ["bank"], "act": ["bank"], "tune": ["bank"] }));
    kubectl(cluster, "delete rolebinding --namespace bank alerts-triager-ann");
    setup.comes_to_see(&ann, Err(403), patience).await;

    // In all namespaces.
    kubectl(cluster, "create clusterrolebinding all --clusterrole=alerts-viewer --serviceaccount=team:bob");
    setup.comes_to_see(&bob, Ok(vec![101, 102]), patience).await;
    assert_eq!(setup.call("GET", "me", &bob, &Value::Null).await.ok()["can"]["act"], false);
    // An account that is deleted is nobody.
    kubectl(cluster, "delete serviceaccount --namespace team bob");
    setup.comes_to_see(&bob, Err(401), patience + SERVER_KNOWS).await;
}

#[tokio::test]
async fn a_role_of_the_incumbent_on_events_shows_all_alerts_and_gives_nothing_else() {
    let Some(setup) = Setup::new(true).await else { return };
    let Setup { cluster, .. } = &setup;
    let of = |name: &str, resource: &str, names: &[&str]| {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name }, "rules": [
            { "apiGroups": ["lma.tigera.io"], "resources": [resource], "resourceNames": names, "verbs": ["get"] },
        ] })
    };
    let roles = json!({ "apiVersion": "v1", "kind": "List", "items": [
        of("all-logs", "*", &["flows", "audit*", "events", "dns"]),
        of("events", "cluster", &["events"]),
        of("flows", "cluster", &["flows"]),
        of("of-another-cluster", "managed-1", &["events"]),
    ] });
    cluster.admin().apply(&roles.to_string()).unwrap();
    let patience = KNOWN + PATIENCE;
    let ann = cluster.token("team", "ann", &[]).unwrap();
    let everywhere = |role: &str| {
        kubectl(cluster, &format!("create clusterrolebinding {role} --clusterrole={role} --serviceaccount=team:ann"));
    };
    for role in ["flows", "of-another-cluster"] {
        everywhere(role);
        tokio::time::sleep(2 * KNOWN).await;
        assert_eq!(setup.sees(&ann).await, Err(403), "{role}");
    }
    for role in ["events", "all-logs"] {
        everywhere(role);
        setup.comes_to_see(&ann, Ok(vec![101, 102]), patience).await;
        let me = setup.call("GET", "me", &ann, &Value::Null).await.ok();
        assert_eq!((&me["can"]["act"], &me["can"]["tune"]), (&json!(false), &json!(false)), "{role}: {me}");
        kubectl(cluster, &format!("delete clusterrolebinding {role}"));
        setup.comes_to_see(&ann, Err(403), patience).await;
    }
    // With a role of ours beside it he decides, where that one says.
    everywhere("events");
    bind(cluster, "shop", "alerts-triager", "ann");
    setup.comes_to_see(&ann, Ok(vec![101, 102]), patience).await;
    let deadline = Instant::now() + patience;
    loop {
        let me = setup.call("GET", "me", &ann, &Value::Null).await.ok();
        if me["reach"]["act"] == json!(["shop"]) {
            break;
        }
        assert!(Instant::now() < deadline, "{me}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn tokens_that_are_no_more_or_for_others_are_refused_and_trouble_is_not_taken_for_a_no() {
    let Some(setup) = Setup::new(true).await else { return };
    let Setup { cluster, .. } = &setup;
    bind(cluster, "shop", "alerts-viewer", "ann");
    let signed = |from: i64, until: i64| cluster.token_of_time("team", "ann", from, until).unwrap();
    let good = signed(now() - 60, now() + 600);
    setup.comes_to_see(&good, Ok(vec![101]), KNOWN + PATIENCE).await;
    // The same but for its time.
    assert_eq!(setup.sees(&signed(now() - 7_200, now() - 60)).await, Err(401));
    assert_eq!(setup.sees(&signed(now() + 600, now() + 7_200)).await, Err(401));
    // The same but for its signature, its audience; and one of somebody who signs for himself.
    let (head, signature) = good.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    assert_eq!(setup.sees(&format!("{head}.{turned}")).await, Err(401));
    assert_eq!(setup.sees(&cluster.token("team", "ann", &["--audience", "vault"]).unwrap()).await, Err(401));
    assert_eq!(setup.sees("a.b.c").await, Err(401));

    // Without the API server nobody is let in, nobody is turned away; back on the same address all is as it was.
    cluster.stop_api_server();
    tokio::time::sleep(KNOWN).await;
    assert_eq!(setup.sees(&good).await, Err(503));
    setup.served.get("/api/v1/groups").await.ok();
    cluster.start_api_server().unwrap();
    setup.comes_to_see(&good, Ok(vec![101]), KNOWN + PATIENCE).await;
    cluster.cut_connections();
    tokio::time::sleep(KNOWN).await;
    setup.comes_to_see(&good, Ok(vec![101]), PATIENCE).await;
}

#[tokio::test]
async fn an_agent_speaks_for_the_node_of_its_pod() {
    let Some(setup) = Setup::new(true).await else { return };
    let Setup { cluster, .. } = &setup;
    kubectl(cluster, "create clusterrolebinding agents --clusterrole=agent --serviceaccount=tapir:agent");
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "worker-3" } });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "agent-x", "namespace": "tapir" },
        "spec": {
            "nodeName": "worker-3",
            "serviceAccountName": "agent",
            "automountServiceAccountToken": false,
            "containers": [{ "name": "agent", "image": "tapir" }],
        },
    });
    cluster.admin().apply(&node.to_string()).unwrap();
    cluster.admin().apply(&pod.to_string()).unwrap();
    let bound = ["--bound-object-kind", "Pod", "--bound-object-name", "agent-x"];
    let agent = cluster.token("tapir", "agent", &bound).unwrap();
    let beat = async |node: &str| setup.call("POST", "heartbeat", &agent, &json!({ "node": node })).await;
    let begin = Instant::now();
    while beat("worker-3").await.status != 200 {
        assert!(begin.elapsed() < PATIENCE, "{}", beat("worker-3").await.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    beat("worker-4").await.problem(403);
    let mut other = event(8, 1, "192.0.2.1", 10);
    other.id.node = "worker-4".into();
    let lines = [event(7, 1, "192.0.2.1", 10), other].map(|event| serde_json::to_string(&event).unwrap()).join("\n");
    let bearer = format!("Bearer {agent}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    let taken = setup.served.call("POST", "/api/v1/ingest", &headers, lines.as_bytes()).await.ok();
    assert_eq!((&taken["stored"], &taken["rejected_count"]), (&json!(1), &json!(1)));
    assert_eq!(setup.sees(&agent).await, Err(403));
}

#[tokio::test]
async fn a_manager_that_may_not_ask_says_so_and_lets_nobody_in() {
    let Some(setup) = Setup::new(false).await else { return };
    bind(&setup.cluster, "shop", "alerts-viewer", "ann");
    let ann = setup.cluster.token("team", "ann", &[]).unwrap();
    assert_eq!(setup.sees(&ann).await, Err(503));
    setup.served.get("/api/v1/groups").await.ok();
}
