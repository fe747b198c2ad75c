//! MMS (ISO 9506, of IEC 61850) over TPKT and COTP: services and `mms_data`.
//!
//! *How it fits*: found by content (TCP port 102 is shared with S7comm-plus and others). A TPKT packet
//! is one PDU; facts and buffer are those of the first MMS PDU of the message that it ends. Each
//! further MMS PDU of the message is a unit of its own bytes, that continues the flush. Bytes that are
//! no TPKT packet: the direction goes on as a plain stream.
//!
//! *Limits*: of a message in several COTP data units the first 64 KiB are looked at
//! (`cotp_messages_cut_short`), of a message the first 32 MMS PDUs.
//!
//! *Spec*: ISO 9506-2 §7; the layers: see `layers.rs`; Snort 3 manual, `mms_data`, `mms_func`.

mod ber;
mod layers;

use super::{ProtocolDef, TransportKind};
use crate::tpkt::{Cut, Messages, cut};
use crate::{
    BufferId, BufferKey, DetachReason, End, InspectCx, Inspector, MmsFacts, Pdu, PduView, Selector, Service, Step,
};
use bumpalo::Bump;
use tapir_flow::Direction;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Mms,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(MmsInspector::default()),
    events: &[],
};

#[derive(Debug, Default)]
struct MmsInspector {
    messages: Messages,
}

impl Inspector for MmsInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let packet = match cut(bytes) {
            Cut::Packet(packet) => packet,
            Cut::NeedMore(at_least) => return Step::NeedMore { at_least },
            Cut::NotTpkt | Cut::TooShort => return Step::Detach(DetachReason::NotOurs),
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

/// A packet and the message that it ends.
fn emit(packet: &[u8], message: &[u8], cx: &mut InspectCx<'_>) {
    let found = layers::pdus(message);
    let Some((first, further)) = found.split_first() else {
        cx.sink.pdu(&Pdu::plain(packet));
        return;
    };
    cx.sink.pdu(&Pdu { view: &MmsView(first), ..Pdu::plain(packet) });
    for pdu in further {
        // differs: Snort cuts the stream behind each MMS PDU. Here the packet stays one PDU, and the
        // bytes of the further ones are evaluated again.
        let view = MmsView(pdu);
        cx.sink.pdu(&Pdu { view: &view, starts_message: false, continues_flush: true, ..Pdu::plain(pdu) });
    }
}

/// An MMS PDU.
struct MmsView<'m>(&'m [u8]);

impl PduView for MmsView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        if id == BufferId::MmsData { Some(self.0) } else { None }
    }

    fn mms(&self) -> Option<MmsFacts> {
        layers::service(self.0).map(|service| MmsFacts { service })
    }
}

/// Arbitrary packets.
#[doc(hidden)]
pub fn fuzz_mms(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(MmsInspector::default()));
}

#[cfg(test)]
mod tests;
