//! BER elements as far as the layers under MMS and its header need them.
//!
//! *Limits*: tags of up to two further bytes, lengths of up to four. An element whose length is
//! indefinite, or exceeds the bytes around it, takes all of them.
//!
//! *Spec*: ITU-T X.690 §8.1.

use crate::wire::{byte, size32};

/// The class and the "constructed" bit.
const CONTEXT: u8 = 0x80;

/// An element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'b> {
    /// The first byte: class, constructed, number or 31.
    pub(super) tag: u8,
    /// The number, also if it stands in further bytes.
    pub(super) number: u16,
    pub(super) content: &'b [u8],
    /// With tag and length.
    pub(super) whole: &'b [u8],
    /// Behind it.
    pub(super) rest: &'b [u8],
}

impl Element<'_> {
    pub(super) fn is_context(&self) -> bool {
        self.tag & 0xc0 == CONTEXT
    }
}

/// The element at the start of `bytes`.
pub(super) fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let tag = byte(bytes, 0)?;
    let (number, at) = number(tag, bytes)?;
    let (length, start) = length(bytes, at)?;
    let end = start.saturating_add(length).min(bytes.len());
    Some(Element { tag, number, content: bytes.get(start..end)?, whole: bytes.get(..end)?, rest: bytes.get(end..)? })
}

/// The tag's number and where the length stands.
fn number(tag: u8, bytes: &[u8]) -> Option<(u16, usize)> {
    if tag & 0x1f != 0x1f {
        return Some((u16::from(tag & 0x1f), 1));
    }
    let first = byte(bytes, 1)?;
    if first & 0x80 == 0 {
        return Some((u16::from(first), 2));
    }
    let second = byte(bytes, 2)?;
    (second & 0x80 == 0).then_some((u16::from(first & 0x7f) << 7 | u16::from(second), 3))
}

/// The length and where the content begins.
fn length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = byte(bytes, at)?;
    let start = at.saturating_add(1);
    match first {
        0..=0x7f => Some((usize::from(first), start)),
        0x80 => Some((usize::MAX, start)),
        _ => {
            let end = start.saturating_add(usize::from(first & 0x7f));
            let digits = bytes.get(start..end).filter(|digits| digits.len() <= 4)?;
            let value = digits.iter().fold(0u32, |value, &digit| value << 8 | u32::from(digit));
            Some((size32(value), end))
        }
    }
}

/// The elements of `bytes`, one behind the other.
pub(super) fn elements(bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::successors(element(bytes), |last| element(last.rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_and_lengths_have_short_and_long_forms() {
        let read = |bytes: &[u8]| element(bytes).map(|e| (e.tag, e.number, e.content.to_vec(), e.rest.len()));
        assert_eq!(read(&[0xa4, 2, 1, 2, 9]), Some((0xa4, 4, vec![1, 2], 1)));
        assert_eq!(read(&[0xbf, 72, 0x81, 1, 7]), Some((0xbf, 72, vec![7], 0)));
        assert_eq!(read(&[0xbf, 0x81, 1, 0x82, 0, 1, 7]), Some((0xbf, 129, vec![7], 0)));
        assert_eq!(read(&[0x30, 0x80, 1, 2]), Some((0x30, 16, vec![1, 2], 0)), "indefinite");
        assert_eq!(read(&[0x30, 9, 1, 2]), Some((0x30, 16, vec![1, 2], 0)), "longer than what is there");
        for short in [&[][..], &[0x30], &[0xbf], &[0xbf, 72], &[0x30, 0x82, 0], &[0x30, 0x85, 0, 0, 0, 0, 1, 2]] {
            assert_eq!(read(short), None);
        }
    }

    proptest! {
        #[test]
        fn elements_come_to_an_end(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let total: usize = elements(&data).map(|element| element.whole.len()).sum();
            prop_assert!(total <= data.len());
        }
    }
}
