//! `cip_instance`: the instance of a CIP message.
//!
//! *Spec*: CIP Vol. 1 appendix C-1.4; Snort 3 manual, `cip_instance`.

use crate::cip_fact::{CipNumber, request};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "cip_instance",
    kind: Kind::NonPayload,
    summary: "compares the instance of a CIP request",
    grammar: "INTERVAL",
    docs: "True if the path of a request names such an instance.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CipNumber::parse(cx, "cip_instance", u32::MAX, |facts| request(facts)?.instance)
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
        assert!(test("cip_instance:70") && test("cip_instance:<71") && test("cip_instance:70<=>71"));
        assert!(!test("cip_instance:71") && !test("cip_instance:!70"));
        assert!(!matches("cip_instance:>=0;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn messages_without_it_never_match() {
        let test = |message| {
            let facts = CipFacts { command: 111, request: None, message };
            let view = Facts { cip: Some(facts), ..Facts::default() };
            with_view(&view, |ev, cursor| compile_one("cip_instance:>=0").eval(ev, cursor))
        };
        assert!(!test(None));
        assert!(!test(Some(CipMessage::Response { service: 1, status: None })));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("cip_instance:4294967296")[0].contains("more than 4294967295"));
        assert!(problems("cip_instance:all")[0].contains("not a number"));
        assert!(problems("cip_instance")[0].contains("needs a value"));
        assert_eq!(compile_one("cip_instance:> 0x10").canonical(), "cip_instance:>16");
    }
}
