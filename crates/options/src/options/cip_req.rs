//! `cip_req`: a CIP request.
//!
//! *Spec*: CIP Vol. 1 §2-4; Snort 3 manual, `cip_req`.

use crate::cip_fact::{CipKind, request};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "cip_req",
    kind: Kind::NonPayload,
    summary: "checks for a CIP request",
    grammar: "",
    docs: "True for a CIP request.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    cx.no_value()?;
    CipKind::parsed("cip_req", |facts| request(facts).is_some())
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::{CipFacts, CipMessage, CipRequest};

    #[test]
    fn messages_are_told_apart() {
        let test = |facts| {
            let view = Facts { cip: Some(facts), ..Facts::default() };
            with_view(&view, |ev, cursor| compile_one("cip_req").eval(ev, cursor))
        };
        assert!(test(CipFacts {
            command: 111,
            request: None,
            message: Some(CipMessage::Request(CipRequest {
                service: 1,
                class: None,
                instance: None,
                attribute: None,
                connection_class: None
            }))
        }));
        assert!(!test(CipFacts {
            command: 111,
            request: None,
            message: Some(CipMessage::Response { service: 1, status: None })
        }));
        assert!(!test(CipFacts { command: 111, request: None, message: None }));
        assert!(!matches("cip_req;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn an_argument_is_refused() {
        assert!(!problems("cip_req:1").is_empty());
        assert_eq!(compile_one("cip_req").canonical(), "cip_req");
    }
}
