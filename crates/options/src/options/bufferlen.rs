//! `bufferlen`: size of the buffer, or of what is left of it.
//!
//! *Spec*: Snort 3 manual, `bufferlen`; more than 5 in a rule warn.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::int_match::IntMatch;
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "bufferlen",
    kind: Kind::Payload,
    summary: "compares the size of the buffer",
    grammar: "INTERVAL[,relative]",
    docs: "Compares the size of the current buffer, with `relative` of the part behind the cursor.",
    repeat: Repeat::Warn(5),
    services: &[],
    parse,
};

#[derive(Debug)]
struct BufferLen {
    range: IntMatch,
    relative: bool,
}

impl RuleOption for BufferLen {
    fn canonical(&self) -> String {
        format!("bufferlen:{}{}", self.range, if self.relative { ",relative" } else { "" })
    }

    fn eval<'a>(&self, _ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let len = if self.relative { cursor.rest().len() } else { cursor.data.len() };
        self.range.test(u64::try_from(len).unwrap_or(u64::MAX))
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn explain(&self) -> String {
        let what = if self.relative { "the number of bytes behind the cursor" } else { "the size" };
        format!("{what} {}", self.range.words())
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let (range, relative) = match args.as_slice() {
        [range] => (*range, false),
        [range, word] if word.text == "relative" => (*range, true),
        [_, word, ..] => return Err(cx.unknown(*word)),
        [] => return Err(cx.missing("an interval")),
    };
    Parsed::test(BufferLen { range: IntMatch::parse(range, 65_535)?, relative })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn relative_counts_what_is_left() {
        assert!(matches("bufferlen:3;", b"abc"));
        assert!(matches(r#"content:"a"; bufferlen:2,relative;"#, b"abc"));
        assert!(matches("bufferlen:0;", b""));
        assert!(!matches("bufferlen:1<>3;", b"abc"));
        assert!(matches("bufferlen:1<=>3;", b"abc"));
    }

    #[test]
    fn canonical_text_reads_back_as_itself() {
        assert_eq!(compile_one("bufferlen:>=519,relative").canonical(), "bufferlen:>=519,relative");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("bufferlen:5<>3")[0].contains("backwards"));
        assert!(problems("bufferlen:5,sideways")[0].contains("no argument"));
    }
}
