//! The capture side: one ring over the interfaces of all endpoints on the node's side, one for each pod that is listened to from
//! inside, a worker for each endpoint and choice of rules, one compiled set for each choice.
//!
//! *How it fits*: a thread runs [`Inspector::run`]. What to inspect comes from [`Shared`]; events go to an [`Outlet`].
//!
//! *Invariants*: 1. the thread opens nothing, neither file nor socket nor thread, so that it can be sealed: rings are handed to
//! it; 2. flows, flowbits, thresholds and memory of an endpoint are its own ([`Worker`]); 3. an event that is raised on an endpoint
//! goes out once for each resource that asked for its inspection; 4. a new rule set, other endpoints or other suppressions are taken
//! over between two blocks: no packet is lost for them; 5. an endpoint that goes is inspected to the end of what it sent.
//!
//! *Limits*: [`InspectorConfig`]. Where a ring cannot be had the report says why.

mod net;

use crate::board::{Board, Seat};
use crate::budget;
use crate::clock::now;
use crate::own::Own;
use crate::porter::Porter;
use crate::recorder::{self, Keep, Recorder};
use crate::rules::RuleSets;
use crate::selection::Selection;
use crate::shared::{Orders, Report, Seen, Shared, Unrecorded};
use crate::unseen;
use net::Net;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tapir_capture::{Block, NetworkNamespace, RingConfig, wait_for_any};
use tapir_engine::{Counter, Counters, EngineConfig, EventSink, RuleCosts, Suppressions, Worker};
use tapir_event::{Inspection, SecurityEvent};
use tapir_packet::Frame;

/// Longest wait for packets: bounds the latency of everything else in the loop.
const TICK: Duration = Duration::from_millis(20);
/// How often a report is left.
const EVERY: Duration = Duration::from_secs(1);
/// The place on the node's side; those inside of pods go by the numbers of their namespaces.
const NODE: u64 = 0;

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
    /// Bytes of all rings inside of pods together.
    pub inside_bytes: u64,
    /// Bytes that the flows of all endpoints may hold together.
    pub flow_bytes: usize,
    /// The network namespace of the interfaces, if it is not ours.
    pub namespace: Option<Arc<NetworkNamespace>>,
    /// Who opens rings.
    pub porter: Porter,
}

/// See the module.
pub struct Inspector {
    config: InspectorConfig,
    shared: Arc<Shared>,
    rules: Arc<RuleSets>,
    suppressions: Arc<Suppressions>,
    board: Arc<Board>,
    workers: BTreeMap<u32, Place>,
    /// Where to listen.
    nets: BTreeMap<u64, Net>,
    /// Endpoints for whose ring there was no room.
    cramped: Vec<u32>,
    /// What workers that have gone have counted.
    retired: Counters,
    quieted: BTreeMap<String, u64>,
    /// Of endpoints that have gone, and of those now.
    unrecorded: Unrecorded,
    frames: u64,
    own: Own,
}

/// An endpoint's worker and what came of it.
struct Place {
    worker: Worker,
    seen: Seen,
    /// If a resource asks for packets.
    recorder: Option<Recorder>,
}

impl Inspector {
    /// Inspects nobody until it is told.
    pub fn new(mut config: InspectorConfig, rules: RuleSets, shared: Arc<Shared>) -> Self {
        // The standard library keys its hash with the system's randomness.
        config.engine.hash_seed = RandomState::new().hash_one(0);
        Self {
            config,
            shared,
            rules: Arc::new(rules),
            suppressions: Arc::default(),
            board: Arc::default(),
            workers: BTreeMap::new(),
            nets: BTreeMap::new(),
            cramped: Vec::new(),
            retired: Counters::default(),
            quieted: BTreeMap::new(),
            unrecorded: Unrecorded::default(),
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

    /// One block of frames of each place that has one, or one wait for it.
    fn turn(&mut self, outlet: &mut dyn Outlet) {
        self.open();
        let Self { nets, workers, board, frames, own, .. } = self;
        let mut had_any = false;
        for net in nets.values_mut() {
            let Some(block) = net.ring.as_mut().and_then(|ring| ring.block_now()) else { continue };
            // Not before the block is there: what it holds was sent after its connection was told.
            if own.has_changed() {
                let ends = own.ends();
                workers.values_mut().for_each(|place| place.worker.set_excluded(ends.clone()));
            }
            inspect(&block, &net.taps, net.is_inside, workers, board, frames, outlet);
            had_any = true;
        }
        if had_any {
            return;
        }
        let (ids, mut rings): (Vec<u64>, Vec<_>) =
            nets.iter_mut().filter_map(|(id, net)| Some((*id, net.ring.as_mut()?))).unzip();
        if rings.is_empty() {
            std::thread::sleep(TICK);
            return;
        }
        let waited = wait_for_any(&mut rings, TICK);
        let is_idle = !rings.iter().any(|ring| ring.has_block());
        match waited {
            Ok(()) if is_idle => self.idle(outlet),
            Ok(()) => {}
            Err((at, error)) => {
                let failed = ids.get(at).and_then(|id| self.nets.get_mut(id));
                if let Some(net) = failed {
                    net.fail(format!("capture failed: {error}"), &mut self.retired);
                }
                self.report();
            }
        }
    }

    fn idle(&mut self, outlet: &mut dyn Outlet) {
        let now = now();
        for Place { worker, seen, recorder } in self.workers.values_mut() {
            worker.idle(now, &mut Fan { board: &self.board, seen, recorder, outlet });
        }
    }

    /// Takes over what is new.
    fn follow(&mut self, orders: Orders, outlet: &mut dyn Outlet) {
        if let Some(rules) = orders.rules {
            self.rules = rules;
            for (number, place) in &mut self.workers {
                let seat = self.board.seat(*number);
                // A choice that nobody has any more has no set; its endpoints go with the next board.
                let Some(rules) = seat.and_then(|seat| self.rules.get(&seat.selection)) else { continue };
                if !Arc::ptr_eq(rules, place.worker.rules()) {
                    place.worker.set_rules(Arc::clone(rules));
                }
            }
            if orders.board.is_none() {
                // Who waited for a set begins now.
                self.seat(Arc::clone(&self.board), outlet);
            }
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
            // Its choice may be another one now, whose set is being compiled: a worker goes on with what it has until then.
            let rules = self.rules.get(&seat.selection);
            let place = match (self.workers.entry(seat.number), rules) {
                (Entry::Occupied(known), None) => known.into_mut(),
                (Entry::Occupied(known), Some(rules)) => {
                    let place = known.into_mut();
                    if !Arc::ptr_eq(rules, place.worker.rules()) {
                        place.worker.set_rules(Arc::clone(rules));
                    }
                    place
                }
                (Entry::Vacant(_), None) => continue,
                (Entry::Vacant(free), Some(rules)) => {
                    let engine = self.config.engine.clone();
                    let mut worker = Worker::new(engine, Arc::clone(rules), Arc::clone(&seat.tap.name));
                    worker.set_suppressions(Arc::clone(&self.suppressions));
                    worker.set_excluded(self.own.ends());
                    free.insert(Place { worker, seen: Seen::default(), recorder: None })
                }
            };
            place.worker.set_directory(Arc::clone(&board) as Arc<dyn tapir_engine::Directory>);
        }
        self.board = board;
        self.equip();
        self.place();
        self.share_memory();
    }

    /// Recorders for the endpoints of which packets are asked for.
    fn equip(&mut self) {
        let mut left = recorder::MOST;
        self.unrecorded.endpoints = 0;
        for (number, place) in &mut self.workers {
            let is_asked = self.board.seat(*number).is_some_and(|seat| !seat.keep.is_empty());
            if !is_asked || left == 0 {
                self.unrecorded.endpoints += u64::from(is_asked);
                self.unrecorded.events += place.recorder.take().map_or(0, |recorder| recorder.shed());
                continue;
            }
            left -= 1;
            place.recorder.get_or_insert_default();
        }
    }

    /// Listens where the endpoints of the board are, and nowhere else: memory of other places goes back.
    fn place(&mut self) {
        let mut places: BTreeMap<u64, Vec<&Seat>> = BTreeMap::new();
        for seat in self.board.seats() {
            let id = seat.tap.inside.as_ref().map_or(NODE, |namespace| namespace.id());
            places.entry(id).or_default().push(seat);
        }
        let retired = &mut self.retired;
        self.nets.retain(|id, net| {
            let stays = places.contains_key(id);
            if !stays {
                net.close(retired);
            }
            stays
        });
        self.cramped.clear();
        let taken = self.nets.iter().filter(|(id, _)| **id != NODE).map(|(_, net)| net.bytes()).sum();
        let mut left = self.config.inside_bytes.saturating_sub(taken);
        for (id, seats) in places {
            let inside = seats.first().and_then(|seat| seat.tap.inside.clone());
            let made = match (self.nets.remove(&id), inside) {
                (Some(net), _) => Some(net),
                (None, None) => Some(Net::new(self.config.namespace.clone(), false, self.config.ring)),
                (None, inside) => net::small_ring(left, self.config.ring.retire_after).map(|ring| {
                    let net = Net::new(inside, true, ring);
                    left = left.saturating_sub(net.bytes());
                    net
                }),
            };
            let Some(mut net) = made else {
                self.cramped.extend(seats.iter().map(|seat| seat.number));
                continue;
            };
            net.set_taps(seats.iter().map(|seat| (seat.tap.index, seat.number)).collect(), retired);
            self.nets.insert(id, net);
        }
    }

    /// Ends what is under way on an endpoint and forgets it, but for its counts.
    fn retire(&mut self, number: u32, outlet: &mut dyn Outlet) {
        let Some(Place { mut worker, mut seen, mut recorder }) = self.workers.remove(&number) else { return };
        worker.finish(&mut Fan { board: &self.board, seen: &mut seen, recorder: &mut recorder, outlet });
        self.unrecorded.events += recorder.map_or(0, |recorder| recorder.shed());
        self.retired.merge(&worker.counters());
        for (id, count) in worker.quieted() {
            *self.quieted.entry(id.to_owned()).or_default() += count;
        }
    }

    /// Asks for rings that should be there and are not, and takes those that have come.
    fn open(&mut self) {
        let mut changed = false;
        for net in self.nets.values_mut() {
            changed |= net.open(&self.config.porter, &mut self.retired);
        }
        if changed {
            self.report();
        }
    }

    fn share_memory(&mut self) {
        let used: Vec<usize> = self.workers.values().map(|place| place.worker.memory()).collect();
        let caps = budget::caps(&used, self.config.flow_bytes);
        for (place, cap) in self.workers.values_mut().zip(caps) {
            place.worker.set_memory(cap);
        }
    }

    fn report(&mut self) {
        self.nets.values_mut().for_each(|net| net.count(&mut self.retired));
        let mut counters = self.retired.clone();
        let mut quieted = self.quieted.clone();
        let (mut flow_bytes, mut flows, mut unseen) = (0_u64, BTreeMap::new(), Vec::new());
        let mut costs = RuleCosts::default();
        let mut unrecorded = self.unrecorded;
        for (number, place) in &mut self.workers {
            let name = |_| self.board.seat(*number).map(|seat| seat.tap.name.to_string()).unwrap_or_default();
            unseen::of_coverage(place.worker.coverage(), name, &mut flows, &mut unseen);
            counters.merge(&place.worker.counters());
            costs.merge(&place.worker.rule_costs());
            unrecorded.events += place.recorder.as_ref().map_or(0, Recorder::shed);
            flow_bytes = flow_bytes.saturating_add(place.worker.memory() as u64);
            for (id, count) in place.worker.quieted() {
                *quieted.entry(id.to_owned()).or_default() += count;
            }
        }
        unseen.extend(unseen::of_counters(&counters));
        let (mut heard, mut troubles) = (BTreeMap::new(), BTreeMap::new());
        for net in self.nets.values() {
            for (_, number) in &net.taps {
                let Some(place) = self.workers.get(number) else { continue };
                match (&net.ring, net.trouble()) {
                    (Some(_), _) => drop(heard.insert(*number, place.seen)),
                    (None, Some(why)) if net.is_inside => drop(troubles.insert(*number, why.to_owned())),
                    (None, _) => {}
                }
            }
        }
        for number in &self.cramped {
            troubles.insert(*number, "no room for a ring inside of the pod; raise --inside-ring-mib".to_owned());
        }
        let of_node = self.rules.get(&Selection::default());
        self.shared.set_report(Report {
            seen: heard,
            troubles,
            counters,
            rules: of_node.cloned(),
            suppressions: Arc::clone(&self.suppressions),
            quieted,
            flow_bytes,
            flow_limit: self.config.flow_bytes as u64,
            flows,
            unseen,
            costs,
            unrecorded,
            trouble: self.nets.get(&NODE).and_then(|net| net.trouble()).map(str::to_owned),
        });
    }
}

/// Takes each frame of a block to the worker of its endpoint.
fn inspect(
    block: &Block<'_>,
    taps: &[(u32, u32)],
    is_inside: bool,
    workers: &mut BTreeMap<u32, Place>,
    board: &Board,
    count: &mut u64,
    outlet: &mut dyn Outlet,
) {
    // Frames of an interface come in runs: its worker is looked up once for each.
    let mut frames = block.frames().peekable();
    while let Some(first) = frames.next() {
        let index = first.meta.interface;
        let from = taps.partition_point(|(known, _)| *known < index);
        let rest = taps.get(from..).unwrap_or_default();
        let own = rest.get(..rest.partition_point(|(known, _)| *known == index)).unwrap_or_default();
        let mut next = Some(first);
        if let [(_, number)] = own
            && let Some(place) = workers.get_mut(number)
        {
            while let Some(frame) = next {
                *count = count.wrapping_add(1);
                process(&frame, *count, *number, place, is_inside, board, outlet);
                next = frames.next_if(|frame| frame.meta.interface == index);
            }
            continue;
        }
        // Several endpoints: with other rules, or the node's and a pod's.
        while let Some(frame) = next {
            *count = count.wrapping_add(1);
            for (_, number) in own {
                let Some(place) = workers.get_mut(number) else { continue };
                process(&frame, *count, *number, place, is_inside, board, outlet);
            }
            next = frames.next_if(|frame| frame.meta.interface == index);
        }
    }
}

/// Takes a frame to a worker.
fn process(
    frame: &Frame<'_>,
    count: u64,
    number: u32,
    place: &mut Place,
    is_inside: bool,
    board: &Board,
    outlet: &mut dyn Outlet,
) {
    let Place { worker, seen, recorder } = place;
    seen.packets = seen.packets.wrapping_add(1);
    seen.bytes = seen.bytes.wrapping_add(frame.data.len() as u64);
    seen.to_pod = seen.to_pod.wrapping_add(u64::from(frame.meta.outgoing != is_inside));
    if let Some(recorder) = recorder {
        recorder.record(frame);
    }
    worker.process(frame, count, number, &mut Fan { board, seen, recorder, outlet });
}

/// One event for each inspection of the endpoint.
struct Fan<'f> {
    board: &'f Board,
    seen: &'f mut Seen,
    recorder: &'f mut Option<Recorder>,
    outlet: &'f mut dyn Outlet,
}

impl EventSink for Fan<'_> {
    fn event(&mut self, endpoint: u32, mut event: SecurityEvent) {
        let Some(seat) = self.board.seat(endpoint) else { return };
        event.observed = now();
        self.seen.last_event = self.seen.last_event.max(Some(event.time));
        let Some((last, others)) = seat.inspections.split_last() else { return };
        self.seen.events = self.seen.events.saturating_add(seat.inspections.len() as u64);
        for inspection in others {
            self.outlet.offer(addressed(event.clone(), inspection, seat, self.recorder));
        }
        self.outlet.offer(addressed(event, last, seat, self.recorder));
    }
}

/// An event for one of its inspections, which may not want the bytes that matched, or packets, too.
fn addressed(
    mut event: SecurityEvent,
    inspection: &Inspection,
    seat: &Seat,
    recorder: &mut Option<Recorder>,
) -> SecurityEvent {
    if seat.plain.contains(inspection) {
        event.evidence = None;
    }
    let keep: Option<Keep> = seat.keep.iter().find(|(one, _)| one == inspection).map(|(_, keep)| *keep);
    if let Some((recorder, keep)) = recorder.as_mut().zip(keep) {
        recorder.fill(&mut event, keep);
    }
    event.inspection = Some(inspection.clone());
    event
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::{Seat, Tap};
    use crate::pinned::Wanted;
    use crate::selection::Selection;
    use tapir_artifacts::{Digest, Source};
    use tapir_engine::{RuleSources, RuleText, Rules};

    struct Nobody;

    impl Outlet for Nobody {
        fn offer(&mut self, _event: SecurityEvent) {}
    }

    fn rules(sid: u32) -> Arc<Rules> {
        let text = format!("alert tcp any any -> any any ( msg:\"x\"; content:\"y\"; sid:{sid}; )\n");
        let text = RuleText { name: "x".into(), bytes: text.into_bytes().into() };
        let sources = RuleSources { texts: vec![text], texts_only: true, ..RuleSources::default() };
        Arc::new(Rules::load(&sources, tapir_detect::Profile::TAPIR).0)
    }

    fn choice(digest: &str) -> Arc<Selection> {
        let digest = Digest::of(digest.as_bytes()).to_string();
        let source = Source::web("https://a.example/feed", &digest).unwrap();
        Arc::new(Selection { pinned: [Wanted { source, secret: None }].into(), ..Selection::default() })
    }

    #[test]
    fn a_worker_goes_on_with_its_rules_until_those_of_a_new_digest_are_there() {
        let (node, old, new) = (rules(1), rules(2), rules(3));
        let (older, newer) = (choice("1"), choice("2"));
        let config = InspectorConfig {
            engine: EngineConfig::default(),
            ring: RingConfig::default(),
            inside_bytes: 0,
            flow_bytes: 1 << 20,
            namespace: None,
            porter: Porter::start().unwrap(),
        };
        let sets = RuleSets::of_node(Arc::clone(&node)).with(Selection::clone(&older), Arc::clone(&old));
        let mut inspector = Inspector::new(config, sets, Shared::new());
        let board = |selection: &Arc<Selection>| {
            let seat = |number| Seat {
                number,
                tap: Tap { index: number, name: "x".into(), inside: None },
                workload: Arc::default(),
                inspections: Arc::default(),
                plain: Arc::default(),
                keep: Arc::default(),
                selection: Arc::clone(selection),
            };
            Arc::new(Board::new([seat(1)], Default::default()))
        };
        let give = |inspector: &mut Inspector, board, rules| {
            inspector.follow(Orders { board, rules, suppressions: None }, &mut Nobody);
        };
        give(&mut inspector, Some(board(&older)), None);
        assert!(Arc::ptr_eq(inspector.workers[&1].worker.rules(), &old));
        give(&mut inspector, Some(board(&newer)), None);
        assert!(Arc::ptr_eq(inspector.workers[&1].worker.rules(), &old), "until the new ones are compiled");
        let sets = RuleSets::of_node(node).with(Selection::clone(&newer), Arc::clone(&new));
        give(&mut inspector, None, Some(Arc::new(sets)));
        assert!(Arc::ptr_eq(inspector.workers[&1].worker.rules(), &new));
    }
}
