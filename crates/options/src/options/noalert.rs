//! `noalert`: the rule raises no event, but sets its flowbits.
//!
//! *Spec*: Suricata manual, `noalert`; in Snort `flowbits:noalert`.

use crate::Effect;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "noalert",
    kind: Kind::Effect,
    summary: "suppresses the rule's event",
    grammar: "",
    docs: "The rule is evaluated and its flowbits change, but no event is raised. The same as `flowbits:noalert`.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    cx.no_value()?;
    Ok(Parsed::Effect(Effect::NoAlert, "flowbits:noalert".to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::Effect;
    use crate::testing::{compile, problems};

    #[test]
    fn it_is_an_effect() {
        assert_eq!(compile("noalert;").unwrap().effects, [Effect::NoAlert]);
        assert!(problems("noalert:1")[0].contains("takes no value"));
    }
}
