//! `WWW-Authenticate`: how a registry wants to be asked.
//!
//! *Invariants*: total over any text; what is damaged gives fewer parameters, never an error.
//!
//! *Limits*: the first [`MAX_BYTES`] of a header.
//!
//! *Spec*: RFC 9110, 11.6.1; schemes and names of parameters are compared without regard to case.

use std::collections::BTreeMap;

/// Bytes of a header that are read.
const MAX_BYTES: usize = 8 << 10;

/// One way in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `bearer`, `basic`, …
    pub(crate) scheme: String,
    /// `realm`, `service`, `scope`, …
    pub(crate) parameters: BTreeMap<String, String>,
}

/// All of a header.
pub(crate) fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = text.chars().take(MAX_BYTES).peekable();
    let is_word = |one: &char| !one.is_whitespace() && !matches!(one, ',' | '=' | '"');
    loop {
        while rest.next_if(|one| !is_word(one)).is_some() {}
        let mut word = String::new();
        while let Some(one) = rest.next_if(is_word) {
            word.push(one.to_ascii_lowercase());
        }
        if word.is_empty() {
            return found;
        }
        while rest.next_if(|one| one.is_whitespace()).is_some() {}
        if rest.next_if(|one| *one == '=').is_none() {
            found.push(Challenge { scheme: word, ..Challenge::default() });
            continue;
        }
        while rest.next_if(|one| one.is_whitespace()).is_some() {}
        let mut value = String::new();
        if rest.next_if(|one| *one == '"').is_some() {
            while let Some(one) = rest.next().filter(|one| *one != '"') {
                value.extend(if one == '\\' { rest.next() } else { Some(one) });
            }
        } else {
            while let Some(one) = rest.next_if(is_word) {
                value.push(one);
            }
        }
        if let Some(challenge) = found.last_mut() {
            challenge.parameters.entry(word).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ways_in_are_told_apart() {
        let found = parse(
            "Basic realm=\"a, \\\"b\\\"\", BEARER Realm=\"https://auth.example/token\",service=registry.example , scope=\"repository:a/b:pull,push\"",
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].scheme.as_str(), found[0].parameters["realm"].as_str()), ("basic", "a, \"b\""));
        assert_eq!(found[1].scheme, "bearer");
        let parameters: Vec<&str> = found[1].parameters.values().map(String::as_str).collect();
        assert_eq!(parameters, ["https://auth.example/token", "repository:a/b:pull,push", "registry.example"]);
        assert_eq!(parse("=x, \"y\" Bearer realm=\"open").last().unwrap().parameters["realm"], "open");
        assert!(parse("").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,200}|[a-z=\", \\\\]{0,60}") {
            parse(&text);
        }
    }
}
