//! `http_version_match`: class of the HTTP version.
//!
//! *Spec*: Snort 3 manual, `http_version_match`; RFC 9112 §2.3 for the form of a version.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "http_version_match",
    kind: Kind::NonPayload,
    summary: "checks the HTTP version",
    grammar: "\"0.9|1.0|1.1|2.0|3.0|other|malformed …\"[,request]",
    docs: "True if the version of the message is one of those listed; `other` is any further version of the form \
           `HTTP/d.d`, `malformed` everything else. A message without version is `0.9`.",
    repeat: Repeat::Any,
    services: &[Service::Http],
    parse,
};

const CLASSES: [&str; 7] = ["0.9", "1.0", "1.1", "2.0", "3.0", "other", "malformed"];

#[derive(Debug)]
struct VersionMatch {
    /// Bit n: class n.
    classes: u8,
    request: bool,
}

impl RuleOption for VersionMatch {
    fn canonical(&self) -> String {
        let names: Vec<_> =
            CLASSES.iter().enumerate().filter(|(n, _)| self.classes >> n & 1 == 1).map(|(_, name)| *name).collect();
        format!("http_version_match:\"{}\"{}", names.join(" "), if self.request { ",request" } else { "" })
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let Some(facts) = ev.unit.view.http(self.request) else { return false };
        self.classes >> class(facts.version) & 1 == 1
    }
}

/// Index into [`CLASSES`].
fn class(version: &[u8]) -> usize {
    match version {
        b"" | b"HTTP/0.9" => 0,
        b"HTTP/1.0" => 1,
        b"HTTP/1.1" => 2,
        b"HTTP/2.0" | b"HTTP/2" => 3,
        b"HTTP/3.0" | b"HTTP/3" => 4,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => 5,
        _ => 6,
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let (list, request) = match args.as_slice() {
        [list] => (*list, false),
        [list, word] if word.text == "request" => (*list, true),
        _ => return Err(cx.missing("versions in quotes and perhaps `request`")),
    };
    let mut classes = 0;
    for word in list.words()? {
        match CLASSES.iter().position(|class| *class == word) {
            Some(n) => classes |= 1 << n,
            None => return Err(Problem::syntax(list.span, format!("unknown version `{word}`"))),
        }
    }
    match classes {
        0 => Err(cx.missing("a version")),
        _ => Parsed::test(VersionMatch { classes, request }),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, http_facts, problems, with_view};
    use tapir_protocol::HttpFacts;

    #[test]
    fn versions_have_classes() {
        let test = |text, version| {
            let view = http_facts(HttpFacts { version, ..HttpFacts::default() });
            with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor))
        };
        assert!(test("http_version_match:\"1.0 1.1\"", b"HTTP/1.1"));
        assert!(!test("http_version_match:\"1.0 1.1\"", b"HTTP/1.2"));
        assert!(test("http_version_match:\"other\"", b"HTTP/1.2"));
        assert!(test("http_version_match:\"malformed\"", b"HTTP/1"));
        assert!(test("http_version_match:\"0.9\"", b""));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("http_version_match:\"5\"")[0].contains("unknown version"));
        let text = "http_version_match:\"1.0 malformed\",request";
        assert_eq!(compile_one(text).canonical(), text);
    }
}
