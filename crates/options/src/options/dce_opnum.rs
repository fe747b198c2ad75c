//! `dce_opnum`: the operation of a DCE/RPC request.
//!
//! *Spec*: Snort 3 manual, `dce_opnum`: a list of numbers and ranges, `15-18,23`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Problem, integer};
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "dce_opnum",
    kind: Kind::NonPayload,
    summary: "checks the operation of a DCE/RPC request",
    grammar: "\"N|N-N[,…]\"",
    docs: "True if the operation number is one of those listed.",
    repeat: Repeat::Any,
    services: &[Service::NetbiosSsn],
    parse,
};

#[derive(Debug)]
struct DceOpnum(Vec<(u16, u16)>);

impl RuleOption for DceOpnum {
    fn canonical(&self) -> String {
        let ranges: Vec<_> = self
            .0
            .iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        format!("dce_opnum:\"{}\"", ranges.join(","))
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let Some(opnum) = ev.unit.view.dce().and_then(|facts| facts.opnum) else { return false };
        self.0.iter().any(|&(first, last)| first <= opnum && opnum <= last)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let value = cx.value()?;
    let number = |text: &str| integer(text).and_then(|n| u16::try_from(n).ok());
    let mut ranges = Vec::new();
    for word in value.words()? {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => ranges.push((first, last)),
            _ => return Err(Problem::syntax(value.span, format!("`{word}` is no operation number or range"))),
        }
    }
    match ranges.is_empty() {
        true => Err(cx.missing("an operation number")),
        false => Parsed::test(DceOpnum(ranges)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, problems, with_view};
    use tapir_protocol::DceFacts;

    #[test]
    fn lists_and_ranges_are_checked() {
        let view = Facts { dce: Some(DceFacts { opnum: Some(16), ..DceFacts::default() }), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("dce_opnum:\"15-18,23\"") && test("dce_opnum:16") && !test("dce_opnum:\"15,17\""));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("dce_opnum:\"18-15\"")[0].contains("no operation number"));
        assert!(
            problems("dce_opnum:\"\"")[0].contains("not a string") || problems("dce_opnum:\"\"")[0].contains("needs")
        );
        assert_eq!(compile_one("dce_opnum:\"15-18, 23\"").canonical(), "dce_opnum:\"15-18,23\"");
    }
}
