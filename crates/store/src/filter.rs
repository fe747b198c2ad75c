//! What a list is about: a query, a time range, and what is hidden; and how much of it an answer covers.

use crate::{Cursor, Status};
use serde::Serialize;
use tapir_packet::Timestamp;
use tapir_query::Query;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The query, over events; a group answers it if one of its events in the range does.
    pub query: Query,
    /// Events after this moment; `None`: from the beginning.
    pub from: Option<Timestamp>,
    /// Events up to and including this moment; `None`: to the end, future times included.
    pub to: Option<Timestamp>,
    /// Groups in these states; empty: all.
    pub status: Vec<Status>,
    /// Events hidden by a suppression too. A query that asks for them (`is:suppressed`, `suppressed_by:…`) has
    /// them in any case.
    pub suppressed: bool,
    /// Events hidden by an exception too.
    pub excepted: bool,
    /// The moment of asking: `now-2h`, and which exceptions hold.
    pub now: Timestamp,
}

impl Filter {
    /// Everything that is not hidden.
    pub fn all(now: Timestamp) -> Self {
        Self { query: Query::all(), from: None, to: None, status: Vec::new(), suppressed: false, excepted: false, now }
    }
}

/// Which page of a list.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// Rows; 0 is 100, at most [`crate::MAX_PAGE`].
    pub limit: usize,
    /// Behind which page; `None`: the first.
    pub cursor: Option<Cursor>,
    /// Count the whole list, too.
    pub total: bool,
}

impl PageRequest {
    /// Rows within the limits.
    pub(crate) fn rows(&self) -> usize {
        match self.limit {
            0 => 100,
            limit => limit.min(crate::MAX_PAGE),
        }
    }
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// That many, or at least that many.
    pub count: u64,
    /// Exactly that many.
    pub exact: bool,
}

/// The answer covers a part only. Lists have a cursor with which the search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Partial {
    /// Rows that were looked at.
    pub examined: u64,
    /// What ended the search.
    pub why: Why,
}

/// What ended a search early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It had looked at as many rows as one call may.
    RowBudget,
    /// It had taken as long as one call may.
    Time,
}
