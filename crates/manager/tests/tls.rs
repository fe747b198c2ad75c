//! TLS of the manager's own over real sockets: reload, agents' certificates, handshakes that stall.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::authority::{Authority, Client, Pair, again};
use support::{PATIENCE, Scratch, Served, event};
use tapir_manager::{Config, Notices, TlsFiles};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::rustls::version;

const HOUR: i64 = 3_600;

/// A manager with a certificate of an authority, and what it warned of.
struct Setup {
    served: Served,
    authority: Authority,
    files: Scratch,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Setup {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let (authority, files) = (Authority::new(), Scratch::new());
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let path = |name: &str| files.path().join(name);
        authority.sign("localhost", HOUR).write(&path("tls.crt"), &path("tls.key"));
        std::fs::write(path("ca.crt"), &authority.pem).unwrap();
        let mut tls = TlsFiles::new(path("tls.crt"), path("tls.key"));
        tls.agents = Some(path("ca.crt"));
        tls.look = Duration::from_millis(20);
        let hears = Arc::clone(&heard);
        let served = Served::with(|config| {
            config.tls = Some(tls);
            config.notices = Notices::to(move |text| hears.lock().unwrap().push(text.to_owned()));
            change(config);
        })
        .await;
        Self { served, authority, files, heard }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn warnings(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The certificate of new connections.
    async fn shown(&self) -> Vec<u8> {
        let stream = self.authority.client(None).connect(self.served.at).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    async fn until_shown(&self, pair: &Pair) {
        let end = Instant::now() + PATIENCE;
        while self.shown().await != pair.der() {
            assert!(Instant::now() < end, "the new certificate is not taken: {:?}", self.warnings());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn metrics(&self) -> String {
        let reply = self.authority.client(None).call(self.served.at, "GET", "/metrics", &[], b"").await.unwrap();
        assert_eq!(reply.status, 200);
        reply.text()
    }
}

/// The certificate is refused: in the handshake, or (TLS 1.3) with the first read.
async fn refused(client: &Client, setup: &Setup) {
    let answer = client.call(setup.served.at, "GET", "/healthz", &[], b"").await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn both_versions_are_spoken_and_cookies_are_secure() {
    let setup = Setup::new(|_| {}).await;
    for versions in [&version::TLS12, &version::TLS13] {
        let client = setup.authority.client_of(None, &[versions]);
        let reply = client.call(setup.served.at, "GET", "/healthz", &[], b"").await.unwrap();
        assert_eq!((reply.status, reply.json()["status"].as_str()), (200, Some("ok")));
        assert_eq!(reply.header("strict-transport-security"), "", "not for everybody on localhost");
    }
    let body = json!({ "token": setup.served.admin }).to_string();
    let headers = [("content-type", "application/json")];
    let client = setup.authority.client(None);
    let reply = client.call(setup.served.at, "POST", "/api/v1/session", &headers, body.as_bytes()).await.unwrap();
    reply.ok();
    assert!(reply.session().starts_with("__Host-tapir-"), "{reply:?}");
    assert!(reply.header("set-cookie").contains("; Secure"));
    let now = support::ago(0).secs();
    let metrics = setup.metrics().await;
    let line =
        metrics.lines().find(|line| line.starts_with("tapir_manager_tls_certificate_not_after_seconds ")).unwrap();
    let end: i64 = line.split(' ').nth(1).unwrap().parse().unwrap();
    assert!((now + HOUR - 120..=now + HOUR).contains(&end), "{line}");
    // Anybody else's clients do not trust it.
    assert!(Authority::new().client(None).connect(setup.served.at).await.is_err());
}

#[tokio::test]
async fn behind_a_name_browsers_are_told_to_stay_with_tls() {
    let served = Served::with(|config| config.behind_tls = true).await;
    assert_eq!(served.get("/healthz").await.header("strict-transport-security"), "max-age=31536000");
    let served = Served::new().await;
    assert_eq!(served.get("/healthz").await.header("strict-transport-security"), "");
}

#[tokio::test]
async fn who_speaks_http_is_told_what_to_do() {
    let setup = Setup::new(|_| {}).await;
    let reply = setup.served.raw(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    assert!(reply.text().contains("https://"), "{}", reply.text());
    let reply = setup.served.raw(b"\x00\x01\x02 nonsense").await;
    assert!(!reply.body.starts_with(b"HTTP"), "{reply:?}");
    let metrics = setup.metrics().await;
    for line in ["tls_handshakes_total{outcome=\"plain\"} 1", "tls_handshakes_total{outcome=\"failed\"} 1"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_new_pair_is_taken_while_connections_live() {
    let setup = Setup::new(|_| {}).await;
    let mut live = setup.authority.client(None).connect(setup.served.at).await.unwrap();
    assert_eq!(again(&mut live, "/healthz").await, 200);
    let second = setup.authority.sign("localhost", 2 * HOUR);
    second.write(&setup.file("tls.crt"), &setup.file("tls.key"));
    setup.until_shown(&second).await;
    assert_eq!(again(&mut live, "/healthz").await, 200, "the connection before goes on");
    assert!(setup.metrics().await.contains("tls_reloads_total{outcome=\"ok\"} 1"));
}

#[tokio::test]
async fn a_mount_of_kubernetes_swaps_a_link_under_all_files() {
    let (authority, files) = (Authority::new(), Scratch::new());
    let version = |name: &str, pair: &Pair| {
        let dir = files.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        pair.write(&dir.join("tls.crt"), &dir.join("tls.key"));
    };
    let point = |name: &str| {
        let new = files.path().join("..data_tmp");
        std::os::unix::fs::symlink(name, &new).unwrap();
        std::fs::rename(&new, files.path().join("..data")).unwrap();
    };
    let (first, second) = (authority.sign("localhost", HOUR), authority.sign("localhost", HOUR));
    version("..1", &first);
    point("..1");
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), files.path().join(name)).unwrap();
    }
    let mut tls = TlsFiles::new(files.path().join("tls.crt"), files.path().join("tls.key"));
    tls.look = Duration::from_millis(20);
    let served = Served::with(|config| config.tls = Some(tls)).await;
    let setup = Setup { served, authority, files: Scratch::new(), heard: Arc::default() };
    setup.until_shown(&first).await;
    version("..2", &second);
    point("..2");
    setup.until_shown(&second).await;
}

#[tokio::test]
async fn a_broken_pair_leaves_the_one_before_in_force() {
    let setup = Setup::new(|_| {}).await;
    let first = setup.shown().await;
    let other = setup.authority.sign("localhost", HOUR);
    let over = setup.authority.sign("localhost", -HOUR);
    let steps: [(&str, &str, &str); 4] = [
        ("tls.key", &other.key, "does not go with"),
        ("tls.key", "nonsense", "no private key"),
        ("tls.crt", "", "no certificate"),
        ("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca.crt"),
    ];
    let original = |name: &str| std::fs::read_to_string(setup.file(name)).unwrap();
    let wait = async |what: &str| {
        let end = Instant::now() + PATIENCE;
        while !setup.warnings().last().is_some_and(|text| text.contains(what)) {
            assert!(Instant::now() < end, "no warning of {what}: {:?}", setup.warnings());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    for (name, text, what) in steps {
        let before = original(name);
        std::fs::write(setup.file(name), text).unwrap();
        wait(what).await;
        assert_eq!(setup.shown().await, first, "{what}");
        std::fs::write(setup.file(name), before).unwrap();
    }
    over.write(&setup.file("tls.crt"), &setup.file("tls.key"));
    wait("over already").await;
    assert_eq!(setup.shown().await, first);
    std::fs::remove_file(setup.file("tls.key")).unwrap();
    wait("tls.key").await;
    assert!(setup.metrics().await.contains("tls_reloads_total{outcome=\"failed\"}"));
    let told = setup.warnings().len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(setup.warnings().len(), told, "each fault is told once");
    other.write(&setup.file("tls.crt"), &setup.file("tls.key"));
    setup.until_shown(&other).await;
}

#[tokio::test]
async fn an_agent_is_known_by_its_certificate_and_speaks_for_its_node_only() {
    let setup = Setup::new(|_| {}).await;
    let at = setup.served.at;
    let agent = setup.authority.client(Some(&setup.authority.sign("worker-3", HOUR)));
    let lines = [event(1, 1, "192.0.2.1", 10), {
        let mut foreign = event(2, 1, "192.0.2.1", 10);
        foreign.id.node = "worker-4".into();
        foreign
    }];
    let body = lines.map(|event| serde_json::to_string(&event).unwrap()).join("\n");
    let ndjson = [("content-type", "application/x-ndjson")];
    let taken = agent.call(at, "POST", "/api/v1/ingest", &ndjson, body.as_bytes()).await.unwrap().ok();
    assert_eq!(
        (&taken["stored"], &taken["rejected_count"], &taken["rejected"][0]["line"]),
        (&json!(1), &json!(1), &json!(2))
    );
    let json_type = [("content-type", "application/json")];
    let beat = async |node: &str| {
        let body = json!({ "node": node }).to_string();
        agent.call(at, "POST", "/api/v1/heartbeat", &json_type, body.as_bytes()).await.unwrap()
    };
    beat("worker-3").await.ok();
    beat("worker-4").await.problem(403);
    agent.call(at, "GET", "/api/v1/groups", &[], b"").await.unwrap().problem(403);
    // A token goes before the certificate, and nobody without either comes in.
    let admin = format!("Bearer {}", setup.served.admin);
    agent.call(at, "GET", "/api/v1/groups", &[("authorization", &admin)], b"").await.unwrap().ok();
    let nobody = setup.authority.client(None);
    nobody.call(at, "POST", "/api/v1/ingest", &ndjson, b"{}").await.unwrap().problem(401);
}

#[tokio::test]
async fn certificates_of_others_and_old_ones_do_not_connect() {
    let setup = Setup::new(|_| {}).await;
    let stranger = Authority::new().sign("worker-3", HOUR);
    refused(&setup.authority.client(Some(&stranger)), &setup).await;
    refused(&setup.authority.client(Some(&setup.authority.sign("worker-3", -60))), &setup).await;
    let good = setup.authority.client(Some(&setup.authority.sign("worker-3", HOUR)));
    good.call(setup.served.at, "GET", "/healthz", &[], b"").await.unwrap().ok();
    // Another authority for agents: those of the one before are shut out, resumed sessions, too.
    let second = Authority::new();
    std::fs::write(setup.file("ca.crt"), &second.pem).unwrap();
    let end = Instant::now() + PATIENCE;
    while good.call(setup.served.at, "GET", "/healthz", &[], b"").await.is_ok() {
        assert!(Instant::now() < end, "the old authority still lets agents in");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let new = setup.authority.client(Some(&second.sign("worker-3", HOUR)));
    new.call(setup.served.at, "GET", "/healthz", &[], b"").await.unwrap().ok();
}

#[tokio::test]
async fn a_connection_that_outlives_its_certificate_is_nobodys() {
    let setup = Setup::new(|_| {}).await;
    let agent = setup.authority.client(Some(&setup.authority.sign("worker-3", 2)));
    let mut live = agent.connect(setup.served.at).await.unwrap();
    assert_eq!(again(&mut live, "/api/v1/groups").await, 403, "known, and not allowed to read");
    let end = Instant::now() + PATIENCE;
    while again(&mut live, "/api/v1/groups").await != 401 {
        assert!(Instant::now() < end, "a certificate that is over still counts");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn handshakes_that_stall_keep_nobody_out() {
    let setup = Setup::new(|config| {
        config.limits.handshake = Duration::from_millis(1_500);
        config.limits.handshakes_of_one = 40;
    })
    .await;
    let mut stalled = Vec::new();
    for _ in 0..30 {
        stalled.push(TcpStream::connect(setup.served.at).await.unwrap());
    }
    let client = setup.authority.client(None);
    let started = Instant::now();
    client.call(setup.served.at, "GET", "/healthz", &[], b"").await.unwrap().ok();
    // Not one of them has run out of time yet, if the machine is not very slow.
    println!("answered after {:?} beside 30 stalled handshakes", started.elapsed());
    for mut stream in stalled {
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.expect("closed in time");
        assert!(matches!(read, Ok(0) | Err(_)));
    }
    assert!(setup.metrics().await.contains("tls_handshakes_total{outcome=\"time_out\"} 30"));
}

#[tokio::test]
async fn handshakes_of_one_address_are_bounded() {
    let setup = Setup::new(|config| {
        config.limits.handshake = Duration::from_secs(2);
        config.limits.handshakes_of_one = 3;
    })
    .await;
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(TcpStream::connect(setup.served.at).await.unwrap());
    }
    let client = setup.authority.client(None);
    // The three may not have been accepted yet: asked until the first refusal, then until places are free again.
    let end = Instant::now() + PATIENCE;
    while client.call(setup.served.at, "GET", "/healthz", &[], b"").await.is_ok() {
        assert!(Instant::now() < end, "never refused");
    }
    while client.call(setup.served.at, "GET", "/healthz", &[], b"").await.is_err() {
        assert!(Instant::now() < end, "never let in again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(setup.metrics().await.contains("tls_handshakes_total{outcome=\"refused\"}"));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_at_the_start() {
    use tapir_manager::{Manager, ManagerError};
    let scratch = Scratch::new();
    let mut config = Config::new(scratch.path().join("data"));
    config.listen = ([127, 0, 0, 1], 0).into();
    config.tls = Some(TlsFiles::new(scratch.path().join("no.crt"), scratch.path().join("no.key")));
    let failed = Manager::bind(config, support::sqlite(scratch.path())).await.err().unwrap();
    assert!(matches!(failed, ManagerError::Tls { .. }) && failed.to_string().contains("no.crt"), "{failed}");
}
