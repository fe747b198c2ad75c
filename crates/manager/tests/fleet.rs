//! Heartbeats to nodes, inspections, sinks; rules from files; the OpenAPI document.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::{Value, json};
use std::path::Path;
use support::{Scratch, Served, event};

async fn beat(served: &Served, body: &Value) -> support::Reply {
    let token = format!("Bearer {}", served.agent);
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    served.call("POST", "/api/v1/heartbeat", &headers, body.to_string().as_bytes()).await
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
        assert_eq!(beat(&served, &body).await.ok(), json!({ "cut": 0 }));
    }
    let nodes = served.get("/api/v1/nodes").await.ok();
    assert_eq!((&nodes["items"][0]["name"], &nodes["items"][0]["alive"]), (&json!("a"), &json!(true)));
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
    assert_eq!(beat(&served, &json!({ "node": "a", "interfaces": many })).await.ok(), json!({ "cut": 500 }));
    beat(&served, &json!({ "node": "" })).await.problem(400);
    beat(&served, &json!({ "node": "a\nb" })).await.problem(400);
    beat(&served, &json!({ "node": "x".repeat(300_000) })).await.problem(413);
}

#[tokio::test]
async fn a_suppression_says_on_how_many_nodes_it_holds() {
    let served = Served::new().await;
    let new = json!({ "gid": 1, "sid": 5, "mode": "stop", "reason": "noise" });
    let id = served.post("/api/v1/tuning", &new).await.ok()["id"].clone();
    beat(&served, &json!({ "node": "a", "suppressions_active": [id] })).await.ok();
    beat(&served, &json!({ "node": "b" })).await.ok();
    assert_eq!(served.get("/api/v1/tuning").await.ok()["items"][0]["active"], json!({ "nodes": 1, "of": 2 }));
}

#[tokio::test]
async fn rules_are_listed_with_state_words_and_hits() {
    let dir = Scratch::new();
    let file = dir.path().join("local.rules");
    let text = "alert tcp any any -> any any ( msg:\"first\"; content:\"a\"; sid:100; rev:2; )\n\
        # alert tcp any any -> any any ( msg:\"off\"; content:\"b\"; sid:101; )\n\
        alert tcp any any -> any any ( msg:\"strange\"; no_such_option:1; sid:102; )\n";
    std::fs::write(&file, text).unwrap();
    let served = Served::with(|config| config.rules = vec![file]).await;
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
    let rule = served.get("/api/v1/rules/1-100").await.ok();
    assert_eq!((&rule["line"], rule["days"].as_array().unwrap().len()), (&json!(1), 30));
    assert!(rule["words"].as_array().unwrap().len() >= 2, "{rule}");
    served.get("/api/v1/rules/1-999").await.problem(404);
    served.get("/api/v1/rules/nonsense").await.problem(404);
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
