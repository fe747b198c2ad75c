//! How a payload enters its direction.
//!
//! The fast path appends in-order data to the buffer. Everything else (out of order, repeated,
//! overlapping, at a limit) is compared with what is held, the overlap policy decides, and the
//! winning ranges are written over the buffer or into the queue.
//!
//! *Invariant*: bytes that the receiver acknowledged stay as they are: it has passed them on.

use super::half::{Arrival, Half, Placed};
use super::{DataOutcome, IgnoredData, TcpConfig};
use crate::overlap::{Old, Span, Winner, contest, part};
use std::collections::VecDeque;
use tapir_telemetry::{Counter, Counters};

/// What became of a payload, and which limits it met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inserted {
    pub(super) data: DataOutcome,
    pub(super) bytes_full: bool,
    pub(super) segments_full: bool,
}

impl From<DataOutcome> for Inserted {
    fn from(data: DataOutcome) -> Self {
        Self { data, ..Self::default() }
    }
}

/// What the held pieces under a new segment are like.
#[derive(Clone, Copy, Debug, Default)]
struct Comparison {
    covered: u64,
    differs: bool,
    doubtful: bool,
}

impl Half {
    /// Takes in the bytes of a segment that starts at offset `at`.
    #[inline]
    pub(super) fn insert(
        &mut self,
        at: u64,
        data: &[u8],
        arrival: Arrival,
        config: &TcpConfig,
        counters: &mut Counters,
    ) -> Inserted {
        let span = Span::at(at, data.len());
        let in_order = at == self.end()
            && !self.discard
            && self.queued.first_start().is_none_or(|next| next >= span.end)
            && self.placed.len() < config.max_queued_segments
            && self.queued_bytes().saturating_add(data.len()) <= config.max_queued_bytes;
        if in_order {
            self.append(data, arrival);
            self.highest = self.highest.max(span.end);
            if !self.queued.is_empty() {
                self.advance();
            }
            return DataOutcome::Queued.into();
        }
        if self.discard {
            return self.follow(span);
        }
        self.insert_slow(span, data, arrival, config, counters)
    }

    /// Moves everything up by `by`, since data before the guessed origin was found. Nothing may be
    /// acknowledged yet.
    pub(super) fn rebase(&mut self, by: u32) {
        for placed in std::mem::take(&mut self.placed) {
            let bytes = self.slice(placed.start, placed.end).to_vec();
            self.queued.put(placed.start, &bytes, placed.arrival);
        }
        self.buffer.clear();
        let shift = u64::from(by);
        self.queued.shift(shift);
        self.highest = self.highest.saturating_add(shift);
        self.edge = self.edge.map(|edge| edge.saturating_add(shift));
        self.fin = self.fin.map(|fin| fin.saturating_add(shift));
        self.origin = self.origin.map(|origin| origin.wrapping_sub(by));
        self.rebased = self.rebased.saturating_add(1);
    }

    fn follow(&mut self, span: Span) -> Inserted {
        let news = span.end > self.highest;
        self.highest = self.highest.max(span.end);
        self.start = self.start.max(span.end);
        if news { DataOutcome::Queued.into() } else { DataOutcome::Retransmission.into() }
    }

    fn insert_slow(
        &mut self,
        span: Span,
        data: &[u8],
        arrival: Arrival,
        config: &TcpConfig,
        counters: &mut Counters,
    ) -> Inserted {
        let frozen = self.start.max(self.acked.min(self.end()));
        let held = span.intersect(Span::new(self.start, frozen));
        let delivered_differs = !held.is_empty() && self.slice(held.start, held.end) != part(data, span, held);
        if delivered_differs {
            counters.bump(Counter::TcpOverlapsDelivered);
        }
        let new = Span::new(span.start.max(frozen), span.end);
        if new.is_empty() {
            return match delivered_differs {
                true => DataOutcome::Ignored(IgnoredData::AlreadyDelivered).into(),
                false => DataOutcome::Retransmission.into(),
            };
        }
        let data = part(data, span, new);
        let found = self.compare(new, data);
        let repeated = found.covered == new.len() && !found.differs;
        if repeated && (arrival.doubtful || !found.doubtful) {
            return DataOutcome::Retransmission.into();
        }
        if found.differs {
            self.overlaps = self.overlaps.saturating_add(1);
            counters.bump(Counter::TcpOverlaps);
        }
        let mut result = self.make_room(new, found.covered, config, counters);
        if result.data != DataOutcome::None {
            return result;
        }
        if new.start > self.end() && found.covered == 0 {
            counters.bump(Counter::TcpOutOfOrder);
        }
        result.data = if repeated { DataOutcome::Retransmission } else { DataOutcome::Queued };
        let won = match found.covered {
            0 => vec![new],
            _ => self.contest(new, arrival, config),
        };
        result.segments_full |= self.write(new, data, &won, arrival, config, counters);
        self.highest = self.highest.max(new.end);
        self.advance();
        result
    }

    /// The held pieces that `new` overlaps, in order.
    fn overlapped(&self, new: Span) -> impl Iterator<Item = (Span, Arrival, &[u8])> {
        let first = self.placed.partition_point(|placed| placed.end <= new.start);
        let placed = self.placed.range(first..).take_while(move |placed| placed.start < new.end);
        let placed = placed.map(|placed| {
            let visible = self.slice(placed.start.max(self.start), placed.end);
            (Span::new(placed.start, placed.end), placed.arrival, visible)
        });
        let queued = self.queued.overlapping(new);
        placed.chain(queued.map(|(span, piece)| (span, piece.meta, piece.data.as_slice())))
    }

    fn compare(&self, new: Span, data: &[u8]) -> Comparison {
        let mut found = Comparison::default();
        for (span, arrival, bytes) in self.overlapped(new) {
            let common = span.intersect(new);
            // The first bytes of a placed segment may be consumed.
            let bytes = part(bytes, Span::new(span.end.saturating_sub(bytes.len() as u64), span.end), common);
            found.covered += common.len();
            found.differs |= bytes != part(data, new, common);
            found.doubtful |= arrival.doubtful;
        }
        found
    }

    fn contest(&self, new: Span, arrival: Arrival, config: &TcpConfig) -> Vec<Span> {
        let end = self.end();
        let before = match new.start > end {
            true => self.queued.end_before(new.start).or((end > 0).then_some(end)),
            false => None,
        };
        let olds = self.overlapped(new).map(|(span, old, _)| {
            let settled = match (old.doubtful, arrival.doubtful) {
                _ if span.end <= self.acked => Some(Winner::Old),
                (true, false) => Some(Winner::New),
                (false, true) => Some(Winner::Old),
                _ => None,
            };
            Old { span, settled }
        });
        let mut won = Vec::new();
        contest(&config.policy, new, before, olds, &mut won);
        won
    }

    /// Checks the limits for `new`, of which `covered` bytes are held already. In-order data pushes
    /// out what lies furthest ahead, or a full queue would never become contiguous.
    fn make_room(&mut self, new: Span, covered: u64, config: &TcpConfig, counters: &mut Counters) -> Inserted {
        let in_order = new.start <= self.end();
        let mut result = Inserted::default();
        let more = usize::try_from(new.len().saturating_sub(covered)).unwrap_or(usize::MAX);
        while self.queued_bytes().saturating_add(more) > config.max_queued_bytes {
            result.bytes_full = true;
            let victim = if in_order { self.queued.pop_last_from(new.end) } else { None };
            let Some((_, victim)) = victim else { break };
            lost(victim.data.len() as u64, counters);
        }
        let still_full = self.queued_bytes().saturating_add(more) > config.max_queued_bytes;
        result.segments_full = !in_order && self.queued.len() >= config.max_queued_segments;
        if still_full || result.segments_full {
            lost(new.len(), counters);
            result.data = DataOutcome::Ignored(IgnoredData::QueueFull);
        }
        result
    }

    /// Writes the ranges that won. Returns whether some had no place.
    fn write(
        &mut self,
        new: Span,
        data: &[u8],
        won: &[Span],
        arrival: Arrival,
        config: &TcpConfig,
        counters: &mut Counters,
    ) -> bool {
        let end = self.end();
        let mut overwritten = Vec::new();
        let mut full = false;
        for &span in won {
            let inside = span.intersect(Span::new(self.start, end));
            let outside = Span::new(span.start.max(end), span.end);
            if !inside.is_empty() {
                let target = self.slice_mut(inside.start, inside.end);
                let source = part(data, new, inside);
                if target.len() == source.len() {
                    target.copy_from_slice(source);
                }
                overwritten.push(span);
            }
            if outside.is_empty() {
                continue;
            }
            let bytes = part(data, new, outside);
            if !inside.is_empty() {
                // One piece, as it came: its record is written below.
                self.queued.cut(outside);
                self.buffer.extend_from_slice(bytes);
            } else if outside.start == self.end() {
                self.queued.cut(outside);
                self.append_capped(bytes, arrival, config, counters);
            } else if self.queued.len() < config.max_queued_segments {
                self.queued.put(outside.start, bytes, arrival);
            } else {
                lost(outside.len(), counters);
                full = true;
            }
        }
        if !overwritten.is_empty() {
            self.overlay(&overwritten, arrival);
        }
        full
    }

    /// Appends; with too many records waiting the last one grows instead.
    fn append_capped(&mut self, data: &[u8], arrival: Arrival, config: &TcpConfig, counters: &mut Counters) {
        let crowded = self.placed.len() >= config.max_queued_segments;
        match self.placed.back_mut() {
            Some(last) if crowded => {
                last.end = last.end.saturating_add(data.len() as u64);
                self.buffer.extend_from_slice(data);
                counters.bump(Counter::TcpBoundariesMerged);
            }
            _ => self.append(data, arrival),
        }
    }

    /// Cuts the ranges of `won` out of the records and puts records of their own there.
    fn overlay(&mut self, won: &[Span], arrival: Arrival) {
        let old = std::mem::take(&mut self.placed);
        let mut new = VecDeque::with_capacity(old.len().saturating_add(won.len()).saturating_add(1));
        let mut won = won.iter().copied().peekable();
        for record in old {
            let mut at = record.start;
            while let Some(&span) = won.peek() {
                if span.start >= record.end {
                    break;
                }
                if span.start >= record.start {
                    push(&mut new, at, span.start, record.arrival);
                    push(&mut new, span.start, span.end, arrival);
                }
                at = span.end;
                if span.end > record.end {
                    break;
                }
                won.next();
            }
            push(&mut new, at, record.end, record.arrival);
        }
        while new.front().is_some_and(|front: &Placed| front.end <= self.start) {
            new.pop_front();
        }
        self.placed = new;
    }
}

fn push(records: &mut VecDeque<Placed>, start: u64, end: u64, arrival: Arrival) {
    if start < end {
        records.push_back(Placed { start, end, arrival });
    }
}

fn lost(bytes: u64, counters: &mut Counters) {
    counters.bump(Counter::TcpQueueFull);
    counters.add(Counter::TcpQueueFullBytes, bytes);
}
