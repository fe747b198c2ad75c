//! Heartbeats to nodes, inspections, sinks; rules from files; the OpenAPI document.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;
use support::{Scratch, Served, event};
use tapir_delivery::beacon::{
    self, Agent, Heartbeat, NewSuppressions, RuleCostReport, RuleCostRow, RulesInForce, SinkReport,
};
use tapir_delivery::sinks::http::{Auth, HttpClient, HttpConfig};
use tapir_event::RuleSummary;
use tapir_event::quiet::Mode;
use tokio::sync::Notify;

async fn beat(served: &Served, body: &Value) -> support::Reply {
    let token = format!("Bearer {}", served.agent);
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    served.call("POST", "/api/v1/heartbeat", &headers, body.to_string().as_bytes()).await
}

/// With a file of rules of its own.
async fn with_rules(text: &str) -> Served {
    let dir = Scratch::new();
    let file = dir.path().join("local.rules");
    std::fs::write(&file, text).unwrap();
    Served::with(|config| config.rules = vec![file]).await
}

#[tokio::test]
async fn heartbeats_become_nodes_inspections_and_sinks() {
    let served = Served::new().await;
    let sink = |delivered: u64, state: &str| json!({ "name": "siem", "kind": "syslog", "state": state, "delivered": delivered });
    for (node, state) in [("a", "ok"), ("b", "refused")] {
        let inspections =
            json!([{ "namespace": "shop", "name": "sample", "selector": "all()", "endpoints": 2, "packets": 10 }]);
        let body = json!({
            "node": node, "version": "0.1.0", "rules": 5, "packets": 100, "drops": { "ring": 1 }, "interfaces": ["cali1"],
            "sinks": [sink(10, state)], "inspections": inspections, "new_member": 1,
        });
        assert_eq!(beat(&served, &body).await.ok()["cut"], 0);
    }
    let nodes = served.get("/api/v1/nodes").await.ok();
    assert_eq!((&nodes["items"][0]["name"], &nodes["items"][0]["alive"]), (&json!("a"), &json!(true)));
    assert_eq!(nodes["silent_after"], 120);
    assert_eq!(nodes["items"][1]["drops"], json!({ "ring": 1 }));
    served.ingest(&[event(1, 100, "203.0.113.7", 10)]).await.ok();
    let inspections = served.get("/api/v1/inspections").await.ok();
    let row = &inspections["items"][0];
    assert_eq!(
        (&row["endpoints"], &row["nodes_active"], &row["packets"], &row["alerts"]),
        (&json!(4), &json!(2), &json!(20), &json!(1))
    );
    let sinks = served.get("/api/v1/sinks").await.ok();
    assert_eq!((&sinks["items"][0]["delivered"], &sinks["items"][0]["state"]), (&json!(20), &json!("refused")));
    let many: Vec<String> = (0..1_500).map(|n| format!("if{n}")).collect();
    assert_eq!(beat(&served, &json!({ "node": "a", "interfaces": many })).await.ok()["cut"], 500);
    beat(&served, &json!({ "node": "" })).await.problem(400);
    beat(&served, &json!({ "node": "a\nb" })).await.problem(400);
    beat(&served, &json!({ "node": "x".repeat(1_100_000) })).await.problem(413);
}

#[tokio::test]
async fn an_inspection_with_a_stroke_in_its_name_is_one_row() {
    let served = Served::new().await;
    let inspection = json!({ "namespace": "shop", "name": "a/b", "endpoints": 1 });
    beat(&served, &json!({ "node": "a", "inspections": [inspection] })).await.ok();
    let mut strange = event(1, 100, "203.0.113.7", 10);
    strange.inspection = Some(tapir_event::Inspection { namespace: "shop".into(), name: "a/b".into() });
    served.ingest(&[strange]).await.ok();
    let items = served.get("/api/v1/inspections").await.ok()["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1, "{items}");
    let row = &items[0];
    assert_eq!(
        (&row["namespace"], &row["name"], &row["alerts"], &row["endpoints"]),
        (&json!("shop"), &json!("a/b"), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn what_could_not_be_inspected_is_told_by_interface_reason_and_workload() {
    let served = Served::new().await;
    let body = |times: u64| {
        json!({
            "node": "a", "flows": { "cali1": 10 * times }, "drops": { "kernel_drops": 2 * times },
            "unseen": [
                { "interface": "cali1", "reason": "encrypted", "service": "ssl", "port": 443, "unit": "flows", "count": 4 * times },
                { "interface": "", "reason": "packets_cut", "unit": "packets", "count": times },
            ],
        })
    };
    // What the agent had counted before the manager knew it belongs to no hour.
    beat(&served, &body(1_000)).await.ok();
    assert_eq!(beat(&served, &body(1_001)).await.ok()["cut"], 0);
    let (mut whole, mut holed, mut cut) =
        (event(1, 100, "203.0.113.7", 10), event(2, 100, "203.0.113.7", 9), event(3, 100, "203.0.113.7", 8));
    whole.service = Some("http".into());
    holed.flow.as_mut().unwrap().missing = [0, 5];
    cut.truncated = true;
    cut.flow.as_mut().unwrap().missing = [1, 0];
    served.ingest(&[whole, holed, cut]).await.ok();
    let spots = served.get("/api/v1/blind-spots").await.ok();
    let alerts = &spots["alerts"];
    assert_eq!((&alerts["alerts"], &alerts["partial"]), (&json!(3), &json!(2)));
    assert_eq!(alerts["reasons"], json!([{ "value": "gap", "count": 2 }, { "value": "truncated", "count": 1 }]));
    assert_eq!(
        alerts["workloads"],
        json!([{ "workload": "shop/frontend", "partial": 2, "alerts": 3, "reasons": { "gap": 2, "truncated": 1 } }])
    );
    let traffic = &spots["traffic"];
    assert_eq!(traffic["interfaces"], json!([{ "node": "a", "interface": "cali1", "flows": 10, "encrypted": 4 }]));
    let row = |interface: &str, reason: &str, service: Value, port: Value, unit: &str, count: u64| json!({ "node": "a", "interface": interface, "reason": reason, "service": service, "port": port, "unit": unit, "count": count });
    assert_eq!(
        traffic["rows"],
        json!([
            row("cali1", "encrypted", json!("ssl"), json!(443), "flows", 4),
            row("", "kernel_drops", Value::Null, Value::Null, "packets", 2),
            row("", "packets_cut", Value::Null, Value::Null, "packets", 1),
        ])
    );
    served.get("/api/v1/blind-spots?from=now-8d").await.problem(400);
    served.get("/api/v1/blind-spots?from=now&to=now-1h").await.problem(400);
    let many: Vec<Value> = (0..3_100).map(|n| json!({ "reason": "encrypted", "port": n, "count": 1 })).collect();
    assert_eq!(beat(&served, &json!({ "node": "a", "unseen": many })).await.ok()["cut"], 100);
}

#[tokio::test]
async fn a_suppression_says_on_how_many_nodes_it_holds() {
    let served = Served::new().await;
    let new = json!({ "gid": 1, "sid": 5, "mode": "stop", "reason": "noise" });
    let id = served.post("/api/v1/tuning", &new).await.ok()["id"].clone();
    let id = id.as_str().unwrap();
    beat(&served, &json!({ "node": "a", "suppressions_active": [id], "quieted": { id: 7, "s-99": 1 } })).await.ok();
    beat(&served, &json!({ "node": "b", "quieted": { id: 3 } })).await.ok();
    let row = &served.get("/api/v1/tuning").await.ok()["items"][0];
    assert_eq!((&row["active"], &row["dropped"]), (&json!({ "nodes": 1, "of": 2 }), &json!(10)));
}

#[tokio::test]
async fn a_heartbeat_hears_of_suppressions_and_waits_for_news() {
    let served = Served::new().await;
    let first = beat(&served, &json!({ "node": "a" })).await.ok();
    assert_eq!(first["suppressions"]["items"], json!([]));
    let known = &first["suppressions"]["digest"];
    assert_eq!(beat(&served, &json!({ "node": "a", "suppressions": known })).await.ok()["suppressions"], Value::Null);

    let token = format!("Bearer {}", served.agent);
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    let body = json!({ "node": "a", "suppressions": known }).to_string();
    let waits = served.call("POST", "/api/v1/heartbeat?wait=15", &headers, body.as_bytes());
    let made = async {
        // Whether the heartbeat waits already does not matter: it hears of it in either case.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let scope = json!({ "client": "10.0.0.1", "server": "shop/*" });
        let new = json!({ "gid": 1, "sid": 5, "scope": scope, "mode": "limit", "limit": { "count": 1, "seconds": 60 },
            "reason": "noise" });
        served.post("/api/v1/tuning", &new).await.ok()["id"].clone()
    };
    let started = std::time::Instant::now();
    let (heard, id) = tokio::join!(waits, made);
    assert!(started.elapsed().as_secs() < 14, "it is told, not found when the wait is over");
    let items = heard.ok()["suppressions"]["items"].clone();
    let scope = json!({ "gid": 1, "sid": 5, "client": { "party": "10.0.0.1" }, "server": { "namespace": "shop" },
        "namespace": null });
    let mode = json!({ "limit": { "count": 1, "seconds": 60 } });
    assert_eq!(items, json!([{ "id": id, "scope": scope, "mode": mode }]));
    served.call("POST", "/api/v1/heartbeat?wait=31", &headers, body.as_bytes()).await.problem(400);
}

/// The agent's side of it, as a watch runs it.
struct Listener {
    heard: Mutex<NewSuppressions>,
    applied: Notify,
}

impl Agent for Listener {
    fn report(&self) -> Heartbeat {
        let heard = self.heard.lock().unwrap();
        let sink =
            SinkReport { name: "siem".into(), kind: "syslog".into(), state: "ok".into(), ..SinkReport::default() };
        Heartbeat {
            node: "worker-3".into(),
            version: "9.9".into(),
            rule_set: "00ff".into(),
            packets: 12,
            drops: [("kernel_drops".to_owned(), 3)].into(),
            interfaces: vec!["cali1".into()],
            suppressions: heard.digest.clone(),
            suppressions_active: heard.standing.iter().map(|one| one.id.clone()).collect(),
            sinks: vec![sink],
            rule_costs: Some(RuleCostReport {
                every: 64,
                units: 3,
                evaluations: 2,
                nanos: 500,
                rules: vec![RuleCostRow { gid: 1, sid: 5, evaluations: 1, matches: 1, nanos: 250 }],
            }),
            ..Heartbeat::default()
        }
    }

    fn rules(&self) -> Option<RulesInForce> {
        let rule = |sid: u32| {
            let text = format!("alert tcp any any -> any any ( msg:\"rule {sid}\"; content:\"a\"; sid:{sid}; )");
            let (msg, place) = (Some(format!("rule {sid}")), format!("custom.rules:{sid}"));
            std::sync::Arc::new(RuleSummary { gid: 1, sid, rev: 1, msg, text, place, ..RuleSummary::default() })
        };
        Some(RulesInForce { set: "00ff".to_owned(), rules: [5, 6].map(rule).into() })
    }

    fn set_delivery(&self, _sinks: Vec<tapir_delivery::beacon::SinkReport>, _refused: u64) {}

    fn suppress(&self, new: NewSuppressions) {
        *self.heard.lock().unwrap() = new;
        self.applied.notify_one();
    }

    fn applied(&self) -> &Notify {
        &self.applied
    }

    fn say(&self, text: &str) {
        panic!("{text}");
    }
}

#[tokio::test]
async fn a_beacon_and_the_manager_understand_each_other() {
    let served = with_rules("alert tcp any any -> any any ( msg:\"five\"; content:\"a\"; sid:5; )\n").await;
    let config = HttpConfig {
        auth: Auth::Bearer(served.agent.clone()),
        timeout: Some(beacon::PATIENCE),
        allow_local: true,
        ..HttpConfig::default()
    };
    let client = HttpClient::new(&format!("http://{}", served.at), &config).unwrap();
    let listener = Listener { heard: Mutex::default(), applied: Notify::new() };
    let story = async {
        let new = json!({ "gid": 1, "sid": 5, "mode": "stop", "reason": "noise" });
        let id = served.post("/api/v1/tuning", &new).await.ok()["id"].clone();
        let path = format!("/api/v1/tuning/{}", id.as_str().unwrap());
        while served.get(&path).await.ok()["active"] != json!({ "nodes": 1, "of": 1 }) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(listener.heard.lock().unwrap().standing[0].mode, Mode::Stop);
        let node = served.get("/api/v1/nodes").await.ok()["items"][0].clone();
        let told = [&node["name"], &node["version"], &node["rule_set"], &node["drops"], &node["interfaces"]];
        let expected = [json!("worker-3"), json!("9.9"), json!("00ff"), json!({ "kernel_drops": 3 }), json!(["cali1"])];
        assert_eq!(told.map(Clone::clone), expected);
        assert_eq!(served.get("/api/v1/sinks").await.ok()["items"][0]["name"], "siem");
        // Asked for in the answer to the first heartbeat.
        while served.get("/api/v1/rules").await.ok()["total"] != 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let rule = served.get("/api/v1/rules/1-6").await.ok();
        let told = [&rule["state"], &rule["nodes"], &rule["file"], &rule["line"], &rule["msg"]];
        assert_eq!(
            told.map(Clone::clone),
            [json!("active"), json!(1), json!("custom.rules"), json!(6), json!("rule 6")]
        );
        assert!(!rule["words"].as_array().unwrap().is_empty(), "{rule}");
        let cost = &served.get("/api/v1/rules/1-5").await.ok()["cost"];
        assert_eq!(
            (&cost["share"], &cost["average_us"], &cost["evaluations"]),
            (&json!(0.5), &json!(0.25), &json!(64))
        );
    };
    tokio::select! {
        () = beacon::run(client, &listener) => {}
        done = tokio::time::timeout(support::PATIENCE, story) => done.expect("in time"),
    }
}

#[tokio::test]
async fn rules_are_listed_with_state_words_and_hits() {
    let text = "alert tcp any any -> any any ( msg:\"first\"; content:\"a\"; sid:100; rev:2; )\n\
        # alert tcp any any -> any any ( msg:\"off\"; content:\"b\"; sid:101; )\n\
        alert tcp any any -> any any ( msg:\"strange\"; no_such_option:1; sid:102; )\n";
    let served = with_rules(text).await;
    served.ingest(&[event(1, 100, "203.0.113.7", 10)]).await.ok();
    let rules = served.get("/api/v1/rules").await.ok();
    let states: Vec<_> =
        rules["items"].as_array().unwrap().iter().map(|row| (row["sid"].clone(), row["state"].clone())).collect();
    let expected = [(100, "active"), (101, "disabled"), (102, "unsupported")];
    assert_eq!(states, expected.map(|(sid, state)| (json!(sid), json!(state))));
    assert_eq!((&rules["items"][0]["hits"], &rules["items"][0]["groups_open"]), (&json!(1), &json!(1)));
    assert!(rules["items"][2]["why"].as_str().unwrap().contains("no_such_option"), "{rules}");
    let page = served.get("/api/v1/rules?limit=1").await.ok();
    let next = served.get(&format!("/api/v1/rules?limit=2&cursor={}", page["next"].as_str().unwrap())).await.ok();
    assert_eq!((&next["items"][0]["sid"], &next["next"], &next["total"]), (&json!(101), &Value::Null, &json!(3)));
    assert_eq!(served.get("/api/v1/rules?q=STRANGE").await.ok()["total"], 1);
    // Without a value it is the first page, here as elsewhere; nonsense is no cursor.
    for list in ["rules", "groups", "events", "audit"] {
        served.get(&format!("/api/v1/{list}?cursor=")).await.ok();
        assert_eq!(
            served.get(&format!("/api/v1/{list}?cursor=nonsense")).await.problem(400)["type"],
            "/problems/cursor"
        );
    }
    let rule = served.get("/api/v1/rules/1-100").await.ok();
    assert_eq!((&rule["line"], rule["days"].as_array().unwrap().len()), (&json!(1), 30));
    assert!(rule["words"].as_array().unwrap().len() >= 2, "{rule}");
    served.get("/api/v1/rules/1-999").await.problem(404);
    served.get("/api/v1/rules/nonsense").await.problem(404);
    // A rule of another set is known by its alerts.
    let mut other = event(2, 999, "203.0.113.7", 10);
    other.rule = std::sync::Arc::new(RuleSummary {
        gid: 1,
        sid: 999,
        rev: 3,
        msg: Some("of another set".into()),
        text: "alert tcp any any -> any any ( msg:\"of another set\"; content:\"z\"; sid:999; rev:3; )".into(),
        place: "configmap/own/x.rules:7".into(),
        ..RuleSummary::default()
    });
    served.ingest(&[other]).await.ok();
    let found = served.get("/api/v1/rules?q=another").await.ok();
    let row = &found["items"][0];
    assert_eq!(
        (&row["sid"], &row["state"], &row["hits"], &found["total"]),
        (&json!(999), &json!("seen"), &json!(1), &json!(1))
    );
    assert!(row["why"].as_str().unwrap().contains("no agent"), "{row}");
    let rule = served.get("/api/v1/rules/1-999").await.ok();
    assert_eq!((&rule["file"], &rule["line"], &rule["rev"]), (&json!("configmap/own/x.rules"), &json!(7), &json!(3)));
    assert!(rule["text"].as_str().unwrap().contains("content:\"z\""), "{rule}");
    assert!(rule["words"].as_array().unwrap().len() >= 2, "{rule}");
}

#[tokio::test]
async fn without_files_the_built_in_rules_are_listed() {
    let built_in = "alert tcp any any -> any any ( msg:\"built in\"; content:\"a\"; sid:100; )\n";
    let served = Served::with(|config| config.built_in_rules = built_in).await;
    let rules = served.get("/api/v1/rules").await.ok();
    assert_eq!((&rules["total"], &rules["items"][0]["msg"]), (&json!(1), &json!("built in")));
    assert_eq!(served.get("/api/v1/rules/1-100").await.ok()["file"], "tapir-starter.rules");
}

#[tokio::test]
async fn rules_say_what_they_cost_the_nodes_and_the_dearest_come_first_if_asked_for() {
    let dir = Scratch::new();
    let file = dir.path().join("local.rules");
    let rule = |sid: u32| format!("alert tcp any any -> any any ( msg:\"r{sid}\"; content:\"a{sid}\"; sid:{sid}; )\n");
    std::fs::write(&file, (100..104).map(rule).collect::<String>()).unwrap();
    let served = Served::with(|config| config.rules = vec![file]).await;
    let sids = |page: &Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|row| row["sid"].as_u64().unwrap()).collect()
    };
    let nothing = served.get("/api/v1/rules?sort=cost").await.ok();
    assert_eq!((sids(&nothing), &nothing["items"][0]["cost"]), (vec![100, 101, 102, 103], &Value::Null));
    let row = |sid: u32, evaluations: u64, nanos: u64| json!({ "gid": 1, "sid": sid, "evaluations": evaluations, "matches": 1, "nanos": nanos });
    let costs = |every: u32, nanos: u64, rules: Value| json!({ "every": every, "units": 5, "evaluations": 9, "nanos": nanos, "rules": rules });
    // A sample of the first node stands for four times as much as one of the other.
    let first = costs(400, 10_000, json!([row(103, 2, 6_000), row(101, 1, 1_000)]));
    let other = costs(100, 20_000, json!([row(101, 4, 8_000)]));
    assert_eq!(beat(&served, &json!({ "node": "a", "rule_costs": first })).await.ok()["cut"], 0);
    beat(&served, &json!({ "node": "b", "rule_costs": other })).await.ok();
    beat(&served, &json!({ "node": "c" })).await.ok();
    let dear = served.get("/api/v1/rules?sort=cost").await.ok();
    assert_eq!(sids(&dear), [103, 101, 100, 102]);
    // Of 6 ms: 2.4 ms and 1.2 ms.
    assert_eq!(
        dear["items"][0]["cost"],
        json!({ "share": 0.4, "average_us": 3.0, "evaluations": 800, "matches": 400, "nodes": 1 })
    );
    assert_eq!(
        dear["items"][1]["cost"],
        json!({ "share": 0.2, "average_us": 1.5, "evaluations": 800, "matches": 500, "nodes": 2 })
    );
    assert_eq!(dear["items"][2]["cost"], Value::Null);
    // Page by page it is the same order.
    let mut paged = Vec::new();
    let mut address = "/api/v1/rules?sort=cost&limit=1".to_owned();
    loop {
        let page = served.get(&address).await.ok();
        paged.extend(sids(&page));
        let Some(next) = page["next"].as_str() else { break };
        address = format!("/api/v1/rules?sort=cost&limit=1&cursor={next}");
    }
    assert_eq!(paged, [103, 101, 100, 102]);
    assert_eq!(served.get("/api/v1/rules/1-103").await.ok()["cost"]["share"], json!(0.4));
    served.get("/api/v1/rules?sort=hits").await.problem(400);
    let many: Vec<Value> = (0..1_100).map(|sid| row(sid, 1, 1)).collect();
    assert_eq!(beat(&served, &json!({ "node": "a", "rule_costs": costs(1, 1, json!(many)) })).await.ok()["cut"], 100);
}

/// `TAPIR_BLESS=1` writes the document.
#[tokio::test]
async fn the_openapi_document_is_the_one_in_docs() {
    let document = tapir_manager::openapi().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("TAPIR_BLESS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == document,
        "docs/openapi.json is out of date: TAPIR_BLESS=1 cargo test -p tapir-manager --test fleet"
    );
    let parsed: Value = serde_json::from_str(&document).unwrap();
    assert!(parsed["openapi"].as_str().unwrap().starts_with("3.1"));
    let served = Served::new().await;
    assert_eq!(served.call("GET", "/api/v1/openapi.json", &[], b"").await.ok(), parsed);
}

#[tokio::test]
async fn rules_of_agents_are_listed_while_a_node_has_them() {
    let served = with_rules("alert tcp any any -> any any ( msg:\"only here\"; content:\"a\"; sid:100; )\n").await;
    let token = format!("Bearer {}", served.agent);
    let put = async |set: &str, body: &[u8]| {
        let headers = [("authorization", token.as_str()), ("content-type", "application/x-ndjson")];
        served.call("PUT", &format!("/api/v1/rule-sets/{set}"), &headers, body).await
    };
    let states = async || {
        let rules = served.get("/api/v1/rules").await.ok();
        let row = |row: &Value| (row["sid"].clone(), row["state"].clone(), row["nodes"].clone());
        rules["items"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let rules = b"{\"gid\":1,\"sid\":7,\"rev\":2,\"msg\":\"seven\"}\n{\"gid\":1,\"sid\":8}\nnonsense\n";
    assert_eq!(states().await, [(json!(100), json!("active"), Value::Null)], "nobody has told");
    put("00ff", rules).await.problem(404);
    let named = |node: &str, set: &str| json!({ "node": node, "rule_set": set });
    assert_eq!(beat(&served, &named("a", "0000000000000000")).await.ok()["rules_wanted"], false, "it has none");
    assert_eq!(beat(&served, &named("a", "00ff")).await.ok()["rules_wanted"], true);
    assert_eq!(beat(&served, &named("b", "00ff")).await.ok()["rules_wanted"], false, "a was asked");
    assert_eq!(put("00ff", rules).await.ok(), json!({ "rules": 2, "rejected": 1 }));
    let told = |sid: u32, state: &str, nodes: u32| (json!(sid), json!(state), json!(nodes));
    assert_eq!(states().await, [told(7, "active", 2), told(8, "active", 2), told(100, "missing", 0)]);
    assert_eq!(served.get("/api/v1/rules?q=seven").await.ok()["items"][0]["rev"], 2);
    assert_eq!(served.get("/api/v1/rules?q=missing").await.ok()["total"], 1);
    let missing = served.get("/api/v1/rules/1-100").await.ok();
    assert!(missing["why"].as_str().unwrap().contains("no"), "{missing}");
    // A node goes on to another set, which is asked for; of the former it is no more.
    assert_eq!(beat(&served, &named("b", "0100")).await.ok()["rules_wanted"], true);
    assert_eq!(states().await, [told(7, "active", 1), told(8, "active", 1), told(100, "missing", 0)]);
    put("0100", b"{\"gid\":1,\"sid\":8,\"rev\":1}\n").await.ok();
    assert_eq!(states().await, [told(7, "active", 1), told(8, "active", 2), told(100, "missing", 0)]);
    // People do not send rules.
    let headers = [("content-type", "application/x-ndjson")];
    served.call("PUT", "/api/v1/rule-sets/00ff", &headers, rules).await.problem(401);
}
