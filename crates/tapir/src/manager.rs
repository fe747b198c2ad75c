//! `tapir manager`: the API and the Alerts page over the embedded store.

use crate::args::ManagerArgs;
use crate::identity::wall_clock;
use crate::message::Messages;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tapir_manager::{Config, Manager};
use tapir_store::{EventStore, RetentionPolicy, SqliteConfig, SqliteStore};
use tokio::signal::unix::{SignalKind, signal};

/// How often old events are looked for; a step removes a bounded number, so that reads go on.
const RETENTION: Duration = Duration::from_secs(60);

/// Runs the command; the value is the exit code.
pub fn run(args: &ManagerArgs, messages: &Messages) -> Result<u8, String> {
    std::fs::create_dir_all(&args.data_dir)
        .map_err(|error| format!("cannot make the data directory {}: {error}", args.data_dir.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let mut sqlite = SqliteConfig::new(args.data_dir.join("events.db"));
    sqlite.cluster.clone_from(&args.cluster);
    let store: Arc<dyn EventStore> = Arc::new(SqliteStore::open(sqlite).map_err(|error| error.to_string())?);
    runtime.block_on(serve(args, store, messages))
}

async fn serve(args: &ManagerArgs, store: Arc<dyn EventStore>, messages: &Messages) -> Result<u8, String> {
    let mut config = Config::new(&args.data_dir);
    config.listen = args.listen;
    config.cluster.clone_from(&args.cluster);
    config.public_url.clone_from(&args.public_url);
    config.behind_tls = args.behind_tls;
    config.pages.clone_from(&args.pages);
    config.rules.clone_from(&args.rules);
    for path in &args.agent_token_file {
        config.agent_tokens.push(token(path)?);
    }
    if !args.listen.ip().is_loopback() && !args.behind_tls {
        messages.warning(&format!(
            "{} is not loopback and there is no TLS: tokens travel in the clear; put a proxy with TLS in front and say \
             --behind-tls",
            args.listen
        ));
    }
    let manager = Manager::bind(config, Arc::clone(&store)).await.map_err(|error| error.to_string())?;
    let address = manager.address();
    messages.info(&format!("Alerts page: http://{address}/"));
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
    let policy = RetentionPolicy {
        keep: Duration::from_secs(args.keep_days.saturating_mul(86_400)),
        max_bytes: args.max_mib.saturating_mul(1 << 20),
        ..RetentionPolicy::default()
    };
    let mut term = signal(SignalKind::terminate()).map_err(|error| format!("cannot catch signals: {error}"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("cannot catch signals: {error}"))?;
    let shutdown = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::select! {
        () = manager.serve(shutdown) => {}
        () = retain(store, policy, messages) => {}
    }
    Ok(0)
}

/// Removes old events, for ever.
async fn retain(store: Arc<dyn EventStore>, policy: RetentionPolicy, messages: &Messages) {
    let mut ticks = tokio::time::interval(RETENTION);
    loop {
        ticks.tick().await;
        if let Err(error) = store.retain(policy.clone(), wall_clock()).await {
            messages.warning(&format!("old events were not removed: {error}"));
        }
    }
}

/// Tokens stand in files.
fn token(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(format!("{} holds no token", path.display()));
    }
    Ok(token.to_owned())
}
