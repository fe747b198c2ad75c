//! TLS conversations: flights, names, encryption, hostile records.

use super::*;
use crate::drive::{Transcript, every_way};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn record(kind: u8, minor: u8, payload: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, minor];
    record.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    record.extend(payload);
    record
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0];
    message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    message.extend(body);
    message
}

fn client_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0, 0, 18, 0, 0, 0, 14, 0, 12, 0, 0, 9]);
    body.extend(b"a.example");
    message(1, &body)
}

fn server_hello(tls13: bool) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([8; 32]);
    body.extend([0, 0x13, 1, 0]);
    if tls13 {
        body.extend([0, 6, 0, 43, 0, 2, 3, 4]);
    }
    message(2, &body)
}

fn check(script: &[(Direction, &[u8])]) -> Transcript {
    let limits = Limits::default();
    every_way(&|| Box::new(TlsInspector::new(&limits)), &limits, script)
}

#[test]
fn a_tls12_conversation_gives_one_pdu_per_flight_and_ends_at_application_data() {
    let hello = record(22, 1, &client_hello());
    let mut server = record(22, 3, &server_hello(false));
    server.extend(record(22, 3, &message(11, b"certificate")));
    server.extend(record(22, 3, &message(12, b"key")));
    server.extend(record(22, 3, &message(14, b"")));
    let mut client = record(22, 3, &message(16, b"key"));
    client.extend(record(20, 3, &[1]));
    client.extend(record(22, 3, &[0xee; 40]));
    let mut done = record(20, 3, &[1]);
    done.extend(record(22, 3, &[0xdd; 40]));
    let data = record(23, 3, b"secret");
    let seen =
        check(&[(ToServer, &hello), (ToClient, &server), (ToServer, &client), (ToClient, &done), (ToServer, &data)]);
    let states: Vec<_> = seen.pdus.iter().map(|pdu| (pdu.dir, pdu.ssl.unwrap().state, pdu.raw.len())).collect();
    assert_eq!(
        states,
        [
            (ToServer, SslFacts::CLIENT_HELLO, hello.len()),
            (ToClient, SslFacts::SERVER_HELLO | SslFacts::SERVER_KEYX, server.len()),
            (ToServer, SslFacts::CLIENT_KEYX, 18),
            (ToServer, 0, 45),
            (ToClient, 0, 6),
            (ToClient, 0, 45),
        ]
    );
    assert_eq!(seen.pdus[0].buffer(BufferId::TlsSni), Some(&b"a.example"[..]));
    assert_eq!(seen.pdus[1].buffer(BufferId::TlsSni), None);
    assert_eq!(seen.pdus[0].ssl.unwrap().version, SslFacts::TLS10);
    assert_eq!(seen.detached[0], Some(DetachReason::Encrypted));
}

#[test]
fn a_tls13_server_hello_is_not_held_back() {
    let hello = record(22, 1, &client_hello());
    let server = record(22, 3, &server_hello(true));
    let mut rest = record(20, 3, &[1]);
    rest.extend(record(23, 3, &[1; 50]));
    let limits = Limits::default();
    let script: [(Direction, &[u8]); 2] = [(ToServer, &hello), (ToClient, &server)];
    let early = crate::drive::run(Box::new(TlsInspector::new(&limits)), &limits, &script, |rest| rest);
    assert_eq!(early.pdus.len(), 2);
    let seen = check(&[(ToServer, &hello), (ToClient, &server), (ToClient, &rest)]);
    assert_eq!(seen.pdus.len(), 3);
    assert_eq!(seen.detached[1], Some(DetachReason::Encrypted));
}

#[test]
fn a_hello_over_several_records_still_names_its_server() {
    let hello = client_hello();
    let (left, right) = hello.split_at(40);
    let mut bytes = record(22, 1, left);
    bytes.extend(record(22, 1, right));
    let seen = check(&[(ToServer, &bytes)]);
    assert_eq!(seen.pdus.len(), 1);
    assert_eq!(seen.pdus[0].buffer(BufferId::TlsSni), Some(&b"a.example"[..]));
    assert_eq!(seen.pdus[0].ssl.unwrap().state, SslFacts::CLIENT_HELLO);
}

#[test]
fn heartbeats_join_what_is_right_before_them() {
    let mut bytes = record(23, 1, b"abcd");
    bytes.extend(record(24, 1, b"beat"));
    bytes.extend([24, 3, 1, 0, 0x81]);
    let seen = check(&[(ToClient, &bytes)]);
    assert_eq!(seen.pdus.len(), 1);
    assert_eq!(seen.pdus[0].raw, bytes);
    let mut apart = record(22, 3, &message(14, b""));
    apart.extend(record(24, 1, b"beat"));
    assert_eq!(check(&[(ToClient, &apart)]).pdus.len(), 2);
}

#[test]
fn an_ssl2_hello_is_a_hello_even_when_cut_off_by_the_end() {
    let hello = record(22, 1, &client_hello());
    let ssl2 = b"\x80\x61\x01\x00\x02aaaa\x00\x21";
    let seen = check(&[(ToServer, &hello), (ToServer, ssl2)]);
    assert_eq!(seen.pdus.len(), 2);
    assert_eq!(
        seen.pdus[1].ssl,
        Some(SslFacts { state: SslFacts::CLIENT_HELLO, version: SslFacts::TLS10 | SslFacts::SSLV2 })
    );
}

#[test]
fn bytes_that_are_no_record_are_left_to_plain_reassembly() {
    let seen = check(&[(ToServer, b"POST / HTTP/1.1\r\n")]);
    assert!(seen.pdus.is_empty());
    assert_eq!(seen.detached[0], Some(DetachReason::NotOurs));
}

#[test]
fn an_impossible_record_length_is_cut_at_fixed_offsets() {
    let mut bytes = vec![22, 3, 1, 0xff, 0xff];
    bytes.extend(vec![b'x'; 40_000]);
    let seen = check(&[(ToServer, &bytes)]);
    let lens: Vec<_> = seen.pdus.iter().map(|pdu| pdu.raw.len()).collect();
    assert_eq!(lens, [16_384, 16_384, 40_005 - 32_768]);
}

proptest! {
    #[test]
    fn random_records_are_cut_invariant(parts in proptest::collection::vec((any::<bool>(), 19u8..26, 0u8..4, proptest::collection::vec(0u8..26, 0..60)), 0..12), noise in proptest::collection::vec(any::<u8>(), 0..8)) {
        let turns: Vec<_> = parts.iter().map(|(dir, kind, minor, payload)| (*dir, record(*kind, *minor, payload))).collect();
        let mut script: Vec<(Direction, &[u8])> = turns.iter().map(|(dir, bytes)| (if *dir { ToServer } else { ToClient }, bytes.as_slice())).collect();
        script.push((ToServer, &noise));
        let limits = Limits { pdu_bytes: 100, ..Limits::default() };
        every_way(&|| Box::new(TlsInspector::new(&limits)), &limits, &script);
    }

    #[test]
    fn fuzz_tls_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_tls(&data);
    }
}
