//! One GTP message: header, then information elements.
//!
//! *Invariants*: pure; every read is checked. Elements are found in one pass over the datagram and kept
//! as one place for each type. Neighbours of the same type make one place; of types that come again
//! behind others the last place counts (both as in Snort).
//!
//! *Spec*: 3GPP TS 09.60 §6, §7.9 (version 0); TS 29.060 §6, §7.7 (version 1); TS 29.274 §5, §8.2
//! (version 2).

use crate::GtpFacts;
use crate::wire::{be16, byte, size16};

/// What stands before the fields that differ by version; shorter messages have no facts.
const SHORTEST: usize = 8;
/// Message type of user data.
const PDU: u8 = 255;

/// Events: message length, element length, order of elements, tunnel endpoint identifier.
pub(super) mod sid {
    pub(crate) const MESSAGE_LENGTH: u32 = 1;
    pub(crate) const ELEMENT_LENGTH: u32 = 2;
    pub(crate) const ORDER: u32 = 3;
    pub(crate) const NO_TEID: u32 = 4;
}

/// Offset and length of an element; length 0: none.
type Place = (u16, u16);

/// A message with its elements.
pub(super) struct Message<'m> {
    bytes: &'m [u8],
    pub(super) facts: GtpFacts,
    places: [Place; 256],
}

impl<'m> Message<'m> {
    /// `None` if the bytes are too short or of another version than 0, 1 and 2. Elements behind what is
    /// malformed are lost; `event` learns of it.
    pub(super) fn parse(bytes: &'m [u8], event: &mut dyn FnMut(u32)) -> Option<Self> {
        let (flags, kind) = (byte(bytes, 0)?, byte(bytes, 1)?);
        let version = flags >> 5;
        if bytes.len() < SHORTEST || version > 2 {
            return None;
        }
        let mut message = Self { bytes, facts: GtpFacts { version, message: kind }, places: [(0, 0); 256] };
        if prime(version, flags) || kind == PDU {
            return Some(message);
        }
        match extent(bytes, version, flags) {
            Some((header, end)) => message.elements(header, end, event),
            None => event(sid::MESSAGE_LENGTH),
        }
        // Path management is about no tunnel (TS 29.274 §5.5.1).
        if version == 2 && flags & T == 0 && kind > 3 {
            event(sid::NO_TEID);
        }
        Some(message)
    }

    /// The element of this type, from its type byte to its end.
    pub(super) fn element(&self, kind: u8) -> Option<&'m [u8]> {
        let (start, len) = *self.places.get(usize::from(kind))?;
        let start = usize::from(start);
        self.bytes.get(start..start.saturating_add(usize::from(len))).filter(|element| !element.is_empty())
    }

    fn elements(&mut self, header: usize, end: usize, event: &mut dyn FnMut(u32)) {
        let (mut at, mut previous, mut ordered) = (header, None, true);
        while at < end {
            let rest = self.bytes.get(at..end).unwrap_or(&[]);
            let Some(kind) = byte(rest, 0) else { return };
            let len = element_len(self.facts.version, kind, rest).filter(|len| *len <= rest.len());
            let (Some(len), Ok(start)) = (len, u16::try_from(at)) else { return event(sid::ELEMENT_LENGTH) };
            // differs: Snort wants the order in version 2, too, whose elements may come in any.
            if ordered && self.facts.version < 2 && previous.is_some_and(|previous| previous > kind) {
                ordered = false;
                event(sid::ORDER);
            }
            if let Some(place) = self.places.get_mut(usize::from(kind)) {
                let short = u16::try_from(len).unwrap_or(u16::MAX);
                *place = match previous == Some(kind) {
                    true => (place.0, place.1.saturating_add(short)),
                    false => (start, short),
                };
            }
            previous = Some(kind);
            // An element has its type byte at least.
            at = at.saturating_add(len.max(1));
        }
    }
}

/// Version 2: a tunnel endpoint identifier is there; another message follows.
const T: u8 = 0x08;
const PIGGYBACKED: u8 = 0x10;

/// GTP', the charging protocol, whose elements are others. It has 1 in each of its three spare bits, which
/// tells it from version 2 of GTP.
///
/// differs: Snort takes what piggybacks nothing in version 2 for GTP', hence finds no elements there.
fn prime(version: u8, flags: u8) -> bool {
    if version == 2 { flags & 0x1e == 0x0e } else { flags & 0x10 == 0 }
}

/// Lengths of the header and of the whole message; `None` if they contradict the datagram.
fn extent(bytes: &[u8], version: u8, flags: u8) -> Option<(usize, usize)> {
    let length = size16(be16(bytes, 2)?);
    let (header, uncounted) = match version {
        0 => (20, 20),
        1 => (v1_header(bytes, flags)?, 8),
        _ if flags & T == 0 => (8, 4),
        _ => (12, 4),
    };
    let end = length.saturating_add(uncounted);
    let fits = if version == 2 && flags & PIGGYBACKED != 0 { end <= bytes.len() } else { end == bytes.len() };
    (fits && header <= end).then_some((header, end))
}

/// differs: without optional fields Snort counts them all the same.
fn v1_header(bytes: &[u8], flags: u8) -> Option<usize> {
    if flags & 0x07 == 0 {
        return Some(8);
    }
    let mut header = 12;
    // Each extension header ends with the type of the next one and counts its length in words.
    while byte(bytes, header - 1)? != 0 {
        let words = usize::from(byte(bytes, header)?);
        if words == 0 {
            return None;
        }
        header = header.saturating_add(words.saturating_mul(4));
    }
    Some(header)
}

/// Bytes of an element with its type and length fields, as far as it says so.
fn element_len(version: u8, kind: u8, rest: &[u8]) -> Option<usize> {
    let fixed = match version {
        0 => v0_fixed(kind),
        1 => v1_fixed(kind),
        _ => None,
    };
    if fixed.is_some() {
        return fixed;
    }
    // Version 2 has an instance number behind the length.
    let head = if version == 2 { 4 } else { 3 };
    Some(size16(be16(rest, 1)?).saturating_add(head))
}

/// Elements without length field, with their type byte. Of those that nobody defined Snort reads a length.
fn v0_fixed(kind: u8) -> Option<usize> {
    Some(match kind {
        1 | 8 | 11 | 13 | 14 | 15 | 19 => 2,
        16 | 17 => 3,
        6 | 12 | 18 => 4,
        4 | 5 | 127 => 5,
        3 => 7,
        2 => 9,
        9 => 29,
        _ => return None,
    })
}

fn v1_fixed(kind: u8) -> Option<usize> {
    Some(match kind {
        1 | 8 | 11 | 13 | 14 | 15 | 19 | 20 | 21 | 23 | 24 | 29 => 2,
        25..=28 => 3,
        12 => 4,
        4 | 5 | 16 | 17 | 127 => 5,
        18 => 6,
        3 => 7,
        2 => 9,
        22 => 10,
        9 => 29,
        _ => return None,
    })
}
