//! The selector language of Calico: which labels an endpoint must have.
//!
//! *How it fits*: [`Selector::parse`] turns a text into a tree or a [`SelectorError`] with a place and a repair.
//! [`Selector::matches`] asks it of anything that implements [`Labels`]. [`Selector::and`] joins trees, so that an empty
//! selector joined with a namespace is `all()` joined with it; joining texts would give `() && (…)`, which is no selector.
//! *Invariants*: 1. a selector's `Display` is its canonical form, and reading that gives an equal selector as long as it is
//! not longer than [`MAX_BYTES`]; 2. the place of an error lies in the text, on character boundaries; 3. absent labels match
//! `!=` and `not in`, and nothing else.
//! *Limits*: [`MAX_BYTES`], [`MAX_NESTING`], [`MAX_NAME`]; each is an error with its place.
//! *Spec*: Calico's `libcalico-go/lib/selector`; `docs/kubernetes/selectors.md`.
//!
//! ```
//! use std::collections::BTreeMap;
//! use tapir_kubernetes::selector::Selector;
//!
//! let selector = Selector::parse("app == 'cart' && tier not in {'test', 'dev'}")?;
//! assert_eq!(selector.to_string(), r#"(app == "cart" && tier not in {"dev", "test"})"#);
//! assert!(selector.matches(&BTreeMap::from([("app".to_owned(), "cart".to_owned())])));
//! # Ok::<(), tapir_kubernetes::selector::SelectorError>(())
//! ```

mod error;
mod evaluate;
mod fuzz;
mod lex;
mod parse;
mod print;
mod tree;
#[cfg(test)]
mod vectors;

pub use error::{ErrorKind, SelectorError};
pub use evaluate::Labels;
pub use fuzz::fuzz_selector;

use crate::labels;
use std::collections::BTreeSet;
use tree::{Comparison, Node};

/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// The deepest nesting of parentheses, in the text and in the canonical form.
pub const MAX_NESTING: usize = 100;
/// The longest name of a label, in bytes.
pub const MAX_NAME: usize = 512;

/// A selector. Equal trees are equal selectors: `a && b && c` is not `(a && b) && c`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    root: Node,
}

impl Selector {
    /// Reads a text. An empty one, or one of blanks, is [`Selector::all`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Ok(Self { root: parse::parse(text)? })
    }

    /// Matches every endpoint.
    pub fn all() -> Self {
        Self { root: Node::All }
    }

    /// Matches where both match. Trees are joined, never texts.
    pub fn and(self, other: Self) -> Self {
        Self { root: Node::And(vec![self.root, other.root]) }
    }

    /// Matches endpoints of one namespace only: what a resource of that namespace may select.
    pub fn in_namespace(self, namespace: &str) -> Self {
        let here = Node::Compare { label: labels::NAMESPACE.into(), how: Comparison::Equal, value: namespace.into() };
        self.and(Self { root: here })
    }

    /// Whether an endpoint with these labels is selected.
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        self.root.matches(labels)
    }

    /// Whether it is `all()` as written, so that a reader can say "everything" instead of showing it.
    pub fn is_all(&self) -> bool {
        self.root == Node::All
    }

    /// Names of the labels that it asks for, each once, sorted: a change of any other label changes no answer.
    pub fn label_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.root.names(&mut names);
        names
    }

    /// Calico's unique id: `s:` and the unpadded base64url of SHA-224 over `s:` and the canonical form.
    pub fn id(&self) -> String {
        use base64::Engine;
        use sha2::{Digest, Sha224};
        let digest = Sha224::digest(format!("s:{self}"));
        format!("s:{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest))
    }
}

impl std::str::FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_empty_selector_joined_with_a_namespace_selects_the_namespace() {
        let selector = Selector::parse("").unwrap().in_namespace("shop");
        assert_eq!(selector.to_string(), r#"(all() && projectcalico.org/namespace == "shop")"#);
        assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector);
        assert!(selector.matches(&labels(&[(labels::NAMESPACE, "shop")])));
        assert!(!selector.matches(&labels(&[(labels::NAMESPACE, "cart")])));
        assert!(!selector.matches(&labels(&[])));
    }

    #[test]
    fn an_or_joined_with_a_namespace_does_not_leak_out_of_it() {
        let selector = Selector::parse("a == '1' || b == '2'").unwrap().in_namespace("shop");
        assert!(!selector.matches(&labels(&[("a", "1"), (labels::NAMESPACE, "cart")])));
        assert!(selector.matches(&labels(&[("b", "2"), (labels::NAMESPACE, "shop")])));
    }

    #[test]
    fn the_selector_of_another_namespace_selects_nothing() {
        let selector = Selector::parse("projectcalico.org/namespace == 'cart'").unwrap().in_namespace("shop");
        for namespace in ["shop", "cart"] {
            assert!(!selector.matches(&labels(&[(labels::NAMESPACE, namespace)])));
        }
    }

    #[test]
    fn names_of_labels_are_told_once() {
        let selector = Selector::parse("b == '1' && (has(a) || !c in {'x'}) && b != '2' && all()").unwrap();
        assert_eq!(selector.label_names().into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn an_edited_label_stops_the_match() {
        let selector = Selector::parse("app == 'cart'").unwrap();
        let mut now = labels(&[("app", "cart")]);
        assert!(selector.matches(&now));
        now.remove("app");
        assert!(!selector.matches(&now));
    }
}
