//! DCE/RPC conversations: fragments, calls put together, what breaks off.

use super::*;
use crate::drive::{every_way, run_datagrams};
use crate::{BufferId, Limits};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

const IFACE: &[u8] = b"\xa0\x01\0\0\0\0\0\0\xc0\0\0\0\0\0\0\x46";

fn pdu(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut pdu = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    pdu.extend(u16::try_from(16 + body.len()).unwrap().to_le_bytes());
    pdu.extend([0, 0, 7, 0, 0, 0]);
    pdu.extend(body);
    pdu
}

fn bind() -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    body.extend(IFACE);
    body.extend([0; 24]);
    pdu(11, 3, &body)
}

fn request(flags: u8, stub: &[u8]) -> Vec<u8> {
    pdu(0, flags, &[&[0, 0, 0, 0, 0, 0, 4, 0], stub].concat())
}

fn make() -> Box<dyn Inspector> {
    Box::new(DcerpcInspector::default())
}

#[test]
fn each_fragment_is_a_pdu_and_a_fragmented_call_one_more() {
    let client = [bind(), request(3, b"whole"), request(1, b"one "), request(2, b"two")].concat();
    let seen = every_way(&make, &Limits::default(), &[(ToServer, &client)]);
    let stubs: Vec<_> = seen.pdus.iter().map(|pdu| (pdu.kind, pdu.buffer(BufferId::DceStubData))).collect();
    assert_eq!(
        stubs,
        [
            (PduKind::Stream, None),
            (PduKind::Stream, Some(&b"whole"[..])),
            (PduKind::Stream, Some(&b"one "[..])),
            (PduKind::Stream, Some(&b"two"[..])),
            (PduKind::DceDefrag, Some(&b"one two"[..])),
        ]
    );
    let facts = seen.pdus[4].dce.unwrap();
    assert_eq!(facts.iface.unwrap(), *b"\0\0\x01\xa0\0\0\0\0\xc0\0\0\0\0\0\0\x46");
    assert_eq!(facts.opnum, Some(4));
    assert!(!seen.pdus[3].dce.unwrap().first_fragment);
}

#[test]
fn bytes_of_another_protocol_are_left_alone() {
    let seen = every_way(&make, &Limits::default(), &[(ToClient, b"HTTP/1.1 200 OK\r\n")]);
    assert_eq!(seen.detached[1], Some(DetachReason::NotOurs));
}

#[test]
fn a_cut_off_fragment_is_given_out_at_the_end() {
    let call = request(3, b"stub data");
    let seen = every_way(&make, &Limits::default(), &[(ToServer, &bind()), (ToServer, &call[..30])]);
    assert_eq!(seen.pdus[1].raw, &call[..30]);
    assert_eq!(seen.pdus[1].buffer(BufferId::DceStubData), Some(&b"stub d"[..]));
}

#[test]
fn a_connectionless_request_carries_its_interface() {
    let mut datagram = vec![0; 80];
    (datagram[0], datagram[2], datagram[4], datagram[68], datagram[74]) = (4, 0x2c, 0x10, 4, 4);
    datagram[24..40].copy_from_slice(IFACE);
    datagram.extend(b"stubrest");
    let mut whole = datagram.clone();
    whole[2] = 0x28;
    let seen =
        run_datagrams(make(), &[(ToServer, &datagram), (ToServer, &whole), (ToClient, &datagram), (ToServer, b"x")]);
    let facts = seen.pdus[0].dce.unwrap();
    assert_eq!((facts.opnum, facts.first_fragment), (Some(4), true));
    assert_eq!(seen.pdus[0].buffer(BufferId::DceStubData), Some(&b"stub"[..]));
    assert!(!seen.pdus[1].dce.unwrap().first_fragment);
    assert!(seen.pdus[2].dce.is_none() && seen.pdus[3].dce.is_none());
}

proptest! {
    #[test]
    fn random_calls_are_cut_invariant(parts in proptest::collection::vec((any::<bool>(), 0u8..20, 0u8..4, proptest::collection::vec(any::<u8>(), 0..60)), 0..10)) {
        let pdus: Vec<_> = parts.iter().map(|(dir, kind, flags, body)| (if *dir { ToServer } else { ToClient }, pdu(*kind, *flags, body))).collect();
        let bind = bind();
        let mut script: Vec<(Direction, &[u8])> = vec![(ToServer, &bind)];
        script.extend(pdus.iter().map(|(dir, pdu)| (*dir, pdu.as_slice())));
        every_way(&make, &Limits::default(), &script);
    }

    #[test]
    fn fuzz_dcerpc_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_dcerpc(&data);
    }
}
