//! `itype`: ICMP type.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `itype`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, icmp};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "itype",
    kind: Kind::NonPayload,
    summary: "compares the ICMP type",
    grammar: "INTERVAL",
    docs: "Compares the type of the ICMP or ICMPv6 message.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "itype", 255, |unit| icmp(unit).map(|icmp| u64::from(icmp.kind)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, icmp_packet, matches, problems, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = icmp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("itype:8"));
        assert!(!test("itype:!8"));
        assert!(!matches("itype:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("itype:x")[0].contains("not a number"));
        assert!(problems("itype")[0].contains("needs a value"));
    }
}
