//! `md5`: the MD5 digest of part of the buffer.
//!
//! *Spec*: RFC 1321; Snort 3 manual, `md5`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::digest::{Algorithm, DigestMatch};
use crate::value::Problem;
use md5::Digest;

pub(super) static DEF: OptionDef = OptionDef {
    name: "md5",
    kind: Kind::Payload,
    summary: "compares the MD5 digest of some bytes",
    grammar: "[!]\"DIGEST\",length N[,offset N|VAR][,relative]",
    docs: "Compares the digest of exactly `length` bytes with DIGEST, a byte string of 16 bytes, usually one hex \
           block. A positive match moves the cursor behind the bytes. If they do not fit, the option fails; with \
           `!` it succeeds.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

static ALGORITHM: Algorithm =
    Algorithm { name: "md5", size: 16, test: |data, digest| md5::Md5::digest(data).as_slice() == digest };

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    DigestMatch::parse(cx, &ALGORITHM)
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    const ABC: &str = "\"|90 01 50 98 3C D2 4F B0 D6 96 3F 7D 28 E1 7F 72|\"";

    #[test]
    fn bytes_are_hashed() {
        assert!(matches(&format!("md5:{ABC},length 3,offset 1;"), b"xabcx"));
        assert!(!matches(&format!("md5:{ABC},length 3;"), b"xabcx"));
        assert!(!matches(&format!("md5:!{ABC},length 3,offset 1;"), b"xabcx"));
        assert!(matches(&format!("content:\"x\"; md5:{ABC},length 3,relative; content:\"y\",within 1;"), b"xabcy"));
    }

    #[test]
    fn bytes_that_do_not_fit_satisfy_the_negated_form() {
        assert!(matches(&format!("md5:!{ABC},length 30;"), b"xabcx"));
        assert!(!matches(&format!("md5:{ABC},length 30;"), b"xabcx"));
    }

    #[test]
    fn canonical_text_reads_back_as_itself() {
        let text = format!("md5:!{ABC},length 3,offset -3,relative");
        assert_eq!(compile_one(&text).canonical(), text);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("md5:\"00\",length 3")[0].contains("never equal"));
        assert!(problems(&format!("md5:{ABC}"))[0].contains("needs `length`"));
    }
}
