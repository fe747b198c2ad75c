//! A real manager on loopback over a store in a temporary directory, and the real binary that talks to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod busy;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tapir_event::{
    Endpoint, EventId, Evidence, EvidenceBuffer, EvidenceHit, FlowDirection, RuleSummary, SecurityEvent, Workload,
};
use tapir_manager::{Config, Manager};
use tapir_packet::Timestamp;
use tapir_store::{EventStore, IngestBatch, SqliteConfig, SqliteStore};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that is removed with it.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tapir-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A manager that serves.
pub struct Served {
    pub at: SocketAddr,
    pub scratch: Scratch,
    pub runtime: Runtime,
    pub store: Arc<dyn EventStore>,
    changed: Box<dyn Fn()>,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

fn store(path: &Path) -> Arc<dyn EventStore> {
    let mut config = SqliteConfig::new(path);
    config.commit_after = Duration::from_millis(2);
    Arc::new(SqliteStore::open(config).unwrap())
}

impl Served {
    /// Over an empty store.
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store = store(&scratch.path().join("events.db"));
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Self { at, scratch, runtime, store, changed: Box::new(|| ()), serving: None };
        served.start();
        served
    }

    /// Serves, at the address that it had before.
    pub fn start(&mut self) {
        let mut config = Config::new(self.scratch.path().join("manager"));
        config.listen = self.at;
        // Debug builds on busy machines are slow.
        config.limits.read = PATIENCE;
        config.limits.drain = Duration::from_millis(200);
        let deadline = Instant::now() + PATIENCE;
        let manager = loop {
            match self.runtime.block_on(Manager::bind(config.clone(), Arc::clone(&self.store))) {
                Ok(manager) => break manager,
                Err(error) if Instant::now() > deadline => panic!("{error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        self.at = manager.address();
        self.changed = Box::new(manager.changed());
        if let Some((_, token)) = manager.new_tokens().iter().find(|(name, _)| *name == "admin") {
            std::fs::write(self.token_file(), format!("{token}\n")).unwrap();
        }
        let (end, ended) = oneshot::channel::<()>();
        let task = self.runtime.spawn(manager.serve(async {
            let _ = ended.await;
        }));
        self.serving = Some((end, task));
    }

    /// Ends it; its address is free afterwards.
    pub fn end(&mut self) {
        let (end, task) = self.serving.take().unwrap();
        let _ = end.send(());
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, task).await }).unwrap().unwrap();
    }

    /// Another, empty store from the next start on.
    pub fn replace_store(&mut self) {
        self.store = store(&self.scratch.path().join("other.db"));
    }

    pub fn token_file(&self) -> PathBuf {
        self.scratch.path().join("token")
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    pub fn ingest(&self, events: &[SecurityEvent]) {
        let documents = events.iter().map(|event| serde_json::to_vec(event).unwrap()).collect();
        let outcome = self.runtime.block_on(self.store.ingest(IngestBatch { documents }, ago(0))).unwrap();
        assert_eq!(outcome.stored, u64::try_from(events.len()).unwrap(), "{outcome:?}");
        (self.changed)();
    }

    /// `tapir alerts …` for this manager.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = tapir();
        command.arg("alerts").args(args);
        command.env("TAPIR_SERVER", self.url()).env("TAPIR_TOKEN_FILE", self.token_file());
        command
    }

    pub fn run(&self, args: &[&str]) -> Done {
        run(self.command(args))
    }

    /// What it prints when it succeeds.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        done.out
    }
}

/// The binary, in an environment without settings.
pub fn tapir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapir"));
    for name in ["TAPIR_SERVER", "TAPIR_TOKEN", "TAPIR_TOKEN_FILE", "TAPIR_CONFIG", "TAPIR_CA_FILE", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").stdin(Stdio::null());
    command
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn run(mut command: Command) -> Done {
    let done = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: done.status.code().unwrap_or(-1), out: text(done.stdout), err: text(done.stderr) }
}

/// Seconds before now.
pub fn ago(seconds: i64) -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_secs_nanos(i64::try_from(now.as_secs()).unwrap() - seconds, 0)
}

/// An event of a rule from an address to shop/frontend, a number of seconds ago.
pub fn event(seq: u64, sid: u32, client: &str, seconds: i64) -> SecurityEvent {
    let client = Endpoint { address: client.parse().unwrap(), port: Some(40_000) };
    let server = Endpoint { address: "10.9.8.7".parse().unwrap(), port: Some(80) };
    let text = format!(
        "alert tcp $EXTERNAL_NET any -> $HOME_NET any ( msg:\"rule {sid}\"; http_uri; content:\"passwd\"; sid:{sid}; )"
    );
    SecurityEvent {
        id: EventId { node: "worker-3".into(), boot: 1, seq },
        time: ago(seconds),
        observed: ago(seconds),
        rule: Arc::new(RuleSummary {
            gid: 1,
            sid,
            rev: 3,
            msg: Some(format!("rule {sid}")),
            classtype: Some("web-application-attack".into()),
            priority: 1,
            metadata: vec![("mitre_technique_id".into(), "T1190".into())],
            action: "alert".into(),
            text,
            ..RuleSummary::default()
        }),
        protocol: "TCP".into(),
        direction: Some(FlowDirection::ToServer),
        source: Some(client),
        destination: Some(server),
        server: Some(Workload {
            namespace: "shop".into(),
            pod: "frontend-77b88cc7cb-nwx6t".into(),
            owner_kind: "Deployment".into(),
            owner_name: "frontend".into(),
            ..Workload::default()
        }),
        service: Some("http".into()),
        evidence: Some(Evidence {
            buffers: vec![EvidenceBuffer {
                name: "http_uri".into(),
                offset: 0,
                bytes: b"/etc/passwd".to_vec(),
                original_len: 11,
            }],
            hits: vec![EvidenceHit {
                option: 1,
                text: "content:\"passwd\"".into(),
                buffer: "http_uri".into(),
                offset: 5,
                len: 6,
            }],
            packet: vec![0; 60],
            link_type: 1,
            ..Evidence::default()
        }),
        ..SecurityEvent::default()
    }
}
