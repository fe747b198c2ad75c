//! A real manager on a free port of loopback over a real store, and a small HTTP client that can also misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tapir_event::{FlowSummary, Inspection, SecurityEvent};
use tapir_manager::{Config, Limits, Manager};
use tapir_store::{EventStore, SqliteConfig, SqliteStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub mod authority;
pub mod mock;
pub mod refusing;
mod sample;

pub use sample::{Scratch, ago};

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A manager that serves.
pub struct Served {
    pub at: SocketAddr,
    pub admin: String,
    pub agent: String,
    pub scratch: Scratch,
    end: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

pub fn sqlite(dir: &Path) -> Arc<dyn EventStore> {
    let mut config = SqliteConfig::new(dir.join("events.db"));
    config.commit_after = Duration::from_millis(2);
    Arc::new(SqliteStore::open(config).unwrap())
}

impl Served {
    /// Over an empty SQLite store.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let scratch = Scratch::new();
        let store = sqlite(scratch.path());
        Self::over(store, scratch, change).await
    }

    pub async fn over(store: Arc<dyn EventStore>, scratch: Scratch, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(scratch.path().join("manager"));
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        // Debug builds on busy machines are slow; what limits do is tested where it matters.
        config.limits = Limits { read: PATIENCE, drain: Duration::from_millis(500), ..Limits::default() };
        change(&mut config);
        Self::serving(Manager::bind(config, store).await.unwrap(), scratch)
    }

    pub fn serving(manager: Manager, scratch: Scratch) -> Self {
        let at = manager.address();
        let token = |wanted: &str| {
            let found = manager.new_tokens().iter().find(|(name, _)| *name == wanted);
            found.map(|(_, token)| token.clone()).unwrap_or_default()
        };
        let (admin, agent) = (token("admin"), token("agent"));
        let (end, ended) = oneshot::channel::<()>();
        let task = tokio::spawn(manager.serve(async {
            let _ = ended.await;
        }));
        Self { at, admin, agent, scratch, end: Some(end), task: Some(task) }
    }

    /// Asks it to end and waits until it has.
    pub async fn end(&mut self) {
        let _ = self.end.take().unwrap().send(());
        timeout(PATIENCE, self.task.take().unwrap()).await.unwrap().unwrap();
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &[("authorization", &format!("Bearer {}", self.admin))], b"").await
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let token = format!("Bearer {}", self.admin);
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        self.call(method, path, &headers, body.to_string().as_bytes()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, body).await
    }

    pub async fn ingest(&self, events: &[SecurityEvent]) -> Reply {
        let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        self.ingest_bytes(lines.join("\n").as_bytes(), &[]).await
    }

    pub async fn ingest_bytes(&self, body: &[u8], more: &[(&str, &str)]) -> Reply {
        let token = format!("Bearer {}", self.agent);
        let mut headers = vec![("authorization", token.as_str()), ("content-type", "application/x-ndjson")];
        headers.extend(more);
        self.call("POST", "/api/v1/ingest", &headers, body).await
    }

    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method != "GET" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.raw(&[head.as_bytes(), body].concat()).await
    }

    /// Sends bytes as they are and reads to the end.
    pub async fn raw(&self, bytes: &[u8]) -> Reply {
        let exchange = async {
            let stream = TcpStream::connect(self.at).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            let bytes = bytes.to_vec();
            // It may answer and close before everything is sent.
            let sending = tokio::spawn(async move {
                let _ = write.write_all(&bytes).await;
                write
            });
            let mut answer = Vec::new();
            let _ = read.read_to_end(&mut answer).await;
            sending.abort();
            Reply::parse(&answer)
        };
        timeout(PATIENCE, exchange).await.expect("an answer in time")
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else { return Self { status: 0, headers: Vec::new(), body: bytes.to_vec() } };
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> =
            lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// The session's cookie that it sets, with its attributes; empty: none.
    pub fn session(&self) -> &str {
        let set = self.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str());
        let name = |set: &str| set.split('=').next().unwrap_or_default().to_owned();
        let is = |set: &&str| {
            let name = name(set);
            name.trim_start_matches("__Host-").starts_with("tapir-") && !name.ends_with("-sign-in")
        };
        set.into_iter().find(is).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?} {}", self.text()))
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem of this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {problem}");
        }
        problem
    }
}

/// The same event as tests of the command line have, with more to it: an inspection, a reference, a flow.
pub fn event(seq: u64, sid: u32, client: &str, seconds: i64) -> SecurityEvent {
    let mut event = sample::event(seq, sid, client, seconds);
    let reference = ("cve".into(), "2021-44228".into(), Some("https://example.test/cve".into()));
    Arc::make_mut(&mut event.rule).references = vec![reference];
    event.inspection = Some(Inspection { namespace: "shop".into(), name: "sample".into() });
    event.flow = event.source.zip(event.destination).map(|(client, server)| FlowSummary {
        id: 7,
        start: ago(seconds + 1),
        client,
        server,
        packets: [4, 3],
        bytes: [400, 300],
        missing: [0, 0],
        midstream: false,
    });
    event
}
