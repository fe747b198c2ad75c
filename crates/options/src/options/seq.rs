//! `seq`: TCP sequence number.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `seq`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, tcp};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "seq",
    kind: Kind::NonPayload,
    summary: "compares the TCP sequence number",
    grammar: "INTERVAL",
    docs: "Compares the sequence number as it stands in the header.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "seq", 0xFFFF_FFFF, |unit| tcp(unit).map(|tcp| u64::from(tcp.seq)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems, tcp_packet, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("seq:1000"));
        assert!(!test("seq:!1000"));
        assert!(!matches("seq:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("seq:x")[0].contains("not a number"));
        assert!(problems("seq")[0].contains("needs a value"));
    }
}
