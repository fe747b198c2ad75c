//! The capture side: one ring over the interfaces of all endpoints, a worker for each endpoint, one rule set for all of them.
//!
//! *How it fits*: a thread runs [`Inspector::run`]. What to inspect comes from [`Shared`]; events go to an [`Outlet`].
//!
//! *Invariants*: 1. flows, flowbits, thresholds and memory of an endpoint are its own ([`Worker`]); 2. an event that is raised
//! on an endpoint goes out once for each resource that asked for its inspection; 3. a new rule set, other endpoints or other
//! suppressions are taken over between two blocks: no packet is lost for them; 4. an endpoint that goes is inspected to the
//! end of what it sent.
//!
//! *Limits*: [`InspectorConfig`]. A ring that cannot be had is asked for again every [`RETRY`]; until then the report says why.

use crate::board::{Board, Seat};
use crate::budget;
use crate::clock::now;
use crate::own::Own;
use crate::shared::{Orders, Report, Seen, Shared};
use crate::unseen;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tapir_capture::{Block, NetworkNamespace, Ring, RingConfig, Source};
use tapir_engine::{Counter, Counters, EngineConfig, EventSink, Rules, Suppressions, Worker};
use tapir_event::SecurityEvent;

/// Longest wait for packets: bounds the latency of everything else in the loop.
const TICK: Duration = Duration::from_millis(20);
/// How often a report is left.
const EVERY: Duration = Duration::from_secs(1);
/// How long after a failure the ring is opened again.
const RETRY: Duration = Duration::from_secs(5);

/// Where events go. Called from the capture loop: must not wait.
pub trait Outlet {
    /// One event for one inspection.
    fn offer(&mut self, event: SecurityEvent);
}

/// Settings of the capture side.
#[derive(Clone, Debug)]
pub struct InspectorConfig {
    /// The engine's.
    pub engine: EngineConfig,
    /// The ring's.
    pub ring: RingConfig,
    /// Bytes that the flows of all endpoints may hold together.
    pub flow_bytes: usize,
    /// The network namespace of the interfaces, if it is not ours.
    pub namespace: Option<Arc<NetworkNamespace>>,
}

/// See the module.
pub struct Inspector {
    config: InspectorConfig,
    shared: Arc<Shared>,
    rules: Arc<Rules>,
    suppressions: Arc<Suppressions>,
    board: Arc<Board>,
    workers: BTreeMap<u32, Place>,
    /// Index of interface and number of endpoint, sorted.
    taps: Vec<(u32, u32)>,
    ring: Option<Ring>,
    /// When the ring is opened again, and why it is not open.
    trouble: Option<(Instant, String)>,
    /// What workers that have gone have counted.
    retired: Counters,
    quieted: BTreeMap<String, u64>,
    frames: u64,
    own: Own,
}

/// An endpoint's worker and what came of it.
struct Place {
    worker: Worker,
    seen: Seen,
}

impl Inspector {
    /// Inspects nobody until it is told.
    pub fn new(mut config: InspectorConfig, rules: Arc<Rules>, shared: Arc<Shared>) -> Self {
        // The standard library keys its hash with the system's randomness.
        config.engine.hash_seed = RandomState::new().hash_one(0);
        Self {
            config,
            shared,
            rules,
            suppressions: Arc::default(),
            board: Arc::default(),
            workers: BTreeMap::new(),
            taps: Vec::new(),
            ring: None,
            trouble: None,
            retired: Counters::default(),
            quieted: BTreeMap::new(),
            frames: 0,
            own: Own::default(),
        }
    }

    /// Inspects until `stop`; then ends what is under way.
    pub fn run(&mut self, stop: &AtomicBool, outlet: &mut dyn Outlet) {
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            if let Some(orders) = self.shared.take_orders() {
                self.follow(orders, outlet);
                // Who gave them sees them in force.
                self.is_open();
                due = Instant::now();
            }
            if Instant::now() >= due {
                due = Instant::now() + EVERY;
                self.share_memory();
                self.report();
            }
            self.turn(outlet);
        }
        for number in self.workers.keys().copied().collect::<Vec<_>>() {
            self.retire(number, outlet);
        }
        self.report();
    }

    /// One block of frames, or one wait for it.
    fn turn(&mut self, outlet: &mut dyn Outlet) {
        let is_open = self.is_open();
        let Some(ring) = self.ring.as_mut().filter(|_| is_open) else {
            std::thread::sleep(TICK);
            return;
        };
        let failed = match ring.next_block(TICK) {
            Ok(Some(block)) => {
                let Self { taps, workers, board, frames, own, .. } = self;
                // Not before the block is there: what it holds was sent after its connection was told.
                if own.has_changed() {
                    let ends = own.ends();
                    workers.values_mut().for_each(|place| place.worker.set_excluded(ends.clone()));
                }
                return inspect(&block, taps, workers, board, frames, outlet);
            }
            Ok(None) => None,
            Err(error) => Some(format!("capture failed: {error}")),
        };
        match failed {
            None => self.idle(outlet),
            Some(why) => self.fail(why),
        }
    }
    fn idle(&mut self, outlet: &mut dyn Outlet) {
        let now = now();
        for Place { worker, seen } in self.workers.values_mut() {
            worker.idle(now, &mut Fan { board: &self.board, seen, outlet });
        }
    }

    /// Takes over what is new.
    fn follow(&mut self, orders: Orders, outlet: &mut dyn Outlet) {
        if let Some(rules) = orders.rules {
            for place in self.workers.values_mut() {
                place.worker.set_rules(Arc::clone(&rules));
            }
            self.rules = rules;
        }
        if let Some(suppressions) = orders.suppressions {
            for place in self.workers.values_mut() {
                place.worker.set_suppressions(Arc::clone(&suppressions));
            }
            self.quieted.retain(|id, _| suppressions.standing().iter().any(|one| one.id == *id));
            self.suppressions = suppressions;
        }
        if let Some(board) = orders.board {
            self.seat(board, outlet);
        }
    }

    fn seat(&mut self, board: Arc<Board>, outlet: &mut dyn Outlet) {
        // Under the old names: what they sent, they sent as who they were.
        let gone: Vec<u32> = self.workers.keys().copied().filter(|number| board.seat(*number).is_none()).collect();
        for number in gone {
            self.retire(number, outlet);
        }
        for seat in board.seats() {
            let place = self.workers.entry(seat.number).or_insert_with(|| {
                let engine = self.config.engine.clone();
                let mut worker = Worker::new(engine, Arc::clone(&self.rules), Arc::clone(&seat.tap.name));
                worker.set_suppressions(Arc::clone(&self.suppressions));
                worker.set_excluded(self.own.ends());
                Place { worker, seen: Seen::default() }
            });
            place.worker.set_directory(Arc::clone(&board) as Arc<dyn tapir_engine::Directory>);
        }
        self.taps = board.seats().map(|seat| (seat.tap.index, seat.number)).collect();
        self.taps.sort_unstable();
        self.board = board;
        self.share_memory();
        let indexes = self.indexes();
        if indexes.is_empty() {
            // Nobody to inspect: its memory goes back.
            self.close();
        }
        if let Some(Err(error)) = self.ring.as_mut().map(|ring| ring.set_interfaces(&indexes)) {
            self.fail(error.to_string());
        }
    }

    /// Ends what is under way on an endpoint and forgets it, but for its counts.
    fn retire(&mut self, number: u32, outlet: &mut dyn Outlet) {
        let Some(Place { mut worker, mut seen }) = self.workers.remove(&number) else { return };
        worker.finish(&mut Fan { board: &self.board, seen: &mut seen, outlet });
        self.retired.merge(&worker.counters());
        for (id, count) in worker.quieted() {
            *self.quieted.entry(id.to_owned()).or_default() += count;
        }
    }

    fn indexes(&self) -> Vec<u32> {
        self.taps.iter().map(|(index, _)| *index).collect()
    }

    /// Whether there is a ring; opens it if there should be one.
    fn is_open(&mut self) -> bool {
        if self.ring.is_some() || self.taps.is_empty() {
            return self.ring.is_some();
        }
        if self.trouble.as_ref().is_some_and(|(again, _)| Instant::now() < *again) {
            return false;
        }
        let source = Source::Interfaces(self.indexes());
        let open = || Ring::open(&self.config.ring, source);
        let opened = match &self.config.namespace {
            Some(namespace) => namespace.within(open),
            None => open(),
        };
        match opened {
            Ok(ring) => {
                self.ring = Some(ring);
                self.trouble = None;
                true
            }
            Err(error) => {
                self.fail(error.to_string());
                false
            }
        }
    }

    fn close(&mut self) {
        if let Some(mut ring) = self.ring.take() {
            // A ring that cannot be asked any more has nothing to say.
            let _ = ring.count(&mut self.retired);
        }
    }

    fn fail(&mut self, why: String) {
        self.close();
        self.trouble = Some((Instant::now() + RETRY, why));
        self.report();
    }

    fn share_memory(&mut self) {
        let used: Vec<usize> = self.workers.values().map(|place| place.worker.memory()).collect();
        let caps = budget::caps(&used, self.config.flow_bytes);
        for (place, cap) in self.workers.values_mut().zip(caps) {
            place.worker.set_memory(cap);
        }
    }

    fn report(&mut self) {
        if let Some(Err(error)) = self.ring.as_mut().map(|ring| ring.count(&mut self.retired)) {
            self.trouble = Some((Instant::now() + RETRY, format!("cannot read the kernel's drop counters: {error}")));
            self.ring = None;
        }
        let mut counters = self.retired.clone();
        let mut quieted = self.quieted.clone();
        let (mut flow_bytes, mut flows, mut unseen) = (0_u64, BTreeMap::new(), Vec::new());
        for (number, place) in &mut self.workers {
            let name = |_| self.board.seat(*number).map(|seat| seat.tap.name.to_string()).unwrap_or_default();
            unseen::of_coverage(place.worker.coverage(), name, &mut flows, &mut unseen);
            counters.merge(&place.worker.counters());
            flow_bytes = flow_bytes.saturating_add(place.worker.memory() as u64);
            for (id, count) in place.worker.quieted() {
                *quieted.entry(id.to_owned()).or_default() += count;
            }
        }
        unseen.extend(unseen::of_counters(&counters));
        let attached = self.ring.is_some();
        let seen = self.workers.iter().filter(|_| attached).map(|(number, place)| (*number, place.seen));
        self.shared.set_report(Report {
            seen: seen.collect(),
            counters,
            rule_set: self.rules.set.id.0,
            rules: self.rules.set.rules.len() as u64,
            suppressions: Arc::clone(&self.suppressions),
            quieted,
            flow_bytes,
            flows,
            unseen,
            trouble: self.trouble.as_ref().map(|(_, why)| why.clone()),
        });
    }
}

/// Takes each frame of a block to the worker of its endpoint.
fn inspect(
    block: &Block<'_>,
    taps: &[(u32, u32)],
    workers: &mut BTreeMap<u32, Place>,
    board: &Board,
    count: &mut u64,
    outlet: &mut dyn Outlet,
) {
    // Frames of an interface come in runs: its worker is looked up once for each.
    let mut current: Option<(u32, u32, &mut Place)> = None;
    for frame in block.frames() {
        *count = count.wrapping_add(1);
        let index = frame.meta.interface;
        if current.as_ref().is_none_or(|(known, ..)| *known != index) {
            let tap = taps.binary_search_by_key(&index, |(index, _)| *index).ok().and_then(|at| taps.get(at));
            current = tap.and_then(|(_, number)| Some((index, *number, workers.get_mut(number)?)));
        }
        let Some((_, number, Place { worker, seen })) = &mut current else { continue };
        seen.packets = seen.packets.wrapping_add(1);
        seen.bytes = seen.bytes.wrapping_add(frame.data.len() as u64);
        worker.process(&frame, *count, *number, &mut Fan { board, seen, outlet });
    }
}

/// One event for each inspection of the endpoint.
struct Fan<'f> {
    board: &'f Board,
    seen: &'f mut Seen,
    outlet: &'f mut dyn Outlet,
}

impl EventSink for Fan<'_> {
    fn event(&mut self, endpoint: u32, mut event: SecurityEvent) {
        let Some(Seat { inspections, .. }) = self.board.seat(endpoint) else { return };
        event.observed = now();
        self.seen.last_event = self.seen.last_event.max(Some(event.time));
        let Some((last, others)) = inspections.split_last() else { return };
        self.seen.events = self.seen.events.saturating_add(inspections.len() as u64);
        for inspection in others {
            self.outlet.offer(SecurityEvent { inspection: Some(inspection.clone()), ..event.clone() });
        }
        event.inspection = Some(last.clone());
        self.outlet.offer(event);
    }
}

/// Frames that were not inspected, or not wholly: what an agent says of itself as losses.
pub const LOSSES: [Counter; 8] = [
    Counter::KernelDrops,
    Counter::PacketsBroken,
    Counter::PacketsTooManyLayers,
    Counter::TcpQueueFull,
    Counter::FragmentConflicts,
    Counter::FragmentsEvicted,
    Counter::FragmentPiecesFull,
    Counter::PanicsContained,
];
