//! The header of a segment: whose records follow, and where they begin.
//!
//! It is written twice, in slots of [`SLOT`] bytes, so that one hurt byte does not cost the segment. All numbers are
//! little-endian.
//!
//! | at | bytes | what |
//! | --: | --: | --- |
//! | 0 | 8 | `TAPIRSPL` |
//! | 8 | 1 | major version, 1: another one means that this program cannot read the segment |
//! | 9 | 1 | minor version, 0: a higher one has fields or kinds of frames that may be left out |
//! | 10 | 2 | where frames begin, 1,024 |
//! | 12 | 8 | number of the segment |
//! | 20 | 8 | boot |
//! | 28 | 8 | sequence number of its first record |
//! | 36 | 8 | made at, ns since 1970 by the wall clock |
//! | 44 | 4 | salt of the checksums, random |
//! | 48 | 2 | length of the node's name, then the name |
//! | 508 | 4 | CRC-32 of the slot before it |

use super::frame::{crc, u32_at, u64_at};
use crate::record::{Stream, bounded_node};

/// Bytes of one copy.
const SLOT: usize = 512;
/// Where frames begin.
pub(super) const FRAMES_AT: u64 = 2 * SLOT as u64;

const MAGIC: &[u8; 8] = b"TAPIRSPL";
const MAJOR: u8 = 1;
const MINOR: u8 = 0;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) index: u64,
    pub(crate) stream: Stream,
    pub(crate) first: u64,
    pub(crate) created_ns: u64,
    pub(crate) salt: u32,
    pub(crate) frames_at: u64,
}

/// What the beginning of a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A segment that can be read.
    Segment(Header),
    /// A segment of a newer program.
    Newer(u8),
    /// Neither copy is sound.
    Unreadable,
}

impl Header {
    /// Both copies.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let node = bounded_node(&self.stream.node);
        let mut slot = Vec::with_capacity(2 * SLOT);
        slot.extend_from_slice(MAGIC);
        slot.extend_from_slice(&[MAJOR, MINOR]);
        slot.extend_from_slice(&(FRAMES_AT as u16).to_le_bytes());
        slot.extend_from_slice(&self.index.to_le_bytes());
        slot.extend_from_slice(&self.stream.boot.to_le_bytes());
        slot.extend_from_slice(&self.first.to_le_bytes());
        slot.extend_from_slice(&self.created_ns.to_le_bytes());
        slot.extend_from_slice(&self.salt.to_le_bytes());
        slot.extend_from_slice(&(node.len() as u16).to_le_bytes());
        slot.extend_from_slice(node.as_bytes());
        slot.resize(SLOT - 4, 0);
        let sum = crc(0, &slot);
        slot.extend_from_slice(&sum.to_le_bytes());
        slot.extend_from_within(..);
        slot
    }

    /// Reads the first bytes of a file; fewer than [`FRAMES_AT`] are fine when the first copy is whole.
    pub(super) fn read(bytes: &[u8]) -> Opening {
        let mut newer = None;
        for at in [0, SLOT] {
            let Some(slot) = bytes.get(at..at + SLOT) else { continue };
            if !slot.starts_with(MAGIC) || u32_at(slot, SLOT - 4) != crc(0, slot.get(..SLOT - 4).unwrap_or_default()) {
                continue;
            }
            match slot.get(8) {
                Some(&MAJOR) => match Self::of_slot(slot) {
                    Some(header) => return Opening::Segment(header),
                    None => continue,
                },
                other => newer = other.copied(),
            }
        }
        newer.map_or(Opening::Unreadable, Opening::Newer)
    }

    fn of_slot(slot: &[u8]) -> Option<Self> {
        let node_len = u32_at(slot, 48) as usize & 0xFFFF;
        let node = std::str::from_utf8(slot.get(50..50 + node_len)?).ok()?;
        let frames_at = u64::from(u32_at(slot, 10) & 0xFFFF);
        Some(Self {
            index: u64_at(slot, 12),
            stream: Stream { node: node.into(), boot: u64_at(slot, 20) },
            first: u64_at(slot, 28),
            created_ns: u64_at(slot, 36),
            salt: u32_at(slot, 44),
            frames_at: (frames_at >= FRAMES_AT).then_some(frames_at)?,
        })
    }
}

#[cfg(test)]
pub(super) fn sample() -> Header {
    let stream = Stream { node: "node-a".into(), boot: 5 };
    Header { index: 3, stream, first: 70, created_ns: 9, salt: 0xABCD, frames_at: FRAMES_AT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_with_any_one_bit_flipped() {
        let header = sample();
        let bytes = header.bytes();
        assert_eq!(bytes.len() as u64, FRAMES_AT);
        for bit in 0..bytes.len() * 8 {
            let mut hurt = bytes.clone();
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&hurt), Opening::Segment(header.clone()), "bit {bit}");
        }
    }

    #[test]
    fn a_torn_header_is_unreadable_and_a_newer_one_is_told_apart() {
        let bytes = sample().bytes();
        assert_eq!(Header::read(&bytes[..SLOT - 1]), Opening::Unreadable);
        assert_eq!(Header::read(&bytes[..SLOT]), Opening::Segment(sample()));
        let mut newer = bytes[..SLOT].to_vec();
        newer[8] = 2;
        let sum = crc(0, &newer[..SLOT - 4]).to_le_bytes();
        newer[SLOT - 4..].copy_from_slice(&sum);
        assert_eq!(Header::read(&newer), Opening::Newer(2));
    }
}
