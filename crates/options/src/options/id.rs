//! `id`: identification of the datagram.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `id`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, ip};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "id",
    kind: Kind::NonPayload,
    summary: "compares the IP identification",
    grammar: "INTERVAL",
    docs: "Compares the identification field, of IPv6 that of the fragment header.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "id", 0xFFFF_FFFF, |unit| ip(unit).map(|ip| u64::from(ip.id)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems, tcp_packet, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("id:4660"));
        assert!(!test("id:!4660"));
        assert!(!matches("id:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("id:x")[0].contains("not a number"));
        assert!(problems("id")[0].contains("needs a value"));
    }
}
