//! `dnp3_func`: the function of a DNP3 application fragment.
//!
//! *Spec*: IEEE 1815 §4.2.2.5 (function codes); Snort 3 manual, `dnp3_func`.

use crate::code_match::{Accept, CodeMatch, Names};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "dnp3_func",
    kind: Kind::NonPayload,
    summary: "checks the function of a DNP3 message",
    grammar: "CODE|NAME",
    docs: "True if the function code is the one given, by number (0 to 255) or by name such as `cold_restart`. Looked \
           at once a fragment is complete.",
    repeat: Repeat::Any,
    services: &[Service::Dnp3],
    parse,
};

const NAMES: Names = &[
    ("confirm", 0),
    ("read", 1),
    ("write", 2),
    ("select", 3),
    ("operate", 4),
    ("direct_operate", 5),
    ("direct_operate_nr", 6),
    ("immed_freeze", 7),
    ("immed_freeze_nr", 8),
    ("freeze_clear", 9),
    ("freeze_clear_nr", 10),
    ("freeze_at_time", 11),
    ("freeze_at_time_nr", 12),
    ("cold_restart", 13),
    ("warm_restart", 14),
    ("initialize_data", 15),
    ("initialize_appl", 16),
    ("start_appl", 17),
    ("stop_appl", 18),
    ("save_config", 19),
    ("enable_unsolicited", 20),
    ("disable_unsolicited", 21),
    ("assign_class", 22),
    ("delay_measure", 23),
    ("record_current_time", 24),
    ("open_file", 25),
    ("close_file", 26),
    ("delete_file", 27),
    ("get_file_info", 28),
    ("authenticate_file", 29),
    ("abort_file", 30),
    ("activate_config", 31),
    ("authenticate_req", 32),
    ("authenticate_err", 33),
    ("response", 129),
    ("unsolicited_response", 130),
    ("authenticate_resp", 131),
];

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CodeMatch::parse(cx, "dnp3_func", Accept::NumberOrName, NAMES, |view| Some(view.dnp3()?.function))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::Dnp3Facts;

    #[test]
    fn functions_go_by_number_or_name() {
        let facts = Dnp3Facts { function: 130, indications: None, object: None };
        let view = Facts { dnp3: Some(facts), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("dnp3_func:130") && test("dnp3_func:unsolicited_response") && !test("dnp3_func:response"));
        assert!(!matches("dnp3_func:confirm;", b""), "outside DNP3");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("dnp3_func:reads")[0].contains("no argument"));
        assert_eq!(compile_one("dnp3_func:13").canonical(), "dnp3_func:cold_restart");
        assert_eq!(compile_one("dnp3_func:99").canonical(), "dnp3_func:99");
    }
}
