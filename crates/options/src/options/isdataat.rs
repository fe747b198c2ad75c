//! `isdataat`: whether the buffer has a byte at an offset.
//!
//! *Spec*: Snort 3 manual, `isdataat`: true iff offset N is a valid index, so `!0,relative` says that
//! nothing follows.

use crate::byte_read::{place, start};
use crate::def::{Kind, Operand, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "isdataat",
    kind: Kind::Payload,
    summary: "checks that there is a byte at an offset",
    grammar: "[!]N|VAR[,relative]",
    docs: "True if the buffer has a byte at offset N, from its start or from the cursor. `isdataat:!0,relative` is \
           true at the end of the buffer.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
struct IsDataAt {
    negated: bool,
    offset: Operand,
    relative: bool,
}

impl RuleOption for IsDataAt {
    fn canonical(&self) -> String {
        let (negated, relative) = (if self.negated { "!" } else { "" }, if self.relative { ",relative" } else { "" });
        format!("isdataat:{negated}{}{relative}", self.offset)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let at = start(cursor, self.relative, self.offset.value(&ev.vars));
        usize::try_from(at).is_ok_and(|at| at < cursor.data.len()) != self.negated
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn floats(&self) -> bool {
        self.relative && !self.negated
    }

    fn explain(&self) -> String {
        let verb = if self.negated { "has no byte" } else { "has a byte" };
        format!("{verb} at {}", place(&self.offset, self.relative))
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let Some((&first, rest)) = args.split_first() else { return Err(cx.missing("an offset")) };
    let (negated, offset): (bool, Arg<'_>) = match first.text.strip_prefix('!') {
        Some(_) => (true, first.slice(1, first.text.len())),
        None => (false, first),
    };
    let relative = match rest {
        [] => false,
        [word] if word.text == "relative" => true,
        [word, ..] => return Err(cx.unknown(*word)),
    };
    Parsed::test(IsDataAt { negated, offset: cx.operand(offset, 0, 65_535)?, relative })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn an_offset_is_an_index() {
        assert!(matches("isdataat:3;", b"abcd"));
        assert!(!matches("isdataat:4;", b"abcd"));
        assert!(matches("isdataat:!4;", b"abcd"));
        assert!(matches(r#"content:"B"; isdataat:!0,relative;"#, b"AB"));
        assert!(matches(r#"content:"A"; isdataat:!1,relative;"#, b"AB"));
        assert!(!matches(r#"content:"A"; isdataat:!0,relative;"#, b"AB"));
    }

    #[test]
    fn canonical_text_reads_back_as_itself() {
        for text in ["isdataat:!0,relative", "isdataat:300"] {
            assert_eq!(compile_one(text).canonical(), text);
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("isdataat:70000")[0].contains("outside 0"));
        assert!(problems("isdataat:1,2")[0].contains("no argument"));
        assert!(problems("isdataat")[0].contains("needs an offset"));
    }
}
