//! SIP over UDP and TCP: `sip_header`, `sip_body`, method and status.
//!
//! *How it fits*: service `sip`. A datagram is one PDU; over TCP a message is one PDU, cut by its
//! empty line and `Content-Length`. `sip_header` runs from the start line to the empty line,
//! inclusive; a message whose start line is not SIP's has neither buffers nor facts.
//!
//! *Limits*: [`MAX_MESSAGE`] bytes of a message are waited for, headers included; what is longer is
//! passed on in pieces (`sip_messages_oversized`).
//!
//! *Spec*: RFC 3261 §7, §18.3 (framing), §20.14 (Content-Length); Snort 3 manual `sip_method`,
//! `sip_stat_code` (no method on a response: measured).

mod message;

use super::{ProtocolDef, TransportKind};
use crate::pieces::Pieces;
use crate::{BufferId, BufferKey, End, InspectCx, Inspector, Pdu, PduView, Selector, Service, SipFacts, Step};
use bumpalo::Bump;
use message::{Message, content_length, header_end};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Sip,
    transports: &[TransportKind::Udp, TransportKind::Tcp],
    new: |_, _| Box::new(SipInspector::default()),
    events: &[],
};

/// Bytes of a message that are waited for.
const MAX_MESSAGE: usize = 64 << 10;

#[derive(Debug, Default)]
struct SipInspector {
    sides: [Side; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// Bytes searched for the end of the header.
    scanned: usize,
    /// Length of the message, once known.
    total: Option<usize>,
    pieces: Pieces,
}

impl Side {
    /// The length of the message at the start of `bytes`.
    fn message_len(&mut self, bytes: &[u8]) -> Result<usize, Step> {
        if let Some(total) = self.total {
            return Ok(total);
        }
        let window = bytes.get(..MAX_MESSAGE).unwrap_or(bytes);
        match header_end(window, self.scanned) {
            Some(end) => {
                let body = content_length(bytes.get(..end).unwrap_or(bytes)).unwrap_or(0);
                let total = end.saturating_add(body);
                self.total = Some(total);
                Ok(total)
            }
            // No end in sight: given out as if the message were endless.
            None if bytes.len() >= MAX_MESSAGE => Ok(MAX_MESSAGE.saturating_add(1)),
            None => {
                self.scanned = bytes.len();
                Err(Step::NeedMore { at_least: bytes.len().saturating_add(1) })
            }
        }
    }
}

impl SipInspector {
    fn side(&mut self, dir: Direction) -> &mut Side {
        let [to_server, to_client] = &mut self.sides;
        if dir == Direction::ToServer { to_server } else { to_client }
    }
}

impl Inspector for SipInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let side = self.side(dir);
        if side.pieces.active() {
            return match side.pieces.next(bytes, cx.limits.pdu_bytes) {
                Ok(piece) => {
                    cx.sink.pdu(&Pdu { starts_message: false, ..Pdu::plain(piece) });
                    Step::Consumed(piece.len())
                }
                Err(step) => step,
            };
        }
        let total = match side.message_len(bytes) {
            Ok(total) => total,
            Err(step) => return step,
        };
        let now = total.min(MAX_MESSAGE);
        let Some(raw) = bytes.get(..now) else { return Step::NeedMore { at_least: now } };
        let known = side.total.is_some();
        *side = Side::default();
        if total > now {
            cx.counters.bump(Counter::SipMessagesOversized);
            side.pieces = Pieces::new(if known { total.saturating_sub(now) } else { 0 });
        }
        emit(raw, cx);
        Step::Consumed(now)
    }

    fn on_end(&mut self, _dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            emit(tail, cx);
        }
    }

    fn on_datagram(&mut self, _dir: Direction, payload: &[u8], cx: &mut InspectCx<'_>) {
        emit(payload, cx);
    }

    fn footprint(&self) -> usize {
        0
    }
}

fn emit(raw: &[u8], cx: &mut InspectCx<'_>) {
    match Message::read(raw) {
        Some(message) => cx.sink.pdu(&Pdu { view: &SipView(message), ..Pdu::plain(raw) }),
        None => cx.sink.pdu(&Pdu::plain(raw)),
    }
}

struct SipView<'m>(Message<'m>);

impl PduView for SipView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        let bytes = match id {
            BufferId::SipHeader => self.0.header,
            BufferId::SipBody => self.0.body,
            _ => &[],
        };
        if bytes.is_empty() { None } else { Some(bytes) }
    }

    fn sip(&self) -> Option<SipFacts<'_>> {
        Some(SipFacts { method: self.0.method, status: self.0.status })
    }
}

/// Arbitrary messages over both transports.
#[doc(hidden)]
pub fn fuzz_sip(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(SipInspector::default()));
    crate::drive::fuzz_datagrams(data, &|| Box::new(SipInspector::default()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::drive::{Transcript, every_way, run_datagrams};
    use Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn check(script: &[(Direction, &[u8])]) -> Transcript {
        every_way(&|| Box::new(SipInspector::default()), &Limits::default(), script)
    }

    const INVITE: &[u8] = b"INVITE sip:b@b SIP/2.0\r\nCSeq: 1 INVITE\r\nl: 4\r\n\r\nbody";
    const RINGING: &[u8] = b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\nContent-Length:0\r\n\r\n";

    #[test]
    fn messages_over_tcp_are_cut_by_their_length() {
        let two = [INVITE, INVITE].concat();
        let seen = check(&[(ToServer, &two), (ToClient, RINGING)]);
        assert_eq!(seen.pdus.len(), 3);
        assert_eq!(seen.pdus[1].raw, INVITE);
        assert_eq!(seen.pdus[1].sip, Some((b"INVITE".to_vec(), None)));
        assert_eq!(seen.pdus[1].buffer(BufferId::SipBody), Some(&b"body"[..]));
        assert_eq!(seen.pdus[1].buffer(BufferId::SipHeader), Some(&INVITE[..INVITE.len() - 4]));
        assert_eq!(seen.pdus[2].sip, Some((vec![], Some(180))));
        assert_eq!(seen.pdus[2].buffer(BufferId::SipBody), None);
    }

    #[test]
    fn a_datagram_ends_its_message_whatever_it_announces() {
        let seen = run_datagrams(
            Box::new(SipInspector::default()),
            &[(ToServer, &INVITE[..INVITE.len() - 1]), (ToServer, b"junk")],
        );
        assert_eq!(seen.pdus[0].buffer(BufferId::SipBody), Some(&b"bod"[..]));
        assert!(seen.pdus[1].sip.is_none());
    }

    #[test]
    fn bytes_without_an_empty_line_are_given_out_at_the_end() {
        let seen = check(&[(ToServer, b"hello there\r\n")]);
        assert_eq!(seen.pdus[0].raw, b"hello there\r\n");
        assert!(seen.pdus[0].sip.is_none());
    }

    #[test]
    fn an_endless_header_and_a_huge_body_are_cut() {
        let endless = vec![b'x'; 70_000];
        let lens = |bytes: &[u8]| check(&[(ToServer, bytes)]).pdus.iter().map(|pdu| pdu.raw.len()).collect::<Vec<_>>();
        assert_eq!(lens(&endless), [65_536, 70_000 - 65_536]);
        let mut late = vec![b'x'; 65_534];
        late.extend(b"\n\r\n\n");
        assert_eq!(lens(&late), [65_536, 2]);
        let mut huge = b"INVITE sip:b@b SIP/2.0\r\nContent-Length: 80000\r\n\r\n".to_vec();
        let head = huge.len();
        huge.extend(vec![b'x'; 80_000]);
        huge.extend(INVITE);
        assert_eq!(lens(&huge), [65_536, (80_000 + head - 65_536).min(16_384), INVITE.len()].as_slice());
    }

    proptest! {
        #[test]
        fn fuzz_sip_holds(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz_sip(&data);
        }

        #[test]
        fn random_messages_are_cut_invariant(text in "(INVITE x SIP/2.0\r\n|SIP/2.0 200 OK\n|Content-Length: [0-9]{1,2}\r\n|l:3\n|\r\n|\n|[a-z ]{1,5}){0,20}") {
            check(&[(ToServer, text.as_bytes())]);
        }
    }
}
