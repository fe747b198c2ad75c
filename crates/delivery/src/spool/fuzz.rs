//! The reader of segments against any bytes, and against any damage to bytes that are sound.

use super::frame::{Head, put};
use super::header::{Header, Opening};
use super::walk::{Found, Walk};
use crate::record::Stream;
use std::collections::BTreeSet;

/// First byte even: the rest is a segment's file. Odd: the rest says which records a segment has and which bytes are then
/// hurt, and exactly the untouched records must come out.
#[doc(hidden)]
pub fn fuzz_spool(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    if mode % 2 == 0 { any_bytes(rest) } else { any_damage(rest) }
}

/// The walk ends, its numbers grow, and it stays within the file.
fn any_bytes(file: &[u8]) {
    let header = match Header::read(file) {
        Opening::Segment(header) => header,
        Opening::Newer(_) | Opening::Unreadable => {
            let stream = Stream { node: "n".into(), boot: 1 };
            Header { index: 0, stream, first: 0, created_ns: 0, salt: 0, frames_at: 0 }
        }
    };
    let mut walk = Walk::new(file, &header);
    let mut before = None;
    while let Found::Record(head, payload) = found(&mut walk, file.len()) {
        assert!(before.is_none_or(|before| before < head.seq) && walk.payload(payload.clone()).len() == payload.len());
        before = Some(head.seq);
    }
    assert!(walk.sound() <= (file.len() as u64).max(header.frames_at));
}

fn found(walk: &mut Walk<&[u8]>, limit: usize) -> Found {
    walk.next(limit as u64).unwrap_or(Found::End)
}

/// Pairs of bytes: `0x00..=0x7F n` is a record of `n` bytes of that value; `0x80.. n` flips a bit of the file. Three bits a
/// record at most: a CRC-32 always notices that many in so few bytes.
fn any_damage(script: &[u8]) {
    let stream = Stream { node: "n".into(), boot: 1 };
    let header = Header { index: 1, stream, first: 10, created_ns: 0, salt: 0x5EED, frames_at: 1024 };
    let mut file = header.bytes();
    let (mut records, mut flips) = (Vec::new(), Vec::new());
    for pair in script.chunks_exact(2).take(512) {
        let &[what, n] = pair else { continue };
        if what < 0x80 {
            let payload = vec![what; usize::from(n)];
            let start = file.len();
            let seq = 10 + records.len() as u64;
            put(&mut file, header.salt, Head { seq, time_ns: 0, queued_ns: 0 }, &payload);
            records.push((start..file.len(), payload, BTreeSet::new()));
        } else {
            flips.push((usize::from(what & 0x7F) << 8 | usize::from(n)) * 37);
        }
    }
    let bits = file.len().saturating_sub(1024) * 8;
    for bit in flips.into_iter().filter(|_| bits > 0).map(|flip| 1024 * 8 + flip % bits) {
        let hit = records.iter_mut().find(|(range, ..)| range.contains(&(bit / 8)));
        if let (Some((_, _, hits)), Some(byte)) = (hit, file.get_mut(bit / 8))
            && hits.len() < 3
            && hits.insert(bit)
        {
            *byte ^= 1 << (bit % 8);
        }
    }
    let expected: Vec<(u64, Vec<u8>)> =
        (10..).zip(records).filter(|(_, (_, _, hits))| hits.is_empty()).map(|(seq, record)| (seq, record.1)).collect();
    let mut walk = Walk::new(file.as_slice(), &header);
    let mut got = Vec::new();
    while let Found::Record(head, payload) = found(&mut walk, file.len()) {
        got.push((head.seq, walk.payload(payload).to_vec()));
    }
    assert_eq!(got, expected, "damage costs the damaged records alone");
}
