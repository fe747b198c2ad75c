//! What detection remembers of a flow: flowbits, alerts already raised, pattern hits that wait for
//! a later section of the message.

use tapir_flow::Direction;
use tapir_options::BitOp;
use tapir_telemetry::{Counter, Counters};

/// Flowbits of one flow at most.
const MAX_BITS: usize = 1024;
/// Rules waiting for a later section at most (beyond: they are dropped and counted).
const MAX_PENDING: usize = 4096;

/// Detection's part of a flow's state.
#[derive(Debug, Default)]
pub struct FlowState {
    /// Set flowbits, sorted. Ids are interned by name and survive a swap of rule sets.
    bits: Vec<u32>,
    /// Rules raised on raw packets since the last flush, per data direction.
    raised: [Vec<u32>; 2],
    flushed: [bool; 2],
    /// The wire packet that caused the last flush.
    flushed_by: [u64; 2],
    /// Rules whose pattern was found in the header section of the current message.
    pending: [Vec<u32>; 2],
    /// A stable number of the flow, for `track by_flow`.
    number: u64,
}

impl FlowState {
    /// Of the flow with this stable number.
    pub fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn bits(&self) -> &[u32] {
        &self.bits
    }

    pub(crate) fn apply(&mut self, op: &BitOp, counters: &mut Counters) {
        match op {
            BitOp::Set(bits) => bits.iter().for_each(|&bit| self.set(bit, counters)),
            BitOp::Unset(bits) => self.bits.retain(|bit| !bits.contains(bit)),
            BitOp::Toggle(bits) => {
                for &bit in bits {
                    match self.bits.binary_search(&bit) {
                        Ok(at) => drop(self.bits.remove(at)),
                        Err(_) => self.set(bit, counters),
                    }
                }
            }
            BitOp::SetExclusive { set, group } => {
                self.reset(group);
                set.iter().for_each(|&bit| self.set(bit, counters));
            }
            BitOp::Reset(bits) => self.reset(bits),
        }
    }

    fn reset(&mut self, bits: &[u32]) {
        if bits.is_empty() {
            self.bits.clear();
        } else {
            self.bits.retain(|bit| !bits.contains(bit));
        }
    }

    fn set(&mut self, bit: u32, counters: &mut Counters) {
        if let Err(at) = self.bits.binary_search(&bit) {
            if self.bits.len() >= MAX_BITS {
                counters.bump(Counter::FlowbitsOverLimit);
            } else {
                self.bits.insert(at, bit);
            }
        }
    }

    /// A rule set was swapped: what is kept by rule index no longer means anything.
    pub fn forget_rules(&mut self) {
        for list in self.raised.iter_mut().chain(self.pending.iter_mut()) {
            list.clear();
        }
    }

    /// Bytes of memory held.
    pub fn footprint(&self) -> usize {
        let lists = self.raised.iter().chain(&self.pending).map(Vec::capacity).sum::<usize>() + self.bits.capacity();
        lists * size_of::<u32>()
    }

    fn raised_mut(&mut self, direction: Direction) -> Option<(&mut Vec<u32>, &mut bool)> {
        Some((self.raised.get_mut(direction.index())?, self.flushed.get_mut(direction.index())?))
    }

    /// Whether this packet caused the unit before, too; notes it. Snort makes one unit of all the lines that
    /// a packet completes, and raises a rule once for them.
    pub fn same_flush(&mut self, direction: Direction, packet: u64) -> bool {
        self.flushed_by.get_mut(direction.index()).is_some_and(|last| std::mem::replace(last, packet) == packet)
    }

    /// A rule was raised on a raw packet of `direction`.
    pub(crate) fn note_raw(&mut self, direction: Direction, rule: u32) {
        let Some((list, flushed)) = self.raised_mut(direction) else { return };
        if std::mem::take(flushed) {
            list.clear();
        }
        if !list.contains(&rule) {
            list.push(rule);
        }
    }

    /// A unit of rebuilt data begins.
    pub(crate) fn begin_stream(&mut self, direction: Direction, continues: bool) {
        let Some((list, flushed)) = self.raised_mut(direction) else { return };
        if *flushed && !continues {
            list.clear();
        }
        *flushed = true;
    }

    /// Whether a match on rebuilt data is new; notes it.
    pub(crate) fn is_new(&mut self, direction: Direction, rule: u32) -> bool {
        let Some((list, _)) = self.raised_mut(direction) else { return true };
        let new = !list.contains(&rule);
        if new {
            list.push(rule);
        }
        new
    }

    pub(crate) fn clear_pending(&mut self, direction: Direction) {
        if let Some(list) = self.pending.get_mut(direction.index()) {
            list.clear();
        }
    }

    pub(crate) fn add_pending(&mut self, direction: Direction, rule: u32, counters: &mut Counters) {
        let Some(list) = self.pending.get_mut(direction.index()) else { return };
        if list.len() >= MAX_PENDING {
            counters.bump(Counter::EventsOverLimit);
        } else {
            list.push(rule);
        }
    }

    pub(crate) fn pending(&self, direction: Direction) -> &[u32] {
        self.pending.get(direction.index()).map_or(&[], Vec::as_slice)
    }
}
