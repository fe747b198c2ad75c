//! `rem`: a remark.
//!
//! *Spec*: Snort 3 manual, `rem`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "rem",
    kind: Kind::General,
    summary: "a remark",
    grammar: "\"TEXT\"",
    docs: "Text for the reader of the rule; without effect.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let text = cx.value()?;
    Ok(Parsed::Nothing(format!("rem:{}", text.text)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile, problems};

    #[test]
    fn it_is_kept() {
        assert!(compile(r#"rem:"why, when";"#).unwrap().text.contains(r#"rem:"why, when";"#));
        assert!(problems("rem")[0].contains("needs a value"));
    }
}
