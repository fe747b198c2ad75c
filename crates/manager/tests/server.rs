//! The server itself: files, headers, health, limits, and what it does with hostile requests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::refusing::{Flat, Refusing};
use support::{PATIENCE, Scratch, Served};
use tapir_store::{EventStore, IngestBatch, SqliteConfig, SqliteStore, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn health_needs_no_token_and_metrics_none_from_loopback() {
    let served = Served::new().await;
    let reply = served.call("GET", "/healthz", &[], b"").await;
    assert_eq!(reply.ok(), json!({ "status": "ok" }));
    assert!(!reply.header("x-request-id").is_empty());
    let text = served.call("GET", "/metrics", &[], b"").await.text();
    assert!(text.contains("tapir_manager_requests_total{class=\"2xx\"} 1"), "{text}");
    served.call("GET", "/metrics", &[("x-forwarded-for", "203.0.113.9")], b"").await.problem(401);
}

#[tokio::test]
async fn a_search_that_takes_long_gives_what_it_has_and_goes_on() {
    let scratch = Scratch::new();
    let mut config = SqliteConfig::new(scratch.path().join("slow.db"));
    config.commit_after = Duration::from_millis(2);
    config.time_limit = Duration::from_millis(50);
    let store = SqliteStore::open(config).unwrap();
    // Reading 20,000 documents takes many times as long; a group has 500.
    let mut events: Vec<_> = (1..=20_000)
        .map(|seq| support::event(seq, 1_000 + u32::try_from(seq % 40).unwrap(), "203.0.113.7", 60))
        .collect();
    let evidence = events.first_mut().unwrap().evidence.as_mut().unwrap();
    evidence.buffers.first_mut().unwrap().bytes = b"/a/needle/here".to_vec();
    let documents = events.iter().map(|event| serde_json::to_vec(event).unwrap()).collect();
    let stored = store.ingest(IngestBatch { documents }, support::ago(0)).await.unwrap().stored;
    assert_eq!(stored, 20_000);
    let served = Served::over(Arc::new(store), scratch, |_| {}).await;
    for q in ["zzznothing", "uri:zzznothing", "excerpt:zzz"] {
        for list in ["groups", "events"] {
            let mut page = served.get(&format!("/api/v1/{list}?q={q}")).await.ok();
            assert!(page["partial"] == true && page["next"].is_string(), "{list} {q}: {page}");
            assert!(list == "events" || page["total"]["exact"] == false, "{page}");
            let mut pages = 1;
            while let Some(next) = page["next"].as_str() {
                page = served.get(&format!("/api/v1/{list}?q={q}&cursor={next}")).await.ok();
                pages += 1;
                assert!(page["items"] == json!([]) && pages < 2_000, "{page}");
            }
            assert_eq!(page["partial"], false, "{page}");
        }
        let bundles = served.get(&format!("/api/v1/groups?by=sig&q={q}")).await.ok();
        assert!(bundles["partial"] == true && bundles["next"].is_null(), "{bundles}");
        let counts = served.get(&format!("/api/v1/counts?q={q}")).await.ok();
        assert_eq!((&counts["open"], &counts["exact"]), (&json!(0), &json!(false)));
        // No group is in another state, which needs no look at documents.
        assert_eq!(counts["at_least"], json!(["open"]));
    }
    // What is there is found in the end, by however many pages.
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("/api/v1/events?q=excerpt:needle&cursor={cursor}")).await.ok();
        found.extend(page["items"].as_array().unwrap().iter().map(|event| event["id"].clone()));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(found, ["worker-3-1-1"]);
    assert_eq!(served.get("/api/v1/counts").await.ok()["exact"], true);
}

#[tokio::test]
async fn a_list_stands_without_what_did_not_come_in_time() {
    let scratch = Scratch::new();
    let store = Flat(support::sqlite(scratch.path()));
    let served = Served::over(Arc::new(store), scratch, |config| config.limits.read = Duration::from_secs(3)).await;
    served.ingest(&[support::event(1, 100, "203.0.113.7", 60)]).await.ok();
    let page = served.get("/api/v1/groups").await.ok();
    assert_eq!((&page["items"][0]["sid"], &page["items"][0]["spark"]), (&json!(100), &json!([])));
    assert_eq!((&page["total"]["count"], &page["partial"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn a_store_in_trouble_is_a_failing_health_and_a_problem_that_says_when_to_come_again() {
    let trouble = |error| async { Served::over(Arc::new(Refusing(error)), Scratch::new(), |_| {}).await };
    let busy = trouble(Some(StoreError::Busy { queue: "reads", retry_after: Duration::from_millis(1_500) })).await;
    let reply = busy.get("/api/v1/groups").await;
    assert!(reply.problem(503)["detail"].as_str().unwrap().contains("reads"));
    assert_eq!(reply.header("retry-after"), "2");
    assert_eq!(busy.call("GET", "/healthz", &[], b"").await.status, 503);
    let reply = busy.ingest_bytes(b"{}", &[]).await;
    assert_eq!(
        (reply.problem(429)["type"].as_str(), reply.header("retry-after")),
        (Some("/problems/back-pressure"), "2")
    );
    let full = trouble(Some(StoreError::DiskFull { path: "x".into() })).await;
    full.get("/api/v1/groups").await.problem(507);
    let gone = trouble(Some(StoreError::NotFound { what: "group", id: "x".into() })).await;
    gone.get("/api/v1/groups/0000000000000001").await.problem(404);
}

#[tokio::test]
async fn a_read_that_takes_too_long_is_given_up() {
    let never = Served::over(Arc::new(Refusing(None)), Scratch::new(), |config| {
        config.limits.read = Duration::from_millis(100);
    });
    let served = never.await;
    let reply = served.get("/api/v1/groups").await;
    reply.problem(503);
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_come_again() {
    let served = Served::over(Arc::new(Refusing(None)), Scratch::new(), |config| config.limits.requests = 1).await;
    // The first occupies the only place until its client goes.
    let mut first = TcpStream::connect(served.at).await.unwrap();
    let head = format!("GET /api/v1/groups HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", served.admin);
    first.write_all(head.as_bytes()).await.unwrap();
    let refused = async {
        loop {
            let reply = served.call("GET", "/nowhere.txt", &[], b"").await;
            if reply.status == 503 {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.unwrap().problem(503);
}

#[tokio::test]
async fn the_page_comes_with_strict_headers_from_a_directory() {
    let page = Scratch::new();
    std::fs::create_dir(page.path().join("assets")).unwrap();
    std::fs::write(page.path().join("index.html"), "<!doctype html>page").unwrap();
    std::fs::write(page.path().join("assets/app-1a2b.js"), "let a = 1;").unwrap();
    std::fs::write(page.path().join("assets/app-1a2b.js.gz"), "packed").unwrap();
    std::fs::write(page.path().join("../secret.txt"), "secret").unwrap();
    let dir = page.path().to_owned();
    let served = Served::with(|config| config.pages = Some(dir)).await;
    for path in ["/", "/alerts", "/alerts/g/0011223344556677", "/index.html"] {
        let reply = served.call("GET", path, &[], b"").await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "<!doctype html>page"), "{path}");
        assert_eq!(reply.header("cache-control"), "no-cache");
        let policy = reply.header("content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self';", "require-trusted-types-for 'script'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
    let script = served.call("GET", "/assets/app-1a2b.js", &[], b"").await;
    assert_eq!(script.text(), "let a = 1;");
    assert!(script.header("cache-control").contains("immutable"));
    let tag = script.header("etag").to_owned();
    assert_eq!(served.call("GET", "/assets/app-1a2b.js", &[("if-none-match", &tag)], b"").await.status, 304);
    let packed = served.call("GET", "/assets/app-1a2b.js", &[("accept-encoding", "br;q=0, gzip")], b"").await;
    assert_eq!((packed.text().as_str(), packed.header("content-encoding")), ("packed", "gzip"));
    assert_eq!(packed.header("content-type"), "text/javascript; charset=utf-8");
    for path in ["/assets/none.js", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt"] {
        served.call("GET", path, &[], b"").await.problem(404);
    }
    for route in ["/alerts", "/nodes/worker-1.example.com", "/alerts/e/worker-1.example.com-1-2"] {
        assert_eq!(served.call("GET", route, &[], b"").await.status, 200, "{route}");
    }
    served.call("POST", "/alerts", &[], b"").await.problem(405);
    served.call("GET", "/api/v1/nothing", &[], b"").await.problem(404);
    let _ = std::fs::remove_file(page.path().join("../secret.txt"));
}

#[tokio::test]
async fn without_a_page_the_manager_says_how_to_build_one() {
    let served = Served::new().await;
    assert!(served.call("GET", "/alerts", &[], b"").await.text().contains("make ui"));
}

#[tokio::test]
async fn hostile_heads_and_bodies_are_answered_and_bounded() {
    let served = Served::with(|config| config.limits.head = Duration::from_millis(300)).await;
    let token = format!("Bearer {}", served.admin);
    let long = "a".repeat(10 << 20);
    let reply = served.get(&format!("/api/v1/groups?q={long}")).await;
    assert!(matches!(reply.status, 414 | 431 | 0), "{}", reply.status);
    let reply = served.get(&format!("/api/v1/groups?q={}", "a".repeat(8_000))).await;
    assert_eq!(reply.problem(400)["type"], "/problems/query");
    let many: Vec<(String, &str)> = (0..200).map(|n| (format!("x-{n}"), "y")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(served.call("GET", "/healthz", &many, b"").await.status, 431);
    assert_eq!(served.call("GET", "/healthz", &[("x", &"y".repeat(200 << 10))], b"").await.status, 431);
    let body = format!("{{\"q\":\"{}\"}}", "a".repeat(10 << 20));
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    let reply = served.call("POST", "/api/v1/query/check", &headers, body.as_bytes()).await;
    assert!(matches!(reply.status, 413 | 0), "{}", reply.status);
    for (body, kind, status) in [
        (&b"{\"q\":\"\xff\"}"[..], "application/json", 400),
        (b"{\"q\":1}", "application/json", 400),
        (b"{\"q\":\"a\",\"colour\":\"red\"}", "application/json", 400),
        (b"{", "application/json; charset=utf-8", 400),
        (b"{\"q\":\"a\"}", "text/plain", 415),
        (b"q=a", "application/x-www-form-urlencoded", 415),
    ] {
        let headers = [("authorization", token.as_str()), ("content-type", kind)];
        served.call("POST", "/api/v1/query/check", &headers, body).await.problem(status);
    }
    let reply = served.get(&format!("/api/v1/groups?q={}", "a".repeat(70_000))).await;
    assert_eq!((reply.status, reply.body.len()), (414, 0));
    // What is not text is not asked for as something else.
    for path in ["groups?q=%ff", "groups?q=a&%c3=b", "groups/%ff", "groups/%ff/events", "events/%ff/why", "rules/%ff"] {
        served.get(&format!("/api/v1/{path}")).await.problem(400);
    }
    served.get("/api/v1/groups?q=%c3%a9%25ff+caf%C3%A9").await.ok();
    served.get("/api/v1/groups?colour=red").await.problem(400);
    served.get("/api/v1/groups?limit=x").await.problem(400);
    served.get("/api/v1/groups?limit=501").await.problem(400);
    served.get("/api/v1/groups?from=yesterday").await.problem(400);
    served.get("/api/v1/groups?from=2023-11-14&to=2023-11-15").await.ok();
    served.get("/api/v1/groups?from=2023-11-14&to=2023-11-14").await.problem(400);
    served.get("/api/v1/groups?status=shut").await.problem(400);
    for cursor in ["x", "1.2.3.4", "-.-.1.AAAA", &"9".repeat(4_000)] {
        served.get(&format!("/api/v1/groups?cursor={cursor}")).await.problem(400);
        served.get(&format!("/api/v1/audit?cursor={cursor}")).await.problem(400);
    }
    served.raw(b"\x16\x03\x01\x02\x00 no http\r\n\r\n").await;
    served.send("PATCH", "/api/v1/groups", &json!({})).await.problem(405);
    assert_eq!(served.call("GET", "/healthz", &[], b"").await.status, 200, "it still works");
}

#[tokio::test]
async fn slow_heads_are_cut_off_and_slow_bodies_time_out() {
    let served = Served::with(|config| {
        config.limits.head = Duration::from_millis(200);
        config.limits.write = Duration::from_millis(300);
    })
    .await;
    let started = Instant::now();
    let slow = |bytes: String| async move {
        let mut stream = TcpStream::connect(served.at).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends");
        String::from_utf8_lossy(&answer).into_owned()
    };
    let head = slow("GET /healthz HTTP/1.1\r\nhost: x\r\nx-never: ".to_owned());
    let body = format!(
        "POST /api/v1/query/check HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        served.admin
    );
    let (head, body) = tokio::join!(head, slow(body));
    assert!(!head.contains("200 OK"), "{head}");
    assert!(body.starts_with("HTTP/1.1 503"), "{body}");
    assert!(started.elapsed() < PATIENCE);
}

#[tokio::test]
async fn it_ends_when_it_is_asked_to_even_with_streams_open() {
    let mut served = Served::new().await;
    let mut stream = TcpStream::connect(served.at).await.unwrap();
    let head =
        format!("GET /api/v1/alerts/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", served.admin);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    served.end().await;
    assert!(TcpStream::connect(served.at).await.is_err());
}
