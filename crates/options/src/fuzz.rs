//! Any value for any option, on any data: for fuzzing.

use crate::probe::with_eval;
use crate::{BitNames, CompileContext, CompiledRule, OPTIONS};
use tapir_protocol::BufferId;
use tapir_rules::{Action, Address, Arrow, Dialect, Header, OptionNode, Ports, Rule, RuleInfo, Span};

/// The first byte names an option; what follows up to a byte 0xFF is its value, the rest a payload.
/// What compiles is evaluated, and its canonical text must read back as itself.
#[doc(hidden)]
pub fn fuzz_option_value(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let (value, payload) = match rest.iter().position(|&byte| byte == 0xff) {
        Some(at) => rest.split_at(at),
        None => (rest, &[][..]),
    };
    let Ok(value) = std::str::from_utf8(value) else { return };
    let Some(name) = name(usize::from(choice)) else { return };
    let value = Some(value.trim_ascii()).filter(|value| !value.is_empty());
    let Some(compiled) = compile(name, value) else { return };
    with_eval(payload, |ev, cursor| {
        for option in &compiled.options {
            let _ = (option.eval(ev, cursor), option.explain(), option.fast_pattern());
            assert!(cursor.pos <= cursor.data.len(), "{}", option.canonical());
        }
    });
    for option in &compiled.options {
        let text = option.canonical();
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text.as_str(), None),
        };
        let again: Vec<_> = compile(name, value).iter().flat_map(|rule| &rule.options).map(|o| o.canonical()).collect();
        assert_eq!(again, [text.as_str()]);
    }
}

fn name(choice: usize) -> Option<&'static str> {
    let buffer = choice.checked_sub(OPTIONS.len()).and_then(|at| BufferId::ALL.get(at)).map(|id| id.name());
    OPTIONS.get(choice).map(|def| def.name).or(buffer)
}

/// A rule of this one option.
fn compile(name: &str, value: Option<&str>) -> Option<CompiledRule> {
    let any = || Some("any".to_owned());
    let node = OptionNode {
        name: name.to_owned(),
        name_span: Span::default(),
        value: value.map(str::to_owned),
        value_span: Span::default(),
    };
    let rule = Rule {
        dialect: Dialect::Snort3,
        enabled: true,
        action: Action::Alert,
        header: Header {
            protocol: "udp".to_owned(),
            protocol_span: Span::default(),
            source: Address::default(),
            source_ports: Ports::any(),
            arrow: Arrow::To,
            destination: Address::default(),
            destination_ports: Ports::any(),
            text: [any(), any(), any(), any()],
        },
        info: RuleInfo { gid: 1, sid: 1, ..RuleInfo::default() },
        options: vec![node],
        span: Span::default(),
        line: 1,
    };
    let mut bits = BitNames::default();
    crate::declare(&rule, &mut bits);
    crate::compile(&rule, String::new(), &mut CompileContext::new(&mut bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fuzz(name: &str, value: &str, payload: &[u8]) {
        let choice = OPTIONS.iter().position(|def| def.name == name).unwrap();
        fuzz_option_value(&[&[u8::try_from(choice).unwrap()], value.as_bytes(), &[0xff], payload].concat());
    }

    #[test]
    fn there_is_a_byte_for_every_option() {
        assert!(OPTIONS.len() + BufferId::COUNT <= 256);
    }

    proptest! {
        #[test]
        fn any_value_of_any_option_is_survived(
            choice in 0..OPTIONS.len() + BufferId::COUNT,
            value in r#"[a-z0-9_,:!<>=&|"/ .*+\\(;-]{0,24}|\PC{0,20}"#,
            payload in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let choice = u8::try_from(choice).unwrap();
            fuzz_option_value(&[&[choice], value.as_bytes(), &[0xff], &payload].concat());
        }

        #[test]
        fn plausible_values_are_survived(
            content in r#"!?"[a-c |0A\\"]{1,8}"(,(nocase|fast_pattern|width 16|offset -?[0-9]{1,5}|depth [0-9]{1,5}|distance -?[0-9]{1,3}|within [0-9]{1,3})){0,4}"#,
            pcre in r#"!?"/[a-c.*+()|\\\[\]^$?]{0,10}/[ismxAEGR]{0,3}""#,
            jump in r"[0-9],-?[0-9]{1,2}(,(relative|little|string|hex|align|multiplier [0-9]{1,5}|from_end|from_beginning|post_offset -?[0-9]{1,2}|bitmask 0x[1-9A-F]{1,4})){0,4}",
            math in r"bytes [1-4],offset -?[0-9],oper (\+|-|\*|/|<<|>>),rvalue [1-9][0-9]{0,9},result r(,relative|,endian little|,string hex){0,2}",
            payload in proptest::collection::vec(any::<u8>(), 0..30),
        ) {
            fuzz("content", &content, &payload);
            fuzz("pcre", &pcre, &payload);
            fuzz("byte_jump", &jump, &payload);
            fuzz("byte_math", &math, &payload);
            let test = jump.replacen(',', ",!>,17,", 1);
            fuzz("byte_test", &test, &payload);
            fuzz("byte_extract", &jump.replacen(',', ",3,n,", 1), &payload);
        }
    }
}
