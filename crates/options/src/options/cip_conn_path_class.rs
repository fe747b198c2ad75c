//! `cip_conn_path_class`: the class that a Forward Open connects to of a CIP message.
//!
//! *Spec*: CIP Vol. 1 §3-5.5.2 (Forward Open); Snort 3 manual, `cip_conn_path_class`.

use crate::cip_fact::{CipNumber, request};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "cip_conn_path_class",
    kind: Kind::NonPayload,
    summary: "compares the class of the path of a CIP connection",
    grammar: "INTERVAL",
    docs: "True if the message is a Forward Open request and its connection path names such a class; a path without class counts as class 0.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CipNumber::parse(cx, "cip_conn_path_class", 65_535, |facts| request(facts)?.connection_class)
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
        assert!(test("cip_conn_path_class:4") && test("cip_conn_path_class:<5") && test("cip_conn_path_class:4<=>5"));
        assert!(!test("cip_conn_path_class:5") && !test("cip_conn_path_class:!4"));
        assert!(!matches("cip_conn_path_class:>=0;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn messages_without_it_never_match() {
        let test = |message| {
            let facts = CipFacts { command: 111, request: None, message };
            let view = Facts { cip: Some(facts), ..Facts::default() };
            with_view(&view, |ev, cursor| compile_one("cip_conn_path_class:>=0").eval(ev, cursor))
        };
        assert!(!test(None));
        assert!(!test(Some(CipMessage::Response { service: 1, status: None })));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("cip_conn_path_class:65536")[0].contains("more than 65535"));
        assert!(problems("cip_conn_path_class:all")[0].contains("not a number"));
        assert!(problems("cip_conn_path_class")[0].contains("needs a value"));
        assert_eq!(compile_one("cip_conn_path_class:> 0x10").canonical(), "cip_conn_path_class:>16");
    }
}
