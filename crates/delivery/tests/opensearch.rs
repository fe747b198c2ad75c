//! The whole way into a real OpenSearch: spool, courier, sink, index; and what a reader of the incumbent's index finds.
//!
//! Needs `OPENSEARCH_URL`; `make opensearch-test` starts a server and sets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tapir_delivery::courier::{self, CourierConfig, DeadLetterConfig, SinkStats};
use tapir_delivery::sinks::elastic::{ElasticConfig, ElasticSink, Layout};
use tapir_delivery::sinks::http::{HttpClient, HttpConfig};
use tapir_delivery::{NewRecord, Spool, SpoolConfig, SystemClock, Writer, open};
use tapir_event::{Endpoint, Evidence, Inspection, RuleSummary, SecurityEvent, Style};

/// A spool in a folder of its own, and a client for the questions.
struct Bench {
    folder: PathBuf,
    writer: Writer,
    spool: Spool,
    client: HttpClient,
    url: String,
}

fn http() -> HttpConfig {
    HttpConfig { allow_local: true, ..HttpConfig::default() }
}

impl Bench {
    /// `None`, said plainly, without a server.
    fn new(name: &str) -> Option<Self> {
        let Ok(url) = std::env::var("OPENSEARCH_URL") else {
            println!("skipped: no OPENSEARCH_URL; `make opensearch-test` starts a server");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("tapir-delivery-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let clock = Arc::new(SystemClock::default());
        let opened = open(&folder.join("spool"), "node-a", SpoolConfig::default(), clock).unwrap();
        let client = HttpClient::new(&url, &http()).unwrap();
        Some(Self { folder, writer: opened.writer, spool: opened.spool, client, url })
    }

    fn append(&mut self, events: &[SecurityEvent]) {
        let record = |event| NewRecord { time_ns: 0, payload: serde_json::to_vec(event).unwrap() };
        let records: Vec<NewRecord> = events.iter().map(record).collect();
        self.writer.append(&records).unwrap();
    }

    /// Delivers everything in the spool as a sink that has never been seen before.
    async fn deliver(&self, sink: &str, layout: Layout, cluster: &str) -> SinkStats {
        let style = Style { cluster: cluster.into(), ..Style::default() };
        let namespace = cluster.to_owned();
        let config =
            ElasticConfig { url: self.url.clone(), http: http(), layout, style, namespace, ..ElasticConfig::default() };
        let dead = DeadLetterConfig::new(self.folder.join("dead"));
        let config_of_courier = CourierConfig { linger: Duration::from_millis(10), ..CourierConfig::new(sink, dead) };
        let sink = Box::new(ElasticSink::new(config).unwrap());
        let courier = courier::start(&self.spool, config_of_courier, sink).unwrap();
        for _ in 0..300 {
            let stats = courier.stats();
            if stats.lag_records == 0 && stats.requests > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        courier.shutdown(Duration::from_secs(5)).await
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let headers = [("content-type", "application/json".to_owned())];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = self.client.send(method, path, &headers, body).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.excerpt());
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    async fn count(&self, index: &str, query: Value) -> u64 {
        self.ask(Method::POST, &format!("{index}/_refresh"), Value::Null).await;
        let answer = self.ask(Method::POST, &format!("{index}/_count"), json!({ "query": query })).await;
        answer["count"].as_u64().unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Events as they come: IPv4, IPv6, without addresses, with bytes that are no text.
fn event(n: u64) -> SecurityEvent {
    let end = |text: &str| text.parse().ok().map(|address| Endpoint { address, port: Some(8080) });
    let (source, destination) = match n % 3 {
        0 => (end("10.88.0.1"), end("10.88.0.24")),
        1 => (end("2001:db8::1"), end("2001:db8::2")),
        _ => (None, None),
    };
    let mut event = SecurityEvent {
        rule: Arc::new(RuleSummary {
            gid: 1,
            sid: 21562,
            rev: 6,
            msg: Some("MALWARE-CNC \u{0} \u{202e} <script>".into()),
            priority: 1,
            ..RuleSummary::default()
        }),
        source,
        destination,
        protocol: "TCP".into(),
        inspection: Some(Inspection { namespace: "hipstershop".into(), name: "sample-dpi-frontend".into() }),
        evidence: Some(Evidence { payload: b"\xff\0smk=1234".to_vec(), ..Evidence::default() }),
        ..SecurityEvent::default()
    };
    event.time.0 = 1_634_682_388_000_000_000 + n as i64;
    event
}

fn events(count: u64) -> Vec<SecurityEvent> {
    (0..count).map(event).collect()
}

#[tokio::test]
async fn events_stand_where_the_incumbents_users_look_and_only_once() {
    let Some(mut bench) = Bench::new("calico") else { return };
    bench.append(&events(1_500));
    let first = bench.deliver("first", Layout::Calico, "delivery").await;
    assert_eq!((first.delivered, first.rejected, first.dead_letters), (1_500, 0, 0), "{first:?}");
    // The data view of Kibana and its time field; the trailing-dot alias.
    let index = "tigera_secure_ee_events*";
    let time = json!({ "range": { "time": { "gte": 1_634_682_388, "lte": 1_634_682_389, "format": "epoch_second" } } });
    let ours = json!({ "bool": { "filter": [time, { "term": { "cluster": "delivery" } }] } });
    assert_eq!(bench.count(index, ours.clone()).await, 1_500);
    assert_eq!(bench.count("tigera_secure_ee_events.delivery.", json!({ "match_all": {} })).await, 1_500);
    for (query, expected) in [
        (json!({ "term": { "record.snort_signature_id": "21562" } }), 1_500),
        (json!({ "term": { "origin": "dpi.hipstershop/sample-dpi-frontend" } }), 1_500),
        (json!({ "term": { "source_ip": "2001:db8::/64" } }), 500),
        (json!({ "term": { "dest_ip": "10.88.0.24" } }), 500),
        (json!({ "range": { "severity": { "gte": 90 } } }), 1_500),
        (json!({ "term": { "tapir.level": "high" } }), 1_500),
    ] {
        assert_eq!(bench.count("tigera_secure_ee_events.delivery.", query.clone()).await, expected, "{query}");
    }
    // The same spool once more, as after a restart that forgot its place.
    let again = bench.deliver("again", Layout::Calico, "delivery").await;
    assert_eq!((again.duplicates, again.delivered), (1_500, 0), "{again:?}");
    assert_eq!(bench.count(index, ours).await, 1_500);
}

/// Both write to one server: the incumbent by its alias, which it rolls over; we beside it.
#[tokio::test]
async fn the_incumbent_goes_on_rolling_over_beside_us_and_readers_see_both() {
    let Some(mut bench) = Bench::new("beside") else { return };
    let (alias, first) = ("tigera_secure_ee_events.beside.", "tigera_secure_ee_events.beside.lma-20211001-000000");
    let template = "_index_template/tigera_secure_ee_events.beside";
    let body = json!({ "index_patterns": ["tigera_secure_ee_events.beside.*"], "priority": 100,
        "template": { "settings": { "number_of_replicas": 0, "refresh_interval": "7s" } } });
    bench.ask(Method::PUT, template, body.clone()).await;
    bench.ask(Method::PUT, first, json!({ "aliases": { (alias): { "is_write_index": true } } })).await;
    bench.append(&events(3));
    let stats = bench.deliver("first", Layout::Calico, "beside").await;
    assert_eq!((stats.delivered, stats.rejected), (3, 0), "{stats:?}");

    let rolled = bench.ask(Method::POST, &format!("{alias}/_rollover"), Value::Null).await;
    let second = rolled["new_index"].as_str().unwrap().to_owned();
    assert!(second.ends_with("-000001"), "{rolled}");
    let seen = bench.ask(Method::GET, &second, Value::Null).await;
    // Its own template, not one of ours.
    assert_eq!(seen[&second]["settings"]["index"]["refresh_interval"], "7s", "{seen}");
    let kept = bench.ask(Method::GET, template, Value::Null).await;
    assert_eq!(kept["index_templates"][0]["index_template"]["priority"], 100, "{kept}");
    bench.ask(Method::POST, &format!("{alias}/_doc?refresh=true"), json!({ "type": "waf" })).await;
    assert_eq!(bench.count(&second, json!({ "match_all": {} })).await, 1);
    assert_eq!(bench.count(alias, json!({ "match_all": {} })).await, 4);
    let ours = "tigera_secure_ee_events.beside.lma-20211019";
    assert_eq!(bench.count(ours, json!({ "term": { "record.snort_signature_id": "21562" } })).await, 3);
}

#[tokio::test]
async fn a_data_stream_that_rolls_over_between_two_deliveries_holds_an_event_once() {
    let Some(mut bench) = Bench::new("ecs") else { return };
    bench.append(&events(300));
    let first = bench.deliver("first", Layout::Ecs, "rollover").await;
    assert_eq!((first.delivered, first.rejected), (300, 0), "{first:?}");
    let stream = "logs-tapir.alert-rollover";
    bench.ask(Method::POST, &format!("{stream}/_rollover"), Value::Null).await;
    let again = bench.deliver("again", Layout::Ecs, "rollover").await;
    assert_eq!((again.duplicates, again.delivered), (300, 0), "{again:?}");
    assert_eq!(bench.count(stream, json!({ "term": { "event.code": "1:21562" } })).await, 300);
    assert_eq!(bench.count(stream, json!({ "term": { "source.ip": "2001:db8::1" } })).await, 100);
}

#[tokio::test]
async fn an_index_with_another_mapping_keeps_the_event_as_text() {
    let Some(mut bench) = Bench::new("conflict") else { return };
    let index = "tigera_secure_ee_events.conflict.lma-20211019";
    let mapping = json!({ "mappings": { "dynamic": false, "properties": {
        "time": { "type": "date", "format": "epoch_second" }, "protocol": { "type": "long" } } } });
    bench.ask(Method::PUT, index, mapping).await;
    bench.append(&events(4));
    let stats = bench.deliver("only", Layout::Calico, "conflict").await;
    assert_eq!((stats.delivered, stats.rejected), (4, 0), "{stats:?}");
    assert_eq!(bench.count(index, json!({ "match_all": {} })).await, 4);
    let answer = bench.ask(Method::POST, &format!("{index}/_search"), json!({ "size": 1 })).await;
    let raw = answer["hits"]["hits"][0]["_source"]["tapir"]["unmapped_raw"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(raw).unwrap()["protocol"], "tcp");
}
