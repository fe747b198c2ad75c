//! IEC 60870-5-104: APDUs, the format of their control field and the type of their ASDU.
//!
//! *How it fits*: bound to TCP port 2404. An APDU is one PDU. Bytes that don't begin with the start
//! byte are no APDU: the direction goes on as a plain stream.
//!
//! *Limits*: an APDU has 257 bytes at most. Lengths outside 4 to 253 are counted
//! (`iec104_lengths_invalid`) and otherwise believed.
//!
//! *Events*: 151:1 length, 151:2 start byte. The ASDU's contents are not checked.
//!
//! *Spec*: IEC 60870-5-104 §5 (APCI); IEC 60870-5-101 §7.2.1 (type identification).

use super::{ProtocolDef, TransportKind};
use crate::wire::byte;
use crate::{
    ApciType, BufferId, BufferKey, DetachReason, End, EventDef, Iec104Facts, InspectCx, Inspector, InspectorEvent, Pdu,
    PduView, Service, Step,
};
use bumpalo::Bump;
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Iec104,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(Iec104Inspector),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: 151, sid: 1, meaning: "APCI length out of range" },
    EventDef { gid: 151, sid: 2, meaning: "APDU does not begin with 0x68" },
];

const START: u8 = 0x68;
/// Start and length byte: what the length doesn't count.
const UNCOUNTED: usize = 2;
/// Where the ASDU begins: behind the control field.
const ASDU: usize = 6;

/// Stateless: an APDU says all.
#[derive(Debug)]
struct Iec104Inspector;

impl Inspector for Iec104Inspector {
    fn on_bytes(&mut self, _dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        if byte(bytes, 0).is_some_and(|first| first != START) {
            cx.sink.event(InspectorEvent { gid: 151, sid: 2 });
            return Step::Detach(DetachReason::NotOurs);
        }
        let Some(length) = byte(bytes, 1) else { return Step::NeedMore { at_least: UNCOUNTED } };
        let total = UNCOUNTED.saturating_add(usize::from(length));
        let Some(raw) = bytes.get(..total) else { return Step::NeedMore { at_least: total } };
        if !(4..=253).contains(&length) {
            cx.counters.bump(Counter::Iec104LengthsInvalid);
            cx.sink.event(InspectorEvent { gid: 151, sid: 1 });
        }
        match facts(raw) {
            Some(facts) => cx.sink.pdu(&Pdu { view: &Iec104View(facts), ..Pdu::plain(raw) }),
            None => cx.sink.pdu(&Pdu::plain(raw)),
        }
        Step::Consumed(total)
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

/// What the control field says; `None` if it is not there as a whole.
fn facts(raw: &[u8]) -> Option<Iec104Facts> {
    raw.get(UNCOUNTED..ASDU)?;
    Some(match byte(raw, UNCOUNTED)? & 3 {
        1 => Iec104Facts { apci: ApciType::S, asdu: None },
        3 => Iec104Facts { apci: ApciType::U, asdu: None },
        _ => Iec104Facts { apci: ApciType::I, asdu: byte(raw, ASDU) },
    })
}

struct Iec104View(Iec104Facts);

impl PduView for Iec104View {
    fn buffer<'a>(&'a self, _key: &BufferKey, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }

    fn searchable<'a>(&'a self, _id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }

    fn iec104(&self) -> Option<Iec104Facts> {
        Some(self.0)
    }
}

/// Arbitrary APDUs.
#[doc(hidden)]
pub fn fuzz_iec104(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(Iec104Inspector));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::drive::{Transcript, every_way};
    use Direction::ToServer;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &[u8]) -> Transcript {
        every_way(&|| Box::new(Iec104Inspector), &Limits::default(), &[(ToServer, bytes)])
    }

    fn all_facts(seen: &Transcript) -> Vec<Option<Iec104Facts>> {
        seen.pdus.iter().map(|pdu| pdu.iec104).collect()
    }

    #[test]
    fn the_three_formats_are_told_apart() {
        let start = [0x68, 4, 7, 0, 0, 0];
        let supervisory = [0x68, 4, 1, 0, 2, 0];
        let command = [0x68, 14, 2, 0, 2, 0, 45, 1, 6, 0, 1, 0, 1, 0, 0, 1];
        let seen = check(&[&start[..], &supervisory, &command].concat());
        assert_eq!(
            all_facts(&seen),
            [
                Some(Iec104Facts { apci: ApciType::U, asdu: None }),
                Some(Iec104Facts { apci: ApciType::S, asdu: None }),
                Some(Iec104Facts { apci: ApciType::I, asdu: Some(45) }),
            ]
        );
        assert_eq!(seen.pdus[2].raw, command);
        assert_eq!(seen.events, []);
    }

    #[test]
    fn impossible_lengths_are_events_and_the_stream_goes_on() {
        let seen = check(&[0x68, 0, 0x68, 3, 7, 0, 0, 0x68, 4, 0, 0, 0, 0]);
        assert_eq!(all_facts(&seen), [None, None, Some(Iec104Facts { apci: ApciType::I, asdu: None })]);
        assert_eq!(seen.events, [(151, 1), (151, 1)]);
        let mut long = vec![0x68, 254, 0, 0, 0, 0, 1];
        long.extend([0; 249]);
        assert_eq!(check(&long).events, [(151, 1)]);
    }

    #[test]
    fn a_direction_without_the_start_byte_is_let_go() {
        let seen = check(&[0x68, 4, 7, 0, 0, 0, 0x69, 4]);
        assert_eq!(seen.pdus.len(), 1);
        assert_eq!(seen.detached[0], Some(DetachReason::NotOurs));
        assert_eq!(seen.events, [(151, 2)]);
    }

    #[test]
    fn an_apdu_that_never_completes_is_given_out_without_facts() {
        let seen = check(&[0x68, 4, 7, 0]);
        assert_eq!((seen.pdus[0].raw.len(), seen.pdus[0].iec104), (4, None));
    }

    proptest! {
        #[test]
        fn fuzz_iec104_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz_iec104(&data);
        }

        #[test]
        fn random_apdus_are_cut_invariant(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..10)) {
            let mut bytes = Vec::new();
            for data in parts {
                bytes.extend([0x68, data.len() as u8]);
                bytes.extend(data);
            }
            let seen = check(&bytes);
            prop_assert_eq!(seen.detached[0], None);
        }
    }
}
