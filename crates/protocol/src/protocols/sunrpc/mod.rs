//! ONC RPC ("sunrpc"): records over TCP, calls over UDP.
//!
//! *How it fits*: bound to TCP port 111, or found by content. A record is one PDU that keeps its
//! 4-byte mark, since rules for RPC over TCP count their offsets from there. Of a record in several
//! fragments the payload is the fragments put together behind one mark; `raw_data` keeps the bytes
//! as sent.
//!
//! *Limits*: a record of more than [`MAX_RECORD`] bytes is passed on in pieces
//! (`sunrpc_records_oversized`).
//!
//! *Events*: 106:1 fragmented record, 106:5 fragment without data.
//!
//! *Spec*: RFC 5531 §11 (record marking).

use super::{ProtocolDef, TransportKind};
use crate::pieces::Pieces;
use crate::wire::{be32, size32};
use crate::{End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, Service, Step};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::SunRpc,
    transports: &[TransportKind::Tcp, TransportKind::Udp],
    new: |_, _| Box::new(SunRpcInspector::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: 106, sid: 1, meaning: "record in several fragments" },
    EventDef { gid: 106, sid: 5, meaning: "fragment without data" },
];

/// Bytes of a record, marks included, that are waited for.
const MAX_RECORD: usize = 64 << 10;
const MARK: usize = 4;
const LAST: u32 = 1 << 31;

#[derive(Debug, Default)]
struct SunRpcInspector {
    sides: [Side; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// Complete fragments at the start of the unconsumed bytes.
    fragments: usize,
    count: usize,
    pieces: Pieces,
}

impl SunRpcInspector {
    fn side(&mut self, dir: Direction) -> &mut Side {
        let [to_server, to_client] = &mut self.sides;
        if dir == Direction::ToServer { to_server } else { to_client }
    }
}

impl Side {
    /// Walks over complete fragments; `Ok` with the record's length once its last one is there.
    fn record(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Result<usize, Step> {
        loop {
            let Some(mark) = be32(bytes, self.fragments) else {
                return Err(Step::NeedMore { at_least: self.fragments.saturating_add(MARK) });
            };
            let len = size32(mark & !LAST);
            let end = self.fragments.saturating_add(MARK).saturating_add(len);
            if end > MAX_RECORD {
                return Ok(end);
            }
            if bytes.len() < end {
                return Err(Step::NeedMore { at_least: end });
            }
            if len == 0 {
                cx.sink.event(InspectorEvent { gid: 106, sid: 5 });
            }
            self.fragments = end;
            self.count = self.count.saturating_add(1);
            if mark & LAST != 0 {
                return Ok(end);
            }
        }
    }
}

impl Inspector for SunRpcInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let size = cx.limits.pdu_bytes;
        let side = self.side(dir);
        if !side.pieces.active() {
            match side.record(bytes, cx) {
                Err(step) => return step,
                Ok(len) if len <= MAX_RECORD => {
                    let count = std::mem::take(side).count;
                    emit(bytes.get(..len).unwrap_or(bytes), count, cx);
                    return Step::Consumed(len);
                }
                Ok(len) => {
                    cx.counters.bump(Counter::SunrpcRecordsOversized);
                    *side = Side { pieces: Pieces::new(len), ..Side::default() };
                }
            }
        }
        match side.pieces.next(bytes, size) {
            Ok(piece) => {
                cx.sink.pdu(&Pdu::plain(piece));
                Step::Consumed(piece.len())
            }
            Err(step) => step,
        }
    }

    fn on_end(&mut self, _dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            cx.sink.pdu(&Pdu::plain(tail));
        }
    }

    fn footprint(&self) -> usize {
        0
    }
}

/// One record, of `count` fragments.
fn emit(raw: &[u8], count: usize, cx: &mut InspectCx<'_>) {
    if count < 2 {
        cx.sink.pdu(&Pdu::plain(raw));
        return;
    }
    cx.sink.event(InspectorEvent { gid: 106, sid: 1 });
    let joined = join(raw);
    cx.sink.pdu(&Pdu { payload: &joined, ..Pdu::plain(raw) });
}

/// The fragments' data behind one mark.
fn join(raw: &[u8]) -> Vec<u8> {
    let mut joined = vec![0; MARK];
    let mut rest = raw;
    while let Some(mark) = be32(rest, 0) {
        let end = MARK.saturating_add(size32(mark & !LAST)).min(rest.len());
        joined.extend_from_slice(rest.get(MARK..end).unwrap_or(&[]));
        rest = rest.get(end..).unwrap_or(&[]);
    }
    let len = u32::try_from(joined.len().saturating_sub(MARK)).unwrap_or(0);
    for (slot, byte) in joined.iter_mut().zip((len | LAST).to_be_bytes()) {
        *slot = byte;
    }
    joined
}

/// Arbitrary records over both transports.
#[doc(hidden)]
pub fn fuzz_sunrpc(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(SunRpcInspector::default()));
    crate::drive::fuzz_datagrams(data, &|| Box::new(SunRpcInspector::default()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::drive::{Transcript, every_way};
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &[u8]) -> Transcript {
        every_way(&|| Box::new(SunRpcInspector::default()), &Limits::default(), &[(Direction::ToServer, bytes)])
    }

    #[test]
    fn a_record_keeps_its_mark() {
        let seen = check(b"\x80\0\0\x04abcd\x80\0\0\x02ef");
        let raw: Vec<_> = seen.pdus.iter().map(|pdu| pdu.payload.as_slice()).collect();
        assert_eq!(raw, [&b"\x80\0\0\x04abcd"[..], b"\x80\0\0\x02ef"]);
    }

    #[test]
    fn fragments_are_joined_behind_one_mark() {
        let bytes = b"\0\0\0\x02ab\0\0\0\0\x80\0\0\x02cd";
        let seen = check(bytes);
        assert_eq!(seen.pdus.len(), 1);
        assert_eq!(seen.pdus[0].raw, bytes);
        assert_eq!(seen.pdus[0].payload, b"\x80\0\0\x04abcd");
        assert_eq!(seen.events, [(106, 5), (106, 1)]);
    }

    #[test]
    fn a_record_that_never_completes_is_given_out_at_the_end() {
        let seen = check(b"    xid and so on");
        assert_eq!(seen.pdus.len(), 1);
        assert_eq!(seen.pdus[0].raw, b"    xid and so on");
    }

    #[test]
    fn an_oversized_record_comes_in_pieces() {
        let mut bytes = b"\x80\x01\0\0".to_vec();
        bytes.extend(vec![b'x'; 65_536]);
        bytes.extend(b"\x80\0\0\x02ef");
        let lens: Vec<_> = check(&bytes).pdus.iter().map(|pdu| pdu.raw.len()).collect();
        assert_eq!(lens, [16_384, 16_384, 16_384, 16_384, 4, 6]);
    }

    proptest! {
        #[test]
        fn fuzz_sunrpc_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz_sunrpc(&data);
        }

        #[test]
        fn random_records_are_cut_invariant(parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..30)), 0..10)) {
            let mut bytes = Vec::new();
            for (last, data) in parts {
                bytes.extend([if last { 0x80 } else { 0 }, 0, 0, data.len() as u8]);
                bytes.extend(data);
            }
            check(&bytes);
        }
    }
}
