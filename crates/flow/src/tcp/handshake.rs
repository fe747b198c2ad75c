//! Beginnings and abrupt ends: SYN, reset, and when a segment starts another connection.
//!
//! An observer that believes more than the ends do can be led away from the connection, so: a SYN on
//! an open connection only counts once the other side answers it, and a reset only where the
//! receiver would honour it (RFC 5961 for Linux).

use super::half::Half;
use super::session::{Segment, TcpSession, event};
use super::{FlowEnd, IgnoredData, OverlapPolicy, options};
use crate::Direction;
use tapir_packet::TcpHeader;
use tapir_telemetry::Counter;

/// Window assumed where none is known.
const UNKNOWN_WINDOW: u64 = 1 << 16;
/// Data of a closed connection that is this far off belongs to a new one, whose SYN was missed.
const OTHER_CONNECTION: u64 = 1 << 20;

impl TcpSession {
    /// Whether the segment belongs to a new connection between the same ends.
    #[inline]
    pub(super) fn is_new_connection(&self, segment: &Segment<'_, '_>) -> bool {
        if segment.has(TcpHeader::RST) {
            return false;
        }
        if segment.has(TcpHeader::SYN) {
            return self.restarts(segment);
        }
        let continues = segment.config.midstream && !segment.payload.is_empty();
        // Who goes on sending after a reset of its own never sent that: it was forged.
        continues && self.closed() && (self.both(segment.dir)[0].reset_sent || self.is_elsewhere(segment))
    }

    fn restarts(&self, segment: &Segment<'_, '_>) -> bool {
        let dir = segment.dir;
        let [mine, theirs] = self.both(dir);
        let known = mine.syn == Some(segment.tcp.seq);
        if segment.has(TcpHeader::ACK) {
            let answers = Some((dir.reverse(), segment.tcp.ack.wrapping_sub(1)));
            return !known && (self.closed() || self.pending_syn == answers);
        }
        let silence = segment.meta.time.nanos_since(self.last);
        let long_silence = silence > i64::from(segment.config.restart_after).saturating_mul(1_000_000_000);
        // The first SYN was never answered, so the second one is as good; or there was a stray packet.
        let unanswered = !known && !theirs.seen;
        let stray = !mine.seen && theirs.syn.is_none();
        let refused = self.midstream && !segment.config.midstream;
        self.closed() || long_silence || unanswered || stray || refused
    }

    fn is_elsewhere(&self, segment: &Segment<'_, '_>) -> bool {
        let half = self.half(segment.dir);
        let offset = half.offset(segment.tcp.seq).unwrap_or(0);
        let expected = i64::try_from(half.expected()).unwrap_or(i64::MAX);
        offset.abs_diff(expected) > OTHER_CONNECTION
    }

    /// Takes in a SYN. Returns whether the rest of the segment counts.
    pub(super) fn on_syn(&mut self, segment: &mut Segment<'_, '_>) -> bool {
        let dir = segment.dir;
        let ack = segment.has(TcpHeader::ACK);
        let seq = segment.tcp.seq;
        let first_byte = seq.wrapping_add(1);
        let [mine, theirs] = self.both(dir);
        let acked = mine.syn_acked;
        let both_open = mine.syn.is_none() && theirs.syn.is_some() && !theirs.answers;
        let half = self.half_mut(dir);
        let fresh = half.origin.is_none() || (half.is_pristine() && !acked);
        if half.origin != Some(first_byte) && !fresh {
            if !ack {
                self.pending_syn = Some((dir, seq));
                (segment.events)(event::SYN_ON_ESTABLISHED);
            }
            segment.counters.bump(Counter::TcpSynIgnored);
            segment.ignore(IgnoredData::Syn);
            return false;
        }
        half.origin = Some(first_byte);
        half.exact = true;
        if both_open && !ack && !self.established {
            (segment.events)(event::FOUR_WAY_HANDSHAKE);
        }
        if ack && !self.established {
            self.believe_syn_ack(segment);
        }
        if !self.established {
            let found = options::parse(segment.tcp.options);
            let peer = self.peer(dir);
            peer.syn = Some(seq);
            peer.answers = ack;
            peer.scale = found.scale;
            peer.timestamps = found.timestamp.is_some();
            peer.recent = found.timestamp.map(|value| (value, segment.meta.time));
        }
        true
    }

    /// The answer names the SYN that it answers; if that isn't the one we know, we missed it or were
    /// shown another that the server never got.
    fn believe_syn_ack(&mut self, segment: &Segment<'_, '_>) {
        let half = self.half_mut(segment.dir.reverse());
        let Some(offset) = half.offset(segment.tcp.ack) else { return };
        let plausible = u64::try_from(offset).is_ok_and(|offset| offset <= half.highest);
        if !plausible {
            *half = Half::starting_at(segment.tcp.ack, half.discard);
        }
    }

    /// Takes in a reset, if its receiver would.
    pub(super) fn on_reset(&mut self, segment: &mut Segment<'_, '_>) {
        if !segment.payload.is_empty() {
            (segment.events)(event::DATA_AFTER_RESET_RECEIVED);
            segment.counters.bump(Counter::TcpDataAfterEnd);
            segment.ignore(IgnoredData::AfterEnd);
        }
        let in_window = self.is_reset_in_window(segment);
        if !in_window {
            (segment.events)(event::BAD_RESET);
        }
        if !in_window || !self.is_reset_exact(segment) {
            segment.counters.bump(Counter::TcpResetsIgnored);
            return;
        }
        segment.counters.bump(Counter::TcpResets);
        self.reset = true;
        self.peer(segment.dir).reset_sent = true;
        for dir in [Direction::ToServer, Direction::ToClient] {
            let half = self.half_mut(dir);
            if half.ended.is_none() {
                half.ended = Some(FlowEnd::Reset);
                if let Some(ended) = segment.outcome.ended.get_mut(dir.index()) {
                    *ended = Some(FlowEnd::Reset);
                }
            }
        }
    }

    /// Data of a session that was reset: what was under way to the side that sent the reset.
    pub(super) fn after_reset(&mut self, segment: &mut Segment<'_, '_>) {
        if segment.payload.is_empty() {
            return;
        }
        if self.peer(segment.dir).reset_sent {
            (segment.events)(event::DATA_AFTER_RESET_SENT);
        }
        segment.counters.bump(Counter::TcpDataAfterEnd);
        segment.ignore(IgnoredData::AfterEnd);
    }

    fn is_reset_in_window(&self, segment: &Segment<'_, '_>) -> bool {
        let half = self.half(segment.dir);
        let Some(offset) = half.offset(segment.tcp.seq) else {
            // The answer to a first segment: it must acknowledge something that was sent.
            let other = self.half(segment.dir.reverse());
            let Some(acked) = other.offset(segment.tcp.ack) else { return true };
            return segment.has(TcpHeader::ACK)
                && u64::try_from(acked).is_ok_and(|acked| acked <= other.expected().saturating_add(1));
        };
        let edge = half.edge.unwrap_or(half.expected().saturating_add(UNKNOWN_WINDOW));
        let upper = edge.max(half.expected().saturating_add(1));
        // A FIN takes a number, too.
        let lower = half.acked.saturating_add(u64::from(half.ended.is_some()));
        u64::try_from(offset).is_ok_and(|offset| (lower..=upper).contains(&offset))
    }

    /// Linux answers a reset in the window with a challenge, unless it is exactly what it expects:
    /// something between what we saw acknowledged and the furthest byte that we saw.
    fn is_reset_exact(&self, segment: &Segment<'_, '_>) -> bool {
        if segment.config.policy != OverlapPolicy::Linux {
            return true;
        }
        let half = self.half(segment.dir);
        let Some(offset) = half.offset(segment.tcp.seq) else { return true };
        let furthest = half.expected().saturating_add(u64::from(half.fin.is_some()));
        u64::try_from(offset).is_ok_and(|offset| offset <= furthest)
    }

    /// The side of `dir` and the other one.
    fn both(&self, dir: Direction) -> [super::session::Peer; 2] {
        let [client, server] = self.peers;
        if dir == Direction::ToServer { [client, server] } else { [server, client] }
    }
}
