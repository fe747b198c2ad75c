//! From an agent's batch to groups, events, reasons, decisions and back: what the page does, over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::{Value, json};
use support::{Served, event};
use tapir_event::SecurityEvent;

fn some_events() -> Vec<SecurityEvent> {
    let mut events: Vec<_> = (1..=5).map(|seq| event(seq, 100, "203.0.113.7", 60)).collect();
    events.push(event(6, 200, "203.0.113.7", 30));
    events.push(event(7, 300, "198.51.100.1", 20));
    events
}

async fn with_events() -> Served {
    let served = Served::new().await;
    assert_eq!(served.ingest(&some_events()).await.ok()["stored"], 7);
    served
}

async fn group_of(served: &Served, sid: u32) -> Value {
    let page = served.get(&format!("/api/v1/groups?q=sid:{sid}&status=all")).await.ok();
    page["items"][0].clone()
}

fn id(group: &Value) -> &str {
    group["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_batch_is_kept_once_and_bad_lines_are_named() {
    let served = Served::new().await;
    let good = |seq| serde_json::to_string(&event(seq, 100, "203.0.113.7", 60)).unwrap();
    let mut future: Value = serde_json::from_str(&good(2)).unwrap();
    future["from_the_future"] = json!({ "a": [1] });
    let lines = format!("{}\n\nnonsense\n{future}\n{}\n\u{0}\n", good(1), good(1));
    let answer = served.ingest_bytes(lines.as_bytes(), &[]).await.ok();
    assert_eq!((&answer["stored"], &answer["duplicates"]), (&json!(2), &json!(1)), "{answer}");
    let lines: Vec<_> =
        answer["rejected"].as_array().unwrap().iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 6]);
    let kept = served.get("/api/v1/events/worker-3-1-2").await.ok();
    assert_eq!(kept["from_the_future"], json!({ "a": [1] }));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, good(3).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    assert_eq!(served.ingest_bytes(&gzip, &[("content-encoding", "gzip")]).await.ok()["stored"], 1);
    let zstd = zstd::encode_all(format!("{}\n{}", good(3), good(4)).as_bytes(), 3).unwrap();
    let answer = served.ingest_bytes(&zstd, &[("content-encoding", "zstd")]).await.ok();
    assert_eq!((&answer["stored"], &answer["duplicates"]), (&json!(1), &json!(1)));
    served.ingest_bytes(b"{}", &[("content-encoding", "br")]).await.problem(415);
    let bomb = zstd::encode_all(&vec![b'\n'; 32 << 20][..], 3).unwrap();
    served.ingest_bytes(&bomb, &[("content-encoding", "zstd")]).await.problem(413);
}

#[tokio::test]
async fn the_inbox_shows_groups_page_by_page() {
    let served = with_events().await;
    let page = served.get("/api/v1/groups?limit=2&sort=count").await.ok();
    let items = page["items"].as_array().unwrap();
    assert_eq!((items.len(), &page["total"]), (2, &json!({ "count": 3, "exact": true })));
    let first = &items[0];
    assert_eq!((&first["sid"], &first["count"], &first["level"]), (&json!(100), &json!(5), &json!("high")));
    assert_eq!(first["client"]["display"], "203.0.113.0/24");
    assert_eq!(first["server"]["display"], "shop/frontend");
    assert_eq!(first["spark"].as_array().unwrap().len(), 24);
    let sum: u64 = first["spark"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(sum, 5);
    let next = page["next"].as_str().unwrap();
    let rest = served.get(&format!("/api/v1/groups?limit=2&sort=count&cursor={next}")).await.ok();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    served.get(&format!("/api/v1/groups?limit=2&sort=severity&cursor={next}")).await.problem(400);
    assert_eq!((&first["in_range"], &first["bundle"]), (&json!(5), &Value::Null));
    let counts = served.get("/api/v1/counts").await.ok();
    assert_eq!(
        counts,
        json!({ "open": 3, "escalated": 0, "acknowledged": 0, "dismissed": 0, "exact": true, "at_least": [] })
    );
}

#[tokio::test]
async fn the_inbox_by_rule_workload_and_source() {
    let served = with_events().await;
    let groups = served.get("/api/v1/groups").await.ok();
    let groups = groups["items"].as_array().unwrap();
    for by in ["sig", "workload", "source"] {
        let page = served.get(&format!("/api/v1/groups?by={by}&sort=count")).await.ok();
        let rows = page["items"].as_array().unwrap();
        assert_eq!(page["total"], json!({ "count": rows.len(), "exact": true }));
        assert!(!rows.is_empty() && rows.len() <= 2 * groups.len());
        for row in rows {
            let bundle = &row["bundle"];
            let query = bundle["query"].as_str().unwrap();
            let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let inside = served.get(&format!("/api/v1/groups?q={encoded}")).await.ok();
            let inside = inside["items"].as_array().unwrap();
            assert_eq!(bundle["groups"], json!(inside.len()), "{by} {query}");
            let sum = |field: &str| inside.iter().map(|group| group[field].as_u64().unwrap()).sum::<u64>();
            assert_eq!((&row["count"], &row["in_range"]), (&json!(sum("count")), &json!(sum("in_range"))));
            assert_eq!(row["spark"], json!([]));
        }
        let first = served.get(&format!("/api/v1/groups?by={by}&limit=1")).await.ok();
        if let Some(next) = first["next"].as_str() {
            let second = served.get(&format!("/api/v1/groups?by={by}&limit=1&cursor={next}")).await.ok();
            assert_ne!(first["items"][0]["bundle"]["key"], second["items"][0]["bundle"]["key"]);
            served.get(&format!("/api/v1/groups?limit=1&cursor={next}")).await.problem(400);
        }
    }
    let none = served.get("/api/v1/groups?by=none").await.problem(400);
    assert!(none["detail"].as_str().unwrap().contains("GET events"));
    served.get("/api/v1/groups?by=moon").await.problem(400);
}

#[tokio::test]
async fn a_group_has_its_breakdown_and_its_events() {
    let served = with_events().await;
    let group = group_of(&served, 100).await;
    let reply = served.get(&format!("/api/v1/groups/{}", id(&group))).await;
    let detail = reply.ok();
    assert_eq!(reply.header("etag"), format!("\"{}\"", detail["version"]));
    assert_eq!(detail["ports"], json!([{ "port": 80, "count": 5 }]));
    assert!(detail["pods"].as_array().unwrap().iter().any(|row| row["pod"] == "frontend-77b88cc7cb-nwx6t"));
    assert_eq!((&detail["action"], &detail["service"]), (&json!("alert"), &json!("http")));
    let days = detail["days"].as_array().unwrap();
    assert_eq!((days.len(), days.iter().map(|day| day["count"].as_u64().unwrap()).sum::<u64>()), (30, 5));
    let shape = &detail["shapes_list"][0];
    assert_eq!((&shape["count"], &shape["opened"]), (&json!(5), &json!(false)));
    let sample = shape["sample_event"].as_str().unwrap();
    served.get(&format!("/api/v1/events/{sample}")).await.ok();
    let opened = served.get(&format!("/api/v1/groups/{}", id(&group))).await.ok();
    assert_eq!(opened["shapes_list"][0]["opened"], true, "looking at an event opens its shape");
    let events = served.get(&format!("/api/v1/groups/{}/events?limit=3", id(&group))).await.ok();
    assert_eq!(events["items"].as_array().unwrap().len(), 3);
    let next = events["next"].as_str().unwrap();
    let rest = served.get(&format!("/api/v1/groups/{}/events?limit=3&cursor={next}", id(&group))).await.ok();
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    served.get("/api/v1/groups/0000000000000000").await.problem(404);
    served.get("/api/v1/groups/nonsense").await.problem(404);
}

#[tokio::test]
async fn an_event_comes_in_every_format_with_its_reasons_and_its_packet() {
    let served = with_events().await;
    let event = "/api/v1/events/worker-3-1-6";
    let document = served.get(event).await.ok();
    assert_eq!((&document["rule"]["sid"], &document["visibility"]), (&json!(200), &json!("full")));
    for format in ["calico", "eve", "ecs", "ocsf"] {
        assert!(served.get(&format!("{event}?format={format}")).await.ok().is_object(), "{format}");
    }
    for (format, begins) in [("cef", "CEF:0|"), ("fast", "")] {
        let reply = served.get(&format!("{event}?format={format}")).await;
        assert!(
            reply.status == 200 && reply.text().starts_with(begins) && reply.text().contains("rule 200"),
            "{format}"
        );
    }
    served.get(&format!("{event}?format=xml")).await.problem(400);
    served.get("/api/v1/events/nonsense").await.problem(404);
    served.get("/api/v1/events/worker-3-1-999").await.problem(404);
    let why = served.get(&format!("{event}/why")).await.ok();
    assert_eq!(why["options"][0]["outcome"], "matched", "{why}");
    assert_eq!((&why["options"][0]["buffer"], &why["options"][0]["offset"]), (&json!("http_uri"), &json!(5)));
    assert_eq!(why["mitre"][0]["url"], "https://attack.mitre.org/techniques/T1190/");
    assert_eq!(why["references"], json!(["https://example.test/cve"]));
    let pcap = served.get(&format!("{event}/pcap")).await;
    assert_eq!((pcap.status, pcap.header("content-type")), (200, "application/vnd.tcpdump.pcap"));
    assert_eq!((pcap.body.len(), &pcap.body[..4]), (24 + 16 + 60, &[0x4d, 0x3c, 0xb2, 0xa1][..]));
    let related = served.get(&format!("{event}/related")).await.ok();
    let count = |kind: &str| related[kind].as_array().unwrap().len();
    assert_eq!((count("same_flow"), count("same_client"), count("same_server")), (6, 5, 6), "{related}");
    let list = served.get("/api/v1/events?q=sid:200").await.ok();
    assert_eq!(list["items"][0]["source"], json!({ "ip": "203.0.113.7", "port": 40000 }));
}

#[tokio::test]
async fn an_event_without_a_packet_has_no_capture() {
    let served = Served::new().await;
    let mut event = event(1, 1, "203.0.113.7", 1);
    event.evidence = None;
    served.ingest(&[event]).await.ok();
    let problem = served.get("/api/v1/events/worker-3-1-1/pcap").await.problem(404);
    assert!(problem["detail"].as_str().unwrap().contains("no packet is kept"));
}

#[tokio::test]
async fn numbers_are_counted() {
    let served = with_events().await;
    let histogram = served.get("/api/v1/stats/histogram?buckets=24").await.ok();
    let buckets = histogram["buckets"].as_array().unwrap();
    assert!((8..=24).contains(&buckets.len()), "{histogram}");
    assert_eq!(histogram["step_seconds"].as_f64(), Some(10_800.0), "a round length");
    assert_eq!(buckets.iter().map(|bucket| bucket["high"].as_u64().unwrap()).sum::<u64>(), 7);
    let facets = served.get("/api/v1/stats/facets?fields=sid,namespace").await.ok();
    assert_eq!(facets["facets"][0]["values"][0], json!({ "value": "100", "count": 5 }));
    assert_eq!(facets["facets"][1]["values"][0]["value"], "shop");
    let top = served.get("/api/v1/stats/top?field=sid&limit=1").await.ok();
    assert_eq!(top["items"], json!([{ "value": "100", "count": 5 }]));
    let problem = served.get("/api/v1/stats/top?field=namspace").await.problem(400);
    assert_eq!(problem["suggestion"], "namespace");
    served.get("/api/v1/stats/histogram?buckets=0").await.problem(400);
    served.get("/api/v1/stats/facets?fields=").await.problem(400);
}

#[tokio::test]
async fn the_search_box_has_fields_values_and_errors_with_their_place() {
    let served = with_events().await;
    let fields = served.get("/api/v1/fields").await.ok();
    let severity = fields["fields"].as_array().unwrap().iter().find(|field| field["name"] == "severity").unwrap();
    assert_eq!(severity["type"], "severity");
    let values = served.get("/api/v1/fields/namespace/values?prefix=SH").await.ok();
    assert_eq!(values["values"][0]["value"], "shop");
    let checked = served.post("/api/v1/query/check", &json!({ "q": "severity>=high ns:shop" })).await.ok();
    assert_eq!(checked, json!({ "ok": true, "canonical": "severity>=high namespace:shop" }));
    let problem = served.post("/api/v1/query/check", &json!({ "q": "ns:shop severty>=high" })).await.problem(400);
    assert_eq!(
        (&problem["offset"], &problem["length"], &problem["suggestion"]),
        (&json!(8), &json!(7), &json!("severity"))
    );
    let problem = served.get("/api/v1/groups?q=severty:1").await.problem(400);
    assert_eq!(problem["suggestion"], "severity");
}

#[tokio::test]
async fn a_decision_is_made_shown_and_taken_back() {
    let served = with_events().await;
    let group = group_of(&served, 100).await;
    let act = |body: Value| {
        let served = &served;
        async move { served.post("/api/v1/groups/actions", &body).await }
    };
    act(json!({ "ids": [id(&group)], "action": "dismiss" })).await.problem(400);
    act(json!({ "ids": [id(&group)], "action": "dismiss", "reason": "other" })).await.problem(400);
    act(json!({ "ids": [id(&group)], "query": "sid:100", "action": "acknowledge" })).await.problem(400);
    act(json!({ "ids": [], "action": "acknowledge" })).await.problem(400);
    act(json!({ "ids": [id(&group)], "action": "explode" })).await.problem(400);
    let body = json!({ "ids": [id(&group)], "action": "dismiss", "reason": "accepted", "comment": "SEC-812" });
    let done = act(body).await.ok();
    assert_eq!((&done["changed"], &done["groups"][0]["status"]), (&json!(1), &json!("dismissed")));
    assert_eq!(done["groups"][0]["reason"], "accepted");
    assert_eq!(served.get("/api/v1/counts").await.ok()["dismissed"], 1);
    let detail = served.get(&format!("/api/v1/groups/{}", id(&group))).await.ok();
    assert_eq!(detail["comments_list"][0]["text"], "SEC-812", "{}", detail["history"]);
    let history = detail["history"].as_array().unwrap();
    let words: Vec<_> = history.iter().map(|entry| entry["detail"].as_str().unwrap()).collect();
    assert!(words.iter().any(|words| words.contains("reason no risk")), "{words:?}");
    let undo = format!("/api/v1/undo/{}", done["undo"].as_str().unwrap());
    let undone = served.post(&undo, &json!({})).await.ok();
    assert_eq!((&undone["changed"], &undone["groups"][0]["status"]), (&json!(1), &json!("open")));
    served.post(&undo, &json!({})).await.problem(410);
    let audit = served.get("/api/v1/audit").await.ok();
    let whats: Vec<_> = audit["items"].as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert!(whats.contains(&"undo") && whats.contains(&"dismiss"), "{whats:?}");
    assert_eq!(audit["items"][0]["by"], "admin");
}

#[tokio::test]
async fn decisions_by_query_are_refused_when_the_list_has_moved() {
    let served = with_events().await;
    let body = |seen: u64| json!({ "query": "ns:shop", "action": "acknowledge", "expected_count": seen });
    let problem = served.post("/api/v1/groups/actions", &body(30)).await.problem(409);
    assert_eq!(problem["count"], 3);
    assert_eq!(served.post("/api/v1/groups/actions", &body(3)).await.ok()["changed"], 3);
    assert_eq!(served.get("/api/v1/counts").await.ok()["acknowledged"], 3);
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_is_told() {
    let served = with_events().await;
    let group = group_of(&served, 100).await;
    let version = group["version"].as_u64().unwrap();
    let body = |action: &str| json!({ "ids": [id(&group)], "versions": { id(&group): version }, "action": action });
    let (escalate, acknowledge) = (body("escalate"), body("acknowledge"));
    let path = "/api/v1/groups/actions";
    let (a, b) = tokio::join!(served.post(path, &escalate), served.post(path, &acknowledge));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{} {}", a.text(), b.text());
    let token = format!("Bearer {}", served.admin);
    let headers = [("authorization", token.as_str()), ("content-type", "application/json"), ("if-match", "\"999\"")];
    let stale = json!({ "ids": [id(&group)], "action": "reopen" }).to_string();
    served.call("POST", path, &headers, stale.as_bytes()).await.problem(412);
}

#[tokio::test]
async fn suppressions_are_previewed_made_changed_and_removed() {
    let served = with_events().await;
    let group = group_of(&served, 100).await;
    let preview = served.post("/api/v1/tuning/preview", &json!({ "group": id(&group), "days": 7 })).await.ok();
    let scopes = preview["scopes"].as_array().unwrap();
    let ids: Vec<_> = scopes.iter().map(|scope| scope["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["pair", "client", "namespace", "rule"]);
    assert_eq!((&scopes[0]["would_hide"], &scopes[0]["left_visible"]), (&json!(5), &json!(0)), "{preview}");
    assert_eq!(scopes[0]["days"].as_array().unwrap().len(), 7);
    let new = json!({
        "gid": scopes[0]["gid"], "sid": scopes[0]["sid"], "scope": scopes[0]["scope"], "mode": "hide",
        "reason": "authorised scanner", "expires": "now+30d",
        "numbers": { "days": 7, "would_hide": 5, "left": 0, "shapes": 1, "unopened": 1 },
    });
    let reply = served.post("/api/v1/tuning", &new).await;
    assert_eq!(reply.status, 201);
    let made = reply.ok();
    let path = format!("/api/v1/tuning/{}", made["id"].as_str().unwrap());
    assert_eq!(reply.header("location"), path);
    assert_eq!(
        (&made["author"], &made["mode"], &made["numbers"]["would_hide"]),
        (&json!("admin"), &json!("hide"), &json!(5))
    );
    assert!(made["yaml"].as_str().unwrap().contains("sid: 100\n"), "{}", made["yaml"]);
    served.ingest(&[event(8, 100, "203.0.113.7", 1)]).await.ok();
    let hidden = served.get("/api/v1/events/worker-3-1-8").await.ok();
    assert_eq!(hidden["suppressed_by"], made["id"]);
    assert!(served.get(&path).await.ok()["silenced"].as_u64().unwrap() >= 1);
    let token = format!("Bearer {}", served.admin);
    let change = |etag: String, body: Value| {
        let (served, path, token) = (&served, &path, token.as_str());
        async move {
            let headers = [("authorization", token), ("content-type", "application/json"), ("if-match", etag.as_str())];
            served.call("PATCH", path, &headers, body.to_string().as_bytes()).await
        }
    };
    let etag = reply.header("etag").to_owned();
    let limit = json!({ "mode": "limit", "limit": { "count": 1, "seconds": 3600 }, "expires": null });
    let changed = change(etag.clone(), limit.clone()).await.ok();
    assert_eq!(
        (&changed["mode"], &changed["limit"]["seconds"], &changed["expires"]),
        (&json!("limit"), &json!(3600), &Value::Null)
    );
    change(etag, limit).await.problem(412);
    let listed = served.get("/api/v1/tuning").await.ok();
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["msg"]), (1, &json!("rule 100")));
    assert_eq!(served.send("DELETE", &path, &Value::Null).await.status, 204);
    served.get(&path).await.problem(404);
    for bad in [
        json!({ "mode": "hide", "reason": "x" }),
        json!({ "sid": 1, "mode": "hide", "reason": " " }),
        json!({ "sid": 1, "mode": "limit", "reason": "x" }),
        json!({ "sid": 1, "mode": "hide", "reason": "x", "expires": "now-1d" }),
        json!({ "sid": 1, "mode": "hide", "reason": "x", "scope": { "inspection": "a/b" } }),
    ] {
        served.post("/api/v1/tuning", &bad).await.problem(400);
    }
}

#[tokio::test]
async fn an_exception_hides_while_it_holds() {
    let served = with_events().await;
    let new = json!({ "id": "scanner", "description": "pen test", "selector": "sid = 100" });
    assert_eq!(served.post("/api/v1/exceptions", &new).await.ok()["active"], true);
    assert_eq!(served.get("/api/v1/groups").await.ok()["items"].as_array().unwrap().len(), 2);
    let list = served.get("/api/v1/exceptions").await.ok();
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["author"]), (&json!("scanner"), &json!("admin")));
    assert_eq!(served.send("DELETE", "/api/v1/exceptions/scanner", &Value::Null).await.status, 204);
    assert_eq!(served.get("/api/v1/groups").await.ok()["items"].as_array().unwrap().len(), 3);
    served.send("DELETE", "/api/v1/exceptions/scanner", &Value::Null).await.problem(404);
    for (selector, end) in [("", "now+1d"), ("sid=", "now+1d"), ("sid=1", "now-1d")] {
        let bad = json!({ "description": "d", "selector": selector, "end": end });
        served.post("/api/v1/exceptions", &bad).await.problem(400);
    }
}

#[tokio::test]
async fn views_are_replaced_as_a_list() {
    let served = Served::new().await;
    let two = json!([{ "name": "a", "url": "?q=sid:1" }, { "name": "b", "url": "?q=sid:2", "shared": true }]);
    assert_eq!(served.send("PUT", "/api/v1/views", &two).await.ok().as_array().unwrap().len(), 2);
    let one = json!([{ "name": "b", "url": "?q=sid:3" }]);
    served.send("PUT", "/api/v1/views", &one).await.ok();
    let views = served.get("/api/v1/views").await.ok();
    assert_eq!(views, json!([{ "name": "b", "url": "?q=sid:3", "shared": false, "owner": "admin" }]));
    served.send("PUT", "/api/v1/views", &json!([{ "name": "", "url": "" }])).await.problem(400);
}

#[tokio::test]
async fn what_is_dismissed_again_and_again_is_suggested_until_it_is_quiet() {
    let served = Served::new().await;
    for round in 1..=3 {
        served.ingest(&[event(round, 100, "203.0.113.7", 10 + round as i64)]).await.ok();
        let list = served.get("/api/v1/groups?from=now-60d&status=all").await.ok();
        let group = id(&list["items"][0]);
        let none = served.get("/api/v1/tuning/suggestions").await.ok();
        assert_eq!(none["items"], json!([]), "{round}");
        let action = json!({ "ids": [group], "action": "dismiss", "reason": "expected" });
        served.post("/api/v1/groups/actions", &action).await.ok();
    }
    let found = served.get("/api/v1/tuning/suggestions").await.ok();
    let row = &found["items"][0];
    assert_eq!((&row["times"], &row["people"], &row["group"]["sid"]), (&json!(3), &json!(1), &json!(100)));
    assert_eq!(row["reasons"], json!({ "expected": 3 }));
    let new = json!({ "gid": 1, "sid": 100, "mode": "hide", "reason": "authorised scanner" });
    served.post("/api/v1/tuning", &new).await.ok();
    assert_eq!(served.get("/api/v1/tuning/suggestions").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn a_suppression_between_addresses_is_seen_by_who_sees_everything() {
    let served = Served::new().await;
    let scope = json!({ "client": "203.0.113.0/24", "server": "10.0.0.1" });
    let new = json!({ "gid": 1, "sid": 5, "scope": scope, "mode": "hide", "reason": "noise" });
    let id = served.post("/api/v1/tuning", &new).await.ok()["id"].clone();
    assert_eq!(served.get("/api/v1/tuning").await.ok()["items"][0]["id"], id);
}

#[tokio::test]
async fn an_action_names_as_many_groups_as_it_may_and_covers_no_past() {
    let served = Served::new().await;
    let act = |groups: u64, until: Option<&'static str>| {
        let ids: Vec<String> = (1..=groups).map(|id| format!("{id:016x}")).collect();
        let versions: serde_json::Map<_, _> = ids.iter().map(|id| (id.clone(), json!(1))).collect();
        let mut body = json!({ "ids": ids, "versions": versions, "action": "dismiss", "reason": "expected" });
        body["until"] = json!(until);
        body
    };
    // They are looked for, and are not there.
    served.post("/api/v1/groups/actions", &act(10_000, None)).await.problem(404);
    served.post("/api/v1/groups/actions", &act(10_001, None)).await.problem(400);
    served.post("/api/v1/groups/actions", &act(1, Some("now+1d"))).await.problem(404);
    for past in ["now", "now-1s", "2023-11-14"] {
        let problem = served.post("/api/v1/groups/actions", &act(1, Some(past))).await.problem(400);
        assert!(problem["detail"].as_str().unwrap().contains("past"), "{problem}");
    }
}
