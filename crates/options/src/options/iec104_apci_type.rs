//! `iec104_apci_type`: the format of an IEC 60870-5-104 APDU.
//!
//! *Spec*: IEC 60870-5-104 §5; Snort 3 manual, `iec104_apci_type`. Like in Snort a rule with it
//! belongs to no service by that.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::ApciType;

pub(super) static DEF: OptionDef = OptionDef {
    name: "iec104_apci_type",
    kind: Kind::NonPayload,
    summary: "checks the format of an IEC 60870-5-104 APDU",
    grammar: "u|unnumbered_control_function|s|numbered_supervisory_function|i|information_transfer_format",
    docs: "True if the control field has this format. The one-letter words may be in upper case.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

/// The first word of a format is its canonical one.
const WORDS: &[(&str, ApciType)] = &[
    ("u", ApciType::U),
    ("U", ApciType::U),
    ("unnumbered_control_function", ApciType::U),
    ("s", ApciType::S),
    ("S", ApciType::S),
    ("numbered_supervisory_function", ApciType::S),
    ("i", ApciType::I),
    ("I", ApciType::I),
    ("information_transfer_format", ApciType::I),
];

#[derive(Debug)]
struct Iec104ApciType(ApciType);

impl RuleOption for Iec104ApciType {
    fn canonical(&self) -> String {
        let word = WORDS.iter().find(|(_, format)| *format == self.0).map_or("", |(word, _)| *word);
        format!("iec104_apci_type:{word}")
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.iec104().is_some_and(|facts| facts.apci == self.0)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let arg = cx.value()?;
    let text = arg.text.trim_matches('"').trim();
    match WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, format)) => Parsed::test(Iec104ApciType(*format)),
        None => Err(cx.unknown(arg)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::{ApciType, Iec104Facts};

    #[test]
    fn formats_are_compared() {
        let view = Facts { iec104: Some(Iec104Facts { apci: ApciType::S, asdu: None }), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("iec104_apci_type:S") && test("iec104_apci_type:numbered_supervisory_function"));
        assert!(!test("iec104_apci_type:u") && !test("iec104_apci_type:information_transfer_format"));
        assert!(!matches("iec104_apci_type:u;", b"h\x04\x07\0\0\0"), "outside IEC 60870-5-104");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("iec104_apci_type:x")[0].contains("no argument"));
        assert_eq!(compile_one("iec104_apci_type:\"I\"").canonical(), "iec104_apci_type:i");
    }
}
