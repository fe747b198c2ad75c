//! IP fragments: put together to datagrams by the receiver's overlap policy.
//!
//! *How it fits*: the engine gives every fragment here; when the last missing one comes it gets the
//! datagram's bytes, IP header included, and decodes them as a packet of their own.
//!
//! *Invariants*: a datagram is complete when its first and last fragment and all bytes between are
//! there; its bytes depend on the fragments' order only through the policy. What contradicts a
//! known end is dropped, never joined.
//!
//! *Limits*: [`DefragConfig::max_datagrams`] and [`DefragConfig::max_bytes`] (oldest first,
//! `fragments_evicted`), [`DefragConfig::max_pieces`] (`fragment_pieces_full`),
//! [`DefragConfig::timeout`] from the first fragment (`fragment_timeouts`).
//!
//! *Spec*: RFC 791 §3.2, RFC 8200 §4.5; Snort 3 manual, `stream_ip`.

mod fuzz;
mod part;
mod policy;
mod tracker;

pub use fuzz::fuzz_defrag;
pub use policy::{FragmentPolicy, UnknownFragmentPolicy};

use part::{DatagramKey, Part};
use rapidhash::fast::SeedableState;
use std::collections::{HashMap, VecDeque};
use tapir_packet::{Packet, Timestamp};
use tapir_telemetry::{Counter, Counters};
use tracker::{Added, Tracker};

/// Events of gid 123.
mod event {
    pub(super) const OPTIONS: u32 = 1;
    pub(super) const TEARDROP: u32 = 2;
    pub(super) const SHORT: u32 = 3;
    pub(super) const BEYOND_END: u32 = 4;
    pub(super) const EMPTY: u32 = 5;
    pub(super) const TOO_LARGE: u32 = 7;
    pub(super) const FULL_OVERLAP: u32 = 8;
    pub(super) const TTL: u32 = 11;
    pub(super) const OVERLAP_LIMIT: u32 = 12;
    pub(super) const TINY: u32 = 13;
}

/// Settings of defragmentation.
#[derive(Clone, Debug)]
pub struct DefragConfig {
    /// Who wins where fragments overlap.
    pub policy: FragmentPolicy,
    /// Incomplete datagrams at most.
    pub max_datagrams: usize,
    /// Bytes that all incomplete datagrams may hold.
    pub max_bytes: usize,
    /// Pieces that one datagram may consist of.
    pub max_pieces: usize,
    /// Seconds from the first fragment after which an incomplete datagram is dropped.
    pub timeout: u32,
    /// Fragments with a lower TTL or hop limit are dropped (123:11).
    pub min_ttl: u8,
    /// Fragments but the last that are shorter raise an event (123:13); 0 = any length.
    pub min_fragment_length: u32,
    /// Overlaps above which a datagram takes no more of them (123:12); 0 = any number.
    pub max_overlaps: u32,
    /// Random key of the hash.
    pub seed: u64,
}

impl Default for DefragConfig {
    /// Snort's limits, 64 MiB, and a fixed seed (which live capture must replace).
    fn default() -> Self {
        Self {
            policy: FragmentPolicy::Linux,
            max_datagrams: 8192,
            max_bytes: 64 << 20,
            max_pieces: 8192,
            timeout: 60,
            min_ttl: 1,
            min_fragment_length: 0,
            max_overlaps: 0,
            seed: 0,
        }
    }
}

/// Incomplete datagrams.
#[derive(Debug)]
pub struct Defragmenter {
    config: DefragConfig,
    trackers: HashMap<DatagramKey, Tracker, SeedableState<'static>>,
    /// In the order of their first fragments; may name datagrams that are gone.
    order: VecDeque<(DatagramKey, u64)>,
    serial: u64,
    bytes: usize,
    /// The datagram that was completed last.
    datagram: Vec<u8>,
}

impl Defragmenter {
    /// Holds nothing yet.
    pub fn new(config: DefragConfig) -> Self {
        let trackers = HashMap::with_hasher(SeedableState::new(config.seed));
        Self { config, trackers, order: VecDeque::new(), serial: 0, bytes: 0, datagram: Vec::new() }
    }

    /// Takes in the fragment that is the IP layer `layer` of `packet`. Returns the datagram if that
    /// completes it: its IP header (without fragmentation, lengths and checksum set) and payload.
    ///
    /// `events` gets the sids of gid 123.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        layer: usize,
        counters: &mut Counters,
        events: &mut dyn FnMut(u32),
    ) -> Option<&[u8]> {
        let ip = packet.ip.get(layer)?.as_ref().filter(|ip| ip.fragment.is_fragment())?;
        counters.bump(Counter::Fragments);
        let now = packet.frame.timestamp;
        self.expire(now, counters);
        let Some(part) = Part::read(ip, &self.config, events) else {
            counters.bump(Counter::FragmentsInvalid);
            return None;
        };
        let key = DatagramKey::of(packet, ip);
        self.make_place(&key, counters);
        let tracker = self.trackers.entry(key).or_insert_with(|| {
            self.serial += 1;
            self.order.push_back((key, self.serial));
            Tracker::new(self.serial, now)
        });
        let before = tracker.footprint();
        let added = tracker.add(&part, &self.config, counters, events);
        self.bytes = self.bytes.saturating_sub(before).saturating_add(tracker.footprint());
        match added {
            Added::Waiting => {
                self.free_memory(counters);
                None
            }
            Added::Conflict => {
                counters.bump(Counter::FragmentConflicts);
                self.remove(&key);
                None
            }
            Added::Complete => {
                let tracker = self.remove(&key)?;
                tracker.assemble(&mut self.datagram, events).then(|| counters.bump(Counter::FragmentDatagrams))?;
                Some(&self.datagram)
            }
        }
    }

    /// Drops datagrams whose time is over. [`Defragmenter::push`] does this, too.
    pub fn expire(&mut self, now: Timestamp, counters: &mut Counters) {
        let limit = i64::from(self.config.timeout).saturating_mul(1_000_000_000);
        while let Some((key, serial)) = self.order.front().copied() {
            let tracker = self.trackers.get(&key).filter(|tracker| tracker.serial == serial);
            if let Some(tracker) = tracker {
                if now.nanos_since(tracker.since) <= limit {
                    break;
                }
                counters.bump(Counter::FragmentTimeouts);
                self.remove(&key);
            }
            self.order.pop_front();
        }
    }

    /// Incomplete datagrams.
    pub fn len(&self) -> usize {
        self.trackers.len()
    }

    /// Nothing incomplete?
    pub fn is_empty(&self) -> bool {
        self.trackers.is_empty()
    }

    /// Memory that incomplete datagrams hold.
    pub fn footprint(&self) -> usize {
        self.bytes
    }

    /// Makes sure that a new datagram fits.
    fn make_place(&mut self, key: &DatagramKey, counters: &mut Counters) {
        if self.trackers.contains_key(key) {
            return;
        }
        while self.trackers.len() >= self.config.max_datagrams.max(1) && self.evict(counters) {}
        // Each datagram that completed left an entry behind; this is paid for by them.
        if self.order.len() > self.trackers.len().saturating_mul(2).saturating_add(64) {
            let trackers = &self.trackers;
            self.order.retain(|(key, serial)| trackers.get(key).is_some_and(|tracker| tracker.serial == *serial));
        }
    }

    fn free_memory(&mut self, counters: &mut Counters) {
        while self.bytes > self.config.max_bytes && self.evict(counters) {}
    }

    /// Drops the oldest datagram. Returns false if there is none.
    fn evict(&mut self, counters: &mut Counters) -> bool {
        while let Some((key, serial)) = self.order.pop_front() {
            if self.trackers.get(&key).is_some_and(|tracker| tracker.serial == serial) {
                self.remove(&key);
                counters.bump(Counter::FragmentsEvicted);
                return true;
            }
        }
        false
    }

    fn remove(&mut self, key: &DatagramKey) -> Option<Tracker> {
        let tracker = self.trackers.remove(key)?;
        self.bytes = self.bytes.saturating_sub(tracker.footprint());
        Some(tracker)
    }
}

#[cfg(test)]
mod tests;
