//! The incumbent's tokens: identifiers, numbers, quotations, operators, brackets. All else is an error, before any
//! grammar is looked at.

use super::{Lexed, Token, operator, quotation_end};
use crate::{ErrorKind, QueryError, Span};

pub(super) fn lex(text: &str) -> Lexed {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(c) = rest.chars().next() else { break };
        let found = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '(' => Some((Token::Open, 1)),
            ')' => Some((Token::Close, 1)),
            '{' => Some((Token::BraceOpen, 1)),
            '}' => Some((Token::BraceClose, 1)),
            ',' => Some((Token::Comma, 1)),
            '"' | '\'' => quotation_end(text, at).map(|end| (Token::Quoted, end - at)),
            c if c.is_ascii_alphabetic() || c == '_' => Some((Token::Word, count(rest, is_identifier))),
            c if c.is_ascii_digit() => number(rest).map(|length| (Token::Word, length)),
            _ => match operator(rest) {
                Some((op, length)) => Some((Token::Op(op), length)),
                None if c == '!' => Some((Token::Bang, 1)),
                None => None,
            },
        };
        let Some((token, length)) = found else {
            return Lexed { tokens, error: Some(unexpected(text, at, c)) };
        };
        tokens.push((token, Span { start: at, end: at + length }));
        at += length;
    }
    Lexed { tokens, error: None }
}

fn unexpected(text: &str, at: usize, c: char) -> QueryError {
    match c {
        '"' | '\'' => {
            QueryError::new(ErrorKind::OpenQuote, Span { start: at, end: text.len() }, "unexpected character")
        }
        _ => {
            // A number runs into letters: the first of them is to blame.
            let digits = text.get(at..).filter(|_| c.is_ascii_digit());
            let at = at + digits.map_or(0, |rest| count(rest, |c| c.is_ascii_digit() || c == '.'));
            let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            QueryError::new(
                ErrorKind::UnexpectedCharacter,
                Span { start: at, end: at + length },
                "unexpected character",
            )
        }
    }
}

fn is_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Bytes of the characters at the start that are so.
fn count(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

/// Length of an integer or a float that no letter follows.
fn number(text: &str) -> Option<usize> {
    let digits = |text: &str| count(text, |c| c.is_ascii_digit());
    let whole = digits(text);
    let fraction = text.get(whole..).and_then(|rest| rest.strip_prefix('.')).map_or(0, digits);
    let length = if fraction > 0 { whole + 1 + fraction } else { whole };
    text.get(length..).is_none_or(|rest| !rest.starts_with(is_identifier)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_is_named_by_its_first_character() {
        let place = |text: &str| lex(text).error.map(|error| (error.offset, error.length));
        assert_eq!(place("a >= 1.5 AND'b'IN{c,\"d\\\"\"}!e"), None);
        assert_eq!(place("a = 10.0.0.1"), Some((8, 1)));
        assert_eq!(place("a = 10abc"), Some((6, 1)));
        assert_eq!(place("a = 1.5x"), Some((7, 1)));
        assert_eq!(place("a = b-c"), Some((5, 1)));
        assert_eq!(place("a = é"), Some((4, 2)));
        assert_eq!(place("a = 'b"), Some((4, 2)));
        assert_eq!(place("a = \"b\\\""), Some((4, 4)));
    }
}
