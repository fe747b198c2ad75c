//! `gtp_version`: the version of a GTP message.
//!
//! *Spec*: Snort 3 manual, `gtp_version`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "gtp_version",
    kind: Kind::NonPayload,
    summary: "checks the version of a GTP message",
    grammar: "0|1|2",
    docs: "True if the datagram is a GTP message of this version.",
    repeat: Repeat::Any,
    services: &[Service::Gtp],
    parse,
};

#[derive(Debug)]
struct GtpVersion(u32);

impl RuleOption for GtpVersion {
    fn canonical(&self) -> String {
        format!("gtp_version:{}", self.0)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.gtp().is_some_and(|facts| u32::from(facts.version) == self.0)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let arg = cx.value()?;
    let text = arg.text.trim_matches('"').trim();
    Parsed::test(GtpVersion(Arg { text, span: arg.span }.u32(0, 2)?))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::GtpFacts;

    #[test]
    fn versions_are_compared() {
        let view = Facts { gtp: Some(GtpFacts { version: 2, message: 1 }), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("gtp_version:2") && !test("gtp_version:0"));
        assert!(!matches("gtp_version:0;", b""), "outside GTP");
        assert_eq!(compile_one("gtp_version: 1").canonical(), "gtp_version:1");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("gtp_version:3")[0].contains("outside 0 to 2"));
        assert!(problems("gtp_version:two")[0].contains("not a number"));
        assert!(problems("gtp_version")[0].contains("needs a value"));
    }
}
