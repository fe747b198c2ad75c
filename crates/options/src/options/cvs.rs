//! `cvs`: malformed `Entry` requests of the CVS protocol (CVE-2004-0396).
//!
//! *Spec*: CVS client/server protocol, `Entry`; Snort 3 manual, `cvs`. An entry has five slashes, and
//! what follows the third must be `/` or `+`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "cvs",
    kind: Kind::Payload,
    summary: "finds malformed CVS entries",
    grammar: "invalid-entry",
    docs: "True if a line of the buffer is an `Entry` request that is not well-formed.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
struct Cvs;

impl RuleOption for Cvs {
    fn canonical(&self) -> String {
        "cvs:invalid-entry".to_owned()
    }

    fn eval<'a>(&self, _ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        cursor
            .rest()
            .split(|&byte| byte == b'\n')
            .filter_map(|line| line.strip_prefix(b"Entry "))
            .any(|entry| !well_formed(entry))
    }
}

fn well_formed(entry: &[u8]) -> bool {
    let mut slashes = 0;
    for (at, _) in entry.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        slashes += 1;
        if slashes == 3 && entry.get(at + 1).is_some_and(|next| !matches!(next, b'/' | b'+')) {
            return false;
        }
    }
    slashes == 5
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let arg = cx.value()?;
    match arg.text {
        "invalid-entry" => Parsed::test(Cvs),
        _ => Err(cx.unknown(arg)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{matches, problems};

    #[test]
    fn entries_are_checked() {
        assert!(!matches("cvs:invalid-entry;", b"Root /x\nEntry /file/1.1///\nnoop\n"));
        assert!(!matches("cvs:invalid-entry;", b"Entry /file/1.1/+x//\n"));
        assert!(matches("cvs:invalid-entry;", b"noop\nEntry /file/1.1/modified//\n"));
        assert!(matches("cvs:invalid-entry;", b"Entry CCCCCCCCC\n"));
        assert!(!matches("cvs:invalid-entry;", b"nothing"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("cvs:valid")[0].contains("no argument"));
    }
}
