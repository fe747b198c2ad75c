//! `ssl_state`: which handshake messages a TLS flow has shown.
//!
//! *How it fits*: `ssl_version` shares [`SetTest`].
//!
//! *Spec*: Snort 3 manual, `ssl_state`: true if one of the listed states was seen; `!` inverts.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};
use std::fmt;
use tapir_protocol::{Service, SslFacts};

pub(super) static DEF: OptionDef = OptionDef {
    name: "ssl_state",
    kind: Kind::NonPayload,
    summary: "checks the state of a TLS handshake",
    grammar: "[!]client_hello|server_hello|client_keyx|server_keyx|unknown[,…]",
    docs: "True if the flow is in one of the listed states; `!` before the list inverts the whole. Needs a PDU of a \
           TLS flow.",
    repeat: Repeat::Any,
    services: &[Service::Ssl],
    parse,
};

const STATES: &[(&str, u8)] = &[
    ("client_hello", SslFacts::CLIENT_HELLO),
    ("server_hello", SslFacts::SERVER_HELLO),
    ("client_keyx", SslFacts::CLIENT_KEYX),
    ("server_keyx", SslFacts::SERVER_KEYX),
    ("unknown", SslFacts::UNKNOWN),
];

/// A test for one of several facts.
pub(super) struct SetTest {
    name: &'static str,
    words: &'static [(&'static str, u8)],
    read: fn(SslFacts) -> u8,
    set: u8,
    negated: bool,
}

impl SetTest {
    pub(super) fn parse(
        cx: &ParseCx<'_>,
        name: &'static str,
        words: &'static [(&'static str, u8)],
        read: fn(SslFacts) -> u8,
    ) -> Result<Parsed, Problem> {
        let (negated, args) = negated_list(cx)?;
        let mut set = 0;
        for arg in args {
            match words.iter().find(|(word, _)| *word == arg.text) {
                Some((_, bit)) => set |= bit,
                None => return Err(cx.unknown(arg)),
            }
        }
        Parsed::test(Self { name, words, read, set, negated })
    }
}

/// The arguments, and whether `!` stands before the first.
pub(super) fn negated_list<'p>(cx: &ParseCx<'p>) -> Result<(bool, Vec<Arg<'p>>), Problem> {
    let mut args = cx.args()?;
    let Some(first) = args.first_mut() else { return Err(cx.missing("a word")) };
    let negated = first.text.starts_with('!');
    if negated {
        *first = first.slice(1, first.text.len());
    }
    Ok((negated, args))
}

impl fmt::Debug for SetTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl RuleOption for SetTest {
    fn canonical(&self) -> String {
        let words: Vec<_> = self.words.iter().filter(|(_, bit)| self.set & bit != 0).map(|(word, _)| *word).collect();
        format!("{}:{}{}", self.name, if self.negated { "!" } else { "" }, words.join(","))
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.ssl().is_some_and(|facts| ((self.read)(facts) & self.set != 0) != self.negated)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    SetTest::parse(cx, "ssl_state", STATES, |facts| facts.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Facts, compile_one, matches, problems, with_view};

    #[test]
    fn one_listed_state_is_enough() {
        let ssl = Some(SslFacts { state: SslFacts::CLIENT_HELLO, version: 0 });
        let view = Facts { ssl, ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("ssl_state:client_hello,server_hello") && !test("ssl_state:server_hello"));
        assert!(test("ssl_state:!server_hello,unknown") && !test("ssl_state:!client_hello,server_hello"));
        assert!(!matches("ssl_state:!unknown;", b""), "outside TLS");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("ssl_state:maybe")[0].contains("no argument"));
        assert!(problems("ssl_state")[0].contains("needs a word"));
        assert_eq!(compile_one("ssl_state:!client_keyx").canonical(), "ssl_state:!client_keyx");
    }
}
