//! `sameip`: source and destination address are equal (Snort 2.9 and Suricata).
//!
//! *Spec*: Snort 2.9 manual, `sameip`. Gone in Snort 3.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "sameip",
    kind: Kind::NonPayload,
    summary: "checks that source and destination address are equal",
    grammar: "",
    docs: "True if source and destination address are the same. An option of Snort 2.9 and Suricata.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
struct SameIp;

impl RuleOption for SameIp {
    fn canonical(&self) -> String {
        "sameip".to_owned()
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.net.source == ev.unit.net.destination
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    cx.no_value()?;
    if cx.snort3() {
        return Err(Problem::new(
            crate::value::code::UNKNOWN_OPTION,
            cx.node.name_span,
            "Snort 3 has no option `sameip`",
        )
        .help("mark the file as Snort 2.9 rules"));
    }
    Parsed::test(SameIp)
}

#[cfg(test)]
mod tests {
    use crate::probe::{NET, run, unit};
    use crate::testing::{parse_rule, problems};
    use crate::{BitNames, CompileContext, Net, Unit};

    #[test]
    fn addresses_are_compared() {
        let mut rule = parse_rule("sameip;");
        rule.dialect = tapir_rules::Dialect::Snort2;
        let mut bits = BitNames::default();
        let rule = crate::compile(&rule, String::new(), &mut CompileContext::new(&mut bits)).unwrap();
        let arena = bumpalo::Bump::new();
        let test = |net| run(&Unit { net, ..unit(b"", &arena) }, |ev, cursor| rule.options[0].eval(ev, cursor));
        assert!(!test(NET) && test(Net { source: NET.destination, ..NET }));
    }

    #[test]
    fn snort_3_does_not_have_it() {
        assert!(problems("sameip")[0].contains("no option"));
    }
}
