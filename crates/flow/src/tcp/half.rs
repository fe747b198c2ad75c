//! The data of one direction: what is ready, what waits, what is missing.
//!
//! In-order bytes lie in one linear buffer, with a small record per received segment; what arrives
//! before its turn waits in [`Pieces`]. Positions are stream offsets in 64 bits: offset 0 is the
//! first byte after the SYN, or the first that was seen.
//!
//! *Invariants*: `placed` covers the buffer's unconsumed bytes without holes; every waiting piece
//! starts behind the buffer's end; bytes below `acked` never change.

use super::buffer::Buffer;
use super::{FlowEnd, SegmentMeta};
use crate::pieces::Pieces;
use std::collections::VecDeque;

/// Data sent by one direction.
#[derive(Clone, Debug, Default)]
pub struct Half {
    /// Sequence number of offset 0.
    pub(super) origin: Option<u32>,
    /// The origin is known from a SYN or an acknowledgement, not guessed from the first segment.
    pub(super) exact: bool,
    pub(super) buffer: Buffer,
    /// Consumed bytes at the start of `buffer`.
    head: usize,
    /// Offset of the first unconsumed byte.
    pub(super) start: u64,
    /// The receiver has everything below this offset.
    pub(super) acked: u64,
    /// End of the furthest byte seen.
    pub(super) highest: u64,
    /// The furthest offset that the receiver's window allowed; unknown without window scale.
    pub(super) edge: Option<u64>,
    pub(super) placed: VecDeque<Placed>,
    pub(super) queued: Pieces<Arrival>,
    /// Offset behind the last byte, by a FIN.
    pub(super) fin: Option<u64>,
    pub(super) ended: Option<FlowEnd>,
    /// An acknowledgement far from any window: if the sender goes on there, much was not captured.
    pub(super) far: Option<u32>,
    pub(super) discard: bool,
    pub(super) overlaps: u32,
    /// Times that the origin was moved back.
    pub(super) rebased: u8,
    /// Holes skipped, and their bytes, since they were last counted.
    pub(super) skipped: (u64, u64),
    /// Bytes of all holes skipped.
    pub(super) missing: u64,
}

/// A received segment, or what overlaps left of it, within the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) arrival: Arrival,
}

/// What is known about received bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) meta: SegmentMeta,
    /// The receiver may not have taken it (beyond its window, or on a SYN): anything else wins.
    pub(super) doubtful: bool,
}

impl Half {
    /// Records of segments whose memory an empty direction may keep.
    const KEEP_PLACED: usize = 256;

    /// Acknowledged, contiguous, unconsumed bytes.
    #[inline]
    pub fn ready(&self) -> &[u8] {
        self.buffer.get(self.head..self.head.saturating_add(self.ready_len())).unwrap_or_default()
    }

    /// Takes the first `n` ready bytes out (or all, if there are fewer).
    #[inline]
    pub fn consume(&mut self, n: usize) {
        let n = n.min(self.ready_len());
        self.head += n;
        self.start += n as u64;
        while self.placed.front().is_some_and(|front| front.end <= self.start) {
            self.placed.pop_front();
        }
        if self.head == self.buffer.len() {
            self.release();
        } else if self.head > 4096 && self.head > self.buffer.len() / 2 {
            // Moves fewer bytes than were consumed since the last time.
            self.buffer.drain(..self.head);
            self.head = 0;
        }
    }

    /// Length of the hole directly behind [`Half::ready`]: acknowledged bytes that were never seen,
    /// with seen bytes behind them that are acknowledged, too.
    ///
    /// Without anything behind it a hole isn't reported, since an acknowledgement may be captured
    /// before the data.
    #[inline]
    pub fn gap(&self) -> Option<u64> {
        let end = self.end();
        if self.acked <= end {
            return None;
        }
        let next = self.queued.first_start().filter(|&next| next < self.acked)?;
        Some(next.saturating_sub(end))
    }

    /// Steps over the gap; does nothing while bytes in front of it are ready.
    pub fn skip_gap(&mut self) {
        let Some(len) = self.gap() else { return };
        if self.ready_len() != 0 {
            return;
        }
        self.placed.clear();
        self.release();
        self.start = self.start.saturating_add(len);
        self.skipped.0 += 1;
        self.skipped.1 = self.skipped.1.saturating_add(len);
        self.missing = self.missing.saturating_add(len);
        self.advance();
    }

    /// The segment that brought the first ready byte.
    #[inline]
    pub fn first_meta(&self) -> Option<SegmentMeta> {
        if self.ready_len() == 0 {
            return None;
        }
        self.placed.front().map(|front| front.arrival.meta)
    }

    /// Ends of the received segments within [`Half::ready`], counted from its start.
    pub fn segment_ends(&self) -> impl Iterator<Item = usize> {
        let ready = self.ready_len();
        let ends = self.placed.iter().map(|placed| usize::try_from(placed.end.saturating_sub(self.start)));
        ends.map_while(move |end| end.ok().filter(|&end| end <= ready))
    }

    /// Stops (or resumes) keeping bytes; sequence numbers are followed all the same.
    pub fn set_discard(&mut self, on: bool) {
        if on != self.discard {
            self.drop_data();
        }
        self.discard = on;
    }

    /// Takes queued data as acknowledged, for flows whose receiver is never seen: the in-order
    /// bytes, or if there are none the first run behind a hole. Returns whether that changed anything.
    pub fn assume_acknowledged(&mut self) -> bool {
        let end = self.end();
        if self.acked < end {
            self.acked = end;
            return true;
        }
        let mut run = None;
        for (start, piece) in self.queued.iter() {
            if run.is_some_and(|end| end != start) {
                break;
            }
            run = Some(start.saturating_add(piece.data.len() as u64));
        }
        match run.filter(|&end| end > self.acked) {
            Some(end) => {
                self.acked = end;
                true
            }
            None => false,
        }
    }

    /// Bytes held: ready, waiting for acknowledgement, and out of order.
    #[inline]
    pub fn queued_bytes(&self) -> usize {
        self.in_order().saturating_add(self.queued.bytes())
    }

    /// Stream offset of the first ready byte.
    #[inline]
    pub fn stream_offset(&self) -> u64 {
        self.start
    }

    /// How the direction ended, if it did.
    #[inline]
    pub fn ended(&self) -> Option<FlowEnd> {
        self.ended
    }

    /// Memory held on the heap.
    pub fn footprint(&self) -> usize {
        let placed = self.placed.capacity().saturating_mul(size_of::<Placed>());
        self.buffer.capacity().saturating_add(placed).saturating_add(self.queued.footprint())
    }

    /// End of the contiguous bytes.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.start + self.in_order() as u64
    }

    /// Unconsumed bytes of the buffer.
    #[inline]
    fn in_order(&self) -> usize {
        self.buffer.len() - self.head
    }

    #[inline]
    pub(super) fn ready_len(&self) -> usize {
        let acked = usize::try_from(self.acked.saturating_sub(self.start)).unwrap_or(usize::MAX);
        acked.min(self.in_order())
    }

    /// The buffer's bytes from `span.start` to `span.end`, both within it.
    pub(super) fn slice(&self, start: u64, end: u64) -> &[u8] {
        self.range(start, end).and_then(|range| self.buffer.get(range)).unwrap_or_default()
    }

    pub(super) fn slice_mut(&mut self, start: u64, end: u64) -> &mut [u8] {
        self.range(start, end).and_then(|range| self.buffer.get_mut(range)).unwrap_or_default()
    }

    fn range(&self, start: u64, end: u64) -> Option<std::ops::Range<usize>> {
        let at = |offset: u64| Some(self.head + usize::try_from(offset.checked_sub(self.start)?).ok()?);
        Some(at(start)?..at(end)?)
    }

    /// Appends bytes that continue the buffer.
    #[inline]
    pub(super) fn append(&mut self, data: &[u8], arrival: Arrival) {
        let start = self.end();
        self.buffer.extend_from_slice(data);
        let end = start + data.len() as u64;
        self.placed.push_back(Placed { start, end, arrival });
    }

    /// Moves what has become contiguous from the queue to the buffer.
    pub(super) fn advance(&mut self) {
        while self.queued.first_start() == Some(self.end()) {
            let Some((_, piece)) = self.queued.pop_first() else { break };
            self.append(&piece.data, piece.meta);
        }
    }

    /// The receiver has everything below `to`. Returns whether that is news.
    #[inline]
    pub(super) fn acknowledge(&mut self, to: u64) -> bool {
        if to <= self.acked {
            return false;
        }
        self.acked = to;
        true
    }

    /// Drops all bytes; what follows is followed by numbers.
    pub(super) fn drop_data(&mut self) {
        let end = self.end().max(self.highest);
        self.placed = VecDeque::new();
        self.queued.clear();
        self.buffer.release();
        self.head = 0;
        self.start = end;
    }

    /// Frees memory that holds no data.
    pub(super) fn shrink(&mut self) {
        if self.placed.is_empty() {
            self.placed = VecDeque::new();
        }
    }

    /// The offset of a sequence number, as the one closest to what is expected; negative before the
    /// origin. `None` while nothing is known.
    #[inline]
    pub(super) fn offset(&self, seq: u32) -> Option<i64> {
        let origin = self.origin?;
        let near = self.expected();
        #[allow(clippy::cast_possible_truncation, reason = "sequence numbers are the low 32 bits")]
        let expected = origin.wrapping_add(near as u32);
        let distance = i64::from(seq.wrapping_sub(expected).cast_signed());
        Some(i64::try_from(near).unwrap_or(i64::MAX).saturating_add(distance))
    }

    /// Empty, with offset 0 at `origin`.
    pub(super) fn starting_at(origin: u32, discard: bool) -> Self {
        Self { origin: Some(origin), exact: true, discard, ..Self::default() }
    }

    /// The offset that the next segment is most likely near.
    #[inline]
    pub(super) fn expected(&self) -> u64 {
        self.highest.max(self.acked)
    }

    /// Goes on at `seq`, where both sides are: everything up to there was missed. The distance is
    /// known modulo 2^32 only.
    pub(super) fn jump(&mut self, seq: u32) {
        #[allow(clippy::cast_possible_truncation, reason = "sequence numbers are the low 32 bits")]
        let expected = self.origin.unwrap_or(seq).wrapping_add(self.expected() as u32);
        self.acked = self.expected().saturating_add(u64::from(seq.wrapping_sub(expected)));
        self.edge = None;
        self.fin = None;
        self.far = None;
    }

    /// Nothing is known of this direction but where it starts.
    pub(super) fn is_pristine(&self) -> bool {
        self.highest == 0 && self.acked == 0 && self.start == 0 && self.fin.is_none()
    }

    /// Panics if the parts contradict each other; for tests and fuzzing.
    pub(super) fn check_invariants(&self) {
        assert!(self.head <= self.buffer.len());
        let mut at = None;
        for placed in &self.placed {
            assert!(placed.start < placed.end && placed.end > self.start);
            assert!(at.is_none_or(|at| at == placed.start));
            at = Some(placed.end);
        }
        assert!(self.placed.front().is_none_or(|front| front.start <= self.start));
        assert!(at.is_none_or(|at| at == self.end()) && (at.is_some() || self.in_order() == 0));
        let mut free = self.end() + 1;
        let mut bytes = 0;
        for (start, piece) in self.queued.iter() {
            assert!(start >= free && !piece.data.is_empty());
            free = start + piece.data.len() as u64;
            bytes += piece.data.len();
        }
        assert_eq!(bytes, self.queued.bytes());
        assert!(self.end() <= self.highest);
    }

    /// Empties the buffer, which holds nothing unconsumed.
    fn release(&mut self) {
        self.head = 0;
        self.buffer.release();
        if self.placed.is_empty() && self.placed.capacity() > Self::KEEP_PLACED {
            self.placed.shrink_to(16);
        }
    }
}
