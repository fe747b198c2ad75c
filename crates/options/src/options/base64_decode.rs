//! `base64_decode`: decodes a line of Base64 text for `base64_data`.
//!
//! *Invariants*: the cursor stays. A line ends at a line end that no blank follows (header folding).
//!
//! *Limits*: 65,535 bytes decoded; the unit's arena (counter `base64_limit`).
//!
//! *Spec*: RFC 4648 §4; Snort 3 manual, `base64_decode`. Foreign characters are skipped, groups of
//! less than four are not decoded.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_telemetry::Counter;

pub(super) static DEF: OptionDef = OptionDef {
    name: "base64_decode",
    kind: Kind::Payload,
    summary: "decodes Base64 text",
    grammar: "[bytes N][,offset N][,relative]",
    docs: "Decodes up to `bytes` characters of the line at `offset` (from the cursor with `relative`). The result is \
           what `base64_data` looks into. Fails if nothing is decoded.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

/// Most bytes decoded.
const MAX_DECODED: usize = 65_535;

#[derive(Debug)]
struct Base64Decode {
    bytes: Option<usize>,
    offset: usize,
    relative: bool,
}

impl RuleOption for Base64Decode {
    fn canonical(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.bytes.map(|bytes| format!("bytes {bytes}")));
        if self.offset != 0 {
            words.push(format!("offset {}", self.offset));
        }
        if self.relative {
            words.push("relative".to_owned());
        }
        match words.is_empty() {
            true => "base64_decode".to_owned(),
            false => format!("base64_decode:{}", words.join(",")),
        }
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let base = if self.relative { cursor.pos } else { 0 };
        let Some(text) = cursor.data.get(base.saturating_add(self.offset)..) else { return false };
        let limit = self.bytes.unwrap_or(usize::MAX).min(text.len());
        let room = (limit / 4 * 3).min(MAX_DECODED);
        let Ok(out) = ev.unit.arena.try_alloc_slice_fill_copy(room, 0_u8) else {
            ev.counters.bump(Counter::Base64Limit);
            return false;
        };
        let len = decode(text, limit, out);
        let out: &'a [u8] = out;
        ev.base64 = out.get(..len);
        len > 0
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn cost(&self) -> u32 {
        20
    }
}

/// Decodes up to `limit` characters of the folded line that starts `text`; returns the bytes written.
fn decode(text: &[u8], limit: usize, out: &mut [u8]) -> usize {
    let (mut written, mut bits, mut group) = (0, 0_u32, 0);
    let mut slots = out.iter_mut();
    for byte in line(text).take(limit) {
        match sextet(byte) {
            Some(value) => {
                bits = bits << 6 | u32::from(value);
                group += 1;
            }
            None if byte == b'=' => break,
            None => continue,
        }
        if group == 4 {
            written += put(bits, 3, &mut slots);
            (bits, group) = (0, 0);
        }
    }
    // Padding completes a group of two or three.
    let padded = line(text).take(limit).find(|&byte| sextet(byte).is_none() && byte == b'=').is_some();
    match group {
        2 if padded => written + put(bits << 12, 1, &mut slots),
        3 if padded => written + put(bits << 6, 2, &mut slots),
        _ => written,
    }
}

/// Writes the first `count` of the three bytes in `bits`.
fn put<'o>(bits: u32, count: usize, slots: &mut impl Iterator<Item = &'o mut u8>) -> usize {
    let [_, bytes @ ..] = bits.to_be_bytes();
    bytes.into_iter().take(count).zip(slots).map(|(byte, slot)| *slot = byte).count()
}

/// The characters of the first line, blanks and folds left out.
fn line(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (&byte, next) = rest.split_first()?;
            rest = next;
            match byte {
                b'\n' if !matches!(rest.first(), Some(b' ' | b'\t')) => rest = &[],
                b'\r' | b'\n' | b' ' | b'\t' => {}
                _ => return Some(byte),
            }
        }
    })
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let (mut bytes, mut offset, mut relative) = (None, 0, false);
    for arg in cx.args()? {
        match arg.pair() {
            ("bytes", Some(value)) => bytes = usize::try_from(value.int(1, i64::from(u32::MAX))?).ok(),
            ("offset", Some(value)) => offset = usize::try_from(value.int(0, i64::from(u32::MAX))?).unwrap_or(0),
            ("relative", None) => relative = true,
            _ => return Err(cx.unknown(arg)),
        }
    }
    Parsed::test(Base64Decode { bytes, offset, relative })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile_one, matches, problems};
    use proptest::prelude::*;

    fn text(input: &str) -> Vec<u8> {
        let mut out = vec![0; input.len()];
        let len = decode(input.as_bytes(), usize::MAX, &mut out);
        out.truncate(len);
        out
    }

    #[test]
    fn lines_are_decoded_and_unfolded() {
        assert_eq!(text("YWJj"), b"abc");
        assert_eq!(text("YWJj\r\nZGVm"), b"abc");
        assert_eq!(text("YWJj\r\n ZGVm"), b"abcdef");
        assert_eq!(text("YW-Jj"), b"abc", "foreign characters are skipped");
        assert_eq!(text("YWI="), b"ab");
        assert_eq!(text("YQ==ZGVm"), b"a", "padding ends the text");
        assert_eq!(text("YWJjZG"), b"abc", "half a group is not decoded");
    }

    #[test]
    fn offset_and_bytes_bound_the_text() {
        assert!(matches(
            r#"content:"Basic "; base64_decode:bytes 8,relative; base64_data; content:"admin:"; bufferlen:6;"#,
            b"Authorization: Basic YWRtaW46c2VjcmV0"
        ));
        assert!(matches(r#"base64_decode:bytes 4,offset 1; base64_data; content:"abc";"#, b"xYWJj"));
        assert!(!matches("base64_decode:offset 2000;", b"YWJj"));
        assert!(!matches("base64_decode;", b"\r\nYWJj"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("base64_decode:bytes 0")[0].contains("outside 1"));
        assert!(problems("base64_decode:mime")[0].contains("no argument"));
        assert_eq!(compile_one("base64_decode:relative,bytes 8").canonical(), "base64_decode:bytes 8,relative");
    }

    proptest! {
        #[test]
        fn output_fits_its_room(data in proptest::collection::vec(any::<u8>(), 0..60), limit in 0_usize..60) {
            let limit = limit.min(data.len());
            let mut out = vec![0; limit / 4 * 3];
            prop_assert!(decode(&data, limit, &mut out) <= out.len());
        }
    }
}
