//! HTTP sinks against a receiver on loopback that answers as the test says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapir_delivery::sinks::elastic::{ElasticConfig, ElasticSink, Layout};
use tapir_delivery::sinks::http::{Auth, HttpConfig};
use tapir_delivery::sinks::manager::ManagerSink;
use tapir_delivery::sinks::otlp::OtlpSink;
use tapir_delivery::sinks::webhook::{Consumer, WebhookConfig, WebhookSink};
use tapir_delivery::{Answer, Load, Outcome, Record, Sink, Stream};
use tapir_event::{Format, RuleSummary, SecurityEvent, Style};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    line: String,
    headers: String,
    body: Vec<u8>,
}

impl Request {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Lines of a gzip body.
    fn lines(&self) -> Vec<Value> {
        let mut text = String::new();
        flate2::read::GzDecoder::new(self.body.as_slice()).read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Status, further headers, body.
type Reply = (u16, &'static str, String);

/// Answers in turn; the last answer is repeated.
struct Receiver {
    url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, replies) = (Arc::clone(&seen), Arc::new(Mutex::new(VecDeque::from(replies))));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&replies)));
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    stream: tokio::net::TcpStream,
    seen: Arc<Mutex<Vec<Request>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut headers) = (String::new(), String::new());
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.ok()?;
            if header.trim().is_empty() {
                break;
            }
            headers.push_str(&header.to_lowercase());
        }
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await.ok()?;
        seen.lock().unwrap().push(Request { line, headers, body });
        let (status, extra, body) = {
            let mut replies = replies.lock().unwrap();
            if replies.len() > 1 { replies.pop_front()? } else { replies.front()?.clone() }
        };
        let head = format!("HTTP/1.1 {status} X\r\n{extra}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).await.ok()?;
    }
}

fn record(seq: u64) -> Record {
    let mut event = SecurityEvent::default();
    event.time.0 = 1_700_000_000_000_000_000;
    let payload = serde_json::to_vec(&event).unwrap();
    let stream = Stream { node: "node-a".into(), boot: 3 };
    Record { id: stream.id(seq), time_ns: 0, queued_ns: 0, payload: payload.into() }
}

fn local() -> HttpConfig {
    HttpConfig { allow_local: true, timeout: Some(Duration::from_secs(2)), ..HttpConfig::default() }
}

fn outcomes(answer: Answer) -> Vec<Outcome> {
    match answer {
        Answer::Each(outcomes) => outcomes,
        Answer::Nothing(why) => panic!("{why}"),
    }
}

const OPENSEARCH: &str = r#"{"version":{"distribution":"opensearch","number":"2.19.6"}}"#;

/// What the sink asks before its first batch: who is there, are there policies; then it makes the template, or the day's index.
fn greeting() -> Vec<Reply> {
    vec![(200, "", OPENSEARCH.into()), (400, "", "{}".into()), (200, "", "{}".into())]
}

fn elastic(url: &str, layout: Layout) -> ElasticSink {
    let http = HttpConfig { auth: Auth::ApiKey("a2V5".into()), ..local() };
    ElasticSink::new(ElasticConfig { url: url.into(), http, layout, ..ElasticConfig::default() }).unwrap()
}

fn created(items: &[Value]) -> Reply {
    (200, "", json!({ "errors": true, "items": items }).to_string())
}

#[tokio::test]
async fn a_bulk_creates_documents_under_their_ids_in_the_index_of_their_day() {
    let done = json!({ "create": { "status": 201 } });
    let there = json!({ "create": { "status": 409, "error": { "type": "version_conflict_engine_exception" } } });
    let mut replies = greeting();
    replies.push(created(&[done, there]));
    let receiver = Receiver::start(replies).await;
    let mut sink = elastic(&receiver.url, Layout::Calico);
    let delivery = sink.deliver(&[record(1), record(2)]).await;
    assert_eq!(outcomes(delivery.answer), [Outcome::Done, Outcome::Duplicate]);
    let seen = receiver.seen();
    assert!(seen[2].line.starts_with("PUT /tigera_secure_ee_events.cluster.lma-20231114 "), "{:?}", seen[2].line);
    assert_eq!(seen[2].json()["aliases"]["tigera_secure_ee_events.cluster."], json!({ "is_write_index": false }));
    assert!(seen[3].line.starts_with("POST /_bulk "), "{:?}", seen[3].line);
    assert!(seen[3].headers.contains("authorization: apikey a2v5"), "{}", seen[3].headers);
    let lines = seen[3].lines();
    assert_eq!(lines[0]["create"]["_index"], "tigera_secure_ee_events.cluster.lma-20231114");
    assert_eq!(lines[0]["create"]["_id"], lines[1]["id"]);
    assert_eq!(lines[1]["tapir"]["id"], "node-a-3-1");
    assert_eq!(lines.len(), 4);
}

const ELASTICSEARCH: &str = r#"{"version":{"number":"9.1.2","build_flavor":"default"}}"#;

/// Methods and paths of what was asked.
fn asked(receiver: &Receiver) -> Vec<String> {
    receiver.seen().iter().map(|request| request.line.trim_end_matches(" HTTP/1.1\r\n").to_owned()).collect()
}

#[tokio::test]
async fn nothing_of_the_incumbents_is_written_and_a_policy_that_is_there_stays() {
    let day = "PUT /tigera_secure_ee_events.cluster.lma-20231114";
    let there = r#"{"error":{"type":"resource_already_exists_exception"},"status":400}"#;
    let stored = || created(&[json!({ "create": { "status": 201 } })]);
    let first = vec![
        (200, "", ELASTICSEARCH.into()),
        (404, "", "{}".into()),
        (200, "", "{}".into()),
        (200, "", "{}".into()),
        stored(),
    ];
    let receiver = Receiver::start(first).await;
    assert_eq!(outcomes(elastic(&receiver.url, Layout::Calico).deliver(&[record(1)]).await.answer), [Outcome::Done]);
    let policy = "/_ilm/policy/tapir-events-91d";
    assert_eq!(
        asked(&receiver),
        ["GET /".to_owned(), format!("GET {policy}"), format!("PUT {policy}"), day.into(), "POST /_bulk".into()]
    );

    // Another node, later: policy and index are there. The second batch asks for neither.
    let later = vec![(200, "", ELASTICSEARCH.into()), (200, "", "{}".into()), (400, "", there.into()), stored()];
    let receiver = Receiver::start(later).await;
    let mut sink = elastic(&receiver.url, Layout::Calico);
    for n in 1..3 {
        assert_eq!(outcomes(sink.deliver(&[record(n)]).await.answer), [Outcome::Done]);
    }
    assert_eq!(
        asked(&receiver)[1..],
        [format!("GET {policy}"), day.into(), "POST /_bulk".into(), "POST /_bulk".into()]
    );
}

#[tokio::test]
async fn opensearch_looks_after_each_index_of_ours_by_its_name() {
    let ok = || (200, "", "{}".to_owned());
    let stored = created(&[json!({ "create": { "status": 201 } })]);
    let replies = vec![(200, "", OPENSEARCH.into()), ok(), (404, "", "{}".into()), ok(), ok(), ok(), stored];
    let receiver = Receiver::start(replies).await;
    assert_eq!(outcomes(elastic(&receiver.url, Layout::Calico).deliver(&[record(1)]).await.answer), [Outcome::Done]);
    let asked = asked(&receiver);
    assert_eq!(asked[3], "PUT /_plugins/_ism/policies/tapir-events-91d");
    assert_eq!(asked[5], "POST /_plugins/_ism/add/tigera_secure_ee_events.cluster.lma-20231114");
    assert_eq!(receiver.seen()[5].json(), json!({ "policy_id": "tapir-events-91d" }));
}

#[tokio::test]
async fn what_the_server_leaves_out_is_sent_again_and_what_it_refuses_is_kept_as_text() {
    let refused =
        json!({ "create": { "status": 400, "error": { "type": "mapper_parsing_exception", "reason": "no" } } });
    let mut replies = greeting();
    replies.push(created(&[json!({ "create": { "status": 201 } }), refused]));
    replies.push(created(&[json!({ "create": { "status": 201 } })]));
    let receiver = Receiver::start(replies).await;
    let mut sink = elastic(&receiver.url, Layout::Calico);
    let found = outcomes(sink.deliver(&[record(1), record(2), record(3)]).await.answer);
    assert_eq!(found[..2], [Outcome::Done, Outcome::Done]);
    assert!(matches!(&found[2], Outcome::Retry(why) if why.contains("left this event out")), "{found:?}");
    let text = receiver.seen()[4].lines();
    assert_eq!(text.len(), 2);
    assert!(text[1]["tapir"]["unmapped_raw"].as_str().unwrap().contains("node-a-3-2"));
    assert_eq!(sink.figures()[0], ("unmapped", 1));
}

#[tokio::test]
async fn a_busy_server_slows_the_sink_down_and_a_stranger_is_told_apart() {
    let mut replies = greeting();
    replies.push((429, "retry-after: 7\r\n", "busy".into()));
    replies.push((413, "", "large".into()));
    replies.push((401, "", "no".into()));
    let receiver = Receiver::start(replies).await;
    let mut sink = elastic(&receiver.url, Layout::Calico);
    let busy = sink.deliver(&[record(1)]).await;
    assert_eq!((busy.retry_after, busy.load), (Some(Duration::from_secs(7)), Load::Slower));
    assert_eq!(sink.deliver(&[record(1)]).await.load, Load::TooLarge);
    let Answer::Nothing(why) = sink.deliver(&[record(1)]).await.answer else { panic!("an answer") };
    assert!(why.contains("credentials"), "{why}");

    let stranger = Receiver::start(vec![(200, "", "<html>".into())]).await;
    let Answer::Nothing(why) = elastic(&stranger.url, Layout::Calico).deliver(&[record(1)]).await.answer else {
        panic!("an answer")
    };
    assert!(why.contains("no Elasticsearch or OpenSearch"), "{why}");
}

#[tokio::test]
async fn a_data_stream_is_asked_before_an_event_of_unknown_outcome_is_sent_again() {
    let mut replies = greeting();
    // A new process knows nothing of what the former one sent: it asks.
    replies.push((200, "", "{}".into()));
    replies.push((200, "", json!({ "hits": { "hits": [{ "_id": "node-a-3-1" }] } }).to_string()));
    replies.push(created(&[json!({ "create": { "status": 201 } })]));
    // Then it only asks for what it is not sure of.
    replies.push((502, "", "gateway".into()));
    replies.push((200, "", "{}".into()));
    replies.push((200, "", json!({ "hits": { "hits": [{ "_id": "node-a-3-3" }] } }).to_string()));
    let receiver = Receiver::start(replies).await;
    let mut sink = elastic(&receiver.url, Layout::Ecs);
    let found = outcomes(sink.deliver(&[record(1), record(2)]).await.answer);
    assert_eq!(found, [Outcome::Duplicate, Outcome::Done]);
    assert_eq!(receiver.seen()[5].lines()[0]["create"]["_index"], "logs-tapir.alert-default");
    assert!(matches!(sink.deliver(&[record(3)]).await.answer, Answer::Nothing(_)));
    assert_eq!(outcomes(sink.deliver(&[record(3)]).await.answer), [Outcome::Duplicate]);
    assert_eq!(sink.figures()[1], ("found_again", 2));
}

fn hook(url: &str, consumer: Consumer) -> WebhookConfig {
    let (url, style) = (url.to_owned(), Style::default());
    WebhookConfig {
        url,
        http: local(),
        consumer,
        labels: Vec::new(),
        secret: "key".into(),
        window: WebhookConfig::WINDOW,
        style,
    }
}

#[tokio::test]
async fn a_hook_posts_each_wanted_event_signed_and_stops_when_asked_to() {
    let replies = vec![(200, "", String::new()), (503, "retry-after: 9\r\n", "later".into())];
    let receiver = Receiver::start(replies).await;
    let config = hook(&receiver.url, Consumer::Generic(Format::Calico));
    let mut sink = WebhookSink::new(config, Box::new(|event| event.id.seq != 1)).unwrap();
    let delivery = sink.deliver(&[record(1), record(2), record(3), record(4)]).await;
    assert_eq!(delivery.retry_after, Some(Duration::from_secs(9)));
    assert_eq!(outcomes(delivery.answer), [Outcome::Skipped, Outcome::Done, Outcome::Untried, Outcome::Untried]);
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2);
    let Answer::Nothing(why) = sink.deliver(&[record(3)]).await.answer else { panic!("an answer") };
    assert!(why.contains("503"), "{why}");
    assert!(seen[0].headers.contains("x-tapir-signature: t="), "{}", seen[0].headers);
    assert!(seen[0].headers.contains("idempotency-key: node-a-3-2"), "{}", seen[0].headers);
    assert_eq!(seen[0].json()["labels"], json!({}));
}

#[tokio::test]
async fn a_hook_does_not_follow_redirects_and_keeps_to_its_rate() {
    let redirect = Receiver::start(vec![(302, "location: http://127.0.0.1:1/\r\n", String::new())]).await;
    let mut sink = WebhookSink::new(hook(&redirect.url, Consumer::Slack), Box::new(|_| true)).unwrap();
    let found = outcomes(sink.deliver(&[record(1)]).await.answer);
    assert!(matches!(&found[..], [Outcome::Reject(why)] if why.contains("redirects")), "{found:?}");

    let receiver = Receiver::start(vec![(200, "", "ok".into())]).await;
    let mut sink = WebhookSink::new(hook(&receiver.url, Consumer::Slack), Box::new(|_| true)).unwrap();
    let batch: Vec<Record> = (0..12).map(|n| of_rule(n, n as u32)).collect();
    let delivery = sink.deliver(&batch).await;
    let found = outcomes(delivery.answer);
    assert!(found[..10].iter().all(|outcome| *outcome == Outcome::Done), "{found:?}");
    assert_eq!(found[10..], [Outcome::Untried, Outcome::Untried]);
    assert!(delivery.retry_after.is_some_and(|wait| wait > Duration::from_secs(3)), "{:?}", delivery.retry_after);
    assert_eq!(receiver.seen().len(), 10);
}

/// Another rule is another group.
fn of_rule(seq: u64, sid: u32) -> Record {
    let rule = RuleSummary { gid: 1, sid, msg: Some("SCAN".into()), ..RuleSummary::default() };
    let event = SecurityEvent { rule: Arc::new(rule), ..SecurityEvent::default() };
    Record { payload: serde_json::to_vec(&event).unwrap().into(), ..record(seq) }
}

#[tokio::test]
async fn slack_gets_one_message_for_a_group_and_then_a_count() {
    let receiver = Receiver::start(vec![(200, "", "ok".into())]).await;
    let config = WebhookConfig { window: Duration::from_millis(200), ..hook(&receiver.url, Consumer::Slack) };
    let mut sink = WebhookSink::new(config, Box::new(|_| true)).unwrap();
    let mut batch: Vec<Record> = (0..38).map(|n| of_rule(n, 7)).collect();
    batch.push(of_rule(38, 8));
    let found = outcomes(sink.deliver(&batch).await.answer);
    assert!(found.iter().all(|outcome| *outcome == Outcome::Done), "{found:?}");
    assert_eq!(receiver.seen().len(), 2, "one for each group");
    assert!(receiver.seen()[0].json()["text"].as_str().unwrap().ends_with("SCAN"));
    let due = sink.due().unwrap();
    tokio::time::sleep_until(due.into()).await;
    sink.tick().await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 3);
    let text = seen[2].json();
    assert!(text["text"].as_str().unwrap().ends_with("SCAN ×37 more"), "{text}");
    assert_eq!(text["blocks"][1]["fields"][2]["text"], "*Count*\n38");
    assert!(seen[2].headers.contains("idempotency-key: node-a-3-37"), "{}", seen[2].headers);
    assert_eq!(sink.figures(), [("rate_limited", 0), ("folded", 37), ("summaries", 1), ("untold", 0)]);
    assert_eq!(sink.due(), None);
    // At the end of the process what is counted is told before the window ends.
    sink.deliver(&[of_rule(39, 7)]).await;
    sink.close().await;
    assert!(receiver.seen()[3].json()["text"].as_str().unwrap().ends_with("×1 more"));
}

#[tokio::test]
async fn a_receiver_that_is_away_opens_no_window_and_loses_no_count() {
    let replies = vec![(503, "", "no".into()), (200, "", "ok".into()), (503, "retry-after: 1\r\n", "no".into())];
    let receiver = Receiver::start(replies).await;
    let config = WebhookConfig { window: Duration::from_millis(50), ..hook(&receiver.url, Consumer::Slack) };
    let mut sink = WebhookSink::new(config, Box::new(|_| true)).unwrap();
    assert!(matches!(sink.deliver(&[of_rule(0, 7)]).await.answer, Answer::Nothing(_)));
    assert_eq!(outcomes(sink.deliver(&[of_rule(0, 7), of_rule(1, 7)]).await.answer), [Outcome::Done, Outcome::Done]);
    tokio::time::sleep_until(sink.due().unwrap().into()).await;
    sink.tick().await;
    assert_eq!(receiver.seen().len(), 3);
    let again = sink.due().unwrap().saturating_duration_since(std::time::Instant::now());
    assert!(again > Duration::from_millis(500), "as the receiver asked: {again:?}");
    assert_eq!(sink.figures()[1..], [("folded", 1), ("summaries", 0), ("untold", 0)]);
}

#[tokio::test]
async fn jira_gets_one_issue_for_a_group_and_comments() {
    let ok = |body: &str| (200, "", body.to_owned());
    let receiver = Receiver::start(vec![
        // Data Center: the way of the cloud is not there. Nothing is found, so an issue is made.
        (404, "", "no".into()),
        ok(r#"{"issues":[]}"#),
        (201, "", r#"{"id":"1","key":"SEC-5"}"#.into()),
        // The count is a comment of that issue.
        (201, "", "{}".into()),
        // Another group has an issue from before.
        ok(r#"{"issues":[{"key":"SEC-3"}]}"#),
        (201, "", "{}".into()),
    ])
    .await;
    let consumer = Consumer::Jira { project: "SEC".into(), issue_type: "Bug".into() };
    let url = format!("{}/rest/api/2/issue/", receiver.url);
    let config = WebhookConfig { window: Duration::from_millis(50), ..hook(&url, consumer) };
    let mut sink = WebhookSink::new(config, Box::new(|_| true)).unwrap();
    sink.deliver(&[of_rule(0, 7), of_rule(1, 7), of_rule(2, 7)]).await;
    tokio::time::sleep_until(sink.due().unwrap().into()).await;
    sink.tick().await;
    assert_eq!(outcomes(sink.deliver(&[of_rule(3, 8)]).await.answer), [Outcome::Done]);
    let asked = asked(&receiver);
    assert!(
        asked[0]
            .starts_with("GET /rest/api/2/search/jql?jql=project%20%3D%20%22SEC%22%20AND%20labels%20%3D%20%22tapir-")
    );
    assert!(asked[1].starts_with("GET /rest/api/2/search?jql="), "{}", asked[1]);
    assert_eq!(asked[2], "POST /rest/api/2/issue/");
    assert_eq!(asked[3], "POST /rest/api/2/issue/SEC-5/comment");
    assert!(receiver.seen()[3].json()["body"].as_str().unwrap().starts_with("×2 more"));
    assert!(asked[4].starts_with("GET /rest/api/2/search?jql="), "the way that answered is kept");
    assert_eq!(asked[5], "POST /rest/api/2/issue/SEC-3/comment");
}

#[tokio::test]
async fn what_machines_read_stays_one_request_for_an_event() {
    let receiver = Receiver::start(vec![(200, "", "ok".into())]).await;
    let config = hook(&receiver.url, Consumer::Generic(Format::Calico));
    let mut sink = WebhookSink::new(config, Box::new(|_| true)).unwrap();
    sink.deliver(&[of_rule(0, 7), of_rule(1, 7)]).await;
    assert_eq!((receiver.seen().len(), sink.due()), (2, None));
    assert_eq!(sink.figures(), [("rate_limited", 0)]);
}

#[tokio::test]
async fn a_collector_gets_log_records_and_its_refusals_are_counted() {
    let partial = json!({ "partialSuccess": { "rejectedLogRecords": "1", "errorMessage": "old" } }).to_string();
    let receiver = Receiver::start(vec![(200, "", partial), (400, "", "bad".into()), (503, "", "busy".into())]).await;
    let mut sink = OtlpSink::new(&receiver.url, &local(), Style::default()).unwrap();
    assert_eq!(outcomes(sink.deliver(&[record(1), record(2)]).await.answer), [Outcome::Done, Outcome::Done]);
    assert_eq!(sink.figures(), [("refused_by_collector", 1)]);
    let seen = receiver.seen();
    assert!(seen[0].line.starts_with("POST /v1/logs "), "{}", seen[0].line);
    let records = &seen[0].json()["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
    assert_eq!(records.as_array().unwrap().len(), 2);
    assert!(matches!(&outcomes(sink.deliver(&[record(3)]).await.answer)[..], [Outcome::Reject(_)]));
    assert_eq!(sink.deliver(&[record(4)]).await.load, Load::Slower);
}

#[tokio::test]
async fn the_manager_gets_lines_with_ids_and_may_refuse_some() {
    let refused = json!({ "stored": 1, "duplicates": 0, "rejected": [{ "line": 2, "why": "too large" }] }).to_string();
    let receiver = Receiver::start(vec![
        (200, "", refused),
        (429, "retry-after: 3\r\n", "full".into()),
        (200, "", "<html>".into()),
    ])
    .await;
    let mut sink = ManagerSink::new(&receiver.url, "agent-token".into(), local()).unwrap();
    let found = outcomes(sink.deliver(&[record(1), record(2)]).await.answer);
    assert_eq!(found, [Outcome::Done, Outcome::Reject("too large".into())]);
    let seen = receiver.seen();
    assert!(seen[0].line.starts_with("POST /api/v1/ingest "), "{}", seen[0].line);
    assert!(seen[0].headers.contains("authorization: bearer agent-token"), "{}", seen[0].headers);
    assert_eq!(seen[0].lines()[1]["id"], "node-a-3-2");
    let busy = sink.deliver(&[record(3)]).await;
    assert_eq!((busy.retry_after, busy.load), (Some(Duration::from_secs(3)), Load::Slower));
    let Answer::Nothing(why) = sink.deliver(&[record(3)]).await.answer else { panic!("an answer") };
    assert!(why.contains("no Tapir manager"), "{why}");
}

#[tokio::test]
async fn a_receiver_that_is_not_there_or_says_nothing_is_a_failure_with_words() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut sink = OtlpSink::new(&format!("http://{closed}"), &local(), Style::default()).unwrap();
    let Answer::Nothing(why) = sink.deliver(&[record(1)]).await.answer else { panic!("an answer") };
    assert!(why.contains("refused"), "{why}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = HttpConfig { timeout: Some(Duration::from_millis(200)), ..local() };
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut sink = OtlpSink::new(&url, &http, Style::default()).unwrap();
    let Answer::Nothing(why) = sink.deliver(&[record(1)]).await.answer else { panic!("an answer") };
    assert!(why.contains("timed out"), "{why}");
}
