//! `window`: TCP window.
//!
//! *Invariants*: fails on rebuilt stream data, which has no headers.
//!
//! *Spec*: Snort 3 manual, `window`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::{FieldMatch, tcp};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "window",
    kind: Kind::NonPayload,
    summary: "compares the TCP window",
    grammar: "INTERVAL",
    docs: "Compares the window as it stands in the header, without scaling.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "window", 65_535, |unit| tcp(unit).map(|tcp| u64::from(tcp.window)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems, tcp_packet, with_packet};

    #[test]
    fn the_header_is_compared() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("window:1234"));
        assert!(!test("window:!1234"));
        assert!(!matches("window:>=0;", b""), "no header, no match");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("window:x")[0].contains("not a number"));
        assert!(problems("window")[0].contains("needs a value"));
    }
}
