//! `cip_attribute`: the attribute of a CIP message.
//!
//! *Spec*: CIP Vol. 1 appendix C-1.4; Snort 3 manual, `cip_attribute`.

use crate::cip_fact::{CipNumber, request};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "cip_attribute",
    kind: Kind::NonPayload,
    summary: "compares the attribute of a CIP request",
    grammar: "INTERVAL",
    docs: "True if the path of a request names such an attribute.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CipNumber::parse(cx, "cip_attribute", 65_535, |facts| request(facts)?.attribute)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::{CipFacts, CipMessage, CipRequest};

    #[test]
    fn the_number_is_compared() {
        let message = CipMessage::Request(CipRequest {
            service: 14,
            class: Some(1),
            instance: Some(70),
            attribute: Some(3),
            connection_class: Some(4),
        });
        let facts = CipFacts { command: 111, request: None, message: Some(message) };
        let view = Facts { cip: Some(facts), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("cip_attribute:3") && test("cip_attribute:<4") && test("cip_attribute:3<=>4"));
        assert!(!test("cip_attribute:4") && !test("cip_attribute:!3"));
        assert!(!matches("cip_attribute:>=0;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn messages_without_it_never_match() {
        let test = |message| {
            let facts = CipFacts { command: 111, request: None, message };
            let view = Facts { cip: Some(facts), ..Facts::default() };
            with_view(&view, |ev, cursor| compile_one("cip_attribute:>=0").eval(ev, cursor))
        };
        assert!(!test(None));
        assert!(!test(Some(CipMessage::Response { service: 1, status: None })));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("cip_attribute:65536")[0].contains("more than 65535"));
        assert!(problems("cip_attribute:all")[0].contains("not a number"));
        assert!(problems("cip_attribute")[0].contains("needs a value"));
        assert_eq!(compile_one("cip_attribute:> 0x10").canonical(), "cip_attribute:>16");
    }
}
