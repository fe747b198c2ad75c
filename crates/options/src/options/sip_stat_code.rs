//! `sip_stat_code`: the status of a SIP response.
//!
//! *Spec*: RFC 3261 §7.2; Snort 3 manual, `sip_stat_code`: one digit means the class.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "sip_stat_code",
    kind: Kind::NonPayload,
    summary: "checks the status code of a SIP response",
    grammar: "CODE|CLASS[,…]",
    docs: "True if the status is one of the listed codes, or of a listed class (`4` is 400 to 499).",
    repeat: Repeat::Any,
    services: &[Service::Sip],
    parse,
};

#[derive(Debug)]
struct SipStatCode(Vec<u16>);

impl RuleOption for SipStatCode {
    fn canonical(&self) -> String {
        let codes: Vec<_> = self.0.iter().map(u16::to_string).collect();
        format!("sip_stat_code:{}", codes.join(","))
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let Some(status) = ev.unit.view.sip().and_then(|facts| facts.status) else { return false };
        self.0.contains(&status) || self.0.contains(&(status / 100))
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let mut codes = Vec::new();
    for arg in &args {
        let code = arg.int(1, 999)?;
        if (10..100).contains(&code) {
            return Err(Problem::range(arg.span, format!("{code} is neither a class nor a code")));
        }
        codes.push(u16::try_from(code).unwrap_or(0));
    }
    match codes.is_empty() {
        true => Err(cx.missing("a status code")),
        false => Parsed::test(SipStatCode(codes)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, problems, with_view};
    use tapir_protocol::SipFacts;

    #[test]
    fn codes_and_classes_are_compared() {
        let view = Facts { sip: Some(SipFacts { method: b"", status: Some(404) }), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("sip_stat_code:404") && test("sip_stat_code:2,4") && !test("sip_stat_code:403,5"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("sip_stat_code:42")[0].contains("neither"));
        assert!(problems("sip_stat_code")[0].contains("needs a status"));
    }
}
