//! [`SelectorError`]: what is wrong with a selector, where, and what to write instead.
//!
//! *Invariants*: 1. `position..position + length` lies in the text, on character boundaries; a length of 0 is a place between
//! characters; 2. [`SelectorError::render`] has two lines whatever the text.
//! *Limits*: words of the user are cut to 64 characters in messages.

use std::borrow::Cow;
use std::ops::Range;

/// What kind of problem it is; a bounded set of words for metrics by [`ErrorKind::reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// More than [`super::MAX_BYTES`].
    TooLong,
    /// Deeper than [`super::MAX_NESTING`].
    TooDeep,
    /// The text ends where a term or an operator must follow.
    UnexpectedEnd,
    /// Something that cannot begin a term.
    UnexpectedToken,
    /// A complete selector, and then more.
    TrailingContent,
    /// A character that begins nothing, or no label where one must be.
    ExpectedLabelName,
    /// A label without an operator behind it.
    ExpectedOperator,
    /// A single `=`.
    ExpectedDoubleEquals,
    /// A single `&`.
    ExpectedDoubleAmpersand,
    /// A single `|`.
    ExpectedDoublePipe,
    /// No value in quotation marks where one must be.
    ExpectedString,
    /// No `{` after `in` or `not in`.
    ExpectedSet,
    /// A set that goes on without a comma or does not end.
    ExpectedRbrace,
    /// A `(` without its `)`.
    ExpectedRparen,
    /// `has(`, `all(` or `global(` without its `)`.
    ExpectedCallClose,
    /// A quotation mark without its second.
    UnterminatedString,
    /// A name longer than [`super::MAX_NAME`].
    LabelTooLong,
}

impl ErrorKind {
    /// A word for conditions and labels of metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::TooDeep => "too_deep",
            Self::UnexpectedEnd => "unexpected_end",
            Self::UnexpectedToken => "unexpected_token",
            Self::TrailingContent => "trailing_content",
            Self::ExpectedLabelName => "expected_label_name",
            Self::ExpectedOperator => "expected_operator",
            Self::ExpectedDoubleEquals => "expected_double_equals",
            Self::ExpectedDoubleAmpersand => "expected_double_ampersand",
            Self::ExpectedDoublePipe => "expected_double_pipe",
            Self::ExpectedString => "expected_string",
            Self::ExpectedSet => "expected_set",
            Self::ExpectedRbrace => "expected_rbrace",
            Self::ExpectedRparen => "expected_rparen",
            Self::ExpectedCallClose => "expected_call_close",
            Self::UnterminatedString => "unterminated_string",
            Self::LabelTooLong => "label_too_long",
        }
    }
}

/// Why a text is no selector. `Display` is one line for conditions and logs, [`SelectorError::render`] two lines for a
/// terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {position}; {help}")]
pub struct SelectorError {
    /// What kind of problem it is.
    pub kind: ErrorKind,
    /// Byte of the text at which it begins.
    pub position: usize,
    /// How many bytes it covers; 0 if something is missing at this place.
    pub length: usize,
    /// What happened, lower case, without full stop.
    pub message: String,
    /// What to do, lower case, without full stop.
    pub help: Cow<'static, str>,
}

impl SelectorError {
    pub(super) fn new(
        kind: ErrorKind,
        place: Range<usize>,
        message: impl Into<String>,
        help: impl Into<Cow<'static, str>>,
    ) -> Self {
        let length = place.end.saturating_sub(place.start);
        Self { kind, position: place.start, length, message: message.into(), help: help.into() }
    }

    /// Two lines: the selector, and carets below the place with the message and the help. Of a long selector the part around
    /// the place is shown; control characters and characters that turn text are replaced.
    pub fn render(&self, text: &str) -> String {
        let start = floor(text, self.position);
        let end = floor(text, self.position.saturating_add(self.length)).max(start);
        let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
        let (marked, after) = rest.split_at_checked(end.saturating_sub(start)).unwrap_or((rest, ""));
        let skipped = before.chars().count().saturating_sub(AROUND);
        let mut line: String = if skipped > 0 { "…".into() } else { String::new() };
        line.extend(before.chars().skip(skipped).map(visible));
        let column = line.chars().count();
        let carets = marked.chars().count().clamp(1, AROUND);
        line.extend(marked.chars().chain(after.chars()).take(carets + AROUND).map(visible));
        if marked.chars().count() + after.chars().count() > carets + AROUND {
            line.push('…');
        }
        let words: String = format!("{}; {}", self.message, self.help).chars().map(visible).collect();
        format!("{line}\n{}{} {words}", " ".repeat(column), "^".repeat(carets))
    }
}

/// Characters shown before the place, and behind it.
const AROUND: usize = 40;

/// Line ends would break the two lines apart, direction marks turn them around.
fn visible(c: char) -> char {
    match c {
        c if c.is_control() => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        c => c,
    }
}

/// At most 64 characters of what a user wrote.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The character boundary at or before `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use crate::selector::Selector;

    #[test]
    fn the_caret_stands_below_the_place() {
        let text = "app == frontend";
        let error = Selector::parse(text).unwrap_err();
        assert_eq!(
            error.render(text),
            "app == frontend\n       ^^^^^^^^ expected a value in quotation marks after `==`; write \"frontend\""
        );
        assert_eq!(error.to_string(), "expected a value in quotation marks after `==` at byte 7; write \"frontend\"");
    }

    #[test]
    fn a_long_selector_is_cut_around_the_place() {
        let text = format!("a == \"{}\" && b = \"{}\"", "ü".repeat(300), "z".repeat(300));
        let rendered = Selector::parse(&text).unwrap_err().render(&text);
        let (line, carets) = rendered.split_once('\n').unwrap();
        assert!(line.starts_with('…') && line.ends_with('…') && line.chars().count() < 90, "{line}");
        let column = carets.chars().position(|c| c == '^').unwrap();
        assert_eq!(line.chars().nth(column), Some('='), "{rendered}");
    }

    #[test]
    fn a_rendered_error_has_two_lines_whatever_the_text() {
        let text = "app == \"\u{202e}\"\nb";
        assert_eq!(Selector::parse(text).unwrap_err().render(text).lines().count(), 2);
    }
}
