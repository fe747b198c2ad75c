//! `replace`: rewrites the matched bytes in Snort's inline mode. Parsed, without effect.
//!
//! *Spec*: Snort 3 manual, `replace`. differs: Tapir is passive.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::text::byte_string;
use crate::value::{Problem, code};
use tapir_rules::Severity;

pub(super) static DEF: OptionDef = OptionDef {
    name: "replace",
    kind: Kind::Effect,
    summary: "accepted without effect",
    grammar: "\"BYTES\"",
    docs: "In Snort it overwrites the preceding content in the packet. Here traffic is never changed.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let (negated, bytes) = cx.value()?.byte_string()?;
    if negated {
        return Err(Problem::syntax(cx.node.value_span, "the bytes can't be negated"));
    }
    let problem = Problem::new(code::NO_EFFECT, cx.node.name_span, "`replace` has no effect: traffic is not changed");
    cx.report(Severity::Note, problem);
    Ok(Parsed::Nothing(format!("replace:{}", byte_string(false, &bytes))))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile, problems};

    #[test]
    fn it_is_noted() {
        assert!(problems(r#"content:"ab"; replace:"cd""#)[0].contains("no effect"));
        assert!(compile(r#"content:"ab"; replace:"cd";"#).unwrap().effects.is_empty());
        assert!(problems("replace:cd")[0].contains("not a string"));
    }
}
