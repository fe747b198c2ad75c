//! Tokens and permissions of a cluster, with a mock API server: who sees which namespaces' alerts, in every call.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::mock::{Asked, Mock, Say};
use support::{Reply, Served, event};
use tapir_event::{SecurityEvent, Workload};
use tapir_manager::KubernetesConfig;

/// What the mock knows: (user, verb, resource, namespace) that are allowed; namespace "" is all.
type Rules = Arc<Mutex<BTreeSet<(String, String, String, String)>>>;

fn token(user: &str) -> String {
    format!("{user}.e30.x")
}

fn api_server(asked: &Asked, rules: &Rules) -> Say {
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.header("authorization"), "Bearer own-token");
    let review: Value = serde_json::from_str(&asked.body).unwrap();
    let spec = &review["spec"];
    let status = match asked.path.as_str() {
        "/apis/authentication.k8s.io/v1/tokenreviews" => {
            assert_eq!(
                (&review["kind"], &review["apiVersion"]),
                (&json!("TokenReview"), &json!("authentication.k8s.io/v1"))
            );
            let user = spec["token"].as_str().unwrap().split('.').next().unwrap();
            if user == "unknown" {
                json!({ "authenticated": false, "error": "invalid bearer token" })
            } else {
                let extra = json!({ "authentication.kubernetes.io/node-name": ["worker-3"] });
                json!({
                    "authenticated": true,
                    "user": { "username": user, "uid": "u1", "groups": ["system:authenticated"], "extra": extra },
                    "audiences": spec.get("audiences").cloned().unwrap_or_else(|| json!(["https://kubernetes.default.svc"])),
                })
            }
        }
        "/apis/authorization.k8s.io/v1/subjectaccessreviews" => {
            let attributes = &spec["resourceAttributes"];
            assert_eq!((&spec["groups"], &spec["uid"]), (&json!(["system:authenticated"]), &json!("u1")));
            let text = |name: &str| attributes[name].as_str().unwrap().to_owned();
            if attributes["group"] == "lma.tigera.io" {
                assert_eq!(
                    (text("namespace"), text("resource"), text("verb")),
                    ("".into(), "cluster".into(), "get".into())
                );
            } else {
                assert_eq!((text("group"), text("name")), (tapir_manager::GROUP.to_owned(), String::new()));
            }
            let key = |namespace: String| {
                (spec["user"].as_str().unwrap().to_owned(), text("verb"), text("resource"), namespace)
            };
            let rules = rules.lock().unwrap();
            json!({ "allowed": rules.contains(&key(text("namespace"))) || rules.contains(&key(String::new())) })
        }
        other => panic!("{other}"),
    };
    Say::new(201, json!({ "kind": review["kind"], "status": status }).to_string())
}

struct Setup {
    served: Served,
    api: Mock,
    rules: Rules,
}

fn config(api: &Mock, served: &std::path::Path) -> KubernetesConfig {
    std::fs::write(served.join("own-token"), "own-token\n").unwrap();
    KubernetesConfig {
        server: api.url(),
        token: Some(served.join("own-token")),
        authorities: None,
        audiences: Vec::new(),
    }
}

impl Setup {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut tapir_manager::Config)) -> Self {
        let rules = Rules::default();
        let known = Arc::clone(&rules);
        let api = Mock::new(move |asked| api_server(asked, &known)).await;
        let served = Served::with(|manager| {
            manager.kubernetes = Some(config(&api, manager.data_dir.parent().unwrap()));
            change(manager);
        })
        .await;
        Self { served, api, rules }
    }

    fn allow(&self, user: &str, verb: &str, resource: &str, namespace: &str) {
        self.rules.lock().unwrap().insert((user.into(), verb.into(), resource.into(), namespace.into()));
    }

    async fn call(&self, user: &str, method: &str, path: &str, body: Value) -> Reply {
        let bearer = format!("Bearer {}", token(user));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.served.call(method, &format!("/api/v1/{path}"), &headers, body.as_bytes()).await
    }

    async fn get(&self, user: &str, path: &str) -> Value {
        self.call(user, "GET", path, Value::Null).await.ok()
    }
}

fn workload(namespace: &str, name: &str) -> Option<Workload> {
    Some(Workload {
        namespace: namespace.into(),
        pod: format!("{name}-77b88cc7cb-nwx6t"),
        owner_kind: "Deployment".into(),
        owner_name: name.into(),
        ..Workload::default()
    })
}

/// Between two sides; `None`: outside of the cluster.
fn between(seq: u64, client: Option<&str>, server: Option<&str>) -> SecurityEvent {
    let mut event = event(seq, 100 + u32::try_from(seq).unwrap(), "192.0.2.1", 60);
    event.client = client.and_then(|namespace| workload(namespace, "client"));
    event.server = server.and_then(|namespace| workload(namespace, "server"));
    event.inspection = None;
    event
}

/// 1: outside → shop; 2: scan → shop; 3: scan → outside; 4: bank → bank; 5: outside → outside.
fn events() -> Vec<SecurityEvent> {
    vec![
        between(1, None, Some("shop")),
        between(2, Some("scan"), Some("shop")),
        between(3, Some("scan"), None),
        between(4, Some("bank"), Some("bank")),
        between(5, None, None),
    ]
}

fn sids(list: &Value) -> Vec<u64> {
    let mut sids: Vec<_> = list["items"].as_array().unwrap().iter().map(|row| row["sid"].as_u64().unwrap()).collect();
    sids.sort_unstable();
    sids
}

#[tokio::test]
async fn every_call_shows_the_alerts_of_ones_namespaces_only() {
    let setup = Setup::new().await;
    setup.served.ingest(&events()).await.ok();
    setup.allow("ann", "list", "alerts", "shop");
    setup.allow("bob", "list", "alerts", "");
    // A word in the query cannot widen it.
    for query in ["", "q=sid:104", "q=sid:104%20OR%20sid:101", "q=namespace:bank", "q=-namespace:shop"] {
        let sids = sids(&setup.get("ann", &format!("groups?{query}")).await);
        assert!(sids.iter().all(|sid| [101, 102].contains(sid)), "{query}: {sids:?}");
    }
    assert_eq!(sids(&setup.get("ann", "groups").await), [101, 102]);
    assert_eq!(sids(&setup.get("ann", "events").await), [101, 102]);
    assert_eq!(sids(&setup.get("bob", "groups").await), [101, 102, 103, 104, 105]);
    assert_eq!(setup.get("ann", "counts").await["open"], 2);
    assert_eq!(setup.get("bob", "counts").await["open"], 5);
    let facets = setup.get("ann", "stats/facets?fields=namespace,sid").await.to_string();
    assert!(facets.contains("shop") && facets.contains("scan") && !facets.contains("bank") && !facets.contains("104"));
    let top = setup.get("ann", "stats/top?field=sid").await;
    assert_eq!(top["items"].as_array().unwrap().len(), 2, "{top}");
    let values = setup.get("ann", "fields/namespace/values").await.to_string();
    assert!(!values.contains("bank"), "{values}");
    let sum = |histogram: Value| -> u64 {
        let buckets = histogram["buckets"].as_array().unwrap().clone();
        buckets
            .iter()
            .map(|b| ["critical", "high", "medium", "low", "info"].map(|l| b[l].as_u64().unwrap()).iter().sum::<u64>())
            .sum()
    };
    assert_eq!(sum(setup.get("ann", "stats/histogram").await), 2);
    assert_eq!(sum(setup.get("bob", "stats/histogram").await), 5);
    // By their ids.
    let all = setup.get("bob", "groups").await;
    for row in all["items"].as_array().unwrap() {
        let (id, sid) = (row["id"].as_str().unwrap(), row["sid"].as_u64().unwrap());
        let seen = [101, 102].contains(&sid);
        for path in [format!("groups/{id}"), format!("groups/{id}/events"), format!("audit?group={id}")] {
            let reply = setup.call("ann", "GET", &path, Value::Null).await;
            assert_eq!(reply.status, if seen { 200 } else { 404 }, "{path}: {}", reply.text());
        }
        let reply = setup.call("ann", "POST", "tuning/preview", json!({ "group": id })).await;
        assert_eq!(reply.status, if seen { 200 } else { 404 }, "{}", reply.text());
    }
    for event in events() {
        let seen = event.rule.sid < 103;
        for call in ["", "/why", "/pcap", "/related"] {
            let reply = setup.call("ann", "GET", &format!("events/{}{call}", event.id), Value::Null).await;
            assert_eq!(reply.status, if seen { 200 } else { 404 }, "{} {call}", event.id);
        }
    }
    // Of all namespaces, or nothing.
    for path in ["nodes", "sinks"] {
        setup.call("ann", "GET", path, Value::Null).await.problem(403);
        setup.get("bob", path).await;
    }
    setup.call("ann", "GET", "audit?by=bob", Value::Null).await.problem(403);
    setup.get("ann", "audit").await;
    let me = setup.get("ann", "me").await;
    assert_eq!((&me["user"], &me["how"]), (&json!("ann"), &json!("kubernetes")));
    assert_eq!(me["can"], json!({ "read": true, "act": false, "tune": false, "admin": false }));
    assert_eq!(me["reach"], json!({ "read": ["shop"], "act": [], "tune": [] }));
    // Somebody known who may see nothing, and somebody unknown.
    setup.call("eve", "GET", "groups", Value::Null).await.problem(403);
    setup.call("unknown", "GET", "groups", Value::Null).await.problem(401);
}

#[tokio::test]
async fn inspections_are_those_of_ones_namespaces() {
    let setup = Setup::new().await;
    setup.served.ingest(&events()).await.ok();
    setup.allow("ann", "list", "alerts", "shop");
    let beat = json!({ "node": "n", "inspections": [{ "namespace": "shop", "name": "a" }, { "namespace": "bank", "name": "b" }] });
    let agent = format!("Bearer {}", setup.served.agent);
    let headers = [("authorization", agent.as_str()), ("content-type", "application/json")];
    setup.served.call("POST", "/api/v1/heartbeat", &headers, beat.to_string().as_bytes()).await.ok();
    let rows = setup.get("ann", "inspections").await;
    assert_eq!(rows["items"].as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(rows["items"][0]["namespace"], "shop");
}

#[tokio::test]
async fn the_stream_shows_no_others_groups_neither_new_nor_gone() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let setup = Setup::new().await;
    setup.allow("ann", "list", "alerts", "shop");
    setup.served.ingest(&events()).await.ok();
    let mut stream = tokio::net::TcpStream::connect(setup.served.at).await.unwrap();
    let head = format!(
        "GET /api/v1/alerts/stream?after=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        token("ann")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    let bank = setup.served.get("/api/v1/groups?q=sid:104").await.ok()["items"][0]["id"].as_str().unwrap().to_owned();
    // A change of a group that is not seen, then one of a group that is: when the second has come, the first would have.
    let mut dismissed = false;
    let reading = async {
        while !(text.contains("rule 101") && text.contains("rule 102") && text.contains("\"assignee\":\"zoe\"")) {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            if text.contains("rule 101") && !dismissed {
                dismissed = true;
                let act = json!({ "ids": [bank], "action": "dismiss", "reason": "expected" });
                setup.served.post("/api/v1/groups/actions", &act).await.ok();
                let act = json!({ "query": "sid:101", "action": "assign", "assignee": "zoe" });
                setup.served.post("/api/v1/groups/actions", &act).await.ok();
            }
        }
    };
    tokio::time::timeout(support::PATIENCE, reading).await.expect("the change in time");
    for hidden in ["rule 103", "rule 104", "rule 105", "bank", bank.as_str()] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
}

#[tokio::test]
async fn decisions_need_the_permission_on_both_sides() {
    let setup = Setup::new().await;
    setup.served.ingest(&events()).await.ok();
    setup.allow("ann", "list", "alerts", "shop");
    setup.allow("ann", "update", "alerts", "shop");
    setup.allow("ann", "create", "suppressions", "shop");
    let id = async |sid: u32| {
        let found = setup.served.get(&format!("/api/v1/groups?q=sid:{sid}&status=all")).await.ok();
        found["items"][0]["id"].as_str().unwrap().to_owned()
    };
    let act = async |who: &str, target: Value| {
        let mut body = json!({ "action": "acknowledge" });
        body.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        setup.call(who, "POST", "groups/actions", body).await
    };
    act("ann", json!({ "ids": [id(102).await] })).await.problem(403);
    act("ann", json!({ "ids": [id(104).await] })).await.problem(404);
    act("ann", json!({ "query": "" })).await.problem(403);
    let done = act("ann", json!({ "query": "sid:101" })).await.ok();
    assert_eq!((&done["changed"], &done["groups"][0]["sid"]), (&json!(1), &json!(101)));
    let undo = done["undo"].as_str().unwrap();
    assert_eq!(setup.call("ann", "POST", &format!("undo/{undo}"), Value::Null).await.ok()["changed"], 1);
    act("ann", json!({ "ids": [id(101).await] })).await.ok();
    // With the other side's permission, too.
    setup.allow("cat", "list", "alerts", "shop");
    setup.allow("cat", "list", "alerts", "scan");
    setup.allow("cat", "update", "alerts", "shop");
    setup.allow("cat", "update", "alerts", "scan");
    act("cat", json!({ "ids": [id(102).await] })).await.ok();
    assert_eq!(act("cat", json!({ "query": "status:acknowledged" })).await.ok()["changed"], 2);
    // Without any.
    setup.allow("dan", "list", "alerts", "");
    act("dan", json!({ "ids": [id(101).await] })).await.problem(403);
    // A look of somebody who may not decide leaves no trace.
    let event = events()[1].id.to_string();
    setup.get("ann", &format!("events/{event}")).await;
    let detail = setup.served.get(&format!("/api/v1/groups/{}", id(102).await)).await.ok();
    assert_eq!(detail["shapes_list"][0]["opened"], false, "{detail}");
}

#[tokio::test]
async fn suppressions_name_both_sides_and_previews_count_what_is_seen() {
    let setup = Setup::new().await;
    let mut all = events();
    // The same rule in another namespace: not to be counted for who does not see it.
    let mut foreign = between(6, None, Some("bank"));
    foreign.rule = all[0].rule.clone();
    all.push(foreign);
    setup.served.ingest(&all).await.ok();
    setup.allow("ann", "list", "alerts", "shop");
    setup.allow("ann", "create", "suppressions", "shop");
    let groups = setup.get("ann", "groups?q=sid:101").await;
    let preview = setup.call("ann", "POST", "tuning/preview", json!({ "group": groups["items"][0]["id"] })).await.ok();
    let scopes = preview["scopes"].as_array().unwrap();
    assert_eq!(scopes.iter().map(|scope| scope["id"].as_str().unwrap()).collect::<Vec<_>>(), ["pair"], "{preview}");
    assert_eq!((&scopes[0]["would_hide"], &scopes[0]["left_visible"]), (&json!(1), &json!(0)));
    let whole = setup.served.post("/api/v1/tuning/preview", &json!({ "group": groups["items"][0]["id"] })).await.ok();
    assert_eq!(whole["scopes"][0]["left_visible"], 1, "{whole}");
    let add = async |scope: Value, gid: Value, sid: Value| {
        let body = json!({ "scope": scope, "gid": gid, "sid": sid, "mode": "hide", "reason": "test" });
        setup.call("ann", "POST", "tuning", body).await
    };
    let (gid, sid) = (json!(1), json!(101));
    add(json!({}), gid.clone(), sid.clone()).await.problem(403);
    add(json!({ "namespace": "shop" }), gid.clone(), sid.clone()).await.problem(403);
    let made = add(scopes[0]["scope"].clone(), gid, sid).await.ok();
    let id = made["id"].as_str().unwrap();
    let listed = setup.get("ann", "tuning").await;
    assert_eq!(listed["items"][0]["id"], id);
    assert_eq!(setup.call("ann", "DELETE", &format!("tuning/{id}?reveal=true"), Value::Null).await.status, 204);
    // The administrator's: of another namespace, and of a rule everywhere.
    let bank = json!({ "scope": { "namespace": "bank" }, "gid": 1, "sid": 104, "mode": "hide", "reason": "r" });
    setup.served.post("/api/v1/tuning", &bank).await.ok();
    let rule =
        setup.served.post("/api/v1/tuning", &json!({ "gid": 1, "sid": 105, "mode": "hide", "reason": "r" })).await.ok();
    let listed = setup.get("ann", "tuning").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let id = rule["id"].as_str().unwrap();
    setup.call("ann", "DELETE", &format!("tuning/{id}"), Value::Null).await.problem(403);
    // Exceptions are free queries.
    let exception = json!({ "id": "x", "description": "d", "selector": "namespace:bank" });
    setup.call("ann", "POST", "exceptions", exception.clone()).await.problem(403);
    setup.served.post("/api/v1/exceptions", &exception).await.ok();
    assert_eq!(setup.get("ann", "exceptions").await["items"], json!([]));
    setup.call("ann", "DELETE", "exceptions/x", Value::Null).await.problem(403);
}

#[tokio::test]
async fn answers_are_kept_for_a_moment_and_asked_once() {
    let setup = Setup::new().await;
    setup.served.ingest(&events()).await.ok();
    setup.allow("ann", "list", "alerts", "shop");
    let (a, b, c) = tokio::join!(setup.get("ann", "groups"), setup.get("ann", "events"), setup.get("ann", "counts"));
    assert!(sids(&a) == [101, 102] && sids(&b) == [101, 102] && c["open"] == 2);
    let asked = setup.api.asked();
    let tokens = asked.iter().filter(|asked| asked.path.ends_with("tokenreviews")).count();
    // Four of the whole cluster, three namespaces to read in, and in the one that is seen two more.
    assert_eq!((tokens, asked.len() - tokens), (1, 4 + 3 + 2));
    setup.get("ann", "groups").await;
    setup.call("unknown", "GET", "groups", Value::Null).await.problem(401);
    setup.call("unknown", "GET", "groups", Value::Null).await.problem(401);
    assert_eq!(setup.api.asked().len(), 1, "the refused token, once");
    // What is no token of a cluster is not sent there.
    setup.served.call("GET", "/api/v1/groups", &[("authorization", "Bearer abc")], b"").await.problem(401);
    assert!(setup.api.asked().is_empty());
}

#[tokio::test]
async fn tokens_that_were_good_pass_after_too_many_wrong_ones_and_others_wait() {
    // What the cluster said holds for no time: every call asks it again.
    let setup = Setup::with(|config| {
        config.limits.failed_sign_ins = 2;
        config.limits.known = Duration::ZERO;
    })
    .await;
    setup.allow("ann", "list", "alerts", "");
    setup.allow("bob", "list", "alerts", "");
    setup.get("ann", "me").await;
    for wrong in ["abc", "unknown.e30.x"] {
        let bearer = format!("Bearer {wrong}");
        setup.served.call("GET", "/api/v1/me", &[("authorization", &bearer)], b"").await.problem(401);
    }
    setup.get("ann", "me").await;
    setup.api.asked();
    setup.call("unknown", "GET", "me", Value::Null).await.problem(429);
    // Nobody has vouched for it yet, and guesses must not become questions to the cluster.
    setup.call("bob", "GET", "me", Value::Null).await.problem(429);
    assert!(setup.api.asked().is_empty());
    setup.get("ann", "me").await;
}

#[tokio::test]
async fn agents_come_with_the_token_of_their_pod_and_speak_for_its_node() {
    let setup = Setup::new().await;
    setup.allow("agent-sa", "create", "events", "");
    let bearer = format!("Bearer {}", token("agent-sa"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    let mut other = event(2, 1, "192.0.2.1", 10);
    other.id.node = "worker-4".into();
    let lines = [event(1, 1, "192.0.2.1", 10), other].map(|event| serde_json::to_string(&event).unwrap()).join("\n");
    let taken = setup.served.call("POST", "/api/v1/ingest", &headers, lines.as_bytes()).await.ok();
    assert_eq!((&taken["stored"], &taken["rejected_count"]), (&json!(1), &json!(1)));
    setup.call("agent-sa", "POST", "heartbeat", json!({ "node": "worker-4" })).await.problem(403);
    setup.call("agent-sa", "POST", "heartbeat", json!({ "node": "worker-3" })).await.ok();
    setup.call("agent-sa", "GET", "groups", Value::Null).await.problem(403);
    setup.allow("ann", "list", "alerts", "");
    setup.call("ann", "POST", "heartbeat", json!({ "node": "worker-3" })).await.problem(403);
}

#[tokio::test]
async fn a_session_of_a_token_is_looked_at_again_and_ends_with_it() {
    let setup = Setup::new().await;
    setup.served.ingest(&events()).await.ok();
    setup.allow("ann", "list", "alerts", "shop");
    let sign_in = json!({ "token": token("ann") }).to_string();
    let json_type = [("content-type", "application/json")];
    let reply = setup.served.call("POST", "/api/v1/session", &json_type, sign_in.as_bytes()).await;
    reply.ok();
    assert!(reply.header("set-cookie").contains("Max-Age=3600"), "of a token without an end: {reply:?}");
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    let groups = setup.served.call("GET", "/api/v1/groups", &[("cookie", &cookie)], b"").await.ok();
    assert_eq!(sids(&groups), [101, 102]);
    // {"exp": 1} and one of the far future.
    use base64::Engine;
    let claims = |exp: i64| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp}}}"));
    for (exp, age) in [(1, "Max-Age=0;"), (i64::MAX, "Max-Age=43200;")] {
        let body = json!({ "token": format!("ann.{}.x", claims(exp)) }).to_string();
        let reply = setup.served.call("POST", "/api/v1/session", &json_type, body.as_bytes()).await;
        reply.ok();
        assert!(format!("{};", reply.header("set-cookie")).contains(age), "{exp}: {reply:?}");
    }
}

#[tokio::test]
async fn what_the_cluster_takes_back_is_gone_from_sessions_and_streams() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let short = Duration::from_millis(300);
    let setup = Setup::with(|config| config.limits.known = short).await;
    setup.served.ingest(&events()).await.ok();
    setup.allow("ann", "list", "alerts", "shop");
    let sign_in = json!({ "token": token("ann") }).to_string();
    let json_type = [("content-type", "application/json")];
    let reply = setup.served.call("POST", "/api/v1/session", &json_type, sign_in.as_bytes()).await;
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    let groups = async || setup.served.call("GET", "/api/v1/groups", &[("cookie", &cookie)], b"").await;
    assert_eq!(sids(&groups().await.ok()), [101, 102]);
    let mut stream = tokio::net::TcpStream::connect(setup.served.at).await.unwrap();
    let head = format!(
        "GET /api/v1/alerts/stream?after=0 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&text).contains("rule 101") {
        let read =
            tokio::time::timeout(support::PATIENCE, stream.read(&mut buffer)).await.expect("rows in time").unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..read]);
    }
    setup.rules.lock().unwrap().clear();
    let ended = tokio::time::timeout(support::PATIENCE, stream.read_to_end(&mut text)).await;
    assert!(ended.expect("the stream ends by itself").is_ok());
    groups().await.problem(403);
}

#[tokio::test]
async fn audiences_are_asked_for_and_must_come_back() {
    for (answered, status) in
        [(json!(["tapir"]), 200), (json!(["https://kubernetes.default.svc"]), 401), (json!([]), 401)]
    {
        let api = Mock::new(move |asked| {
            let review: Value = serde_json::from_str(&asked.body).unwrap();
            if asked.path.ends_with("tokenreviews") {
                assert_eq!(review["spec"]["audiences"], json!(["tapir"]));
                let user = json!({ "username": "ann" });
                let status = json!({ "authenticated": true, "user": user, "audiences": answered });
                return Say::new(201, json!({ "status": status }).to_string());
            }
            Say::new(201, json!({ "status": { "allowed": true } }).to_string())
        })
        .await;
        let served = Served::with(|manager| {
            let mut kubernetes = config(&api, manager.data_dir.parent().unwrap());
            kubernetes.audiences = vec!["tapir".into()];
            manager.kubernetes = Some(kubernetes);
        })
        .await;
        let bearer = format!("Bearer {}", token("ann"));
        assert_eq!(served.call("GET", "/api/v1/groups", &[("authorization", &bearer)], b"").await.status, status);
    }
}

#[tokio::test]
async fn an_api_server_in_trouble_lets_nobody_in_and_says_when_to_come_again() {
    let user = json!({ "username": "ann" });
    let good = json!({ "status": { "authenticated": true, "user": user } }).to_string();
    let cases: Vec<(&str, Say, Say)> = vec![
        ("forbidden", Say::new(403, "{}"), Say::new(403, "{}")),
        ("broken", Say::new(500, "oops"), Say::new(500, "oops")),
        ("no JSON", Say::new(201, "<html>"), Say::new(201, "")),
        ("no status", Say::new(201, "{}"), Say::new(201, "{\"status\":{}}")),
        ("nobody", Say::new(201, "{\"status\":{\"authenticated\":true}}"), Say::new(201, "{}")),
        ("a word for a truth", Say::new(201, good.clone()), Say::new(201, "{\"status\":{\"allowed\":\"true\"}}")),
        ("permissions fail", Say::new(201, good.clone()), Say::new(503, "")),
        ("an endless answer", Say::new(201, "x".repeat(2 << 20)), Say::new(201, "")),
        ("a redirect", Say::new(302, ""), Say::new(302, "")),
        ("slow", Say { wait: Duration::from_secs(30), ..Say::new(201, good.clone()) }, Say::new(201, "")),
    ];
    for (name, tokens, access) in cases {
        let api = Mock::new(move |asked| {
            let say = if asked.path.ends_with("tokenreviews") { &tokens } else { &access };
            Say { status: say.status, body: say.body.clone(), wait: say.wait }
        })
        .await;
        let served =
            Served::with(|manager| manager.kubernetes = Some(config(&api, manager.data_dir.parent().unwrap()))).await;
        let bearer = format!("Bearer {}", token("ann"));
        let reply = served.call("GET", "/api/v1/groups", &[("authorization", &bearer)], b"").await;
        reply.problem(503);
        assert!(!reply.header("retry-after").is_empty(), "{name}");
        assert!(!reply.text().contains("own-token"), "{name}: {}", reply.text());
        // The manager's own tokens go on.
        served.get("/api/v1/groups").await.ok();
    }
    // Nobody listens at all.
    let api = Mock::new(|_| Say::new(500, "")).await;
    let gone = config(&api, &std::env::temp_dir());
    drop(api);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let served = Served::with(|manager| manager.kubernetes = Some(gone)).await;
    let bearer = format!("Bearer {}", token("ann"));
    served.call("GET", "/api/v1/groups", &[("authorization", &bearer)], b"").await.problem(503);
}
