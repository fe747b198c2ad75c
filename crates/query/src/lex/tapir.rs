//! Tapir's tokens. What ends a word depends on where it stands:
//!
//! | place | a word goes on until | because of |
//! | --- | --- | --- |
//! | where a term may begin | a blank, a bracket, a quote, a comma, an operator, the `:` of a field | `severity>=high`, `ns:shop` |
//! | behind `=`, `<`, …, `:` | a blank, a bracket, a quote | `uri:/a?b=c`, `ip:2001:db8::1`, `time<2026-11-24T00:00:00Z` |
//! | in `:(…)` and `{…}` | the same, or a comma | `sid:(1,2)` |
//!
//! An address with colons is a word in every place. `-` is a negation only where a term begins.

use super::{Lexed, Token, is_keyword, operator, quotation_end};
use crate::{ErrorKind, Net, QueryError, Span};

/// Where the lexer is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Term,
    /// Behind an operator; `colon`: a parenthesis opens a list.
    Value {
        colon: bool,
    },
    /// In `:(…)` or `{…}`.
    List,
}

pub(super) fn lex(text: &str) -> Lexed {
    let mut tokens: Vec<(Token, Span)> = Vec::new();
    let mut place = Place::Term;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(c) = rest.chars().next() else { break };
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        // `msg::` is a field with the value `:`, and `::` alone an address.
        let behind_word = tokens.last().is_some_and(|(token, span)| {
            span.end == at && matches!(token, Token::Word | Token::Quoted) && place == Place::Term
        });
        let (token, length) = match token(text, at, c, place) {
            _ if c == ':' && behind_word => (Token::Colon, 1),
            Ok(found) => found,
            Err(error) => return Lexed { tokens, error: Some(error) },
        };
        place = match token {
            Token::Colon => Place::Value { colon: true },
            Token::Op(_) if place != Place::List => Place::Value { colon: false },
            Token::Open if place == (Place::Value { colon: true }) => Place::List,
            Token::BraceOpen => Place::List,
            Token::Close | Token::BraceClose => Place::Term,
            _ if place == Place::List => Place::List,
            _ => Place::Term,
        };
        tokens.push((token, Span { start: at, end: at + length }));
        at += length;
    }
    Lexed { tokens, error: None }
}

fn token(text: &str, at: usize, c: char, place: Place) -> Result<(Token, usize), QueryError> {
    let rest = text.get(at..).unwrap_or_default();
    Ok(match c {
        '(' => (Token::Open, 1),
        ')' => (Token::Close, 1),
        '{' => (Token::BraceOpen, 1),
        '}' => (Token::BraceClose, 1),
        ',' => (Token::Comma, 1),
        '"' | '\'' => match quotation_end(text, at) {
            Some(end) => (Token::Quoted, end - at),
            None => return Err(open_quote(rest, at, c)),
        },
        '=' | '!' | '<' | '>' => match operator(rest) {
            Some((op, length)) => (Token::Op(op), length),
            None => (Token::Bang, 1),
        },
        _ if place != Place::Term => (Token::Word, value_length(rest, place)),
        '&' | '|' => {
            let length = rest.chars().take_while(|&other| other == c).count();
            let word = if c == '&' { "AND" } else { "OR" };
            let span = Span { start: at, end: at + length };
            return Err(
                QueryError::new(ErrorKind::UnexpectedCharacter, span, "unexpected character").suggest(Some(word))
            );
        }
        '-' => (Token::Minus, 1),
        _ => match term_length(rest) {
            0 => (Token::Colon, 1),
            length => (Token::Word, length),
        },
    })
}

fn open_quote(rest: &str, at: usize, quote: char) -> QueryError {
    // A backslash at the end would hide the quote that is suggested.
    let repair = (rest.len() <= 64 && !rest.ends_with('\\')).then(|| format!("{rest}{quote}"));
    let span = Span { start: at, end: at + rest.len() };
    QueryError::new(ErrorKind::OpenQuote, span, "quotation without an end").suggest(repair)
}

/// What ends a word in every place.
pub(crate) fn is_word_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '{' | '}' | '"' | '\'')
}

/// Length of a word behind an operator, at least 1 character.
fn value_length(rest: &str, place: Place) -> usize {
    rest.find(|c| is_word_end(c) || (c == ',' && place == Place::List)).unwrap_or(rest.len())
}

/// Length of a word where a term may begin; 0 if it is a `:`.
fn term_length(rest: &str) -> usize {
    let longest = rest.find(|c| is_word_end(c) || c == ',').unwrap_or(rest.len());
    let run = rest.get(..longest).unwrap_or(rest);
    // Nothing longer is an address, so that a text of colons is not read again for each of them.
    if run.len() <= LONGEST_NET && run.contains(':') && Net::parse(run).is_some() {
        return longest;
    }
    for (at, c) in run.char_indices() {
        match c {
            '=' | '<' | '>' => return at,
            '!' if run.get(at + 1..).is_some_and(|rest| rest.starts_with('=')) => return at,
            // `AND!type = waf`
            '!' if run.get(..at).is_some_and(is_keyword) => return at,
            ':' if run.get(..at).is_some_and(is_field_like) => return at,
            _ => {}
        }
    }
    longest
}

/// `ffff:…:255.255.255.255/128`
const LONGEST_NET: usize = 49;

/// Whether it could be meant as a field, so that the `:` behind it is an operator. `1:1122` is a word.
fn is_field_like(word: &str) -> bool {
    word.is_empty()
        || word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let lexed = lex(text);
        assert_eq!(lexed.error, None, "{text}");
        lexed.tokens.iter().filter_map(|(_, span)| text.get(span.start..span.end)).collect()
    }

    #[test]
    fn the_place_decides_what_ends_a_word() {
        assert_eq!(
            words("severity>=high ns:kube-system -is:open"),
            ["severity", ">=", "high", "ns", ":", "kube-system", "-", "is", ":", "open"]
        );
        assert_eq!(words("uri:/a?b=c,d x"), ["uri", ":", "/a?b=c,d", "x"]);
        assert_eq!(words("sid:(1,2 3)4"), ["sid", ":", "(", "1", ",", "2", "3", ")", "4"]);
        assert_eq!(words("a IN{x,'y'}AND b"), ["a", "IN", "{", "x", ",", "'y'", "}", "AND", "b"]);
        assert_eq!(words("a!=b wow! !c"), ["a", "!=", "b", "wow!", "!", "c"]);
        assert_eq!(words("x-y --z"), ["x-y", "-", "-", "z"]);
    }

    #[test]
    fn addresses_with_colons_are_words() {
        assert_eq!(words("2001:db8::1 fe80::/10 ::1"), ["2001:db8::1", "fe80::/10", "::1"]);
        assert_eq!(words("ip:::1 ip=fe80::1"), ["ip", ":", "::1", "ip", "=", "fe80::1"]);
        assert_eq!(words("1:1122 aé:x"), ["1:1122", "aé:x"]);
        assert_eq!(words("\"a b\":x"), ["\"a b\"", ":", "x"]);
    }

    #[test]
    fn what_begins_nothing_has_a_repair() {
        let error = lex("a && b").error.unwrap();
        assert_eq!((error.offset, error.length, error.suggestion.as_deref()), (2, 2, Some("AND")));
        let error = lex("a \"b c").error.unwrap();
        assert_eq!((error.offset, error.length, error.suggestion.as_deref()), (2, 4, Some("\"b c\"")));
        assert_eq!(words("R&D ns:a|b"), ["R&D", "ns", ":", "a|b"]);
    }
}
