//! `enip_req`: an EtherNet/IP request.
//!
//! *Spec*: CIP Vol. 2 §2-3; Snort 3 manual, `enip_req`.

use crate::cip_fact::CipKind;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "enip_req",
    kind: Kind::NonPayload,
    summary: "checks for an EtherNet/IP request",
    grammar: "",
    docs: "True for an EtherNet/IP message from the client, over TCP.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    cx.no_value()?;
    CipKind::parsed("enip_req", |facts| facts.request == Some(true))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::CipFacts;

    #[test]
    fn messages_are_told_apart() {
        let test = |facts| {
            let view = Facts { cip: Some(facts), ..Facts::default() };
            with_view(&view, |ev, cursor| compile_one("enip_req").eval(ev, cursor))
        };
        assert!(test(CipFacts { command: 99, request: Some(true), message: None }));
        assert!(!test(CipFacts { command: 99, request: Some(false), message: None }));
        assert!(!test(CipFacts { command: 99, request: None, message: None }));
        assert!(!matches("enip_req;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn an_argument_is_refused() {
        assert!(!problems("enip_req:1").is_empty());
        assert_eq!(compile_one("enip_req").canonical(), "enip_req");
    }
}
