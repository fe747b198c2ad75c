//! [`Config`]: what the manager is told, and the limits that hold without being told.

use crate::auth::{KubernetesConfig, OidcConfig};
use crate::resources::Resources;
use crate::tls::TlsFiles;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Configuration of a manager.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where token hashes are kept; made if it does not exist.
    pub data_dir: PathBuf,
    /// Name of the cluster, for documents and for the page.
    pub cluster: String,
    /// One process without Kubernetes: the page says so.
    pub standalone: bool,
    /// The page's files; `None`: those in the binary, if it was built with feature `ui`.
    pub pages: Option<PathBuf>,
    /// Address under which people reach the page, for links in documents.
    pub public_url: Option<String>,
    /// A proxy in front of the manager speaks TLS with browsers, so that cookies can be `Secure`.
    pub behind_tls: bool,
    /// TLS of the manager's own; without it a proxy in front may speak TLS.
    pub tls: Option<TlsFiles>,
    /// Where warnings go while it runs.
    pub notices: Notices,
    /// Tokens of agents, beside the one in the data directory; from a mounted secret.
    pub agent_tokens: Vec<String>,
    /// The cluster whose tokens and permissions count.
    pub kubernetes: Option<KubernetesConfig>,
    /// What becomes of the cluster's resources, where somebody follows them.
    pub resources: Option<Arc<Resources>>,
    /// An OpenID provider for people; needs `public_url`.
    pub oidc: Option<OidcConfig>,
    /// Rule files and directories, for the page of rules.
    pub rules: Vec<PathBuf>,
    /// Rules that are listed where there are no files: those that agents without files run.
    pub built_in_rules: &'static str,
    /// How they are read: variables, dialect.
    pub rule_config: tapir_rules::Config,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// Loopback, port 9443, everything else by default.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9443)),
            data_dir: data_dir.into(),
            cluster: "cluster".to_owned(),
            standalone: true,
            pages: None,
            public_url: None,
            behind_tls: false,
            tls: None,
            notices: Notices::default(),
            agent_tokens: Vec::new(),
            kubernetes: None,
            resources: None,
            oidc: None,
            rules: Vec::new(),
            built_in_rules: "",
            rule_config: tapir_rules::Config::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Browsers reach it through TLS and by a name of its own: on loopback the name would be everybody's.
    pub(crate) fn is_https(&self) -> bool {
        self.behind_tls || (self.tls.is_some() && !self.listen.ip().is_loopback())
    }
}

/// What hears the warnings of a running manager, for people.
#[derive(Clone, Default)]
pub struct Notices(Option<Arc<Hear>>);

type Hear = dyn Fn(&str) + Send + Sync;

impl Notices {
    /// Calls `hear` with each warning.
    pub fn to(hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    pub(crate) fn warn(&self, text: &str) {
        if let Some(hear) = &self.0 {
            hear(text);
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Notices(…)" } else { "Notices" })
    }
}

/// Bounds of everything that others decide the size of.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// TLS handshakes at once; more are closed.
    pub handshakes: usize,
    /// TLS handshakes of one address at once; more are closed.
    pub handshakes_of_one: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Requests at once; more get 503.
    pub requests: usize,
    /// Live streams at once; more get 503.
    pub streams: usize,
    /// How long it holds what the cluster said of a token and of permissions.
    pub known: Duration,
    /// How long a live stream goes on while those who vouch for its reader do not answer.
    pub stream: Duration,
    /// Time for the head of a request.
    pub head: Duration,
    /// Time for a request that reads.
    pub read: Duration,
    /// Time for a request that changes something, its body included.
    pub write: Duration,
    /// How long open requests may go on after the end was asked for.
    pub drain: Duration,
    /// Body of a request, but for ingest.
    pub body: usize,
    /// Body of ingest as sent.
    pub ingest_body: usize,
    /// Body of ingest when decompressed.
    pub ingest_plain: usize,
    /// How many times larger than the body as sent; small bodies may be 1 MiB in any case.
    pub ingest_ratio: usize,
    /// Events in a batch.
    pub ingest_events: usize,
    /// Failed sign-ins of an address in a minute.
    pub failed_sign_ins: u32,
    /// Sessions at once; the oldest goes.
    pub sessions: usize,
    /// How long a session lasts.
    pub session: Duration,
    /// Nodes that are remembered; heartbeats of more are refused.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            handshakes: 256,
            handshakes_of_one: 64,
            handshake: Duration::from_secs(5),
            requests: 256,
            streams: 64,
            known: Duration::from_secs(60),
            stream: Duration::from_secs(300),
            head: Duration::from_secs(10),
            read: Duration::from_secs(2),
            write: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            body: 64 << 10,
            ingest_body: 8 << 20,
            ingest_plain: 64 << 20,
            ingest_ratio: 100,
            ingest_events: 20_000,
            failed_sign_ins: 10,
            sessions: 1_000,
            session: Duration::from_secs(12 * 3_600),
            nodes: 5_000,
        }
    }
}
