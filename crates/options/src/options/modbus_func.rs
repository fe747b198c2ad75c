//! `modbus_func`: the function of a Modbus message.
//!
//! *Spec*: MODBUS Application Protocol V1.1b3 §5.1; Snort 3 manual, `modbus_func`.

use crate::code_match::{Accept, CodeMatch, Names};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "modbus_func",
    kind: Kind::NonPayload,
    summary: "checks the function of a Modbus message",
    grammar: "CODE|NAME",
    docs: "True if the function code is the one given, by number (0 to 255) or by name such as `read_coils`. Of an \
           exception response the code has 128 added.",
    repeat: Repeat::Any,
    services: &[Service::Modbus],
    parse,
};

const NAMES: Names = &[
    ("read_coils", 1),
    ("read_discrete_inputs", 2),
    ("read_holding_registers", 3),
    ("read_input_registers", 4),
    ("write_single_coil", 5),
    ("write_single_register", 6),
    ("read_exception_status", 7),
    ("diagnostics", 8),
    ("get_comm_event_counter", 11),
    ("get_comm_event_log", 12),
    ("write_multiple_coils", 15),
    ("write_multiple_registers", 16),
    ("report_slave_id", 17),
    ("read_file_record", 20),
    ("write_file_record", 21),
    ("mask_write_register", 22),
    ("read_write_multiple_registers", 23),
    ("read_fifo_queue", 24),
    ("encapsulated_interface_transport", 43),
];

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CodeMatch::parse(cx, "modbus_func", Accept::NumberOrName, NAMES, |view| Some(view.modbus()?.function))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::ModbusFacts;

    #[test]
    fn functions_go_by_number_or_name() {
        let view = Facts { modbus: Some(ModbusFacts { unit: 1, function: 17 }), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("modbus_func:17") && test("modbus_func: report_slave_id ") && test("modbus_func:\"0x11\""));
        assert!(!test("modbus_func:145") && !test("modbus_func:read_coils"));
        assert!(!matches("modbus_func:0;", b""), "outside Modbus");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("modbus_func:256")[0].contains("outside 0 to 255"));
        assert!(problems("modbus_func:Read_Coils")[0].contains("no argument"));
        assert!(problems("modbus_func")[0].contains("needs a value"));
        assert_eq!(compile_one("modbus_func:17").canonical(), "modbus_func:report_slave_id");
        assert_eq!(compile_one("modbus_func:131").canonical(), "modbus_func:131");
    }
}
