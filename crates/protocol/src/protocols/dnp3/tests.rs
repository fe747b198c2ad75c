//! Frames in, fragments and facts out.

use super::*;
use crate::Limits;
use crate::drive::{Transcript, every_way};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

#[track_caller]
fn check(script: &[(Direction, &[u8])]) -> Transcript {
    every_way(&|| Box::new(Dnp3Inspector::default()), &Limits::default(), script)
}

/// A frame to station 4 with this user data and blind CRCs.
fn frame(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![5, 0x64, (data.len() + 5) as u8, 0xc4, 4, 0, 3, 0, 0xee, 0xee];
    for block in data.chunks(16) {
        bytes.extend(block);
        bytes.extend([0xee, 0xee]);
    }
    bytes
}

#[test]
fn a_request_in_one_frame_has_function_and_object() {
    let read = frame(&[0xc1, 0xc2, 1, 60, 2, 6]);
    let seen = check(&[(ToServer, &[read.clone(), read.clone()].concat())]);
    assert_eq!(seen.pdus.len(), 2);
    assert_eq!(seen.pdus[1].raw, read);
    assert_eq!(seen.pdus[1].buffer(BufferId::Dnp3Data), Some(&[0xc2, 1, 60, 2, 6][..]));
    assert_eq!(seen.pdus[1].dnp3, Some(Dnp3Facts { function: 1, indications: None, object: Some((60, 2)) }));
    assert_eq!(seen.events, []);
}

#[test]
fn a_response_has_indications_in_front_of_its_objects() {
    let response = frame(&[0xc1, 0xc2, 129, 0x80, 0x01, 51, 1, 7]);
    let bare = frame(&[0xc2, 0xc2, 130, 0x10]);
    let seen = check(&[(ToClient, &[response, bare].concat())]);
    let facts = Dnp3Facts { function: 129, indications: Some(0x8001), object: Some((51, 1)) };
    assert_eq!(seen.pdus[0].dnp3, Some(facts));
    assert_eq!(seen.pdus[1].dnp3, Some(Dnp3Facts { function: 130, indications: None, object: None }));
}

#[test]
fn the_last_frame_carries_the_fragment_of_all() {
    let (first, last) = (frame(&[0x40, 0xc2, 2, 50, 1]), frame(&[0x81, 7, 1, 0xaa]));
    let seen = check(&[(ToServer, &[first.clone(), last.clone()].concat())]);
    assert_eq!((seen.pdus[0].raw.as_slice(), seen.pdus[0].dnp3), (first.as_slice(), None));
    assert_eq!(seen.pdus[0].buffer(BufferId::Dnp3Data), None);
    assert_eq!(seen.pdus[1].raw, last);
    assert_eq!(seen.pdus[1].buffer(BufferId::Dnp3Data), Some(&[0xc2, 2, 50, 1, 7, 1, 0xaa][..]));
}

#[test]
fn directions_are_put_together_apart() {
    let (first, last) = (frame(&[0x40, 0xc2, 2]), frame(&[0x81, 7]));
    let other = frame(&[0xc9, 0xc1, 0]);
    let seen = check(&[(ToServer, &first), (ToClient, &other), (ToServer, &last)]);
    assert_eq!(seen.pdus[2].buffer(BufferId::Dnp3Data), Some(&[0xc2, 2, 7][..]));
}

#[test]
fn frames_without_data_and_cut_off_fragments_are_plain() {
    let status = frame(&[]);
    let empty = frame(&[0xc0]);
    let seen = check(&[(ToServer, &[status, empty, frame(&[0xc1, 0xc2])].concat())]);
    let buffers: Vec<_> = seen.pdus.iter().map(|pdu| pdu.buffer(BufferId::Dnp3Data).map(<[u8]>::len)).collect();
    assert_eq!(buffers, [None, None, Some(1)]);
    assert!(seen.pdus.iter().all(|pdu| pdu.dnp3.is_none()));
    assert_eq!(seen.events, []);
}

#[test]
fn anomalies_are_events() {
    let mut reserved = frame(&[]);
    reserved[4..6].copy_from_slice(&[0xf5, 0xff]);
    let stray = frame(&[0x81, 1, 2]);
    let (first, jump) = (frame(&[0x40, 1, 2]), frame(&[0x85, 3]));
    let unknown = frame(&[0xc0, 1, 99]);
    let seen = check(&[(ToServer, &[reserved, stray, first, jump, unknown].concat())]);
    assert_eq!(seen.events, [(145, 5), (145, 3), (145, 4), (145, 6)]);
    assert_eq!(seen.pdus.len(), 5);
}

#[test]
fn a_direction_out_of_step_is_let_go_and_the_other_goes_on() {
    let good = frame(&[0xc0, 1, 1]);
    let seen = check(&[(ToServer, &[&good[..], &[5, 5]].concat()), (ToClient, &good)]);
    assert_eq!(seen.pdus.len(), 2);
    assert_eq!(seen.detached, [Some(DetachReason::NotOurs), None]);
    let seen = check(&[(ToServer, &[5, 0x64, 4, 0])]);
    assert_eq!((seen.detached[0], seen.events.as_slice()), (Some(DetachReason::NotOurs), &[(145, 2)][..]));
}

#[test]
fn a_frame_that_never_completes_is_given_out_at_the_end() {
    let seen = check(&[(ToServer, &frame(&[0xc0, 1, 1])[..12])]);
    assert_eq!((seen.pdus[0].raw.len(), seen.pdus[0].dnp3), (12, None));
}

proptest! {
    #[test]
    fn fuzz_dnp3_holds(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_dnp3(&data);
    }

    #[test]
    fn random_frames_are_cut_invariant(parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..12)) {
        let frames: Vec<_> = parts
            .into_iter()
            .map(|(client, data)| (if client { ToServer } else { ToClient }, frame(&data)))
            .collect();
        let script: Vec<_> = frames.iter().map(|(dir, bytes)| (*dir, bytes.as_slice())).collect();
        let seen = check(&script);
        prop_assert_eq!(seen.pdus.len(), frames.len());
        prop_assert_eq!(seen.detached, [None, None]);
    }
}
