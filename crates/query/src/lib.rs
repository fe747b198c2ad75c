//! The event query language: one grammar for the page, the API, the command line, alert exceptions,
//! suppressions and webhooks.
//!
//! *How it fits*: [`parse`] turns a text into a [`Query`] or a [`QueryError`] with a place and a suggestion.
//! [`Query::matches`] evaluates it over anything that implements [`Facts`]; stores walk [`Query::root`] and
//! compile it to a query of their own. [`complete`] serves the search box, [`Field::all`] its catalogue.
//! *Invariants*: 1. `parse(query.to_string())` gives an equal query; 2. what the incumbent's dialect accepts,
//! Tapir's accepts with the same meaning; 3. every error lies within the text, on character boundaries.
//! *Limits*: [`MAX_BYTES`], [`MAX_TERMS`], [`MAX_DEPTH`]; each is an error with its place.
//! *Spec*: `docs/query-language.md`.
//!
//! The parser is written by hand and not with a parser library: words mean different things before and after
//! an operator (`kube-system`, `2001:db8::1`, `-is:open`), errors need the place and the repair of each
//! single expectation, and completion reuses the lexer on texts that are not finished.
//!
//! ```
//! use tapir_query::{Dialect, parse};
//!
//! let query = parse("severity>=high ns:shop -is:dismissed", Dialect::Tapir)?;
//! assert_eq!(query.to_string(), "severity>=high namespace:shop -is:dismissed");
//! let error = parse("severty>=high", Dialect::Tapir).unwrap_err();
//! assert_eq!((error.offset, error.length, error.suggestion.as_deref()), (0, 7, Some("severity")));
//! # Ok::<(), tapir_query::QueryError>(())
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod catalogue;
mod complete;
mod error;
mod expr;
mod fuzz;
mod glob;
mod lex;
mod matches;
mod net;
mod print;
mod quote;
mod resolve;
mod state;
mod suggest;
mod syntax;
mod time;
mod value;
#[cfg(test)]
mod vectors;

use resolve::Names;

pub use catalogue::{Field, FieldInfo, Key, Kind, Values};
pub use complete::{Candidate, CandidateKind, Completion, MAX_CANDIDATES, complete};
pub use error::{ErrorKind, QueryError, repair};
pub use expr::{Expr, Node, Op, Query, Span};
pub use fuzz::fuzz_query;
pub use glob::{Case, Glob, Part};
pub use matches::{Fact, Facts};
pub use net::Net;
pub use state::State;
pub use time::{Time, Unit};
pub use value::Value;

/// The longest text that is read, in bytes of UTF-8.
pub const MAX_BYTES: usize = 4096;
/// The most terms of a query; every value of a list counts.
pub const MAX_TERMS: usize = 64;
/// The deepest nesting of parentheses and negations.
pub const MAX_DEPTH: usize = 16;

/// Which language a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Tapir's own, of which the incumbent's is a subset.
    Tapir,
    /// The incumbent's grammar and keys and nothing else.
    Incumbent,
}

/// Reads a query.
///
/// An empty text is [`Query::all`] in Tapir's dialect and an error in the incumbent's, so that an exception
/// without a selector cannot hide everything. Callers that suppress or send by a query in Tapir's dialect ask
/// [`Query::is_all`] first.
pub fn parse(text: &str, dialect: Dialect) -> Result<Query, QueryError> {
    let Some(tree) = syntax::parse(text, dialect)? else {
        return Ok(Query::all());
    };
    Ok(Query::new(resolve::resolve(&tree, Names::Of(dialect))?, dialect))
}

/// Reads a query of a resource, `AlertException` or `SecurityEventWebhook`: in the incumbent's grammar, with Tapir's fields beside
/// the incumbent's keys (`sid = 21562`, `"record.snort_signature_id" = 21562`, `"tapir.service" = http`), so that it can name a rule.
///
/// A name that is a key of the incumbent's means and takes what it does there. The query is of the incumbent's dialect if it uses no
/// other name, else of Tapir's, in which the same text means the same.
pub fn parse_resource(text: &str) -> Result<Query, QueryError> {
    let Some(tree) = syntax::parse(text, Dialect::Incumbent)? else {
        return Err(QueryError::new(ErrorKind::Empty, Span::default(), "empty query"));
    };
    if let Ok(root) = resolve::resolve(&tree, Names::Of(Dialect::Incumbent)) {
        return Ok(Query::new(root, Dialect::Incumbent));
    }
    Ok(Query::new(resolve::resolve(&tree, Names::Extended)?, Dialect::Tapir))
}

/// Reads a query in Tapir's dialect that is asked of an event alone, before anybody has seen it: what people decide about its group
/// and what time makes of it cannot be asked. The error has the place of what cannot.
pub fn parse_for_event(text: &str) -> Result<Query, QueryError> {
    let query = parse(text, Dialect::Tapir)?;
    let mut refused = None;
    if let Some(root) = query.root() {
        root.walk(&mut |expr| {
            let asks = match &expr.node {
                Node::Compare { key, .. } | Node::In { key, .. } | Node::Like { key, .. } | Node::Has(key) => {
                    key.field.is_of_group().then(|| key.to_string())
                }
                Node::Is(state) => state.is_of_group().then(|| format!("is:{}", state.word())),
                _ => None,
            };
            if let Some(what) = asks {
                refused.get_or_insert_with(|| {
                    let message = format!("{what} is known to the manager only and cannot be asked of an event here");
                    QueryError::new(ErrorKind::UnknownField, expr.span, message)
                });
            }
        });
    }
    refused.map_or(Ok(query), Err)
}
