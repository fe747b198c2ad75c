//! The control side: keeps the board in step with the cluster and with the interfaces of this node.
//!
//! *How it fits*: a [`View`] comes from a source, changes of interfaces from the kernel; whenever one of them changes the keeper
//! decides anew what is inspected where, and posts a [`Board`]. What it decided is its [`State`], which status and logs show.
//!
//! Once a second it compares what pods have received with what their taps have seen ([`crate::blindness`]).
//!
//! *Invariants*: 1. an interface that was confirmed as a pod's stays its for as long as it exists; what is confirmed by the pod's
//! network namespace alone is confirmed again every [`AGAIN`]; 2. nothing here touches packets.
//!
//! *Limits*: [`MAX_SEATS`] endpoints; those beyond are counted.

use crate::blindness::{Sample, Test, Verdict};
use crate::board::{Board, Seat, Tap};
use crate::clock::now;
use crate::discovery::{self, How, Kernel, Missing};
use crate::names::History;
use crate::porter::Porter;
use crate::processes;
use crate::received::{Received, Sight};
use crate::recorder::Keep;
use crate::routes::Routes;
use crate::selection::Selection;
use crate::shared::Shared;
use crate::view::{self, Ask, Unfit, View, Wanted};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_capture::{InterfaceEvent, InterfaceWatch, NetworkNamespace};
use tapir_engine::Counter;
use tapir_event::{Inspection, Workload};
use tapir_kubernetes::interface::Prefixes;
use tapir_kubernetes::selector::SelectorError;
use tokio::sync::watch;

/// Endpoints of a node; a node of Kubernetes has 110 pods unless told otherwise.
const MAX_SEATS: usize = 1024;
/// How often the kernel is asked for changes of interfaces; what came in between is taken together.
const TICK: Duration = Duration::from_millis(25);
/// How soon a pod whose interface was not found is looked for again, if nothing changes.
const SOON: Duration = Duration::from_millis(250);
/// How often everything is looked at anew.
const AGAIN: Duration = Duration::from_secs(30);

/// Reports come once a second, and after orders: taps are not tested for blindness more often than this.
const TEST: Duration = Duration::from_millis(500);
/// A pod that is being made has no other end on the node for a moment: so long it is looked for before the pod is entered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether pods are listened to from inside of their network namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InsidePods {
    /// Where the node's side does not see them.
    #[default]
    Auto,
    /// Nowhere.
    Never,
    /// Everywhere.
    Always,
}

/// Settings of the control side.
#[derive(Clone, Debug)]
pub struct KeeperConfig {
    /// How interfaces of usual plugins begin.
    pub prefixes: Prefixes,
    /// Where the node's processes are to be seen: `/proc`.
    pub proc: PathBuf,
    /// The network namespace of the interfaces, if it is not ours. Routes and processes are those of ours all the same, so that
    /// only interfaces that a file names are found in another one.
    pub namespace: Option<Arc<NetworkNamespace>>,
    /// Whether pods are entered.
    pub inside: InsidePods,
    /// Who enters them, and opens what is there.
    pub porter: Porter,
}

/// An endpoint that is inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its number in the engine.
    pub number: u32,
    /// Where.
    pub tap: Tap,
    /// How it was found.
    pub how: How,
    /// Whose.
    pub workload: Arc<Workload>,
    /// Who asked.
    pub inspections: Arc<[Inspection]>,
    /// Those of them whose events go without the bytes that matched.
    pub plain: Arc<[Inspection]>,
    /// Those of them whose events take packets along.
    pub keep: Arc<[(Inspection, Keep)]>,
    /// With which rules.
    pub selection: Arc<Selection>,
    /// Why the tap does not see what the pod receives, if that was found out, and why there is no better one.
    pub blind: Option<Arc<str>>,
}

/// A pod that should be inspected and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// `namespace/name` of the pod.
    pub pod: String,
    /// Who asked.
    pub inspections: Arc<[Inspection]>,
    /// Why.
    pub why: Missing,
}

/// An `Inspection`, as far as it is understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Understood {
    /// Generation of the resource.
    pub generation: Option<i64>,
    /// With which rules.
    pub selection: Arc<Selection>,
    /// What it asks for and does not get on this node.
    pub notes: Vec<String>,
}

/// What the keeper decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What is inspected.
    pub attached: Vec<Attached>,
    /// What is not, though it should be.
    pub absent: Vec<Absent>,
    /// What is selected but never can be.
    pub unfit: Vec<Unfit>,
    /// Resources whose selector cannot be read, with the selector.
    pub unreadable: Vec<(Inspection, String, SelectorError)>,
    /// All resources.
    pub inspections: Vec<Inspection>,
    /// Of `Inspection`s: what they are and what of them is not done, by name.
    pub wholes: BTreeMap<String, Understood>,
    /// Pods beyond [`MAX_SEATS`].
    pub beyond: usize,
    /// Packets that blind taps did not see when they were found out, by number of the endpoint.
    pub missed: BTreeMap<u32, u64>,
    /// Taps whose sight cannot be tested, since no process of the pod is to be seen.
    pub untested: usize,
    /// Addresses whose names are known.
    pub names: usize,
    /// Addresses for which there was no room.
    pub unnamed: u64,
}

/// What has a number.
type Numbered = (String, u64, u32, Arc<Selection>);

/// See the module.
pub struct Keeper {
    config: KeeperConfig,
    shared: Arc<Shared>,
    history: History,
    /// Number by pod (or nothing), its namespace if it is inside, interface and rules.
    numbers: HashMap<Numbered, u32>,
    next: u32,
    /// Confirmed interfaces by pod.
    confirmed: HashMap<String, Vec<(Tap, How)>>,
    /// Where the network namespaces of pods are to be seen, by pod.
    sights: HashMap<String, Sight>,
    /// Tests of taps, by number of the endpoint.
    tests: HashMap<u32, Test>,
    /// Packets missed by blind taps, by pod and interface.
    blind: HashMap<(String, u32), u64>,
    /// Why pods with blind taps are not listened to from inside.
    barred: HashMap<String, String>,
    /// Since when pods were without other end on the node.
    endless: HashMap<String, Instant>,
    untested: usize,
    selected: watch::Sender<Arc<BTreeSet<Selection>>>,
    state: watch::Sender<Arc<State>>,
    renewed: Instant,
}

impl Keeper {
    /// Nothing is inspected yet.
    pub fn new(config: KeeperConfig, shared: Arc<Shared>) -> Self {
        let state = watch::Sender::new(Arc::default());
        let (numbers, confirmed) = (HashMap::new(), HashMap::new());
        Self {
            config,
            shared,
            history: History::default(),
            numbers,
            next: 1,
            confirmed,
            sights: HashMap::new(),
            tests: HashMap::new(),
            blind: HashMap::new(),
            barred: HashMap::new(),
            endless: HashMap::new(),
            untested: 0,
            selected: watch::Sender::new(Arc::default()),
            state,
            renewed: Instant::now(),
        }
    }

    /// What is decided, whenever it changes.
    pub fn state(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// Which rules are asked for, whenever that changes.
    pub fn selected(&self) -> watch::Receiver<Arc<BTreeSet<Selection>>> {
        self.selected.subscribe()
    }

    /// Keeps the board until the source of views ends.
    pub async fn run(mut self, mut views: watch::Receiver<Arc<View>>) -> Result<(), String> {
        let mut links = self.config.porter.interfaces(self.config.namespace.clone())?;
        let (mut due, mut known, mut tested) = (Instant::now(), None, Instant::now());
        loop {
            // Only as soon as there is a report: what taps see between it and the question to the pods is held to their credit,
            // and so much of what they miss later is not found.
            let reported = self.shared.reported_at();
            if reported != known {
                known = reported;
                if tested.elapsed() >= TEST {
                    tested = Instant::now();
                    if self.test(&links) {
                        due = Instant::now();
                    }
                }
            }
            if Instant::now() >= due {
                let view = Arc::clone(&views.borrow_and_update());
                let is_complete = self.consider(&view, &links);
                due = Instant::now() + if is_complete { AGAIN } else { SOON };
                // Where the other end of an interface is, nobody is told when it moves.
                links.refresh().map_err(|error| format!("cannot list interfaces: {error}"))?;
            }
            tokio::select! {
                changed = views.changed() => {
                    changed.map_err(|_| "the source of resources has ended")?;
                    due = Instant::now();
                }
                () = tokio::time::sleep(TICK) => {}
            }
            let mut changed = false;
            let follow = &mut |event: InterfaceEvent| {
                changed = true;
                self.follow(&event);
            };
            links.wait(Duration::ZERO, follow).map_err(|error| format!("interface watch failed: {error}"))?;
            if changed {
                due = Instant::now();
            }
        }
    }

    /// An interface that is gone leads nowhere; its name may lead to another pod by now.
    fn follow(&mut self, event: &InterfaceEvent) {
        match event {
            InterfaceEvent::Deleted { index: changed, .. } => {
                let is_it = |tap: &Tap| tap.inside.is_none() && tap.index == *changed;
                self.confirmed.retain(|_, taps| !taps.iter().any(|(tap, _)| is_it(tap)));
                self.blind.retain(|(_, index), _| index != changed);
            }
            InterfaceEvent::Renamed { index: changed, to, .. } => {
                let taps = self.confirmed.values_mut().flatten();
                let on_node = taps.filter(|(tap, _)| tap.inside.is_none() && tap.index == *changed);
                on_node.for_each(|(tap, _)| tap.name = to.as_str().into());
            }
            InterfaceEvent::New { .. } | InterfaceEvent::Up { .. } | InterfaceEvent::Down { .. } => {}
        }
    }

    /// Decides what is inspected; whether every pod that should be is.
    fn consider(&mut self, view: &View, links: &InterfaceWatch) -> bool {
        if self.renewed.elapsed() >= AGAIN {
            self.renewed = Instant::now();
            self.confirmed.clear();
        }
        let now = now();
        let names_changed = self.history.learn(now, view::owners(view));
        let (wanted, unfit) = view::wanted(view);
        let unknown: Vec<&str> = wanted
            .iter()
            .map(|one| one.endpoint.uid.as_str())
            .filter(|uid| !self.confirmed.contains_key(*uid))
            .collect();
        let host = Host::new(&self.config, links, &unknown);
        let (mut attached, mut absent) = (Vec::new(), Vec::new());
        let (mut beyond, mut missed) = (0, BTreeMap::new());
        for one in &wanted {
            if attached.len() >= MAX_SEATS {
                beyond += 1;
                let pod = format!("{}/{}", one.endpoint.namespace, one.endpoint.pod);
                absent.push(Absent { pod, inspections: one.inspections(), why: Missing::NoRoom(MAX_SEATS) });
                continue;
            }
            match self.taps(one, &host) {
                Ok(taps) => {
                    let each = taps.iter().flat_map(|found| one.asks.iter().map(move |ask| (found, ask)));
                    for ((tap, how), ask) in each {
                        let uid = &one.endpoint.uid;
                        let workload = Arc::clone(&one.workload);
                        let mut found = self.attach(uid, tap.clone(), *how, workload, ask, &one.asks);
                        found.blind = self.blindness(uid, tap).map(|(text, count)| {
                            missed.insert(found.number, count);
                            text
                        });
                        attached.push(found);
                    }
                }
                Err(why) => {
                    let pod = format!("{}/{}", one.endpoint.namespace, one.endpoint.pod);
                    absent.push(Absent { pod, inspections: one.inspections(), why });
                }
            }
        }
        for (index, link) in links.links() {
            let asks = view::asks_of_interface(view, &link.name);
            if !asks.is_empty() && attached.len() >= MAX_SEATS {
                beyond += 1;
                continue;
            }
            for ask in &asks {
                let tap = Tap { index, name: link.name.as_str().into(), inside: None };
                attached.push(self.attach("", tap, How::Node, Arc::default(), ask, &asks));
            }
        }
        let still = |uid: &str| wanted.iter().any(|one| one.endpoint.uid == uid);
        self.confirmed.retain(|uid, _| still(uid));
        self.numbers.retain(|_, number| attached.iter().any(|one| one.number == *number));
        self.sights.retain(|uid, _| still(uid));
        self.blind.retain(|(uid, _), _| still(uid));
        self.barred.retain(|uid, _| still(uid));
        self.endless.retain(|uid, _| still(uid));
        self.tests.retain(|number, _| attached.iter().any(|one| one.number == *number));
        let is_complete = absent.is_empty();
        let named =
            |(namespace, name): &(String, String)| Inspection { namespace: namespace.clone(), name: name.clone() };
        let unreadable = view.inspections.iter().filter_map(|(key, asked)| {
            asked.selector.as_ref().err().map(|error| (named(key), asked.text.clone(), error.clone()))
        });
        let state = State {
            attached,
            absent,
            unfit,
            unreadable: unreadable.collect(),
            inspections: view.inspections.keys().map(named).collect(),
            wholes: understood(view, links),
            beyond,
            missed,
            untested: self.untested,
            names: self.history.len(),
            unnamed: self.history.refused(),
        };
        let before = Arc::clone(&self.state.borrow());
        if names_changed || before.attached != state.attached {
            self.post(&state);
        }
        let selected: BTreeSet<Selection> = state
            .attached
            .iter()
            .filter(|one| !one.selection.is_default())
            .map(|one| (*one.selection).clone())
            .collect();
        self.selected.send_if_modified(|known| {
            let is_new = **known != selected;
            if is_new {
                *known = Arc::new(selected);
            }
            is_new
        });
        if *before != state {
            self.state.send_replace(Arc::new(state));
        }
        is_complete
    }

    fn post(&self, state: &State) {
        let mut seats: BTreeMap<u32, Seat> = BTreeMap::new();
        for one in &state.attached {
            // Two pods cannot share an interface; should the kernel say so in between, the later one waits.
            let is_pod = one.how != How::Node;
            let is_others = |seat: &Seat| seat.tap.is_same(&one.tap) && seat.workload.uid != one.workload.uid;
            if is_pod && seats.values().any(is_others) {
                continue;
            }
            let seat = Seat {
                number: one.number,
                tap: one.tap.clone(),
                workload: Arc::clone(&one.workload),
                inspections: Arc::clone(&one.inspections),
                plain: Arc::clone(&one.plain),
                keep: Arc::clone(&one.keep),
                selection: Arc::clone(&one.selection),
            };
            seats.insert(one.number, seat);
        }
        self.shared.post_board(Arc::new(Board::new(seats.into_values(), self.history.snapshot())));
    }

    fn taps(&mut self, one: &Wanted, host: &Host<'_>) -> Result<Vec<(Tap, How)>, Missing> {
        let endpoint = &one.endpoint;
        if let Some(taps) = self.confirmed.get(&endpoint.uid) {
            return Ok(taps.clone());
        }
        let sight = match one.given.namespace.as_deref() {
            Some(name) => Some(Sight::named(name)),
            None => host.processes.get(&endpoint.uid).map(|pid| Sight::Process(self.config.proc.join(pid.to_string()))),
        };
        match sight.clone() {
            Some(sight) => self.sights.insert(endpoint.uid.clone(), sight),
            None => self.sights.remove(&endpoint.uid),
        };
        let found = self.find(one, host, sight.as_ref())?;
        self.confirmed.insert(endpoint.uid.clone(), found.clone());
        Ok(found)
    }

    /// On the node's side or inside of the pod.
    fn find(&mut self, one: &Wanted, host: &Host<'_>, sight: Option<&Sight>) -> Result<Vec<(Tap, How)>, Missing> {
        let uid = &one.endpoint.uid;
        let inside = || {
            let sight = sight.ok_or(Missing::Unseen)?;
            let taps = self.config.porter.taps(sight.clone()).map_err(Missing::Barred)?;
            Ok(taps.into_iter().map(|tap| (tap, How::Inside)).collect())
        };
        if self.config.inside == InsidePods::Always {
            return inside();
        }
        // A file that names no interface, but a namespace, says that there is none.
        let is_bare = one.given.interface.is_none() && one.given.namespace.is_some();
        let found = match is_bare {
            true => Err(Missing::Inside),
            false => discovery::find(&one.endpoint, one.given.interface.as_deref(), &self.config.prefixes, host),
        };
        if found != Err(Missing::Inside) {
            self.endless.remove(uid);
        }
        match found {
            found if self.config.inside == InsidePods::Never => found,
            Err(Missing::Inside) => {
                let since = *self.endless.entry(uid.clone()).or_insert_with(Instant::now);
                if is_bare || since.elapsed() >= PATIENCE { inside() } else { Err(Missing::Inside) }
            }
            Ok(found) if found.iter().any(|(tap, _)| self.blind.contains_key(&(uid.clone(), tap.index))) => {
                match inside() {
                    Ok(better) => Ok(better),
                    Err(why) => {
                        self.barred.insert(uid.clone(), why.to_string());
                        Ok(found)
                    }
                }
            }
            found => found,
        }
    }

    /// An endpoint with its number. `asks`: all that are made of it.
    fn attach(&mut self, uid: &str, tap: Tap, how: How, workload: Arc<Workload>, ask: &Ask, asks: &[Ask]) -> Attached {
        let number = self.number(uid, &tap, &ask.selection, asks);
        let (inspections, plain) = (Arc::clone(&ask.inspections), Arc::clone(&ask.plain));
        let (keep, selection) = (Arc::clone(&ask.keep), Arc::clone(&ask.selection));
        Attached { number, tap, how, workload, inspections, plain, keep, selection, blind: None }
    }

    /// A choice of rules in the place of one that nobody asks for any more, and that only the digests of its sources tell from it, has its
    /// number, and with it the conversations that are under way.
    fn number(&mut self, uid: &str, tap: &Tap, selection: &Arc<Selection>, asks: &[Ask]) -> u32 {
        let namespace = tap.inside.as_ref().map_or(0, |namespace| namespace.id());
        let key = (uid.to_owned(), namespace, tap.index, Arc::clone(selection));
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        if !selection.pinned.is_empty() {
            let family = selection.family();
            let is_left = |(whose, place, index, known): &Numbered| {
                let is_same = *whose == key.0 && *place == key.1 && *index == key.2 && known.family() == family;
                is_same && !asks.iter().any(|ask| ask.selection == *known)
            };
            let left = self.numbers.iter().filter(|(known, _)| is_left(known)).min_by_key(|(_, number)| **number);
            if let Some((known, number)) = left.map(|(known, number)| (known.clone(), *number)) {
                self.numbers.remove(&known);
                self.numbers.insert(key, number);
                return number;
            }
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.numbers.insert(key, number);
        number
    }

    /// What is to be said of a tap that was found to be blind, and how many packets it missed.
    fn blindness(&self, uid: &str, tap: &Tap) -> Option<(Arc<str>, u64)> {
        let missed = self.blind.get(&(uid.to_owned(), tap.index)).filter(|_| tap.inside.is_none())?;
        let why = match self.config.inside {
            InsidePods::Never => "--inside-pods never forbids to inspect it inside of the pod",
            _ => self.barred.get(uid).map_or("it is about to be inspected inside of the pod", String::as_str),
        };
        let text = format!(
            "{} does not see what the pod receives, as with eBPF host routing: attacks on the pod are missed; {why}",
            tap.name
        );
        Some((text.into(), *missed))
    }

    /// Compares what pods have received with what their taps on the node's side have seen; whether that changes anything.
    fn test(&mut self, links: &InterfaceWatch) -> bool {
        // In this order: what is told of a time may be from later, never from before.
        let Some(told) = self.shared.reported_at() else { return false };
        let report = self.shared.report();
        let drops = report.counters.value(Counter::KernelDrops);
        let state = Arc::clone(&self.state.borrow());
        let mut read: HashMap<&str, Option<Received>> = HashMap::new();
        let (mut untested, mut changed) = (0, false);
        for one in state.attached.iter().filter(|one| one.tap.inside.is_none() && one.how != How::Node) {
            let Some(seen) = report.seen.get(&one.number) else { continue };
            let uid = one.workload.uid.as_str();
            let received = read.entry(uid).or_insert_with(|| match self.sights.get(uid)? {
                // Anybody may read these; a name alone has to be entered.
                sight @ Sight::Process(_) => sight.received(),
                sight @ Sight::Named(_) => self.config.porter.received(sight.clone()),
            });
            // The other end's index says which of the pod's devices it is.
            let other = links.link(one.tap.index).and_then(|link| link.lower);
            let Some(received) = received.as_ref().zip(other).and_then(|(all, index)| all.packets(index)) else {
                untested += 1;
                continue;
            };
            let sample = Sample { received, captured: seen.to_pod, told, read: Instant::now(), drops };
            let key = (uid.to_owned(), one.tap.index);
            match self.tests.entry(one.number).or_default().look(sample) {
                Verdict::Open => {}
                Verdict::Sees => changed |= self.blind.remove(&key).is_some(),
                Verdict::Blind { missed, .. } => {
                    if self.blind.insert(key, missed).is_none() {
                        self.confirmed.remove(uid);
                        changed = true;
                    }
                }
            }
        }
        changed |= untested != self.untested;
        self.untested = untested;
        changed
    }
}

/// What of each `Inspection` is done on this node, and what is not.
fn understood(view: &View, links: &InterfaceWatch) -> BTreeMap<String, Understood> {
    let crowds: Vec<usize> = view::host_pods(view).values().map(Vec::len).filter(|count| *count > 1).collect();
    let wholes = view.inspections.iter().filter_map(|((_, name), asked)| Some((name, asked.whole.as_ref()?)));
    let understand = |(name, whole): (&String, &Arc<view::Whole>)| {
        let mut notes = whole.notes.clone();
        if view.node.is_none() && !whole.nodes.is_all() {
            notes.push(
                "spec.nodeSelector: this node's labels are not known to its agent, so it holds nowhere here".to_owned(),
            );
        }
        if whole.names_host_pods && !crowds.is_empty() {
            notes.push(format!(
                "spec.host.hostNetworkPods: {} pods share the node's address; alerts cannot tell which, and name none",
                crowds.iter().sum::<usize>()
            ));
        }
        let is_here = view.node.as_ref().is_none_or(|labels| whole.nodes.matches(labels));
        for pattern in whole.interfaces.iter().filter(|_| is_here) {
            if !links.links().any(|(_, link)| view::is_like(&link.name, pattern)) {
                notes.push(format!("spec.host.interfaces: no interface of this node is called {pattern}"));
            }
        }
        let selection = Arc::clone(&whole.selection);
        (name.clone(), Understood { generation: whole.generation, selection, notes })
    };
    wholes.map(understand).collect()
}

/// What this host says at one moment.
struct Host<'k> {
    links: &'k InterfaceWatch,
    routes: Routes,
    processes: HashMap<String, u32>,
}

impl<'k> Host<'k> {
    /// With what is needed to find the pods with these uids.
    fn new(config: &KeeperConfig, links: &'k InterfaceWatch, unknown: &[&str]) -> Self {
        if unknown.is_empty() {
            return Self { links, routes: Routes::default(), processes: HashMap::new() };
        }
        let processes = processes::of_pods(&config.proc, unknown);
        Self { links, routes: Routes::read(&config.proc), processes }
    }
}

impl Kernel for Host<'_> {
    fn index(&self, name: &str) -> Option<u32> {
        self.links.index(name)
    }

    fn name(&self, index: u32) -> Option<Arc<str>> {
        self.links.name(index).map(Arc::from)
    }

    fn route(&self, address: IpAddr) -> Option<Arc<str>> {
        self.routes.interface(address).map(Arc::from)
    }

    fn peers(&self, uid: &str) -> Option<Vec<u32>> {
        // A process that has ended in between says nothing.
        let namespace = tapir_capture::namespace_of(*self.processes.get(uid)?).ok()?;
        Some(namespace.map(|id| self.links.peers_in(id).collect()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pinned::Wanted;
    use tapir_artifacts::{Digest, Source};

    #[test]
    fn a_choice_that_a_new_digest_replaces_has_its_number() {
        let config = KeeperConfig {
            prefixes: Prefixes::default(),
            proc: "/proc".into(),
            namespace: None,
            inside: InsidePods::Never,
            porter: Porter::start().unwrap(),
        };
        let mut keeper = Keeper::new(config, Shared::new());
        let tap = Tap { index: 3, name: "cali3".into(), inside: None };
        let ask = |place: &str, digest: &str| {
            let digest = Digest::of(digest.as_bytes()).to_string();
            let source = Source::web(&format!("https://a.example/{place}"), &digest).unwrap();
            let pinned = [Wanted { source, secret: None }].into();
            let selection = Arc::new(Selection { pinned, ..Selection::default() });
            Ask { inspections: Arc::default(), plain: Arc::default(), keep: Arc::default(), selection }
        };
        let mut number = |ask: &Ask, asks: &[&Ask]| {
            let asks: Vec<Ask> = asks.iter().map(|ask| (*ask).clone()).collect();
            keeper.number("uid", &tap, &ask.selection, &asks)
        };
        let (old, new, other) = (ask("feed", "1"), ask("feed", "2"), ask("else", "1"));
        let first = number(&old, &[&old]);
        assert_eq!(number(&old, &[&old]), first);
        assert_ne!(number(&other, &[&old, &other]), first, "another place");
        assert_ne!(number(&new, &[&old, &new]), first, "both are asked for");
        let newest = ask("feed", "3");
        // The old one is not asked for any more.
        assert_eq!(number(&newest, &[&newest, &new]), first);
        assert_ne!(number(&old, &[&old, &newest, &new]), first, "a number is not given twice");
    }
}
