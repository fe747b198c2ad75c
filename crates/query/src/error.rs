//! [`QueryError`]: what is wrong with a query, where, and what to write instead.
//!
//! *Invariants*: 1. `offset..offset + length` lies in the text, on character boundaries; a length of 0 is a
//! place between characters; 2. a suggestion is the text to put in the place of those bytes.
//! *Limits*: words of the user are cut to 64 characters in messages.

use crate::{Dialect, MAX_BYTES, MAX_DEPTH, MAX_TERMS, Span};

/// What kind of problem it is; a bounded set of words for metrics by [`ErrorKind::reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing but blanks (incumbent's dialect).
    Empty,
    /// More than [`MAX_BYTES`].
    TooLong,
    /// More than [`MAX_TERMS`].
    TooManyTerms,
    /// Deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A character that begins nothing.
    UnexpectedCharacter,
    /// A quotation without an end.
    OpenQuote,
    /// Something after the end of the query.
    UnexpectedInput,
    /// A field or a word is missing.
    KeyExpected,
    /// `=`, `!=`, `<`, … is missing.
    ComparatorExpected,
    /// A value is missing.
    ValueExpected,
    /// `{` is missing.
    SetExpected,
    /// `)` is missing.
    MissingParenthesis,
    /// No field has this name.
    UnknownField,
    /// The field cannot have this value.
    InvalidValue,
    /// The field cannot be compared in this way.
    InvalidComparator,
}

impl ErrorKind {
    /// A word for labels of metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::TooManyTerms => "too_many_terms",
            Self::TooDeep => "too_deep",
            Self::UnexpectedCharacter => "unexpected_character",
            Self::OpenQuote => "open_quote",
            Self::UnexpectedInput => "unexpected_input",
            Self::KeyExpected => "key_expected",
            Self::ComparatorExpected => "comparator_expected",
            Self::ValueExpected => "value_expected",
            Self::SetExpected => "set_expected",
            Self::MissingParenthesis => "missing_parenthesis",
            Self::UnknownField => "unknown_field",
            Self::InvalidValue => "invalid_value",
            Self::InvalidComparator => "invalid_comparator",
        }
    }

    /// Whether the incumbent's form of the message ends in the place.
    fn tells_place(self) -> bool {
        matches!(
            self,
            Self::UnexpectedCharacter
                | Self::OpenQuote
                | Self::UnexpectedInput
                | Self::KeyExpected
                | Self::ComparatorExpected
                | Self::ValueExpected
        )
    }
}

/// Why a text is not a query. `Display` is one line for conditions and logs, [`QueryError::render`] two lines for
/// a terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", if kind.tells_place() { format!(" at {offset}") } else { String::new() })]
pub struct QueryError {
    /// What kind of problem it is.
    pub kind: ErrorKind,
    /// Byte of the text at which it begins.
    pub offset: usize,
    /// How many bytes it covers; 0 if something is missing at this place.
    pub length: usize,
    /// What happened, lower case, without full stop.
    pub message: String,
    /// What to write in the place of those bytes.
    pub suggestion: Option<String>,
}

impl QueryError {
    pub(crate) fn new(kind: ErrorKind, span: Span, message: impl Into<String>) -> Self {
        let length = span.end.saturating_sub(span.start);
        Self { kind, offset: span.start, length, message: message.into(), suggestion: None }
    }

    pub(crate) fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    pub(crate) fn too_long(text: &str) -> Self {
        let start = floor(text, MAX_BYTES);
        let message = format!("the query has {} bytes, more than {MAX_BYTES}", text.len());
        Self::new(ErrorKind::TooLong, Span { start, end: text.len() }, message)
    }

    pub(crate) fn too_many_terms(span: Span) -> Self {
        Self::new(ErrorKind::TooManyTerms, span, format!("more than {MAX_TERMS} terms"))
    }

    pub(crate) fn too_deep(span: Span) -> Self {
        Self::new(ErrorKind::TooDeep, span, format!("nested deeper than {MAX_DEPTH}"))
    }

    pub(crate) fn unknown_field(name: &str, span: Span, dialect: Dialect) -> Self {
        let what = match dialect {
            Dialect::Tapir => "unknown field",
            Dialect::Incumbent => "invalid key",
        };
        Self::new(ErrorKind::UnknownField, span, format!("{what}: {}", short(name)))
    }

    /// `expected` is said in Tapir's dialect only: the incumbent's message is kept to the letter.
    pub(crate) fn invalid_value(name: &str, value: &str, expected: &str, span: Span, dialect: Dialect) -> Self {
        let mut message = format!("invalid value for {name}: {}", short(value));
        if dialect == Dialect::Tapir {
            message = format!("{message} ({expected} expected)");
        }
        Self::new(ErrorKind::InvalidValue, span, message)
    }

    /// Two lines: the query, and a caret below the place with the message and the suggestion. Of a long query
    /// the part around the place is shown.
    pub fn render(&self, text: &str) -> String {
        let start = floor(text, self.offset);
        let end = floor(text, self.offset.saturating_add(self.length)).max(start);
        let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
        let (marked, after) = rest.split_at_checked(end.saturating_sub(start)).unwrap_or((rest, ""));
        let skipped = before.chars().count().saturating_sub(BEFORE);
        let mut line = String::new();
        if skipped > 0 {
            line.push('…');
        }
        line.extend(before.chars().skip(skipped).map(visible));
        let column = line.chars().count();
        let carets = marked.chars().count().clamp(1, MARKED);
        line.extend(marked.chars().take(MARKED).map(visible));
        if marked.chars().nth(MARKED).is_some() {
            line.push('…');
        } else {
            line.extend(after.chars().take(AFTER).map(visible));
            if after.chars().nth(AFTER).is_some() {
                line.push('…');
            }
        }
        let hint = repair(self.suggestion.as_deref(), self.length);
        let words: String = format!("{}{hint}", self.message).chars().map(visible).collect();
        format!("{line}\n{}{} {words}", " ".repeat(column), "^".repeat(carets))
    }
}

/// What to do about an error, to be put behind its message; empty without a suggestion. `length`: bytes that the error covers.
pub fn repair(suggestion: Option<&str>, length: usize) -> String {
    match suggestion {
        Some("") => "; leave it out".to_owned(),
        Some(text) if length == 0 => format!("; add `{text}`"),
        Some(text) => format!("; did you mean `{text}`?"),
        None => String::new(),
    }
}

/// Characters shown before, at and behind the place.
const BEFORE: usize = 60;
const MARKED: usize = 40;
const AFTER: usize = 40;

/// Control characters, line ends among them, would break the two lines apart; direction marks their order.
fn visible(c: char) -> char {
    match c {
        c if c.is_control() => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        c => c,
    }
}

/// At most 64 characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The character boundary at or before `at`.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn a_rendered_error_points_at_the_characters() {
        let text = "ns:shop severty>=high";
        let error = parse(text, Dialect::Tapir).unwrap_err();
        assert_eq!(
            error.render(text),
            format!("{text}\n        ^^^^^^^ unknown field: severty; did you mean `severity`?")
        );
        let text = "(ns:shop";
        let error = parse(text, Dialect::Tapir).unwrap_err();
        assert_eq!(error.render(text), format!("{text}\n        ^ missing ); add `)`"));
    }

    #[test]
    fn a_long_query_is_cut_around_the_place() {
        let text = format!("\"{}\" nss:a \"{}\"", "ü".repeat(300), "z".repeat(300));
        let error = parse(&text, Dialect::Tapir).unwrap_err();
        let rendered = error.render(&text);
        let (line, carets) = rendered.split_once('\n').unwrap();
        assert!(line.starts_with('…') && line.ends_with('…') && line.chars().count() < 120, "{line}");
        let column = carets.find('^').unwrap();
        assert_eq!(line.chars().skip(column).take(3).collect::<String>(), "nss");
    }

    #[test]
    fn a_rendered_error_has_two_lines_whatever_the_text() {
        let text = "a\nb\u{202e}c)";
        let error = parse(text, Dialect::Tapir).unwrap_err();
        assert_eq!(error.render(text), "a b\u{fffd}c)\n     ^ unexpected input; leave it out");
        assert_eq!(error.to_string(), "unexpected input at 7");
    }
}
