//! A cluster with the definitions, a manager over a store of its own that honours its resources, and a receiver of webhooks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[path = "../../../manager/tests/support/sample.rs"]
mod sample;

use kube::config::{KubeConfigOptions, Kubeconfig};
use reqwest::Method;
pub use sample::{Scratch, event};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tapir_cluster::{Access, Cluster, Options};
use tapir_delivery::sinks::http::{Auth, HttpClient, HttpConfig};
use tapir_event::{SecurityEvent, Style};
use tapir_manager::resources::{ResourceKind, Resources};
use tapir_manager::{Config, Limits, Manager};
use tapir_packet::Timestamp;
use tapir_resources::WEBHOOK_NAMESPACE;
use tapir_store::{EventStore, IngestBatch, SqliteConfig, SqliteStore};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A file of the tree.
pub fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Asks until it is so; how long it took.
pub async fn comes<T: std::fmt::Debug>(what: &str, mut ask: impl AsyncFnMut() -> Result<(), T>) -> Duration {
    let begin = Instant::now();
    loop {
        match ask().await {
            Ok(()) => return begin.elapsed(),
            Err(found) => assert!(begin.elapsed() < PATIENCE, "{what}: {found:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A cluster, and the manager's account in it.
pub struct Place {
    pub cluster: Cluster,
    pub account: Access,
}

impl Place {
    /// With the definitions and what the manager may do, or without.
    pub fn new(has_definitions: bool, has_rights: bool) -> Option<Self> {
        let cluster = Cluster::start_if_asked(Options::default()).unwrap_or_else(|error| panic!("{error}"))?;
        let words = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for command in ["create namespace tapir-system", "create namespace shop"] {
            kubectl(&cluster, &words(command));
        }
        let place = |cluster: Cluster| {
            let account = cluster.service_account("tapir-system", "tapir-manager").unwrap();
            Self { cluster, account }
        };
        if has_rights {
            kubectl(&cluster, &["apply".into(), "-f".into(), rights()]);
        } else {
            kubectl(&cluster, &words("create serviceaccount --namespace tapir-system tapir-manager"));
        }
        let place = place(cluster);
        if has_definitions {
            place.define();
        }
        Some(place)
    }

    /// Applies the definitions and waits until they are served.
    pub fn define(&self) {
        for name in
            ["alertexceptions.projectcalico.org", "securityeventwebhooks.projectcalico.org", "suppressions.tapir.dev"]
        {
            let path = tree(&format!("deploy/crds/{name}.yaml"));
            kubectl(&self.cluster, &["apply".into(), "-f".into(), path.display().to_string()]);
            let wait = format!("wait --for=condition=Established --timeout=30s crd/{name}");
            kubectl(&self.cluster, &wait.split(' ').map(str::to_owned).collect::<Vec<_>>());
        }
    }

    pub fn allow(&self) {
        kubectl(&self.cluster, &["apply".into(), "-f".into(), rights()]);
    }

    pub fn apply(&self, object: &Value) {
        self.cluster.admin().apply(&object.to_string()).unwrap();
    }

    pub fn kubectl(&self, words: &str) -> String {
        kubectl(&self.cluster, &words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    pub fn get(&self, words: &str) -> Value {
        self.cluster.admin().kubectl_json(&words.split(' ').collect::<Vec<_>>()).unwrap()
    }

    async fn client(&self) -> kube::Client {
        let file = Kubeconfig::read_from(self.account.kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        kube::Client::try_from(config).unwrap()
    }
}

fn rights() -> String {
    tree("deploy/kubernetes/manager-rbac.yaml").display().to_string()
}

fn kubectl(cluster: &Cluster, words: &[String]) -> String {
    cluster.kubectl(&words.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_or_else(|error| panic!("{error}"))
}

/// A manager at work.
pub struct Served {
    pub store: Arc<dyn EventStore>,
    /// What was said to people.
    pub log: Arc<Mutex<Vec<String>>>,
    api: HttpClient,
    end: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Served {
    pub async fn start(place: &Place, scratch: &Scratch) -> Self {
        let mut sqlite = SqliteConfig::new(scratch.path().join("events.db"));
        sqlite.commit_after = Duration::from_millis(2);
        let store: Arc<dyn EventStore> = Arc::new(SqliteStore::open(sqlite).unwrap());
        let board = Arc::new(Resources::new(&ResourceKind::ALL));
        let mut config = Config::new(scratch.path());
        config.listen = ([127, 0, 0, 1], 0).into();
        config.limits = Limits { read: PATIENCE, drain: Duration::from_millis(200), ..Limits::default() };
        config.resources = Some(Arc::clone(&board));
        // A token is told once: a manager that starts again gets a new one.
        let _ = std::fs::remove_file(scratch.path().join("admin-token.sha256"));
        let manager = Manager::bind(config, Arc::clone(&store)).await.unwrap();
        let token = manager.new_tokens().iter().find(|(name, _)| *name == "admin").unwrap().1.clone();
        let http = HttpConfig { auth: Auth::Bearer(token), allow_local: true, ..HttpConfig::default() };
        let api = HttpClient::new(&format!("http://{}", manager.address()), &http).unwrap();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&log);
        let config = tapir_resources::Config {
            kinds: ResourceKind::ALL.to_vec(),
            namespace: "tapir-system".into(),
            webhook_namespace: WEBHOOK_NAMESPACE.into(),
            counts: true,
            data_dir: scratch.path().to_owned(),
            style: Style { page: Some("https://tapir.example".into()), ..Style::default() },
            allow_local: true,
            say: Arc::new(move |text, is_warning| {
                lines.lock().unwrap().push(format!("{}{text}", if is_warning { "warning: " } else { "" }));
            }),
        };
        let work = tapir_resources::run(place.client().await, Arc::clone(&store), manager.beside(), board, config);
        let (end, ended) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                () = manager.serve(async { drop(ended.await) }) => {}
            }
        });
        Self { store, log, api, end: Some(end), task: Some(task) }
    }

    /// Ends it in good order.
    pub async fn end(mut self) {
        let _ = self.end.take().unwrap().send(());
        tokio::time::timeout(PATIENCE, self.task.take().unwrap()).await.unwrap().unwrap();
    }

    pub async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json".to_owned())];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = self.api.send(method, path, &headers, body).await.unwrap();
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, &format!("api/v1/{path}"), &Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn metrics(&self) -> String {
        String::from_utf8(self.api.send(Method::GET, "metrics", &[], Vec::new()).await.unwrap().body).unwrap()
    }

    pub async fn ingest(&self, events: &[SecurityEvent]) {
        let documents = events.iter().map(|event| serde_json::to_vec(event).unwrap()).collect();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = Timestamp(i64::try_from(since.as_nanos()).unwrap());
        let outcome = self.store.ingest(IngestBatch { documents }, now).await.unwrap();
        assert_eq!(outcome.stored, events.len() as u64);
    }

    /// Rules whose events lists show.
    pub async fn shown(&self) -> Vec<u64> {
        let list = self.get("events").await;
        let mut sids: Vec<u64> =
            list["items"].as_array().unwrap().iter().map(|row| row["sid"].as_u64().unwrap()).collect();
        sids.sort_unstable();
        sids
    }

    pub async fn comes_to_show(&self, wanted: &[u64]) -> Duration {
        let ask = async || {
            let shown = self.shown().await;
            if shown == wanted { Ok(()) } else { Err(shown) }
        };
        comes(&format!("{wanted:?} shown"), ask).await
    }

    pub fn said(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    pub async fn comes_to_say(&self, text: &str) -> Duration {
        let ask = async || if self.said(text) > 0 { Ok(()) } else { Err(self.log.lock().unwrap().clone()) };
        comes(text, ask).await
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: String,
    pub body: Value,
}

/// Takes what webhooks send.
pub struct Receiver {
    pub url: String,
    pub seen: Arc<Mutex<Vec<Request>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let status = Arc::new(AtomicU16::new(200));
        let (log, answers) = (Arc::clone(&seen), Arc::clone(&status));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                tokio::spawn(async move {
                    let (read, mut write) = stream.into_split();
                    let mut read = BufReader::new(read);
                    while let Some(request) = take(&mut read).await {
                        let status = answers.load(Ordering::Relaxed);
                        log.lock().unwrap().push(request);
                        let body = "inner words";
                        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                        if write.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, seen, status }
    }

    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Rules of the events that came in the incumbent's document, in their order.
    pub fn sids(&self) -> Vec<u64> {
        let sid = |request: &Request| request.body["record"]["snort_signature_id"].as_str().unwrap().parse().unwrap();
        self.requests().iter().map(sid).collect()
    }

    pub async fn comes_to_have(&self, wanted: &[u64]) -> Duration {
        let ask = async || {
            let sids = self.sids();
            if sids == wanted { Ok(()) } else { Err(sids) }
        };
        comes(&format!("{wanted:?} received"), ask).await
    }
}

async fn take(read: &mut BufReader<tokio::net::tcp::OwnedReadHalf>) -> Option<Request> {
    let mut line = String::new();
    read.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        read.read_line(&mut header).await.ok().filter(|read| *read > 0)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push_str(&header.to_ascii_lowercase());
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await.ok()?;
    Some(Request { line: line.trim().to_owned(), headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}
