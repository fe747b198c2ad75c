//! `ack`: TCP acknowledgement number.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `ack`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, tcp};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "ack",
    kind: Kind::NonPayload,
    summary: "compares the TCP acknowledgement number",
    grammar: "INTERVAL",
    docs: "Compares the acknowledgement number as it stands in the header.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "ack", 0xFFFF_FFFF, |unit| tcp(unit).map(|tcp| u64::from(tcp.ack)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems, tcp_packet, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("ack:2000"));
        assert!(!test("ack:!2000"));
        assert!(!matches("ack:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("ack:x")[0].contains("not a number"));
        assert!(problems("ack")[0].contains("needs a value"));
    }
}
