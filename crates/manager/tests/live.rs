//! The live stream: what is ingested and decided arrives, in order, and nothing is lost over a reconnect.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::{Value, json};
use support::{PATIENCE, Served, event};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

struct Stream {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
}

impl Stream {
    async fn open(served: &Served, query: &str) -> Self {
        Self::with(served, query, &format!("authorization: Bearer {}", served.admin)).await
    }

    async fn with(served: &Served, query: &str, header: &str) -> Self {
        let mut stream = TcpStream::connect(served.at).await.unwrap();
        let head = format!("GET /api/v1/alerts/stream{query} HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "HTTP/1.1 200 OK");
        Self { lines }
    }

    /// Reads until the manager ends it; the connection itself stays.
    async fn ended(&mut self) {
        let read = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                // The last chunk.
                if line == "0" {
                    return;
                }
            }
        };
        timeout(PATIENCE, read).await.expect("an end in time");
    }

    /// The next event of this name: its id and its data.
    async fn next(&mut self, wanted: &str) -> (String, Value) {
        let read = async {
            let (mut name, mut id, mut data) = (String::new(), String::new(), String::new());
            while let Some(line) = self.lines.next_line().await.unwrap() {
                // Sizes of chunks stand between the lines of events; they are none of the fields.
                match line.split_once(": ") {
                    Some(("event", value)) => name = value.to_owned(),
                    Some(("id", value)) => id = value.to_owned(),
                    Some(("data", value)) => data = value.to_owned(),
                    _ if line.is_empty() && name == wanted && !data.is_empty() => {
                        return (id, serde_json::from_str(&data).unwrap());
                    }
                    _ => {}
                }
            }
            panic!("the stream ended before {wanted}");
        };
        timeout(PATIENCE, read).await.expect("an event in time")
    }
}

#[tokio::test]
async fn what_is_ingested_and_decided_arrives() {
    let served = Served::new().await;
    let mut stream = Stream::open(&served, "?q=sid:100").await;
    assert_eq!(stream.next("count").await.1["open"], 0);
    served.ingest(&[event(1, 100, "203.0.113.7", 1), event(2, 200, "203.0.113.7", 1)]).await.ok();
    let (_, group) = stream.next("group").await;
    let rows = group["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["sid"]), (1, &json!(100)), "{group}");
    let id = rows[0]["id"].clone();
    let dismiss = json!({ "ids": [id], "action": "dismiss", "reason": 1 });
    served.post("/api/v1/groups/actions", &dismiss).await.ok();
    loop {
        let (_, group) = stream.next("group").await;
        if group["gone"].as_array().unwrap().contains(&id) {
            break;
        }
    }
}

#[tokio::test]
async fn a_reconnect_loses_nothing_and_a_foreign_cursor_resets() {
    let served = Served::new().await;
    served.ingest(&[event(1, 100, "203.0.113.7", 1)]).await.ok();
    let mut first = Stream::open(&served, "?after=0").await;
    let (id, group) = first.next("group").await;
    assert_eq!(group["rows"][0]["sid"], 100);
    drop(first);
    served.ingest(&[event(2, 200, "203.0.113.7", 1)]).await.ok();
    let mut again = Stream::open(&served, &format!("?after={id}")).await;
    let (_, group) = again.next("group").await;
    let sids: Vec<_> = group["rows"].as_array().unwrap().iter().map(|row| row["sid"].clone()).collect();
    assert_eq!(sids, [json!(200)]);
    for foreign in ["999999999", "nonsense"] {
        let mut stream = Stream::open(&served, &format!("?after={foreign}")).await;
        assert!(stream.next("reset").await.1["why"].is_string());
    }
}

async fn sign_in(served: &Served) -> String {
    let body = json!({ "token": served.admin }).to_string();
    let reply = served.call("POST", "/api/v1/session", &[("content-type", "application/json")], body.as_bytes()).await;
    reply.ok();
    format!("cookie: {}", reply.session().split(';').next().unwrap())
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_no_other_does() {
    let served = Served::new().await;
    let (cookie, another) = (sign_in(&served).await, sign_in(&served).await);
    let mut stream = Stream::with(&served, "", &cookie).await;
    let mut other = Stream::with(&served, "", &another).await;
    stream.next("health").await;
    other.next("health").await;
    let started = std::time::Instant::now();
    let cookie = cookie.trim_start_matches("cookie: ");
    assert_eq!(served.call("DELETE", "/api/v1/session", &[("cookie", cookie)], b"").await.status, 204);
    stream.ended().await;
    assert!(started.elapsed().as_secs() < 4, "at once, not when it looks the next time: {:?}", started.elapsed());
    served.ingest(&[event(1, 100, "203.0.113.7", 1)]).await.ok();
    other.next("group").await;
}

#[tokio::test]
async fn a_stream_ends_when_its_session_is_over() {
    let served = Served::with(|config| config.limits.session = std::time::Duration::from_secs(1)).await;
    let cookie = sign_in(&served).await;
    let mut stream = Stream::with(&served, "", &cookie).await;
    stream.next("health").await;
    stream.ended().await;
}

#[tokio::test]
async fn a_stream_goes_on_from_the_list_that_was_loaded() {
    let served = Served::new().await;
    served.ingest(&[event(1, 100, "203.0.113.7", 1)]).await.ok();
    let list = served.get("/api/v1/groups").await;
    let (etag, change) = (list.header("etag").to_owned(), list.ok()["change"].as_u64().unwrap());
    let bearer = format!("Bearer {}", served.admin);
    let again =
        served.call("GET", "/api/v1/groups", &[("authorization", &bearer), ("if-none-match", &etag)], b"").await;
    // The minute may have changed in between; then the list is given again.
    assert!(again.status == 304 && again.body.is_empty() || again.header("etag") != etag, "{again:?}");
    served.ingest(&[event(2, 200, "203.0.113.7", 1)]).await.ok();
    let moved =
        served.call("GET", "/api/v1/groups", &[("authorization", &bearer), ("if-none-match", &etag)], b"").await;
    assert!(moved.ok()["change"].as_u64().unwrap() > change);
    let (_, group) = Stream::open(&served, &format!("?after={change}")).await.next("group").await;
    let sids: Vec<_> = group["rows"].as_array().unwrap().iter().map(|row| row["sid"].clone()).collect();
    assert_eq!(sids, [json!(200)], "the first is in the list already");
}

#[tokio::test]
async fn streams_are_counted_and_wrong_queries_are_problems() {
    let served = Served::with(|config| config.limits.streams = 1).await;
    served.get("/api/v1/alerts/stream?q=severty:1").await.problem(400);
    let mut only = Stream::open(&served, "").await;
    only.next("health").await;
    served.get("/api/v1/alerts/stream").await.problem(503);
}
