//! The statements of a file, one after the other.

use super::header::is_action;
use super::{Lexer, RawRule, lines, looks_like_rule, stream};
use crate::dialect::{self, FileDialect};
use crate::source::offset;
use crate::{Diagnostic, Dialect, SourceId, Span};

/// A statement of a rule file. Comments yield nothing.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// A rule, well-formed or not.
    Rule(RawRule),
    /// A line that begins with a word of the configuration language.
    Directive {
        /// The word.
        word: String,
        /// The rest of the line, continuations removed.
        rest: String,
        /// The whole line.
        span: Span,
        /// Where `rest` starts.
        rest_start: u32,
    },
    /// Text that is no statement.
    Problem(Diagnostic),
}

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// One dialect, or by rule.
    pub dialect: FileDialect,
    /// Bytes per rule.
    pub max_rule_bytes: usize,
}

/// Reads the statements of one text.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    source: SourceId,
    reading: Reading,
    at: usize,
    /// The next line that begins like a rule, valid while it lies ahead.
    boundary: usize,
    /// Nothing stands before `at` in its line. Only then is the line looked at as a whole, or a
    /// single endless line of rules would be read once per rule.
    at_line_start: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, source: SourceId, reading: Reading) -> Self {
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, source, reading, at, boundary: 0, at_line_start: true }
    }

    /// The next statement, `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Statement> {
        loop {
            let mut lexer = self.lexer(self.at, self.text.len());
            lexer.skip_blanks();
            self.at_line_start = self.at == 0 || lexer.slice(self.at, lexer.at).contains('\n');
            self.at = lexer.at;
            let rest = self.text.get(self.at..).unwrap_or("");
            let first = rest.chars().next()?;
            if first == '#' {
                if let Some(rule) = self.comment() {
                    return Some(Statement::Rule(rule));
                }
            } else if rest.starts_with("/*") {
                if let Some(problem) = self.block_comment() {
                    return Some(Statement::Problem(problem));
                }
            } else {
                return self.statement(rest);
            }
        }
    }

    fn lexer(&self, at: usize, end: usize) -> Lexer<'a> {
        Lexer::new(self.text, self.source, at, end)
    }

    fn statement(&mut self, rest: &str) -> Option<Statement> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let word = rest.get(..rest.find(|c| !is_word(c)).unwrap_or(rest.len())).unwrap_or("");
        if is_action(word.as_bytes()) {
            return Some(Statement::Rule(self.rule(word)));
        }
        if word == "END" {
            return None;
        }
        let is_rule = word == "config" && {
            // Suricata has rules with this word in action position.
            let line = rest.get(..rest.find('\n').unwrap_or(rest.len())).unwrap_or("");
            line.contains("->") && line.contains('(')
        };
        if DIRECTIVES.contains(&word) && !is_rule {
            return Some(self.directive(word));
        }
        Some(self.unknown(word))
    }

    /// A rule whose action is `word`.
    fn rule(&mut self, word: &str) -> RawRule {
        let start = self.at;
        let (dialect, mixed) = match self.reading.dialect {
            FileDialect::One(dialect) => (dialect, false),
            FileDialect::Mixed(fallback) => (fallback, true),
        };
        if (mixed && !self.at_line_start) || (!mixed && dialect == Dialect::Snort3) {
            let end = self.next_boundary(start);
            return self.read_rule(dialect, word, (start, end), false);
        }
        let line_end = self.lexer(start, self.text.len()).logical_line_end(start);
        let line = self.text.get(start..line_end).unwrap_or("");
        let dialect = if mixed { dialect::of_rule(line).unwrap_or(dialect) } else { dialect };
        // In mixed files a rule over several lines without `\` is a stream whatever its words.
        let by_lines = dialect != Dialect::Snort3 && (!mixed || line.trim_end().ends_with(')'));
        let end = if by_lines { line_end } else { self.next_boundary(start) };
        self.read_rule(dialect, word, (start, end), by_lines)
    }

    /// Reads the rule at `start` and moves behind it; behind `end` if it isn't complete.
    fn read_rule(&mut self, dialect: Dialect, word: &str, (start, end): (usize, usize), by_lines: bool) -> RawRule {
        let limit = start.saturating_add(self.reading.max_rule_bytes);
        let cut = self.text.floor_char_boundary(end.min(limit));
        let mut lexer = self.lexer(start.saturating_add(word.len()), cut);
        let action_span = lexer.span(start, start.saturating_add(word.len()));
        let mut rule = RawRule::new(dialect, word, action_span);
        rule.span = lexer.span(start, cut);
        let complete = if by_lines {
            lines::read(&mut lexer, &mut rule);
            true
        } else {
            stream::read(&mut lexer, &mut rule)
        };
        let too_long = cut < end && (by_lines || !complete);
        if too_long {
            let message = format!("rule is longer than {} bytes", self.reading.max_rule_bytes);
            lexer.problems.clear();
            lexer.error("R0111", (start, start.saturating_add(word.len())), message, "");
        }
        let stop = if too_long { end } else { lexer.at };
        let text = self.text.get(start..stop).unwrap_or("").trim_end();
        rule.span.end = offset(start.saturating_add(text.len()));
        rule.problems = lexer.problems;
        self.at = if complete && !too_long { stop } else { end };
        rule
    }

    /// The start of the next line after `start` that begins like a rule, or the end of the text.
    fn next_boundary(&mut self, start: usize) -> usize {
        if self.boundary > start {
            return self.boundary;
        }
        let bytes = self.text.as_bytes();
        let rest = bytes.get(start..).unwrap_or(&[]);
        let newlines = memchr::memchr_iter(b'\n', rest).map(|at| start.saturating_add(at).saturating_add(1));
        let begins = |&at: &usize| {
            let line = bytes.get(at..).unwrap_or(&[]);
            // Only the line's start matters; this bounds the look at a line of blanks.
            let line = line.get(..LOOK).unwrap_or(line);
            looks_like_rule(line.trim_ascii_start())
        };
        self.boundary = newlines.into_iter().find(begins).unwrap_or(self.text.len());
        self.boundary
    }

    /// A comment from `#`: a disabled rule, or nothing.
    fn comment(&mut self) -> Option<RawRule> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        // `#begin` counts in the first column only.
        let first_column = start.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|&byte| byte == b'\n');
        let end = self.lexer(start, self.text.len()).line_end(start);
        let line = self.text.get(start..end).unwrap_or("");
        if first_column && line.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("#begin")) {
            self.at = self.end_of_block(end);
            return None;
        }
        self.at = end;
        let code = line.trim_start_matches(['#', ' ', '\t']).trim_end();
        if !looks_like_rule(code.as_bytes()) || !code.ends_with(')') {
            return None;
        }
        self.disabled_rule(start.saturating_add(line.find(code)?), code, end)
    }

    fn disabled_rule(&mut self, start: usize, code: &str, end: usize) -> Option<RawRule> {
        let word = code.split([' ', '\t', '(']).next()?;
        let dialect = match self.reading.dialect {
            FileDialect::One(dialect) => dialect,
            FileDialect::Mixed(fallback) => dialect::of_rule(code).unwrap_or(fallback),
        };
        let code_end = start.saturating_add(code.len());
        let mut rule = self.read_rule(dialect, word, (start, code_end), dialect != Dialect::Snort3);
        let whole = rule.span.end as usize == code_end;
        self.at = end;
        rule.enabled = false;
        (whole && rule.problems.is_empty()).then_some(rule)
    }

    /// Behind the line that starts with `#end`, or the end of the text.
    fn end_of_block(&self, from: usize) -> usize {
        let mut at = from;
        for line in self.text.get(from..).unwrap_or("").split_inclusive('\n') {
            at = at.saturating_add(line.len());
            if line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("#end")) {
                return at;
            }
        }
        at
    }

    fn block_comment(&mut self) -> Option<Diagnostic> {
        let mut lexer = self.lexer(self.at, self.text.len());
        let closed = lexer.skip_block_comment();
        let start = self.at;
        self.at = lexer.at;
        if closed {
            return None;
        }
        lexer.error("R0112", (start, start.saturating_add(2)), "the comment is not closed", "add `*/`");
        lexer.problems.pop()
    }

    fn directive(&mut self, word: &str) -> Statement {
        let start = self.at;
        let lexer = self.lexer(start, self.text.len());
        let mut end = lexer.logical_line_end(start);
        if word == "ruletype" {
            // A block in braces; without one, the line.
            let bytes = self.text.as_bytes().get(start..).unwrap_or(&[]);
            let block = memchr::memchr(b'}', bytes.get(..MAX_BLOCK).unwrap_or(bytes));
            end = block.map_or(end, |at| start.saturating_add(at).saturating_add(1));
        }
        let rest_start = start.saturating_add(word.len());
        let raw = self.text.get(rest_start..end).unwrap_or("");
        let rest_start = rest_start.saturating_add(raw.len().saturating_sub(raw.trim_start().len()));
        let rest = super::clean(raw);
        self.at = end;
        let span = lexer.span(start, start.saturating_add(word.len()).saturating_add(raw.trim_end().len()));
        Statement::Directive {
            word: word.to_owned(),
            rest: rest.trim().to_owned(),
            span,
            rest_start: offset(rest_start),
        }
    }

    /// Something that begins with no known word: one error, and behind it.
    fn unknown(&mut self, word: &str) -> Statement {
        let start = self.at;
        let lexer = self.lexer(start, self.text.len());
        let line_end = lexer.logical_line_end(start);
        let line = self.text.get(start..line_end).unwrap_or("");
        let is_rule = self.at_line_start && line.contains('(') && !word.is_empty();
        let end = start.saturating_add(if word.is_empty() { 1 } else { word.len() });
        self.at = line_end;
        if !is_rule {
            let span = lexer.span(start, self.text.ceil_char_boundary(end));
            let diagnostic = Diagnostic::new(crate::Severity::Error, "R0101", span, "this is no rule");
            let help = crate::suggest::did_you_mean(word, ACTION_WORDS.iter().chain(DIRECTIVES).copied());
            let help = help.unwrap_or_else(|| "a line begins with an action, a directive or `#`".to_owned());
            return Statement::Problem(diagnostic.help(help));
        }
        let by_lines = matches!(self.reading.dialect, FileDialect::One(Dialect::Snort2 | Dialect::Suricata));
        let dialect = match self.reading.dialect {
            FileDialect::One(dialect) | FileDialect::Mixed(dialect) => dialect,
        };
        let bound = if by_lines { line_end } else { self.next_boundary(start) };
        Statement::Rule(self.read_rule(dialect, word, (start, bound), by_lines))
    }
}

/// Bytes of a line that are looked at to tell whether it begins like a rule.
const LOOK: usize = 256;

/// Bytes that the block of a `ruletype` may have.
const MAX_BLOCK: usize = 16 << 10;

/// Words that begin a line of configuration.
const DIRECTIVES: &[&str] = &[
    "include",
    "var",
    "ipvar",
    "portvar",
    "config",
    "preprocessor",
    "output",
    "event_filter",
    "rate_filter",
    "suppress",
    "threshold",
    "ruletype",
    "dynamicpreprocessor",
    "dynamicengine",
    "dynamicdetection",
    "dynamicoutput",
    "sidechannel",
    "attribute_table",
    "file",
    "so_rule_path",
    "ips",
    "react_page",
];

const ACTION_WORDS: &[&str] =
    &["alert", "pass", "drop", "reject", "block", "log", "react", "rewrite", "file_id", "sdrop"];
