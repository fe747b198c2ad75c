//! `enable`: belongs to rule-state stubs, not to full rules.
//!
//! *How it fits*: `rules` takes stubs apart before options are compiled; what reaches this is wrong.
//!
//! *Spec*: Snort 3 manual, `enable`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Problem, code};

pub(super) static DEF: OptionDef = OptionDef {
    name: "enable",
    kind: Kind::General,
    summary: "turns a rule on or off, in a stub",
    grammar: "yes|no|inherit",
    docs: "Only legal in a stub that names a rule by gid and sid: an error in a full rule.",
    repeat: Repeat::Once,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    Err(Problem::new(code::CONFLICT, cx.node.name_span, "`enable` is not allowed in a full rule")
        .help("put `#` before the rule to disable it"))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile, problems};

    #[test]
    fn a_full_rule_can_not_have_it() {
        assert!(problems("enable:no")[0].contains("not allowed"));
        assert!(compile("enable:no;").is_none());
    }
}
