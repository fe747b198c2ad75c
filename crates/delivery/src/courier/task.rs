//! The courier's loop: read, deliver, sort the outcomes, settle, pause.
//!
//! Files are read and written on Tokio's blocking threads: a slow disk does not hold up other couriers.

use super::CourierConfig;
use super::backoff::Backoff;
use super::dead_letters::DeadLetters;
use super::stats::{Board, CourierState};
use crate::record::Record;
use crate::sink::{Answer, Delivery, Load, Outcome, Sink};
use crate::spool::{Spool, Subscription};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// How often a sink is asked for what is due, at most.
const SHORTEST: Duration = Duration::from_millis(50);

/// What the courier is told from outside.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    /// Grows with each request to open files anew.
    pub(super) reopen: u64,
    /// Deliver what there is, until then, and end.
    pub(super) drain_until: Option<Instant>,
}

/// A record that was read and is not settled.
struct Pending {
    record: Record,
    attempts: u32,
}

/// Its place in the spool and its dead letters: what blocks.
struct Desk {
    subscription: Subscription,
    letters: DeadLetters,
}

pub(super) struct Task {
    spool: Spool,
    config: CourierConfig,
    sink: Box<dyn Sink>,
    /// Away while a blocking thread has it.
    desk: Option<Desk>,
    board: Arc<Board>,
    orders: watch::Receiver<Order>,
    pending: Vec<Pending>,
    /// Records of the next request.
    limit: usize,
    backoff: Backoff,
    reopened: u64,
}

/// The desk went down with a panic of ours: nothing can be done without it.
struct DeskLost;

impl Task {
    pub(super) fn new(
        spool: Spool,
        config: CourierConfig,
        sink: Box<dyn Sink>,
        subscription: Subscription,
        letters: DeadLetters,
        board: Arc<Board>,
        orders: watch::Receiver<Order>,
    ) -> Self {
        let limit = config.batch_records.max(1);
        {
            let mut entry = board.lock();
            entry.next = subscription.next();
            entry.stats.cursor_damaged = subscription.cursor_damaged();
            entry.stats.batch_limit = limit;
        }
        let desk = Some(Desk { subscription, letters });
        let (pending, backoff) = (Vec::new(), Backoff::default());
        Self { spool, config, sink, desk, board, orders, pending, limit, backoff, reopened: 0 }
    }

    pub(super) async fn run(mut self) {
        let end = match self.serve().await {
            Ok(()) => CourierState::Stopped,
            Err(DeskLost) => {
                self.problem("the courier's files were lost to a fault of the program; restart it".into());
                CourierState::Broken
            }
        };
        let _ = timeout(self.remaining().unwrap_or_default(), self.sink.close()).await;
        self.state(end);
    }

    async fn serve(&mut self) -> Result<(), DeskLost> {
        loop {
            if self.pending.is_empty() && !self.fetch().await? {
                if self.orders.borrow().drain_until.is_some() {
                    return Ok(());
                }
                self.state(CourierState::Idle);
                if self.wait_for_records().await {
                    self.tick().await;
                }
                continue;
            }
            if self.remaining().is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            let pause = self.deliver().await?;
            if let Some(pause) = pause {
                self.state(CourierState::BackingOff);
                self.rest(pause).await;
            }
        }
    }

    /// Reads a batch, waiting a little for it to fill; `false` when there is nothing.
    async fn fetch(&mut self) -> Result<bool, DeskLost> {
        let (records, bytes) = (self.limit, self.config.batch_bytes);
        let mut batch = Vec::new();
        let mut size = 0;
        let until = Instant::now() + self.config.linger;
        loop {
            let wanted = (records - batch.len(), bytes.saturating_sub(size));
            let read = self
                .with_desk(move |desk| {
                    let mut out = Vec::new();
                    let result = desk.subscription.read(wanted.0, wanted.1, &mut out);
                    (out, result.map(|_| desk.subscription.losses()))
                })
                .await?;
            size += read.0.iter().map(|record| record.payload.len()).sum::<usize>();
            batch.extend(read.0);
            match read.1 {
                Ok(losses) => self.board.losses(losses),
                Err(error) => {
                    self.board.update(|stats| stats.read_failures += 1);
                    self.problem(format!("cannot read the spool: {error}"));
                    if batch.is_empty() {
                        let pause = self.backoff.pause(None);
                        self.rest(pause).await;
                    }
                    break;
                }
            }
            let full = batch.len() >= records || size >= bytes;
            if batch.is_empty() || full || !self.linger(until).await {
                break;
            }
        }
        let any = !batch.is_empty();
        self.pending.extend(batch.into_iter().map(|record| Pending { record, attempts: 0 }));
        self.note_lag();
        Ok(any)
    }

    /// Waits for more records; `false` when the time is over.
    async fn linger(&mut self, until: Instant) -> bool {
        let Some(desk) = &mut self.desk else { return false };
        if self.orders.borrow().drain_until.is_some() {
            return false;
        }
        tokio::select! {
            () = desk.subscription.wait() => true,
            () = sleep_until(until) => false,
            changed = self.orders.changed() => changed.is_err(),
        }
    }

    /// `true`: nothing came, but the sink has something to send.
    async fn wait_for_records(&mut self) -> bool {
        let Some(desk) = &mut self.desk else { return false };
        // Not at once: a sink that is always due would keep us busy.
        let due = self.sink.due().map(|due| due.saturating_duration_since(std::time::Instant::now()).max(SHORTEST));
        let due = async {
            match due {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = desk.subscription.wait() => false,
            () = due => true,
            // An error means that the handle is gone, and with it, soon, this task.
            changed = self.orders.changed() => if changed.is_err() { std::future::pending().await } else { false },
        }
    }

    /// The sink sends what is due, within the time of a request.
    async fn tick(&mut self) {
        let limit = self.config.timeout;
        // Within a future, so that a panic before the first wait is contained as well.
        let mut work = Box::pin(async { self.sink.tick().await });
        let contained = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(())),
        });
        let done = timeout(limit, contained).await;
        drop(work);
        match done {
            Ok(Ok(())) => {}
            Ok(Err(())) => self.problem("the sink failed by a fault of the program (panic)".into()),
            Err(_) => self.board.update(|stats| stats.timed_out += 1),
        }
        let figures = self.sink.figures();
        self.board.update(|stats| stats.figures = figures);
    }

    /// One request, and what follows from it. Returns the pause before the next one.
    async fn deliver(&mut self) -> Result<Option<Duration>, DeskLost> {
        let reopen = self.orders.borrow_and_update().reopen;
        if std::mem::replace(&mut self.reopened, reopen) != reopen {
            self.sink.reopen();
        }
        self.state(CourierState::Delivering);
        let batch: Vec<Record> = self.pending.iter().take(self.limit).map(|pending| pending.record.clone()).collect();
        let delivery = self.request(&batch).await;
        self.board.update(|stats| stats.requests += 1);
        let Delivery { answer, retry_after, load } = delivery;
        let (progress, rejects, failed) = match answer {
            Answer::Nothing(reason) if load == Load::TooLarge && batch.len() == 1 => {
                self.sort(1, vec![Outcome::Reject(format!("too large for the receiver by itself: {reason}"))])
            }
            Answer::Nothing(reason) => {
                self.board.update(|stats| {
                    stats.failed_requests += 1;
                    stats.retried += batch.len() as u64;
                });
                (false, Vec::new(), Some(reason))
            }
            Answer::Each(outcomes) => self.sort(batch.len(), outcomes),
        };
        if let Some(reason) = &failed {
            self.problem(reason.clone());
        }
        self.adapt(load, failed.is_none());
        if progress {
            self.backoff.reset();
            let now = self.spool.wall_ns();
            self.board.update(|stats| stats.last_delivery_ns = Some(now));
        }
        self.settle(rejects).await?;
        let figures = self.sink.figures();
        self.board.update(|stats| stats.figures = figures);
        let smaller_now = load == Load::TooLarge && failed.is_some() && retry_after.is_none();
        Ok(match (failed, retry_after) {
            // A smaller batch may go at once.
            _ if smaller_now => None,
            (None, None) => None,
            (None, asked) => asked.map(|asked| asked.min(Duration::from_secs(3600))),
            (Some(_), asked) => Some(self.backoff.pause(asked)),
        })
    }

    /// The sink's answer, or what stands for it when it takes too long or panics.
    async fn request(&mut self, batch: &[Record]) -> Delivery {
        let limit = self.remaining().map_or(self.config.timeout, |left| left.min(self.config.timeout));
        let mut future = self.sink.deliver(batch);
        let contained = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(_) => Poll::Ready(Delivery::failed("the sink failed by a fault of the program (panic)")),
        });
        match timeout(limit, contained).await {
            Ok(delivery) => delivery,
            Err(_) => {
                self.board.update(|stats| stats.timed_out += 1);
                Delivery::failed(format!("no answer within {limit:?}"))
            }
        }
    }

    /// Sorts the first `asked` pending records by their outcomes. Returns whether anything is through, what is rejected,
    /// and why the rest is not.
    fn sort(&mut self, asked: usize, outcomes: Vec<Outcome>) -> (bool, Vec<(Record, String)>, Option<String>) {
        let (mut rejects, mut reason, mut progress) = (Vec::new(), None, false);
        let mut outcomes = outcomes.into_iter();
        let mut left = Vec::with_capacity(self.pending.len());
        let mut entry = self.board.lock();
        for (at, mut pending) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            if at >= asked {
                left.push(pending);
                continue;
            }
            let outcome = outcomes.next().unwrap_or_else(|| Outcome::Retry("the receiver did not speak of it".into()));
            match outcome {
                Outcome::Done => entry.stats.delivered += 1,
                Outcome::Duplicate => entry.stats.duplicates += 1,
                Outcome::Skipped => entry.stats.skipped += 1,
                Outcome::Untried => {
                    left.push(pending);
                    continue;
                }
                Outcome::Reject(why) => rejects.push((pending.record, why)),
                Outcome::Retry(why) => {
                    pending.attempts += 1;
                    if pending.attempts >= self.config.max_attempts.max(1) {
                        rejects.push((pending.record, format!("given up after {} attempts: {why}", pending.attempts)));
                    } else {
                        entry.stats.retried += 1;
                        reason.get_or_insert(why);
                        left.push(pending);
                        continue;
                    }
                }
            }
            progress = true;
        }
        entry.stats.rejected += rejects.len() as u64;
        drop(entry);
        self.pending = left;
        (progress, rejects, reason)
    }

    /// Smaller batches under load, larger ones after a request that went through.
    fn adapt(&mut self, load: Load, all_through: bool) {
        match load {
            Load::Slower | Load::TooLarge => self.limit = (self.limit / 2).max(1),
            Load::Fine if all_through => {
                self.limit = self.limit.saturating_mul(2).min(self.config.batch_records.max(1));
            }
            Load::Fine => {}
        }
        let limit = self.limit;
        self.board.update(|stats| stats.batch_limit = limit);
    }

    /// Keeps dead letters, then moves the cursor before the first record that is not through.
    async fn settle(&mut self, rejects: Vec<(Record, String)>) -> Result<(), DeskLost> {
        let first = self.pending.first().map(|pending| pending.record.seq());
        let now = self.spool.wall_ns();
        let (letters, cursor, counts) = self
            .with_desk(move |desk| {
                let mut letters = Ok(());
                for (record, reason) in &rejects {
                    letters = letters.and(desk.letters.keep(record, reason, now));
                }
                let next = first.unwrap_or(desk.subscription.next());
                let cursor = desk.subscription.settle(next);
                (letters, cursor, (desk.letters.kept, desk.letters.lost))
            })
            .await?;
        self.board.update(|stats| (stats.dead_letters, stats.dead_letters_lost) = counts);
        if let Err(error) = letters {
            self.problem(format!("a dead letter was not kept: {error}"));
        }
        if let Err(error) = cursor {
            self.board.update(|stats| stats.cursor_failures += 1);
            self.problem(error.to_string());
        }
        self.note_lag();
        Ok(())
    }

    /// Waits, but not longer than a shutdown allows, and not when files are to be opened anew.
    async fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + self.remaining().map_or(pause, |left| left.min(pause));
        tokio::select! {
            () = sleep_until(until) => {}
            changed = self.orders.changed() => if changed.is_err() { sleep_until(until).await },
        }
    }

    /// The time left of a shutdown.
    fn remaining(&self) -> Option<Duration> {
        self.orders.borrow().drain_until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    async fn with_desk<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Desk) -> R + Send + 'static,
    ) -> Result<R, DeskLost> {
        let mut desk = self.desk.take().ok_or(DeskLost)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut desk);
            (desk, result)
        });
        let (desk, result) = done.await.map_err(|_| DeskLost)?;
        self.desk = Some(desk);
        Ok(result)
    }

    fn note_lag(&self) {
        let Some(desk) = &self.desk else { return };
        let mut entry = self.board.lock();
        entry.next = desk.subscription.next();
        entry.place = desk.subscription.place();
        entry.pending = self.pending.len() as u64;
        entry.pending_bytes = self.pending.iter().map(|pending| pending.record.payload.len() as u64).sum();
        entry.oldest_ns = self.pending.first().map(|pending| pending.record.queued_ns);
    }

    fn state(&self, state: CourierState) {
        self.board.update(|stats| stats.state = state);
    }

    fn problem(&self, text: String) {
        let now = self.spool.wall_ns();
        self.board.update(|stats| stats.last_error = Some((text, now)));
    }
}
