//! `ttl`: time to live, or hop limit.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `ttl`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, ip};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "ttl",
    kind: Kind::NonPayload,
    summary: "compares the time to live",
    grammar: "INTERVAL",
    docs: "Compares the TTL of IPv4 or the hop limit of IPv6.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "ttl", 255, |unit| ip(unit).map(|ip| u64::from(ip.ttl)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems, tcp_packet, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("ttl:64"));
        assert!(!test("ttl:!64"));
        assert!(!matches("ttl:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("ttl:x")[0].contains("not a number"));
        assert!(problems("ttl")[0].contains("needs a value"));
    }
}
