//! The control side: keeps the board in step with the cluster and with the interfaces of this node.
//!
//! *How it fits*: a [`View`] comes from a source, changes of interfaces from the kernel; whenever one of them changes the keeper
//! decides anew what is inspected where, and posts a [`Board`]. What it decided is its [`State`], which status and logs show.
//!
//! *Invariants*: 1. an interface that was confirmed as a pod's stays its for as long as it exists; what is confirmed by the pod's
//! network namespace alone is confirmed again every [`AGAIN`]; 2. nothing here touches packets.
//!
//! *Limits*: [`MAX_SEATS`] endpoints; those beyond are counted.

use crate::board::{Board, Seat, Tap};
use crate::clock::now;
use crate::discovery::{self, How, Kernel, Missing};
use crate::names::History;
use crate::processes;
use crate::routes::Routes;
use crate::shared::Shared;
use crate::view::{self, Unfit, View, Wanted};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_capture::{InterfaceEvent, InterfaceWatch, NetworkNamespace};
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
    /// Pods beyond [`MAX_SEATS`].
    pub beyond: usize,
    /// Addresses whose names are known.
    pub names: usize,
    /// Addresses for which there was no room.
    pub unnamed: u64,
}

/// See the module.
pub struct Keeper {
    config: KeeperConfig,
    shared: Arc<Shared>,
    history: History,
    /// Number by pod and interface.
    numbers: HashMap<(String, u32), u32>,
    next: u32,
    /// Confirmed interfaces by pod.
    confirmed: HashMap<String, Vec<(Tap, How)>>,
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
            state,
            renewed: Instant::now(),
        }
    }

    /// What is decided, whenever it changes.
    pub fn state(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// Keeps the board until the source of views ends.
    pub async fn run(mut self, mut views: watch::Receiver<Arc<View>>) -> Result<(), String> {
        let opened = match &self.config.namespace {
            Some(namespace) => namespace.within(InterfaceWatch::open),
            None => InterfaceWatch::open(),
        };
        let mut links = opened.map_err(|error| error.to_string())?;
        let mut due = Instant::now();
        loop {
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
                self.confirmed.retain(|_, taps| taps.iter().all(|(tap, _)| tap.index != *changed));
            }
            InterfaceEvent::Renamed { index: changed, to, .. } => {
                let taps = self.confirmed.values_mut().flatten();
                taps.filter(|(tap, _)| tap.index == *changed).for_each(|(tap, _)| tap.name = to.as_str().into());
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
        let mut beyond = 0;
        for one in &wanted {
            if attached.len() >= MAX_SEATS {
                beyond += 1;
                continue;
            }
            match self.taps(one, &host) {
                Ok(taps) => {
                    for (tap, how) in taps {
                        let number = self.number(&one.endpoint.uid, tap.index);
                        let (workload, inspections) = (Arc::clone(&one.workload), Arc::clone(&one.inspections));
                        attached.push(Attached { number, tap, how, workload, inspections });
                    }
                }
                Err(why) => {
                    let pod = format!("{}/{}", one.endpoint.namespace, one.endpoint.pod);
                    absent.push(Absent { pod, inspections: Arc::clone(&one.inspections), why });
                }
            }
        }
        let still = |uid: &str| wanted.iter().any(|one| one.endpoint.uid == uid);
        self.confirmed.retain(|uid, _| still(uid));
        self.numbers.retain(|(uid, _), _| still(uid));
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
            beyond,
            names: self.history.len(),
            unnamed: self.history.refused(),
        };
        let before = Arc::clone(&self.state.borrow());
        if names_changed || before.attached != state.attached {
            self.post(&state);
        }
        if *before != state {
            self.state.send_replace(Arc::new(state));
        }
        is_complete
    }

    fn post(&self, state: &State) {
        let mut seats: BTreeMap<u32, Seat> = BTreeMap::new();
        for one in &state.attached {
            let (tap, workload, inspections) =
                (one.tap.clone(), Arc::clone(&one.workload), Arc::clone(&one.inspections));
            // Two pods cannot share an interface; should the kernel say so in between, the later one waits.
            if seats.values().all(|seat| seat.tap.index != tap.index) {
                seats.insert(one.number, Seat { number: one.number, tap, workload, inspections });
            }
        }
        self.shared.post_board(Arc::new(Board::new(seats.into_values(), self.history.snapshot())));
    }

    fn taps(&mut self, one: &Wanted, host: &Host<'_>) -> Result<Vec<(Tap, How)>, Missing> {
        let endpoint = &one.endpoint;
        if let Some(taps) = self.confirmed.get(&endpoint.uid) {
            return Ok(taps.clone());
        }
        let found = discovery::find(endpoint, one.given.as_deref(), &self.config.prefixes, host)?;
        self.confirmed.insert(endpoint.uid.clone(), found.clone());
        Ok(found)
    }

    fn number(&mut self, uid: &str, index: u32) -> u32 {
        if let Some(number) = self.numbers.get(&(uid.to_owned(), index)) {
            return *number;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.numbers.insert((uid.to_owned(), index), number);
        number
    }
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
