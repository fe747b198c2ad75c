//! Pieces of SQL with their parameters. Text is always from this crate; what a user wrote is a parameter.

use rusqlite::types::Value;

/// A condition, or part of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sql {
    pub text: String,
    pub params: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>, params: impl IntoIterator<Item = Value>) -> Self {
        Self { text: text.into(), params: params.into_iter().collect() }
    }

    /// Always or never.
    pub(super) fn constant(yes: bool) -> Self {
        Self::new(if yes { "1" } else { "0" }, [])
    }

    fn is(&self, yes: bool) -> bool {
        self.text == if yes { "1" } else { "0" }
    }

    pub(super) fn all(members: impl IntoIterator<Item = Self>) -> Self {
        Self::join(members, true)
    }

    pub(super) fn any(members: impl IntoIterator<Item = Self>) -> Self {
        Self::join(members, false)
    }

    /// `neutral`: the constant that changes nothing; the other one decides alone.
    fn join(members: impl IntoIterator<Item = Self>, neutral: bool) -> Self {
        let members: Vec<Self> = members.into_iter().filter(|member| !member.is(neutral)).collect();
        if members.iter().any(|member| member.is(!neutral)) {
            return Self::constant(!neutral);
        }
        let mut members = members.into_iter();
        let Some(mut joined) = members.next() else { return Self::constant(neutral) };
        let mut several = false;
        for member in members {
            joined.text.push_str(if neutral { " AND " } else { " OR " });
            joined.push(member);
            several = true;
        }
        if several {
            joined.text = format!("({})", joined.text);
        }
        joined
    }

    pub(super) fn not(self) -> Self {
        if self.is(true) || self.is(false) {
            return Self::constant(self.is(false));
        }
        Self { text: format!("NOT ({})", self.text), params: self.params }
    }

    /// Appends.
    pub(super) fn push(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.params.extend(other.params);
    }

    /// Appends text.
    pub(super) fn word(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Appends another piece.
    pub(super) fn then(mut self, other: Self) -> Self {
        self.push(other);
        self
    }

    /// `column BETWEEN first AND last`, false for NULL.
    pub(super) fn between(column: &str, first: Value, last: Value) -> Self {
        Self::new(format!("({column} IS NOT NULL AND {column} BETWEEN ? AND ?)"), [first, last])
    }
}
