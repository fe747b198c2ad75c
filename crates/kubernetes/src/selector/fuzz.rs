//! What must hold for every text, for `fuzz/` and for the property tests.

use super::{ErrorKind, Labels, MAX_BYTES, Selector};

/// Reads arbitrary bytes as a selector and checks the invariants of this module.
#[doc(hidden)]
pub fn fuzz_selector(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Selector::parse(&text) {
        Ok(selector) => check(&selector),
        Err(error) => {
            let end = error.position + error.length;
            assert!(text.get(error.position..end).is_some(), "the place lies in the text: {error}");
            assert_eq!(error.render(&text).lines().count(), 2, "{error}");
            assert_eq!(error.kind == ErrorKind::TooLong, text.len() > MAX_BYTES);
        }
    }
}

fn check(selector: &Selector) {
    let canonical = selector.to_string();
    // Blanks and parentheses make the canonical form longer than the text.
    if canonical.len() <= MAX_BYTES {
        match Selector::parse(&canonical) {
            Ok(again) => {
                assert_eq!(&again, selector, "{canonical}");
                assert_eq!(again.to_string(), canonical);
                assert_eq!(again.id(), selector.id());
            }
            Err(error) => assert_eq!(None, Some(error), "{canonical}"),
        }
    }
    for labels in [Same(None), Same(Some("")), Same(Some("a"))] {
        let joined = selector.clone().and(Selector::all());
        assert_eq!(joined.matches(&labels), selector.matches(&labels));
    }
    assert!(selector.label_names().iter().all(|name| !name.is_empty()));
}

/// Every label has this value.
struct Same(Option<&'static str>);

impl Labels for Same {
    fn get(&self, _: &str) -> Option<&str> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Comparison, Node};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    thread_local! {
        /// What the schema lets pass must be all that can be read.
        static PATTERN: regex::Regex = regex::Regex::new(&crate::resources::selector_pattern()).unwrap();
    }

    /// Pieces of selectors, so that most texts come far.
    const PIECES: &[&str] = &[
        "a",
        "app",
        "k8s-app",
        "has(",
        "has(a)",
        "all()",
        "all(",
        "global()",
        "(",
        ")",
        "{",
        "}",
        ",",
        "!",
        "&&",
        "||",
        "&",
        "|",
        "=",
        "==",
        "!=",
        " in ",
        " not in ",
        "notin",
        " contains ",
        " starts with ",
        "endswith",
        " ",
        "\t",
        "\n",
        "'a'",
        "\"b\"",
        "''",
        "\"",
        "'",
        "and",
        "é",
        "“",
        ".",
        "-",
        "in",
        "not",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
        #[test]
        fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
            fuzz_selector(pieces.concat().as_bytes());
        }

        #[test]
        fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_selector(&data);
        }

        #[test]
        fn printed_trees_are_read_as_they_were(root in tree()) {
            let selector = Selector { root };
            let canonical = selector.to_string();
            prop_assert_eq!(Selector::parse(&canonical), Ok(selector.clone()), "{}", canonical);
            prop_assert!(PATTERN.with(|pattern| pattern.is_match(&canonical)), "refused by the schema: {}", canonical);
            check(&selector);
        }

        #[test]
        fn evaluation_is_that_of_the_table(root in tree(), labels in labels()) {
            prop_assert_eq!(root.matches(&labels), naive(&root, &labels));
        }

        #[test]
        fn spelling_changes_nothing(root in tree_of("[xy]{0,2}".prop_map(Box::from).boxed())) {
            let canonical = Selector { root: root.clone() }.to_string();
            let mut spelled = canonical.clone();
            for (one, other) in
                [(" && ", "&&\t"), (" starts with ", " startswith\t"), ("not in", "not \t in"), ("\"", "'"), ("}", ",}"), ("{,", "{")]
            {
                spelled = spelled.replace(one, other);
            }
            prop_assert_eq!(Selector::parse(&spelled), Ok(Selector { root }), "{}", spelled);
            prop_assert!(PATTERN.with(|pattern| pattern.is_match(&spelled)), "refused by the schema: {}", spelled);
        }
    }

    fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[ab]", "[xy]{0,2}", 0..3)
    }

    /// No value holds both marks: there would be no way to write it.
    fn tree() -> impl Strategy<Value = Node> {
        tree_of(
            prop_oneof!["[xy]{0,2}", "[ -~&&[^\"]]{0,8}", "[ -~&&[^']]{0,8}", "[é\n\\\\ ]{0,4}"]
                .prop_map(Box::from)
                .boxed(),
        )
    }

    fn tree_of(value: BoxedStrategy<Box<str>>) -> impl Strategy<Value = Node> {
        let label = || "[ab]|[A-Za-z0-9_./-]{1,12}".prop_map(Box::<str>::from);
        let how = prop::sample::select(vec![
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Contains,
            Comparison::StartsWith,
            Comparison::EndsWith,
        ]);
        let leaf = prop_oneof![
            Just(Node::All),
            Just(Node::Global),
            label().prop_map(Node::Has),
            (label(), how, value.clone()).prop_map(|(label, how, value)| Node::Compare { label, how, value }),
            (label(), any::<bool>(), prop::collection::vec(value, 0..4))
                .prop_map(|(label, inside, values)| Node::set(&label, inside, values)),
        ];
        leaf.prop_recursive(5, 32, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(Node::negated),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Node::And),
                prop::collection::vec(inner, 2..4).prop_map(Node::Or),
            ]
        })
    }

    /// The language's table, read aloud: what needs a label, what its absence means.
    fn naive(node: &Node, labels: &BTreeMap<String, String>) -> bool {
        let value_of = |label: &str| {
            labels.iter().find(|(name, _)| name.as_bytes() == label.as_bytes()).map(|(_, v)| v.as_bytes())
        };
        match node {
            Node::All | Node::Global => true,
            Node::Has(label) => labels.keys().any(|name| **name == **label),
            Node::Compare { label, how, value } => {
                let value = value.as_bytes();
                match (how, value_of(label)) {
                    (Comparison::NotEqual, found) => found != Some(value),
                    (_, None) => false,
                    (Comparison::Equal, Some(found)) => found == value,
                    (Comparison::Contains, Some(found)) => {
                        (0..=found.len()).any(|at| found[at..].iter().take(value.len()).eq(value.iter()))
                    }
                    (Comparison::StartsWith, Some(found)) => found.iter().take(value.len()).eq(value.iter()),
                    (Comparison::EndsWith, Some(found)) => {
                        found.len() >= value.len() && found[found.len() - value.len()..] == *value
                    }
                }
            }
            Node::Set { label, inside, values } => {
                let member = values.iter().any(|value| value_of(label) == Some(value.as_bytes()));
                if *inside { member } else { !member }
            }
            Node::Not(inner) => !naive(inner, labels),
            Node::And(terms) => terms.iter().filter(|term| naive(term, labels)).count() == terms.len(),
            Node::Or(terms) => terms.iter().filter(|term| naive(term, labels)).count() > 0,
        }
    }

    #[test]
    fn seeds_pass() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/selector");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            fuzz_selector(&std::fs::read(entry.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 0, "{folder} is empty");
    }
}
