//! What an agent says of itself to the manager, and the suppressions that it hears: the agent's end of the
//! [beacon](tapir_delivery::beacon).

use crate::cost;
use crate::keeper::State;
use crate::memory::resident_bytes;
use crate::shared::Shared;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tapir_delivery::beacon::{Agent, Heartbeat, NewSuppressions, RulesInForce, SinkReport, Unseen};
use tapir_engine::{Counter, Rules, Suppressions};
use tapir_telemetry::Unit;
use tokio::sync::{Notify, watch};

use crate::inspector::LOSSES;

/// Speaks for a node.
pub struct Speaker {
    node: String,
    version: String,
    shared: Arc<Shared>,
    state: watch::Receiver<Arc<State>>,
    sinks: Mutex<(Vec<SinkReport>, u64)>,
    say: Box<dyn Fn(&str) + Send + Sync>,
}

impl Speaker {
    /// Of this node; `say` takes what is for the log.
    pub fn new(
        node: &str,
        version: &str,
        shared: Arc<Shared>,
        state: watch::Receiver<Arc<State>>,
        say: impl Fn(&str) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (node, version) = (node.to_owned(), version.to_owned());
        Arc::new(Self { node, version, shared, state, sinks: Mutex::default(), say: Box::new(say) })
    }
}

impl Agent for Speaker {
    fn report(&self) -> Heartbeat {
        let report = self.shared.report();
        let state = Arc::clone(&self.state.borrow());
        let lost = LOSSES.iter().map(|counter| (counter.name().to_owned(), report.counters.value(*counter)));
        let mut drops: BTreeMap<String, u64> = lost.filter(|(_, count)| *count > 0).collect();
        let (sinks, refused) = lock(&self.sinks).clone();
        if refused > 0 {
            drops.insert("events_before_spool".to_owned(), refused);
        }
        let blind = state.attached.iter().filter_map(|one| {
            let count = *state.missed.get(&one.number)?;
            let (interface, unit) = (one.tap.name.to_string(), Unit::Packets.name().to_owned());
            Some(Unseen { interface, reason: "bypasses_tap".to_owned(), unit, count, ..Unseen::default() })
        });
        Heartbeat {
            node: self.node.clone(),
            version: self.version.clone(),
            rule_set: format!("{:016x}", report.rules.as_ref().map_or(0, |rules| rules.set.id.0)),
            rules: report.rules.as_ref().map_or(0, |rules| rules.set.rules.len() as u64),
            packets: report.counters.value(Counter::Packets),
            bytes: report.counters.value(Counter::Bytes),
            drops,
            memory: resident_bytes().unwrap_or(0),
            endpoints: report.seen.len() as u64,
            interfaces: state.attached.iter().map(|one| one.tap.name.to_string()).collect(),
            suppressions: report.suppressions.digest().to_owned(),
            suppressions_active: report.suppressions.standing().iter().map(|one| one.id.clone()).collect(),
            quieted: report.quieted.clone(),
            flows: report.flows.clone(),
            unseen: report.unseen.iter().cloned().chain(blind).collect(),
            rule_costs: cost::report(&report.costs),
            sinks,
        }
    }

    fn set_delivery(&self, sinks: Vec<SinkReport>, refused: u64) {
        *lock(&self.sinks) = (sinks, refused);
    }

    fn rules(&self) -> Option<RulesInForce> {
        self.shared.report().rules.as_ref().map(in_force)
    }

    fn suppress(&self, new: NewSuppressions) {
        self.shared.post_suppressions(Arc::new(Suppressions::new(new.standing, new.digest)));
    }

    fn applied(&self) -> &Notify {
        self.shared.reported()
    }

    fn say(&self, text: &str) {
        (self.say)(text);
    }
}

/// For a manager that does not know this set.
pub fn in_force(rules: &Arc<Rules>) -> RulesInForce {
    RulesInForce { set: rules.set.id.to_string(), rules: rules.summaries().to_vec() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
