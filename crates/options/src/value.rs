//! Raw option values: arguments, numbers, strings, and what is wrong with them.
//!
//! *How it fits*: the options' parse functions read [`tapir_rules::OptionNode::value`] with these.
//!
//! *Spec*: Snort 3 manual, "Rules: Syntax"; a string is unescaped before `|…|` blocks are read, so
//! `\|` and `\x7C` also toggle a block.

use tapir_rules::{Diagnostic, OptionNode, Severity, Span};

/// Codes of diagnostics of this crate.
pub(crate) mod code {
    pub(crate) const UNKNOWN_OPTION: &str = "R0501";
    pub(crate) const UNSUPPORTED: &str = "R0502";
    pub(crate) const SYNTAX: &str = "R0503";
    pub(crate) const RANGE: &str = "R0504";
    pub(crate) const REPEATED: &str = "R0505";
    pub(crate) const VARIABLE: &str = "R0506";
    pub(crate) const REGEX: &str = "R0507";
    pub(crate) const NEVER_MATCHES: &str = "R0508";
    pub(crate) const SERVICE: &str = "R0509";
    pub(crate) const FAST_PATTERN: &str = "R0510";
    pub(crate) const CONFLICT: &str = "R0511";
    pub(crate) const NO_OPTION: &str = "R0512";
    pub(crate) const NO_EFFECT: &str = "R0513";
}

/// Why an option can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub code: &'static str,
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), help: None }
    }

    /// A value that does not follow the option's grammar.
    pub(crate) fn syntax(span: Span, message: impl Into<String>) -> Self {
        Self::new(code::SYNTAX, span, message)
    }

    /// A number that is too large or too small.
    pub(crate) fn range(span: Span, message: impl Into<String>) -> Self {
        Self::new(code::RANGE, span, message)
    }

    /// Words that exclude each other.
    pub(crate) fn conflict(span: Span, message: impl Into<String>) -> Self {
        Self::new(code::CONFLICT, span, message)
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As a diagnostic of `severity`.
    pub(crate) fn diagnostic(self, severity: Severity, rule: (u32, u32)) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(severity, self.code, self.span, self.message);
        diagnostic.help = self.help;
        diagnostic.rule = Some(rule);
        diagnostic
    }
}

/// One argument, trimmed, with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arg<'v> {
    pub text: &'v str,
    pub span: Span,
}

impl<'v> Arg<'v> {
    /// The whole value of a node as one argument; empty without a value.
    pub(crate) fn whole(node: &'v OptionNode) -> Self {
        let text = node.value.as_deref().unwrap_or("");
        Self { text, span: node.value_span }.trimmed()
    }

    /// Bytes `from..to` of this argument, trimmed.
    pub(crate) fn slice(self, from: usize, to: usize) -> Self {
        let start = self.span.start.saturating_add(u32::try_from(from).unwrap_or(u32::MAX));
        let text = self.text.get(from..to).unwrap_or("");
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { text, span: Span { source: self.span.source, start, end: start.saturating_add(len) } }.trimmed()
    }

    fn trimmed(self) -> Self {
        let text = self.text.trim_ascii();
        if text.len() == self.text.len() {
            return self;
        }
        let lead = self.text.len() - self.text.trim_ascii_start().len();
        let start = self.span.start.saturating_add(u32::try_from(lead).unwrap_or(u32::MAX));
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { text, span: Span { source: self.span.source, start, end: start.saturating_add(len) } }
    }

    /// First word and what follows it (`offset 5` → `offset`, `5`).
    pub(crate) fn pair(self) -> (&'v str, Option<Self>) {
        match self.text.find(|c: char| c.is_ascii_whitespace()) {
            Some(at) => (self.text.get(..at).unwrap_or(""), Some(self.slice(at, self.text.len()))),
            None => (self.text, None),
        }
    }

    /// A number within bounds.
    pub(crate) fn int(self, min: i64, max: i64) -> Result<i64, Problem> {
        let value =
            integer(self.text).ok_or_else(|| Problem::syntax(self.span, format!("`{}` is not a number", self.text)))?;
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(Problem::range(self.span, format!("{value} is outside {min} to {max}")))
        }
    }

    /// A number within bounds that fit `u32`.
    pub(crate) fn u32(self, min: u32, max: u32) -> Result<u32, Problem> {
        let value = self.int(i64::from(min), i64::from(max))?;
        u32::try_from(value).map_err(|_| Problem::range(self.span, format!("{value} is too large")))
    }

    /// `[!]"…"`: whether negated, and what stands between the quotes, escapes untouched.
    pub(crate) fn quoted(self) -> Result<(bool, Self), Problem> {
        let (negated, at) = match self.text.strip_prefix('!') {
            Some(rest) => (true, 1 + rest.len() - rest.trim_ascii_start().len()),
            None => (false, 0),
        };
        let bytes = self.text.as_bytes();
        let end = bytes.len().saturating_sub(1);
        if bytes.get(at) != Some(&b'"') || end <= at || closing_quote(bytes, at + 1) != Some(end) {
            return Err(Problem::syntax(self.span, format!("`{}` is not a string in quotes", self.text)));
        }
        let text = self.text.get(at + 1..end).unwrap_or("");
        let start = self.span.start.saturating_add(u32::try_from(at + 1).unwrap_or(u32::MAX));
        let stop = start.saturating_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
        Ok((negated, Self { text, span: Span { source: self.span.source, start, end: stop } }))
    }

    /// Blank-separated words of a string in quotes, or of bare text.
    pub(crate) fn words(self) -> Result<Vec<&'v str>, Problem> {
        let inner = if self.text.starts_with('"') { self.quoted()?.1 } else { self };
        Ok(inner.text.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect())
    }

    /// A byte string `[!]"…"` with `|…|` blocks; never empty.
    pub(crate) fn byte_string(self) -> Result<(bool, Vec<u8>), Problem> {
        let (negated, inner) = self.quoted()?;
        let bytes = hex_blocks(&unescape(inner.text)).map_err(|message| Problem::syntax(inner.span, message))?;
        if bytes.is_empty() {
            return Err(Problem::syntax(self.span, "the pattern is empty"));
        }
        Ok((negated, bytes))
    }
}

fn closing_quote(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The comma-separated arguments of a node. None for an option without value.
pub(crate) fn args(node: &OptionNode) -> Result<Vec<Arg<'_>>, Problem> {
    let whole = Arg::whole(node);
    let mut list = Vec::new();
    if whole.text.is_empty() {
        return Ok(list);
    }
    let bytes = whole.text.as_bytes();
    let (mut start, mut at, mut quoted) = (0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                list.push(whole.slice(start, at));
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    list.push(whole.slice(start, bytes.len()));
    match list.iter().find(|arg| arg.text.is_empty()) {
        Some(empty) => Err(Problem::syntax(empty.span, "an argument is missing before or after a comma")),
        None => Ok(list),
    }
}

/// Decimal, `0x` hexadecimal or leading-0 octal, with sign.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(rest) => (rest, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// Resolves backslashes as the Snort 3 lexer does in all strings but those of `pcre`, `regex` and
/// `sd_pattern`.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'a') => out.push(7),
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'v') => out.push(11),
            Some(b'x') => {
                let mut value = None;
                while let Some(digit) = bytes.peek().and_then(|&b| char::from(b).to_digit(16)) {
                    let digit = u8::try_from(digit).unwrap_or(0);
                    bytes.next();
                    match value {
                        None => value = Some(digit),
                        Some(first) => {
                            value = Some(first * 16 + digit);
                            break;
                        }
                    }
                }
                out.push(value.unwrap_or(b'x'));
            }
            Some(other) => out.push(other),
            None => out.push(b'\\'),
        }
    }
    out
}

/// Resolves `|41 42|` blocks. A lone digit is a byte by itself.
pub(crate) fn hex_blocks(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut inside = false;
    let mut pending: Option<u8> = None;
    for &byte in text {
        match (inside, byte) {
            (false, b'|') => inside = true,
            (false, _) => out.push(byte),
            (true, b'|' | b' ' | b'\t' | b'\n' | b'\r') => {
                out.extend(pending.take());
                inside = byte != b'|';
            }
            (true, _) => {
                let digit = char::from(byte)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
                    .ok_or_else(|| format!("`{}` in a hex block", char::from(byte).escape_default()))?;
                match pending.take() {
                    None => pending = Some(digit),
                    Some(first) => out.push(first * 16 + digit),
                }
            }
        }
    }
    if inside { Err("a hex block is not closed".to_owned()) } else { Ok(out) }
}

/// Prints bytes as the inside of a byte string: `GET |0D 0A|`.
pub(crate) fn print_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    let mut inside = false;
    for &byte in bytes {
        let plain = matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'|' | b';' | b':');
        if plain == inside {
            out.push('|');
            inside = !inside;
        } else if inside {
            out.push(' ');
        }
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("{byte:02X}"));
        }
    }
    if inside {
        out.push('|');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(value: &str) -> OptionNode {
        let span = Span { start: 100, end: 100 + u32::try_from(value.len()).unwrap(), ..Span::default() };
        OptionNode { name: "x".into(), name_span: span, value: Some(value.into()), value_span: span }
    }

    #[test]
    fn commas_split_outside_quotes_only() {
        let node = node(r#""a,\"b", offset 3 ,nocase"#);
        let list = args(&node).unwrap();
        let texts: Vec<_> = list.iter().map(|arg| arg.text).collect();
        assert_eq!(texts, [r#""a,\"b""#, "offset 3", "nocase"]);
        assert_eq!(list[1].span.start, 109);
        let (word, rest) = list[1].pair();
        assert_eq!((word, rest.unwrap().text, rest.unwrap().span.start), ("offset", "3", 116));
    }

    #[test]
    fn a_missing_argument_is_an_error() {
        assert!(args(&node("a,,b")).is_err());
        assert!(args(&node("a,")).is_err());
        assert_eq!(args(&node("")).unwrap(), []);
    }

    #[test]
    fn numbers_have_three_bases() {
        assert_eq!(integer("10"), Some(10));
        assert_eq!(integer("-0x10"), Some(-16));
        assert_eq!(integer("010"), Some(8));
        assert_eq!(integer("0"), Some(0));
        for bad in ["", "-", "0x", "1x", "08", "--1", "+-1", "1 2", "99999999999999999999"] {
            assert_eq!(integer(bad), None, "{bad}");
        }
    }

    #[test]
    fn escapes_come_before_hex_blocks() {
        assert_eq!(unescape(r"a\nb\x41B\x4g\q\\"), b"a\nbAB\x04gq\\");
        assert_eq!(hex_blocks(&unescape(r"a\|62\|c")).unwrap(), b"abc");
        assert_eq!(hex_blocks(&unescape(r"a\x7C62|c")).unwrap(), b"abc");
    }

    #[test]
    fn hex_blocks_take_lone_digits() {
        assert_eq!(hex_blocks(b"|6 1|").unwrap(), [6, 1]);
        assert_eq!(hex_blocks(b"|616|").unwrap(), [0x61, 6]);
        assert_eq!(hex_blocks(b"|A|x|0d0A|").unwrap(), b"\x0ax\r\n");
        assert!(hex_blocks(b"|4G|").is_err());
        assert!(hex_blocks(b"a|41").is_err());
    }

    #[test]
    fn a_string_needs_both_quotes() {
        let text = |value: &str| Arg { text: value, span: Span::default() }.quoted().map(|(n, a)| (n, a.text.len()));
        assert_eq!(text(r#""ab""#), Ok((false, 2)));
        assert_eq!(text(r#"! "a\"""#), Ok((true, 3)));
        for bad in ["", "\"", "a", "\"a", "\"a\"b\"", "\"a\\\"", "!a"] {
            assert!(text(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
            prop_assert_eq!(hex_blocks(&unescape(&print_bytes(&bytes))), Ok(bytes));
        }
    }
}
