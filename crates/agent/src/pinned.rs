//! Rules from web servers and registries: what is wanted of them is fetched, kept up, and lent to the [rule keeper](crate::rules).
//!
//! *How it fits*: wanted are the node's own sources (`--rules-from`) and those of the [selections](crate::selection) in use. [`follow`] is a
//! task of the control side; it publishes [`Pins`] whenever something of them changes. Fetching, digests and archives are
//! [`tapir_artifacts`]'.
//!
//! *Invariants*: 1. while a source cannot be had, the texts that it gave last stay lent, also after a restart and also while its new
//! digest is wrong, and [`Pin::error`] says so; 2. packets wait for nothing of this; 3. a Secret is read only if it has the label of rules, and
//! what is in it goes to the host that it names.
//!
//! *Limits*: [`MAX_SOURCES`] sources, [`AT_ONCE`] fetched at the same time; the first fetch of a source after up to [`SPREAD`], so that
//! the nodes of a cluster do not come together; after a failure 5 s, then twice as long each time, up to 10 min, of that half to all at
//! random, or what the server asks for up to an hour.

use crate::library::Library;
use crate::selection::{Object, Selection};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_artifacts::{Artifact, Credentials, Digest, FetchError, Fetcher, Place, Source};
use tapir_engine::RuleText;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Sources of a node.
pub const MAX_SOURCES: usize = 64;
/// Fetches at the same time.
const AT_ONCE: usize = 4;
/// The first fetch begins within this time.
const SPREAD: Duration = Duration::from_secs(2);
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);
/// The longest `Retry-After` that is believed.
const MOST_ASKED: Duration = Duration::from_secs(3600);

/// A source that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wanted {
    /// Where and what.
    pub source: Source,
    /// The Secret with credentials for it, in Tapir's namespace.
    pub secret: Option<String>,
}

/// What a source gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// Its texts; while it fails, those that it gave last.
    pub texts: Vec<RuleText>,
    /// Why it is not what it should be.
    pub error: Option<String>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

/// All that is wanted. What was not tried yet is not in here, unless something older stands in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<Wanted, Pin>);

impl Pins {
    /// Of these.
    pub fn of(pins: impl IntoIterator<Item = (Wanted, Pin)>) -> Self {
        Self(pins.into_iter().collect())
    }

    /// What a source gives.
    pub fn get(&self, wanted: &Wanted) -> Option<&Pin> {
        self.0.get(wanted)
    }
}

/// What texts of a place are called: all begin so.
pub fn label(place: &Place) -> String {
    place.to_string()
}

/// Settings of the node.
#[derive(Clone, Debug)]
pub struct PinnedConfig {
    /// Brings them; whether those of resources may be on this host is its setting.
    pub fetcher: Fetcher,
    /// The node's own sources. They may be on this host: whoever names them has it.
    pub node: BTreeSet<Source>,
    /// Credentials of the node, for any source.
    pub credentials: Credentials,
}

/// What the node wants itself.
pub fn of_node(config: &PinnedConfig) -> BTreeSet<Wanted> {
    config.node.iter().map(|source| Wanted { source: source.clone(), secret: None }).collect()
}

/// A source, and how it goes.
#[derive(Default)]
struct Track {
    pin: Option<Pin>,
    /// Copies that what is lent is made of.
    copies: BTreeSet<Digest>,
    is_done: bool,
    is_under_way: bool,
    failed: u32,
    due: Option<Instant>,
}

/// Follows what is wanted, for ever. `again`: whatever has failed is tried now.
pub async fn follow(
    config: PinnedConfig,
    mut selected: watch::Receiver<Arc<BTreeSet<Selection>>>,
    mut library: watch::Receiver<Arc<Library>>,
    again: Arc<Notify>,
    pins: watch::Sender<Arc<Pins>>,
) {
    let mut tracks: BTreeMap<Wanted, Track> = BTreeMap::new();
    // What places gave last, for what is wanted of them next.
    let mut last: BTreeMap<Place, (Vec<RuleText>, BTreeSet<Digest>)> = BTreeMap::new();
    let mut fetches: JoinSet<(Wanted, Result<Artifact, FetchError>)> = JoinSet::new();
    let (mut has_selected, mut has_library) = (true, true);
    loop {
        let choices = Arc::clone(&selected.borrow_and_update());
        let of_choices = choices.iter().flat_map(|selection| selection.pinned.iter().cloned());
        let wanted: BTreeSet<Wanted> = of_node(&config).into_iter().chain(of_choices).take(MAX_SOURCES).collect();
        tracks.retain(|known, _| wanted.contains(known));
        last.retain(|place, _| wanted.iter().any(|one| one.source.place == *place));
        for one in wanted {
            if !tracks.contains_key(&one) {
                let track = begin(&config.fetcher, &one.source, last.get(&one.source.place)).await;
                if track.is_done {
                    good(&config.fetcher, &one.source, &track, &mut last).await;
                }
                tracks.insert(one, track);
            }
        }
        start(&config, &library.borrow_and_update(), &mut tracks, &mut fetches);
        publish(&tracks, &pins);
        let due =
            tracks.values().filter(|track| !track.is_done && !track.is_under_way).filter_map(|track| track.due).min();
        let is_full = fetches.len() >= AT_ONCE;
        let pause = due.filter(|_| !is_full).map_or(LONGEST, |due| due.saturating_duration_since(Instant::now()));
        tokio::select! {
            changed = selected.changed(), if has_selected => has_selected = changed.is_ok(),
            changed = library.changed(), if has_library => {
                has_library = changed.is_ok();
                // There may be other credentials now.
                tracks.iter_mut().filter(|(one, _)| one.secret.is_some()).for_each(|(_, track)| track.hurry());
            }
            () = again.notified() => tracks.values_mut().for_each(Track::hurry),
            Some(ended) = fetches.join_next(), if !fetches.is_empty() => {
                if let Ok((one, result)) = ended && let Some(track) = tracks.get_mut(&one) {
                    end(track, &one.source, result);
                    if track.is_done {
                        good(&config.fetcher, &one.source, track, &mut last).await;
                    }
                }
            }
            () = tokio::time::sleep(pause.min(LONGEST)) => {}
        }
    }
}

impl Track {
    /// What has failed is due now.
    fn hurry(&mut self) {
        if !self.is_done && self.failed > 0 {
            self.due = Some(Instant::now());
        }
    }
}

/// With what is kept: the thing itself, or what its place gave last.
async fn begin(fetcher: &Fetcher, source: &Source, last: Option<&(Vec<RuleText>, BTreeSet<Digest>)>) -> Track {
    let (this, wanted) = (fetcher.clone(), source.clone());
    let look = move || {
        let found = this.recall(&wanted);
        let older =
            this.kept.as_ref().and_then(|kept| kept.last_good(&wanted.place)).filter(|good| *good != wanted.digest);
        let older = older.and_then(|digest| this.recall(&Source { digest, ..wanted.clone() }));
        (found, older)
    };
    let (found, older) = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    let mut track = Track { due: Some(Instant::now() + SPREAD.mul_f64(chance())), ..Track::default() };
    let older = older.and_then(Result::ok);
    match (last, older) {
        (Some((texts, copies)), _) => {
            track.pin = Some(Pin { texts: texts.clone(), ..Pin::default() });
            track.copies.clone_from(copies);
        }
        (None, Some(older)) => {
            track.copies.clone_from(&older.copies);
            track.pin = Some(Pin { texts: texts(&source.place, older), ..Pin::default() });
        }
        (None, None) => {}
    }
    if let Some(result) = found {
        end(&mut track, source, result);
    }
    track
}

/// Begins the fetches that are due.
fn start(
    config: &PinnedConfig,
    library: &Library,
    tracks: &mut BTreeMap<Wanted, Track>,
    fetches: &mut JoinSet<(Wanted, Result<Artifact, FetchError>)>,
) {
    let now = Instant::now();
    let in_use: BTreeSet<Digest> = tracks.values().flat_map(|track| track.copies.iter().copied()).collect();
    for (one, track) in tracks.iter_mut() {
        let is_due = track.due.is_some_and(|due| due <= now) && !track.is_done && !track.is_under_way;
        if !is_due || fetches.len() >= AT_ONCE {
            continue;
        }
        let credentials = match &one.secret {
            Some(name) => of_secret(library, name).map(|own| own.and(&config.credentials)),
            None => Ok(config.credentials.clone()),
        };
        let credentials = match credentials {
            Ok(credentials) => credentials,
            Err(why) => {
                end(track, &one.source, Err(FetchError { message: why, retry_after: None }));
                continue;
            }
        };
        track.is_under_way = true;
        let allow_local = config.fetcher.allow_local || config.node.contains(&one.source);
        let fetcher = Fetcher { allow_local, ..config.fetcher.clone() };
        let (one, in_use) = (one.clone(), in_use.clone());
        fetches.spawn(async move {
            let source = one.source.clone();
            // A task of its own: a panic in it is a failed try like others.
            let fetch = tokio::spawn(async move { fetcher.fetch(&source, &credentials, &in_use).await });
            let failed =
                || FetchError { message: "an error of ours, which is worth a report".to_owned(), retry_after: None };
            (one, fetch.await.unwrap_or_else(|_| Err(failed())))
        });
    }
}

/// What became of a try.
fn end(track: &mut Track, source: &Source, result: Result<Artifact, FetchError>) {
    track.is_under_way = false;
    match result {
        Ok(artifact) => {
            track.is_done = true;
            track.copies.clone_from(&artifact.copies);
            let name = label(&source.place);
            let mut notes: Vec<String> = artifact.left_out.iter().map(|what| format!("{name}: {what}")).collect();
            if let Some(why) = &artifact.unkept {
                notes.push(format!("{name}: not kept for a start without a network: {why}"));
            }
            track.pin = Some(Pin { texts: texts(&source.place, artifact), error: None, notes });
        }
        Err(FetchError { message, retry_after }) => {
            let full = FIRST.saturating_mul(1 << track.failed.min(16)).min(LONGEST);
            let pause = full / 2 + (full / 2).mul_f64(chance());
            track.due = Some(Instant::now() + pause.max(retry_after.unwrap_or_default().min(MOST_ASKED)));
            track.failed = track.failed.saturating_add(1);
            let pin = track.pin.get_or_insert_default();
            let stays =
                if pin.texts.is_empty() { "it has given no rules yet" } else { "its last good rules stay in force" };
            pin.error = Some(format!("{}: {message}; {stays}", label(&source.place)));
        }
    }
}

/// Remembers what a place has given.
async fn good(
    fetcher: &Fetcher,
    source: &Source,
    track: &Track,
    last: &mut BTreeMap<Place, (Vec<RuleText>, BTreeSet<Digest>)>,
) {
    let texts = track.pin.as_ref().map(|pin| pin.texts.clone()).unwrap_or_default();
    last.insert(source.place.clone(), (texts, track.copies.clone()));
    let (kept, source) = (fetcher.kept.clone(), source.clone());
    // Where it cannot be written, the copy could not either, which was told.
    let write = move || kept.map(|kept| kept.set_last_good(&source.place, &source.digest));
    let _ = tokio::task::spawn_blocking(write).await;
}

fn publish(tracks: &BTreeMap<Wanted, Track>, pins: &watch::Sender<Arc<Pins>>) {
    let now = Pins(tracks.iter().filter_map(|(one, track)| Some((one.clone(), track.pin.clone()?))).collect());
    pins.send_if_modified(|known| {
        let is_new = **known != now;
        if is_new {
            *known = Arc::new(now);
        }
        is_new
    });
}

/// Texts, called by their place and their path in it.
fn texts(place: &Place, artifact: Artifact) -> Vec<RuleText> {
    let base = label(place);
    let name = |path: &str| if path.is_empty() { base.clone() } else { format!("{base}/{path}") };
    artifact.texts.into_iter().map(|(path, bytes)| RuleText { name: name(&path).into(), bytes }).collect()
}

/// Credentials in a Secret with the label of rules.
fn of_secret(library: &Library, name: &str) -> Result<Credentials, String> {
    let object = Object { is_secret: true, name: name.to_owned() };
    let Some(shelf) = library.shelves.get(&object) else {
        return Err(format!(
            "{object} with its credentials is not in Tapir's namespace, or lacks the label {}",
            crate::library::LABEL
        ));
    };
    let read = match shelf.texts.get(".dockerconfigjson") {
        Some(file) => Credentials::of_docker(file),
        None => {
            let text = |key: &str| {
                let bytes = shelf.texts.get(key).map(|bytes| bytes.to_vec()).unwrap_or_default();
                String::from_utf8(bytes).unwrap_or_default()
            };
            Credentials::of_fields(&text("host"), &text("username"), &text("password"), &text("token"))
        }
    };
    read.map_err(|error| format!("{object} with its credentials: {error}"))
}

/// Between 0 and 1. The standard library keys its hash with the system's randomness.
fn chance() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
