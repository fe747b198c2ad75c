//! `tapir manager`: the API and the Alerts page over a store: the embedded one, or a server.

use crate::args::{ManagerArgs, StoreArgs};
use crate::heap;
use crate::message::Messages;
use crate::resources;
use crate::retention::retain;
use serde::Deserialize;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tapir_manager::{Config, KubernetesConfig, Manager, Notices, OidcConfig, TlsFiles};
use tapir_outbound::Pauses;
use tapir_store::{
    Auth, EventStore, OpenSearchConfig, OpenSearchStore, RetentionPolicy, SqliteConfig, SqliteStore, StoreError,
};
use tokio::signal::unix::{SignalKind, signal};

/// How long a server that keeps the events may take for one search: a fleet's index is not on the manager's own disk.
const SEARCH: Duration = Duration::from_secs(10);
/// Between tries to reach the store's server at the start.
const TRIES: Pauses =
    Pauses { first: Duration::from_millis(500), longest: Duration::from_secs(10), most_asked: Duration::ZERO };

/// Runs the command; the value is the exit code.
pub fn run(args: &ManagerArgs, messages: &Messages) -> Result<u8, String> {
    heap::share();
    std::fs::create_dir_all(&args.data_dir)
        .map_err(|error| format!("cannot make the data directory {}: {error}", args.data_dir.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let store: Arc<dyn EventStore> = match &args.store.store_url {
        None => {
            let mut config = SqliteConfig::new(args.data_dir.join("events.db"));
            config.cluster.clone_from(&args.cluster);
            Arc::new(SqliteStore::open(config).map_err(|error| error.to_string())?)
        }
        Some(url) => {
            let config = server(url, &args.store, &args.cluster)?;
            match runtime.block_on(reach(config, messages))? {
                Some(store) => Arc::new(store),
                None => return Ok(0),
            }
        }
    };
    runtime.block_on(serve(args, store, messages))
}

/// The server that keeps events.
fn server(url: &str, args: &StoreArgs, cluster: &str) -> Result<OpenSearchConfig, String> {
    let mut config = OpenSearchConfig::new(url);
    config.cluster = cluster.to_owned();
    config.prefix.clone_from(&args.store_prefix);
    config.time_limit = SEARCH;
    (config.shards, config.replicas) = (args.store_shards, args.store_replicas);
    // The address is the operator's own word, and a server beside the manager is usual.
    config.http.allow_local = true;
    config.http.auth = match (&args.store_user, &args.store_password_file, &args.store_api_key_file) {
        (Some(user), Some(path), _) => Auth::Basic { user: user.clone(), password: token(path)? },
        (_, _, Some(path)) => Auth::ApiKey(token(path)?),
        _ => Auth::None,
    };
    if config.http.auth != Auth::None && url.starts_with("http://") {
        return Err(format!("credentials would travel to {url} in the clear; use https://"));
    }
    config.http.tls.authorities.clone_from(&args.store_ca_file);
    if let Some([certificate, key]) = args.store_client_cert.as_deref() {
        config.http.tls.identity = Some((certificate.clone(), key.clone()));
    }
    Ok(config)
}

/// Opens the store on a server, however long that is away: it may well start after us. `None`: we were ended meanwhile.
async fn reach(config: OpenSearchConfig, messages: &Messages) -> Result<Option<OpenSearchStore>, String> {
    let mut ended = pin!(ended()?);
    let mut told = String::new();
    for failed in 0.. {
        let error = tokio::select! {
            () = &mut ended => return Ok(None),
            opened = OpenSearchStore::open(config.clone()) => match opened {
                Ok(store) => return Ok(Some(store)),
                Err(error @ (StoreError::Unavailable { .. } | StoreError::Timeout { .. })) => error.to_string(),
                Err(error) => return Err(error.to_string()),
            },
        };
        if error != told {
            messages.warning(&format!("nothing is served yet: {error}"));
            told = error;
        }
        tokio::select! {
            () = &mut ended => return Ok(None),
            () = tokio::time::sleep(TRIES.after(failed, None)) => {}
        }
    }
    Ok(None)
}

/// When we are to end.
fn ended() -> Result<impl Future<Output = ()>, String> {
    let mut term = signal(SignalKind::terminate()).map_err(|error| format!("cannot catch signals: {error}"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("cannot catch signals: {error}"))?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn serve(args: &ManagerArgs, store: Arc<dyn EventStore>, messages: &Messages) -> Result<u8, String> {
    let mut config = Config::new(&args.data_dir);
    config.listen = args.listen;
    config.cluster.clone_from(&args.cluster);
    config.public_url.clone_from(&args.public_url);
    if args.store.store_url.is_some() {
        // Longer than a search, so that its own end is what a reader is told of.
        config.limits.read = SEARCH + Duration::from_secs(2);
    }
    config.behind_tls = args.behind_tls;
    config.pages.clone_from(&args.pages);
    config.rules.clone_from(&args.rules);
    config.built_in_rules = tapir_engine::STARTER_RULES;
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        config.tls = Some(TlsFiles { agents: args.tls_client_ca.clone(), ..TlsFiles::new(certificate, key) });
    }
    config.kubernetes = kubernetes(args)?;
    config.oidc = args.sign_in.as_deref().map(oidc).transpose()?;
    let board = resources::board(&args.resources);
    config.resources.clone_from(&board);
    let hears = *messages;
    config.notices = Notices::to(move |text| hears.warning(text));
    for path in &args.agent_token_file {
        config.agent_tokens.push(token(path)?);
    }
    if !args.listen.ip().is_loopback() && !args.behind_tls && config.tls.is_none() {
        messages.warning(&format!(
            "{} is not loopback and there is no TLS: tokens travel in the clear; give --tls-cert and --tls-key, or \
             put a proxy with TLS in front and say --behind-tls",
            args.listen
        ));
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let manager = Manager::bind(config, Arc::clone(&store)).await.map_err(|error| error.to_string())?;
    let address = manager.address();
    messages.info(&format!("Alerts page: {scheme}://{address}/"));
    for (name, token) in manager.new_tokens() {
        // To standard output, once: only their hashes are kept.
        println!("{name} token: {token}");
    }
    // Over plain HTTP from elsewhere a browser would keep no session: then the word would be used up for nothing.
    let reachable = args.public_url.is_some() || (args.listen.ip().is_loopback() && !args.behind_tls);
    if reachable && manager.new_tokens().iter().any(|(name, _)| *name == "admin") {
        let link = manager.sign_in_link("/alerts").map_err(|error| error.to_string())?;
        println!("sign in, once: {link}");
    }
    if let Some(path) = &args.ready_file {
        std::fs::write(path, format!("{address}\n"))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    let honoured = resources::honour(args, &manager, &store, board, messages).await?;
    let policy = RetentionPolicy {
        keep: Duration::from_secs(args.keep_days.saturating_mul(86_400)),
        max_bytes: args.max_mib.saturating_mul(1 << 20),
        ..RetentionPolicy::default()
    };
    tokio::select! {
        () = manager.serve(ended()?) => {}
        () = retain(store, policy, messages) => {}
        () = honoured => {}
    }
    Ok(0)
}

/// The cluster whose people and agents come in.
fn kubernetes(args: &ManagerArgs) -> Result<Option<KubernetesConfig>, String> {
    let mut found = match &args.kubernetes_api {
        Some(server) => KubernetesConfig {
            server: server.clone(),
            token: args.kubernetes_token.clone(),
            authorities: args.kubernetes_ca.clone(),
            audiences: Vec::new(),
        },
        None if args.kubernetes => KubernetesConfig::in_cluster().ok_or(
            "--kubernetes works in a pod (KUBERNETES_SERVICE_HOST is not set); give --kubernetes-api elsewhere",
        )?,
        None => return Ok(None),
    };
    found.audiences.clone_from(&args.audience);
    Ok(Some(found))
}

/// Settings of an OpenID provider stand in a file of their own.
fn oidc(path: &Path) -> Result<OidcConfig, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SignIn {
        oidc: OidcConfig,
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let sign_in: SignIn = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(sign_in.oidc)
}

/// Tokens, passwords and keys stand in files.
fn token(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(format!("{} is empty: a token, a password or a key is wanted", path.display()));
    }
    Ok(token.to_owned())
}
