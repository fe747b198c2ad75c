//! A DNS message: header counts, the first question's name, the types of records.
//!
//! *Spec*: RFC 1035 §4.1; pointers §4.1.4.

use crate::DnsFacts;
use crate::wire::{be16, byte, size16};

const HEADER: usize = 12;
/// Bytes of a dotted name at most.
const MAX_NAME: usize = 255;
/// Pointers followed at most.
const MAX_POINTERS: usize = 16;
/// Records looked at.
const MAX_RECORDS: usize = 64;

/// A message over borrowed bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'m>(&'m [u8]);

/// A name in dotted form, without a last dot.
#[derive(Debug)]
pub(super) struct Name {
    bytes: [u8; MAX_NAME],
    len: usize,
}

impl Default for Name {
    fn default() -> Self {
        Self { bytes: [0; MAX_NAME], len: 0 }
    }
}

impl Name {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Adds a label whole or not at all.
    fn push(&mut self, label: &[u8]) -> Option<()> {
        let start = if self.len > 0 { self.len.checked_add(1)? } else { 0 };
        let end = start.checked_add(label.len())?;
        self.bytes.get_mut(start..end)?.copy_from_slice(label);
        if let Some(dot) = start.checked_sub(1).and_then(|at| self.bytes.get_mut(at)) {
            *dot = b'.';
        }
        self.len = end;
        Some(())
    }
}

impl<'m> Message<'m> {
    pub(super) fn new(bytes: &'m [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn has_question(&self) -> bool {
        be16(self.0, 4).is_some_and(|count| count > 0)
    }

    /// Id, response code and type of the first question; `None` for less than a header.
    pub(super) fn facts(&self) -> Option<DnsFacts> {
        let flags = be16(self.0, 2)?;
        let [high, low] = flags.to_be_bytes();
        let kind = || be16(self.0, self.skip_name(HEADER)?);
        Some(DnsFacts {
            id: be16(self.0, 0)?,
            rcode: (high & 0x80 != 0).then_some(low & 0x0f),
            kind: if self.has_question() { kind() } else { None },
        })
    }

    /// Reads the first question's name; `false` if it is broken (what could be read stays).
    pub(super) fn question(&self, name: &mut Name) -> bool {
        self.read_name(HEADER, name).is_some()
    }

    fn read_name(&self, mut at: usize, name: &mut Name) -> Option<()> {
        let mut pointers = 0;
        loop {
            let length = byte(self.0, at)?;
            at = at.checked_add(1)?;
            match length {
                0 => return Some(()),
                1..=63 => {
                    let end = at.checked_add(usize::from(length))?;
                    name.push(self.0.get(at..end)?)?;
                    at = end;
                }
                0xc0.. if pointers < MAX_POINTERS => {
                    pointers += 1;
                    let low = byte(self.0, at)?;
                    at = size16(u16::from_be_bytes([length & 0x3f, low]));
                }
                _ => return None,
            }
        }
    }

    /// Offset behind the name at `at`.
    fn skip_name(&self, mut at: usize) -> Option<usize> {
        for _ in 0..=MAX_NAME / 2 {
            let length = byte(self.0, at)?;
            at = at.checked_add(1)?;
            match length {
                0 => return Some(at),
                1..=63 => at = at.checked_add(usize::from(length))?,
                0xc0.. => return at.checked_add(1),
                _ => return None,
            }
        }
        None
    }

    /// Calls `event` with the sid of each anomaly of an answer's records.
    pub(super) fn events(&self, mut event: impl FnMut(u32)) {
        let answer = be16(self.0, 2).is_some_and(|flags| flags & 0x8000 != 0);
        if answer {
            // A message that ends early simply has no further records.
            let _ = self.walk_records(&mut event);
        }
    }

    fn walk_records(&self, event: &mut impl FnMut(u32)) -> Option<()> {
        let mut at = HEADER;
        for _ in 0..be16(self.0, 4)?.min(8) {
            at = self.skip_name(at)?.checked_add(4)?;
        }
        let records = size16(be16(self.0, 6)?).saturating_add(size16(be16(self.0, 8)?));
        for _ in 0..records.min(MAX_RECORDS) {
            at = self.skip_name(at)?;
            match be16(self.0, at)? {
                3 | 4 => event(1),
                7..=10 => event(2),
                _ => {}
            }
            let length = size16(be16(self.0, at.checked_add(8)?)?);
            at = at.checked_add(10)?.checked_add(length)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(question: &[u8], expected: &[u8], whole: bool) {
        let mut bytes = b"\0\0\0\0\0\x01\0\0\0\0\0\0".to_vec();
        bytes.extend(question);
        let mut name = Name::default();
        assert_eq!(Message::new(&bytes).question(&mut name), whole);
        assert_eq!(name.as_bytes(), expected);
    }

    #[test]
    fn names_are_dotted_and_pointers_followed() {
        check(b"\x01a\x02bc\x00", b"a.bc", true);
        check(b"\x00", b"", true);
        check(b"\x01a\xc0\x10\x01b\x00", b"a.b", true);
    }

    #[test]
    fn broken_names_keep_what_could_be_read() {
        check(b"\x01a\x05bc", b"a", false);
        check(b"\x01a\x40", b"a", false);
        let mut looped = Name::default();
        assert!(!Message::new(b"\0\0\0\0\0\x01\0\0\0\0\0\0\x01a\xc0\x0c").question(&mut looped));
        let long = [&[63u8][..], &[b'x'; 63]].concat().repeat(5);
        check(
            &long,
            &[&[b'x'; 63][..], b".", &[b'x'; 63], b".", &[b'x'; 63], b".", &[b'x'; 63]].concat()[..255],
            false,
        );
    }
}
