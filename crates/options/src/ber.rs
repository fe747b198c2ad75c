//! BER elements in the buffer: type and length octets.
//!
//! *Limits*: types of up to 4 octets, lengths of up to 4; an indefinite length has no end here and fails.
//!
//! *Spec*: X.690 §8.1.

/// Head of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// Type as number: of multi-octet types the octets in order.
    pub kind: u32,
    /// Octets of type and length.
    pub head: usize,
    /// Octets of the contents.
    pub len: usize,
}

/// Reads the head of the element that starts `data`.
pub(crate) fn element(data: &[u8]) -> Option<Element> {
    let first = *data.first()?;
    let mut kind = u32::from(first);
    let mut at = 1;
    if first & 0x1f == 0x1f {
        loop {
            let octet = *data.get(at)?;
            if at == 4 {
                return None;
            }
            kind = kind << 8 | u32::from(octet);
            at += 1;
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    let length = *data.get(at)?;
    at += 1;
    let len = match length {
        0..=0x7f => usize::from(length),
        0x81..=0x84 => {
            let count = usize::from(length & 0x7f);
            let octets = data.get(at..at + count)?;
            at += count;
            octets.iter().fold(0_usize, |len, &octet| len << 8 | usize::from(octet))
        }
        _ => return None,
    };
    Some(Element { kind, head: at, len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_and_long_lengths_are_read() {
        assert_eq!(element(&[0x30, 5]), Some(Element { kind: 0x30, head: 2, len: 5 }));
        assert_eq!(element(&[0x04, 0x82, 1, 2]), Some(Element { kind: 4, head: 4, len: 258 }));
        assert_eq!(element(&[0x1f, 0x81, 0x01, 3]), Some(Element { kind: 0x1f_81_01, head: 4, len: 3 }));
    }

    #[test]
    fn what_is_cut_or_endless_fails() {
        for bad in [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x82, 1], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x9f; 9]] {
            assert_eq!(element(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn the_head_lies_in_the_data(data in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(element) = element(&data) {
                prop_assert!(element.head <= data.len());
            }
        }
    }
}
