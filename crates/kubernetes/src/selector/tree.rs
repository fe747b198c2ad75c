//! The tree of a selector.
//!
//! *Invariants*: 1. groups have two terms at least; 2. a negation holds no negation; 3. sets are sorted by bytes, each value
//! once; 4. no value holds both kinds of quotation marks. The parser makes no others, so printing needs no escape.

use std::collections::BTreeSet;

/// How a label is compared with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
    /// `==`
    Equal,
    /// `!=`; true without the label, too.
    NotEqual,
    /// `contains`
    Contains,
    /// `starts with`
    StartsWith,
    /// `ends with`
    EndsWith,
}

/// One term or group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// `all()`
    All,
    /// `global()`: true for every endpoint; Calico gives it a meaning in network policies only.
    Global,
    /// `has(label)`
    Has(Box<str>),
    /// `label == "value"` and its like.
    Compare {
        /// Name.
        label: Box<str>,
        /// Operator.
        how: Comparison,
        /// Right side.
        value: Box<str>,
    },
    /// `label in {…}` and `label not in {…}`; the latter is true without the label, too.
    Set {
        /// Name.
        label: Box<str>,
        /// `in`, else `not in`.
        inside: bool,
        /// Sorted, each once.
        values: Vec<Box<str>>,
    },
    /// `!term`
    Not(Box<Node>),
    /// `a && b …`
    And(Vec<Node>),
    /// `a || b …`
    Or(Vec<Node>),
}

impl Node {
    /// Its negation; that of a negation is what it negated.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// A set of these values.
    pub(super) fn set(label: &str, inside: bool, values: impl IntoIterator<Item = Box<str>>) -> Self {
        let values: BTreeSet<Box<str>> = values.into_iter().collect();
        Self::Set { label: label.into(), inside, values: values.into_iter().collect() }
    }

    /// Names of labels below it.
    pub(super) fn names<'a>(&'a self, into: &mut BTreeSet<&'a str>) {
        match self {
            Self::All | Self::Global => {}
            Self::Has(label) | Self::Compare { label, .. } | Self::Set { label, .. } => {
                into.insert(label);
            }
            Self::Not(inner) => inner.names(into),
            Self::And(terms) | Self::Or(terms) => terms.iter().for_each(|term| term.names(into)),
        }
    }
}
