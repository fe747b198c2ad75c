//! `s7commplus_func`: the function of an S7comm-plus message.
//!
//! *Spec*: Snort 3 manual, `s7commplus_func`.

use crate::code_match::{Accept, CodeMatch, Names};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "s7commplus_func",
    kind: Kind::NonPayload,
    summary: "checks the function of an S7comm-plus message",
    grammar: "CODE|NAME",
    docs: "True if the function code is the one given, by number (0 to 65535) or by name: `explore`, `createobject`, \
           `deleteobject`, `setvariable`, `getlink`, `setmultivar`, `getmultivar`, `beginsequence`, `endsequence`, \
           `invoke`, `getvarsubstr`.",
    repeat: Repeat::Any,
    services: &[Service::S7commplus],
    parse,
};

const NAMES: Names<u16> = &[
    ("explore", 0x04bb),
    ("createobject", 0x04ca),
    ("deleteobject", 0x04d4),
    ("setvariable", 0x04f2),
    ("getlink", 0x0524),
    ("setmultivar", 0x0542),
    ("getmultivar", 0x054c),
    ("beginsequence", 0x0556),
    ("endsequence", 0x0560),
    ("invoke", 0x056b),
    ("getvarsubstr", 0x0586),
];

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CodeMatch::parse(cx, "s7commplus_func", Accept::NumberOrName, NAMES, |view| Some(view.s7commplus()?.function))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::S7commplusFacts;

    #[test]
    fn functions_go_by_number_or_name() {
        let facts = S7commplusFacts { opcode: 0x31, function: 0x04ca };
        let view = Facts { s7commplus: Some(facts), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("s7commplus_func:createobject") && test("s7commplus_func:1226") && test("s7commplus_func:0x4ca"));
        assert!(!test("s7commplus_func:explore") && !test("s7commplus_func:202"));
        assert!(!matches("s7commplus_func:0;", b""), "outside S7comm-plus");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("s7commplus_func:65536")[0].contains("outside 0 to 65535"));
        assert!(problems("s7commplus_func:CreateObject")[0].contains("no argument"));
        assert!(problems("s7commplus_func")[0].contains("needs a value"));
        assert_eq!(compile_one("s7commplus_func:0x56b").canonical(), "s7commplus_func:invoke");
        assert_eq!(compile_one("s7commplus_func:1000").canonical(), "s7commplus_func:1000");
    }
}
