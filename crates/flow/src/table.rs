//! The flow table: from key to per-flow state, with time-outs and caps.
//!
//! *How it fits*: the engine owns one per worker and decides what the state is; the table decides
//! when a flow ends for lack of packets, of room or of memory.
//!
//! *Invariants*: a [`FlowId`] never reaches another flow than the one it was given out for. Nothing
//! depends on hash order: flows end in the order of their deadlines, evictions go by last use (to
//! the second), [`FlowTable::drain`] goes by creation.
//!
//! *Limits*: `max_flows` and `max_bytes` (of what [`FlowTable::set_footprint`] was told); counters
//! `flows_evicted_count`, `flows_evicted_memory`, `flows_timed_out` through
//! [`FlowTable::report`]. A packet costs one look-up and one store ([`FlowTable::touch`]).

mod wheel;

use crate::FlowKey;
use rapidhash::fast::SeedableState;
use std::collections::HashMap;
use tapir_packet::Timestamp;
use tapir_telemetry::{Counter, Counters};
use wheel::Wheel;

/// Caps of a [`FlowTable`].
#[derive(Clone, Debug)]
pub struct TableConfig {
    /// Flows at most; at least 1.
    pub max_flows: usize,
    /// Bytes that all flows together may hold, as told by [`FlowTable::set_footprint`].
    pub max_bytes: usize,
    /// Random key of the hash, against flooding with colliding flows.
    pub seed: u64,
}

impl Default for TableConfig {
    /// Snort's number of flows, 1 GiB, and a fixed seed, which is for captures: live traffic needs a random one.
    fn default() -> Self {
        Self { max_flows: 476_288, max_bytes: 1 << 30, seed: 0 }
    }
}

/// Seconds without packets after which a flow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowTimeout(pub u32);

impl FlowTimeout {
    /// TCP: established.
    pub const TCP_ESTABLISHED: Self = Self(3600);
    /// TCP: handshake not completed.
    pub const TCP_EMBRYONIC: Self = Self(30);
    /// TCP: closed, or only one side seen.
    pub const TCP: Self = Self(180);
    /// UDP: the kernel's time for a stream of datagrams (conntrack). Snort says 30, but a flow that it
    /// expired keeps its inspector.
    pub const UDP: Self = Self(120);
    /// ICMP.
    pub const ICMP: Self = Self(60);
    /// Any other protocol.
    pub const IP: Self = Self(60);
}

/// Names a flow in its table; stale once the flow has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId {
    index: u32,
    generation: u32,
}

/// Flows by key, each with a state `S`.
#[derive(Debug)]
pub struct FlowTable<S> {
    index: HashMap<FlowKey, u32, SeedableState<'static>>,
    records: Vec<Record<S>>,
    free: Vec<u32>,
    deadlines: Wheel,
    recency: Wheel,
    max_flows: usize,
    max_bytes: usize,
    bytes: usize,
    created: u64,
    tally: Tally,
}

#[derive(Debug)]
struct Record<S> {
    generation: u32,
    timeout: u32,
    last_seen: Timestamp,
    footprint: usize,
    serial: u64,
    live: Option<(FlowKey, S)>,
}

/// Flows that ended here since the last report.
#[derive(Debug, Default)]
struct Tally {
    timed_out: u64,
    evicted_count: u64,
    evicted_memory: u64,
}

impl<S> FlowTable<S> {
    /// An empty table.
    pub fn new(config: TableConfig) -> Self {
        Self {
            index: HashMap::with_hasher(SeedableState::new(config.seed)),
            records: Vec::new(),
            free: Vec::new(),
            deadlines: Wheel::new(),
            recency: Wheel::new(),
            // Indices are 32 bit, and the wheels need some of them.
            max_flows: config.max_flows.clamp(1, 1 << 30),
            max_bytes: config.max_bytes,
            bytes: 0,
            created: 0,
            tally: Tally::default(),
        }
    }

    /// The flow with this key.
    #[inline]
    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        let &index = self.index.get(key)?;
        let record = self.records.get(index as usize)?;
        Some(FlowId { index, generation: record.generation })
    }

    /// Adds a flow; a flow of the same key, or else at the cap the one idle for longest, makes room
    /// and is returned.
    pub fn insert(
        &mut self,
        key: FlowKey,
        now: Timestamp,
        timeout: FlowTimeout,
        state: S,
    ) -> (FlowId, Option<(FlowKey, S)>) {
        let evicted = match self.index.get(&key).copied() {
            Some(index) => self.release(index),
            None if self.index.len() >= self.max_flows => {
                self.tally.evicted_count += 1;
                self.pop_idlest()
            }
            None => None,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.records.push(Record {
                generation: 0,
                timeout: 0,
                last_seen: now,
                footprint: 0,
                serial: 0,
                live: None,
            });
            u32::try_from(self.records.len() - 1).unwrap_or(u32::MAX)
        });
        let mut generation = 0;
        if let Some(record) = self.records.get_mut(index as usize) {
            generation = record.generation;
            record.timeout = timeout.0;
            record.last_seen = now;
            record.footprint = 0;
            record.serial = self.created;
            record.live = Some((key, state));
        }
        self.created += 1;
        self.index.insert(key, index);
        let second = now.secs();
        self.recency.arm(index, second, second);
        self.deadlines.arm(index, second.saturating_add(i64::from(timeout.0)), second);
        (FlowId { index, generation }, evicted)
    }

    /// The state of a flow, unless it has ended.
    #[inline]
    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut S> {
        self.record_mut(id)?.live.as_mut().map(|(_, state)| state)
    }

    /// The key of a flow, unless it has ended.
    #[inline]
    pub fn key(&self, id: FlowId) -> Option<&FlowKey> {
        let record = self.records.get(id.index as usize).filter(|record| record.generation == id.generation)?;
        record.live.as_ref().map(|(key, _)| key)
    }

    /// Notes that the flow had a packet.
    #[inline]
    pub fn touch(&mut self, id: FlowId, now: Timestamp) {
        if let Some(record) = self.record_mut(id) {
            record.last_seen = record.last_seen.max(now);
        }
    }

    /// Changes the time-out; counts from the last packet.
    pub fn set_timeout(&mut self, id: FlowId, seconds: u32) {
        let Some(record) = self.record_mut(id) else { return };
        if record.timeout == seconds {
            return;
        }
        let shorter = seconds < record.timeout;
        record.timeout = seconds;
        let (deadline, floor) = (record.deadline(), record.last_seen.secs());
        // A longer one is noticed when the old deadline comes.
        if shorter {
            self.deadlines.disarm(id.index);
            self.deadlines.arm(id.index, deadline, floor);
        }
    }

    /// Tells how many bytes the flow holds, for the memory cap.
    #[inline]
    pub fn set_footprint(&mut self, id: FlowId, bytes: usize) {
        let Some(record) = self.record_mut(id) else { return };
        let before = std::mem::replace(&mut record.footprint, bytes);
        self.bytes = self.bytes.saturating_sub(before).saturating_add(bytes);
    }

    /// Bytes that all flows hold.
    #[inline]
    pub fn footprint(&self) -> usize {
        self.bytes
    }

    /// Changes the memory cap; [`FlowTable::expire`] brings the table below it.
    pub fn set_max_bytes(&mut self, bytes: usize) {
        self.max_bytes = bytes;
    }

    /// Ends a flow.
    pub fn remove(&mut self, id: FlowId) -> Option<S> {
        self.record_mut(id)?;
        self.release(id.index).map(|(_, state)| state)
    }

    /// Ends flows whose time has come, and those idle for longest while memory is above the cap;
    /// looks at no more than `limit` flows for each reason.
    pub fn expire(&mut self, now: Timestamp, limit: usize, on: &mut dyn FnMut(FlowKey, S)) {
        for _ in 0..limit {
            let Some(index) = self.deadlines.pop(now.secs()) else { break };
            let Some(record) = self.records.get(index as usize) else { continue };
            let deadline = record.deadline();
            if deadline > now.secs() {
                self.deadlines.arm(index, deadline, now.secs());
            } else if let Some((key, state)) = self.release(index) {
                self.tally.timed_out += 1;
                on(key, state);
            }
        }
        let mut left = limit;
        while self.bytes > self.max_bytes && left > 0 {
            left -= 1;
            let Some((key, state)) = self.pop_idlest() else { break };
            self.tally.evicted_memory += 1;
            on(key, state);
        }
    }

    /// Ends all flows, in the order of their creation.
    pub fn drain(&mut self, on: &mut dyn FnMut(FlowKey, S)) {
        let live = self.records.iter().zip(0u32..).filter(|(record, _)| record.live.is_some());
        let mut order: Vec<(u64, u32)> = live.map(|(record, index)| (record.serial, index)).collect();
        order.sort_unstable();
        for (_, index) in order {
            if let Some((key, state)) = self.release(index) {
                on(key, state);
            }
        }
    }

    /// Flows in the table.
    #[inline]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// No flows?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds what happened since the last report to the counters.
    pub fn report(&mut self, counters: &mut Counters) {
        let tally = std::mem::take(&mut self.tally);
        counters.add(Counter::FlowsTimedOut, tally.timed_out);
        counters.add(Counter::FlowsEvictedCount, tally.evicted_count);
        counters.add(Counter::FlowsEvictedMemory, tally.evicted_memory);
    }

    #[inline]
    fn record_mut(&mut self, id: FlowId) -> Option<&mut Record<S>> {
        self.records.get_mut(id.index as usize).filter(|record| record.generation == id.generation)
    }

    /// Ends the flow that is idle for longest (to the second).
    fn pop_idlest(&mut self) -> Option<(FlowKey, S)> {
        // Each flow is armed again once, at its true second; more often only if the wheel's span is
        // less than the differences between flows, and then the order is only nearly right.
        let mut left = self.records.len().saturating_mul(2).saturating_add(64);
        loop {
            let (index, known) = self.recency.pop_first()?;
            let last_seen = self.records.get(index as usize).map_or(i64::MIN, |record| record.last_seen.secs());
            if last_seen <= known || left == 0 {
                return self.release(index);
            }
            left -= 1;
            self.recency.arm(index, last_seen, known);
        }
    }

    fn release(&mut self, index: u32) -> Option<(FlowKey, S)> {
        let record = self.records.get_mut(index as usize)?;
        let live = record.live.take()?;
        record.generation = record.generation.wrapping_add(1);
        self.bytes = self.bytes.saturating_sub(std::mem::take(&mut record.footprint));
        self.index.remove(&live.0);
        self.deadlines.disarm(index);
        self.recency.disarm(index);
        self.free.push(index);
        Some(live)
    }
}

impl<S> Record<S> {
    fn deadline(&self) -> i64 {
        self.last_seen.secs().saturating_add(i64::from(self.timeout))
    }
}

#[cfg(test)]
mod tests;
