//! Conversations over TCP and datagrams.

use super::*;
use crate::drive::{Transcript, every_way, run_datagrams};
use crate::{CipMessage, CipRequest, Limits};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

#[track_caller]
fn check(script: &[(Direction, &[u8])]) -> Transcript {
    every_way(&|| Box::new(CipInspector::default()), &Limits::default(), script)
}

fn datagrams(script: &[(Direction, &[u8])]) -> Transcript {
    run_datagrams(Box::new(CipInspector::default()), script)
}

fn encapsulated(command: u16, status: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = command.to_le_bytes().to_vec();
    bytes.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
    bytes.extend(7_u32.to_le_bytes());
    bytes.extend(status.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend(data);
    bytes
}

/// SendRRData or SendUnitData with these items.
fn send(command: u16, items: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = vec![0; 6];
    data.extend(u16::try_from(items.len()).unwrap().to_le_bytes());
    for (kind, content) in items {
        data.extend(kind.to_le_bytes());
        data.extend(u16::try_from(content.len()).unwrap().to_le_bytes());
        data.extend(*content);
    }
    encapsulated(command, 0, &data)
}

fn unconnected(cip: &[u8]) -> Vec<u8> {
    send(0x6f, &[(0, b""), (0xb2, cip)])
}

#[track_caller]
fn request(bytes: &[u8]) -> (CipRequest, Vec<(u32, u32)>) {
    let seen = check(&[(ToServer, bytes)]);
    match seen.pdus[0].cip.unwrap().message {
        Some(CipMessage::Request(request)) => (request, seen.events),
        other => panic!("{other:?}"),
    }
}

/// Get_Attribute_Single of the identity's vendor.
const GET: &[u8] = &[0x0e, 3, 0x20, 1, 0x24, 1, 0x30, 1];
const GET_FACTS: CipRequest =
    CipRequest { service: 0x0e, class: Some(1), instance: Some(1), attribute: Some(1), connection_class: None };

#[test]
fn messages_are_cut_by_their_length_and_carry_facts() {
    let register = encapsulated(0x65, 0, &[1, 0, 0, 0]);
    let get = unconnected(GET);
    let answer = unconnected(&[0x8e, 0, 5, 0]);
    let seen = check(&[(ToServer, &[&register[..], &get].concat()), (ToClient, &register), (ToClient, &answer)]);
    assert_eq!(seen.events, []);
    let raw: Vec<_> = seen.pdus.iter().map(|pdu| &pdu.raw).collect();
    assert_eq!(raw, [&register, &get, &register, &answer]);
    let facts: Vec<_> = seen.pdus.iter().map(|pdu| pdu.cip.unwrap()).collect();
    assert_eq!(facts[0], CipFacts { command: 0x65, request: Some(true), message: None });
    assert_eq!(facts[1].message, Some(CipMessage::Request(GET_FACTS)));
    assert_eq!(facts[3].request, Some(false));
    assert_eq!(facts[3].message, Some(CipMessage::Response { service: 0x0e, status: Some(5) }));
}

#[test]
fn connected_data_has_a_sequence_count_in_front() {
    let cip = [&[9, 0][..], GET].concat();
    let (facts, events) = request(&send(0x70, &[(0xa1, &[1, 2, 3, 4]), (0xb1, &cip)]));
    assert_eq!((facts, events), (GET_FACTS, vec![]));
}

#[test]
fn an_unconnected_send_is_the_request_inside() {
    let mut cip = vec![0x52, 2, 0x20, 6, 0x24, 1, 5, 0xf7, 8, 0];
    cip.extend(GET);
    cip.extend([1, 0, 1, 0]);
    assert_eq!(request(&unconnected(&cip)), (GET_FACTS, vec![]));
    let (outer, events) = request(&unconnected(&cip[..14]));
    assert_eq!((outer.service, outer.class), (0x52, Some(6)));
    assert_eq!(events, [(148, 1)]);
}

#[test]
fn a_multiple_service_packet_is_itself() {
    let mut cip = vec![0x0a, 2, 0x20, 2, 0x24, 1, 1, 0, 4, 0];
    cip.extend(GET);
    let (facts, _) = request(&unconnected(&cip));
    assert_eq!((facts.service, facts.class, facts.attribute), (0x0a, Some(2), None));
}

#[test]
fn a_forward_open_has_the_class_of_its_connection() {
    for (service, behind) in [(0x54, 35), (0x5b, 39)] {
        let mut cip = vec![service, 2, 0x20, 6, 0x24, 1];
        cip.extend(vec![0; behind]);
        cip.extend([3, 1, 0, 0x20, 4, 0x24, 0x97]);
        let (facts, events) = request(&unconnected(&cip));
        assert_eq!((facts.class, facts.connection_class), (Some(6), Some(4)));
        assert_eq!(events, []);
        let (facts, events) = request(&unconnected(&cip[..cip.len() - 1]));
        assert_eq!((facts.connection_class, events), (None, vec![(148, 1)]));
        cip[6 + 18] = 8;
        assert_eq!(request(&unconnected(&cip)).1, [(148, 2)]);
    }
}

#[test]
fn mistakes_are_events_and_the_stream_goes_on() {
    let short = encapsulated(0x6f, 0, &[0; 5]);
    let unknown = encapsulated(0x10, 0, b"");
    let status = encapsulated(0x65, 1, &[1, 0, 0, 0]);
    let other_items = send(0x6f, &[(0xa1, &[0; 4]), (0xb1, &[0; 4])]);
    let cut_path = unconnected(&GET[..6]);
    let get = unconnected(GET);
    let all = [&short[..], &unknown, &status, &other_items, &cut_path, &get].concat();
    let seen = check(&[(ToServer, &all)]);
    assert_eq!(seen.events, [(148, 1), (148, 2), (148, 2), (148, 2), (148, 1)]);
    assert_eq!(seen.pdus[5].cip.unwrap().message, Some(CipMessage::Request(GET_FACTS)));
}

#[test]
fn a_refusal_is_not_read_on() {
    let mut bytes = unconnected(GET);
    bytes[8] = 1;
    let seen = check(&[(ToClient, &bytes)]);
    assert_eq!((seen.pdus[0].cip.unwrap().message, seen.events), (None, vec![]));
}

#[test]
fn an_oversized_message_comes_in_pieces_and_the_next_one_is_found() {
    let long = unconnected(&[GET, &[b'x'; 40_000]].concat());
    let seen = check(&[(ToServer, &[&long[..], &unconnected(GET)].concat())]);
    let lens: Vec<_> = seen.pdus.iter().map(|pdu| (pdu.raw.len(), pdu.starts_message)).collect();
    assert_eq!(lens, [(16_384, true), (16_384, false), (long.len() - 32_768, false), (48, true)]);
    assert_eq!(seen.pdus[0].cip.unwrap().message, Some(CipMessage::Request(GET_FACTS)));
    assert_eq!(seen.pdus[1].cip, None);
    assert_eq!(seen.events, []);
}

#[test]
fn a_message_that_never_completes_is_given_out_without_facts() {
    let get = unconnected(GET);
    let seen = check(&[(ToServer, &get[..40])]);
    assert_eq!((seen.pdus[0].raw.as_slice(), seen.pdus[0].cip), (&get[..40], None));
}

#[test]
fn datagrams_are_messages_or_input_and_output() {
    let list = encapsulated(0x63, 0, b"");
    let io = [2, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0xb1, 0, 6, 0, 1, 0, 9, 9, 9, 9];
    let get = unconnected(GET);
    let seen = datagrams(&[(ToServer, &list), (ToServer, &io), (ToServer, &get), (ToServer, &list[..9])]);
    let facts: Vec<_> = seen.pdus.iter().map(|pdu| pdu.cip).collect();
    let plain = |command| Some(CipFacts { command, request: None, message: None });
    assert_eq!(facts, [plain(0x63), None, plain(0x6f), None]);
    assert_eq!(seen.events, [(148, 2)], "SendRRData takes a session");
}

proptest! {
    #[test]
    fn fuzz_cip_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_cip(&data);
    }

    #[test]
    fn random_requests_are_cut_invariant(parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 2..40)), 0..6)) {
        let mut bytes = Vec::new();
        for (connected, cip) in parts {
            bytes.extend(if connected { send(0x70, &[(0xa1, &[0; 4]), (0xb1, &cip)]) } else { unconnected(&cip) });
        }
        check(&[(ToServer, &bytes)]);
    }
}
