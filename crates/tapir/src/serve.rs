//! `tapir scan --serve`: the alerts of captures on the Alerts page, for as long as somebody looks.
//!
//! While the captures are read, events go to an embedded store in a temporary directory; then a manager of its own serves it on
//! loopback until Ctrl-C. Nothing is removed for its age, since captures may be years old, and the directory goes at
//! the end, also when the end is a signal.
//! *Limits*: [`MAX_EVENTS`] events are kept, the rest is counted.

use crate::args::ScanArgs;
use crate::identity::wall_clock;
use crate::message::Messages;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tapir_engine::{RuleSources, STARTER_RULES};
use tapir_event::{SecurityEvent, rfc3339};
use tapir_manager::{Config, Manager};
use tapir_packet::Timestamp;
use tapir_store::{EventStore, IngestBatch, SqliteConfig, SqliteStore, StoreError};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Events kept; each has up to 18 KiB of evidence.
const MAX_EVENTS: u64 = 1_000_000;
/// Written at once.
const BATCH: usize = 2_000;
const BATCH_BYTES: usize = 8 << 20;
/// How often a batch is offered to a store that is too busy.
const TRIES: u32 = 20;

/// The store while captures are read.
pub struct Serving {
    // Closed before its directory goes: members are dropped in this order.
    store: Arc<dyn EventStore>,
    runtime: Runtime,
    batch: Vec<Vec<u8>>,
    batch_bytes: usize,
    kept: u64,
    left_out: u64,
    range: Option<(Timestamp, Timestamp)>,
    failure: Option<String>,
    ending: Arc<Ending>,
}

impl Serving {
    /// An empty store; from now on signals remove it.
    pub fn start() -> Result<Self, String> {
        let scratch = Scratch::new()?;
        let path = scratch.0.join("events.db");
        let ending = Ending::watch(scratch)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
        let mut sqlite = SqliteConfig::new(path);
        // There is one writer, which waits for each batch.
        sqlite.commit_after = Duration::from_millis(1);
        let store: Arc<dyn EventStore> = Arc::new(SqliteStore::open(sqlite).map_err(|error| error.to_string())?);
        Ok(Self {
            store,
            runtime,
            batch: Vec::new(),
            batch_bytes: 0,
            kept: 0,
            left_out: 0,
            range: None,
            failure: None,
            ending,
        })
    }

    /// Keeps an event that has its id.
    pub fn keep(&mut self, event: &SecurityEvent) {
        if self.kept >= MAX_EVENTS {
            self.left_out += 1;
            return;
        }
        // An event of the engine can be written.
        let Ok(document) = serde_json::to_vec(event) else { return };
        self.kept += 1;
        let (first, last) = self.range.unwrap_or((event.time, event.time));
        self.range = Some((first.min(event.time), last.max(event.time)));
        self.batch_bytes += document.len();
        self.batch.push(document);
        if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.batch_bytes = 0;
        let batch = IngestBatch { documents: std::mem::take(&mut self.batch) };
        if batch.documents.is_empty() || self.failure.is_some() {
            return;
        }
        let store = &self.store;
        let stored = self.runtime.block_on(async {
            let mut tried = 0;
            loop {
                match store.ingest(batch.clone(), wall_clock()).await {
                    Err(StoreError::Busy { retry_after, .. }) if tried < TRIES => {
                        tried += 1;
                        tokio::time::sleep(retry_after).await;
                    }
                    done => return done,
                }
            }
        });
        match stored {
            Ok(outcome) => self.left_out += u64::try_from(outcome.rejected.len()).unwrap_or_default(),
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Serves until a signal.
    pub fn serve(mut self, args: &ScanArgs, rules: &RuleSources, messages: &Messages) -> Result<(), String> {
        self.flush();
        if let Some(failure) = &self.failure {
            return Err(format!("the alerts cannot be kept for the page: {failure}"));
        }
        if self.left_out > 0 {
            messages.warning(&format!("{} alerts are not on the page, which takes {MAX_EVENTS}", self.left_out));
        }
        let mut config = Config::new(self.ending.directory());
        config.listen = args.listen;
        config.cluster = "capture".to_owned();
        config.pages.clone_from(&args.pages);
        config.rules = self.rule_files(rules)?;
        config.rule_config = rules.config.clone();
        // Only streams of open pages could be left.
        config.limits.drain = Duration::from_secs(1);
        if !args.listen.ip().is_loopback() {
            messages.warning(&format!(
                "{} is not loopback and there is no TLS: tokens travel in the clear, and browsers keep no session",
                args.listen
            ));
        }
        let Self { store, runtime, range, ending, .. } = self;
        runtime.block_on(async move {
            let manager = Manager::bind(config, store).await.map_err(|error| error.to_string())?;
            let link = manager.sign_in_link(&page(range)).map_err(|error| error.to_string())?;
            let mut told = format!("Alerts page, until Ctrl-C: {link}\n");
            for (name, token) in manager.new_tokens().iter().filter(|(name, _)| *name == "admin") {
                told.push_str(&format!(
                    "{name} token, for tapir alerts --server http://{}: {token}\n",
                    manager.address()
                ));
            }
            // Not one of the messages that --quiet is about: without it there is no way in.
            std::io::stderr().write_all(told.as_bytes()).map_err(|error| format!("cannot print the link: {error}"))?;
            browse(&link);
            let ended = ending.wait_for_signal();
            manager
                .serve(async {
                    // A sender that has gone is an end, too.
                    let _ = ended.await;
                })
                .await;
            Ok(())
        })
    }

    /// Rules for the pages of rules; the built-in ones as a file.
    fn rule_files(&self, rules: &RuleSources) -> Result<Vec<PathBuf>, String> {
        if !rules.files.is_empty() {
            return Ok(rules.files.clone());
        }
        let path = self.ending.directory().join("tapir-starter.rules");
        std::fs::write(&path, STARTER_RULES).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(vec![path])
    }
}

/// The inbox over just the time of the alerts, in whole seconds.
fn page(range: Option<(Timestamp, Timestamp)>) -> String {
    let Some((first, last)) = range else { return "/alerts".to_owned() };
    let second = |time: Timestamp, by: i64| Timestamp::from_secs_nanos(time.secs().saturating_add(by), 0);
    let text = |time| rfc3339(time).replace(".000000000Z", "Z");
    format!("/alerts?from={}&to={}", text(second(first, -1)), text(second(last, 2)))
}

/// Opens the link for somebody who sits at a screen.
fn browse(link: &str) {
    let screen =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    if !screen || !std::io::stdout().is_terminal() {
        return;
    }
    let null = Stdio::null;
    let opened = Command::new("xdg-open").arg(link).stdin(null()).stdout(null()).stderr(null()).spawn();
    // Without a browser there is still the link.
    if let Ok(mut child) = opened {
        std::thread::spawn(move || child.wait());
    }
}

/// A directory for this user alone, removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, String> {
        let parent = std::env::temp_dir();
        let mut last = None;
        for attempt in 0..16 {
            let name = format!("tapir-scan-{}-{:x}", std::process::id(), wall_clock().0.wrapping_add(attempt));
            let path = parent.join(name);
            // A directory that is there already is somebody else's.
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => last = Some(error),
            }
        }
        let why = last.map(|error| error.to_string()).unwrap_or_default();
        Err(format!("cannot make a directory in {}: {why}; TMPDIR names another one", parent.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Signals, and the directory that they remove.
struct Ending {
    directory: PathBuf,
    scratch: Mutex<Option<Scratch>>,
    serving: Mutex<Option<oneshot::Sender<()>>>,
}

impl Ending {
    /// The first signal ends what is served, in good order; while captures are read, and the second time, it ends the process.
    fn watch(scratch: Scratch) -> Result<Arc<Self>, String> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|error| format!("cannot catch signals: {error}"))?;
        let ending = Arc::new(Self {
            directory: scratch.0.clone(),
            scratch: Mutex::new(Some(scratch)),
            serving: Mutex::new(None),
        });
        let watched = Arc::downgrade(&ending);
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let Some(ending) = watched.upgrade() else { return };
                let serving = ending.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(serving) = serving {
                    // Whoever has gone needs not be told.
                    let _ = serving.send(());
                    continue;
                }
                drop(ending.scratch.lock().unwrap_or_else(PoisonError::into_inner).take());
                std::process::exit(128 + signal);
            }
        });
        Ok(ending)
    }

    fn directory(&self) -> &Path {
        &self.directory
    }

    fn wait_for_signal(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_the_time_of_the_alerts() {
        let at = |secs, nanos| Timestamp::from_secs_nanos(secs, nanos);
        assert_eq!(page(None), "/alerts");
        let page = page(Some((at(1_000_000_000, 5), at(1_000_000_010, 999_999_999))));
        assert_eq!(page, "/alerts?from=2001-09-09T01:46:39Z&to=2001-09-09T01:46:52Z");
    }

    #[test]
    fn the_directory_is_private_and_goes() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new().unwrap();
        let path = scratch.0.clone();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("x"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
