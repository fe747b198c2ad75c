//! Modbus/TCP: messages behind their MBAP header; unit, function and `modbus_data`.
//!
//! *How it fits*: bound to TCP port 502, or found by content. A message with its header is one PDU;
//! `modbus_data` is what follows the function code. A message with another protocol identifier than
//! Modbus, or too short for a function code, has neither facts nor buffer.
//!
//! *Limits*: the length field is taken by its word (65,541 bytes of a message at most), since a device
//! that overflows is what a rule may look for; what the standard doesn't allow is counted
//! (`modbus_lengths_invalid`).
//!
//! *Events*: 144:1 length, 144:2 protocol identifier, 144:3 reserved function. The lengths that
//! functions prescribe are not checked.
//!
//! *Spec*: MODBUS Messaging on TCP/IP Implementation Guide V1.0b §3.1.3; MODBUS Application Protocol
//! V1.1b3 §5 and annex A (reserved functions).

use super::{ProtocolDef, TransportKind};
use crate::wire::{be16, byte, size16};
use crate::{
    BufferId, BufferKey, End, EventDef, InspectCx, Inspector, InspectorEvent, ModbusFacts, Pdu, PduView, Selector,
    Service, Step,
};
use bumpalo::Bump;
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Modbus,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(ModbusInspector),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: 144, sid: 1, meaning: "MBAP length does not fit the function" },
    EventDef { gid: 144, sid: 2, meaning: "protocol id is not Modbus" },
    EventDef { gid: 144, sid: 3, meaning: "reserved function" },
];

/// Transaction, protocol, length: what the length field doesn't count.
const UNCOUNTED: usize = 6;
/// Where data begins: behind unit and function.
const DATA: usize = 8;

/// Stateless: a message says all.
#[derive(Debug)]
struct ModbusInspector;

impl Inspector for ModbusInspector {
    fn on_bytes(&mut self, _dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let Some(length) = be16(bytes, 4) else { return Step::NeedMore { at_least: UNCOUNTED } };
        let total = UNCOUNTED.saturating_add(size16(length));
        let Some(raw) = bytes.get(..total) else { return Step::NeedMore { at_least: total } };
        if !(2..=254).contains(&length) {
            invalid_length(cx);
        }
        emit(raw, cx);
        Step::Consumed(total)
    }

    fn on_end(&mut self, _dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            invalid_length(cx);
            cx.sink.pdu(&Pdu::plain(tail));
        }
    }

    fn footprint(&self) -> usize {
        0
    }
}

fn invalid_length(cx: &mut InspectCx<'_>) {
    cx.counters.bump(Counter::ModbusLengthsInvalid);
    cx.sink.event(InspectorEvent { gid: 144, sid: 1 });
}

fn emit(raw: &[u8], cx: &mut InspectCx<'_>) {
    if be16(raw, 2) != Some(0) {
        cx.counters.bump(Counter::ModbusNotModbus);
        cx.sink.event(InspectorEvent { gid: 144, sid: 2 });
        cx.sink.pdu(&Pdu::plain(raw));
        return;
    }
    let (Some(unit), Some(function)) = (byte(raw, 6), byte(raw, 7)) else {
        cx.sink.pdu(&Pdu::plain(raw));
        return;
    };
    let data = raw.get(DATA..).unwrap_or(&[]);
    if reserved(function, data) {
        cx.sink.event(InspectorEvent { gid: 144, sid: 3 });
    }
    let view = ModbusView { facts: ModbusFacts { unit, function }, data };
    cx.sink.pdu(&Pdu { view: &view, ..Pdu::plain(raw) });
}

/// Functions, sub-functions of diagnostics and types of encapsulated interfaces for products of old.
fn reserved(function: u8, data: &[u8]) -> bool {
    match function {
        8 => be16(data, 0).is_some_and(|sub| sub == 19 || sub >= 21),
        43 => byte(data, 0).is_some_and(|mei| !matches!(mei, 13 | 14)),
        _ => matches!(function, 9 | 10 | 13 | 14 | 41 | 42 | 90 | 91 | 125 | 126 | 127),
    }
}

struct ModbusView<'m> {
    facts: ModbusFacts,
    data: &'m [u8],
}

impl PduView for ModbusView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        if id == BufferId::ModbusData && !self.data.is_empty() { Some(self.data) } else { None }
    }

    fn modbus(&self) -> Option<ModbusFacts> {
        Some(self.facts)
    }
}

/// Arbitrary messages.
#[doc(hidden)]
pub fn fuzz_modbus(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(ModbusInspector));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::drive::{Transcript, every_way};
    use Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn check(script: &[(Direction, &[u8])]) -> Transcript {
        every_way(&|| Box::new(ModbusInspector), &Limits::default(), script)
    }

    const READ: &[u8] = &[0, 1, 0, 0, 0, 6, 9, 3, 0, 0x10, 0, 2];
    const REFUSED: &[u8] = &[0, 1, 0, 0, 0, 3, 9, 0x83, 2];

    #[test]
    fn messages_are_cut_by_their_length_and_carry_facts() {
        let two = [READ, READ].concat();
        let seen = check(&[(ToServer, &two), (ToClient, REFUSED)]);
        assert_eq!(seen.pdus.len(), 3);
        assert_eq!(seen.pdus[1].raw, READ);
        assert_eq!(seen.pdus[1].modbus, Some(ModbusFacts { unit: 9, function: 3 }));
        assert_eq!(seen.pdus[1].buffer(BufferId::ModbusData), Some(&READ[8..]));
        assert_eq!(seen.pdus[2].modbus, Some(ModbusFacts { unit: 9, function: 0x83 }));
        assert_eq!(seen.events, []);
    }

    #[test]
    fn a_function_without_data_has_facts_but_no_buffer() {
        let seen = check(&[(ToServer, &[0, 1, 0, 0, 0, 2, 1, 17])]);
        assert_eq!(seen.pdus[0].modbus, Some(ModbusFacts { unit: 1, function: 17 }));
        assert_eq!(seen.pdus[0].buffer(BufferId::ModbusData), None);
    }

    #[test]
    fn other_protocol_identifiers_and_impossible_lengths_are_events_and_the_stream_goes_on() {
        let stray = [0, 1, 0, 7, 0, 2, 1, 3];
        let empty = [0, 1, 0, 0, 0, 0];
        let mut long = vec![0, 1, 0, 0, 1, 44, 1, 16];
        long.extend([0x41; 298]);
        let seen = check(&[(ToServer, &[&stray[..], &empty, &long, READ].concat())]);
        let facts: Vec<_> = seen.pdus.iter().map(|pdu| pdu.modbus.map(|facts| facts.function)).collect();
        assert_eq!(facts, [None, None, Some(16), Some(3)]);
        assert_eq!(seen.pdus[2].buffer(BufferId::ModbusData).map(<[u8]>::len), Some(298));
        assert_eq!(seen.events, [(144, 2), (144, 1), (144, 1)]);
    }

    #[test]
    fn a_message_that_never_completes_is_given_out_without_facts() {
        let seen = check(&[(ToServer, &READ[..10])]);
        assert_eq!((seen.pdus[0].raw.as_slice(), seen.pdus[0].modbus), (&READ[..10], None));
        assert_eq!(seen.events, [(144, 1)]);
    }

    #[test]
    fn reserved_functions_are_events() {
        for (function, data, expected) in [
            (90, &[][..], true),
            (8, &[0, 20], false),
            (8, &[0, 21], true),
            (8, &[], false),
            (43, &[14], false),
            (43, &[15], true),
            (3, &[9], false),
        ] {
            assert_eq!(reserved(function, data), expected, "{function} {data:?}");
        }
        assert_eq!(check(&[(ToServer, &[0, 1, 0, 0, 0, 2, 1, 90])]).events, [(144, 3)]);
    }

    proptest! {
        #[test]
        fn fuzz_modbus_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz_modbus(&data);
        }

        #[test]
        fn random_messages_are_cut_invariant(parts in proptest::collection::vec((0u8..2, 0u8..20, proptest::collection::vec(any::<u8>(), 0..20)), 0..10)) {
            let mut bytes = Vec::new();
            for (protocol, length, data) in parts {
                bytes.extend([0, 1, 0, protocol, 0, length]);
                bytes.extend(data);
            }
            check(&[(ToServer, &bytes)]);
        }
    }
}
