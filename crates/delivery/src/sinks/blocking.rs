//! Sinks whose writing blocks (files, pipes) get a thread of their own each: one that hangs holds up nothing else.
//!
//! *Invariants*: a write that takes too long goes on in its thread, and the next request waits for it and takes its result;
//! nothing is written a second time because the first took long.
//!
//! *Limits*: one batch is with the thread at a time. A thread that never comes back is left behind at the end.

use crate::error::Error;
use crate::record::Record;
use crate::sink::{BoxFuture, Delivery, Outcome, Sink};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// A writer that may block. Errors are of the whole batch.
pub(super) trait BlockingWriter: Send + 'static {
    fn write(&mut self, batch: &[Record]) -> Result<Vec<Outcome>, String>;

    /// Opens its file anew before the next batch.
    fn reopen(&mut self) {}

    fn figures(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

struct Job {
    batch: Vec<Record>,
    reopen: bool,
    done: oneshot::Sender<Report>,
}

struct Report {
    result: Result<Vec<(u64, Outcome)>, String>,
    figures: Vec<(&'static str, u64)>,
}

/// A writer in its thread, as a sink.
pub(super) struct Blocking {
    jobs: SyncSender<Job>,
    under_way: Option<oneshot::Receiver<Report>>,
    /// What a write that took too long came to, by sequence number.
    known: BTreeMap<u64, Outcome>,
    reopen: bool,
    figures: Vec<(&'static str, u64)>,
}

impl Blocking {
    pub(super) fn start(name: &'static str, writer: impl BlockingWriter) -> Result<Box<dyn Sink>, Error> {
        let (jobs, receiver) = sync_channel(1);
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || work(writer, receiver))
            .map_err(|error| Error::Config(format!("cannot start the thread of a sink: {error}")))?;
        Ok(Box::new(Self { jobs, under_way: None, known: BTreeMap::new(), reopen: false, figures: Vec::new() }))
    }

    /// Waits for the thread. The receiver stays in place until it has answered, so that giving up the wait loses nothing.
    async fn result(&mut self) -> Option<Result<Vec<(u64, Outcome)>, String>> {
        let report = self.under_way.as_mut()?.await;
        self.under_way = None;
        Some(match report {
            Ok(report) => {
                self.figures = report.figures;
                report.result
            }
            Err(_) => Err("the sink's thread has ended".into()),
        })
    }

    async fn write(&mut self, batch: &[Record]) -> Delivery {
        if let Some(Ok(outcomes)) = self.result().await {
            self.known.extend(outcomes);
        }
        let open: Vec<Record> =
            batch.iter().filter(|record| !self.known.contains_key(&record.seq())).cloned().collect();
        if !open.is_empty() {
            let (done, receiver) = oneshot::channel();
            let job = Job { batch: open, reopen: std::mem::take(&mut self.reopen), done };
            if self.jobs.try_send(job).is_err() {
                return Delivery::failed("the sink's thread has ended");
            }
            self.under_way = Some(receiver);
            match self.result().await {
                Some(Ok(outcomes)) => self.known.extend(outcomes),
                // What was known stays known.
                Some(Err(reason)) if self.known.is_empty() => return Delivery::failed(reason),
                Some(Err(reason)) => {
                    let outcome = |record: &Record| {
                        self.known.get(&record.seq()).cloned().unwrap_or_else(|| Outcome::Retry(reason.clone()))
                    };
                    return Delivery::each(batch.iter().map(outcome).collect());
                }
                None => {}
            }
        }
        let known = std::mem::take(&mut self.known);
        let missing = || Outcome::Retry("not written yet".into());
        Delivery::each(batch.iter().map(|record| known.get(&record.seq()).cloned().unwrap_or_else(missing)).collect())
    }
}

impl Sink for Blocking {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.write(batch))
    }

    fn reopen(&mut self) {
        self.reopen = true;
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        self.figures.clone()
    }
}

fn work(mut writer: impl BlockingWriter, jobs: Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        let result = catch_unwind(AssertUnwindSafe(|| {
            if job.reopen {
                writer.reopen();
            }
            writer.write(&job.batch)
        }));
        let result = result.unwrap_or_else(|_| Err("the sink failed by a fault of the program (panic)".into()));
        let result = result.map(|outcomes| job.batch.iter().map(Record::seq).zip(outcomes).collect());
        // Nobody listens any more when the courier has gone.
        let _ = job.done.send(Report { result, figures: writer.figures() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    /// Writes when it is told to.
    struct Gate {
        open: Receiver<bool>,
        written: Sender<Vec<u64>>,
    }

    impl BlockingWriter for Gate {
        fn write(&mut self, batch: &[Record]) -> Result<Vec<Outcome>, String> {
            if !self.open.recv().unwrap() {
                return Err("no room".into());
            }
            self.written.send(batch.iter().map(Record::seq).collect()).unwrap();
            Ok(vec![Outcome::Done; batch.len()])
        }
    }

    #[tokio::test]
    async fn a_write_that_took_too_long_is_not_done_twice() {
        let (gate, open) = channel();
        let (written, log) = channel();
        let mut sink = Blocking::start("gate", Gate { open, written }).unwrap();
        let batch = [record(1), record(2)];
        let late = tokio::time::timeout(Duration::from_millis(20), sink.deliver(&batch)).await;
        assert!(late.is_err());
        let late = tokio::time::timeout(Duration::from_millis(20), sink.deliver(&batch)).await;
        assert!(late.is_err(), "it waits for the first write");
        gate.send(true).unwrap();
        gate.send(true).unwrap();
        let longer = [record(1), record(2), record(3)];
        assert_eq!(sink.deliver(&longer).await, Delivery::each(vec![Outcome::Done; 3]));
        drop(sink);
        assert_eq!(log.iter().collect::<Vec<_>>(), [vec![1, 2], vec![3]]);
    }

    #[tokio::test]
    async fn a_failed_write_is_told_as_such() {
        let (gate, open) = channel();
        let (written, _log) = channel();
        let mut sink = Blocking::start("gate", Gate { open, written }).unwrap();
        gate.send(false).unwrap();
        assert_eq!(sink.deliver(&[record(1)]).await, Delivery::failed("no room"));
        drop(gate);
        let panicked = sink.deliver(&[record(1)]).await;
        assert!(matches!(panicked.answer, crate::sink::Answer::Nothing(reason) if reason.contains("panic")));
    }
}
