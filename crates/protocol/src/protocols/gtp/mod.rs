//! GTP control messages of versions 0, 1 and 2: version, message type and information elements.
//!
//! *How it fits*: bound to UDP ports 2123, 2152 and 3386. A datagram is one PDU, whatever it holds; user
//! data (message type 255) that is a packet was decoded as a tunnel before and is not seen here. An
//! element is the buffer of `gtp_info`: with its type and length fields, like in Snort.
//!
//! *Limits*: one place for each of 256 types (see `message.rs`); of piggybacked messages the first one is
//! read; GTP' has facts but no elements. Messages with lengths that contradict each other are counted
//! (`gtp_lengths_invalid`).
//!
//! *Events*: 143:1 message length, 143:2 element length, 143:3 order of elements (versions 0 and 1),
//! 143:4 no tunnel endpoint identifier (version 2).
//!
//! *Spec*: 3GPP TS 09.60, TS 29.060, TS 29.274; Snort 3 manual, `gtp_inspect`.

mod message;
#[cfg(test)]
mod tests;

use super::{ProtocolDef, TransportKind};
use crate::{
    BufferId, BufferKey, DetachReason, EventDef, GtpFacts, InspectCx, Inspector, InspectorEvent, Pdu, PduView,
    Selector, Service, Step,
};
use bumpalo::Bump;
use message::{Message, sid};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Gtp,
    transports: &[TransportKind::Udp],
    new: |_, _| Box::new(GtpInspector),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: 143, sid: sid::MESSAGE_LENGTH, meaning: "message length does not fit" },
    EventDef { gid: 143, sid: sid::ELEMENT_LENGTH, meaning: "length of an information element does not fit" },
    EventDef { gid: 143, sid: sid::ORDER, meaning: "information elements out of order" },
    EventDef { gid: 143, sid: sid::NO_TEID, meaning: "no tunnel endpoint identifier" },
];

/// Stateless: a datagram says all.
#[derive(Debug)]
struct GtpInspector;

impl Inspector for GtpInspector {
    /// It has no stream form.
    fn on_bytes(&mut self, _dir: Direction, _bytes: &[u8], _cx: &mut InspectCx<'_>) -> Step {
        Step::Detach(DetachReason::NotOurs)
    }

    fn on_datagram(&mut self, _dir: Direction, payload: &[u8], cx: &mut InspectCx<'_>) {
        let mut broken = false;
        let message = Message::parse(payload, &mut |sid| {
            broken |= matches!(sid, sid::MESSAGE_LENGTH | sid::ELEMENT_LENGTH);
            cx.sink.event(InspectorEvent { gid: 143, sid });
        });
        if broken {
            cx.counters.bump(Counter::GtpLengthsInvalid);
        }
        match message {
            Some(message) => cx.sink.pdu(&Pdu { view: &GtpView { message }, ..Pdu::plain(payload) }),
            None => cx.sink.pdu(&Pdu::plain(payload)),
        }
    }

    fn footprint(&self) -> usize {
        0
    }
}

struct GtpView<'m> {
    message: Message<'m>,
}

impl PduView for GtpView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, _arena: &'a Bump) -> Option<&'a [u8]> {
        match (key.id, &key.selector) {
            (BufferId::GtpInfo, Selector::Element(kinds)) if !key.request => {
                let kind = (*kinds.get(usize::from(self.message.facts.version))?)?;
                self.message.element(kind)
            }
            _ => None,
        }
    }

    fn searchable<'a>(&'a self, _id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }

    fn gtp(&self) -> Option<GtpFacts> {
        Some(self.message.facts)
    }
}

/// Arbitrary datagrams.
#[doc(hidden)]
pub fn fuzz_gtp(data: &[u8]) {
    crate::drive::fuzz_datagrams(data, &|| Box::new(GtpInspector));
    // Also alone, whatever its length: conversations come in short pieces.
    if let Some(message) = Message::parse(data, &mut |_| {}) {
        for kind in 0..=u8::MAX {
            let element = message.element(kind);
            assert!(element.is_none_or(|element| element.first() == Some(&kind)), "an element begins with its type");
        }
    }
}
