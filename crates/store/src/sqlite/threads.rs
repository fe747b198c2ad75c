//! Threads and queues: jobs for readers, answers that a future waits for.

use super::link::Link;
use crate::StoreError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// The answer of a read. Who drops it ends the read.
pub(super) struct Awaited<T> {
    receiver: oneshot::Receiver<Result<T, StoreError>>,
    _waits: Arc<()>,
}

/// Reads that may wait for a thread.
const WAITING: usize = 256;

/// When a caller of a full queue comes again.
pub(super) const RETRY: Duration = Duration::from_millis(500);

type Job = Box<dyn FnOnce(&mut Link) + Send>;

/// The reading threads.
pub(super) struct Readers {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// One thread for each connection.
    pub(super) fn start(links: Vec<Link>) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        let start = |link| {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("store-read".to_owned()).spawn(move || work(link, &queue))
        };
        let threads = links.into_iter().map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Queues a job; the receiver ends without a value if the job panicked.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Link) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Awaited<T>, StoreError> {
        let (answer, receiver) = oneshot::channel();
        let waits = Arc::new(());
        let awaited = Arc::downgrade(&waits);
        let job: Job = Box::new(move |link| {
            // Nobody waits any more: don't begin.
            if !answer.is_closed() {
                link.guard.awaited(Some(awaited));
                let result = job(link);
                link.guard.awaited(None);
                let _ = answer.send(result);
            }
        });
        send(self.jobs.as_ref(), job, "the queue of reads")?;
        Ok(Awaited { receiver, _waits: waits })
    }

    /// Ends the threads when they have done what waits.
    pub(super) fn stop(&mut self) {
        self.jobs = None;
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// Puts a thing into a queue that may be full or closed.
pub(super) fn send<T>(queue: Option<&SyncSender<T>>, thing: T, name: &'static str) -> Result<(), StoreError> {
    match queue.ok_or(StoreError::Closed)?.try_send(thing) {
        Ok(()) => Ok(()),
        Err(TrySendError::Full(_)) => Err(StoreError::Busy { queue: name, retry_after: RETRY }),
        Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
    }
}

fn work(mut link: Link, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(|| job(&mut link))).is_err() {
            link.guard.end();
            link.guard.awaited(None);
            let _ = link.db.execute_batch("ROLLBACK");
        }
    }
}

/// The answer of a read.
pub(super) async fn read<T>(awaited: Result<Awaited<T>, StoreError>) -> Result<T, StoreError> {
    let Awaited { receiver, _waits } = awaited?;
    answer(Ok(receiver)).await
}

/// The answer of a job.
pub(super) async fn answer<T>(
    receiver: Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>,
) -> Result<T, StoreError> {
    match receiver?.await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Internal("a thread of the store gave no answer".to_owned())),
    }
}
