//! Tokens of both dialects.
//!
//! *Invariants*: tokens lie in the text one behind the other, without overlap, on character boundaries.
//! *Limits*: a text has at most [`crate::MAX_BYTES`], so there are at most as many tokens.

mod incumbent;
mod tapir;

use crate::{Dialect, Op, QueryError, Span};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A run of characters without blanks; keywords are words, too.
    Word,
    /// A quotation; its span has the quotes in it.
    Quoted,
    Op(Op),
    /// `:`
    Colon,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `{`
    BraceOpen,
    /// `}`
    BraceClose,
    Comma,
    /// `-` before a term.
    Minus,
    /// `!` before a term.
    Bang,
}

/// What a text consists of, up to the first character that begins nothing.
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<(Token, Span)>,
    pub(crate) error: Option<QueryError>,
}

pub(crate) fn lex(text: &str, dialect: Dialect) -> Lexed {
    match dialect {
        Dialect::Tapir => tapir::lex(text),
        Dialect::Incumbent => incumbent::lex(text),
    }
}

pub(crate) use tapir::is_word_end;

/// `AND`, `OR` and `NOT` join terms and are no values, in any case.
pub(crate) fn is_keyword(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// The end of the quotation that begins at `start`, behind its closing quote. A backslash hides the next character.
fn quotation_end(text: &str, start: usize) -> Option<usize> {
    let mut characters = text.get(start..)?.char_indices();
    let (_, quote) = characters.next()?;
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => {
                characters.next();
            }
            c if c == quote => return Some(start + at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// The operator that the text begins with, and its length. A single `!` is none.
fn operator(text: &str) -> Option<(Op, usize)> {
    let bytes = text.as_bytes();
    Some(match (bytes.first()?, bytes.get(1)) {
        (b'=', _) => (Op::Eq, 1),
        (b'!', Some(b'=')) => (Op::Ne, 2),
        (b'<', Some(b'=')) => (Op::Le, 2),
        (b'<', _) => (Op::Lt, 1),
        (b'>', Some(b'=')) => (Op::Ge, 2),
        (b'>', _) => (Op::Gt, 1),
        _ => return None,
    })
}
