//! Rules of Snort 3: a stream of tokens in which line ends mean nothing.

use super::{Lexer, MAX_OPTIONS, RawRule, clean, tokens};
use crate::OptionNode;

/// Reads the rule after its action, up to its `)`. `lexer.end` is the next line that begins like a
/// rule. Returns whether the closing `)` was found; else the rest of the text up to there is lost.
pub(super) fn read(lexer: &mut Lexer<'_>, rule: &mut RawRule) -> bool {
    if !tokens(lexer, true, &mut rule.header) {
        let (start, end) = (rule.span.start as usize, rule.action_span.end as usize);
        if lexer.problems.is_empty() {
            lexer.error("R0102", (start, end), "rule has no body", "a rule is: action header ( options )");
        }
        return false;
    }
    let open = lexer.at;
    lexer.bump();
    loop {
        lexer.skip_blanks_and_comments();
        match lexer.peek() {
            Some(b')') => {
                lexer.bump();
                return true;
            }
            Some(b';') => lexer.bump(),
            None => {
                let help = "close the body with `)`";
                lexer.error("R0103", (open, open.saturating_add(1)), "rule does not end with `)`", help);
                return false;
            }
            Some(_) if rule.options.len() >= MAX_OPTIONS => {
                let message = format!("rule has more than {MAX_OPTIONS} options");
                lexer.error("R0111", (open, open.saturating_add(1)), message, "");
                return false;
            }
            Some(_) => {
                if let Some(node) = option(lexer) {
                    check_name(lexer, &node);
                    rule.options.push(node);
                }
            }
        }
    }
}

/// Reads one option with its `;`.
fn option(lexer: &mut Lexer<'_>) -> Option<OptionNode> {
    let start = lexer.at;
    lexer.skip_literal();
    let name = lexer.slice(start, lexer.at).to_owned();
    let name_span = lexer.span(start, lexer.at);
    lexer.skip_blanks_and_comments();
    let mut node = OptionNode { name, name_span, value: None, value_span: name_span };
    match lexer.peek() {
        Some(b';') => lexer.bump(),
        Some(b':') => {
            lexer.bump();
            lexer.skip_blanks_and_comments();
            let value_start = lexer.at;
            let (value, value_end) = match node.name.as_str() {
                "metadata" | "reference" => text_value(lexer),
                "pcre" if has_quote(lexer) => text_value(lexer),
                _ => arguments(lexer, &node.name),
            };
            node.value_span = lexer.span(value_start, value_end);
            node.value = Some(value);
        }
        Some(b')') => {
            let (name, end) = (&node.name, lexer.at);
            let message = format!("`;` is missing after `{name}`");
            let help = "only an option with arguments may end the rule without `;`";
            lexer.error("R0104", (start, end), message, help);
        }
        _ => {
            let end = lexer.at;
            let message = format!("`{}` is followed by neither `:` nor `;`", node.name);
            lexer.error("R0107", (start, end), message, "options are `name;` or `name:arguments;`");
            lexer.skip_past(b';');
            return None;
        }
    }
    Some(node)
}

fn has_quote(lexer: &Lexer<'_>) -> bool {
    let rest = lexer.slice(lexer.at, lexer.end);
    rest.strip_prefix('!').unwrap_or(rest).trim_start().starts_with('"')
}

/// Everything up to `;`, which is consumed, and where it ends in the source.
fn text_value(lexer: &mut Lexer<'_>) -> (String, usize) {
    let start = lexer.at;
    let found = lexer.skip_to(b';');
    let raw = lexer.slice(start, lexer.at).trim_end();
    if !found {
        lexer.error("R0104", (start, start.saturating_add(1)), "`;` is missing after this value", "");
        lexer.lost = true;
    }
    lexer.bump();
    (clean(raw), start.saturating_add(raw.len()))
}

/// Comma-separated arguments of at most two words, up to `;` (consumed) or `)` (not consumed), and
/// where they end in the source. Comments and line ends between words become as many blanks.
fn arguments(lexer: &mut Lexer<'_>, name: &str) -> (String, usize) {
    let start = lexer.at;
    let (mut value, mut end) = (String::new(), start);
    let mut words = Words::default();
    loop {
        let at = lexer.at;
        match lexer.peek() {
            Some(b';') => {
                lexer.bump();
                return (value, end);
            }
            Some(b')') => return (value, end),
            None => {
                let message = format!("the arguments of `{name}` do not end");
                lexer.error("R0104", (start, start.saturating_add(1)), message, "");
                lexer.lost = true;
                return (value, end);
            }
            Some(b',') => {
                lexer.bump();
                words = Words::default();
            }
            Some(byte @ (b':' | b'(')) => {
                lexer.bump();
                unexpected(lexer, at, byte);
            }
            Some(_) => {
                string_or_word(lexer);
                words.add(lexer, at);
            }
        }
        value.extend(std::iter::repeat_n(' ', at.saturating_sub(end)));
        value.push_str(&clean(lexer.slice(at, lexer.at)));
        end = lexer.at;
        lexer.skip_blanks_and_comments();
    }
}

fn unexpected(lexer: &mut Lexer<'_>, at: usize, byte: u8) {
    let help = match byte {
        b':' => "an argument and its value are separated by a blank: `offset 3`",
        _ => "text with parentheses must stand in quotes",
    };
    let message = format!("unexpected `{}`", char::from(byte));
    lexer.error("R0108", (at, at.saturating_add(1)), message, help);
}

/// Counts the words of one argument.
#[derive(Default)]
struct Words {
    count: usize,
    operators: bool,
}

impl Words {
    fn add(&mut self, lexer: &mut Lexer<'_>, start: usize) {
        self.count = self.count.saturating_add(1);
        let word = lexer.slice(start, lexer.at);
        // Blanks around the operator of a range are allowed.
        self.operators |= !word.is_empty() && word.bytes().all(|byte| b"<>=!".contains(&byte));
        if self.count == 3 && !self.operators {
            let end = lexer.at;
            let help = "separate arguments by commas: `offset 3,depth 8`";
            lexer.error("R0109", (start, end), "an argument has at most two words", help);
        }
    }
}

/// A quoted string (perhaps behind `!`), a list, or a literal.
fn string_or_word(lexer: &mut Lexer<'_>) {
    let start = lexer.at;
    if lexer.peek() == Some(b'!') {
        lexer.bump();
        let after = lexer.at;
        lexer.skip_blanks();
        if lexer.peek() != Some(b'"') {
            lexer.at = after;
        }
    }
    if lexer.peek() != Some(b'"') {
        lexer.skip_literal();
        return;
    }
    let quote = lexer.at;
    lexer.bump();
    if !lexer.skip_past(b'"') {
        lexer.error("R0110", (quote, quote.saturating_add(1)), "the string is not closed", "add the missing `\"`");
        lexer.lost = true;
        return;
    }
    let text = lexer.slice(start, lexer.at);
    let broken = text.split('\n').rev().skip(1).any(|line| !line.trim_end().ends_with('\\'));
    if broken {
        let end = lexer.at;
        lexer.warn("R0113", (start, end), "line end inside of a string is dropped", "");
    }
}

/// Reports a name that can't be one.
pub(super) fn check_name(lexer: &mut Lexer<'_>, node: &OptionNode) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !node.name.is_empty() && node.name.bytes().all(legal) {
        return;
    }
    let (start, end) = (node.name_span.start as usize, node.name_span.end as usize);
    let shown: String = node.name.chars().take(40).collect();
    let help = "a `;` inside of text must be written `\\;` or `|3B|`";
    let end = end.max(start.saturating_add(1));
    lexer.error("R0107", (start, end), format!("`{shown}` is no option name"), help);
}

impl Lexer<'_> {
    /// Moves behind the next unescaped `wanted`; false (and at the end of the text) without one.
    pub(super) fn skip_past(&mut self, wanted: u8) -> bool {
        let found = self.skip_to(wanted);
        self.bump();
        found
    }

    /// Moves to the next unescaped `wanted`; false (and at the end of the text) without one.
    pub(super) fn skip_to(&mut self, wanted: u8) -> bool {
        while let Some(byte) = self.peek() {
            if byte == wanted {
                return true;
            }
            self.bump();
            if byte == b'\\' {
                self.bump();
            }
        }
        false
    }

    /// Moves over a literal: up to a blank or punctuation, `\c` being part of it.
    fn skip_literal(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' if self.continuation(self.at) > 0 => break,
                b'\\' => self.bump(),
                b'[' if self.at == start || depth > 0 => depth = depth.saturating_add(1),
                b']' => depth = depth.saturating_sub(1),
                b'(' | b':' | b',' | b';' | b')' if depth == 0 => break,
                b';' => break,
                _ if byte.is_ascii_whitespace() && depth == 0 => break,
                _ => {}
            }
            self.bump();
        }
        if self.at == start {
            self.bump();
        }
    }

    /// Skips blanks, `#` comments, block comments and continuations.
    pub(super) fn skip_blanks_and_comments(&mut self) {
        loop {
            self.skip_blanks();
            let at = self.at;
            match (self.peek(), self.peek_next()) {
                (Some(b'#'), _) => self.at = self.line_end(at),
                (Some(b'/'), Some(b'*')) => {
                    if !self.skip_block_comment() {
                        self.error("R0112", (at, at.saturating_add(2)), "the comment is not closed", "add `*/`");
                        self.lost = true;
                        return;
                    }
                }
                (Some(b'\\'), Some(_)) => {
                    let end = at.saturating_add(2);
                    self.warn("R0114", (at, end), "`\\` is only meant for the end of a line", "");
                    self.at = end.min(self.end);
                    while !self.text.is_char_boundary(self.at) {
                        self.at = self.at.saturating_add(1);
                    }
                }
                _ => return,
            }
        }
    }

    /// Moves behind `*/`; quoted strings inside are skipped. False (and at the end) without one.
    pub(super) fn skip_block_comment(&mut self) -> bool {
        self.at = self.at.saturating_add(2).min(self.end);
        while let Some(byte) = self.peek() {
            match (byte, self.peek_next()) {
                (b'*', Some(b'/')) => {
                    self.at = self.at.saturating_add(2);
                    return true;
                }
                (b'"', _) => {
                    self.bump();
                    self.skip_past(b'"');
                }
                _ => self.bump(),
            }
        }
        false
    }
}
