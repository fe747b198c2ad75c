//! What a sink is: it is handed records and says of each what became of it.
//!
//! *How it fits*: a [courier](crate::courier) owns the sink and calls [`deliver`](Sink::deliver), never twice at the same time.
//! It limits the time: a `deliver` that takes too long is dropped where it waits, so a sink must put nothing into a state that
//! the next call cannot use. The simplest way: take the connection out of the sink, and put it back when the batch is through.

use crate::record::Record;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A future that can be kept in a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Done,
    /// The receiver had it before; as good as done.
    Duplicate,
    /// The sink's formatter does not want it.
    Skipped,
    /// The sink did not get to it (its rate is used up, or the receiver went away before): it stays next, and that is no attempt.
    Untried,
    /// Not now; the text says why.
    Retry(String),
    /// Never; the text says why. It goes to the dead letters.
    Reject(String),
}

/// How the receiver bears the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// It said nothing of it.
    #[default]
    Fine,
    /// Too much at the moment (HTTP 429, 503): smaller batches.
    Slower,
    /// The request was too large (HTTP 413): smaller batches, and a single record is rejected.
    TooLarge,
}

/// The result of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One outcome for each record, in their order. Records without an outcome are tried again.
    Each(Vec<Outcome>),
    /// No answer that says anything of the records; the text says why. All are tried again.
    Nothing(String),
}

/// What [`Sink::deliver`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What became of the records.
    pub answer: Answer,
    /// The receiver asks to be left alone this long (`Retry-After`). Honoured up to an hour.
    pub retry_after: Option<Duration>,
    /// How it bears the load.
    pub load: Load,
}

impl Delivery {
    /// The receiver spoke of each record.
    pub fn each(outcomes: Vec<Outcome>) -> Self {
        Self { answer: Answer::Each(outcomes), retry_after: None, load: Load::Fine }
    }

    /// The request failed as a whole.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { answer: Answer::Nothing(reason.into()), retry_after: None, load: Load::Fine }
    }
}

/// Where records go.
pub trait Sink: Send + 'static {
    /// Delivers a batch of one record at least.
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery>;

    /// Opens its file or connection anew before the next batch (after `logrotate`, on `SIGHUP`).
    fn reopen(&mut self) {}

    /// When it has something to send although nothing came: [`tick`](Sink::tick) is called then, or a little later.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Sends what has come due. It speaks of no record: what it sends is told of those that were delivered.
    fn tick(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Says goodbye; nothing is delivered after it.
    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Figures of its own, by name.
    fn figures(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
