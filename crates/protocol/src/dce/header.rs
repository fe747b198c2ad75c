//! The header that all connection-oriented PDUs share.
//!
//! *Spec*: C706 §12.6.3.1; the data representation label §14.1.

use crate::wire::{array, byte, int16, int32, size16};

/// Length of the common header.
pub(crate) const HEADER: usize = 16;

pub(super) const REQUEST: u8 = 0;
pub(super) const RESPONSE: u8 = 2;
pub(super) const BIND: u8 = 11;
pub(super) const BIND_ACK: u8 = 12;
pub(super) const ALTER_CONTEXT: u8 = 14;
pub(super) const ALTER_CONTEXT_RESPONSE: u8 = 15;
/// The highest type there is (orphaned).
const LAST_TYPE: u8 = 19;

/// The fields that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(super) kind: u8,
    flags: u8,
    pub(super) little: bool,
    pub(crate) len: usize,
    pub(super) auth_len: usize,
    pub(super) call_id: u32,
}

impl Header {
    /// Reads a header; `None` if it is cut off or not one of version 5.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let little = byte(bytes, 4)? & 0x10 != 0;
        let header = Self {
            kind: byte(bytes, 2)?,
            flags: byte(bytes, 3)?,
            little,
            len: size16(int16(bytes, 8, little)?),
            auth_len: size16(int16(bytes, 10, little)?),
            call_id: int32(bytes, 12, little)?,
        };
        let sane = byte(bytes, 0)? == 5 && header.kind <= LAST_TYPE && header.len >= HEADER;
        sane.then_some(header)
    }

    pub(crate) fn is_bind(self) -> bool {
        matches!(self.kind, BIND | ALTER_CONTEXT)
    }

    pub(super) fn first(self) -> bool {
        self.flags & 1 != 0
    }

    pub(super) fn last(self) -> bool {
        self.flags & 2 != 0
    }

    pub(super) fn has_object(self) -> bool {
        self.flags & 0x80 != 0
    }
}

/// The length of the fragment that starts here; `Err(None)`: this is none, `Err(Some(n))`: can't be
/// told before `n` bytes.
pub(crate) fn fragment_len(bytes: &[u8]) -> Result<usize, Option<usize>> {
    if bytes.first().is_some_and(|&major| major != 5) {
        return Err(None);
    }
    if bytes.len() < HEADER {
        return Err(Some(HEADER));
    }
    Header::read(bytes).map(|header| header.len).ok_or(None)
}

/// A UUID at `at`, in the byte order of its text form.
pub(crate) fn uuid(bytes: &[u8], at: usize, little: bool) -> Option<[u8; 16]> {
    let raw: [u8; 16] = array(bytes, at)?;
    if !little {
        return Some(raw);
    }
    let [a, b, c, d, e, f, g, h, rest @ ..] = raw;
    let [i, j, k, l, m, n, o, p] = rest;
    Some([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
}
