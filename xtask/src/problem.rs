//! One thing that is wrong with the tree, and what to do about it.

use std::fmt;

/// A finding of a check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// File, from the root of the tree.
    pub(crate) path: String,
    /// Line from 1; 0 if the file as a whole is meant.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) help: String,
}

impl Problem {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), help: help.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}\n    {}", self.what, self.help)
    }
}
