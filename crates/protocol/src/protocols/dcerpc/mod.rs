//! DCE/RPC by itself: connection-oriented over TCP, connectionless over UDP.
//!
//! *How it fits*: service `dcerpc`. Over TCP each fragment is a PDU with the facts of its call; a
//! call in several fragments is one more PDU ([`PduKind::DceDefrag`]) once it is complete. Over UDP
//! each datagram is one PDU.
//!
//! differs: connectionless fragments are not put together, since a datagram gives exactly one PDU;
//! Snort 3 matches `dce_iface` without `any_frag` only on a first fragment there, too (measured).
//!
//! *Limits*: see [`crate::dce`].
//!
//! *Spec*: C706 §12.5 (connectionless), §12.6 (connection-oriented).

use super::{ProtocolDef, TransportKind};
use crate::dce::{Connection, DceView, fragment_len, uuid};
use crate::wire::{byte, int16, int32, size16};
use crate::{DceFacts, DetachReason, End, InspectCx, Inspector, Pdu, PduKind, Service, Step};
use tapir_flow::Direction;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Dcerpc,
    transports: &[TransportKind::Tcp, TransportKind::Udp],
    new: |_, _| Box::new(DcerpcInspector::default()),
    events: &[],
};

#[derive(Debug, Default)]
struct DcerpcInspector {
    connection: Connection,
}

/// Length of a connectionless header.
const DATAGRAM_HEADER: usize = 80;
const REQUEST: u8 = 0;

impl Inspector for DcerpcInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let len = match fragment_len(bytes) {
            Ok(len) => len,
            Err(Some(at_least)) => return Step::NeedMore { at_least },
            Err(None) => return Step::Detach(DetachReason::NotOurs),
        };
        match bytes.get(..len) {
            Some(fragment) => {
                self.emit(dir, fragment, cx);
                Step::Consumed(len)
            }
            None => Step::NeedMore { at_least: len },
        }
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            self.emit(dir, tail, cx);
        }
    }

    fn on_datagram(&mut self, dir: Direction, payload: &[u8], cx: &mut InspectCx<'_>) {
        let view = match dir {
            Direction::ToServer => datagram(payload).unwrap_or_default(),
            Direction::ToClient => DceView::default(),
        };
        cx.sink.pdu(&Pdu { view: &view, ..Pdu::plain(payload) });
    }

    fn footprint(&self) -> usize {
        self.connection.footprint()
    }
}

impl DcerpcInspector {
    fn emit(&mut self, dir: Direction, fragment: &[u8], cx: &mut InspectCx<'_>) {
        let heard = self.connection.fragment(dir, fragment, cx.counters);
        let view = DceView { facts: heard.facts, stub: fragment.get(heard.stub), file: None };
        cx.sink.pdu(&Pdu { view: &view, ..Pdu::plain(fragment) });
        if let Some(whole) = heard.whole {
            let view = DceView { facts: Some(whole.facts), stub: Some(whole.stub()), file: None };
            cx.sink.pdu(&Pdu { view: &view, kind: PduKind::DceDefrag, ..Pdu::plain(&whole.bytes) });
        }
    }
}

/// Facts of a connectionless request.
fn datagram(payload: &[u8]) -> Option<DceView<'_>> {
    if byte(payload, 0)? != 4 || byte(payload, 1)? != REQUEST {
        return None;
    }
    let little = byte(payload, 4)? & 0x10 != 0;
    let fragmented = byte(payload, 2)? & 4 != 0;
    let number = int16(payload, 76, little)?;
    let body = payload.get(DATAGRAM_HEADER..)?;
    let facts = DceFacts {
        iface: Some(uuid(payload, 24, little)?),
        iface_version: int32(payload, 60, little)?,
        opnum: Some(int16(payload, 68, little)?),
        // Snort asks for the fragment flag even of the first of several (measured).
        first_fragment: fragmented && number == 0,
        little_endian: little,
    };
    let len = size16(int16(payload, 74, little)?);
    Some(DceView { facts: Some(facts), stub: Some(body.get(..len).unwrap_or(body)), file: None })
}

/// Arbitrary fragments over both transports.
#[doc(hidden)]
pub fn fuzz_dcerpc(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(DcerpcInspector::default()));
    crate::drive::fuzz_datagrams(data, &|| Box::new(DcerpcInspector::default()));
}

#[cfg(test)]
mod tests;
