//! Packets in, MMS PDUs and services out.

use super::*;
use crate::Limits;
use crate::drive::{Transcript, every_way};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

#[track_caller]
fn check(script: &[(Direction, &[u8])]) -> Transcript {
    every_way(&|| Box::new(MmsInspector::default()), &Limits::default(), script)
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

fn ber(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[tag, content.len() as u8][..], &content].concat()
}

/// Data transfer with presentation values, each with an MMS PDU.
fn transfer(pdus: &[&[u8]]) -> Vec<u8> {
    let values: Vec<_> = pdus.iter().map(|pdu| ber(0x30, &[&[2, 1, 3], &ber(0xa0, &[pdu])])).collect();
    let values: Vec<_> = values.iter().map(Vec::as_slice).collect();
    [&[1, 0, 1, 0][..], &ber(0x61, &values)].concat()
}

const READ: &[u8] = &[0xa0, 6, 2, 1, 7, 0xa4, 1, 0];
const FILE_OPEN: &[u8] = &[0xa0, 7, 2, 1, 8, 0xbf, 72, 1, 9];
const STATUS: &[u8] = &[0xa1, 6, 2, 1, 7, 0x80, 1, 0];

fn services(seen: &Transcript) -> Vec<Option<u8>> {
    seen.pdus.iter().map(|pdu| pdu.mms.map(|facts| facts.service)).collect()
}

#[test]
fn confirmed_services_are_found_under_all_layers() {
    let packets = [READ, FILE_OPEN].map(|pdu| packet(true, &transfer(&[pdu])));
    let answer = packet(true, &transfer(&[STATUS]));
    let seen = check(&[(ToServer, &packets.concat()), (ToClient, &answer)]);
    assert_eq!(services(&seen), [Some(4), Some(72), Some(0)]);
    assert_eq!((&seen.pdus[0].raw, &seen.pdus[0].payload), (&packets[0], &packets[0]));
    assert_eq!(seen.pdus[0].buffer(BufferId::MmsData), Some(READ));
}

#[test]
fn the_association_carries_an_initiate_request() {
    let initiate = ber(0xa8, &[&[0x80, 1, 9]]);
    let external = ber(0x28, &[&[2, 1, 3], &ber(0xa0, &[&initiate])]);
    let aarq = ber(0x60, &[&[0x80, 2, 7, 0x80], &ber(0xbe, &[&external])]);
    let value = ber(0x61, &[&ber(0x30, &[&[2, 1, 1], &ber(0xa0, &[&aarq])])]);
    let connect = ber(0x31, &[&[0xa0, 3, 0x80, 1, 1], &ber(0xa2, &[&[0x81, 1, 1], &value])]);
    let session = ber(13, &[&[5, 3, 0x13, 1, 0], &ber(193, &[&connect])]);
    let seen = check(&[(ToServer, &packet(true, &session))]);
    assert_eq!(seen.pdus[0].buffer(BufferId::MmsData), Some(initiate.as_slice()));
    assert_eq!(services(&seen), [None], "no confirmed service");
}

#[test]
fn modifiers_in_front_of_the_service_are_skipped() {
    let pdu = ber(0xa0, &[&[2, 1, 7], &[0x30, 2, 0x80, 0], &[0xa5, 0]]);
    assert_eq!(services(&check(&[(ToServer, &packet(true, &transfer(&[&pdu])))])), [Some(5)]);
    let pdu = ber(0xa0, &[&[2, 1, 7], &[0x05, 0]]);
    assert_eq!(services(&check(&[(ToServer, &packet(true, &transfer(&[&pdu])))])), [None], "not a service");
}

#[test]
fn the_last_packet_carries_the_message_of_all() {
    let message = transfer(&[READ]);
    let (first, last) = (packet(false, &message[..10]), packet(true, &message[10..]));
    let seen = check(&[(ToServer, &first), (ToClient, &packet(true, &transfer(&[STATUS]))), (ToServer, &last)]);
    assert_eq!(services(&seen), [None, Some(0), Some(4)]);
    assert_eq!((seen.pdus[0].raw.as_slice(), seen.pdus[0].buffer(BufferId::MmsData)), (first.as_slice(), None));
    assert_eq!(seen.pdus[2].raw, last);
    assert_eq!(seen.pdus[2].buffer(BufferId::MmsData), Some(READ));
}

#[test]
fn further_pdus_of_a_message_are_units_of_their_own() {
    let whole = packet(true, &transfer(&[READ, FILE_OPEN]));
    let seen = check(&[(ToServer, &[whole.clone(), packet(true, &[READ, STATUS].concat())].concat())]);
    assert_eq!(services(&seen), [Some(4), Some(72), Some(4), Some(0)]);
    assert_eq!(seen.pdus[0].raw, whole);
    assert_eq!((seen.pdus[1].raw.as_slice(), seen.pdus[1].continues_flush), (FILE_OPEN, true));
}

#[test]
fn the_number_of_pdus_has_an_end() {
    let seen = check(&[(ToServer, &packet(true, &[0xa0, 0].repeat(100)))]);
    assert_eq!(seen.pdus.len(), layers::MAX_PDUS);
}

#[test]
fn other_messages_are_plain_and_a_direction_out_of_step_is_let_go() {
    let seen = check(&[(ToServer, &[packet(true, &[0x32, 1, 0, 0]), vec![3, 0, 0, 2]].concat())]);
    assert_eq!((services(&seen), seen.detached[0]), (vec![None], Some(DetachReason::NotOurs)));
    let seen = check(&[(ToServer, &packet(true, &transfer(&[READ]))[..20])]);
    assert_eq!((seen.pdus[0].raw.len(), seen.pdus[0].mms), (20, None), "cut off");
}

proptest! {
    #[test]
    fn fuzz_mms_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_mms(&data);
    }

    #[test]
    fn random_messages_are_cut_invariant(parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..8)) {
        let packets: Vec<_> = parts.iter().map(|(last, data)| packet(*last, &transfer(&[data]))).collect();
        let seen = check(&[(ToServer, &packets.concat())]);
        prop_assert_eq!(seen.detached, [None, None]);
    }
}
