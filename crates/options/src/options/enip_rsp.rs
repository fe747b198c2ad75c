//! `enip_rsp`: an EtherNet/IP response.
//!
//! *Spec*: CIP Vol. 2 §2-3; Snort 3 manual, `enip_rsp`.

use crate::cip_fact::CipKind;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "enip_rsp",
    kind: Kind::NonPayload,
    summary: "checks for an EtherNet/IP response",
    grammar: "",
    docs: "True for an EtherNet/IP message from the server, over TCP.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    cx.no_value()?;
    CipKind::parsed("enip_rsp", |facts| facts.request == Some(false))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::CipFacts;

    #[test]
    fn messages_are_told_apart() {
        let test = |facts| {
            let view = Facts { cip: Some(facts), ..Facts::default() };
            with_view(&view, |ev, cursor| compile_one("enip_rsp").eval(ev, cursor))
        };
        assert!(test(CipFacts { command: 99, request: Some(false), message: None }));
        assert!(!test(CipFacts { command: 99, request: Some(true), message: None }));
        assert!(!test(CipFacts { command: 99, request: None, message: None }));
        assert!(!matches("enip_rsp;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn an_argument_is_refused() {
        assert!(!problems("enip_rsp:1").is_empty());
        assert_eq!(compile_one("enip_rsp").canonical(), "enip_rsp");
    }
}
