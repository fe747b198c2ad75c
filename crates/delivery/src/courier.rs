//! Couriers: one task for each sink, which brings it the spool's records at the sink's own pace.
//!
//! *How it fits*: [`start`] takes a sink and its place in the spool, and hands back a [`Courier`] to ask for figures, to
//! have files opened anew, and to shut down.
//!
//! *Invariants*: 1. the cursor passes a record when the sink has it, had it, does not want it, or when it is a dead letter;
//! 2. an error of a sink, whatever it is (no answer, a hang, a panic), is a pause and another try; 3. couriers share nothing
//! but the spool: none waits for another.
//!
//! *Limits*: [`CourierConfig`].

mod backoff;
mod dead_letters;
mod stats;
mod task;

pub use dead_letters::DeadLetterConfig;
pub use stats::{CourierState, SinkStats};

use crate::error::Error;
use crate::sink::Sink;
use crate::spool::Spool;
use dead_letters::DeadLetters;
use stats::Board;
use std::sync::Arc;
use std::time::Duration;
use task::{Order, Task};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How one sink is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CourierConfig {
    /// The sink's name: of its cursor, its dead letters and its figures.
    pub name: String,
    /// Records of one request at most.
    pub batch_records: usize,
    /// Bytes of payload of one request at most, but at least one record.
    pub batch_bytes: usize,
    /// How long a batch that is not full waits for more.
    pub linger: Duration,
    /// How long a request may take.
    pub timeout: Duration,
    /// A record that the receiver answered so many times with "not now" is given up as a dead letter, so that one record cannot hold
    /// up the sink for ever. Requests that fail as a whole do not count: a store that is away gives up nothing.
    pub max_attempts: u32,
    /// Where rejected records go.
    pub dead_letters: DeadLetterConfig,
}

impl CourierConfig {
    /// 1,000 records, 5 MB, 1 s; a request may take 30 s; 50 attempts.
    pub fn new(name: impl Into<String>, dead_letters: DeadLetterConfig) -> Self {
        Self {
            name: name.into(),
            batch_records: 1000,
            batch_bytes: 5_000_000,
            linger: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            max_attempts: 50,
            dead_letters,
        }
    }
}

/// A running courier. Dropping it ends the task where it stands, like an end of the process.
pub struct Courier {
    name: String,
    spool: Spool,
    board: Arc<Board>,
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
}

/// Starts a courier on the current Tokio runtime, which needs time and I/O enabled.
pub fn start(spool: &Spool, config: CourierConfig, sink: Box<dyn Sink>) -> Result<Courier, Error> {
    let subscription = spool.subscribe(&config.name)?;
    let letters = DeadLetters::open(config.dead_letters.clone(), &config.name)?;
    let board = Arc::new(Board::default());
    let (orders, receiver) = watch::channel(Order::default());
    let name = config.name.clone();
    let task = Task::new(spool.clone(), config, sink, subscription, letters, Arc::clone(&board), receiver);
    let task = tokio::spawn(task.run());
    Ok(Courier { name, spool: spool.clone(), board, orders, task })
}

impl Courier {
    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The figures now.
    pub fn stats(&self) -> SinkStats {
        self.board.snapshot(&self.spool)
    }

    /// Has the sink open its file or connection anew before its next batch, and try at once if it waits after a failure.
    pub fn reopen(&self) {
        self.orders.send_modify(|order| order.reopen += 1);
    }

    /// Delivers what is in the spool, for `within` at most, and ends. What is left is delivered after the next start. Close the
    /// queue first, or there may be no end of it.
    pub async fn shutdown(mut self, within: Duration) -> SinkStats {
        let until = Instant::now() + within;
        self.orders.send_modify(|order| order.drain_until = Some(until));
        // A second for the last words; then it is ended where it stands.
        if tokio::time::timeout(within + Duration::from_secs(1), &mut self.task).await.is_err() {
            self.task.abort();
            let _ = (&mut self.task).await;
        }
        self.stats()
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
