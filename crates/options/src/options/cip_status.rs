//! `cip_status`: the general status of a response of a CIP message.
//!
//! *Spec*: CIP Vol. 1 §2-4.2, appendix B (status codes); Snort 3 manual, `cip_status`.

use crate::cip_fact::CipNumber;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::{CipMessage, Service};

pub(super) static DEF: OptionDef = OptionDef {
    name: "cip_status",
    kind: Kind::NonPayload,
    summary: "compares the status of a CIP response",
    grammar: "INTERVAL",
    docs: "True if the message is a response with such a general status.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CipNumber::parse(cx, "cip_status", 255, |facts| match facts.message? {
        CipMessage::Response { status, .. } => status.map(u32::from),
        CipMessage::Request(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::{CipFacts, CipMessage, CipRequest};

    #[test]
    fn the_number_is_compared() {
        let message = CipMessage::Response { service: 14, status: Some(5) };
        let facts = CipFacts { command: 111, request: None, message: Some(message) };
        let view = Facts { cip: Some(facts), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("cip_status:5") && test("cip_status:<8") && test("cip_status:5<=>8"));
        assert!(!test("cip_status:8") && !test("cip_status:!5"));
        assert!(!matches("cip_status:>=0;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn messages_without_it_never_match() {
        let test = |message| {
            let facts = CipFacts { command: 111, request: None, message };
            let view = Facts { cip: Some(facts), ..Facts::default() };
            with_view(&view, |ev, cursor| compile_one("cip_status:>=0").eval(ev, cursor))
        };
        assert!(!test(None));
        assert!(!test(Some(CipMessage::Request(CipRequest {
            service: 1,
            class: None,
            instance: None,
            attribute: None,
            connection_class: None
        }))));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("cip_status:256")[0].contains("more than 255"));
        assert!(problems("cip_status:all")[0].contains("not a number"));
        assert!(problems("cip_status")[0].contains("needs a value"));
        assert_eq!(compile_one("cip_status:> 0x10").canonical(), "cip_status:>16");
    }
}
