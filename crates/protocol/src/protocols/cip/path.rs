//! Paths of CIP (EPATH, padded form): the class, instance and attribute that they name.
//!
//! *Limits*: a path has 510 bytes at most, its length being a byte of words. Of several segments of a
//! kind the last one counts, as in Snort. What follows a segment of an unknown kind is not read.
//!
//! *Spec*: CIP Vol. 1 appendix C-1.4 (segments).

use crate::wire::{byte, le16, le32, size16};

/// What a path names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    pub class: Option<u32>,
    pub instance: Option<u32>,
    pub attribute: Option<u32>,
    /// A segment of a kind that the standard doesn't have.
    pub unknown: bool,
    /// Every segment was there as a whole.
    pub whole: bool,
}

/// The path behind its length in words at the start of `bytes`, and where it ends.
pub(super) fn sized(bytes: &[u8]) -> (Path, usize) {
    let Some(words) = byte(bytes, 0) else { return (Path::default(), bytes.len()) };
    let end = 1_usize.saturating_add(size16(u16::from(words).saturating_mul(2)));
    let Some(path) = bytes.get(1..end) else {
        let mut path = segments(bytes.get(1..).unwrap_or(&[]));
        path.whole = false;
        return (path, bytes.len());
    };
    (segments(path), end)
}

fn segments(mut bytes: &[u8]) -> Path {
    let mut path = Path::default();
    while !bytes.is_empty() {
        let Some(segment) = segment(bytes, &mut path) else { return path };
        let Some(rest) = bytes.get(segment..) else { return path };
        bytes = rest;
    }
    path.whole = true;
    path
}

/// Takes the first segment and answers its length; `None` if it is cut off or malformed.
fn segment(bytes: &[u8], path: &mut Path) -> Option<usize> {
    let (kind, second) = (byte(bytes, 0)?, byte(bytes, 1)?);
    let more = usize::from(second);
    let len = match kind {
        // Port: a link address of one byte, or of as many as the second byte says; port 15: its number follows.
        0x00..=0x1f => {
            let address = if kind & 0x10 == 0 { 0 } else { even(more) };
            let port = if kind & 0x0f == 0x0f { 2 } else { 0 };
            2_usize.saturating_add(address).saturating_add(port)
        }
        // Electronic key: format 4 has eight bytes.
        0x34 => match second {
            4 => 10,
            _ => return None,
        },
        0x35..=0x37 | 0x39..=0x3b => return unknown(bytes, path),
        0x20..=0x3f => return logical(kind, bytes, path),
        // Network: one byte, or as many words as it says.
        0x40..=0x4f => 2,
        0x50..=0x5f => 2_usize.saturating_add(more.saturating_mul(2)),
        0x60 => 2_usize.saturating_add(even(extended_symbol(second)?)),
        0x61..=0x7f => even(1_usize.saturating_add(usize::from(kind & 0x1f))),
        // Data: simple in words, a symbol (a tag's name) in characters.
        0x80 => 2_usize.saturating_add(more.saturating_mul(2)),
        0x91 => 2_usize.saturating_add(even(more)),
        _ => return unknown(bytes, path),
    };
    Some(len)
}

/// Nobody knows how long it is.
fn unknown(bytes: &[u8], path: &mut Path) -> Option<usize> {
    path.unknown = true;
    Some(bytes.len())
}

fn logical(kind: u8, bytes: &[u8], path: &mut Path) -> Option<usize> {
    let extended = kind & 0x1c == 0x1c;
    let (value, len) = match kind & 3 {
        0 if extended => (None, 4),
        0 => (byte(bytes, 1).map(u32::from), 2),
        1 => (le16(bytes, 2).map(u32::from), 4),
        2 => (le32(bytes, 2), 6),
        _ => return None,
    };
    // A value that is cut off is none.
    bytes.get(..len)?;
    match kind & 0x1c {
        0x00 => path.class = value,
        0x04 => path.instance = value,
        0x10 => path.attribute = value,
        _ => {}
    }
    Some(len)
}

/// Bytes of a symbol that is not of ASCII characters, or a number.
fn extended_symbol(format: u8) -> Option<usize> {
    let count = usize::from(format & 0x1f);
    match (format & 0xe0, count) {
        (0x20, _) => Some(count.saturating_mul(2)),
        (0x40, _) => Some(count.saturating_mul(3)),
        (0xc0, 6) => Some(1),
        (0xc0, 7) => Some(2),
        (0xc0, 8) => Some(4),
        _ => None,
    }
}

fn even(len: usize) -> usize {
    len.saturating_add(len & 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(bytes: &[u8]) -> (Option<u32>, Option<u32>, Option<u32>, bool) {
        let path = segments(bytes);
        (path.class, path.instance, path.attribute, path.whole)
    }

    #[test]
    fn values_have_three_widths() {
        assert_eq!(read(&[0x20, 6, 0x24, 1, 0x30, 7]), (Some(6), Some(1), Some(7), true));
        assert_eq!(read(&[0x21, 0, 0x34, 0x12, 0x25, 0, 1, 2]), (Some(0x1234), Some(0x201), None, true));
        assert_eq!(read(&[0x26, 0, 1, 2, 3, 4]), (None, Some(0x0403_0201), None, true));
        assert_eq!(read(&[0x20, 1, 0x20, 2]), (Some(2), None, None, true));
    }

    #[test]
    fn other_segments_are_stepped_over() {
        for other in [
            &[0x01, 0][..],
            &[0x12, 3, b'1', b'.', b'2', 0],
            &[0x0f, 1, 2, 9],
            &[0x1f, 2, 1, 2, b'a', b'b'],
            &[0x34, 4, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x3c, 0, 9, 0],
            &[0x28, 1],
            &[0x2d, 0, 1, 1],
            &[0x38, 1],
            &[0x43, 9],
            &[0x50, 1, 0, 0],
            &[0x63, b'a', b'b', b'c'],
            &[0x62, b'a', b'b', 0],
            &[0x60, 0x21, 0, b'a'],
            &[0x60, 0xc6, 5, 0],
            &[0x80, 1, 9, 9],
            &[0x91, 3, b't', b'a', b'g', 0],
        ] {
            let path = [other, &[0x20, 0x6b]].concat();
            assert_eq!(read(&path), (Some(0x6b), None, None, true), "{other:x?}");
        }
    }

    #[test]
    fn what_is_unknown_or_cut_off_ends_a_path() {
        assert!(segments(&[0x20, 1, 0xa5, 1, 0x24, 1]).unknown);
        assert_eq!(read(&[0x20, 1, 0xa5, 1, 0x24, 1]), (Some(1), None, None, true));
        for bad in [&[0x20, 1, 0x24][..], &[0x20, 1, 0x25, 0, 1], &[0x20, 1, 0x27, 0], &[0x20, 1, 0x91, 9, b'a']] {
            assert_eq!(read(bad), (Some(1), None, None, false), "{bad:x?}");
        }
        assert_eq!(sized(&[2, 0x20, 6, 0x24, 1, 9]).1, 5);
        let (path, _) = sized(&[3, 0x20, 6]);
        assert_eq!((path.class, path.whole), (Some(6), false));
        assert_eq!(sized(&[]), (Path::default(), 0));
    }
}
