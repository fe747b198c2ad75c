//! `sip_method`: the method of a SIP message.
//!
//! *Spec*: RFC 3261 §7.1; Snort 3 manual, `sip_method`.

use super::ssl_state::negated_list;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "sip_method",
    kind: Kind::NonPayload,
    summary: "checks the method of a SIP message",
    grammar: "[!]METHOD[,…]",
    docs: "True if the method is one of those listed, in any case; `!` before the list inverts the whole. Of a \
           response the method of its CSeq counts.",
    repeat: Repeat::Any,
    services: &[Service::Sip],
    parse,
};

#[derive(Debug)]
struct SipMethod {
    methods: Vec<String>,
    negated: bool,
}

impl RuleOption for SipMethod {
    fn canonical(&self) -> String {
        format!("sip_method:{}{}", if self.negated { "!" } else { "" }, self.methods.join(","))
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.sip().is_some_and(|facts| {
            !facts.method.is_empty()
                && self.methods.iter().any(|method| facts.method.eq_ignore_ascii_case(method.as_bytes()))
                    != self.negated
        })
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let (negated, args) = negated_list(cx)?;
    let mut methods = Vec::new();
    for arg in args {
        let name = arg.text.trim_matches('"');
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Err(cx.unknown(arg));
        }
        methods.push(name.to_ascii_lowercase());
    }
    Parsed::test(SipMethod { methods, negated })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::SipFacts;

    #[test]
    fn methods_are_compared_without_case() {
        let view = Facts { sip: Some(SipFacts { method: b"INVITE", status: None }), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("sip_method:invite") && test("sip_method:bye,INVITE") && !test("sip_method:!invite"));
        assert!(test("sip_method:!bye") && !matches("sip_method:!bye;", b""));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("sip_method:a b")[0].contains("no argument"));
        assert_eq!(compile_one("sip_method:! Bye,ack").canonical(), "sip_method:!bye,ack");
    }
}
