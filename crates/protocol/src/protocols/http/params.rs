//! `http_param`: values of request parameters, from the query and from a form body.
//!
//! *Limits*: [`MAX_REPEATS`] values of one name, so that a rule that tries them all stays linear.
//!
//! *Spec*: WHATWG URL `application/x-www-form-urlencoded`; Snort 3 http_param (`&` and `;` separate,
//! names and values are decoded like URI parts).

use super::uri::decode_value;
use memchr::{memchr, memchr2};

/// Values of one name that can be asked for (Snort's number).
pub(super) const MAX_REPEATS: u32 = 100;

/// The raw value of the `occurrence`-th parameter called `name` in `sources`, one after another.
pub(super) fn find<'a>(
    sources: impl IntoIterator<Item = &'a [u8]>,
    name: &[u8],
    nocase: bool,
    occurrence: u32,
    scratch: &mut Vec<u8>,
) -> Option<&'a [u8]> {
    if occurrence >= MAX_REPEATS {
        return None;
    }
    let mut left = occurrence;
    for source in sources {
        let mut rest = source;
        while !rest.is_empty() {
            let end = memchr2(b'&', b';', rest).unwrap_or(rest.len());
            let pair = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            let equals = memchr(b'=', pair).unwrap_or(pair.len());
            if !is_named(pair.get(..equals).unwrap_or_default(), name, nocase, scratch) {
                continue;
            }
            match left.checked_sub(1) {
                Some(fewer) => left = fewer,
                None => return Some(pair.get(equals + 1..).unwrap_or_default()),
            }
        }
    }
    None
}

/// Whether decoding could change a value.
pub(super) fn needs_decoding(value: &[u8]) -> bool {
    value.iter().any(|byte| matches!(byte, b'%' | b'+' | b'\\'))
}

fn is_named(raw: &[u8], name: &[u8], nocase: bool, scratch: &mut Vec<u8>) -> bool {
    let own = if needs_decoding(raw) {
        scratch.clear();
        decode_value(raw, scratch);
        scratch.as_slice()
    } else {
        raw
    };
    if nocase { own.eq_ignore_ascii_case(name) } else { own == name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_order_over_all_sources() {
        let sources = [b"a=1&b=two&a=3&empty=&c".as_slice(), b"%61=4%2b5;A=6".as_slice()];
        let find = |name: &str, nocase, occurrence| {
            find(sources, name.as_bytes(), nocase, occurrence, &mut Vec::new()).map(|v| std::str::from_utf8(v).unwrap())
        };
        assert_eq!([0, 1, 2, 3].map(|n| find("a", false, n)), [Some("1"), Some("3"), Some("4%2b5"), None]);
        assert_eq!(find("a", true, 3), Some("6"));
        assert_eq!(find("empty", false, 0), Some(""));
        assert_eq!(find("c", false, 0), Some(""));
        assert_eq!(find("x", false, 0), None);
    }
}
