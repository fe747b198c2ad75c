//! DNS: messages over UDP and, with their length in front, over TCP; the question name as `dns_query`.
//!
//! *How it fits*: bound to port 53 of both transports. A datagram is one PDU; a TCP message is one
//! PDU with its two length bytes, as rules for DNS over TCP count their offsets.
//!
//! *Limits*: a name is 255 bytes at most and follows 16 compression pointers
//! (`dns_names_broken`); 64 records of a message are looked at for events.
//!
//! *Events*: 131:1 obsolete and 131:2 experimental record types in an answer.
//!
//! *Spec*: RFC 1035 §4; RFC 7766 §8 (TCP).

mod message;

use super::{ProtocolDef, TransportKind};
use crate::wire::{be16, size16};
use crate::{
    BufferId, BufferKey, DnsFacts, End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, PduView, Selector,
    Service, Step,
};
use bumpalo::Bump;
use message::{Message, Name};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Dns,
    transports: &[TransportKind::Udp, TransportKind::Tcp],
    new: |_, _| Box::new(DnsInspector),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: 131, sid: 1, meaning: "record of an obsolete type" },
    EventDef { gid: 131, sid: 2, meaning: "record of an experimental type" },
];

/// Stateless: a message says all.
#[derive(Debug)]
struct DnsInspector;

/// Length field of a message over TCP.
const LENGTH: usize = 2;

impl Inspector for DnsInspector {
    fn on_bytes(&mut self, _dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let Some(length) = be16(bytes, 0) else { return Step::NeedMore { at_least: LENGTH } };
        let total = LENGTH.saturating_add(size16(length));
        match bytes.get(..total) {
            Some(raw) => {
                emit(raw, raw.get(LENGTH..).unwrap_or(&[]), cx);
                Step::Consumed(total)
            }
            None => Step::NeedMore { at_least: total },
        }
    }

    fn on_end(&mut self, _dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            emit(tail, tail.get(LENGTH..).unwrap_or(&[]), cx);
        }
    }

    fn on_datagram(&mut self, _dir: Direction, payload: &[u8], cx: &mut InspectCx<'_>) {
        emit(payload, payload, cx);
    }

    fn footprint(&self) -> usize {
        0
    }
}

fn emit(raw: &[u8], bytes: &[u8], cx: &mut InspectCx<'_>) {
    let message = Message::new(bytes);
    let mut name = Name::default();
    if message.has_question() && !message.question(&mut name) {
        cx.counters.bump(Counter::DnsNamesBroken);
    }
    message.events(|sid| cx.sink.event(InspectorEvent { gid: 131, sid }));
    cx.sink.pdu(&Pdu { view: &DnsView { name: name.as_bytes(), facts: message.facts() }, ..Pdu::plain(raw) });
}

struct DnsView<'m> {
    name: &'m [u8],
    facts: Option<DnsFacts>,
}

impl PduView for DnsView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        if id == BufferId::DnsQuery && !self.name.is_empty() { Some(self.name) } else { None }
    }

    fn dns(&self) -> Option<DnsFacts> {
        self.facts
    }
}

/// Arbitrary messages over both transports.
#[doc(hidden)]
pub fn fuzz_dns(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(DnsInspector));
    crate::drive::fuzz_datagrams(data, &|| Box::new(DnsInspector));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::drive::{every_way, run_datagrams};
    use Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    const QUERY: &[u8] =
        b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07Example\x03net\x00\x00\x01\x00\x01";

    #[test]
    fn a_datagram_is_a_pdu_with_the_dotted_name() {
        let seen = run_datagrams(Box::new(DnsInspector), &[(ToServer, QUERY), (ToServer, b"")]);
        assert_eq!(seen.pdus[0].buffer(BufferId::DnsQuery), Some(&b"www.Example.net"[..]));
        assert_eq!(seen.pdus[0].raw, QUERY);
        assert_eq!(seen.pdus[1].buffer(BufferId::DnsQuery), None);
    }

    #[test]
    fn tcp_messages_are_cut_by_their_length_and_keep_it() {
        let mut bytes = vec![0, QUERY.len() as u8];
        bytes.extend(QUERY);
        let twice = [bytes.clone(), bytes.clone(), bytes[..20].to_vec()].concat();
        let seen = every_way(&|| Box::new(DnsInspector), &Limits::default(), &[(ToClient, &twice)]);
        let lens: Vec<_> = seen.pdus.iter().map(|pdu| pdu.raw.len()).collect();
        assert_eq!(lens, [bytes.len(), bytes.len(), 20]);
        assert_eq!(seen.pdus[1].buffer(BufferId::DnsQuery), Some(&b"www.Example.net"[..]));
    }

    #[test]
    fn obsolete_and_experimental_records_of_an_answer_are_events() {
        let mut answer = b"\x00\x01\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01".to_vec();
        answer.extend(b"\xc0\x0c\x00\x03\x00\x01\x00\x00\x00\x01\x00\x01x");
        answer.extend(b"\xc0\x0c\x00\x08\x00\x01\x00\x00\x00\x01\x00\x01x");
        let seen = run_datagrams(Box::new(DnsInspector), &[(ToClient, &answer)]);
        assert_eq!(seen.events, [(131, 1), (131, 2)]);
    }

    proptest! {
        #[test]
        fn fuzz_dns_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz_dns(&data);
        }
    }
}
