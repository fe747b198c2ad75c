//! `ber_data`: enters a BER element at the cursor.
//!
//! *Spec*: X.690 §8.1; Snort 3 manual, `ber_data`.

use crate::ber::element;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "ber_data",
    kind: Kind::Payload,
    summary: "enters a BER element",
    grammar: "TYPE[,optional]",
    docs: "Expects a BER element of this type at the cursor and moves the cursor to the contents. Another type fails, with \
           `optional` it succeeds and the cursor stays.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
struct BerData {
    kind: u32,
    optional: bool,
}

impl RuleOption for BerData {
    fn canonical(&self) -> String {
        format!("ber_data:0x{:02X}{}", self.kind, if self.optional { ",optional" } else { "" })
    }

    fn eval<'a>(&self, _ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        match element(cursor.rest()) {
            Some(element) if element.kind == self.kind => {
                let pos = cursor.pos.saturating_add(element.head);
                let fits = pos <= cursor.data.len();
                if fits {
                    cursor.pos = pos;
                }
                fits
            }
            _ => self.optional,
        }
    }

    fn is_relative(&self) -> bool {
        true
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let (kind, optional) = match args.as_slice() {
        [kind] => (*kind, false),
        [kind, word] if word.text == "optional" => (*kind, true),
        [_, word, ..] => return Err(cx.unknown(*word)),
        [] => return Err(cx.missing("a type")),
    };
    Parsed::test(BerData { kind: kind.u32(0, 255)?, optional })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn the_cursor_moves() {
        assert!(matches(r#"ber_data:0x04; content:"foo",within 3;"#, b"\x04\x03foo"));
        assert!(matches("ber_data:0x04;", b"\x04\x09foo"), "the contents need not be complete");
        assert!(!matches("ber_data:0x05;", b"\x04\x03foo"));
        assert!(matches(r#"ber_data:0x05,optional; content:"|04|",within 1;"#, b"\x04\x03foo"));
        assert!(!matches("ber_data:0x04;", b""));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("ber_data:256")[0].contains("outside 0"));
        assert!(problems("ber_data:1,maybe")[0].contains("no argument"));
        assert_eq!(compile_one("ber_data:48,optional").canonical(), "ber_data:0x30,optional");
    }
}
