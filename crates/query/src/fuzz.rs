//! What must hold for every text, for `fuzz/` and for the property tests.

use crate::{Dialect, Fact, Facts, Key, MAX_BYTES, Query, State, complete, parse};

/// Reads arbitrary bytes as a query in both dialects and checks the invariants of this crate.
#[doc(hidden)]
pub fn fuzz_query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let tapir = check(&text, Dialect::Tapir);
    if let Some(theirs) = check(&text, Dialect::Incumbent) {
        assert_eq!(tapir.as_ref(), Some(&theirs), "the incumbent's dialect is a subset");
        let printed = theirs.to_string();
        if printed.len() <= MAX_BYTES {
            assert_eq!(parse(&printed, Dialect::Tapir).ok().as_ref(), Some(&theirs), "printed {printed}");
        }
    }
    for cursor in [0, text.len() / 2, text.len()] {
        let completion = complete(&text, cursor);
        assert!(text.get(completion.replace).is_some(), "the replaced part lies in the text");
    }
}

fn check(text: &str, dialect: Dialect) -> Option<Query> {
    let query = match parse(text, dialect) {
        Ok(query) => query,
        Err(error) => {
            assert!(text.get(error.offset..error.offset + error.length).is_some(), "the place lies in the text");
            assert_eq!(error.render(text).lines().count(), 2);
            return None;
        }
    };
    let printed = query.to_string();
    // Canonical names can be longer than the text.
    if printed.len() <= MAX_BYTES {
        match parse(&printed, dialect) {
            Ok(again) => {
                assert_eq!(again, query, "printed {printed}");
                assert_eq!(again.to_string(), printed);
            }
            Err(error) => assert_eq!(None, Some(error), "printed {printed}"),
        }
    }
    query.walk(&mut |expr| assert!(text.get(expr.span.start..expr.span.end).is_some(), "{expr:?}"));
    query.matches(&Words(text), 1_700_000_000_000_000_000);
    Some(query)
}

/// An event whose every field has the words of the query as its values.
struct Words<'a>(&'a str);

impl Facts for Words<'_> {
    fn values(&self, key: &Key, each: &mut dyn FnMut(Fact<'_>)) {
        if key.field.info().name.len().is_multiple_of(2) {
            self.0.split(' ').take(8).for_each(|word| each(Fact::Text(word)));
            each(Fact::Number(u64::MAX));
            each(Fact::Time(i64::MIN));
            each(Fact::Address(std::net::Ipv6Addr::LOCALHOST.into()));
            each(Fact::Bool(true));
        }
    }

    fn texts(&self, each: &mut dyn FnMut(&str)) {
        each(self.0);
    }

    fn is(&self, state: State) -> bool {
        state == State::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces of queries, so that most texts come far.
    const PIECES: &[&str] = &[
        "severity",
        "ns",
        "type",
        "sid",
        "ip",
        "msg",
        "time",
        "dismissed",
        "host",
        "dest_name",
        "record.a",
        "is",
        "has",
        "tapir.sid",
        "cve",
        "name",
        "workload",
        ":",
        "=",
        "!=",
        ">=",
        "<",
        "(",
        ")",
        "{",
        "}",
        ",",
        "-",
        "!",
        "*",
        "?",
        "\"",
        "'",
        "\\",
        "\\*",
        " ",
        " ",
        " ",
        " AND ",
        " or ",
        "NOT ",
        " IN {",
        " NOTIN {",
        " EMPTY",
        "high",
        "waf",
        "open",
        "10.0.0.0/8",
        "2001:db8::1",
        "now-2h",
        "2026-11-24T03:12:07.5Z",
        "80",
        "1.5",
        "true",
        "frontend-*",
        "CVE-",
        "a b",
        "É",
        "..",
        "n/a",
        "in",
        "and",
        "\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
        #[test]
        fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
            fuzz_query(pieces.concat().as_bytes());
        }

        #[test]
        fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_query(&data);
        }

        #[test]
        fn queries_of_the_incumbent(text in query(&["type = waf", "severity >= 80", "dest_port != '22'", "name EMPTY"], &["name", "host", "'dest_name'", "description"], &[" = ", "!=", " IN {", " notin {x, "], ["NOT ", "!"], [" AND ", " or "])) {
            prop_assert!(parse(&text, Dialect::Incumbent).is_ok(), "{}", text);
            fuzz_query(text.as_bytes());
        }

        #[test]
        fn queries_of_ours(text in query(
            &["severity>=high", "ip:10.0.0.0/8", "fe80::1", "is:(open noisy)", "has:mitre", "last_seen<now-2h", "time:2026-11-24", "sid:(1,2 OR 3)", "pod EMPTY", "win*x", "dismissed:false"],
            &["msg", "tapir.uri", "ns", "record.a-b", "cve", "Client"], &[":", "=", " != ", " IN {", ":(a* "], ["-", "not "], [" ", " OR "],
        )) {
            prop_assert!(parse(&text, Dialect::Tapir).is_ok(), "{}", text);
            fuzz_query(text.as_bytes());
        }
    }

    /// Queries of whole terms and of keys that take any text.
    fn query(
        terms: &'static [&'static str],
        keys: &'static [&'static str],
        operators: &'static [&'static str],
        not: [&'static str; 2],
        join: [&'static str; 2],
    ) -> impl Strategy<Value = String> {
        let value =
            prop_oneof!["[ -~]{1,8}", "[a-z*?\\\\\"'é.]{1,6}", any::<String>()].prop_map(|text| match text.as_str() {
                // Nothing to search for.
                "" => "\"x\"".to_owned(),
                text => crate::quote::quote(text, text.len() % 2 == 0),
            });
        let written =
            (prop::sample::select(keys), prop::sample::select(operators), value).prop_map(|(key, op, value)| {
                let close = if op.contains('{') {
                    "}"
                } else if op.contains('(') {
                    ")"
                } else {
                    ""
                };
                format!("{key}{op}{value}{close}")
            });
        let term = prop_oneof![prop::sample::select(terms).prop_map(str::to_owned), written];
        term.prop_recursive(4, 16, 3, move |inner| {
            prop_oneof![
                (inner.clone(), 0..2usize).prop_map(move |(inner, word)| format!("{}({inner})", not[word])),
                (prop::collection::vec(inner, 2..4), 0..2usize, any::<bool>()).prop_map(
                    move |(members, word, nested)| {
                        let text = members.join(join[word]);
                        if nested { format!("({text})") } else { text }
                    }
                ),
            ]
        })
    }

    #[test]
    fn hostile_texts_take_no_time() {
        let started = std::time::Instant::now();
        for piece in [
            "(",
            "-",
            "!",
            "\"",
            "'",
            "NOT ",
            ":",
            "a:",
            "=",
            "a=",
            "((a",
            ")",
            "{",
            "a IN {",
            ",",
            "\\",
            "\"\\",
            "a ",
            "::",
            "1:",
            "*",
            "a:(",
            "a OR ",
            "fe80:",
            "é",
            "\u{202e}",
            "ip:1.2.3.*",
        ] {
            fuzz_query(piece.repeat(MAX_BYTES / piece.len()).as_bytes());
            fuzz_query(piece.repeat(10 * MAX_BYTES).as_bytes());
        }
        // Together about a second without optimisation; quadratic reading would take minutes.
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    #[test]
    fn seeds_pass() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/query");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            fuzz_query(&std::fs::read(entry.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 0, "{folder} is empty");
    }
}
