//! One place to listen: the node's network namespace or that of a pod, with its ring, and whose each interface of it is.
//!
//! *Invariants*: 1. a ring comes from the [`Porter`], and is never waited for; 2. one that cannot be had, or fails, is asked for again
//! every [`RETRY`]; until then [`Net::trouble`] says why. Other places go on.

use crate::porter::{Coming, Porter};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_capture::{NetworkNamespace, Ring, RingConfig};
use tapir_engine::Counters;

/// How long after a failure the ring is opened again.
const RETRY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Net {
    /// `None`: that of the process.
    namespace: Option<Arc<NetworkNamespace>>,
    config: RingConfig,
    /// Is it a pod's own? What arrives there is for the pod; on the node's side it is what leaves.
    pub(super) is_inside: bool,
    /// Index of interface and number of endpoint, sorted; never empty.
    pub(super) taps: Vec<(u32, u32)>,
    pub(super) ring: Option<Ring>,
    /// The ring that was asked for.
    coming: Option<Coming>,
    /// When the ring is opened again, and why it is not open.
    failed: Option<(Instant, String)>,
}

impl Net {
    /// Not open yet.
    pub(super) fn new(namespace: Option<Arc<NetworkNamespace>>, is_inside: bool, config: RingConfig) -> Self {
        Self { namespace, config, is_inside, taps: Vec::new(), ring: None, coming: None, failed: None }
    }

    /// Listens to exactly these from now on.
    pub(super) fn set_taps(&mut self, mut taps: Vec<(u32, u32)>, counters: &mut Counters) {
        taps.sort_unstable();
        self.taps = taps;
        self.listen(&self.indexes(), counters);
    }

    /// Sorted, each once.
    fn indexes(&self) -> Vec<u32> {
        let mut indexes: Vec<u32> = self.taps.iter().map(|(index, _)| *index).collect();
        indexes.dedup();
        indexes
    }

    /// Asks for a ring if there is none and it is time, and takes it once it is there. Whether that changed anything.
    pub(super) fn open(&mut self, porter: &Porter, counters: &mut Counters) -> bool {
        if self.ring.is_some() {
            return false;
        }
        if self.coming.is_none() && self.failed.as_ref().is_none_or(|(again, _)| Instant::now() >= *again) {
            self.coming = porter.ring(self.namespace.clone(), self.config, self.indexes());
        }
        let Some(opened) = self.coming.as_ref().and_then(Coming::look) else { return false };
        self.coming = None;
        match opened {
            Ok(ring) => {
                let indexes = self.indexes();
                let is_old = ring.interfaces() != Some(&indexes);
                self.ring = Some(ring);
                self.failed = None;
                // Others were asked for in the meantime.
                if is_old {
                    self.listen(&indexes, counters);
                }
            }
            Err(why) => self.failed = Some((Instant::now() + RETRY, why)),
        }
        true
    }

    fn listen(&mut self, indexes: &[u32], counters: &mut Counters) {
        if let Some(Err(error)) = self.ring.as_mut().map(|ring| ring.set_interfaces(indexes)) {
            self.fail(error.to_string(), counters);
        }
    }

    /// Gives the ring up; what the kernel counted for it is kept.
    pub(super) fn close(&mut self, counters: &mut Counters) {
        if let Some(mut ring) = self.ring.take() {
            // A ring that cannot be asked any more has nothing to say.
            let _ = ring.count(counters);
        }
    }

    /// Something went wrong with the ring.
    pub(super) fn fail(&mut self, why: String, counters: &mut Counters) {
        self.close(counters);
        self.failed = Some((Instant::now() + RETRY, why));
    }

    /// Adds what the kernel counted.
    pub(super) fn count(&mut self, counters: &mut Counters) {
        if let Some(Err(error)) = self.ring.as_mut().map(|ring| ring.count(counters)) {
            self.failed = Some((Instant::now() + RETRY, format!("cannot read the kernel's drop counters: {error}")));
            self.ring = None;
        }
    }

    /// Why nothing is heard, if so.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.failed.as_ref().map(|(_, why)| why.as_str())
    }

    /// Bytes that its ring takes.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.config.block_size) * u64::from(self.config.block_count)
    }
}

/// A block of the rings inside of pods: the smallest that holds every frame.
const BLOCK: u32 = RingConfig::SMALLEST_BLOCK;
/// Blocks of one at most, and at least.
const MOST: u64 = 32;
const LEAST: u64 = 4;
/// One ring takes this part of what is left.
const PART: u64 = 16;

/// The ring of a pod where `left` bytes are left for all further ones; `None` if that is not enough for one. The first
/// have 4 MiB; as room gets short they are smaller, down to half a MiB.
pub(super) fn small_ring(left: u64, retire_after: Duration) -> Option<RingConfig> {
    let blocks = (left / PART / u64::from(BLOCK)).clamp(LEAST, MOST);
    (blocks * u64::from(BLOCK) <= left).then(|| RingConfig {
        block_size: BLOCK,
        block_count: u32::try_from(blocks).unwrap_or(1),
        retire_after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_of_pods_share_what_there_is() {
        let mut left = 128_u64 << 20;
        let mut sizes = Vec::new();
        while let Some(ring) = small_ring(left, Duration::ZERO) {
            let size = u64::from(ring.block_size) * u64::from(ring.block_count);
            left -= size;
            sizes.push(size);
        }
        assert_eq!((sizes[0], sizes.last().copied()), (4 << 20, Some(512 << 10)));
        assert!(sizes.len() >= 64 && left < 512 << 10, "{} rings, {left} left", sizes.len());
        assert!(sizes.is_sorted_by(|one, next| one >= next));
    }
}
