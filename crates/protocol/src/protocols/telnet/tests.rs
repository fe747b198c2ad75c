//! Sessions of telnet.

use super::*;
use crate::Limits;
use crate::replay::Replay;
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn units(pdu_bytes: usize, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut replay = Replay::new(Box::new(Telnet::default()), Limits { pdu_bytes, ..Limits::default() });
    for piece in pieces {
        replay.feed(ToServer, piece);
    }
    replay.end();
    assert_eq!(replay.violation, None);
    replay.recorder.pdus.into_iter().map(|pdu| pdu.raw).collect()
}

#[test]
fn lines_end_at_lf_and_at_cr_with_its_partner() {
    assert_eq!(units(100, &[b"a\r\nb\nc\r\0d\re"]), [&b"a\r\n"[..], b"b\n", b"c\r\0", b"d\r", b"e"]);
}

#[test]
fn a_line_end_within_a_subnegotiation_is_none() {
    let size = b"\xff\xfa\x1f\x00\x0a\x00\x0d\xff\xf0x\r\n";
    assert_eq!(units(100, &[size]), [&size[..]]);
}

#[test]
fn negotiation_stays_in_the_payload() {
    let mut replay = Replay::new(Box::new(Telnet::default()), Limits::default());
    replay.feed(ToServer, b"to\xff\xf1or\r\n");
    replay.feed(ToClient, b"\xff\xfd\x18login: ");
    replay.end();
    let payloads: Vec<_> = replay.recorder.pdus.iter().map(|pdu| pdu.payload.clone()).collect();
    assert_eq!(payloads, [b"to\xff\xf1or\r\n".to_vec(), b"\xff\xfd\x18login: ".to_vec()]);
}

#[test]
fn a_subnegotiation_without_end_is_an_event_and_hides_no_line_for_long() {
    let mut text = b"\xff\xfa\x18".to_vec();
    text.extend_from_slice(&[b'x'; 600]);
    text.extend_from_slice(b"\nnext\n");
    let mut replay = Replay::new(Box::new(Telnet::default()), Limits::default());
    replay.feed(ToServer, &text);
    assert_eq!(replay.recorder.pdus.len(), 2);
    assert_eq!(replay.recorder.events, [InspectorEvent { gid: 126, sid: 3 }]);
}

proptest! {
    #[test]
    fn units_do_not_depend_on_how_bytes_were_cut(
        bytes in proptest::collection::vec(prop_oneof![
            Just(b'\r'), Just(b'\n'), Just(0u8), Just(255u8), Just(250u8), Just(240u8), Just(b'a')
        ], 0..200),
        cut in 1usize..20,
        pdu_bytes in 4usize..60,
    ) {
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        let found = units(pdu_bytes, &pieces);
        prop_assert_eq!(units(pdu_bytes, &[&bytes]), found.clone());
        prop_assert_eq!(found.concat(), bytes);
    }

    #[test]
    fn hostile_bytes_break_nothing(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
        fuzz_telnet(&data);
    }
}
