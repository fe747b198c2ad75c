//! `target`: which side of the event is the victim.
//!
//! *Spec*: Snort 3 manual, `target`.

use crate::Effect;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "target",
    kind: Kind::Effect,
    summary: "names the victim's side",
    grammar: "src_ip|dst_ip",
    docs: "Marks the source or the destination of the event as the victim.",
    repeat: Repeat::Once,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let arg = cx.value()?;
    let source = match arg.text {
        "src_ip" => true,
        "dst_ip" => false,
        _ => return Err(cx.unknown(arg)),
    };
    Ok(Parsed::Effect(Effect::Target { source }, format!("target:{}", arg.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile, problems};

    #[test]
    fn a_side_is_named() {
        assert_eq!(compile("target:src_ip;").unwrap().effects, [Effect::Target { source: true }]);
        assert!(problems("target:both")[0].contains("no argument"));
        assert!(problems("target:src_ip; target:dst_ip")[0].contains("given twice"));
    }
}
