//! S7comm-plus: messages over TPKT and COTP; opcode, function and `s7commplus_content`.
//!
//! *How it fits*: found by content (TCP port 102 is shared with MMS and others). A TPKT packet is one
//! PDU. Facts and buffer belong to the message, and so to the packet that ends it. Bytes that are no
//! TPKT packet: the direction goes on as a plain stream.
//!
//! *Limits*: of a message in several COTP data units the first 64 KiB are looked at
//! (`cotp_messages_cut_short`).
//!
//! *Events*: 149:1 length of a TPKT packet, 149:2 another protocol than S7comm-plus.
//!
//! *Spec*: no public one. Snort 3 manual, "S7CommPlus Inspector": protocol id 0x72, version and length;
//! opcode and function behind it, from version 3 on behind a digest of 33 bytes.

use super::{ProtocolDef, TransportKind};
use crate::tpkt::{Cut, Messages, cut};
use crate::wire::{be16, byte};
use crate::{
    BufferId, BufferKey, DetachReason, End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, PduView,
    S7commplusFacts, Selector, Service, Step,
};
use bumpalo::Bump;
use tapir_flow::Direction;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::S7commplus,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(S7commplusInspector::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: 149, sid: 1, meaning: "length of the TPKT packet too short" },
    EventDef { gid: 149, sid: 2, meaning: "protocol id is not S7comm-plus" },
];

const PROTOCOL: u8 = 0x72;
/// Protocol id, version, length.
const HEADER: usize = 4;
/// Length and digest between the header and the opcode, from version 3 on.
const INTEGRITY: usize = 33;

#[derive(Debug, Default)]
struct S7commplusInspector {
    messages: Messages,
}

impl Inspector for S7commplusInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let packet = match cut(bytes) {
            Cut::Packet(packet) => packet,
            Cut::NeedMore(at_least) => return Step::NeedMore { at_least },
            Cut::NotTpkt => return Step::Detach(DetachReason::NotOurs),
            Cut::TooShort => {
                event(1, cx);
                return Step::Detach(DetachReason::NotOurs);
            }
        };
        let message = self.messages.take(dir, packet, cx.counters);
        emit(packet, message, cx);
        Step::Consumed(packet.len())
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        self.messages.end(dir, tail, cx);
    }

    fn footprint(&self) -> usize {
        self.messages.footprint()
    }
}

fn event(sid: u32, cx: &mut InspectCx<'_>) {
    cx.sink.event(InspectorEvent { gid: 149, sid });
}

/// A packet and the message that it ends.
fn emit(packet: &[u8], message: &[u8], cx: &mut InspectCx<'_>) {
    match byte(message, 0) {
        Some(PROTOCOL) => {
            // As Snort: the header's length is counted from the start of the TPKT packet, so that the buffer
            // of a message in one packet begins with the COTP header.
            let content = packet.get(HEADER..).unwrap_or(&[]);
            let view = S7commplusView { facts: facts(message), content };
            cx.sink.pdu(&Pdu { view: &view, ..Pdu::plain(packet) });
        }
        other => {
            if other.is_some() {
                event(2, cx);
            }
            cx.sink.pdu(&Pdu::plain(packet));
        }
    }
}

/// What the message's header says; `None` if it is not there as a whole.
fn facts(message: &[u8]) -> Option<S7commplusFacts> {
    let at = if byte(message, 1)? <= 2 { HEADER } else { HEADER + INTEGRITY };
    let (opcode, function) = (byte(message, at)?, be16(message, at.saturating_add(3))?);
    Some(S7commplusFacts { opcode, function })
}

struct S7commplusView<'m> {
    facts: Option<S7commplusFacts>,
    content: &'m [u8],
}

impl PduView for S7commplusView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        if id == BufferId::S7commplusContent && !self.content.is_empty() { Some(self.content) } else { None }
    }

    fn s7commplus(&self) -> Option<S7commplusFacts> {
        self.facts
    }
}

/// Arbitrary packets.
#[doc(hidden)]
pub fn fuzz_s7commplus(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(S7commplusInspector::default()));
}

#[cfg(test)]
mod tests;
