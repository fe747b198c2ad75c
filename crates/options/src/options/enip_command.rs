//! `enip_command`: the command of an EtherNet/IP message.
//!
//! *Spec*: CIP Vol. 2 §2-3.2 (commands); Snort 3 manual, `enip_command`.

use crate::cip_fact::CipNumber;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "enip_command",
    kind: Kind::NonPayload,
    summary: "compares the command of an EtherNet/IP message",
    grammar: "INTERVAL",
    docs: "True if the command of the encapsulation header is in the range: 101 registers a session, 111 and 112 carry CIP messages.",
    repeat: Repeat::Any,
    services: &[Service::Cip],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CipNumber::parse(cx, "enip_command", 65_535, |facts| Some(u32::from(facts.command)))
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
        assert!(test("enip_command:111") && test("enip_command:<112") && test("enip_command:111<=>112"));
        assert!(!test("enip_command:112") && !test("enip_command:!111"));
        assert!(!matches("enip_command:>=0;", b""), "outside EtherNet/IP");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("enip_command:65536")[0].contains("more than 65535"));
        assert!(problems("enip_command:all")[0].contains("not a number"));
        assert!(problems("enip_command")[0].contains("needs a value"));
        assert_eq!(compile_one("enip_command:> 0x10").canonical(), "enip_command:>16");
    }
}
