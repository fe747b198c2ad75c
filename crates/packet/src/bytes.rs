//! Big-endian reads that cannot leave the slice.
//!
//! Every header is read either through these or through `first_chunk`, so a length field can be
//! wrong but never dangerous.

/// The 16-bit number at `at`.
#[inline]
pub(crate) fn be16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// The 32-bit number at `at`.
#[inline]
pub(crate) fn be32(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The bytes from `at` on; empty if `at` lies beyond the end.
#[inline]
pub(crate) fn from(data: &[u8], at: usize) -> &[u8] {
    data.get(at..).unwrap_or_default()
}

/// The first `len` bytes, or all if there are fewer.
#[inline]
pub(crate) fn upto(data: &[u8], len: usize) -> &[u8] {
    data.get(..len).unwrap_or(data)
}
