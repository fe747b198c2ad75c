//! `cip_service`: the service of a CIP message.
//!
//! *Spec*: CIP Vol. 1 §2-4, appendix A (services); Snort 3 manual, `cip_service`.

use crate::cip_fact::CipNumber;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::{CipMessage, Service};

pub(super) static DEF: OptionDef = OptionDef {
    name: "cip_service",
    kind: Kind::NonPayload,
    summary: "compares the service of a CIP message",
    grammar: "INTERVAL",
    docs: "True if the service of a request, or the one that a response answers, is in the range. Of an Unconnected Send the request inside of it counts, of a Multiple Service Packet the packet (10).",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CipNumber::parse(cx, "cip_service", 127, |facts| match facts.message? {
        CipMessage::Request(request) => Some(u32::from(request.service)),
        CipMessage::Response { service, .. } => Some(u32::from(service)),
    })
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
        assert!(test("cip_service:14") && test("cip_service:<15") && test("cip_service:14<=>15"));
        assert!(!test("cip_service:15") && !test("cip_service:!14"));
        assert!(!matches("cip_service:>=0;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("cip_service:128")[0].contains("more than 127"));
        assert!(problems("cip_service:all")[0].contains("not a number"));
        assert!(problems("cip_service")[0].contains("needs a value"));
        assert_eq!(compile_one("cip_service:> 0x10").canonical(), "cip_service:>16");
    }
}
