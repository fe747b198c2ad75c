//! `icode`: ICMP code.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `icode`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, icmp};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "icode",
    kind: Kind::NonPayload,
    summary: "compares the ICMP code",
    grammar: "INTERVAL",
    docs: "Compares the code of the ICMP or ICMPv6 message.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "icode", 255, |unit| icmp(unit).map(|icmp| u64::from(icmp.code)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, icmp_packet, matches, problems, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = icmp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("icode:3"));
        assert!(!test("icode:!3"));
        assert!(!matches("icode:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("icode:x")[0].contains("not a number"));
        assert!(problems("icode")[0].contains("needs a value"));
    }
}
