//! EtherNet/IP and CIP: encapsulated messages; command, service, path and status.
//!
//! *How it fits*: bound to TCP port 44818 and UDP ports 2222 and 44818. Over TCP a message with its
//! 24-byte header is one PDU; a datagram is one PDU. Facts are those of the request itself: of an
//! Unconnected Send the request inside of it, of a Multiple Service Packet the packet, not what it
//! packs (as Snort matches them).
//!
//! *Limits*: a message longer than `Limits::pdu_bytes` is passed on in pieces, and facts are what its
//! first piece shows (`cip_messages_oversized`). Sessions and connections are not followed.
//!
//! *Events*: 148:1 malformed, 148:2 non-conforming (without what takes a memory of sessions and
//! connections). 148:3 and 148:4 are limits of such a memory.
//!
//! differs: a datagram that is no encapsulated message (I/O data of UDP port 2222 is items without a
//! header) has neither facts nor events; Snort takes its first words for a header.
//!
//! *Spec*: CIP Vol. 2 (EtherNet/IP) §2-3, §2-6; CIP Vol. 1.

mod message;
mod path;
#[cfg(test)]
mod tests;

use super::{ProtocolDef, TransportKind};
use crate::pieces::Pieces;
use crate::wire::{le16, size16};
use crate::{
    BufferId, BufferKey, CipFacts, End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, PduView, Service, Step,
};
use bumpalo::Bump;
use message::{HEADER, Message, read};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Cip,
    transports: &[TransportKind::Tcp, TransportKind::Udp],
    new: |_, _| Box::new(CipInspector::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: 148, sid: 1, meaning: "EtherNet/IP or CIP message is malformed" },
    EventDef { gid: 148, sid: 2, meaning: "EtherNet/IP or CIP message does not conform to the standard" },
];

/// A message says all; only the rest of an oversized one is remembered.
#[derive(Debug, Default)]
struct CipInspector {
    pieces: [Pieces; 2],
}

impl CipInspector {
    fn pieces(&mut self, dir: Direction) -> &mut Pieces {
        let [to_server, to_client] = &mut self.pieces;
        if dir == Direction::ToServer { to_server } else { to_client }
    }
}

impl Inspector for CipInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let pieces = self.pieces(dir);
        if pieces.active() {
            return match pieces.next(bytes, cx.limits.pdu_bytes) {
                Ok(piece) => {
                    cx.sink.pdu(&Pdu { starts_message: false, ..Pdu::plain(piece) });
                    Step::Consumed(piece.len())
                }
                Err(step) => step,
            };
        }
        let Some(length) = le16(bytes, 2) else { return Step::NeedMore { at_least: 4 } };
        let total = HEADER.saturating_add(size16(length));
        let now = total.min(cx.limits.pdu_bytes.max(HEADER));
        let Some(raw) = bytes.get(..now) else { return Step::NeedMore { at_least: now } };
        let mut message = read(raw, Some(dir == Direction::ToServer));
        if total > now {
            cx.counters.bump(Counter::CipMessagesOversized);
            *pieces = Pieces::new(total.saturating_sub(now));
            // What is not there yet is no mistake.
            if let Some(message) = &mut message {
                message.malformed = false;
            }
        }
        emit(raw, message, cx);
        Step::Consumed(now)
    }

    fn on_end(&mut self, _dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            cx.sink.pdu(&Pdu::plain(tail));
        }
    }

    fn on_datagram(&mut self, _dir: Direction, payload: &[u8], cx: &mut InspectCx<'_>) {
        let total = le16(payload, 2).map(|length| HEADER.saturating_add(size16(length)));
        let mut message = total.filter(|&total| total <= payload.len()).and_then(|_| read(payload, None));
        if let Some(message) = &mut message {
            message.odd |= total != Some(payload.len());
        }
        emit(payload, message, cx);
    }

    fn footprint(&self) -> usize {
        0
    }
}

fn emit(raw: &[u8], message: Option<Message>, cx: &mut InspectCx<'_>) {
    let Some(message) = message else {
        cx.sink.pdu(&Pdu::plain(raw));
        return;
    };
    // One event a message, the graver one.
    if message.malformed {
        cx.sink.event(InspectorEvent { gid: 148, sid: 1 });
    } else if message.odd {
        cx.sink.event(InspectorEvent { gid: 148, sid: 2 });
    }
    cx.sink.pdu(&Pdu { view: &CipView(message.facts), ..Pdu::plain(raw) });
}

struct CipView(CipFacts);

impl PduView for CipView {
    fn buffer<'a>(&'a self, _key: &BufferKey, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }

    fn searchable<'a>(&'a self, _id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }

    fn cip(&self) -> Option<CipFacts> {
        Some(self.0)
    }
}

/// Arbitrary messages over both transports.
#[doc(hidden)]
pub fn fuzz_cip(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(CipInspector::default()));
    crate::drive::fuzz_datagrams(data, &|| Box::new(CipInspector::default()));
}
