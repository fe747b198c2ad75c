//! What a selector answers for the labels of an endpoint.
//!
//! *Invariants*: total, no allocation; deep as the tree, which [`super::MAX_NESTING`] bounds. Comparison is by bytes.

use super::tree::{Comparison, Node};
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

/// Labels by name: those of an endpoint, of a namespace, of a node.
pub trait Labels {
    /// The value of a label; `None` if there is no such label, which an empty value is not.
    fn get(&self, name: &str) -> Option<&str>;
}

impl<T: Labels + ?Sized> Labels for &T {
    fn get(&self, name: &str) -> Option<&str> {
        (**self).get(name)
    }
}

impl Labels for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

impl<S: BuildHasher> Labels for HashMap<String, String, S> {
    fn get(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

impl Node {
    pub(super) fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        match self {
            Self::All | Self::Global => true,
            Self::Has(label) => labels.get(label).is_some(),
            Self::Compare { label, how, value } => how.holds(labels.get(label), value),
            Self::Set { label, inside, values } => {
                let member = |found| values.binary_search_by(|value| value.as_ref().cmp(found)).is_ok();
                labels.get(label).is_some_and(member) == *inside
            }
            Self::Not(inner) => !inner.matches(labels),
            Self::And(terms) => terms.iter().all(|term| term.matches(labels)),
            Self::Or(terms) => terms.iter().any(|term| term.matches(labels)),
        }
    }
}

impl Comparison {
    fn holds(self, found: Option<&str>, value: &str) -> bool {
        let Some(found) = found else { return self == Self::NotEqual };
        match self {
            Self::Equal => found == value,
            Self::NotEqual => found != value,
            Self::Contains => found.contains(value),
            Self::StartsWith => found.starts_with(value),
            Self::EndsWith => found.ends_with(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::selector::Selector;
    use std::collections::BTreeMap;

    #[track_caller]
    fn check(selector: &str, present: bool, absent: bool) {
        let selector = Selector::parse(selector).unwrap();
        let labels = BTreeMap::from([("k".to_owned(), "value".to_owned())]);
        assert_eq!(selector.matches(&labels), present, "{selector} with k = value");
        assert_eq!(selector.matches(&BTreeMap::new()), absent, "{selector} without labels");
    }

    #[test]
    fn a_missing_label_matches_only_what_denies() {
        check("k == 'value'", true, false);
        check("k == 'Value'", false, false);
        check("k != 'value'", false, true);
        check("k != 'x'", true, true);
        check("k in {'x', 'value'}", true, false);
        check("k in {}", false, false);
        check("k not in {'value'}", false, true);
        check("k not in {}", true, true);
        check("has(k)", true, false);
        check("!has(k)", false, true);
    }

    #[test]
    fn an_empty_needle_is_in_every_value() {
        for word in ["contains", "starts with", "ends with"] {
            check(&format!("k {word} ''"), true, false);
        }
        check("k contains 'alu'", true, false);
        check("k starts with 'val'", true, false);
        check("k ends with 'lue'", true, false);
        check("k ends with 'val'", false, false);
    }

    #[test]
    fn groups_and_negations_combine() {
        check("all() && !all()", false, false);
        check("!global() || has(k)", true, false);
        check("!(has(k) && k == 'x')", true, true);
    }
}
