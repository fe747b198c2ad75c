//! Packets in, messages and facts out.

use super::*;
use crate::Limits;
use crate::drive::{Transcript, every_way};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

#[track_caller]
fn check(script: &[(Direction, &[u8])]) -> Transcript {
    every_way(&|| Box::new(S7commplusInspector::default()), &Limits::default(), script)
}

/// A packet with a data unit.
fn packet(last: bool, data: &[u8]) -> Vec<u8> {
    let length = (data.len() + 7) as u16;
    let mut bytes = vec![3, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([2, 0xf0, if last { 0x80 } else { 0 }]);
    bytes.extend(data);
    bytes
}

const CONNECT: &[u8] = &[3, 0, 0, 11, 6, 0xe0, 0, 0, 0, 1, 0];
/// Request to create an object, in a header of version 1.
const CREATE: &[u8] = &[0x72, 1, 0, 9, 0x31, 0, 0, 0x04, 0xca, 0, 0, 0, 1, 0x72, 1, 0, 0];

#[test]
fn a_message_has_opcode_function_and_content() {
    let create = packet(true, CREATE);
    let seen = check(&[(ToServer, &[CONNECT, &create, &create].concat())]);
    assert_eq!(seen.pdus.len(), 3);
    assert_eq!((seen.pdus[0].raw.as_slice(), seen.pdus[0].s7commplus), (CONNECT, None));
    assert_eq!((&seen.pdus[2].raw, &seen.pdus[2].payload), (&create, &create));
    assert_eq!(seen.pdus[2].s7commplus, Some(S7commplusFacts { opcode: 0x31, function: 0x4ca }));
    assert_eq!(seen.pdus[2].buffer(BufferId::S7commplusContent), Some(&create[4..]));
    assert_eq!(seen.events, []);
}

#[test]
fn from_version_3_on_a_digest_comes_first() {
    let mut message = vec![0x72, 3, 0, 40, 32];
    message.extend([0xdd; 32]);
    message.extend([0x32, 0, 0, 0x05, 0x42, 0, 0]);
    let seen = check(&[(ToClient, &packet(true, &message))]);
    assert_eq!(seen.pdus[0].s7commplus, Some(S7commplusFacts { opcode: 0x32, function: 0x542 }));
    let cut = packet(true, &message[..40]);
    let seen = check(&[(ToClient, &cut)]);
    assert_eq!(seen.pdus[0].s7commplus, None, "cut off");
    assert_eq!(seen.pdus[0].buffer(BufferId::S7commplusContent), Some(&cut[4..]));
}

#[test]
fn the_last_packet_carries_the_message_of_all() {
    let (first, last) = (packet(false, &CREATE[..6]), packet(true, &CREATE[6..]));
    let other = packet(true, &[0x72, 1, 0, 2, 0x33, 0]);
    let seen = check(&[(ToServer, &first), (ToClient, &other), (ToServer, &last)]);
    assert_eq!((seen.pdus[0].raw.as_slice(), seen.pdus[0].s7commplus), (first.as_slice(), None));
    assert_eq!(seen.pdus[0].buffer(BufferId::S7commplusContent), None);
    assert_eq!((seen.pdus[1].s7commplus, seen.events.as_slice()), (None, &[][..]), "no function");
    assert_eq!(seen.pdus[2].raw, last);
    assert_eq!(seen.pdus[2].s7commplus, Some(S7commplusFacts { opcode: 0x31, function: 0x4ca }));
    assert_eq!(seen.pdus[2].buffer(BufferId::S7commplusContent), Some(&last[4..]));
}

#[test]
fn another_protocol_is_an_event_and_the_stream_goes_on() {
    let seen =
        check(&[(ToServer, &[packet(true, &[0x32, 1, 0, 0]), packet(false, &[]), packet(true, CREATE)].concat())]);
    assert_eq!(seen.events, [(149, 2)]);
    assert_eq!(seen.pdus.iter().map(|pdu| pdu.s7commplus.is_some()).collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn a_direction_out_of_step_is_let_go_and_the_other_goes_on() {
    let create = packet(true, CREATE);
    let seen = check(&[(ToServer, &[&create[..], &[4, 0, 0, 9]].concat()), (ToClient, &create)]);
    assert_eq!((seen.pdus.len(), seen.events.as_slice()), (2, &[][..]));
    assert_eq!(seen.detached, [Some(DetachReason::NotOurs), None]);
    let seen = check(&[(ToServer, &[3, 0, 0, 6, 2, 0xf0])]);
    assert_eq!((seen.detached[0], seen.events.as_slice()), (Some(DetachReason::NotOurs), &[(149, 1)][..]));
}

#[test]
fn a_packet_that_never_completes_is_given_out_without_facts() {
    let seen = check(&[(ToServer, &packet(true, CREATE)[..20])]);
    assert_eq!((seen.pdus[0].raw.len(), seen.pdus[0].s7commplus), (20, None));
}

proptest! {
    #[test]
    fn fuzz_s7commplus_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_s7commplus(&data);
    }

    #[test]
    fn random_packets_are_cut_invariant(parts in proptest::collection::vec((any::<bool>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..12)) {
        let packets: Vec<_> = parts
            .into_iter()
            .map(|(client, last, data)| (if client { ToServer } else { ToClient }, packet(last, &data)))
            .collect();
        let script: Vec<_> = packets.iter().map(|(dir, bytes)| (*dir, bytes.as_slice())).collect();
        let seen = check(&script);
        prop_assert_eq!(seen.pdus.len(), packets.len());
        prop_assert_eq!(seen.detached, [None, None]);
    }
}
