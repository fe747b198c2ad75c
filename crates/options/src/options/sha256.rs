//! `sha256`: the SHA-256 digest of part of the buffer.
//!
//! *Spec*: FIPS 180-4; Snort 3 manual, `sha256`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::digest::{Algorithm, DigestMatch};
use crate::value::Problem;
use sha2::Digest;

pub(super) static DEF: OptionDef = OptionDef {
    name: "sha256",
    kind: Kind::Payload,
    summary: "compares the SHA-256 digest of some bytes",
    grammar: "[!]\"DIGEST\",length N[,offset N|VAR][,relative]",
    docs: "Compares the digest of exactly `length` bytes with DIGEST, a byte string of 32 bytes, usually one hex \
           block. A positive match moves the cursor behind the bytes. If they do not fit, the option fails; with \
           `!` it succeeds.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

static ALGORITHM: Algorithm =
    Algorithm { name: "sha256", size: 32, test: |data, digest| sha2::Sha256::digest(data).as_slice() == digest };

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    DigestMatch::parse(cx, &ALGORITHM)
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    const ABC: &str =
        "\"|BA 78 16 BF 8F 01 CF EA 41 41 40 DE 5D AE 22 23 B0 03 61 A3 96 17 7A 9C B4 10 FF 61 F2 00 15 AD|\"";

    #[test]
    fn bytes_are_hashed() {
        assert!(matches(&format!("sha256:{ABC},length 3,offset 1;"), b"xabcx"));
        assert!(!matches(&format!("sha256:{ABC},length 3;"), b"xabcx"));
        assert!(!matches(&format!("sha256:!{ABC},length 3,offset 1;"), b"xabcx"));
        assert!(matches(&format!("content:\"x\"; sha256:{ABC},length 3,relative; content:\"y\",within 1;"), b"xabcy"));
    }

    #[test]
    fn bytes_that_do_not_fit_satisfy_the_negated_form() {
        assert!(matches(&format!("sha256:!{ABC},length 30;"), b"xabcx"));
        assert!(!matches(&format!("sha256:{ABC},length 30;"), b"xabcx"));
    }

    #[test]
    fn canonical_text_reads_back_as_itself() {
        let text = format!("sha256:!{ABC},length 3,offset -3,relative");
        assert_eq!(compile_one(&text).canonical(), text);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("sha256:\"00\",length 3")[0].contains("never equal"));
        assert!(problems(&format!("sha256:{ABC}"))[0].contains("needs `length`"));
    }
}
