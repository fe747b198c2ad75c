//! The words between the action and `(`.

use super::Lexer;

/// A word of the header.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// Verbatim, line continuations blanked out.
    pub text: String,
    /// Offset in the source.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// `![…]` with a blank in it, which Snort 3 refuses.
    pub blank_in_negated_list: bool,
}

/// Reads words up to `(`, which isn't consumed; false if the text ends before it.
pub(super) fn tokens(lexer: &mut Lexer<'_>, comments: bool, into: &mut Vec<Token>) -> bool {
    loop {
        if comments {
            lexer.skip_blanks_and_comments();
        } else {
            lexer.skip_blanks();
        }
        match lexer.peek() {
            None => return false,
            Some(b'(') => return true,
            Some(_) if into.len() >= MAX_TOKENS => {
                let at = lexer.at;
                lexer.error("R0105", (at, at.saturating_add(1)), "too many words before `(`", "");
                return false;
            }
            Some(_) => into.push(token(lexer)),
        }
    }
}

/// A word ends at a blank or `(`, but not within brackets.
fn token(lexer: &mut Lexer<'_>) -> Token {
    let start = lexer.at;
    let (mut depth, mut blank) = (0_usize, false);
    while let Some(byte) = lexer.peek() {
        match byte {
            b'[' => depth = depth.saturating_add(1),
            b']' => depth = depth.saturating_sub(1),
            b'(' if depth == 0 => break,
            // Nothing in an address list has a parenthesis: this list was never closed.
            b'(' | b';' => break,
            _ if byte.is_ascii_whitespace() || lexer.continuation(lexer.at) > 0 => {
                if depth == 0 {
                    break;
                }
                blank = true;
            }
            _ => {}
        }
        lexer.bump();
    }
    if lexer.at == start {
        lexer.bump();
    }
    if depth > 0 {
        let end = lexer.at;
        lexer.error("R0106", (start, end), "`[` is not closed", "add the missing `]`");
    }
    // No list has a backslash but for continuations; blanks keep the offsets.
    let text = lexer.slice(start, lexer.at).replace(['\\', '\r', '\n'], " ");
    let blank_in_negated_list = blank && text.starts_with('!');
    Token { text, start, end: lexer.at, blank_in_negated_list }
}

/// Whether a line (without leading blanks) begins like a rule: an action, then `(`, or a protocol
/// and something that begins like an address. Decides where an unfinished rule ends.
pub(crate) fn looks_like_rule(line: &[u8]) -> bool {
    let Some(rest) = action_prefix(line) else { return false };
    let rest = rest.trim_ascii_start();
    if rest.first() == Some(&b'(') {
        return true;
    }
    let protocol = rest.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte)).count();
    let Some(rest) = rest.get(protocol..).filter(|_| protocol > 0) else { return false };
    match rest.first() {
        Some(b'(') => true,
        Some(b' ' | b'\t') => {
            let rest = rest.trim_ascii_start();
            let word = rest.split(|&byte| byte == b' ').next().unwrap_or(&[]);
            // IPv6 addresses may begin with a letter.
            word == b"any" || rest.first().is_some_and(|byte| b"($![0123456789".contains(byte)) || word.contains(&b':')
        }
        _ => false,
    }
}

/// What follows the action if the line begins with one.
fn action_prefix(line: &[u8]) -> Option<&[u8]> {
    let word = line.iter().take_while(|&&byte| byte.is_ascii_lowercase() || byte == b'_').count();
    let (action, rest) = line.split_at_checked(word)?;
    let follows = rest.first().is_some_and(|byte| b" \t(".contains(byte));
    (follows && is_action(action)).then_some(rest)
}

/// Whether a word is an action of any dialect.
pub(super) fn is_action(word: &[u8]) -> bool {
    ACTIONS.iter().any(|action| action.as_bytes() == word)
}

const ACTIONS: &[&str] = &[
    "alert",
    "pass",
    "drop",
    "reject",
    "block",
    "log",
    "react",
    "rewrite",
    "file_id",
    "sdrop",
    "activate",
    "dynamic",
    "rejectsrc",
    "rejectdst",
    "rejectboth",
];

/// Protocol, two addresses, two ports, arrow, and some more to report.
const MAX_TOKENS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_lines_are_told_from_prose() {
        for rule in [
            "alert tcp any any -> any any (",
            "alert ( gid:1;)",
            "file_id (msg",
            "drop http (",
            "pass ip $X",
            "log ip fe80::1 any",
        ] {
            assert!(looks_like_rule(rule.as_bytes()), "{rule}");
        }
        for prose in ["alert me when it is there", "alert;", "drop , x", "alerting tcp any any", "", "log this"] {
            assert!(!looks_like_rule(prose.as_bytes()), "{prose}");
        }
    }
}
