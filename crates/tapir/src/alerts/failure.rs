//! [`Failure`]: what went wrong, in words for the person who typed the command, and the exit code.

use super::readable::readable;
use serde::Deserialize;
use std::fmt::Write;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// The command line cannot be meant so.
    Usage(String),
    /// The manager refused, with an RFC 9457 problem.
    Refused(Box<Problem>),
    /// The manager did not answer, or not as a manager does.
    Unreachable(String),
    /// Standard output.
    Output(std::io::Error),
    /// Anything else.
    Other(String),
}

/// An error answer of the API (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// `/problems/NAME`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// Of query errors: the byte at which it begins.
    pub offset: Option<usize>,
    /// Of query errors: how many bytes.
    pub length: Option<usize>,
    /// Of query errors: what to write there.
    pub suggestion: Option<String>,
    /// Of a moved count: groups that match now.
    pub count: Option<u64>,
    /// The query that was sent.
    #[serde(skip)]
    pub query: Option<String>,
    /// Seconds to wait.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// It may go better by itself: an overloaded or restarting manager, a proxy.
    pub fn is_passing(&self) -> bool {
        self.status == 429 || self.status >= 500
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl Failure {
    /// Exit code; `None`: the reader of our output has gone, which is no failure.
    pub fn code(&self) -> Option<u8> {
        match self {
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => None,
            Self::Usage(_) => Some(2),
            // A query, a time, a state that the manager does not understand.
            Self::Refused(problem) if problem.status == 400 => Some(2),
            _ => Some(1),
        }
    }

    /// It may go better by itself.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.is_passing(),
            Self::Unreachable(_) => true,
            _ => false,
        }
    }

    /// The manager is there and says that it has no time now.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Refused(problem) if matches!(problem.status, 429 | 503))
    }

    /// What happened and what to do next. Nothing of it moves a terminal.
    pub fn text(&self) -> String {
        match self {
            Self::Usage(text) | Self::Unreachable(text) | Self::Other(text) => text.clone(),
            Self::Output(error) => format!("cannot write the output: {error}"),
            Self::Refused(problem) => problem.text(),
        }
    }
}

impl Problem {
    fn text(&self) -> String {
        let detail = if self.detail.is_empty() { &self.title } else { &self.detail };
        let detail = readable(detail);
        if let (Some(offset), Some(query)) = (self.offset, &self.query) {
            let place = caret(query, offset, self.length.unwrap_or(0), self.suggestion.as_deref());
            return format!("the query cannot be understood: {detail}\n{place}");
        }
        match (self.status, self.count) {
            (401, _) => format!(
                "the manager does not know who asks: {detail}; give the administrator's token with --token-file or \
                 TAPIR_TOKEN_FILE"
            ),
            (409, Some(count)) => format!("{detail}; {count} groups match now: look again, then decide again"),
            _ => detail,
        }
    }
}

/// Columns of a query that are shown around the place.
const AROUND: usize = 60;

/// The query, and below it what is wrong where.
fn caret(query: &str, offset: usize, length: usize, suggestion: Option<&str>) -> String {
    let start = floor(query, offset);
    let end = floor(query, offset.saturating_add(length)).max(start);
    let (before, place, after) = (
        readable(query.get(..start).unwrap_or_default()),
        readable(query.get(start..end).unwrap_or_default()),
        readable(query.get(end..).unwrap_or_default()),
    );
    // Long queries are cut on both sides.
    let left = before.chars().count().saturating_sub(AROUND);
    let mut shown: String = before.chars().skip(left).collect();
    let indent = shown.chars().count() + if left > 0 { 1 } else { 0 };
    if left > 0 {
        shown.insert(0, '…');
    }
    let marked: String = place.chars().take(AROUND).collect();
    shown.push_str(&marked);
    shown.extend(after.chars().take(AROUND));
    if after.chars().count() > AROUND {
        shown.push('…');
    }
    let mut text = format!("  {shown}\n  {}{}", " ".repeat(indent), "^".repeat(marked.chars().count().max(1)));
    if let Some(suggestion) = suggestion {
        // Writing to a string cannot fail.
        let _ = write!(text, " write `{}`", readable(suggestion));
    }
    text
}

/// The nearest place at or before, between characters.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query_error(query: &str, offset: usize, length: usize, suggestion: Option<&str>) -> String {
        let problem = Problem {
            status: 400,
            detail: "unknown field: severty".into(),
            offset: Some(offset),
            length: Some(length),
            suggestion: suggestion.map(str::to_owned),
            query: Some(query.into()),
            ..Problem::default()
        };
        Failure::Refused(Box::new(problem)).text()
    }

    #[test]
    fn a_query_error_has_a_caret_under_its_place() {
        insta::assert_snapshot!(query_error("ns:shop severty:high", 8, 7, Some("severity")), @r"
        the query cannot be understood: unknown field: severty
          ns:shop severty:high
                  ^^^^^^^ write `severity`
        ");
        insta::assert_snapshot!(query_error("ns:(a b", 7, 0, None), @r"
        the query cannot be understood: unknown field: severty
          ns:(a b
                 ^
        ");
    }

    #[test]
    fn the_caret_stands_right_behind_characters_of_several_bytes_and_hidden_ones() {
        insta::assert_snapshot!(caret("é\u{202e} x", 6, 1, None), @r"
          é\u{202e} x
                    ^
        ");
        // Inside of a character, and behind the end.
        assert_eq!(caret("é", 1, 1, None), "  é\n  ^");
        assert_eq!(caret("a", 9, 9, None), "  a\n   ^");
    }

    #[test]
    fn a_long_query_is_cut_around_the_place() {
        let text = caret(&format!("{} bad {}", "x".repeat(4000), "y".repeat(4000)), 4001, 3, None);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 140), "{text}");
        let at = lines[1].find('^').unwrap();
        assert_eq!(lines[0].chars().skip(at).take(3).collect::<String>(), "bad");
    }

    #[test]
    fn exit_codes() {
        let refused = |problem| Failure::Refused(Box::new(problem)).code();
        assert_eq!(refused(Problem { status: 404, ..Problem::default() }), Some(1));
        assert_eq!(refused(Problem { status: 400, offset: Some(0), ..Problem::default() }), Some(2));
        assert_eq!(Failure::Usage(String::new()).code(), Some(2));
        assert_eq!(Failure::Output(std::io::ErrorKind::BrokenPipe.into()).code(), None);
        assert_eq!(Failure::Output(std::io::ErrorKind::StorageFull.into()).code(), Some(1));
    }
}
