//! The porter: the one thread that keeps capabilities, and opens for the others what takes them.
//!
//! *How it fits*: started before the rest of the process gives its capabilities up ([`tapir_sandbox`]). The capture side is handed rings,
//! ready to be read, and never waits for them; the control side waits for namespaces and what is in them.
//!
//! *Invariants*: 1. errands are values of a few kinds: nobody brings code; 2. an errand that fails takes no other along.
//!
//! *Limits*: [`MAX_WAITING`] errands wait; the capture side tries again what found no room.

use crate::board::Tap;
use crate::inside::{self, Barred};
use crate::received::{Received, Sight};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use tapir_capture::{CaptureError, InterfaceWatch, NetworkNamespace, Ring, RingConfig, Source};

/// Errands that wait.
const MAX_WAITING: usize = 64;
/// Why nothing is opened any more.
const ENDED: &str = "the thread that opens packet sockets has ended; restart the agent";

/// Where a socket is to be: in a namespace, or in ours.
type Place = Option<Arc<NetworkNamespace>>;

/// What is to be opened, and who waits for it.
enum Errand {
    Ring { place: Place, config: RingConfig, interfaces: Vec<u32>, answer: SyncSender<Result<Ring, CaptureError>> },
    Interfaces { place: Place, answer: SyncSender<Result<InterfaceWatch, CaptureError>> },
    Taps { sight: Sight, answer: SyncSender<Result<Vec<Tap>, Barred>> },
    Received { sight: Sight, answer: SyncSender<Option<Received>> },
}

impl Errand {
    /// Who waits no longer is not answered.
    fn run(self) {
        match self {
            Self::Ring { place, config, interfaces, answer } => {
                let open = || Ring::open(&config, Source::Interfaces(interfaces));
                let _ = answer.send(within(place.as_deref(), open));
            }
            Self::Interfaces { place, answer } => {
                let _ = answer.send(within(place.as_deref(), InterfaceWatch::open));
            }
            Self::Taps { sight, answer } => {
                let _ = answer.send(inside::taps(&sight));
            }
            Self::Received { sight, answer } => {
                let _ = answer.send(sight.received());
            }
        }
    }
}

fn within<T: Send>(
    place: Option<&NetworkNamespace>,
    open: impl FnOnce() -> Result<T, CaptureError> + Send,
) -> Result<T, CaptureError> {
    match place {
        Some(namespace) => namespace.within(open),
        None => open(),
    }
}

/// The way to it. Its thread ends with the last of these.
#[derive(Clone, Debug)]
pub struct Porter {
    errands: SyncSender<Errand>,
}

impl std::fmt::Debug for Errand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Errand(…)")
    }
}

impl Porter {
    /// Starts the thread, with the capabilities of the calling one.
    pub fn start() -> Result<Self, String> {
        let (errands, waiting) = sync_channel::<Errand>(MAX_WAITING);
        std::thread::Builder::new()
            .name("tapir-porter".into())
            .spawn(move || waiting.into_iter().for_each(Errand::run))
            .map_err(|error| format!("cannot start the thread that opens packet sockets: {error}"))?;
        Ok(Self { errands })
    }

    /// Asks for a ring, without waiting; `None` while there is no room for the question.
    pub(crate) fn ring(&self, place: Place, config: RingConfig, interfaces: Vec<u32>) -> Option<Coming> {
        let (answer, coming) = sync_channel(1);
        match self.errands.try_send(Errand::Ring { place, config, interfaces, answer }) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => Some(Coming(coming)),
            Err(TrySendError::Full(_)) => None,
        }
    }

    /// Opens a watch over the interfaces of a namespace, or of ours.
    pub(crate) fn interfaces(&self, place: Place) -> Result<InterfaceWatch, String> {
        let opened = self.wait(|answer| Errand::Interfaces { place, answer });
        opened.ok_or(ENDED)?.map_err(|error| error.to_string())
    }

    /// Taps on the devices of a namespace that carry its traffic.
    pub(crate) fn taps(&self, sight: Sight) -> Result<Vec<Tap>, Barred> {
        let found = self.wait(|answer| Errand::Taps { sight, answer });
        found.unwrap_or_else(|| Err(Barred::Closed(ENDED.to_owned())))
    }

    /// Packets received by the devices of a namespace that has to be entered for that.
    pub(crate) fn received(&self, sight: Sight) -> Option<Received> {
        self.wait(|answer| Errand::Received { sight, answer })?
    }

    /// Runs an errand and waits for its answer; `None` if the thread has ended.
    fn wait<T>(&self, errand: impl FnOnce(SyncSender<T>) -> Errand) -> Option<T> {
        let (answer, coming) = sync_channel(1);
        self.errands.send(errand(answer)).ok()?;
        coming.recv().ok()
    }
}

/// A ring that was asked for.
pub(crate) struct Coming(Receiver<Result<Ring, CaptureError>>);

impl Coming {
    /// The ring, or why there is none, once that is known.
    pub(crate) fn look(&self) -> Option<Result<Ring, String>> {
        match self.0.try_recv() {
            Ok(opened) => Some(opened.map_err(|error| error.to_string())),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(ENDED.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn errands_are_answered_and_one_that_fails_takes_no_other_along() {
        let porter = Porter::start().unwrap();
        assert!(
            porter
                .taps(Sight::Named("no-such-namespace".into()))
                .unwrap_err()
                .to_string()
                .contains("no-such-namespace")
        );
        assert!(porter.interfaces(None).unwrap().links().any(|(_, link)| link.is_loopback));
        assert!(porter.received(Sight::Process("/proc/self".into())).is_some());
        let config = RingConfig { block_size: 7, ..RingConfig::default() };
        let coming = porter.ring(None, config, vec![1]).unwrap();
        let start = Instant::now();
        let answer = loop {
            if let Some(answer) = coming.look() {
                break answer;
            }
            assert!(start.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(1));
        };
        assert!(answer.unwrap_err().contains("bad ring configuration"));
    }
}
