//! `icmp_id`: ICMP identifier of echo messages.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `icmp_id`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, icmp};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "icmp_id",
    kind: Kind::NonPayload,
    summary: "compares the ICMP identifier",
    grammar: "INTERVAL",
    docs: "Compares the identifier of echo requests and replies; other messages fail.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "icmp_id", 65_535, |unit| icmp(unit)?.id.map(u64::from))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, icmp_packet, matches, problems, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = icmp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("icmp_id:678"));
        assert!(!test("icmp_id:!678"));
        assert!(!matches("icmp_id:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("icmp_id:x")[0].contains("not a number"));
        assert!(problems("icmp_id")[0].contains("needs a value"));
    }
}
