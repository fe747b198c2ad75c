//! From text to statements: raw rules, directives, nothing for comments.
//!
//! Two styles of reading. *Stream* (Snort 3): line ends mean nothing, `#`, `#begin … #end` and
//! `/* … */` are comments, quotes protect. *Lines* (Snort 2.9, Suricata): a rule is a line, longer
//! with `\` at its end, and options end at unescaped semicolons. A line that begins like a rule
//! also ends an unfinished rule before it, so one broken rule never hides the next, and no byte is
//! read more than a fixed number of times. Snort 3 manual: rule syntax; Suricata: rule format.

mod header;
mod lines;
mod statements;
mod stream;

use header::tokens;
pub(crate) use header::{Token, looks_like_rule};
pub(crate) use statements::{Reader, Reading, Statement};

use crate::source::offset;
use crate::{Diagnostic, Dialect, OptionNode, Severity, SourceId, Span};

/// A rule as read, before anything in it is judged.
#[derive(Clone, Debug)]
pub(crate) struct RawRule {
    /// Surface form it was read in.
    pub dialect: Dialect,
    /// False behind `#`.
    pub enabled: bool,
    /// The whole rule.
    pub span: Span,
    /// The word in action position.
    pub action: String,
    /// Its place.
    pub action_span: Span,
    /// Words between action and body.
    pub header: Vec<Token>,
    /// Options of the body.
    pub options: Vec<OptionNode>,
    /// What is wrong with the syntax.
    pub problems: Vec<Diagnostic>,
}

impl RawRule {
    fn new(dialect: Dialect, action: &str, action_span: Span) -> Self {
        Self {
            dialect,
            enabled: true,
            span: action_span,
            action: action.to_owned(),
            action_span,
            header: Vec::new(),
            options: Vec::new(),
            problems: Vec::new(),
        }
    }
}

/// A reading position within one source, never beyond `end`.
#[derive(Clone, Debug)]
struct Lexer<'a> {
    text: &'a str,
    source: SourceId,
    at: usize,
    end: usize,
    problems: Vec<Diagnostic>,
    /// Something wasn't closed and took the rest with it: what follows from that isn't reported.
    lost: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, source: SourceId, at: usize, end: usize) -> Self {
        Self { text, source, at, end: end.min(text.len()), problems: Vec::new(), lost: false }
    }

    fn byte_at(&self, at: usize) -> Option<u8> {
        if at >= self.end {
            return None;
        }
        self.text.as_bytes().get(at).copied()
    }

    fn peek(&self) -> Option<u8> {
        self.byte_at(self.at)
    }

    fn peek_next(&self) -> Option<u8> {
        self.byte_at(self.at.saturating_add(1))
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1).min(self.end);
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end.min(self.end)).unwrap_or("")
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { source: self.source, start: offset(start), end: offset(end) }
    }

    fn error(&mut self, code: &'static str, place: (usize, usize), message: impl Into<String>, help: &str) {
        self.report(Severity::Error, code, place, message, help);
    }

    fn warn(&mut self, code: &'static str, place: (usize, usize), message: impl Into<String>, help: &str) {
        self.report(Severity::Warning, code, place, message, help);
    }

    /// Notes a problem at bytes `place.0..place.1`.
    fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: (usize, usize),
        message: impl Into<String>,
        help: &str,
    ) {
        // A rule of nothing but mistakes shall not cost more than its text.
        if self.problems.len() < MAX_PROBLEMS && !self.lost {
            let mut problem = Diagnostic::new(severity, code, self.span(place.0, place.1), message);
            problem.help = (!help.is_empty()).then(|| help.to_owned());
            self.problems.push(problem);
        }
    }

    /// Length of a line continuation at `at`: `\` before a line end, blanks between them being
    /// forgiven; 0 if there is none.
    fn continuation(&self, at: usize) -> usize {
        if self.byte_at(at) != Some(b'\\') {
            return 0;
        }
        let mut end = at.saturating_add(1);
        while self.byte_at(end).is_some_and(|byte| b" \t\r".contains(&byte)) {
            end = end.saturating_add(1);
        }
        match self.byte_at(end) {
            Some(b'\n') => end.saturating_add(1).saturating_sub(at),
            _ => 0,
        }
    }

    /// Skips blanks, line ends and continuations.
    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(byte) if byte.is_ascii_whitespace() => self.bump(),
                Some(b'\\') if self.continuation(self.at) > 0 => {
                    self.at = self.at.saturating_add(self.continuation(self.at));
                }
                _ => return,
            }
        }
    }

    /// Position of the line's end: of its `\n`, or `end`.
    fn line_end(&self, from: usize) -> usize {
        let rest = self.text.as_bytes().get(from..self.end).unwrap_or(&[]);
        memchr::memchr(b'\n', rest).map_or(self.end, |found| from.saturating_add(found))
    }

    /// As [`Self::line_end`], over line continuations.
    fn logical_line_end(&self, from: usize) -> usize {
        let mut end = self.line_end(from);
        while end < self.end && self.is_continued(from, end) {
            end = self.line_end(end.saturating_add(1));
        }
        end
    }

    fn is_continued(&self, from: usize, end: usize) -> bool {
        let line = self.text.as_bytes().get(from..end).unwrap_or(&[]);
        line.trim_ascii_end().ends_with(b"\\")
    }
}

/// The text without line continuations and line ends.
fn clean(raw: &str) -> String {
    let Some((first, rest)) = raw.split_once('\n') else { return raw.to_owned() };
    let mut text = String::with_capacity(raw.len());
    let mut line = first;
    for next in rest.split('\n') {
        let joined = line.trim_end_matches([' ', '\t', '\r']).strip_suffix('\\');
        text.push_str(joined.unwrap_or_else(|| line.strip_suffix('\r').unwrap_or(line)));
        line = next;
    }
    text.push_str(line);
    text
}

/// Diagnostics kept per rule.
const MAX_PROBLEMS: usize = 16;

/// Options per rule.
pub(crate) const MAX_OPTIONS: usize = 1024;
