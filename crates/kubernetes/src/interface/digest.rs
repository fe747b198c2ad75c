//! Hexadecimal digits of digests, of which names are made.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The first hexadecimal digits of SHA-1.
pub(super) fn sha1(text: &str, digits: usize) -> String {
    hex(&Sha1::digest(text), digits)
}

/// The first hexadecimal digits of SHA-256.
pub(super) fn sha256(text: &str, digits: usize) -> String {
    hex(&Sha256::digest(text), digits)
}

fn hex(bytes: &[u8], digits: usize) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standards() {
        assert_eq!(sha1("abc", 40), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(sha256("abc", 12), "ba7816bf8f01");
    }
}
