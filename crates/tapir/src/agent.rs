//! What a watch says of itself to the manager, and the suppressions that it hears: between the capture loop and the
//! [beacon](tapir_delivery::beacon), which runs on the sinks' thread.
//!
//! Both sides meet about once a second under a lock that is held for the copying of a few numbers; between these times the
//! capture loop looks at one flag.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tapir_agent::inspector::LOSSES;
use tapir_agent::memory::resident_bytes;
use tapir_agent::speaker::in_force;
use tapir_agent::{cost, unseen};
use tapir_capture::Ring;
use tapir_delivery::beacon::{Agent, Heartbeat, NewSuppressions, RulesInForce, SinkReport};
use tapir_engine::{Counter, Rules, Suppressions, Worker};
use tokio::sync::Notify;

/// How often the capture loop says how it is.
const EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub struct LocalAgent {
    node: String,
    /// As the capture loop said last.
    now: Mutex<Heartbeat>,
    /// Its rules, then.
    rules: Mutex<Option<Arc<Rules>>>,
    sinks: Mutex<Vec<SinkReport>>,
    /// Events that did not get into the spool.
    refused: AtomicU64,
    /// Suppressions that the capture loop has not taken yet.
    new: Mutex<Option<NewSuppressions>>,
    is_new: AtomicBool,
    applied: Notify,
    /// For the log of the capture loop.
    said: Mutex<Vec<String>>,
}

impl LocalAgent {
    /// Of this node.
    pub fn new(node: &str) -> Arc<Self> {
        Arc::new(Self {
            node: node.to_owned(),
            now: Mutex::default(),
            rules: Mutex::default(),
            sinks: Mutex::default(),
            refused: AtomicU64::new(0),
            new: Mutex::default(),
            is_new: AtomicBool::new(false),
            applied: Notify::new(),
            said: Mutex::default(),
        })
    }
}

impl Agent for LocalAgent {
    fn report(&self) -> Heartbeat {
        let mut beat = lock(&self.now).clone();
        beat.node.clone_from(&self.node);
        beat.sinks.clone_from(&lock(&self.sinks));
        let refused = self.refused.load(Ordering::Relaxed);
        if refused > 0 {
            beat.drops.insert("events_before_spool".to_owned(), refused);
        }
        env!("CARGO_PKG_VERSION").clone_into(&mut beat.version);
        beat.memory = resident_bytes().unwrap_or(0);
        beat
    }

    fn set_delivery(&self, sinks: Vec<SinkReport>, refused: u64) {
        *lock(&self.sinks) = sinks;
        self.refused.store(refused, Ordering::Relaxed);
    }

    fn rules(&self) -> Option<RulesInForce> {
        lock(&self.rules).as_ref().map(in_force)
    }

    fn suppress(&self, new: NewSuppressions) {
        *lock(&self.new) = Some(new);
        self.is_new.store(true, Ordering::Release);
    }

    fn applied(&self) -> &Notify {
        &self.applied
    }

    fn say(&self, text: &str) {
        lock(&self.said).push(text.to_owned());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The capture loop's end of it.
pub struct Link {
    agent: Arc<LocalAgent>,
    due: Instant,
}

impl Link {
    /// To the agent.
    pub fn new(agent: Arc<LocalAgent>) -> Self {
        Self { agent, due: Instant::now() }
    }

    /// Called for every block of packets and when none came: takes over new suppressions, now and then says how things are, and
    /// returns what is to be logged.
    pub fn meet<'n>(
        &mut self,
        worker: &mut Worker,
        ring: &mut Ring,
        interfaces: impl Iterator<Item = (u32, &'n str)>,
    ) -> Vec<String> {
        let is_new = self.agent.is_new.swap(false, Ordering::Acquire);
        if !is_new && Instant::now() < self.due {
            return Vec::new();
        }
        self.due = Instant::now() + EVERY;
        if let (true, Some(new)) = (is_new, lock(&self.agent.new).take()) {
            worker.set_suppressions(Arc::new(Suppressions::new(new.standing, new.digest)));
        }
        self.report(worker, ring, interfaces);
        if is_new {
            self.agent.applied.notify_one();
        }
        std::mem::take(&mut *lock(&self.agent.said))
    }

    fn report<'n>(&self, worker: &mut Worker, ring: &mut Ring, interfaces: impl Iterator<Item = (u32, &'n str)>) {
        let interfaces: BTreeMap<u32, String> = interfaces.map(|(index, name)| (index, name.to_owned())).collect();
        let counters = worker.counters();
        // A ring that cannot be asked is found out by the loop itself.
        let kernel = ring.drops().map(|drops| drops.dropped).unwrap_or(0);
        let lost = LOSSES.iter().map(|counter| (counter.name(), counters.value(*counter)));
        let lost = lost.filter(|(name, _)| *name != Counter::KernelDrops.name());
        let lost = lost.chain([(Counter::KernelDrops.name(), kernel)]).filter(|(_, count)| *count > 0);
        let (mut flows, mut unseen) = (BTreeMap::new(), unseen::of_counters(&counters));
        // Interfaces that are watched no more are forgotten.
        let coverage = worker.coverage();
        coverage.keep(|endpoint| interfaces.contains_key(&endpoint));
        let name = |endpoint| interfaces.get(&endpoint).cloned().unwrap_or_default();
        unseen::of_coverage(coverage, name, &mut flows, &mut unseen);
        let suppressions = worker.suppressions();
        let fresh = Heartbeat {
            rule_set: worker.rules().set.id.to_string(),
            rules: worker.rules().set.rules.len() as u64,
            packets: counters.value(Counter::Packets),
            bytes: counters.value(Counter::Bytes),
            drops: lost.map(|(name, count)| (name.to_owned(), count)).collect(),
            interfaces: interfaces.into_values().collect(),
            suppressions: suppressions.digest().to_owned(),
            suppressions_active: suppressions.standing().iter().map(|one| one.id.clone()).collect(),
            quieted: worker.quieted().map(|(id, count)| (id.to_owned(), count)).collect(),
            flows,
            unseen,
            rule_costs: cost::report(&worker.rule_costs()),
            ..Heartbeat::default()
        };
        *lock(&self.agent.now) = fresh;
        *lock(&self.agent.rules) = Some(Arc::clone(worker.rules()));
    }
}
