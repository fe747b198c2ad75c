//! `ssl_version`: the protocol version of a TLS flow.
//!
//! *Spec*: Snort 3 manual, `ssl_version`.

use super::ssl_state::SetTest;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::{Service, SslFacts};

pub(super) static DEF: OptionDef = OptionDef {
    name: "ssl_version",
    kind: Kind::NonPayload,
    summary: "checks the version of a TLS flow",
    grammar: "[!]sslv2|sslv3|tls1.0|tls1.1|tls1.2[,…]",
    docs: "True if the flow speaks one of the listed versions; `!` before the list inverts the whole.",
    repeat: Repeat::Any,
    services: &[Service::Ssl],
    parse,
};

const VERSIONS: &[(&str, u8)] = &[
    ("sslv2", SslFacts::SSLV2),
    ("sslv3", SslFacts::SSLV3),
    ("tls1.0", SslFacts::TLS10),
    ("tls1.1", SslFacts::TLS11),
    ("tls1.2", SslFacts::TLS12),
];

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    SetTest::parse(cx, "ssl_version", VERSIONS, |facts| facts.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Facts, compile_one, problems, with_view};

    #[test]
    fn versions_are_tested() {
        let ssl = Some(SslFacts { state: 0, version: SslFacts::TLS12 });
        let view = Facts { ssl, ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("ssl_version:tls1.1,tls1.2") && !test("ssl_version:sslv2") && test("ssl_version:!sslv2"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("ssl_version:tls9")[0].contains("no argument"));
    }
}
