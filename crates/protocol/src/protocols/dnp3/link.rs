//! DNP3 link frames: their length, their addresses, and their user data without CRCs.
//!
//! *Limits*: a frame has 292 bytes at most. CRCs are taken out, not checked.
//!
//! *Spec*: IEEE 1815 §9.2 (FT3 frame: a header block of 8 bytes, data blocks of up to 16, each
//! followed by a CRC of 2).

use crate::wire::{byte, le16};

/// Start bytes, length, control, destination, source, CRC.
const HEADER: usize = 10;
/// What the length counts of the header: control and addresses.
const COUNTED: usize = 5;
const BLOCK: usize = 16;
const CRC: usize = 2;

/// What the first bytes of a direction say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A frame of this many bytes.
    Frame(usize),
    /// The length is not there yet.
    Short,
    /// Not the start bytes.
    NotDnp3,
    /// The length is below that of a header.
    TooShort,
}

/// The frame at the start of `bytes`.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let starts = bytes.iter().zip([0x05, 0x64]).all(|(&byte, start)| byte == start);
    if !starts {
        return Framing::NotDnp3;
    }
    let Some(length) = byte(bytes, 2).map(usize::from) else { return Framing::Short };
    match length.checked_sub(COUNTED) {
        Some(data) => Framing::Frame(HEADER.saturating_add(data).saturating_add(data.div_ceil(BLOCK) * CRC)),
        None => Framing::TooShort,
    }
}

/// Bytes that tell a frame's length.
pub(super) const LENGTH_KNOWN: usize = 3;

/// The data blocks of a whole frame, without CRCs.
pub(super) fn blocks(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let behind = frame.get(HEADER..).unwrap_or(&[]);
    behind.chunks(BLOCK + CRC).map(|block| block.get(..block.len().saturating_sub(CRC)).unwrap_or(&[]))
}

/// An address that the standard keeps for later: 0xFFF0 to 0xFFFB.
pub(super) fn reserved_address(frame: &[u8]) -> bool {
    [4, 6].into_iter().any(|at| le16(frame, at).is_some_and(|address| (0xfff0..=0xfffb).contains(&address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_neither_start_nor_crcs() {
        for (length, total) in [(5, 10), (6, 13), (21, 28), (22, 31), (255, 292)] {
            assert_eq!(framing(&[5, 0x64, length]), Framing::Frame(total));
        }
        assert_eq!(framing(&[5, 0x64, 4]), Framing::TooShort);
        assert_eq!(framing(&[5, 0x64]), Framing::Short);
        assert_eq!(framing(&[5, 5]), Framing::NotDnp3);
        assert_eq!(framing(&[6]), Framing::NotDnp3);
    }

    #[test]
    fn crcs_are_taken_out_of_the_data() {
        let mut frame = vec![5, 0x64, 23, 0xc4, 4, 0, 3, 0, 0xee, 0xee];
        frame.extend(0..16);
        frame.extend([0xee, 0xee, 16, 17, 0xee, 0xee]);
        assert_eq!(framing(&frame), Framing::Frame(frame.len()));
        assert_eq!(blocks(&frame).collect::<Vec<_>>().concat(), (0..18).collect::<Vec<u8>>());
        assert_eq!(blocks(&frame[..10]).count(), 0);
    }

    #[test]
    fn either_address_may_be_a_reserved_one() {
        assert!(reserved_address(&[5, 0x64, 5, 0, 0xf0, 0xff, 1, 0]));
        assert!(reserved_address(&[5, 0x64, 5, 0, 1, 0, 0xfb, 0xff]));
        assert!(!reserved_address(&[5, 0x64, 5, 0, 0xfc, 0xff, 1, 0]));
    }
}
