//! `sha512`: the SHA-512 digest of part of the buffer.
//!
//! *Spec*: FIPS 180-4; Snort 3 manual, `sha512`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::digest::{Algorithm, DigestMatch};
use crate::value::Problem;
use sha2::Digest;

pub(super) static DEF: OptionDef = OptionDef {
    name: "sha512",
    kind: Kind::Payload,
    summary: "compares the SHA-512 digest of some bytes",
    grammar: "[!]\"DIGEST\",length N[,offset N|VAR][,relative]",
    docs: "Compares the digest of exactly `length` bytes with DIGEST, a byte string of 64 bytes, usually one hex \
           block. A positive match moves the cursor behind the bytes. If they do not fit, the option fails; with \
           `!` it succeeds.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

static ALGORITHM: Algorithm =
    Algorithm { name: "sha512", size: 64, test: |data, digest| sha2::Sha512::digest(data).as_slice() == digest };

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    DigestMatch::parse(cx, &ALGORITHM)
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    const ABC: &str = "\"|DD AF 35 A1 93 61 7A BA CC 41 73 49 AE 20 41 31 12 E6 FA 4E 89 A9 7E A2 0A 9E EE E6 4B 55 D3 9A 21 92 99 2A 27 4F C1 A8 36 BA 3C 23 A3 FE EB BD 45 4D 44 23 64 3C E8 0E 2A 9A C9 4F A5 4C A4 9F|\"";

    #[test]
    fn bytes_are_hashed() {
        assert!(matches(&format!("sha512:{ABC},length 3,offset 1;"), b"xabcx"));
        assert!(!matches(&format!("sha512:{ABC},length 3;"), b"xabcx"));
        assert!(!matches(&format!("sha512:!{ABC},length 3,offset 1;"), b"xabcx"));
        assert!(matches(&format!("content:\"x\"; sha512:{ABC},length 3,relative; content:\"y\",within 1;"), b"xabcy"));
    }

    #[test]
    fn bytes_that_do_not_fit_satisfy_the_negated_form() {
        assert!(matches(&format!("sha512:!{ABC},length 30;"), b"xabcx"));
        assert!(!matches(&format!("sha512:{ABC},length 30;"), b"xabcx"));
    }

    #[test]
    fn canonical_text_reads_back_as_itself() {
        let text = format!("sha512:!{ABC},length 3,offset -3,relative");
        assert_eq!(compile_one(&text).canonical(), text);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("sha512:\"00\",length 3")[0].contains("never equal"));
        assert!(problems(&format!("sha512:{ABC}"))[0].contains("needs `length`"));
    }
}
