//! SMB conversations: messages, named pipes, files, hostile lengths.

use super::*;
use crate::BufferId;
use crate::Limits;
use crate::drive::{Seen, Transcript, every_way};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn session(smb: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(smb.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(smb);
    bytes
}

fn smb1(command: u8, mid: u8, words: &[u8], data: &[u8]) -> Vec<u8> {
    let mut smb = vec![0xff, b'S', b'M', b'B', command];
    smb.resize(32, 0);
    smb[30] = mid;
    smb.push(u8::try_from(words.len() / 2).unwrap());
    smb.extend(words);
    smb.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
    smb.extend(data);
    session(&smb)
}

/// Data starts behind header, word count, words and byte count.
fn data_at(words: usize) -> u8 {
    u8::try_from(33 + words + 2).unwrap()
}

fn write_andx(fid: u8, offset: u8, data: &[u8]) -> Vec<u8> {
    let mut words = vec![0xff, 0, 0, 0, fid, 0, offset, 0, 0, 0];
    words.resize(24, 0);
    words[20..22].copy_from_slice(&u16::try_from(data.len()).unwrap().to_le_bytes());
    words[22] = data_at(24);
    smb1(0x2f, 1, &words, data)
}

fn read_andx(mid: u8, fid: u8) -> Vec<u8> {
    let mut words = vec![0xff, 0, 0, 0, fid, 0];
    words.resize(20, 0);
    smb1(0x2e, mid, &words, b"")
}

fn read_answer(mid: u8, data: &[u8]) -> Vec<u8> {
    let mut words = vec![0xff];
    words.resize(24, 0);
    words[10] = u8::try_from(data.len()).unwrap();
    words[12] = data_at(24);
    smb1(0x2e, mid, &words, data)
}

fn transact(mid: u8, fid: u8, total: usize, data: &[u8]) -> Vec<u8> {
    let mut words = vec![0; 32];
    words[2] = u8::try_from(total).unwrap();
    words[22] = u8::try_from(data.len()).unwrap();
    words[24] = data_at(32);
    (words[26], words[28], words[30]) = (2, 0x26, fid);
    smb1(0x25, mid, &words, data)
}

fn secondary(mid: u8, total: usize, displacement: usize, data: &[u8]) -> Vec<u8> {
    let mut words = vec![0; 16];
    words[2] = u8::try_from(total).unwrap();
    words[10] = u8::try_from(data.len()).unwrap();
    words[12] = data_at(16);
    words[14] = u8::try_from(displacement).unwrap();
    smb1(0x26, mid, &words, data)
}

fn smb2(command: u8, id: u8, body: &[u8]) -> Vec<u8> {
    let mut smb = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
    smb.push(command);
    smb.resize(64, 0);
    smb[24] = id;
    smb.extend(body);
    smb
}

fn write2(handle: u8, offset: u8, data: &[u8]) -> Vec<u8> {
    let mut body = vec![49, 0, 112, 0];
    body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    body.extend([offset, 0, 0, 0, 0, 0, 0, 0]);
    body.extend([handle; 16]);
    body.resize(48, 0);
    body.extend(data);
    smb2(9, 1, &body)
}

fn ioctl2(id: u8, handle: u8, data: &[u8]) -> Vec<u8> {
    let mut body = vec![57, 0, 0, 0, 0x17, 0xc0, 0x11, 0];
    body.extend([handle; 16]);
    body.extend([120, 0, 0, 0]);
    body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    body.resize(56, 0);
    body.extend(data);
    smb2(11, id, &body)
}

fn fragment(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut pdu = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    pdu.extend(u16::try_from(16 + body.len()).unwrap().to_le_bytes());
    pdu.extend([0, 0, 7, 0, 0, 0]);
    pdu.extend(body);
    pdu
}

fn bind() -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    body.extend([0xab; 16]);
    body.extend([0; 24]);
    fragment(11, 3, &body)
}

fn request(flags: u8, stub: &[u8]) -> Vec<u8> {
    fragment(0, flags, &[&[0, 0, 0, 0, 0, 0, 4, 0], stub].concat())
}

#[track_caller]
fn check(script: &[(Direction, &[u8])]) -> Transcript {
    every_way(&|| Box::new(SmbInspector::default()), &Limits::default(), script)
}

fn stub(seen: &Seen) -> Option<&[u8]> {
    seen.buffer(BufferId::DceStubData)
}

#[test]
fn a_call_in_a_pipe_write_has_facts_and_stub_data() {
    let (open, call) = (write_andx(7, 0, &bind()), write_andx(7, 0, &request(3, b"stub")));
    let seen = check(&[(ToServer, &open), (ToServer, &call)]);
    assert_eq!(seen.pdus.len(), 2);
    assert_eq!(seen.pdus[1].raw, call);
    assert_eq!(stub(&seen.pdus[1]), Some(&b"stub"[..]));
    assert_eq!(seen.pdus[1].dce.unwrap().iface, Some([0xab; 16]));
    assert_eq!(seen.pdus[1].buffer(BufferId::FileData), None);
}

#[test]
fn pipes_do_not_share_their_contexts() {
    let (open, call) = (write_andx(7, 0, &bind()), write_andx(8, 0, &request(3, b"stub")));
    let seen = check(&[(ToServer, &open), (ToServer, &call)]);
    assert!(seen.pdus[1].dce.is_none());
}

#[test]
fn a_fragment_over_several_writes_is_one_further_pdu() {
    let call = request(3, b"stub");
    let (open, left, right) = (write_andx(7, 0, &bind()), write_andx(7, 0, &call[..10]), write_andx(7, 0, &call[10..]));
    let seen = check(&[(ToServer, &open), (ToServer, &left), (ToServer, &right)]);
    assert_eq!(seen.pdus.len(), 4);
    assert!(seen.pdus[2].dce.is_none());
    assert_eq!((seen.pdus[3].kind, stub(&seen.pdus[3])), (PduKind::DceDeseg, Some(&b"stub"[..])));
}

#[test]
fn fragments_of_a_call_in_several_writes_are_joined() {
    let open = write_andx(7, 0, &bind());
    let (one, two) = (write_andx(7, 0, &request(1, b"one ")), write_andx(7, 0, &request(2, b"two")));
    let seen = check(&[(ToServer, &open), (ToServer, &one), (ToServer, &two)]);
    assert_eq!((seen.pdus[3].kind, stub(&seen.pdus[3])), (PduKind::DceDefrag, Some(&b"one two"[..])));
}

#[test]
fn an_answer_finds_its_pipe_by_message_id() {
    let (open, ask) = (write_andx(7, 0, &bind()), read_andx(5, 7));
    let response = fragment(2, 3, b"\0\0\0\0\0\0\0\0answer");
    let answer = read_answer(5, &response);
    let seen = check(&[(ToServer, &open), (ToServer, &ask), (ToClient, &answer), (ToClient, &answer)]);
    assert_eq!(stub(&seen.pdus[2]), Some(&b"answer"[..]));
    assert_eq!(stub(&seen.pdus[3]), None);
}

#[test]
fn a_transaction_in_parts_is_put_together() {
    let call = request(3, b"stub");
    let open = transact(1, 7, bind().len(), &bind());
    let (first, second) = (transact(2, 7, call.len(), &call[..10]), secondary(2, call.len(), 10, &call[10..]));
    let seen = check(&[(ToServer, &open), (ToServer, &first), (ToServer, &second)]);
    assert_eq!(seen.pdus.len(), 4);
    assert_eq!((seen.pdus[3].kind, stub(&seen.pdus[3])), (PduKind::SmbTransaction, Some(&b"stub"[..])));
}

#[test]
fn smb2_writes_and_transceives_are_pipes_too() {
    let open = session(&write2(1, 0, &bind()));
    let call = session(&ioctl2(2, 1, &request(3, b"stub")));
    let seen = check(&[(ToServer, &open), (ToServer, &call)]);
    assert_eq!(stub(&seen.pdus[1]), Some(&b"stub"[..]));
}

#[test]
fn a_compound_gives_one_pdu_and_further_views() {
    let mut first = write2(1, 0, b"file one");
    first.resize(first.len().next_multiple_of(8), 0);
    first[20] = u8::try_from(first.len()).unwrap();
    let compound = session(&[first, write2(2, 9, b"file two")].concat());
    let seen = check(&[(ToServer, &compound)]);
    assert_eq!(seen.pdus[0].raw, compound);
    assert_eq!(seen.pdus[0].buffer(BufferId::FileData), Some(&b"file one"[..]));
    assert_eq!(seen.pdus[1].buffer(BufferId::FileData), Some(&b"file two"[..]));
    assert!(seen.pdus[1].continues_flush && seen.pdus[1].file_position == 9);
}

#[test]
fn a_closed_handle_is_no_pipe_any_more() {
    let open = write_andx(7, 0, &bind());
    let close = smb1(0x04, 2, &[7, 0, 0, 0, 0, 0], b"");
    let file = write_andx(7, 3, b"file data");
    let seen = check(&[(ToServer, &open), (ToServer, &close), (ToServer, &file)]);
    assert_eq!(seen.pdus[2].buffer(BufferId::FileData), Some(&b"file data"[..]));
    assert_eq!(seen.pdus[2].file_position, 3);
}

#[test]
fn a_chain_that_points_back_ends() {
    let mut message = write_andx(7, 0, b"x");
    message[4 + 33] = 0x2f;
    message[4 + 35] = 32;
    assert_eq!(check(&[(ToServer, &message)]).pdus.len(), 1);
}

#[test]
fn session_requests_and_long_messages_are_cut_by_their_length() {
    let request = b"\x81\0\0\x02ab";
    let mut long = vec![0, 1, 0x11, 0x70];
    long.extend(b"\xffSMB");
    long.resize(4 + 70_000, b'x');
    let seen = check(&[(ToServer, request), (ToServer, &long), (ToServer, request)]);
    let lens: Vec<_> = seen.pdus.iter().map(|pdu| pdu.raw.len()).collect();
    assert_eq!(lens, [6, 65_540, 70_004 - 65_540, 6]);
    assert_eq!(check(&[(ToServer, b"GET / HTTP/1.0\r\n")]).detached[0], Some(DetachReason::NotOurs));
}

proptest! {
    #[test]
    fn fuzz_smb_holds(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_smb(&data);
    }

    #[test]
    fn random_pipe_traffic_is_cut_invariant(
        parts in proptest::collection::vec((0u8..8, 0u8..3, 0u8..4, proptest::collection::vec(any::<u8>(), 0..40)), 0..14),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let turns: Vec<(Direction, Vec<u8>)> = parts.iter().map(|(what, fid, flags, data)| match what {
            0 => (ToServer, write_andx(*fid, 0, &bind())),
            1 => (ToServer, write_andx(*fid, 0, &request(*flags, data))),
            2 => (ToServer, write_andx(*fid, 0, data)),
            3 => (ToServer, read_andx(*flags, *fid)),
            4 => (ToClient, read_answer(*flags, &fragment(2, *flags, data))),
            5 => (ToServer, transact(*flags, *fid, data.len() + 5, data)),
            6 => (ToServer, secondary(*flags, data.len() + 5, data.len(), b"abcde")),
            _ => (ToServer, session(&write2(*fid, *flags, &request(*flags, data)))),
        }).collect();
        let mut turns = turns;
        for (index, byte) in changes {
            if let Some(at) = (!turns.is_empty()).then(|| index.index(turns.len())) {
                let bytes = &mut turns[at].1;
                let within = index.index(bytes.len());
                bytes[within] = byte;
            }
        }
        let script: Vec<(Direction, &[u8])> = turns.iter().map(|(dir, bytes)| (*dir, bytes.as_slice())).collect();
        check(&script);
    }
}
