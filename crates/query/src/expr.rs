//! [`Query`] and its tree, public so that stores can compile it to a language of their own.
//!
//! *Invariants*: 1. `And` and `Or` have two members at least, none of which is of the same kind; 2. lists have one
//! member at least; 3. the tree of a parsed text is at most [`crate::MAX_DEPTH`] deep but for one level of `And`
//! and `Or` each, so recursion over it is safe; [`Query::and`] adds one level.

use crate::{Dialect, Field, Glob, Key, State, Value};
use std::collections::BTreeSet;

/// Bytes of the text: `start..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte behind the last.
    pub end: usize,
}

impl Span {
    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=`
    Eq,
    /// `!=`: not `=`, so it is true of events that lack the field.
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Op {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// Whether it asks for an order.
    pub fn orders(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }
}

/// A node with its place in the text. Two are equal if they mean the same; places don't count.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it asks.
    pub node: Node,
    /// Where it was written; of queries put together by [`Query::and`] the place in its own text.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl Eq for Expr {}

/// What a node asks of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// All are true.
    And(Vec<Expr>),
    /// One is true.
    Or(Vec<Expr>),
    /// It is not true.
    Not(Box<Expr>),
    /// `key = value`: some value of the field compares so. Text as a whole, letters by case, no wildcards.
    Compare {
        /// Which field.
        key: Key,
        /// How.
        op: Op,
        /// With what.
        value: Value,
    },
    /// `key IN {…}`: some value of the field is one of these. Wildcards, letters by case.
    In {
        /// Which field.
        key: Key,
        /// `NOTIN`: none is.
        negated: bool,
        /// `Text` and `Glob` of fields of text, else as in `Compare`.
        members: Vec<Value>,
    },
    /// `key:value`, `key:(a b)`: some value of the field is like one of these. Wildcards, case of ASCII letters
    /// ignored.
    Like {
        /// Which field.
        key: Key,
        /// `Search` of fields of kind `Text`, `Text` and `Glob` of others with text, else as in `Compare`.
        patterns: Vec<Value>,
    },
    /// `is:…`
    Is(State),
    /// `has:…`: the field has a value that is neither empty nor `n/a`.
    Has(Key),
    /// A free word or phrase: it occurs in one of the event's texts ([`Glob::occurs_in`], case ignored).
    Text(Glob),
}

impl Expr {
    /// Visits this node and all below, parents first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.node {
            Node::And(members) | Node::Or(members) => members.iter().for_each(|member| member.walk(visit)),
            Node::Not(inner) => inner.walk(visit),
            _ => {}
        }
    }
}

/// A query. Two are equal if they ask the same; dialect and places don't count.
#[derive(Clone, Debug)]
pub struct Query {
    root: Option<Expr>,
    dialect: Dialect,
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl Eq for Query {}

impl Query {
    pub(crate) fn new(root: Expr, dialect: Dialect) -> Self {
        Self { root: Some(root), dialect }
    }

    /// Of a tree that a program made. The invariants of this module are its maker's to keep; the limits are those of texts.
    pub fn of(root: Expr) -> Self {
        Self { root: Some(root), dialect: Dialect::Tapir }
    }

    /// The query that every event answers; printed it is the empty text.
    pub fn all() -> Self {
        Self { root: None, dialect: Dialect::Tapir }
    }

    /// The tree; `None` asks nothing and matches all.
    pub fn root(&self) -> Option<&Expr> {
        self.root.as_ref()
    }

    /// Whether it asks nothing.
    pub fn is_all(&self) -> bool {
        self.root.is_none()
    }

    /// In which dialect it is printed.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Both: for a restriction that the user did not write. The limits hold for texts, not for what is put
    /// together of them; a text printed from it can exceed them.
    pub fn and(self, other: Self) -> Self {
        let dialect = match (self.dialect, other.dialect) {
            (Dialect::Incumbent, Dialect::Incumbent) => Dialect::Incumbent,
            _ => Dialect::Tapir,
        };
        let members: Vec<Expr> = self.root.into_iter().chain(other.root).collect();
        Self { root: all_of(members), dialect }
    }

    /// The fields it asks for, each once, in the order of the catalogue. Free words and `is:` name none.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = BTreeSet::new();
        self.walk(&mut |expr| {
            if let Node::Compare { key, .. } | Node::In { key, .. } | Node::Like { key, .. } | Node::Has(key) =
                &expr.node
            {
                fields.insert(key.field);
            }
        });
        fields.into_iter().collect()
    }

    /// Whether its answer depends on the time of asking.
    pub fn is_relative(&self) -> bool {
        let mut found = false;
        self.walk(&mut |expr| {
            let values = match &expr.node {
                Node::Compare { value, .. } => std::slice::from_ref(value),
                Node::In { members: values, .. } | Node::Like { patterns: values, .. } => values,
                _ => &[],
            };
            found |= values.iter().any(|value| matches!(value, Value::Time(time) if time.is_relative()));
        });
        found
    }

    /// Visits all nodes, parents first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        if let Some(root) = &self.root {
            root.walk(visit);
        }
    }
}

/// One node for all, `And`s within dissolved.
fn all_of(members: Vec<Expr>) -> Option<Expr> {
    let mut flat = Vec::new();
    for member in members {
        match member.node {
            Node::And(inner) => flat.extend(inner),
            _ => flat.push(member),
        }
    }
    let span = flat.first()?.span.to(flat.last()?.span);
    match flat.len() {
        1 => flat.pop(),
        _ => Some(Expr { node: Node::And(flat), span }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn read(text: &str) -> Query {
        parse(text, Dialect::Tapir).unwrap()
    }

    #[test]
    fn queries_are_joined_without_nesting() {
        let joined = read("ns:a OR ns:b").and(read("sid:1 sid:2")).and(Query::all()).and(read("x"));
        assert_eq!(joined.to_string(), "(namespace:a OR namespace:b) sid:1 sid:2 x");
        assert_eq!(read(&joined.to_string()), joined);
        assert!(Query::all().and(Query::all()).is_all());
        let theirs = |text| parse(text, Dialect::Incumbent).unwrap();
        assert_eq!(theirs("type = waf").and(theirs("severity > 1")).to_string(), "type = waf AND severity > 1");
    }

    #[test]
    fn fields_are_named_once_in_the_catalogues_order() {
        let query = read("word sid:1 (has:mitre OR -sid:(2 3)) is:open ip:10.0.0.0/8 \"record.a.b\"=1");
        assert_eq!(query.fields(), [Field::Sid, Field::Mitre, Field::Ip, Field::Record]);
        assert!(!query.is_relative() && read("last_seen>now-2h").is_relative());
    }
}
