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
//! *Limits*: [`MAX_SOURCES`] sources with [`MAX_BYTES`] of rules together, [`AT_ONCE`] fetched at the same time; the first fetch of a source after up to [`SPREAD`], so that
//! the nodes of a cluster do not come together; after a failure 5 s, then twice as long each time, up to 10 min, of that half to all at
//! random, or what the server asks for up to an hour.

use crate::library::Library;
use crate::selection::{Object, Selection};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_artifacts::{Artifact, Credentials, Digest, FetchError, Fetcher, Place, Source};
use tapir_engine::RuleText;
use tapir_outbound::Pauses;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Sources of a node.
pub const MAX_SOURCES: usize = 64;
/// Bytes of rules of all sources; as many again may be compiled of them (see [`crate::library`]).
const MAX_BYTES: usize = 128 << 20;
/// Fetches at the same time, each of which may hold a file and what is unpacked of it.
const AT_ONCE: usize = 2;
/// The first fetch begins within this time.
const SPREAD: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(600);
/// After failures.
const PAUSES: Pauses =
    Pauses { first: Duration::from_secs(5), longest: LONGEST, most_asked: Duration::from_secs(3600) };

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

/// Settings of the node.
#[derive(Clone, Debug)]
pub struct PinnedConfig {
    /// Brings them; whether those of resources may be on this host is its setting.
    pub fetcher: Fetcher,
    /// The node's own sources. They may be on this host: whoever names them has it.
    pub node: BTreeSet<Source>,
    /// File with credentials of the node, for any source; read for each fetch, since tokens in it do not last.
    pub credentials: Option<PathBuf>,
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
                let room = room(&tracks, &one);
                let track = begin(&config.fetcher, &one.source, last.get(&one.source.place), room).await;
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
                let ended = ended.ok().map(|(one, result)| (room(&tracks, &one), one, result));
                if let Some((room, one, result)) = ended && let Some(track) = tracks.get_mut(&one) {
                    end(track, &one.source, result, room);
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
async fn begin(
    fetcher: &Fetcher,
    source: &Source,
    last: Option<&(Vec<RuleText>, BTreeSet<Digest>)>,
    room: usize,
) -> Track {
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
    let older = older.and_then(Result::ok).filter(|older| size(older) <= room);
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
        end(&mut track, source, result, room);
    }
    track
}

/// Bytes that a source may have beside the others.
fn room(tracks: &BTreeMap<Wanted, Track>, of: &Wanted) -> usize {
    let others = tracks.iter().filter(|(one, _)| *one != of).filter_map(|(_, track)| track.pin.as_ref());
    let bytes = others.flat_map(|pin| &pin.texts).fold(0_usize, |sum, text| sum.saturating_add(text.bytes.len()));
    MAX_BYTES.saturating_sub(bytes)
}

/// Bytes of its rules.
fn size(artifact: &Artifact) -> usize {
    artifact.texts.values().fold(0, |sum, text| sum.saturating_add(text.len()))
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
        let own = match &one.secret {
            Some(name) => of_secret(library, name),
            None => Ok(Credentials::default()),
        };
        let own = match own {
            Ok(own) => own,
            Err(why) => {
                end(track, &one.source, Err(why.into()), MAX_BYTES);
                continue;
            }
        };
        track.is_under_way = true;
        let allow_local = config.fetcher.allow_local || config.node.contains(&one.source);
        let fetcher = Fetcher { allow_local, ..config.fetcher.clone() };
        let (one, in_use, file) = (one.clone(), in_use.clone(), config.credentials.clone());
        fetches.spawn(async move {
            let source = one.source.clone();
            // A task of its own: a panic in it is a failed try like others.
            let fetch = tokio::spawn(async move {
                let credentials = own.and(&of_node_file(file).await?);
                fetcher.fetch(&source, &credentials, &in_use).await
            });
            let failed = || "an error of ours, which is worth a report".to_owned().into();
            (one, fetch.await.unwrap_or_else(|_| Err(failed())))
        });
    }
}

/// What became of a try. `room`: bytes that there are for it.
fn end(track: &mut Track, source: &Source, result: Result<Artifact, FetchError>, room: usize) {
    track.is_under_way = false;
    let result = result.and_then(|artifact| match size(&artifact) {
        bytes if bytes > room => {
            Err(format!("it has {} MiB of rules, and all sources may have {} together", bytes >> 20, MAX_BYTES >> 20)
                .into())
        }
        _ => Ok(artifact),
    });
    match result {
        Ok(artifact) => {
            track.is_done = true;
            track.copies.clone_from(&artifact.copies);
            let name = source.place.label();
            let mut notes: Vec<String> = artifact.left_out.iter().map(|what| format!("{name}: {what}")).collect();
            if let Some(why) = &artifact.unkept {
                notes.push(format!("{name}: not kept for a start without a network: {why}"));
            }
            track.pin = Some(Pin { texts: texts(&source.place, artifact), error: None, notes });
        }
        Err(FetchError { message, retry_after }) => {
            track.due = Some(Instant::now() + PAUSES.after(track.failed, retry_after));
            track.failed = track.failed.saturating_add(1);
            let pin = track.pin.get_or_insert_default();
            let stays =
                if pin.texts.is_empty() { "it has given no rules yet" } else { "its last good rules stay in force" };
            pin.error = Some(format!("{}: {message}; {stays}", source.place.label()));
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
    let base = place.label();
    let name = |path: &str| if path.is_empty() { base.clone() } else { format!("{base}/{path}") };
    artifact.texts.into_iter().map(|(path, bytes)| RuleText { name: name(&path).into(), bytes }).collect()
}

/// Credentials of the node.
async fn of_node_file(file: Option<PathBuf>) -> Result<Credentials, FetchError> {
    let Some(path) = file else { return Ok(Credentials::default()) };
    let read = tokio::task::spawn_blocking(move || Credentials::read(&path)).await;
    let why = match read {
        Ok(Ok(known)) => return Ok(known),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "an error of ours, which is worth a report".to_owned(),
    };
    Err(format!("--rules-credentials: {why}").into())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Shelf;
    use std::io::{BufRead, BufReader, Write};
    use std::sync::Mutex;
    use tapir_artifacts::Kept;

    fn rule(sid: u32) -> Vec<u8> {
        format!("alert tcp any any -> any any ( msg:\"x\"; content:\"y\"; sid:{sid}; )\n").into_bytes()
    }

    /// A web server on loopback with one file; `None`: it answers 503. Tells what of credentials was sent last.
    struct Web {
        url: String,
        file: Arc<Mutex<Option<Vec<u8>>>>,
        sent: Arc<Mutex<String>>,
    }

    impl Web {
        fn start() -> Self {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/x.rules", listener.local_addr().unwrap());
            let web = Self { url, file: Arc::default(), sent: Arc::default() };
            let (file, sent) = (Arc::clone(&web.file), Arc::clone(&web.sent));
            std::thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                    let own = head.iter().filter_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("authorization: ").map(str::to_owned)
                    });
                    *sent.lock().unwrap() = own.collect();
                    let body = file.lock().unwrap().clone();
                    let status = if body.is_some() { "200 OK" } else { "503 Busy" };
                    let body = body.unwrap_or_default();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(&body);
                }
            });
            web
        }

        fn host(&self) -> String {
            self.url.trim_start_matches("http://").trim_end_matches("/x.rules").to_owned()
        }

        fn serve(&self, bytes: Option<Vec<u8>>) {
            *self.file.lock().unwrap() = bytes;
        }

        fn wanted(&self, bytes: &[u8], secret: Option<&str>) -> Wanted {
            let source = Source::web(&self.url, &Digest::of(bytes).to_string()).unwrap();
            Wanted { source, secret: secret.map(str::to_owned) }
        }
    }

    /// An agent's follower, with what it is told by and tells.
    struct Follower {
        select: watch::Sender<Arc<BTreeSet<Selection>>>,
        lend: watch::Sender<Arc<Library>>,
        again: Arc<Notify>,
        pins: watch::Receiver<Arc<Pins>>,
        running: tokio::task::JoinHandle<()>,
    }

    impl Follower {
        fn start(folder: &std::path::Path, credentials: Option<PathBuf>) -> Self {
            let fetcher = Fetcher { tls: Default::default(), allow_local: true, kept: Some(Kept::new(folder)) };
            let config = PinnedConfig { fetcher, node: BTreeSet::new(), credentials };
            let (select, selected) = watch::channel(Arc::default());
            let (lend, lent) = watch::channel(Arc::default());
            let (tell, pins) = watch::channel(Arc::default());
            let again = Arc::new(Notify::new());
            let running = tokio::spawn(follow(config, selected, lent, Arc::clone(&again), tell));
            Self { select, lend, again, pins, running }
        }

        fn want(&self, wanted: &Wanted) {
            let selection = Selection { pinned: [wanted.clone()].into(), ..Selection::default() };
            self.select.send_replace(Arc::new([selection].into()));
        }

        /// What is given of it, once it is so.
        async fn until(&mut self, wanted: &Wanted, is_so: impl Fn(&Pin) -> bool) -> Pin {
            let so = self.pins.wait_for(|pins| pins.get(wanted).is_some_and(&is_so));
            let found = tokio::time::timeout(Duration::from_secs(20), so).await.unwrap().unwrap();
            found.get(wanted).unwrap().clone()
        }
    }

    impl Drop for Follower {
        fn drop(&mut self) {
            self.running.abort();
        }
    }

    fn bytes(pin: &Pin) -> Vec<&[u8]> {
        pin.texts.iter().map(|text| &*text.bytes).collect()
    }

    #[tokio::test]
    async fn the_last_good_rules_stand_in_for_a_source_that_fails_also_after_a_restart() {
        let (web, folder) = (Web::start(), tempfile::tempdir().unwrap());
        let (first, second) = (rule(1), rule(2));
        web.serve(Some(first.clone()));
        let mut follower = Follower::start(folder.path(), None);
        let good = web.wanted(&first, None);
        follower.want(&good);
        let pin = follower.until(&good, |pin| !pin.texts.is_empty()).await;
        assert_eq!((bytes(&pin), &pin.error, &*pin.texts[0].name), (vec![&first[..]], &None, web.url.as_str()));

        // A new digest, and the server has still the old file.
        let next = web.wanted(&second, None);
        follower.want(&next);
        let pin = follower.until(&next, |pin| pin.error.is_some()).await;
        let why = pin.error.clone().unwrap();
        assert!(
            why.contains("what came is not what was asked for") && why.ends_with("its last good rules stay in force"),
            "{why}"
        );
        assert_eq!(bytes(&pin), [&first[..]]);

        // A restart meanwhile, and the server fails.
        web.serve(None);
        drop(follower);
        let mut follower = Follower::start(folder.path(), None);
        follower.want(&next);
        let pin = follower.until(&next, |pin| pin.error.is_some()).await;
        assert!(pin.error.clone().unwrap().contains("503"), "{pin:?}");
        assert_eq!(bytes(&pin), [&first[..]]);
        follower.want(&good);
        let pin = follower.until(&good, |pin| pin.error.is_none()).await;
        assert_eq!(bytes(&pin), [&first[..]], "from the copy");

        // The server has it at last, and somebody says that it is to be tried now.
        follower.want(&next);
        follower.until(&next, |pin| pin.error.is_some()).await;
        web.serve(Some(second.clone()));
        follower.again.notify_one();
        let pin = follower.until(&next, |pin| pin.error.is_none() && bytes(pin) == [&second[..]]).await;
        assert_eq!(pin.notes, Vec::<String>::new());
    }

    #[tokio::test]
    async fn credentials_come_from_labelled_secrets_and_from_the_nodes_file_and_go_to_their_host() {
        let (web, folder) = (Web::start(), tempfile::tempdir().unwrap());
        web.serve(Some(rule(1)));
        let file = folder.path().join("config.json");
        std::fs::write(&file, "{}").unwrap();
        let mut follower = Follower::start(&folder.path().join("cache"), Some(file.clone()));
        let wanted = web.wanted(&rule(1), Some("feed"));
        follower.want(&wanted);
        let pin = follower.until(&wanted, |pin| pin.error.is_some()).await;
        let why = pin.error.unwrap();
        assert!(
            why.contains(
                "secret/feed with its credentials is not in Tapir's namespace, or lacks the label tapir.dev/rules"
            ),
            "{why}"
        );
        assert!(why.ends_with("it has given no rules yet"), "{why}");
        assert_eq!(*web.sent.lock().unwrap(), "");

        let lend = |fields: &[(&str, &str)]| {
            let texts = fields.iter().map(|(key, text)| ((*key).to_owned(), text.as_bytes().into())).collect();
            let object = Object { is_secret: true, name: "feed".into() };
            let shelf = Shelf { is_for_all: false, texts };
            follower.lend.send_replace(Arc::new(Library { shelves: [(object, shelf)].into() }));
        };
        lend(&[("host", &web.host()), ("username", "robot"), ("password", "secret")]);
        let mut pins = follower.pins.clone();
        let broken = pins.wait_for(|pins| {
            pins.get(&wanted).is_some_and(|pin| pin.error.as_ref().is_some_and(|why| why.contains("no auths in it")))
        });
        tokio::time::timeout(Duration::from_secs(20), broken).await.unwrap().unwrap();
        // The file is read again for each fetch.
        std::fs::write(&file, r#"{"auths": {"other.example": {"username": "u", "password": "p"}}}"#).unwrap();
        follower.again.notify_one();
        follower.until(&wanted, |pin| pin.error.is_none()).await;
        assert_eq!(*web.sent.lock().unwrap(), "basic cm9ib3q6c2vjcmv0");
    }

    #[test]
    fn a_source_beyond_what_all_may_have_is_told() {
        let source = Source::web("https://a.example/x", &Digest::of(b"x").to_string()).unwrap();
        let artifact =
            Artifact { texts: [("a.rules".to_owned(), vec![b'#'; 2 << 20].into())].into(), ..Artifact::default() };
        let mut track = Track::default();
        end(&mut track, &source, Ok(artifact.clone()), 1 << 20);
        assert!(!track.is_done && track.pin.as_ref().unwrap().texts.is_empty());
        let why = track.pin.clone().unwrap().error.unwrap();
        assert!(why.contains("it has 2 MiB of rules, and all sources may have 128 together"), "{why}");
        end(&mut track, &source, Ok(artifact), 2 << 20);
        assert!(track.is_done);
        let wanted = Wanted { source, secret: None };
        let other = Wanted { secret: Some("s".into()), ..wanted.clone() };
        let tracks = BTreeMap::from([(wanted.clone(), track)]);
        assert_eq!((room(&tracks, &wanted), room(&tracks, &other)), (MAX_BYTES, MAX_BYTES - (2 << 20)));
    }

    #[test]
    fn a_server_that_asks_for_time_gets_some() {
        let source = Source::web("https://a.example/x", &Digest::of(b"x").to_string()).unwrap();
        let mut track = Track::default();
        let failed =
            |after: u64| Err(FetchError { message: "busy".into(), retry_after: Some(Duration::from_secs(after)) });
        let mut pause = |after| {
            end(&mut track, &source, failed(after), MAX_BYTES);
            track.due.unwrap().saturating_duration_since(Instant::now()).as_secs_f64()
        };
        assert!((2.4..=5.0).contains(&pause(0)));
        assert!((99.0..=100.0).contains(&pause(100)));
        assert!((3599.0..=3600.0).contains(&pause(1_000_000)));
        let longest = (0..40).map(|_| pause(0)).fold(0.0, f64::max);
        assert!((300.0..=600.0).contains(&longest), "{longest}");
    }
}
