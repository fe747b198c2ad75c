//! What detection remembers of a flow: flowbits, alerts already raised, pattern hits that wait for
//! a later section of the message.

use tapir_flow::Direction;
use tapir_options::{Beyond, BitOp, Unit};
use tapir_protocol::BufferId;
use tapir_telemetry::{Counter, Counters};

/// Flowbits of one flow at most.
const MAX_BITS: usize = 1024;
/// Rules that wait for the next piece of a buffer at most, per direction (Snort: `max_continuations_per_flow`).
const MAX_CONTINUATIONS: usize = 1024;
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
    /// Entries of `raised` from here on were raised at the last cut, and count for the piece behind it, too.
    at_cut: [Option<usize>; 2],
    tails: [Tail; 2],
    /// Rules that ran past the end of a piece, and where they go on.
    continuations: [Vec<(u32, Beyond)>; 2],
    /// The wire packet that caused the last flush.
    flushed_by: [u64; 2],
    /// Rules whose pattern was found in the header section of the current message.
    pending: [Vec<u32>; 2],
    /// A stable number of the flow, for `track by_flow`.
    number: u64,
}

/// The end of the file bytes that came last in a direction.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    /// Offset in the file behind them.
    end: u64,
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
        self.continuations = Default::default();
    }

    /// Bytes of memory held.
    pub fn footprint(&self) -> usize {
        let tails = self.tails.iter().map(|tail| tail.bytes.capacity()).sum::<usize>();
        let lists = self.raised.iter().chain(&self.pending).map(Vec::capacity).sum::<usize>() + self.bits.capacity();
        let waiting = self.continuations.iter().map(Vec::capacity).sum::<usize>() * size_of::<(u32, Beyond)>();
        tails + waiting + lists * size_of::<u32>()
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
    pub(crate) fn begin_stream(&mut self, direction: Direction, continues: bool, border: bool) {
        let at_cut = self.at_cut.get_mut(direction.index()).and_then(Option::take);
        let Some((list, flushed)) = self.raised_mut(direction) else { return };
        let known = list.len();
        if *flushed && !continues && !border {
            list.drain(..at_cut.unwrap_or(known).min(known));
        }
        *flushed = true;
        if let (true, Some(slot)) = (border, self.at_cut.get_mut(direction.index())) {
            *slot = Some(known);
        }
    }

    /// A piece of a file came: keeps its end, and if it continues the piece before puts what stands around
    /// the cut, `overlap` bytes of each side at most, into `border`. Returns where that starts in the file.
    pub fn border(
        &mut self,
        direction: Direction,
        (piece, position): (&[u8], u64),
        overlap: usize,
        border: &mut Vec<u8>,
    ) -> Option<u64> {
        let tail = self.tails.get_mut(direction.index())?;
        let continues = position > 0 && tail.end == position && !tail.bytes.is_empty();
        if continues {
            border.clear();
            border.extend_from_slice(&tail.bytes);
            border.extend_from_slice(piece.get(..overlap).unwrap_or(piece));
        } else {
            tail.bytes.clear();
        }
        let start = position.saturating_sub(tail.bytes.len() as u64);
        let new = piece.get(piece.len().saturating_sub(overlap)..).unwrap_or(piece);
        let excess = (tail.bytes.len() + new.len()).saturating_sub(overlap).min(tail.bytes.len());
        tail.bytes.drain(..excess);
        tail.bytes.extend_from_slice(new);
        tail.end = position.saturating_add(piece.len() as u64);
        continues.then_some(start)
    }

    /// The rule goes on in the next piece of the buffer, of this direction.
    pub(crate) fn continue_later(&mut self, unit: &Unit<'_>, rule: u32, beyond: Beyond, counters: &mut Counters) {
        if !matches!(beyond.buffer, BufferId::PktData | BufferId::FileData) {
            return;
        }
        let Some(list) = unit.flow.and_then(|flow| self.continuations.get_mut(flow.direction.index())) else { return };
        if list.len() >= MAX_CONTINUATIONS {
            counters.bump(Counter::ContinuationsOverLimit);
        } else {
            list.push((rule, beyond));
        }
    }

    pub(crate) fn take_continuations(&mut self, unit: &Unit<'_>) -> Vec<(u32, Beyond)> {
        let list = unit.flow.and_then(|flow| self.continuations.get_mut(flow.direction.index()));
        list.map(std::mem::take).unwrap_or_default()
    }

    /// No more file data comes.
    pub fn forget_files(&mut self) {
        self.tails = Default::default();
        self.continuations = Default::default();
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
