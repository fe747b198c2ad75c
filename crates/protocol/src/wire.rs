//! Checked reads of integers out of captured bytes.
//!
//! Every function answers `None` beyond the end; none can panic. Offsets come from lengths that a
//! sender chose, so even their sums are checked.

/// The byte at `at`.
#[inline]
pub(crate) fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// `N` bytes from `at`.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Big-endian 16 bits at `at`.
#[inline]
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

/// Big-endian 24 bits at `at`.
#[inline]
pub(crate) fn be24(bytes: &[u8], at: usize) -> Option<u32> {
    array::<3>(bytes, at).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
}

/// Big-endian 32 bits at `at`.
#[inline]
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// Little-endian 16 bits at `at`.
#[inline]
pub(crate) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// Little-endian 32 bits at `at`.
#[inline]
pub(crate) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// Little-endian 64 bits at `at`.
#[inline]
pub(crate) fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// 16 bits at `at` in the given byte order.
#[inline]
pub(crate) fn int16(bytes: &[u8], at: usize, little: bool) -> Option<u16> {
    if little { le16(bytes, at) } else { be16(bytes, at) }
}

/// 32 bits at `at` in the given byte order.
#[inline]
pub(crate) fn int32(bytes: &[u8], at: usize, little: bool) -> Option<u32> {
    if little { le32(bytes, at) } else { be32(bytes, at) }
}

/// A 16-bit length as an index.
#[inline]
pub(crate) fn size16(value: u16) -> usize {
    usize::from(value)
}

/// A 32-bit length as an index; lengths beyond the address space saturate (and then exceed any buffer).
#[inline]
pub(crate) fn size32(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_beyond_the_end_answer_none() {
        assert_eq!(be16(&[1], 0), None);
        assert_eq!(be32(&[1, 2, 3, 4], 1), None);
        assert_eq!(be16(&[1, 2], usize::MAX), None);
        assert_eq!(array::<4>(&[], 0), None);
    }

    #[test]
    fn byte_order_is_respected() {
        assert_eq!(int16(&[1, 2], 0, true), Some(0x0201));
        assert_eq!(int32(&[0, 0, 0, 9], 0, false), Some(9));
        assert_eq!(be24(&[1, 2, 3], 0), Some(0x01_0203));
    }
}
