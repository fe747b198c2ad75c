//! The framing of records inside a segment: how one is written, and how the next one is found in bytes that may be hurt.
//!
//! All numbers are little-endian.
//!
//! | at | bytes | what |
//! | --: | --: | --- |
//! | 0 | 4 | [`MARKER`]; its first byte never occurs in UTF-8 text, so a payload cannot look like a frame |
//! | 4 | 1 | kind: 1 is a record |
//! | 5 | 1 | length of the head, 44; a newer version may append fields before the last four bytes |
//! | 6 | 2 | 0 |
//! | 8 | 4 | length of the payload |
//! | 12 | 8 | sequence number |
//! | 20 | 8 | time of the event, ns |
//! | 28 | 8 | time of queueing, ns |
//! | 36 | 4 | CRC-32 of the payload, begun with the segment's salt |
//! | 40 | 4 | CRC-32 of the head before it, begun with the segment's salt |
//! | 44 | n | payload |
//!
//! *Invariants*: 1. [`step`] is total and always moves on, so a walk ends; 2. a damaged payload costs its record alone: the
//! head tells where the next frame begins; 3. a damaged head costs its record alone: the next marker with a sound head is the
//! next frame; 4. what was written before to the same disk blocks, or planted in a payload, does not pass for a frame: its
//! writer did not know the salt.
//!
//! *Limits*: payloads of [`MAX_PAYLOAD`]; a frame of another kind or with a longer head is skipped whole.

use crate::record::MAX_PAYLOAD;
use std::ops::Range;

/// How a frame begins.
pub(super) const MARKER: [u8; 4] = [0xFF, b'T', b'R', 0xFE];
/// Bytes before the payload, as this version writes them.
pub(super) const HEAD: usize = 44;
/// The longest frame that this version writes.
pub(super) const MAX_FRAME: usize = HEAD + MAX_PAYLOAD;

const KIND_RECORD: u8 = 1;

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) time_ns: u64,
    pub(super) queued_ns: u64,
}

/// What lies at the beginning of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A sound record; the payload's place, which is also where the frame ends.
    Record { head: Head, payload: Range<usize> },
    /// A sound frame that this version does not understand.
    Foreign { len: usize },
    /// No sound frame. The next one cannot begin before `len`, which may be beyond the bytes.
    Damaged { len: usize },
    /// Too few bytes to tell.
    More,
}

/// Appends a frame.
pub(super) fn put(out: &mut Vec<u8>, salt: u32, head: Head, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[KIND_RECORD, HEAD as u8, 0, 0]);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&head.seq.to_le_bytes());
    out.extend_from_slice(&head.time_ns.to_le_bytes());
    out.extend_from_slice(&head.queued_ns.to_le_bytes());
    out.extend_from_slice(&crc(salt, payload).to_le_bytes());
    let sum = crc(salt, out.get(start..).unwrap_or_default());
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Looks at the beginning of `bytes`. With `last`, no more bytes will come, and [`Step::More`] is only said of an
/// unusable rest that is shorter than a marker.
pub(super) fn step(bytes: &[u8], salt: u32, last: bool) -> Step {
    let more = |bytes: &[u8]| if last { damaged(bytes) } else { Step::More };
    if bytes.len() < MARKER.len() {
        return Step::More;
    }
    if !bytes.starts_with(&MARKER) {
        return damaged(bytes);
    }
    let (Some(&kind), Some(&head_len)) = (bytes.get(4), bytes.get(5)) else { return more(bytes) };
    let head_len = usize::from(head_len);
    if head_len < HEAD {
        return damaged(bytes);
    }
    let Some(head) = bytes.get(..head_len) else { return more(bytes) };
    let (covered, sum) = head.split_at(head_len - 4);
    if u32_at(sum, 0) != crc(salt, covered) {
        return damaged(bytes);
    }
    let payload_len = u32_at(head, 8) as usize;
    let len = head_len.saturating_add(payload_len);
    if kind != KIND_RECORD {
        return Step::Foreign { len };
    }
    if payload_len > MAX_PAYLOAD {
        return Step::Damaged { len };
    }
    let Some(payload) = bytes.get(head_len..len) else { return more(bytes) };
    if u32_at(head, 36) != crc(salt, payload) {
        return Step::Damaged { len };
    }
    let head = Head { seq: u64_at(head, 12), time_ns: u64_at(head, 20), queued_ns: u64_at(head, 28) };
    Step::Record { head, payload: head_len..len }
}

/// Up to the next byte that may begin a marker.
fn damaged(bytes: &[u8]) -> Step {
    let next = bytes.get(1..).and_then(|rest| memchr::memchr(MARKER[0], rest));
    Step::Damaged { len: next.map_or(bytes.len(), |at| at + 1) }
}

/// CRC-32 (IEEE 802.3) begun with a salt.
pub(super) fn crc(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

/// A little-endian number; missing bytes are 0.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at.saturating_add(8)).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// A little-endian number; missing bytes are 0.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at.saturating_add(4)).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: Head = Head { seq: 7, time_ns: 1, queued_ns: 2 };

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, 99, HEADS, payload);
        out
    }

    #[test]
    fn what_was_put_is_found() {
        let bytes = frame(b"{}");
        assert_eq!(step(&bytes, 99, true), Step::Record { head: HEADS, payload: 44..46 });
    }

    #[test]
    fn another_salt_makes_it_no_frame() {
        assert!(matches!(step(&frame(b"{}"), 98, true), Step::Damaged { .. }));
    }

    #[test]
    fn a_cut_frame_asks_for_more_or_is_damaged_when_no_more_comes() {
        let bytes = frame(b"{\"a\":1}");
        for end in 4..bytes.len() {
            assert_eq!(step(&bytes[..end], 99, false), Step::More, "{end}");
            assert_eq!(step(&bytes[..end], 99, true), Step::Damaged { len: end }, "{end}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_leads_to_the_next_frame() {
        let (first, second) = (frame(b"{\"a\":1}"), frame(b"{\"b\":2}"));
        for bit in 0..first.len() * 8 {
            let mut bytes = [first.clone(), second.clone()].concat();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut at = 0;
            loop {
                match step(&bytes[at..], 99, true) {
                    Step::Damaged { len } => at += len,
                    Step::Record { payload, .. } => {
                        assert_eq!(at, first.len(), "bit {bit}");
                        assert_eq!(&bytes[at..][payload], b"{\"b\":2}");
                        break;
                    }
                    other => panic!("bit {bit}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_newer_head_and_an_unknown_kind_are_understood_as_far_as_they_go() {
        let mut newer = frame(b"{}");
        newer[5] = 52;
        newer.splice(40..40, [9; 8]);
        let sum = crc(99, &newer[..48]).to_le_bytes();
        newer[48..52].copy_from_slice(&sum);
        assert_eq!(step(&newer, 99, true), Step::Record { head: HEADS, payload: 52..54 });
        newer[4] = 200;
        let sum = crc(99, &newer[..48]).to_le_bytes();
        newer[48..52].copy_from_slice(&sum);
        assert_eq!(step(&newer, 99, true), Step::Foreign { len: 54 });
    }
}
