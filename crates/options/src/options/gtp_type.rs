//! `gtp_type`: the type of a GTP message.
//!
//! *Spec*: Snort 3 manual, `gtp_type`. Snort 2 separates by commas, Snort 3 by spaces: both are taken.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::gtp::{self, ByVersion};
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "gtp_type",
    kind: Kind::NonPayload,
    summary: "checks the type of a GTP message",
    grammar: "\"TYPE …\", TYPE = CODE|NAME",
    docs: "True if the message type is one of those listed, by number (0 to 255) or by name such as \
           `echo_request`. A name means the number that it has in the message's version, and nothing in a version \
           without it.",
    repeat: Repeat::Any,
    services: &[Service::Gtp],
    parse,
};

#[derive(Debug)]
struct GtpType(Vec<(ByVersion, String)>);

impl RuleOption for GtpType {
    fn canonical(&self) -> String {
        let words: Vec<&str> = self.0.iter().map(|(_, word)| word.as_str()).collect();
        format!("gtp_type:\"{}\"", words.join(" "))
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.gtp().is_some_and(|facts| {
            let listed = |(codes, _): &(ByVersion, String)| {
                codes.get(usize::from(facts.version)).is_some_and(|code| *code == Some(facts.message))
            };
            self.0.iter().any(listed)
        })
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let arg = cx.value()?;
    let words = arg.text.split(|c: char| c.is_ascii_whitespace() || c == ',' || c == '"');
    let words = words.filter(|word| !word.is_empty());
    let types: Vec<_> = words.map(|text| gtp::message(Arg { text, span: arg.span })).collect::<Result<_, _>>()?;
    if types.is_empty() {
        return Err(cx.missing("a message type"));
    }
    Parsed::test(GtpType(types))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::GtpFacts;

    fn test(text: &str, version: u8, message: u8) -> bool {
        let view = Facts { gtp: Some(GtpFacts { version, message }), ..Facts::default() };
        with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor))
    }

    #[test]
    fn names_depend_on_the_version_and_numbers_do_not() {
        assert!(test("gtp_type:\"echo_request sgsn_context_request\"", 1, 50));
        assert!(test("gtp_type:sgsn_context_request", 2, 130) && !test("gtp_type:sgsn_context_request", 2, 50));
        assert!(!test("gtp_type:create_session_request", 1, 32) && test("gtp_type:create_session_request", 2, 32));
        assert!(test("gtp_type:\"1, 32\"", 0, 32) && test("gtp_type:1,echo_response", 2, 2));
        assert!(!test("gtp_type:1", 0, 2) && !test("gtp_type:create_session_request", 0, 0));
        assert!(!matches("gtp_type:0;", b""), "outside GTP");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("gtp_type:256")[0].contains("outside 0 to 255"));
        assert!(problems("gtp_type:\"echo_request nonsense\"")[0].contains("no message `nonsense`"));
        assert!(problems("gtp_type:\"\"")[0].contains("needs a message type"));
        assert!(problems("gtp_type")[0].contains("needs a value"));
        assert_eq!(compile_one("gtp_type: 1,  echo_response").canonical(), "gtp_type:\"1 echo_response\"");
        let text = "gtp_type:\"1 echo_response\"";
        assert_eq!(compile_one(text).canonical(), text);
    }
}
