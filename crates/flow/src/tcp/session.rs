//! One TCP session: what a segment means for the two directions.
//!
//! The state is kept as facts about each side (SYN seen, acknowledged, FIN, reset) rather than as
//! the state machine of an end: a passive observer misses packets and sees them in another order.

use super::half::{Arrival, Half};
use super::{DataOutcome, FlowEnd, IgnoredData, SegmentMeta, SegmentOutcome, TcpConfig, options};
use crate::Direction;
use tapir_packet::{Packet, TcpHeader, Timestamp};
use tapir_telemetry::{Counter, Counters};

/// Events of gid 129 that this file and `handshake` raise.
pub(super) mod event {
    pub(crate) const SYN_ON_ESTABLISHED: u32 = 1;
    pub(crate) const DATA_ON_SYN: u32 = 2;
    pub(crate) const DATA_ON_CLOSED: u32 = 3;
    pub(crate) const BAD_TIMESTAMP: u32 = 4;
    pub(crate) const WINDOW_TOO_LARGE: u32 = 6;
    pub(crate) const OVERLAP_LIMIT: u32 = 7;
    pub(crate) const DATA_AFTER_RESET_SENT: u32 = 8;
    pub(crate) const DATA_WITHOUT_FLAGS: u32 = 11;
    pub(crate) const SMALL_SEGMENTS: u32 = 12;
    pub(crate) const FOUR_WAY_HANDSHAKE: u32 = 13;
    pub(crate) const NO_TIMESTAMP: u32 = 14;
    pub(crate) const BAD_RESET: u32 = 15;
    pub(crate) const BAD_FIN: u32 = 16;
    pub(crate) const BAD_ACK: u32 = 17;
    pub(crate) const DATA_AFTER_RESET_RECEIVED: u32 = 18;
    pub(crate) const WINDOW_CLOSED: u32 = 19;
    pub(crate) const NO_HANDSHAKE: u32 = 20;
    pub(crate) const QUEUE_BYTES: u32 = 21;
    pub(crate) const QUEUE_SEGMENTS: u32 = 22;
}

/// Both directions of a connection, with its state and roles.
#[derive(Clone, Debug)]
pub struct TcpSession {
    pub(super) halves: [Half; 2],
    pub(super) peers: [Peer; 2],
    pub(super) established: bool,
    /// A valid reset was seen.
    pub(super) reset: bool,
    /// A SYN on the open connection, which its answer may turn into a new connection.
    pub(super) pending_syn: Option<(Direction, u32)>,
    pub(super) last: Timestamp,
    pub(super) midstream: bool,
    started: bool,
}

/// What one side has shown of itself as a sender.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peer {
    pub(super) seen: bool,
    /// Sequence number of its SYN.
    pub(super) syn: Option<u32>,
    /// Its SYN acknowledged the other side's.
    pub(super) answers: bool,
    /// Its SYN was acknowledged.
    pub(super) syn_acked: bool,
    /// Window scale that its SYN offered.
    pub(super) scale: Option<u8>,
    /// Its SYN carried a timestamp.
    pub(super) timestamps: bool,
    /// Its newest timestamp at the edge of what the other side has acknowledged, and when.
    pub(super) recent: Option<(u32, Timestamp)>,
    pub(super) reset_sent: bool,
    /// Its window is closed.
    zero_window: bool,
    small_segments: u32,
}

/// A segment with everything that goes with it.
pub(super) struct Segment<'a, 'p> {
    pub(super) dir: Direction,
    pub(super) tcp: &'a TcpHeader<'p>,
    pub(super) payload: &'a [u8],
    pub(super) meta: SegmentMeta,
    pub(super) config: &'a TcpConfig,
    pub(super) counters: &'a mut Counters,
    pub(super) events: &'a mut dyn FnMut(u32),
    pub(super) outcome: SegmentOutcome,
}

impl Segment<'_, '_> {
    #[inline]
    pub(super) fn has(&self, flags: u8) -> bool {
        self.tcp.has(flags)
    }

    /// The payload stays out of the stream.
    pub(super) fn ignore(&mut self, reason: IgnoredData) {
        if !self.payload.is_empty() {
            self.outcome.data = DataOutcome::Ignored(reason);
        }
    }
}

/// Sequence numbers further than this from what is expected belong to no window (RFC 7323 §2.3).
const MAX_WINDOW: u64 = 1 << 30;
/// What both sides say may differ by this much (the largest unscaled window, some times over).
const MAX_DISAGREEMENT: u32 = 1 << 20;
/// How far before its first segment a midstream direction may turn out to start, and how often.
const MAX_REBASE: u32 = 1 << 16;
const MAX_REBASES: u8 = 8;

impl TcpSession {
    /// A session for its first packet, which must then be given to [`TcpSession::on_segment`], and
    /// whether the packet's sender is the client.
    ///
    /// The sender of a SYN is the client, the sender of a SYN-ACK the server; of any other packet
    /// the higher port is the client's, and if they are equal the sender is the server.
    pub fn new(first: &Packet<'_>) -> (Self, bool) {
        let flags = first.tcp().map_or(0, |tcp| tcp.flags);
        let syn = flags & TcpHeader::SYN != 0;
        let (source, destination) = first.ports().unwrap_or((0, 0));
        let sender_is_client = if syn { flags & TcpHeader::ACK == 0 } else { source > destination };
        let session = Self {
            halves: Default::default(),
            peers: Default::default(),
            established: false,
            reset: false,
            pending_syn: None,
            last: first.frame.timestamp,
            midstream: !syn,
            started: false,
        };
        (session, sender_is_client)
    }

    /// Takes in a segment that `dir` sent; `events` gets the sids of gid 129.
    pub fn on_segment(
        &mut self,
        dir: Direction,
        tcp: &TcpHeader<'_>,
        payload: &[u8],
        meta: SegmentMeta,
        config: &TcpConfig,
        counters: &mut Counters,
        events: &mut dyn FnMut(u32),
    ) -> SegmentOutcome {
        let outcome = SegmentOutcome::default();
        let mut segment = Segment { dir, tcp, payload, meta, config, counters, events, outcome };
        self.report(segment.counters);
        if self.started && self.is_new_connection(&segment) {
            segment.counters.bump(Counter::TcpRestarts);
            segment.outcome.new_connection = true;
            return segment.outcome;
        }
        self.last = meta.time;
        if self.accept(&mut segment) {
            self.acknowledge(&mut segment);
            self.take_data(&mut segment);
            self.take_fin(&mut segment);
            self.check_established(&segment);
            self.assume_acknowledged(&mut segment);
        }
        self.peer(dir).seen = true;
        segment.outcome
    }

    /// The data that `dir` sends.
    #[inline]
    pub fn half(&self, dir: Direction) -> &Half {
        let [to_server, to_client] = &self.halves;
        if dir == Direction::ToServer { to_server } else { to_client }
    }

    /// The data that `dir` sends.
    #[inline]
    pub fn half_mut(&mut self, dir: Direction) -> &mut Half {
        let [to_server, to_client] = &mut self.halves;
        if dir == Direction::ToServer { to_server } else { to_client }
    }

    /// The handshake is complete, or (midstream) the other side was seen.
    #[inline]
    pub fn established(&self) -> bool {
        self.established
    }

    /// Reset, or ended by acknowledged FINs of both sides.
    #[inline]
    pub fn closed(&self) -> bool {
        self.reset || self.halves.iter().all(|half| half.ended.is_some())
    }

    /// Only one side has ever sent anything.
    #[inline]
    pub fn one_sided(&self) -> bool {
        let [client, server] = &self.peers;
        client.seen != server.seen
    }

    /// Payload bytes by sequence numbers, per [`Direction::index`]: whether seen or missing, and
    /// repeated ones once.
    #[inline]
    pub fn bytes_by_sequence(&self) -> [u64; 2] {
        self.halves.each_ref().map(Half::expected)
    }

    /// Memory held, the session itself included.
    pub fn footprint(&self) -> usize {
        let heap = self.halves.iter().map(Half::footprint).fold(0, usize::saturating_add);
        size_of::<Self>().saturating_add(heap)
    }

    /// Frees memory that holds no data, of a connection that is over. What was not acknowledged stays: a
    /// reset may turn out to be forged.
    pub fn release(&mut self) {
        for half in &mut self.halves {
            half.shrink();
        }
    }

    /// Bytes that were never seen, from the client and from the server.
    pub fn missing(&self) -> [u64; 2] {
        let [client, server] = &self.halves;
        [client.missing, server.missing]
    }

    /// The beginning of the connection was not seen.
    pub fn midstream(&self) -> bool {
        self.midstream
    }

    /// Adds the gaps that were skipped since the last segment to the counters. Every segment does
    /// this; at the end of a flow the engine does.
    #[inline]
    pub fn report(&mut self, counters: &mut Counters) {
        for half in &mut self.halves {
            if half.skipped.0 != 0 {
                let (gaps, bytes) = std::mem::take(&mut half.skipped);
                counters.add(Counter::TcpGaps, gaps);
                counters.add(Counter::TcpGapBytes, bytes);
            }
        }
    }

    #[inline]
    pub(super) fn peer(&mut self, dir: Direction) -> &mut Peer {
        let [client, server] = &mut self.peers;
        if dir == Direction::ToServer { client } else { server }
    }

    /// Everything that can keep a segment out: state, reset, SYN, numbers, timestamps. Returns
    /// whether the segment is part of the session.
    fn accept(&mut self, segment: &mut Segment<'_, '_>) -> bool {
        if !self.start(segment) {
            return false;
        }
        if segment.has(TcpHeader::URG) {
            segment.counters.bump(Counter::TcpUrgent);
        }
        if segment.tcp.flags == 0 && !segment.payload.is_empty() && self.established {
            (segment.events)(event::DATA_WITHOUT_FLAGS);
        }
        if self.reset {
            self.after_reset(segment);
            return false;
        }
        if segment.has(TcpHeader::RST) {
            self.on_reset(segment);
            return false;
        }
        if segment.has(TcpHeader::SYN) {
            return self.on_syn(segment);
        }
        let half = self.half_mut(segment.dir);
        half.origin.get_or_insert(segment.tcp.seq);
        let mut offset = half.offset(segment.tcp.seq).unwrap_or(0);
        if is_far(half, offset) {
            let apart = half.far.map(|far| far.wrapping_sub(segment.tcp.seq).cast_signed().unsigned_abs());
            if apart.is_none_or(|apart| apart > MAX_DISAGREEMENT) {
                segment.counters.bump(Counter::TcpImplausible);
                segment.ignore(IgnoredData::Implausible);
                return false;
            }
            half.jump(segment.tcp.seq);
            offset = half.offset(segment.tcp.seq).unwrap_or(0);
        }
        self.check_timestamp(segment, offset)
    }

    /// Notes the first segment. Returns false if the session may not be followed.
    fn start(&mut self, segment: &mut Segment<'_, '_>) -> bool {
        if self.midstream {
            if !self.started && segment.config.midstream {
                segment.counters.bump(Counter::TcpMidstream);
            }
            if !segment.config.midstream {
                if !self.started {
                    (segment.events)(event::NO_HANDSHAKE);
                }
                segment.counters.bump(Counter::TcpMidstreamRefused);
                segment.ignore(IgnoredData::Midstream);
                self.started = true;
                return false;
            }
        }
        self.started = true;
        true
    }

    /// PAWS (RFC 7323 §5): a receiver drops segments that are older than what it has.
    fn check_timestamp(&mut self, segment: &mut Segment<'_, '_>, offset: i64) -> bool {
        if !self.peers.iter().all(|peer| peer.timestamps) {
            return true;
        }
        let Some(value) = options::timestamp(segment.tcp.options) else {
            if !segment.payload.is_empty() {
                (segment.events)(event::NO_TIMESTAMP);
            }
            return true;
        };
        let acked = i64::try_from(self.half(segment.dir).acked).unwrap_or(i64::MAX);
        let now = segment.meta.time;
        let peer = self.peer(segment.dir);
        if let Some((recent, since)) = peer.recent {
            let old = value.wrapping_sub(recent).cast_signed() < 0;
            // What the receiver has acknowledged it took, whatever the timestamp.
            if old && offset >= acked && now.nanos_since(since) < PAWS_IDLE_NANOS {
                // Of acknowledgements alone the newer one was seen already: only their order differs.
                if !segment.payload.is_empty() {
                    (segment.events)(event::BAD_TIMESTAMP);
                }
                segment.counters.bump(Counter::TcpPaws);
                segment.ignore(IgnoredData::Paws);
                return false;
            }
        }
        if offset <= acked {
            peer.recent = Some((value, now));
        }
        true
    }

    /// Moves the window of the other direction.
    #[inline]
    fn acknowledge(&mut self, segment: &mut Segment<'_, '_>) {
        if !segment.has(TcpHeader::ACK) {
            return;
        }
        let other = segment.dir.reverse();
        let shift = self.window_shift(segment);
        let half = self.half_mut(other);
        if half.origin.is_none() {
            half.origin = Some(segment.tcp.ack);
        }
        let offset = half.offset(segment.tcp.ack).unwrap_or(0);
        if is_far(half, offset) {
            half.far = Some(segment.tcp.ack);
            segment.counters.bump(Counter::TcpImplausible);
            return;
        }
        let Ok(offset) = u64::try_from(offset) else { return };
        let open = half.ended.is_none();
        let to = end_by_fin(half, offset, segment.events);
        let moved = half.acknowledge(to);
        half.exact = true;
        if open && half.ended.is_some() {
            report_end(segment, other);
        }
        if let Some(shift) = shift {
            let edge = offset.saturating_add(u64::from(segment.tcp.window) << shift);
            half.edge = Some(half.edge.map_or(edge, |known| known.max(edge)));
        }
        if let Some(progressed) = segment.outcome.progressed.get_mut(other.index()) {
            *progressed |= moved;
        }
        self.peer(other).syn_acked = true;
        self.peer(segment.dir).zero_window = segment.tcp.window == 0;
        let scaled = u64::from(segment.tcp.window) << shift.unwrap_or(0);
        if segment.config.max_window != 0 && scaled > u64::from(segment.config.max_window) {
            (segment.events)(event::WINDOW_TOO_LARGE);
        }
    }

    /// How far the window field is to be shifted, if that is known. In a SYN it isn't scaled.
    #[inline]
    fn window_shift(&self, segment: &Segment<'_, '_>) -> Option<u8> {
        if segment.has(TcpHeader::SYN) {
            return Some(0);
        }
        let [client, server] = &self.peers;
        client.syn.and(server.syn)?;
        let (Some(client), Some(server)) = (client.scale, server.scale) else { return Some(0) };
        Some(if segment.dir == Direction::ToServer { client } else { server })
    }

    #[inline]
    fn take_data(&mut self, segment: &mut Segment<'_, '_>) {
        if segment.payload.is_empty() {
            return;
        }
        let syn = segment.has(TcpHeader::SYN);
        self.count_small(segment);
        let zero_window = self.peer(segment.dir.reverse()).zero_window;
        let half = self.half_mut(segment.dir);
        let Some(offset) = data_offset(half, segment) else { return };
        let (at, payload) = match u64::try_from(offset) {
            Ok(at) => (at, segment.payload),
            // Before the origin: what lies behind it is new.
            Err(_) => match usize::try_from(offset.unsigned_abs()).ok().and_then(|n| segment.payload.get(n..)) {
                Some(rest) if !rest.is_empty() => (0, rest),
                _ => {
                    segment.outcome.data = DataOutcome::Retransmission;
                    segment.counters.bump(Counter::TcpRetransmissions);
                    return;
                }
            },
        };
        if half.ended.is_some() && half.fin.is_some_and(|fin| at >= fin) {
            (segment.events)(event::DATA_ON_CLOSED);
            segment.counters.bump(Counter::TcpDataAfterEnd);
            segment.ignore(IgnoredData::AfterEnd);
            return;
        }
        if zero_window && payload.len() > 1 && half.edge.is_some_and(|edge| at >= edge) {
            (segment.events)(event::WINDOW_CLOSED);
        }
        let end = half.end();
        put(half, at, payload, syn, segment);
        if segment.config.no_ack {
            let end = half.end();
            half.acknowledge(end);
        }
        let progressed = half.acked > end;
        let overlaps = half.overlaps;
        if let Some(slot) = segment.outcome.progressed.get_mut(segment.dir.index()) {
            *slot |= progressed;
        }
        if segment.outcome.data == DataOutcome::Retransmission {
            segment.counters.bump(Counter::TcpRetransmissions);
            return;
        }
        if syn {
            (segment.events)(event::DATA_ON_SYN);
        }
        if segment.config.overlap_limit != 0 && overlaps > segment.config.overlap_limit {
            (segment.events)(event::OVERLAP_LIMIT);
        }
    }

    /// Runs of small segments (129:12).
    fn count_small(&mut self, segment: &mut Segment<'_, '_>) {
        let limit = segment.config.small_segment_count;
        if limit == 0 {
            return;
        }
        let peer = self.peer(segment.dir);
        let small = segment.payload.len() <= segment.config.small_segment_size;
        peer.small_segments = if small { peer.small_segments.saturating_add(1) } else { 0 };
        if peer.small_segments > limit {
            peer.small_segments = 0;
            (segment.events)(event::SMALL_SEGMENTS);
        }
    }

    /// Notes where a FIN says that the data ends.
    #[inline]
    fn take_fin(&mut self, segment: &mut Segment<'_, '_>) {
        if !segment.has(TcpHeader::FIN) || segment.has(TcpHeader::SYN) {
            return;
        }
        let half = self.half_mut(segment.dir);
        let offset = half.offset(segment.tcp.seq).unwrap_or(0);
        let end = offset.saturating_add(i64::try_from(segment.payload.len()).unwrap_or(i64::MAX));
        let Ok(end) = u64::try_from(end) else { return };
        // The receiver has acknowledged data behind it: an old one, of a retransmission cut short.
        if half.ended.is_some() || end.saturating_add(1) < half.acked {
            return;
        }
        match half.fin {
            Some(known) if end > known => {
                (segment.events)(event::BAD_FIN);
                if half.highest > known {
                    half.fin = Some(end);
                }
            }
            // The first one lay too far ahead to be true.
            Some(known) if end < known && half.highest <= end => half.fin = Some(end),
            Some(_) => {}
            None => half.fin = Some(end),
        }
        // The acknowledgement may have come first, or there is none to wait for.
        let acked = half.acked == half.fin.map_or(0, |fin| fin.saturating_add(1));
        let arrived = segment.config.no_ack && half.fin == Some(half.end());
        if acked || arrived {
            half.acked = half.fin.unwrap_or(half.acked);
            half.ended = Some(FlowEnd::Fin);
            report_end(segment, segment.dir);
        }
    }

    #[inline]
    fn check_established(&mut self, segment: &Segment<'_, '_>) {
        if self.established || segment.has(TcpHeader::SYN) || !segment.has(TcpHeader::ACK) {
            return;
        }
        let other = segment.dir.reverse();
        let answered = self.peer(other).seen;
        let acked = self.peers.iter().all(|peer| peer.syn.is_none() || peer.syn_acked);
        self.established = answered && acked;
    }

    /// Where the receiver was never seen, enough queued data counts as acknowledged.
    #[inline]
    fn assume_acknowledged(&mut self, segment: &mut Segment<'_, '_>) {
        if self.peer(segment.dir.reverse()).seen {
            return;
        }
        let half = self.half_mut(segment.dir);
        let waiting = half.queued_bytes().saturating_sub(half.ready_len());
        if waiting >= segment.config.one_sided_flush_bytes && half.assume_acknowledged() {
            segment.counters.bump(Counter::TcpAssumedAcknowledged);
            if let Some(progressed) = segment.outcome.progressed.get_mut(segment.dir.index()) {
                *progressed = true;
            }
        }
    }
}

/// Not near what is expected, so of another connection, or far ahead after a loss in capture.
#[inline]
fn is_far(half: &Half, offset: i64) -> bool {
    offset.abs_diff(i64::try_from(half.expected()).unwrap_or(i64::MAX)) > MAX_WINDOW
}

/// The offset of the payload; a midstream direction may turn out to start earlier.
fn data_offset(half: &mut Half, segment: &Segment<'_, '_>) -> Option<i64> {
    let syn = u32::from(segment.has(TcpHeader::SYN));
    let offset = half.offset(segment.tcp.seq.wrapping_add(syn))?;
    let Some(by) = u32::try_from(-offset).ok().filter(|by| (1..=MAX_REBASE).contains(by)) else {
        return Some(offset);
    };
    let free = !half.exact && !half.discard && half.acked == 0 && half.start == 0;
    if free && half.rebased < MAX_REBASES {
        half.rebase(by);
        return Some(0);
    }
    Some(offset)
}

/// Puts a payload in; what lies beyond the receiver's window apart, as doubtful.
#[inline]
fn put(half: &mut Half, at: u64, payload: &[u8], syn: bool, segment: &mut Segment<'_, '_>) {
    let edge = half.edge.unwrap_or(u64::MAX);
    let inside = usize::try_from(edge.saturating_sub(at)).unwrap_or(usize::MAX);
    let Some((within, beyond)) = payload.split_at_checked(inside) else {
        insert(half, at, payload, syn, segment);
        return;
    };
    if !within.is_empty() {
        insert(half, at, within, syn, segment);
    }
    if !beyond.is_empty() {
        segment.counters.bump(Counter::TcpBeyondWindow);
        let first = segment.outcome.data;
        insert(half, at.saturating_add(inside as u64), beyond, true, segment);
        if first == DataOutcome::Queued {
            segment.outcome.data = first;
        }
    }
}

#[inline]
fn insert(half: &mut Half, at: u64, payload: &[u8], doubtful: bool, segment: &mut Segment<'_, '_>) {
    let arrival = Arrival { meta: segment.meta, doubtful };
    let inserted = half.insert(at, payload, arrival, segment.config, segment.counters);
    segment.outcome.data = inserted.data;
    if inserted.bytes_full {
        (segment.events)(event::QUEUE_BYTES);
    }
    if inserted.segments_full {
        (segment.events)(event::QUEUE_SEGMENTS);
    }
}

/// What an acknowledgement up to `offset` says about data: the place of a FIN is no data.
#[inline]
fn end_by_fin(half: &mut Half, offset: u64, events: &mut dyn FnMut(u32)) -> u64 {
    let Some(fin) = half.fin else { return offset };
    if offset <= fin {
        return offset;
    }
    if offset > fin.saturating_add(1) {
        // In a direction whose start is a guess that may be a FIN from before it.
        if half.exact {
            events(event::BAD_ACK);
        }
        if half.ended.is_none() {
            // The data went on and was acknowledged: the receiver never took that FIN.
            half.fin = None;
            return offset;
        }
    }
    half.ended.get_or_insert(FlowEnd::Fin);
    fin
}

fn report_end(segment: &mut Segment<'_, '_>, dir: Direction) {
    if let Some(ended) = segment.outcome.ended.get_mut(dir.index()) {
        *ended = Some(FlowEnd::Fin);
    }
    if let Some(progressed) = segment.outcome.progressed.get_mut(dir.index()) {
        *progressed = true;
    }
}

/// A timestamp says nothing after so long a silence (RFC 7323 §5.5): 24 days.
const PAWS_IDLE_NANOS: i64 = 24 * 86_400 * 1_000_000_000;
