//! `fragoffset`: fragment offset in bytes.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `fragoffset`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, ip};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "fragoffset",
    kind: Kind::NonPayload,
    summary: "compares the fragment offset",
    grammar: "INTERVAL",
    docs: "Compares the fragment offset in bytes (the field times 8).",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "fragoffset", 65_535, |unit| ip(unit).map(|ip| u64::from(ip.fragment.offset)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems, tcp_packet, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("fragoffset:1480"));
        assert!(!test("fragoffset:!1480"));
        assert!(!matches("fragoffset:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("fragoffset:x")[0].contains("not a number"));
        assert!(problems("fragoffset")[0].contains("needs a value"));
    }
}
