//! Reading a number out of a buffer, as `byte_test`, `byte_jump`, `byte_extract` and `byte_math` do.
//!
//! *Invariants*: 1. A binary read that doesn't fit fails; a text read is cut at the end of the data.
//! 2. The start must lie inside the data. 3. Values are unsigned 32-bit: text that is negative or
//! larger fails.
//!
//! *Spec*: Snort 3 manual, byte options; `bitmask` shifts right by the mask's trailing zeros.

use crate::Cursor;
use crate::def::{Operand, ParseCx};
use crate::value::{Arg, Problem};
use std::fmt::Write;
use tapir_protocol::PduView;

/// Byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endian {
    Big,
    Little,
    /// As the DCE/RPC header says.
    Dce,
}

/// How the bytes mean a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Binary(Endian),
    /// Digits of this base.
    Text(u32),
}

/// A number to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRead {
    pub count: u8,
    pub format: Format,
    pub mask: Option<u32>,
}

impl ByteRead {
    /// Value and bytes used of the number at `start`.
    #[inline]
    pub(crate) fn read(&self, data: &[u8], start: i64, view: &dyn PduView) -> Option<(u32, usize)> {
        let rest = data.get(usize::try_from(start).ok()?..)?;
        if rest.is_empty() {
            return None;
        }
        let (value, used) = match self.format {
            Format::Binary(endian) => {
                let little = match endian {
                    Endian::Big => false,
                    Endian::Little => true,
                    Endian::Dce => view.dce()?.little_endian,
                };
                (binary(rest, usize::from(self.count), little)?, usize::from(self.count))
            }
            Format::Text(base) => {
                let digits = rest.get(..usize::from(self.count)).unwrap_or(rest);
                text_number(digits, base)?
            }
        };
        let value = match self.mask {
            Some(mask) => (value & mask) >> mask.trailing_zeros().min(31),
            None => value,
        };
        Some((value, used))
    }

    /// Words of the canonical text, each behind a comma.
    pub(crate) fn canonical(&self, out: &mut String) {
        match self.format {
            Format::Binary(Endian::Big) => {}
            Format::Binary(Endian::Little) => out.push_str(",little"),
            Format::Binary(Endian::Dce) => out.push_str(",dce"),
            Format::Text(16) => out.push_str(",string,hex"),
            Format::Text(8) => out.push_str(",string,oct"),
            Format::Text(_) => out.push_str(",string,dec"),
        }
        if let Some(mask) = self.mask {
            let _ = write!(out, ",bitmask 0x{mask:X}");
        }
    }

    /// In words, for `explain`.
    pub(crate) fn words(&self) -> String {
        match self.format {
            Format::Binary(endian) => {
                let order = match endian {
                    Endian::Big => "big endian",
                    Endian::Little => "little endian",
                    Endian::Dce => "in the byte order of DCE/RPC",
                };
                format!("the {}-byte number ({order})", self.count)
            }
            Format::Text(base) => format!("the number in up to {} characters (base {base})", self.count),
        }
    }
}

fn binary(rest: &[u8], count: usize, little: bool) -> Option<u32> {
    if count > 4 {
        return None;
    }
    let bytes = rest.get(..count)?.iter();
    let join = |value: u32, &byte: &u8| value << 8 | u32::from(byte);
    Some(if little { bytes.rev().fold(0, join) } else { bytes.fold(0, join) })
}

/// Like C's `strtoul`, but a minus or more than 32 bits fail.
fn text_number(text: &[u8], base: u32) -> Option<(u32, usize)> {
    let mut at = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    if text.get(at) == Some(&b'+') {
        at += 1;
    }
    let digit = |at: usize| text.get(at).and_then(|&byte| char::from(byte).to_digit(base));
    if base == 16
        && text.get(at) == Some(&b'0')
        && matches!(text.get(at + 1), Some(b'x' | b'X'))
        && digit(at + 2).is_some()
    {
        at += 2;
    }
    let mut value = digit(at)?;
    at += 1;
    while let Some(next) = digit(at) {
        value = value.checked_mul(base)?.checked_add(next)?;
        at += 1;
    }
    Some((value, at))
}

/// Where a byte option reads.
#[inline]
pub(crate) fn start(cursor: &Cursor<'_>, relative: bool, offset: i64) -> i64 {
    let base = if relative { i64::try_from(cursor.pos).unwrap_or(i64::MAX) } else { 0 };
    base.saturating_add(offset)
}

/// In words.
pub(crate) fn place(offset: &Operand, relative: bool) -> String {
    if relative { format!("{offset} bytes behind the cursor") } else { format!("offset {offset}") }
}

/// Collects the words that the byte options share.
#[derive(Debug, Default)]
pub(crate) struct ReadWords {
    pub relative: bool,
    endian: Option<Endian>,
    string: bool,
    base: Option<u32>,
    mask: Option<u32>,
}

impl ReadWords {
    /// Takes one argument; `false` if it is none of these words.
    pub(crate) fn take(&mut self, arg: Arg<'_>) -> Result<bool, Problem> {
        match arg.pair() {
            ("relative", None) => self.relative = true,
            ("big", None) => self.endian(arg, Endian::Big)?,
            ("little", None) => self.endian(arg, Endian::Little)?,
            ("dce", None) => self.endian(arg, Endian::Dce)?,
            ("string", None) => self.string = true,
            ("dec", None) => self.base(arg, 10)?,
            ("hex", None) => self.base(arg, 16)?,
            ("oct", None) => self.base(arg, 8)?,
            ("bitmask", Some(mask)) => self.mask = Some(mask.u32(1, u32::MAX)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn endian(&mut self, arg: Arg<'_>, endian: Endian) -> Result<(), Problem> {
        match self.endian.replace(endian) {
            Some(other) if other != endian => Err(Problem::conflict(arg.span, "two byte orders")),
            _ => Ok(()),
        }
    }

    pub(crate) fn string(&mut self) {
        self.string = true;
    }

    pub(crate) fn base(&mut self, arg: Arg<'_>, base: u32) -> Result<(), Problem> {
        match self.base.replace(base) {
            Some(other) if other != base => Err(Problem::conflict(arg.span, "two number bases")),
            _ => Ok(()),
        }
    }

    /// The read of `count` bytes. `strict`: a base without `string` is an error.
    pub(crate) fn finish(&self, count: u8, strict: bool, cx: &mut ParseCx<'_>) -> Result<ByteRead, Problem> {
        let span = cx.node.value_span;
        if strict && self.base.is_some() && !self.string {
            return Err(Problem::conflict(span, "a number base needs `string`"));
        }
        if self.mask.is_some_and(|mask| (39 - mask.leading_zeros()) / 8 > u32::from(count)) {
            return Err(Problem::range(span, "the bitmask is wider than the bytes read"));
        }
        let format = match self.string {
            true => Format::Text(self.base.unwrap_or(10)),
            false => Format::Binary(self.endian.unwrap_or(Endian::Big)),
        };
        if count > 4 && !self.string {
            cx.warn_never(span, format!("a binary number of {count} bytes is never read"));
        }
        Ok(ByteRead { count, format, mask: self.mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tapir_protocol::NoView;

    fn text(text: &str, base: u32) -> Option<(u32, usize)> {
        text_number(text.as_bytes(), base)
    }

    #[test]
    fn text_is_read_like_strtoul() {
        assert_eq!(text("12x", 10), Some((12, 2)));
        assert_eq!(text(" \t+7", 10), Some((7, 4)));
        assert_eq!(text("0x1F", 16), Some((31, 4)));
        assert_eq!(text("0xg", 16), Some((0, 1)));
        assert_eq!(text("0178", 8), Some((15, 3)));
        assert_eq!(text("4294967295", 10), Some((u32::MAX, 10)));
    }

    #[test]
    fn text_that_is_no_unsigned_number_fails() {
        for bad in ["", "abc", "-5", " -5", "+", "4294967296"] {
            assert_eq!(text(bad, 10), None, "{bad}");
        }
    }

    #[test]
    fn binary_reads_must_fit() {
        let read = ByteRead { count: 3, format: Format::Binary(Endian::Big), mask: None };
        assert_eq!(read.read(&[1, 2, 3], 0, &NoView), Some((0x01_02_03, 3)));
        assert_eq!(read.read(&[1, 2, 3], 1, &NoView), None);
        assert_eq!(read.read(&[1, 2, 3], -1, &NoView), None);
        let little = ByteRead { format: Format::Binary(Endian::Little), ..read };
        assert_eq!(little.read(&[1, 2, 3], 0, &NoView), Some((0x03_02_01, 3)));
        let dce = ByteRead { format: Format::Binary(Endian::Dce), ..read };
        assert_eq!(dce.read(&[1, 2, 3], 0, &NoView), None, "outside DCE/RPC");
    }

    #[test]
    fn a_mask_shifts_by_its_trailing_zeros() {
        let read = ByteRead { count: 2, format: Format::Binary(Endian::Big), mask: Some(0x0FF0) };
        assert_eq!(read.read(&[0x12, 0x34], 0, &NoView), Some((0x23, 2)));
    }

    proptest! {
        #[test]
        fn no_read_panics(data in proptest::collection::vec(any::<u8>(), 0..12), start in -3_i64..15, count in 0_u8..=10, base in 0_u32..4, mask: u32) {
            let format = match base {
                0 => Format::Binary(Endian::Big),
                1 => Format::Binary(Endian::Little),
                2 => Format::Text(10),
                _ => Format::Text(16),
            };
            let read = ByteRead { count, format, mask: (mask != 0).then_some(mask) };
            if let Some((_, used)) = read.read(&data, start, &NoView) {
                prop_assert!(usize::try_from(start).unwrap() + used <= data.len());
            }
        }
    }
}
