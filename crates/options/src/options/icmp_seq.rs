//! `icmp_seq`: ICMP sequence number of echo messages.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `icmp_seq`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, icmp};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "icmp_seq",
    kind: Kind::NonPayload,
    summary: "compares the ICMP sequence number",
    grammar: "INTERVAL",
    docs: "Compares the sequence number of echo requests and replies; other messages fail.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "icmp_seq", 65_535, |unit| icmp(unit)?.seq.map(u64::from))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, icmp_packet, matches, problems, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = icmp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("icmp_seq:5"));
        assert!(!test("icmp_seq:!5"));
        assert!(!matches("icmp_seq:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("icmp_seq:x")[0].contains("not a number"));
        assert!(problems("icmp_seq")[0].contains("needs a value"));
    }
}
