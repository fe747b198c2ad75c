//! The manager honours resources of a real cluster: what people apply with kubectl, lists, receivers and statuses show.
//!
//! Needs `TAPIR_ENVTEST`; `make cluster-test` builds what it names and sets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use support::{Place, Receiver, Scratch, Served, comes, event};

fn object(group: &str, kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": group, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

fn exception(name: &str, selector: &str) -> Value {
    let spec =
        json!({ "description": format!("about {name}"), "selector": selector, "startTime": "2026-01-01T00:00:00Z" });
    object("projectcalico.org/v3", "AlertException", name, spec)
}

fn webhook(name: &str, consumer: &str, query: &str, config: Value) -> Value {
    let spec = json!({ "consumer": consumer, "state": "Enabled", "query": query, "config": config });
    object("projectcalico.org/v3", "SecurityEventWebhook", name, spec)
}

/// Condition `Healthy` comes to be so.
async fn comes_to_be(place: &Place, name: &str, status: &str, reason: &str) -> Value {
    let mut last = Value::Null;
    comes(&format!("{name} {status} {reason}"), async || {
        let found = place.get(&format!("get securityeventwebhooks {name} -o json"));
        last = found["status"][0].clone();
        let is_so = found["status"].as_array().is_some_and(|list| list.len() == 1)
            && (last["type"] == "Healthy" && last["status"] == status && last["reason"] == reason);
        if is_so { Ok(()) } else { Err(found["status"].clone()) }
    })
    .await;
    last
}

#[tokio::test]
async fn an_exception_hides_while_it_is_there_and_holds() {
    let Some(place) = Place::new(true, true) else { return };
    let scratch = Scratch::new();
    let served = Served::start(&place, &scratch).await;
    served.ingest(&[event(1, 101, "192.0.2.1", 60), event(2, 102, "192.0.2.2", 60)]).await;
    served.comes_to_show(&[101, 102]).await;

    // People's own exceptions stay theirs.
    let own = json!({ "id": "own", "description": "ours", "selector": "sid = 999" });
    assert_eq!(served.call(Method::POST, "api/v1/exceptions", &own).await.0, 201);
    place.apply(&exception("scanner", r#"source_ip = "192.0.2.1""#));
    let took = served.comes_to_show(&[102]).await;
    println!("an exception hides {took:?} after kubectl apply");
    // One that cannot be read does nothing, is told with its place, and takes no other along.
    place.apply(&exception("broken", "source_ip = 10 AND AND"));
    served.comes_to_say("AlertException broken does nothing: spec.selector, byte ").await;
    let mut rows = Value::Null;
    comes("three exceptions", async || {
        rows = served.get("exceptions").await["items"].clone();
        if rows.as_array().unwrap().len() == 3 { Ok(()) } else { Err(rows.clone()) }
    })
    .await;
    assert_eq!(served.shown().await, [102]);
    let row = |rows: &Value, id: &str| rows.as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
    let (scanner, broken) = (row(&rows, "alertexception:scanner"), row(&rows, "alertexception:broken"));
    assert_eq!((&scanner["active"], &scanner["description"]), (&json!(true), &json!("about scanner")));
    assert_eq!(
        (&scanner["resource"]["kind"], &scanner["resource"]["name"]),
        (&json!("AlertException"), &json!("scanner"))
    );
    assert_eq!((&broken["active"], &broken["selector"]), (&json!(false), &json!("source_ip = 10 AND AND")));
    assert!(broken["error"]["offset"].as_u64().unwrap() > 0, "{broken}");
    assert!(row(&rows, "own").get("resource").is_none());
    let resources = served.get("resources").await;
    let kind = resources["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "AlertException").unwrap();
    assert_eq!((&kind["state"], &kind["honoured"], &kind["refused"]), (&json!("followed"), &json!(1), &json!(1)));
    let metrics = served.metrics().await;
    assert!(metrics.contains(r#"tapir_manager_resources{kind="AlertException",state="refused"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"tapir_manager_resources_followed{kind="AlertException"} 1"#), "{metrics}");

    // The page does not change what is the cluster's.
    for (method, path, body) in [
        (Method::DELETE, "api/v1/exceptions/alertexception:scanner", Value::Null),
        (
            Method::POST,
            "api/v1/exceptions",
            json!({ "id": "alertexception:scanner", "description": "", "selector": "sid=1" }),
        ),
    ] {
        let (status, problem) = served.call(method, path, &body).await;
        assert_eq!((status, &problem["type"]), (409, &json!("/problems/resource")));
        assert!(
            problem["detail"].as_str().unwrap().contains("alertexceptions.projectcalico.org scanner`"),
            "{problem}"
        );
    }

    // An end that is moved into the past ends it at once; so does deleting it.
    let ended = r#"{"spec":{"endTime":"2026-01-02T00:00:00Z"}}"#;
    place.kubectl(&format!("patch alertexceptions scanner --type merge -p {ended}"));
    served.comes_to_show(&[101, 102]).await;
    place.kubectl(r#"patch alertexceptions scanner --type merge -p {"spec":{"endTime":null}}"#);
    served.comes_to_show(&[102]).await;
    // It ends while nobody looks: a manager that comes back has what the cluster has.
    served.end().await;
    place.kubectl("delete alertexceptions scanner broken");
    let served = Served::start(&place, &scratch).await;
    served.comes_to_show(&[101, 102]).await;
    let left = served.get("exceptions").await;
    assert_eq!(left["items"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), ["own"]);
    served.end().await;
}

#[tokio::test]
async fn alerts_of_a_day_are_counted_by_inspection_for_the_operator() {
    let Some(place) = Place::new(true, true) else { return };
    let scratch = Scratch::new();
    // The operator makes the object; without it there is nothing to write into, which is said.
    let served = Served::start(&place, &scratch).await;
    served
        .comes_to_say("warning: alerts by inspection are not told to the operator: the manager's service account")
        .await;
    let of = |seq: u64, namespace: &str, name: &str, age: i64| {
        let mut event = event(seq, 101, "192.0.2.1", age);
        event.inspection = Some(tapir_event::Inspection { namespace: namespace.into(), name: name.into() });
        event
    };
    let events = [
        of(1, "shop", "front", 60),
        of(2, "shop", "front", 3_600),
        of(3, "", "edge", 60),
        of(4, "shop", "front", 90_000),
    ];
    served.ingest(&events).await;
    served.end().await;
    place.kubectl("create configmap tapir-alert-counts -n tapir-system");
    let served = Served::start(&place, &scratch).await;
    let mut counts = Value::Null;
    comes("counts", async || {
        let map = place.get("get configmap tapir-alert-counts -n tapir-system -o json");
        let Some(text) = map["data"]["alerts24h"].as_str() else { return Err(map) };
        counts = serde_json::from_str(text).unwrap();
        Ok(())
    })
    .await;
    assert_eq!(counts["alerts"], json!({ "shop/front": 2, "edge": 1 }), "{counts}");
    assert!(counts["at"].as_u64().unwrap() > 1_795_000_000, "{counts}");
    served.end().await;
}

#[tokio::test]
async fn a_suppression_is_one_of_the_managers_and_is_told_what_became_of_it() {
    let Some(place) = Place::new(true, true) else { return };
    let scratch = Scratch::new();
    let served = Served::start(&place, &scratch).await;
    let suppression = |name: &str, namespace: &str, spec: Value| {
        let mut object = object("tapir.dev/v1alpha1", "Suppression", name, spec);
        object["metadata"]["namespace"] = json!(namespace);
        object
    };
    let scope = json!({ "client": "192.0.2.0/24", "server": "shop/*" });
    let quiet = json!({ "rule": "1:201", "scope": scope, "mode": "hide", "reason": "health checks" });
    place.apply(&suppression("probes", "shop", quiet));
    place.apply(&suppression("greedy", "shop", json!({ "rule": "1:202", "mode": "hide", "reason": "x" })));
    let asks = json!({ "rule": "1:203", "mode": "hide", "reason": "x", "query": "severty>=high" });
    place.apply(&suppression("asks", "tapir-system", asks));
    let condition = async |namespace: &str, name: &str, kind: &str, status: &str| {
        let mut last = Value::Null;
        comes(&format!("{name} {kind} {status}"), async || {
            let found = place.get(&format!("get suppressions -n {namespace} {name} -o json"));
            let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
            last = conditions.iter().find(|one| one["type"] == kind).cloned().unwrap_or_default();
            if last["status"] == status { Ok(()) } else { Err(found["status"].clone()) }
        })
        .await;
        last
    };
    condition("shop", "probes", "Accepted", "True").await;
    let refused = condition("shop", "greedy", "Accepted", "False").await;
    assert_eq!(refused["reason"], "OutOfReach");
    let unread = condition("tapir-system", "asks", "Accepted", "False").await;
    assert_eq!(unread["reason"], "InvalidQuery");
    assert!(unread["message"].as_str().unwrap().starts_with("spec.query, byte 0: "), "{unread}");
    assert_eq!(condition("tapir-system", "asks", "Applied", "False").await["reason"], "NotAccepted");

    // Nodes are told, and what comes is hidden.
    let rows = served.get("tuning").await;
    assert_eq!(rows["items"].as_array().unwrap().len(), 1, "{rows}");
    let row = &rows["items"][0];
    assert_eq!((&row["reason"], &row["resource"]["namespace"]), (&json!("health checks"), &json!("shop")));
    let id = row["id"].as_str().unwrap().to_owned();
    let mut from_here = event(1, 201, "192.0.2.1", 10);
    from_here.server.as_mut().unwrap().namespace = "shop".into();
    served.ingest(&[from_here, event(2, 204, "192.0.2.1", 10)]).await;
    served.comes_to_show(&[204]).await;
    for (method, body) in [(Method::DELETE, Value::Null), (Method::PATCH, json!({ "reason": "mine" }))] {
        let (status, problem) = served.call(method, &format!("api/v1/tuning/{id}"), &body).await;
        assert_eq!(status, 409, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("suppressions.tapir.dev probes -n shop`"), "{problem}");
    }
    // A change is one of the same suppression; another scope is another one.
    place.kubectl(r#"patch suppressions -n shop probes --type merge -p {"spec":{"reason":"probes"}}"#);
    comes("another reason", async || {
        let row = served.get("tuning").await["items"][0].clone();
        if row["reason"] == "probes" && row["id"] == json!(id) { Ok(()) } else { Err(row) }
    })
    .await;
    place.kubectl("delete suppressions -n shop probes");
    comes("it is gone", async || {
        let rows = served.get("tuning").await;
        if rows["items"].as_array().unwrap().is_empty() { Ok(()) } else { Err(rows) }
    })
    .await;
    served
        .ingest(&[{
            let mut again = event(3, 201, "192.0.2.1", 5);
            again.server.as_mut().unwrap().namespace = "shop".into();
            again
        }])
        .await;
    served.comes_to_show(&[201, 204]).await;
    served.end().await;
}

#[tokio::test]
async fn a_webhook_sends_what_its_query_matches_and_says_how_it_is() {
    let Some(place) = Place::new(true, true) else { return };
    let (scratch, receiver) = (Scratch::new(), Receiver::start().await);
    let served = Served::start(&place, &scratch).await;
    // What was there before is not sent.
    served.ingest(&[event(1, 300, "192.0.2.1", 60)]).await;
    let namespace = "tigera-intrusion-detection";
    place
        .kubectl(&format!("create secret generic hook -n {namespace} --from-literal=url={}/secret-path", receiver.url));
    let secret = json!([{ "name": "url", "valueFrom": { "secretKeyRef": { "name": "hook", "key": "url" } } }]);
    let mut hook = webhook("all", "Generic", "type = deep_packet_inspection", secret.clone());
    hook["metadata"]["annotations"] = json!({ "webhooks.projectcalico.org/labels": "team:sec" });
    place.apply(&hook);
    let well = comes_to_be(&place, "all", "True", "WebhookValidation").await;
    assert_eq!(well["message"], "the webhook is healthy");
    served.ingest(&[event(2, 301, "192.0.2.1", 3_600), event(3, 302, "192.0.2.2", 1)]).await;
    let took = receiver.comes_to_have(&[301, 302]).await;
    println!("events are received {took:?} after they were kept");
    let request = receiver.requests().remove(0);
    assert!(request.line.starts_with("POST /secret-path "), "{}", request.line);
    assert_eq!(request.body["labels"], json!({ "team": "sec" }));
    assert_eq!(request.body["type"], "deep_packet_inspection");
    assert_eq!(request.body["dest_namespace"], "shop");
    assert!(request.headers.contains("idempotency-key: worker-3-1-2"), "{}", request.headers);

    // What is excepted is not sent.
    place.apply(&exception("scanner", r#"source_ip = "192.0.2.9""#));
    comes("the exception", async || {
        let rows = served.get("exceptions").await;
        if rows["items"].as_array().unwrap().len() == 1 { Ok(()) } else { Err(rows) }
    })
    .await;
    served.ingest(&[event(4, 303, "192.0.2.9", 1), event(5, 304, "192.0.2.2", 1)]).await;
    receiver.comes_to_have(&[301, 302, 304]).await;

    // A wrong query stops it, with the reason and the place; mended, it goes on where it was.
    place.kubectl(r#"patch securityeventwebhooks all --type merge -p {"spec":{"query":"type="}}"#);
    let wrong = comes_to_be(&place, "all", "False", "QueryParsing").await;
    assert!(wrong["message"].as_str().unwrap().starts_with("spec.query, byte "), "{wrong}");
    place.kubectl(r#"patch securityeventwebhooks all --type merge -p {"spec":{"query":"colour=red"}}"#);
    comes_to_be(&place, "all", "False", "QueryValidation").await;
    served.ingest(&[event(6, 305, "192.0.2.2", 1)]).await;
    place.kubectl(r#"patch securityeventwebhooks all --type merge -p {"spec":{"query":"severity>0"}}"#);
    comes_to_be(&place, "all", "True", "WebhookValidation").await;
    receiver.comes_to_have(&[301, 302, 304, 305]).await;

    // A receiver in trouble is told, without its words and without what stands in the secret; nothing is lost.
    receiver.answers(500);
    served.ingest(&[event(7, 306, "192.0.2.2", 1)]).await;
    let trouble = comes_to_be(&place, "all", "False", "EventsFetched").await;
    assert_eq!(trouble["message"], "the receiver answered 500; trying again");
    receiver.seen.lock().unwrap().clear();
    receiver.answers(200);
    receiver.comes_to_have(&[306]).await;
    comes_to_be(&place, "all", "True", "WebhookValidation").await;

    // A restart leaves out nothing and sends nothing twice.
    served.end().await;
    let served = Served::start(&place, &scratch).await;
    served.ingest(&[event(8, 307, "192.0.2.2", 1)]).await;
    receiver.comes_to_have(&[306, 307]).await;
    let metrics = served.metrics().await;
    assert!(metrics.contains(r#"tapir_manager_webhook_events_total{outcome="delivered"} 1"#), "{metrics}");

    // Debug sends nothing, Disabled neither; what came meanwhile is not sent afterwards.
    place.kubectl(r#"patch securityeventwebhooks all --type merge -p {"spec":{"state":"Debug"}}"#);
    comes("Debug", async || {
        served.ingest(&[event(100 + served.said("would send") as u64, 308, "192.0.2.2", 1)]).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        if served.said("(Debug): would send") > 0 { Ok(()) } else { Err(()) }
    })
    .await;
    place.kubectl(r#"patch securityeventwebhooks all --type merge -p {"spec":{"state":"Disabled"}}"#);
    comes_to_be(&place, "all", "False", "WebhookState").await;
    let before = receiver.sids();
    served.ingest(&[event(9, 309, "192.0.2.2", 1)]).await;
    place.kubectl(r#"patch securityeventwebhooks all --type merge -p {"spec":{"state":"Enabled"}}"#);
    comes_to_be(&place, "all", "True", "WebhookValidation").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    served.ingest(&[event(10, 310, "192.0.2.2", 1)]).await;
    receiver.comes_to_have(&[&before[..], &[310]].concat()).await;
    // Deleted, it is over.
    place.kubectl("delete securityeventwebhooks all");
    comes("it is gone", async || {
        let rows = served.get("resources").await["items"].clone();
        let hooks = rows.as_array().unwrap().iter().filter(|row| row["kind"] == "SecurityEventWebhook").count();
        if hooks == 0 { Ok(()) } else { Err(rows) }
    })
    .await;
    served.ingest(&[event(11, 311, "192.0.2.2", 1)]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!receiver.sids().contains(&311));
    assert!(!served.log.lock().unwrap().iter().any(|line| line.contains("secret-path")));
    served.end().await;
}

#[tokio::test]
async fn a_test_sends_one_sample_and_the_state_goes_back_to_enabled() {
    let Some(place) = Place::new(true, true) else { return };
    let (scratch, receiver) = (Scratch::new(), Receiver::start().await);
    let served = Served::start(&place, &scratch).await;
    let result = |place: &Place, name: &str| {
        let found = place.get(&format!("get securityeventwebhooks {name} -o json"));
        let text = &found["metadata"]["annotations"]["webhooks.projectcalico.org/testResult"];
        (found["spec"]["state"].as_str().unwrap().to_owned(), text.as_str().unwrap_or_default().to_owned())
    };
    let comes_back = async |name: &str, wanted: &str| {
        comes(&format!("{name} is Enabled again"), async || {
            let (state, text) = result(&place, name);
            if state == "Enabled" && text.contains(wanted) { Ok(()) } else { Err((state, text)) }
        })
        .await
    };
    let url = json!([{ "name": "url", "value": receiver.url }]);
    let mut hook = webhook("tested", "Generic", "type = waf", url.clone());
    hook["spec"]["state"] = json!("Test");
    hook["metadata"]["annotations"] = json!({ "webhooks.projectcalico.org/testEvent": "dpi" });
    place.apply(&hook);
    let took = comes_back("tested", "the receiver took the sample event").await;
    println!("a test is over {took:?} after kubectl apply");
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let body = &requests[0].body;
    let words = "[TEST] Deep Packet Inspection found a matching snort rule(s) for some packets in your network";
    assert_eq!(body["description"], words);
    assert_eq!(body["origin"], "dpi.default/default-namespace-all-endpoints");
    assert_eq!(body["record"]["snort_signature_id"], "408");
    assert_eq!(body["labels"], json!({}));
    comes_to_be(&place, "tested", "True", "WebhookValidation").await;

    // Alertmanager, in either spelling, with the incumbent's alert.
    let url = json!([{ "name": "url", "value": format!("{}/api/v2/alerts", receiver.url) }, { "name": "basicAuth", "value": "u:p" }]);
    let mut alerts = webhook("alerts", "Alertmanager", "type = waf", url);
    alerts["spec"]["state"] = json!("Test");
    place.apply(&alerts);
    comes_back("alerts", "the receiver took").await;
    let request = receiver.requests().pop().unwrap();
    assert_eq!(request.body[0]["labels"]["alertname"], "Calico Security Event");
    assert!(request.headers.contains("authorization: basic"), "{}", request.headers);

    // A test that fails is told, and the webhook is not well until it has shown otherwise.
    receiver.answers(404);
    place.kubectl(r#"patch securityeventwebhooks tested --type merge -p {"spec":{"state":"Test"}}"#);
    comes_back("tested", "the receiver answered 404").await;
    comes_to_be(&place, "tested", "False", "TestFireProcedure").await;
    receiver.answers(200);
    place.kubectl(r#"patch securityeventwebhooks tested --type merge -p {"spec":{"state":"Test"}}"#);
    comes_back("tested", "the receiver took").await;
    comes_to_be(&place, "tested", "True", "WebhookValidation").await;
    served.end().await;
}

#[tokio::test]
async fn wrong_settings_are_told_by_their_names() {
    let Some(place) = Place::new(true, true) else { return };
    let (scratch, receiver) = (Scratch::new(), Receiver::start().await);
    let served = Served::start(&place, &scratch).await;
    let url = json!([{ "name": "url", "value": receiver.url }]);
    let from = |kind: &str| json!([{ "name": "url", "valueFrom": { kind: { "name": "later", "key": "url" } } }]);
    for (name, consumer, config, reason, words) in [
        ("unknown", "Teams", url.clone(), "ConsumerDiscovery", "spec.consumer is `Teams`"),
        ("jira", "Jira", url.clone(), "ConsumerConfigurationValidation", "username is missing"),
        (
            "file",
            "Generic",
            json!([{ "name": "url", "value": "file:///etc" }]),
            "ConsumerConfigurationValidation",
            "http://",
        ),
        ("none", "Generic", json!([{ "name": "url" }]), "ConfigurationParsing", "exactly one of value"),
        (
            "map",
            "Slack",
            from("configMapKeyRef"),
            "ConfigurationParsing",
            "ConfigMap tigera-intrusion-detection/later is not there",
        ),
        (
            "secret",
            "Slack",
            from("secretKeyRef"),
            "ConfigurationParsing",
            "Secret tigera-intrusion-detection/later is not there",
        ),
    ] {
        place.apply(&webhook(name, consumer, "type = waf", config));
        let found = comes_to_be(&place, name, "False", reason).await;
        assert!(found["message"].as_str().unwrap().contains(words), "{name}: {found}");
    }
    // What is missing may come later.
    let literal = format!("--from-literal=url={}", receiver.url);
    place.kubectl(&format!("create configmap later -n tigera-intrusion-detection {literal}"));
    comes_to_be(&place, "map", "True", "WebhookValidation").await;
    let rows = served.get("resources").await["items"].clone();
    let map = rows.as_array().unwrap().iter().find(|row| row["name"] == "map").unwrap();
    assert_eq!(map["honoured"], true);
    // Without the right to read secrets it is said which one is missing.
    place.kubectl("delete rolebinding -n tigera-intrusion-detection tapir-manager-webhooks");
    let denied = comes_to_be(&place, "secret", "False", "ConfigurationParsing").await;
    comes("the verb", async || {
        let found = place.get("get securityeventwebhooks secret -o json");
        let message = found["status"][0]["message"].as_str().unwrap_or_default().to_owned();
        let is_told = message.contains("needs the verb get on secrets in namespace tigera-intrusion-detection");
        if is_told { Ok(()) } else { Err(message) }
    })
    .await;
    drop(denied);
    served.end().await;
}

#[tokio::test]
async fn missing_definitions_missing_rights_and_a_cluster_that_is_away_are_told_and_waited_out() {
    let Some(place) = Place::new(false, false) else { return };
    let scratch = Scratch::new();
    let served = Served::start(&place, &scratch).await;
    served.ingest(&[event(1, 101, "192.0.2.1", 60), event(2, 102, "192.0.2.2", 60)]).await;
    let state = async |wanted: &str| {
        comes(wanted, async || {
            let kinds = served.get("resources").await["kinds"].clone();
            let is_so = kinds.as_array().unwrap().iter().all(|kind| kind["state"] == wanted);
            if is_so { Ok(()) } else { Err(kinds) }
        })
        .await
    };
    // Without rights; then without definitions; then with both.
    state("forbidden").await;
    served.comes_to_say("warning: may not list and watch suppressions.tapir.dev").await;
    place.allow();
    state("missing").await;
    served.comes_to_say("securityeventwebhooks.projectcalico.org are not served by this cluster").await;
    place.define();
    state("followed").await;
    place.apply(&exception("scanner", r#"source_ip = "192.0.2.1""#));
    served.comes_to_show(&[102]).await;
    // Away: what was heard holds, and it is said once.
    place.cluster.stop_api_server();
    state("away").await;
    assert_eq!(served.shown().await, [102]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let log = served.log.lock().unwrap().clone();
    let away: Vec<_> =
        log.iter().filter(|line| line.contains("alertexceptions.projectcalico.org are not heard of")).collect();
    assert_eq!(away.len(), 1, "{away:?}");
    assert!(served.metrics().await.contains(r#"tapir_manager_resources_followed{kind="Suppression"} 0"#));
    place.cluster.start_api_server().unwrap();
    state("followed").await;
    place.cluster.cut_connections();
    place.kubectl("delete alertexceptions scanner");
    served.comes_to_show(&[101, 102]).await;
    state("followed").await;
    // Without the right to write a status, the webhook works and it is said.
    place.kubectl(r#"patch clusterrole tapir-manager --type json -p [{"op":"remove","path":"/rules/4"}]"#);
    let receiver = Receiver::start().await;
    let url = json!([{ "name": "url", "value": receiver.url }]);
    place.apply(&webhook("mute", "Generic", "severity > 0", url));
    served.comes_to_say("needs the verb update on securityeventwebhooks.projectcalico.org/status").await;
    served.ingest(&[event(3, 103, "192.0.2.2", 1)]).await;
    receiver.comes_to_have(&[103]).await;
    served.end().await;
}
