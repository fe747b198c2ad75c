//! `dnp3_ind`: internal indications of a DNP3 response.
//!
//! *Spec*: IEEE 1815 §4.2.2.6 (internal indications); Snort 3 manual, `dnp3_ind`: one of those listed.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "dnp3_ind",
    kind: Kind::NonPayload,
    summary: "checks the internal indications of a DNP3 response",
    grammar: "FLAG[,…]",
    docs: "True if one of the listed flags is set: `all_stations`, `class_1_events`, `class_2_events`, \
           `class_3_events`, `need_time`, `local_control`, `device_trouble`, `device_restart`, \
           `no_func_code_support`, `object_unknown`, `parameter_error`, `event_buffer_overflow`, \
           `already_executing`, `config_corrupt`, `reserved_2`, `reserved_1`. Use the option several times to ask for \
           several flags. Requests have no indications.",
    repeat: Repeat::Any,
    services: &[Service::Dnp3],
    parse,
};

/// The first octet is the high byte.
const FLAGS: &[(&str, u16)] = &[
    ("all_stations", 0x0100),
    ("class_1_events", 0x0200),
    ("class_2_events", 0x0400),
    ("class_3_events", 0x0800),
    ("need_time", 0x1000),
    ("local_control", 0x2000),
    ("device_trouble", 0x4000),
    ("device_restart", 0x8000),
    ("no_func_code_support", 0x0001),
    ("object_unknown", 0x0002),
    ("parameter_error", 0x0004),
    ("event_buffer_overflow", 0x0008),
    ("already_executing", 0x0010),
    ("config_corrupt", 0x0020),
    ("reserved_2", 0x0040),
    ("reserved_1", 0x0080),
];

#[derive(Debug)]
struct Dnp3Ind(u16);

impl RuleOption for Dnp3Ind {
    fn canonical(&self) -> String {
        let flags: Vec<_> = FLAGS.iter().filter(|(_, bit)| self.0 & bit != 0).map(|(flag, _)| *flag).collect();
        format!("dnp3_ind:{}", flags.join(","))
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.dnp3().and_then(|facts| facts.indications).is_some_and(|set| set & self.0 != 0)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let value = cx.value()?;
    let mut set = 0;
    for word in value.words()? {
        match FLAGS.iter().find(|(flag, _)| *flag == word) {
            Some((_, bit)) => set |= bit,
            None => return Err(Problem::syntax(value.span, format!("`dnp3_ind` has no argument `{word}`"))),
        }
    }
    match set {
        0 => Err(cx.missing("a flag")),
        set => Parsed::test(Dnp3Ind(set)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, problems, with_view};
    use tapir_protocol::Dnp3Facts;

    fn test(indications: Option<u16>, text: &str) -> bool {
        let view = Facts { dnp3: Some(Dnp3Facts { function: 129, indications, object: None }), ..Facts::default() };
        with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor))
    }

    #[test]
    fn one_listed_flag_is_enough() {
        assert!(test(Some(0x8000), "dnp3_ind:\"device_restart\""));
        assert!(test(Some(0x8000), "dnp3_ind:reserved_1 , device_restart"));
        assert!(test(Some(0x0003), "dnp3_ind:\"object_unknown,need_time\""));
        assert!(!test(Some(0x1000), "dnp3_ind:device_restart,all_stations"));
        assert!(!test(None, "dnp3_ind:all_stations"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("dnp3_ind:device_restarts")[0].contains("no argument `device_restarts`"));
        assert!(problems("dnp3_ind:\" \"")[0].contains("needs a flag"));
        assert_eq!(compile_one("dnp3_ind:\"reserved_1,need_time\"").canonical(), "dnp3_ind:need_time,reserved_1");
    }
}
