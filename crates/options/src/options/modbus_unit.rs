//! `modbus_unit`: the unit identifier of a Modbus message.
//!
//! *Spec*: MODBUS Messaging on TCP/IP Implementation Guide V1.0b §3.1.3; Snort 3 manual, `modbus_unit`.

use crate::code_match::{Accept, CodeMatch};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "modbus_unit",
    kind: Kind::NonPayload,
    summary: "checks the unit identifier of a Modbus message",
    grammar: "UNIT",
    docs: "True if the message is for, or from, the unit with this number (0 to 255).",
    repeat: Repeat::Any,
    services: &[Service::Modbus],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CodeMatch::parse(cx, "modbus_unit", Accept::NumberOrName, &[], |view| Some(view.modbus()?.unit))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, problems, with_view};
    use tapir_protocol::ModbusFacts;

    #[test]
    fn the_unit_is_compared() {
        let view = Facts { modbus: Some(ModbusFacts { unit: 0, function: 17 }), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("modbus_unit: 0") && !test("modbus_unit:17"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("modbus_unit:-1")[0].contains("outside 0 to 255"));
        assert!(problems("modbus_unit:main")[0].contains("no argument"));
    }
}
