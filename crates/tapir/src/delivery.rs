//! Delivery beside a live watch: events go to the spool on disk, and from there to the sinks, at their pace.
//!
//! The capture loop only offers; a thread of its own runs the sinks.

use crate::message::Messages;
use crate::sinks::{ConfiguredSink, DeliveryTable};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tapir_delivery::beacon::{self, Agent, SinkReport};
use tapir_delivery::courier::{self, Courier, CourierConfig, DeadLetterConfig, SinkStats};
use tapir_delivery::{NewRecord, QueueConfig, SpoolHandle, SpoolThread, SystemClock, queue};
use tapir_event::SecurityEvent;

/// How long the end waits for sinks that are away; what is left is delivered after the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// How often the agent hears how its sinks are.
const LOOK: Duration = Duration::from_secs(1);

/// What the thread of the sinks is told.
type Orders = tokio::sync::watch::Sender<Order>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Go,
    Reopen(u64),
    End,
}

/// A running delivery.
pub struct Delivery {
    handle: SpoolHandle,
    spool: SpoolThread,
    orders: Orders,
    sinks: JoinHandle<Vec<(String, SinkStats)>>,
    reopened: u64,
}

impl Delivery {
    /// Opens the spool and starts the sinks. If one of them is a manager, it hears of `agent`.
    pub fn start(
        table: &DeliveryTable,
        node: &str,
        agent: Arc<dyn Agent>,
        messages: &Messages,
    ) -> Result<Self, String> {
        let sinks = table.sinks()?;
        let manager = table.manager()?;
        let clock = Arc::new(SystemClock::default());
        let opened = tapir_delivery::open(&table.spool, node, table.spool_config()?, clock).map_err(text)?;
        let recovery = &opened.recovery;
        if recovery.torn_bytes > 0 || recovery.set_aside > 0 {
            messages.warning(&format!(
                "the spool was not closed in order: {} torn bytes were cut off, {} files set aside",
                recovery.torn_bytes, recovery.set_aside
            ));
        }
        for name in opened.spool.sinks() {
            if !sinks.iter().any(|known| known.name == name) {
                messages.info(&format!("sink {name} is no longer configured; its place in the spool is given up"));
                opened.spool.forget(&name).map_err(text)?;
            }
        }
        let (orders, mut told) = tokio::sync::watch::channel(Order::Go);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start the sinks: {error}"))?;
        let dead = DeadLetterConfig::new(table.spool.join("dead-letters"));
        let (handle, spool) = queue::start(opened.writer, QueueConfig::default()).map_err(text)?;
        let couriers: Result<Vec<Served>, String> = runtime.block_on(async {
            let start = |ConfiguredSink { name, kind, sink, linger }| {
                let config = CourierConfig { linger, ..CourierConfig::new(&name, dead.clone()) };
                let courier = courier::start(&opened.spool, config, sink).map_err(text)?;
                Ok(Served { name, kind, courier })
            };
            sinks.into_iter().map(start).collect()
        });
        let couriers = couriers?;
        let queue = handle.clone();
        let run = async move {
            let speaker = Arc::clone(&agent);
            let beacon = tokio::spawn(async move {
                if let Some(manager) = manager {
                    beacon::run(manager, &*speaker).await;
                }
            });
            let mut looks = tokio::time::interval(LOOK);
            loop {
                match *told.borrow_and_update() {
                    Order::Go => {}
                    Order::Reopen(_) => couriers.iter().for_each(|one| one.courier.reopen()),
                    Order::End => break,
                }
                tokio::select! {
                    changed = told.changed() => if changed.is_err() { break },
                    _ = looks.tick() => agent.set_delivery(couriers.iter().map(Served::report).collect(), refused(&queue)),
                }
            }
            beacon.abort();
            let ends = couriers
                .into_iter()
                .map(|one| tokio::spawn(async move { (one.name, one.courier.shutdown(DRAIN).await) }));
            let mut stats = Vec::new();
            for end in ends.collect::<Vec<_>>() {
                stats.extend(end.await);
            }
            stats
        };
        let thread = std::thread::Builder::new()
            .name("tapir-sinks".into())
            .spawn(move || runtime.block_on(run))
            .map_err(|error| format!("cannot start the sinks: {error}"))?;
        Ok(Self { handle, spool, orders, sinks: thread, reopened: 0 })
    }

    /// Where events go in, for the capture loop.
    pub fn entrance(&self) -> Entrance {
        Entrance(self.handle.clone())
    }

    /// Files and connections are opened anew (SIGHUP).
    pub fn reopen(&mut self) {
        self.reopened += 1;
        self.orders.send_replace(Order::Reopen(self.reopened));
    }

    /// Writes what waits, gives the sinks a few seconds, and says what became of everything.
    pub fn finish(self, messages: &Messages) {
        self.spool.close(DRAIN);
        self.orders.send_replace(Order::End);
        let refused = refused(&self.handle);
        if refused > 0 {
            messages.warning(&format!("{refused} events were lost before the spool: it was full, or the disk was"));
        }
        let Ok(stats) = self.sinks.join() else {
            messages.error("the sinks ended unexpectedly; what is in the spool is delivered after the next start");
            return;
        };
        for (name, stats) in stats {
            tell(&name, &stats, messages);
        }
    }
}

/// The way into the spool.
#[derive(Clone)]
pub struct Entrance(SpoolHandle);

impl Entrance {
    /// Hands an event over. Never waits; a refusal is counted and told at the end.
    pub fn offer(&self, event: &SecurityEvent) {
        let Ok(payload) = serde_json::to_vec(event) else { return };
        let time_ns = u64::try_from(event.time.0).unwrap_or(0);
        self.0.offer(NewRecord { time_ns, payload });
    }
}

/// A sink that is served.
struct Served {
    name: String,
    kind: &'static str,
    courier: Courier,
}

impl Served {
    fn report(&self) -> SinkReport {
        SinkReport::new(&self.name, self.kind, &self.courier.stats())
    }
}

/// Events that did not get into the spool.
fn refused(handle: &SpoolHandle) -> u64 {
    let queue = handle.stats();
    queue.refused_full + queue.refused_large + queue.refused_closed + queue.given_up
}

fn tell(name: &str, stats: &SinkStats, messages: &Messages) {
    let mut line = format!("sink {name}: {} delivered", stats.delivered + stats.duplicates);
    for (count, what) in [
        (stats.skipped, "left out"),
        (stats.rejected, "rejected (see dead-letters)"),
        (stats.lost_to_caps + stats.lost_to_damage, "lost in the spool"),
        (stats.lag_records, "waiting for the next start"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    match &stats.last_error {
        Some((error, _)) if stats.lag_records > 0 || stats.rejected > 0 => {
            messages.warning(&format!("{line}; last error: {error}"));
        }
        _ => messages.info(&line),
    }
}

fn text(error: tapir_delivery::Error) -> String {
    error.to_string()
}
