//! Percent, UTF-8 and double decoding: what `http_header`, `http_client_body` and every URI part share.
//!
//! *How it fits*: [`needs_decoding`] is the fast path (one search for `%`); [`decode`] appends the
//! decoded bytes. Only percent-encoded bytes form UTF-8 sequences; exactly one extra pass runs if
//! the first one produced a percent sign.
//!
//! *Spec*: Snort 3 http_inspect `utf8`, `iis_double_decode` (steps 1-3 of URI normalisation).

use super::events::{self, Events};
use memchr::memchr;

/// Whether [`decode`] could change these bytes.
#[inline]
pub(super) fn needs_decoding(bytes: &[u8]) -> bool {
    memchr(b'%', bytes).is_some()
}

/// Appends the decoded form of `input` to `out`.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>, events: &mut Events) {
    let from = out.len();
    let again = first_pass(input, out, events);
    if again && second_pass(out, from) {
        events.raise(events::DOUBLE_ENCODING);
    }
}

/// `%hh`, `%%` and encoded UTF-8. Says whether a percent sign came out.
fn first_pass(input: &[u8], out: &mut Vec<u8>, events: &mut Events) -> bool {
    let mut rest = input;
    let mut produced_percent = false;
    while let Some(at) = memchr(b'%', rest) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (byte, used) = if let Some(byte) = percent(tail) {
            if is_unreserved(byte) {
                events.raise(events::UNRESERVED_ENCODED);
            }
            match utf8(byte, tail.get(3..).unwrap_or_default()) {
                Some((value, more)) => {
                    events.raise(events::UTF8_IN_URI);
                    (value, more + 3)
                }
                None => (byte, 3),
            }
        } else if tail.get(1) == Some(&b'%') {
            (b'%', 2)
        } else {
            events.raise(events::BAD_PERCENT);
            out.push(b'%');
            rest = tail.get(1..).unwrap_or_default();
            continue;
        };
        produced_percent |= byte == b'%';
        out.push(byte);
        rest = tail.get(used..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    produced_percent
}

/// `%hh` once more, in place, over what the first pass made. Says whether it changed anything.
fn second_pass(out: &mut Vec<u8>, from: usize) -> bool {
    let (mut read, mut write) = (from, from);
    while read < out.len() {
        let tail = out.get(read..).unwrap_or_default();
        let (byte, used) = match percent(tail) {
            Some(byte) => (byte, 3),
            None => (tail.first().copied().unwrap_or_default(), 1),
        };
        if let Some(slot) = out.get_mut(write) {
            *slot = byte;
        }
        read += used;
        write += 1;
    }
    let changed = write < out.len();
    out.truncate(write);
    changed
}

/// The byte of a leading `%hh`.
#[inline]
fn percent(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// A lead byte and percent-encoded continuations behind it: the code point as one byte (0xFF if it
/// is above 0xFF) and the encoded bytes used beyond the lead. Overlong forms decode.
fn utf8(lead: u8, rest: &[u8]) -> Option<(u8, usize)> {
    let continuation = |at: usize| {
        let byte = percent(rest.get(at..)?)?;
        (byte & 0xC0 == 0x80).then_some(u32::from(byte & 0x3F))
    };
    let (value, used) = match lead {
        0xC0..=0xDF => (u32::from(lead & 0x1F) << 6 | continuation(0)?, 3),
        0xE0..=0xEF => (u32::from(lead & 0x0F) << 12 | continuation(0)? << 6 | continuation(3)?, 6),
        _ => return None,
    };
    Some((u8::try_from(value).unwrap_or(0xFF), used))
}

/// Value of a hex digit.
#[inline]
pub(super) fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[inline]
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(input: &str, expected: &[u8]) {
        let mut out = b"before".to_vec();
        decode(input.as_bytes(), &mut out, &mut Events::default());
        assert_eq!(out.strip_prefix(b"before"), Some(expected), "{input}");
    }

    #[test]
    fn percent_sequences_become_bytes() {
        check("a%62c", b"abc");
        check("%00%fF", b"\0\xff");
        check("100%", b"100%");
        check("%4", b"%4");
        check("%zz%41", b"%zzA");
        check("%u0041", b"%u0041");
    }

    #[test]
    fn exactly_one_extra_pass_runs() {
        check("a%252fb", b"a/b");
        check("a%25252fb", b"a%2fb");
        check("%%41", b"A");
        check("%2541", b"A");
        check("%25%41", b"%A");
    }

    #[test]
    fn encoded_utf8_becomes_one_byte_even_when_overlong() {
        check("%c0%af", b"/");
        check("%e0%80%af", b"/");
        check("%c3%a9", b"\xe9");
        check("%e2%82%ac", b"\xff");
        check("%c3\u{a9}", b"\xc3\xc2\xa9");
        check("%c3x", b"\xc3x");
        check("%c0%a5%34%31", b"A");
    }

    proptest! {
        #[test]
        fn never_grows_and_leaves_other_bytes_alone(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            decode(&input, &mut out, &mut Events::default());
            prop_assert!(out.len() <= input.len());
            if !needs_decoding(&input) {
                prop_assert_eq!(out, input);
            }
        }
    }
}
