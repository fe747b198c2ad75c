//! `flowbits`: marks on a flow, set by one rule and read by others.
//!
//! *How it fits*: tests are evaluated options; setters are [`Effect::Bits`], done after the whole rule
//! matched. [`declare`] must have seen all rules of a set before the first is compiled, or groups of
//! Snort 2.9 rules are not complete.
//!
//! *Invariants*: a test on a unit without flow fails, `isnotset` too.
//!
//! *Spec*: Snort 3 manual, `flowbits`; Snort 2.9 manual for `setx`, `toggle`, `reset` and groups.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Arg, Problem, code};
use crate::{BitNames, BitOp, Cursor, Effect, Eval, RuleOption};
use tapir_rules::{Dialect, Rule, Severity};

pub(super) static DEF: OptionDef = OptionDef {
    name: "flowbits",
    kind: Kind::NonPayload,
    summary: "sets and tests marks of the flow",
    grammar: "set|unset,NAME[&NAME…] | isset|isnotset,NAME[&NAME…] | isset|isnotset,NAME[|NAME…] | noalert; \
              Snort 2.9: toggle, setx, reset, a group as last argument, isset|isnotset,any|all,GROUP",
    docs: "A bit lives on the flow, for both directions, until the flow ends. `&` means all of the names, `|` any of \
           them. `set` and `unset` happen after the whole rule matched, also without alert. `flowbits:noalert` \
           suppresses the rule's event.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

/// A test of bits.
#[derive(Debug)]
struct BitTest {
    text: String,
    ids: Vec<u32>,
    any: bool,
    negated: bool,
}

impl RuleOption for BitTest {
    fn canonical(&self) -> String {
        self.text.clone()
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let Some(flow) = &ev.unit.flow else { return false };
        let set = |id: &u32| flow.flowbits.binary_search(id).is_ok();
        let found = if self.any { self.ids.iter().any(set) } else { !self.ids.is_empty() && self.ids.iter().all(set) };
        found != self.negated
    }

    fn floats(&self) -> bool {
        true
    }

    fn tested_flowbits(&self) -> &[u32] {
        &self.ids
    }

    fn explain(&self) -> String {
        format!("the flow's marks satisfy {}", self.text)
    }
}

/// Bits by name, and how they are joined.
struct Names<'v> {
    names: Vec<&'v str>,
    any: bool,
}

fn names(arg: Arg<'_>) -> Result<Names<'_>, Problem> {
    let (any, all) = (arg.text.contains('|'), arg.text.contains('&'));
    if any && all {
        return Err(Problem::conflict(arg.span, "`&` and `|` can't be mixed"));
    }
    let names: Vec<_> = arg.text.split(['&', '|']).map(str::trim_ascii).collect();
    if names.iter().any(|name| name.is_empty() || name.contains(|c: char| c.is_ascii_whitespace())) {
        return Err(Problem::syntax(arg.span, format!("`{}` is no list of names", arg.text)));
    }
    Ok(Names { names, any })
}

impl Names<'_> {
    fn intern(&self, bits: &mut BitNames) -> Vec<u32> {
        self.names.iter().map(|name| bits.intern(name)).collect()
    }

    fn text(&self) -> String {
        self.names.join(if self.any { "|" } else { "&" })
    }
}

/// Notes the bits and Snort 2.9 groups that a rule names. To be called for every rule of a set before
/// the first is compiled.
pub fn declare(rule: &Rule, bits: &mut BitNames) {
    for node in rule.options.iter().filter(|node| node.name == "flowbits") {
        let Ok(args) = crate::value::args(node) else { continue };
        let [op, list, group] = args.as_slice() else { continue };
        if matches!(list.text, "any" | "all") && op.text.starts_with("is") {
            continue;
        }
        if let Ok(list) = names(*list) {
            for id in list.intern(bits) {
                bits.join(group.text, id);
            }
        }
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let Some((op, rest)) = args.split_first() else { return Err(cx.missing("an operation")) };
    let groups = !cx.snort3();
    match (op.text, rest) {
        ("noalert", []) => Ok(Parsed::Effect(Effect::NoAlert, "flowbits:noalert".to_owned())),
        ("isset" | "isnotset", [how, group]) if groups && matches!(how.text, "any" | "all") => {
            group_test(cx, op.text, how.text, *group)
        }
        ("isset" | "isnotset", [list]) => test(cx, op.text, *list, None),
        ("isset" | "isnotset", [list, group]) if groups => test(cx, op.text, *list, Some(*group)),
        ("set" | "unset", [list]) => change(cx, op.text, *list, None),
        ("toggle", [list]) if groups => change(cx, op.text, *list, None),
        ("set" | "unset" | "toggle" | "setx", [list, group]) if groups => change(cx, op.text, *list, Some(*group)),
        ("reset", []) if groups => effect(BitOp::Reset(Vec::new()), "flowbits:reset".to_owned()),
        ("reset", [group]) if groups => reset(cx, *group),
        (_, [_, more, ..]) => Err(Problem::syntax(more.span, "Snort 3 has no groups of flowbits")
            .help("list the names, joined with `&` or `|`")),
        _ => Err(Problem::syntax(cx.node.value_span, format!("unknown or incomplete operation `{}`", op.text))),
    }
}

fn test(cx: &mut ParseCx<'_>, op: &str, list: Arg<'_>, group: Option<Arg<'_>>) -> Result<Parsed, Problem> {
    let list = names(list)?;
    let ids = list.intern(cx.bits);
    let mut text = format!("flowbits:{op},{}", list.text());
    if let Some(group) = group {
        ids.iter().for_each(|&id| cx.bits.join(group.text, id));
        text.push_str(&format!(",{}", group.text));
    }
    Parsed::test(BitTest { text, ids, any: list.any, negated: op == "isnotset" })
}

fn group_test(cx: &mut ParseCx<'_>, op: &str, how: &str, group: Arg<'_>) -> Result<Parsed, Problem> {
    let ids = cx.bits.group(group.text).to_vec();
    if ids.is_empty() {
        let problem = Problem::new(code::NEVER_MATCHES, group.span, format!("no flowbit is in group `{}`", group.text));
        cx.report(Severity::Warning, problem);
    }
    let text = format!("flowbits:{op},{how},{}", group.text);
    Parsed::test(BitTest { text, ids, any: how == "any", negated: op == "isnotset" })
}

fn change(cx: &mut ParseCx<'_>, op: &str, list: Arg<'_>, group: Option<Arg<'_>>) -> Result<Parsed, Problem> {
    let span = list.span;
    let list = names(list)?;
    if list.any && (cx.rule.dialect == Dialect::Snort3 || op == "setx") {
        return Err(Problem::conflict(span, format!("`{op}` takes names joined with `&` only")));
    }
    let ids = list.intern(cx.bits);
    let mut text = format!("flowbits:{op},{}", list.text());
    let mut members = Vec::new();
    if let Some(group) = group {
        ids.iter().for_each(|&id| cx.bits.join(group.text, id));
        members = cx.bits.group(group.text).to_vec();
        text.push_str(&format!(",{}", group.text));
    }
    let op = match op {
        "set" => BitOp::Set(ids),
        "unset" => BitOp::Unset(ids),
        "toggle" => BitOp::Toggle(ids),
        _ => BitOp::SetExclusive { set: ids, group: members },
    };
    effect(op, text)
}

fn reset(cx: &mut ParseCx<'_>, group: Arg<'_>) -> Result<Parsed, Problem> {
    let text = format!("flowbits:reset,{}", group.text);
    let members = cx.bits.group(group.text).to_vec();
    if members.is_empty() {
        let problem = Problem::new(code::NO_EFFECT, group.span, format!("no flowbit is in group `{}`", group.text));
        cx.report(Severity::Warning, problem);
        return Ok(Parsed::Nothing(text));
    }
    effect(BitOp::Reset(members), text)
}

fn effect(op: BitOp, text: String) -> Result<Parsed, Problem> {
    Ok(Parsed::Effect(Effect::Bits(op), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile, parse_rule, problems};
    use crate::{CompileContext, CompiledRule};

    fn eval(rule: &CompiledRule, set: Option<&[u32]>) -> bool {
        crate::testing::with_flow(set, |ev, cursor| rule.options[0].eval(ev, cursor))
    }

    fn snort2(bodies: &[&str]) -> (Vec<CompiledRule>, BitNames) {
        let mut bits = BitNames::default();
        let mut rules: Vec<_> = bodies.iter().map(|body| parse_rule(body)).collect();
        rules.iter_mut().for_each(|rule| rule.dialect = Dialect::Snort2);
        rules.iter().for_each(|rule| declare(rule, &mut bits));
        let mut cx = CompileContext::new(&mut bits);
        let compiled = rules.iter().map(|rule| crate::compile(rule, String::new(), &mut cx).unwrap()).collect();
        (compiled, bits)
    }

    #[test]
    fn all_and_any_are_told_apart() {
        let rule = compile("flowbits:isset,a&b;").unwrap();
        assert!(rule.checks_flowbits);
        assert!(eval(&rule, Some(&[0, 1])) && !eval(&rule, Some(&[0])));
        let rule = compile("flowbits:isset,a|b;").unwrap();
        assert!(eval(&rule, Some(&[1])) && !eval(&rule, Some(&[])));
        let rule = compile("flowbits:isnotset,a&b;").unwrap();
        assert!(eval(&rule, Some(&[0])) && !eval(&rule, Some(&[0, 1])));
        let rule = compile("flowbits:isnotset,a|b;").unwrap();
        assert!(!eval(&rule, Some(&[0])) && eval(&rule, Some(&[])));
    }

    #[test]
    fn without_a_flow_every_test_fails() {
        assert!(!eval(&compile("flowbits:isnotset,a;").unwrap(), None));
    }

    #[test]
    fn setters_are_effects() {
        let rule = compile("flowbits:set,a&b; flowbits:unset,c; flowbits:noalert;").unwrap();
        assert!(rule.options.is_empty() && !rule.checks_flowbits);
        let expected = [Effect::Bits(BitOp::Set(vec![0, 1])), Effect::Bits(BitOp::Unset(vec![2])), Effect::NoAlert];
        assert_eq!(rule.effects, expected);
    }

    #[test]
    fn groups_know_later_rules_too() {
        let (rules, _) = snort2(&[
            "flowbits:isset,any,g;",
            "flowbits:isset,all,g;",
            "flowbits:set,a,g;",
            "flowbits:setx,b,g;",
            "flowbits:reset,g;",
            "flowbits:toggle,a;",
            "flowbits:reset;",
        ]);
        assert!(eval(&rules[0], Some(&[1])) && !eval(&rules[0], Some(&[])));
        assert!(eval(&rules[1], Some(&[0, 1])) && !eval(&rules[1], Some(&[1])));
        assert_eq!(rules[3].effects, [Effect::Bits(BitOp::SetExclusive { set: vec![1], group: vec![0, 1] })]);
        assert_eq!(rules[4].effects, [Effect::Bits(BitOp::Reset(vec![0, 1]))]);
        assert_eq!(rules[5].effects, [Effect::Bits(BitOp::Toggle(vec![0]))]);
        assert_eq!(rules[6].effects, [Effect::Bits(BitOp::Reset(vec![]))]);
    }

    #[test]
    fn resetting_an_empty_group_does_nothing() {
        assert!(snort2(&["flowbits:reset,nobody;"]).0[0].effects.is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("flowbits:set,a|b")[0].contains("`&` only"));
        assert!(problems("flowbits:isset,a&b|c")[0].contains("mixed"));
        assert!(problems("flowbits:set,a,g")[0].contains("no groups"));
        assert!(problems("flowbits:set")[0].contains("incomplete"));
        assert!(problems("flowbits:flip,a")[0].contains("unknown or incomplete"));
    }
}
