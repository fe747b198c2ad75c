//! `cip_rsp`: a CIP response.
//!
//! *Spec*: CIP Vol. 1 §2-4; Snort 3 manual, `cip_rsp`.

use crate::cip_fact::CipKind;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::{CipMessage, Service};

pub(super) static DEF: OptionDef = OptionDef {
    name: "cip_rsp",
    kind: Kind::NonPayload,
    summary: "checks for a CIP response",
    grammar: "",
    docs: "True for a CIP response.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    cx.no_value()?;
    CipKind::parsed("cip_rsp", |facts| matches!(facts.message, Some(CipMessage::Response { .. })))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::{CipFacts, CipMessage, CipRequest};

    #[test]
    fn messages_are_told_apart() {
        let test = |facts| {
            let view = Facts { cip: Some(facts), ..Facts::default() };
            with_view(&view, |ev, cursor| compile_one("cip_rsp").eval(ev, cursor))
        };
        assert!(test(CipFacts {
            command: 111,
            request: None,
            message: Some(CipMessage::Response { service: 1, status: None })
        }));
        assert!(!test(CipFacts {
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
        assert!(!test(CipFacts { command: 111, request: None, message: None }));
        assert!(!matches("cip_rsp;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn an_argument_is_refused() {
        assert!(!problems("cip_rsp:1").is_empty());
        assert_eq!(compile_one("cip_rsp").canonical(), "cip_rsp");
    }
}
