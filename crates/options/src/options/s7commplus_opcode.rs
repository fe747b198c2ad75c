//! `s7commplus_opcode`: what kind of S7comm-plus message it is.
//!
//! *Spec*: Snort 3 manual, `s7commplus_opcode`.

use crate::code_match::{Accept, CodeMatch, Names};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "s7commplus_opcode",
    kind: Kind::NonPayload,
    summary: "checks the opcode of an S7comm-plus message",
    grammar: "CODE|NAME",
    docs: "True if the opcode is the one given, by number (0 to 255) or by name: `request`, `response`, \
           `notification`, `response2`.",
    repeat: Repeat::Any,
    services: &[Service::S7commplus],
    parse,
};

const NAMES: Names = &[("request", 0x31), ("response", 0x32), ("notification", 0x33), ("response2", 0x02)];

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CodeMatch::parse(cx, "s7commplus_opcode", Accept::NumberOrName, NAMES, |view| Some(view.s7commplus()?.opcode))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::S7commplusFacts;

    #[test]
    fn opcodes_go_by_number_or_name() {
        let facts = S7commplusFacts { opcode: 0x32, function: 0 };
        let view = Facts { s7commplus: Some(facts), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("s7commplus_opcode:response") && test("s7commplus_opcode:50") && test("s7commplus_opcode:0x32"));
        assert!(!test("s7commplus_opcode:request") && !test("s7commplus_opcode:response2"));
        assert!(!matches("s7commplus_opcode:0;", b""), "outside S7comm-plus");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("s7commplus_opcode:256")[0].contains("outside 0 to 255"));
        assert!(problems("s7commplus_opcode:answer")[0].contains("no argument"));
        assert_eq!(compile_one("s7commplus_opcode:2").canonical(), "s7commplus_opcode:response2");
    }
}
