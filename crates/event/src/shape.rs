//! The shape of a payload: a hash that is equal for payloads that differ only in numbers, tokens and case.
//!
//! A group shows how many shapes it holds; a new shape in a group that was dismissed is news. The hash is
//! stored for years: its definition must not change.

use crate::Evidence;
use sha2::{Digest, Sha256};

/// Runs of hexadecimal digits from this length on (with a decimal digit in them) are one `h`.
const HEX: usize = 8;
/// Runs of base64 characters from this length on (with letters of both cases and a digit) are one `b`.
const BASE64: usize = 20;

/// Shape of what matched: the buffers with hits, or the payload if none is kept. `None` without evidence.
pub fn shape(evidence: Option<&Evidence>) -> Option<u64> {
    let evidence = evidence?;
    let mut hasher = Sha256::new();
    if evidence.buffers.is_empty() {
        hasher.update(normal(&evidence.payload));
    }
    for buffer in &evidence.buffers {
        hasher.update(buffer.name.as_bytes());
        hasher.update([0]);
        hasher.update(normal(&buffer.bytes));
        hasher.update([0]);
    }
    Some(first_u64(&hasher.finalize()))
}

/// The first eight bytes of a digest, big endian.
pub(crate) fn first_u64(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Lower case; digits → `0`, long hexadecimal → `h`, long base64 → `b`. Each byte is looked at a fixed number
/// of times: a word once as a whole, then its hexadecimal runs, then its digits.
fn normal(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    each_run(bytes, is_base64, |word, is_word| {
        let has = |test: fn(&u8) -> bool| word.iter().any(test);
        let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
        if is_word && word.len() >= BASE64 && mixed {
            return out.push(b'b');
        }
        each_run(
            word,
            |b| b.is_ascii_hexdigit(),
            |hex, is_hex| {
                if is_hex && hex.len() >= HEX && hex.iter().any(u8::is_ascii_digit) {
                    return out.push(b'h');
                }
                each_run(
                    hex,
                    |b| b.is_ascii_digit(),
                    |digits, is_number| {
                        if is_number { out.push(b'0') } else { out.extend(digits.iter().map(u8::to_ascii_lowercase)) }
                    },
                );
            },
        );
    });
    out
}

/// Without the slash, which would make one word of a path.
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'=')
}

/// Calls `each` with every longest run of bytes that are, or are not, `of` a class.
fn each_run(bytes: &[u8], of: fn(u8) -> bool, mut each: impl FnMut(&[u8], bool)) {
    for run in bytes.chunk_by(|a, b| of(*a) == of(*b)) {
        each(run, run.first().is_some_and(|first| of(*first)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EvidenceBuffer;

    fn of(text: &str) -> Option<u64> {
        let bytes = text.as_bytes().to_vec();
        let buffers = vec![EvidenceBuffer { name: "http_uri".into(), bytes, ..EvidenceBuffer::default() }];
        shape(Some(&Evidence { buffers, ..Evidence::default() }))
    }

    #[test]
    fn numbers_tokens_and_case_do_not_change_the_shape() {
        assert_eq!(of("/Cart?id=17&s=deadbeef01"), of("/cart?id=99812&s=0123456789abcdef"));
        assert_eq!(of("t=QWxhZGRpbjpvcGVuIHNlc2FtZQ9="), of("t=c29tZXRoaW5nIGVsc2UgZW50aXJlbHk9A1="));
        assert_ne!(of("/cart?id=17"), of("/cart?id=17' or 1=1"));
        assert_eq!(shape(None), None);
    }

    #[test]
    fn words_are_kept() {
        assert_eq!(normal(b"/ETC/passwd"), b"/etc/passwd");
        assert_eq!(normal(b"defaced"), b"defaced");
        assert_eq!(normal(b"a\xff1"), b"a\xff0");
    }

    /// Stored hashes must stay comparable.
    #[test]
    fn the_definition_does_not_change() {
        assert_eq!(of("/cart?id=17").map(|shape| format!("{shape:016x}")).as_deref(), Some("4e22a20eb2591b64"));
    }

    #[test]
    fn long_input_of_one_class_is_one_run() {
        // 4 MiB each: quadratic work would not end.
        for (byte, len) in [(b'a', 4 << 20), (b'1', 1), (b'+', 4 << 20), (0xff, 4 << 20)] {
            assert_eq!(normal(&vec![byte; 4 << 20]).len(), len);
        }
    }
}
