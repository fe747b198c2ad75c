//! `flow`: direction, state and origin of the data.
//!
//! *How it fits*: no evaluated option but [`FlowSpec`]: `detect` tests it with the header and puts the
//! rule in the groups of its direction.
//!
//! *Spec*: Snort 3 manual, `flow`; on `icmp` rules only the fragment words are legal.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Arg, Problem};
use crate::{FlowSpec, StreamWord};
use tapir_flow::Direction;

pub(super) static DEF: OptionDef = OptionDef {
    name: "flow",
    kind: Kind::NonPayload,
    summary: "restricts direction and state of the flow",
    grammar: "to_server|to_client|from_client|from_server,established|not_established|stateless,\
              no_stream|only_stream,no_frag|only_frag",
    docs: "`to_server` (= `from_client`) and `to_client` (= `from_server`) fail for the other direction; \
           `established` needs a handshake or traffic both ways; `stateless` restricts nothing; `no_stream` excludes \
           rebuilt stream data, `only_stream` everything else; the fragment words do the same for defragmented \
           datagrams.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    if args.is_empty() {
        return Err(cx.missing("at least one word"));
    }
    let mut flow = FlowSpec::default();
    for arg in args {
        match arg.text {
            "to_server" | "from_client" => set(&mut flow.direction, Direction::ToServer, arg, "direction")?,
            "to_client" | "from_server" => set(&mut flow.direction, Direction::ToClient, arg, "direction")?,
            "established" => set(&mut flow.established, true, arg, "state")?,
            "not_established" => set(&mut flow.established, false, arg, "state")?,
            "stateless" => flow.stateless = true,
            "no_stream" => word(&mut flow.stream, StreamWord::No, arg)?,
            "only_stream" => word(&mut flow.stream, StreamWord::Only, arg)?,
            "no_frag" => word(&mut flow.frag, StreamWord::No, arg)?,
            "only_frag" => word(&mut flow.frag, StreamWord::Only, arg)?,
            _ => return Err(cx.unknown(arg)),
        }
    }
    let span = cx.node.value_span;
    // Snort 2.9 and Suricata rules write `stateless` beside a direction.
    if flow.stateless && (flow.direction.is_some() || flow.established.is_some()) && cx.snort3() {
        return Err(Problem::conflict(span, "`stateless` excludes direction and state"));
    }
    let more = flow.direction.is_some() || flow.established.is_some() || flow.stateless;
    if cx.rule.header.protocol == "icmp" && cx.snort3() && (more || flow.stream != StreamWord::Any) {
        return Err(Problem::conflict(span, "an icmp rule can only have `no_frag` and `only_frag`"));
    }
    Ok(Parsed::Flow(flow, canonical(flow)))
}

fn set<T: PartialEq>(slot: &mut Option<T>, value: T, arg: Arg<'_>, what: &str) -> Result<(), Problem> {
    if slot.as_ref().is_some_and(|other| *other != value) {
        return Err(Problem::conflict(arg.span, format!("a second {what}")));
    }
    *slot = Some(value);
    Ok(())
}

fn word(slot: &mut StreamWord, value: StreamWord, arg: Arg<'_>) -> Result<(), Problem> {
    if *slot != StreamWord::Any && *slot != value {
        return Err(Problem::conflict(arg.span, format!("`{}` contradicts an earlier word", arg.text)));
    }
    *slot = value;
    Ok(())
}

fn canonical(flow: FlowSpec) -> String {
    let words = [
        (flow.direction == Some(Direction::ToServer), "to_server"),
        (flow.direction == Some(Direction::ToClient), "to_client"),
        (flow.established == Some(true), "established"),
        (flow.established == Some(false), "not_established"),
        (flow.stateless, "stateless"),
        (flow.stream == StreamWord::No, "no_stream"),
        (flow.stream == StreamWord::Only, "only_stream"),
        (flow.frag == StreamWord::No, "no_frag"),
        (flow.frag == StreamWord::Only, "only_frag"),
    ];
    let words: Vec<_> = words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
    format!("flow:{}", words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile, problems};

    #[test]
    fn words_become_a_flow_spec() {
        let rule = compile("flow:established,from_client,only_stream;").unwrap();
        assert_eq!(rule.flow.direction, Some(Direction::ToServer));
        assert_eq!(rule.flow.established, Some(true));
        assert_eq!(rule.flow.stream, StreamWord::Only);
        assert!(rule.text.contains("flow:to_server,established,only_stream;"), "{}", rule.text);
    }

    #[test]
    fn two_options_both_hold() {
        let rule = compile("flow:to_server; flow:established;").unwrap();
        assert_eq!((rule.flow.direction, rule.flow.established), (Some(Direction::ToServer), Some(true)));
        assert!(compile("flow:to_server; flow:to_client;").is_none());
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("flow:to_server,to_client")[0].contains("second direction"));
        assert!(problems("flow:stateless,to_server")[0].contains("excludes"));
        let mut rule = crate::testing::parse_rule("flow:established;");
        rule.header.protocol = "icmp".to_owned();
        assert!(crate::testing::compile_rule(&rule).1[0].message.contains("icmp rule"));
        assert!(problems("flow:sideways")[0].contains("no argument"));
        assert!(problems("flow:to_server; flow:established")[0].contains("more than once"));
    }
}
