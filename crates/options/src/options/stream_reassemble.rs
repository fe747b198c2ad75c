//! `stream_reassemble`: turns reassembly of a flow on or off in Snort. Parsed, without effect.
//!
//! *Spec*: Snort 3 manual, `stream_reassemble`. differs: reassembly is never turned off by a rule,
//! since other rules would go blind.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Problem, code};
use tapir_rules::Severity;

pub(super) static DEF: OptionDef = OptionDef {
    name: "stream_reassemble",
    kind: Kind::Effect,
    summary: "accepted without effect",
    grammar: "enable|disable,client|server|both[,noalert][,fastpath]",
    docs: "In Snort it turns reassembly of the flow on or off. Here flows are always reassembled; with `noalert` \
           the rule raises no event.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let mut noalert = false;
    let args = cx.args()?;
    for &arg in &args {
        match arg.text {
            "action enable" | "action disable" | "enable" | "disable" => {}
            "direction client" | "direction server" | "direction both" | "client" | "server" | "both" => {}
            "fastpath" => {}
            "noalert" => noalert = true,
            _ => return Err(cx.unknown(arg)),
        }
    }
    if args.len() < 2 {
        return Err(cx.missing("an action and a direction"));
    }
    let problem = Problem::new(code::NO_EFFECT, cx.node.name_span, "`stream_reassemble` has no effect");
    cx.report(Severity::Note, problem);
    let words: Vec<_> = args.iter().map(|arg| arg.text).collect();
    let text = format!("stream_reassemble:{}", words.join(","));
    Ok(if noalert { Parsed::Effect(crate::Effect::NoAlert, text) } else { Parsed::Nothing(text) })
}

#[cfg(test)]
mod tests {
    use crate::Effect;
    use crate::testing::{compile, problems};

    #[test]
    fn it_is_noted_and_noalert_counts() {
        assert!(problems("stream_reassemble:disable,client")[0].contains("no effect"));
        assert_eq!(compile("stream_reassemble:disable,client,noalert;").unwrap().effects, [Effect::NoAlert]);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("stream_reassemble:disable")[0].contains("needs an action"));
        assert!(problems("stream_reassemble:disable,sideways")[0].contains("no argument"));
    }
}
