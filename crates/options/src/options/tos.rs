//! `tos`: type of service, or traffic class.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `tos`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, ip};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "tos",
    kind: Kind::NonPayload,
    summary: "compares the type of service",
    grammar: "INTERVAL",
    docs: "Compares the TOS byte of IPv4 or the traffic class of IPv6.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "tos", 255, |unit| ip(unit).map(|ip| u64::from(ip.tos)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems, tcp_packet, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("tos:16"));
        assert!(!test("tos:!16"));
        assert!(!matches("tos:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("tos:x")[0].contains("not a number"));
        assert!(problems("tos")[0].contains("needs a value"));
    }
}
