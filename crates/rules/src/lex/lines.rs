//! Rules of Snort 2.9 and Suricata: one logical line, options up to the next unescaped semicolon.
//!
//! Quotes don't protect a semicolon in Suricata, whose rules may have an odd number of them. In
//! 2.9 text we let quotes protect (but in `pcre`): no rule that 2.9 accepts reads differently.

use super::{Lexer, MAX_OPTIONS, RawRule, clean, tokens};
use crate::{Dialect, OptionNode, Severity};

/// Reads the rule after its action; `lexer.end` is the end of the logical line.
pub(super) fn read(lexer: &mut Lexer<'_>, rule: &mut RawRule) {
    if !tokens(lexer, false, &mut rule.header) {
        let (at, end) = (lexer.at, lexer.end);
        if lexer.problems.is_empty() {
            lexer.error("R0102", (at, end), "rule has no body", "a rule is: action header ( options )");
        }
        lexer.at = lexer.end;
        return;
    }
    let open = lexer.at;
    lexer.bump();
    let line_end = lexer.end;
    let trimmed = lexer.slice(lexer.at, line_end).trim_end();
    let trimmed_end = lexer.at.saturating_add(trimmed.len());
    if trimmed.ends_with(')') {
        lexer.end = trimmed_end.saturating_sub(1);
    } else {
        let help = "close the body with `)`; a rule that goes on in the next line needs `\\` at the end of this one";
        lexer.error("R0103", (open, open.saturating_add(1)), "rule does not end with `)`", help);
        lexer.end = trimmed_end;
    }
    while option(lexer, rule) {}
    lexer.end = line_end;
    lexer.at = line_end;
}

/// Reads one option; false at the end.
fn option(lexer: &mut Lexer<'_>, rule: &mut RawRule) -> bool {
    lexer.skip_blanks();
    while lexer.peek() == Some(b';') {
        lexer.bump();
        lexer.skip_blanks();
    }
    let start = lexer.at;
    if lexer.peek().is_none() {
        return false;
    }
    if rule.options.len() >= MAX_OPTIONS {
        let message = format!("rule has more than {MAX_OPTIONS} options");
        lexer.error("R0111", (start, start.saturating_add(1)), message, "");
        return false;
    }
    while lexer.peek().is_some_and(|byte| byte != b':' && byte != b';') {
        lexer.bump();
    }
    let name = clean(lexer.slice(start, lexer.at).trim_end());
    let name_span = lexer.span(start, start.saturating_add(name.len()));
    let mut node = OptionNode { name, name_span, value: None, value_span: name_span };
    if lexer.peek() == Some(b':') {
        lexer.bump();
        lexer.skip_blanks();
        let value_start = lexer.at;
        skip_value(lexer, rule.dialect, &node.name);
        let raw = lexer.slice(value_start, lexer.at).trim_end();
        node.value_span = lexer.span(value_start, value_start.saturating_add(raw.len()));
        node.value = Some(clean(raw));
    }
    if lexer.peek().is_none() {
        let severity = if rule.dialect == Dialect::Suricata { Severity::Error } else { Severity::Warning };
        let end = lexer.at;
        let message = "`;` is missing after the last option";
        lexer.report(severity, "R0104", (start, end), message, "add `;` before `)`");
    }
    lexer.bump();
    super::stream::check_name(lexer, &node);
    rule.options.push(node);
    true
}

/// Moves to the `;` that ends the value.
fn skip_value(lexer: &mut Lexer<'_>, dialect: Dialect, name: &str) {
    if dialect == Dialect::Snort2 && name != "pcre" {
        let start = lexer.at;
        if lexer.peek() == Some(b'!') {
            lexer.bump();
            lexer.skip_blanks();
        }
        let closed = lexer.peek() == Some(b'"') && {
            lexer.bump();
            lexer.skip_past(b'"')
        };
        if !closed {
            lexer.at = start;
        }
    }
    lexer.skip_to(b';');
}
