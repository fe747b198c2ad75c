//! GTP messages of all versions, whole and broken.

use super::*;
use crate::drive::{Seen, Transcript, run_datagrams};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

/// A version 1 message with sequence number; `kind` and what follows its header.
fn v1(kind: u8, elements: &[u8]) -> Vec<u8> {
    let length = u8::try_from(elements.len() + 4).unwrap();
    [&[0x32, kind, 0, length, 0, 0, 0, 1, 0, 7, 0, 0], elements].concat()
}

fn v0(kind: u8, elements: &[u8]) -> Vec<u8> {
    let length = u8::try_from(elements.len()).unwrap();
    [&[0x1e, kind, 0, length], &[0xff; 16][..], elements].concat()
}

fn v2(kind: u8, elements: &[u8]) -> Vec<u8> {
    let length = u8::try_from(elements.len() + 8).unwrap();
    [&[0x48, kind, 0, length, 0, 0, 0, 1, 0, 0, 7, 0], elements].concat()
}

fn element(bytes: &[u8], kind: u8) -> Option<Vec<u8>> {
    Message::parse(bytes, &mut |_| {}).unwrap().element(kind).map(<[u8]>::to_vec)
}

fn check(bytes: &[u8]) -> Transcript {
    let seen = run_datagrams(Box::new(GtpInspector), &[(ToServer, bytes)]);
    assert_eq!((seen.pdus.len(), seen.pdus[0].raw.as_slice()), (1, bytes), "a datagram is one PDU");
    assert_eq!(seen.pdus[0].payload, bytes);
    seen
}

fn facts(seen: &Seen) -> Option<(u8, u8)> {
    seen.gtp.map(|facts| (facts.version, facts.message))
}

#[test]
fn every_version_has_facts_and_elements() {
    let cause_and_apn = [1, 128, 131, 0, 3, b'a', b'p', b'n'];
    for (bytes, version) in [(v0(17, &cause_and_apn), 0), (v1(17, &cause_and_apn), 1)] {
        let seen = check(&bytes);
        assert_eq!((facts(&seen.pdus[0]), seen.events.len()), (Some((version, 17)), 0));
        assert_eq!(element(&bytes, 1).unwrap(), [1, 128]);
        assert_eq!(element(&bytes, 131).unwrap(), &cause_and_apn[2..]);
        assert_eq!(element(&bytes, 2), None);
    }
    let bytes = v2(33, &[2, 0, 2, 0, 16, 0, 71, 0, 1, 0, b'x']);
    let seen = check(&bytes);
    assert_eq!((facts(&seen.pdus[0]), seen.events.len()), (Some((2, 33)), 0));
    assert_eq!(element(&bytes, 2).unwrap(), [2, 0, 2, 0, 16, 0]);
    assert_eq!(element(&bytes, 71).unwrap(), [71, 0, 1, 0, b'x']);
}

#[test]
fn the_type_of_an_element_may_differ_by_version() {
    let bytes = v1(16, &[14, 5, 131, 0, 1, b'a']);
    let message = Message::parse(&bytes, &mut |_| {}).unwrap();
    let (view, arena) = (GtpView { message }, Bump::new());
    let buffer = |kinds| {
        let selector = Selector::Element(kinds);
        view.buffer(&BufferKey { id: BufferId::GtpInfo, request: false, selector }, &arena)
    };
    assert_eq!(buffer([None, Some(131), Some(71)]), Some(&[131, 0, 1, b'a'][..]));
    assert_eq!(buffer([Some(14), None, Some(14)]), None, "the name is unknown in this version");
    assert_eq!(view.buffer(&BufferKey::whole(BufferId::GtpInfo), &arena), None);
}

#[test]
fn neighbours_of_a_type_are_joined_and_the_last_place_counts() {
    let bytes = v1(16, &[20, 5, 20, 6, 131, 0, 0]);
    assert_eq!(element(&bytes, 20).unwrap(), [20, 5, 20, 6]);
    let bytes = v1(16, &[20, 5, 131, 0, 0, 20, 6]);
    assert_eq!(element(&bytes, 20).unwrap(), [20, 6]);
    assert_eq!(check(&bytes).events, [(143, 3)]);
}

#[test]
fn extension_headers_stand_before_elements() {
    let mut bytes = v1(16, &[1, 9, 9, 0, 14, 5]);
    bytes[11] = 0xc0;
    assert_eq!(element(&bytes, 14).unwrap(), [14, 5]);
    bytes[12] = 0;
    assert_eq!(check(&bytes).events, [(143, 1)], "an endless one");
    bytes[12] = 9;
    assert_eq!(check(&bytes).events, [(143, 1)], "beyond the message");
    assert_eq!(element(&[0x30, 1, 0, 2, 0, 0, 0, 0, 14, 5], 14).unwrap(), [14, 5], "no optional fields");
}

#[test]
fn lengths_that_contradict_are_events_and_keep_the_facts() {
    for whole in [v0(16, &[14, 5]), v1(16, &[14, 5]), v2(32, &[3, 0, 1, 0, 5])] {
        for cut in 8..whole.len() {
            let seen = check(&whole[..cut]);
            assert_eq!(seen.events, [(143, 1)], "{cut}");
            assert!(seen.pdus[0].gtp.is_some());
        }
        assert_eq!(check(&whole[..7]).pdus[0].gtp, None);
    }
    for elements in [&[14, 5, 131, 0][..], &[14, 5, 131, 0, 2, 1], &[14, 5, 2, 1]] {
        let bytes = v1(16, elements);
        assert_eq!(check(&bytes).events.last(), Some(&(143, 2)));
        assert_eq!(element(&bytes, 14).unwrap(), [14, 5], "what stands before counts");
    }
}

#[test]
fn version_2_needs_its_identifier_and_takes_elements_in_any_order() {
    let bare = |kind| [0x40, kind, 0, 9, 0, 0, 7, 0, 3, 0, 1, 0, 5];
    assert_eq!(check(&bare(1)).events, []);
    assert_eq!(element(&bare(1), 3).unwrap(), [3, 0, 1, 0, 5]);
    assert_eq!(check(&bare(32)).events, [(143, 4)]);
    assert_eq!(check(&v2(32, &[71, 0, 0, 0, 1, 0, 0, 0])).events, []);
}

#[test]
fn the_first_of_piggybacked_messages_is_read() {
    let mut bytes = v2(33, &[3, 0, 1, 0, 5]);
    bytes[0] |= 0x10;
    bytes.extend(v2(95, &[71, 0, 1, 0, b'x']));
    assert_eq!(check(&bytes).events, []);
    assert!(element(&bytes, 3).is_some() && element(&bytes, 71).is_none());
}

#[test]
fn user_data_charging_and_other_protocols_have_no_elements() {
    for bytes in
        [v1(255, &[14, 5]), [&[0x0e, 240, 0, 2], &v0(1, &[14, 5])[4..]].concat(), vec![0x4e, 1, 9, 9, 0, 0, 0, 0]]
    {
        let seen = check(&bytes);
        assert!(seen.pdus[0].gtp.is_some() && seen.events.is_empty());
        assert_eq!(element(&bytes, 14), None);
    }
    for bytes in [&b"no GTP at all"[..], &[0xff; 40], b"", b"\x32"] {
        assert_eq!(run_datagrams(Box::new(GtpInspector), &[(ToClient, bytes)]).pdus[0].gtp, None);
    }
}

#[test]
fn the_longest_datagram_is_walked() {
    let mut bytes = vec![0x32, 16, 0xff, 0xfa, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.resize(65_522 + 8, 20);
    bytes.resize(0xfffa + 8, 20);
    let joined = element(&bytes, 20).unwrap();
    assert!(joined.len() > 65_000);
}

proptest! {
    #[test]
    fn fuzz_gtp_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_gtp(&data);
    }

    #[test]
    fn random_elements_hold(version in 0u8..3, elements in proptest::collection::vec(0u8..32, 0..200)) {
        let bytes = match version { 0 => v0(16, &elements), 1 => v1(16, &elements), _ => v2(32, &elements) };
        fuzz_gtp(&bytes);
    }
}
