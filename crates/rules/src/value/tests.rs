//! Tests of value parsing, measured cases of Snort 3.12.2 among them.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn content(text: &str, dialect: Dialect, expected: &[u8]) {
    assert_eq!(content_bytes(text, dialect), Ok(expected.to_vec()), "{text}");
}

#[test]
fn hex_blocks_stand_in_text() {
    content("a|62|c", Dialect::Snort3, b"abc");
    content("| 09 08 |", Dialect::Snort3, &[9, 8]);
    content("|0D0A|x", Dialect::Snort2, b"\r\nx");
}

#[test]
fn a_lone_hex_digit_is_a_byte() {
    content("|6 1|", Dialect::Snort3, &[6, 1]);
    content("|616|", Dialect::Snort3, &[0x61, 6]);
    content("|A|", Dialect::Snort3, &[10]);
    assert_eq!(byte_string("|616|", Dialect::Snort3).map(|string| string.odd_digit), Ok(Some(3)));
    assert_eq!(byte_string("|61|", Dialect::Snort3).map(|string| string.odd_digit), Ok(None));
}

#[test]
fn an_escaped_pipe_toggles_hex_mode_in_snort_3_only() {
    content(r"a\|62\|c", Dialect::Snort3, b"abc");
    content(r"a\x7C62|c", Dialect::Snort3, b"abc");
    content(r"a\|62\|c", Dialect::Snort2, b"a|62|c");
}

#[test]
fn control_escapes_are_snort_3() {
    content(r"a\nb\x41\x4g", Dialect::Snort3, b"a\nbA\x04g");
    content(r"a\nb", Dialect::Snort2, b"anb");
    assert!(content_bytes(r"a\nb", Dialect::Suricata).is_err());
    content(r#"\"\;\:\\"#, Dialect::Suricata, br#"";:\"#);
}

#[test]
fn errors_in_byte_strings_have_offsets() {
    assert_eq!(content_bytes("ab|4G|", Dialect::Snort3).map_err(|error| error.0), Err(4));
    assert_eq!(content_bytes("a|41", Dialect::Snort3).map_err(|error| error.0), Err(1));
}

#[test]
fn commas_in_quotes_and_brackets_do_not_split() {
    let args = split_args(r#" "a,\",b" , nocase ,[1,2]"#);
    let texts: Vec<_> = args.iter().map(|arg| (arg.text, arg.offset)).collect();
    assert_eq!(texts, [(r#""a,\",b""#, 1), ("nocase", 12), ("[1,2]", 20)]);
    assert_eq!(split_args("a,,b").len(), 3);
    assert!(split_args("  ").is_empty());
}

#[test]
fn words_are_separated_by_any_blanks() {
    let found: Vec<_> = words("  offset   12 ").iter().map(|word| (word.text, word.offset)).collect();
    assert_eq!(found, [("offset", 2), ("12", 11)]);
}

#[test]
fn a_bang_before_the_quote_negates() {
    assert_eq!(unquote(r#" ! "ab" "#), Some(Quoted { negated: true, inner: "ab", offset: 4 }));
    assert_eq!(unquote(r#""""#), Some(Quoted { negated: false, inner: "", offset: 1 }));
    assert_eq!(unquote("ab"), None);
    assert_eq!(unquote(r#"""#), None);
}

#[test]
fn integers_have_three_bases_and_a_sign() {
    assert_eq!(integer("0x1F"), Ok(31));
    assert_eq!(integer("-017"), Ok(-15));
    assert_eq!(integer("0"), Ok(0));
    assert_eq!(integer("4294967296"), Ok(1 << 32));
    for bad in ["", "-", "0x", "1 2", "08", "1e3", "99999999999999999999", "+-1"] {
        assert!(integer(bad).is_err(), "{bad}");
    }
    assert_eq!(integer_in("70000", 0..=65535), Err("70000 is not in 0..65535".to_owned()));
}

proptest! {
    #[test]
    fn canonical_byte_strings_parse_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let text = format_content(&bytes);
        for dialect in [Dialect::Snort2, Dialect::Snort3, Dialect::Suricata] {
            let inner = unquote(&text).unwrap().inner;
            prop_assert_eq!(content_bytes(inner, dialect), Ok(bytes.clone()));
        }
    }

    #[test]
    fn escaped_texts_unescape_to_themselves(text in "\\PC*") {
        for dialect in [Dialect::Snort2, Dialect::Snort3, Dialect::Suricata] {
            prop_assert_eq!(unescape_text(&escape_text(&text, dialect), dialect), text.clone());
        }
    }

    #[test]
    fn values_of_any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_value(&data);
    }

    #[test]
    fn arguments_are_where_they_say(text in "[a-c ,\"!\\\\\\[\\]]{0,40}") {
        for arg in split_args(&text) {
            prop_assert_eq!(text.get(arg.offset..arg.offset + arg.text.len()), Some(arg.text));
        }
    }
}
