//! Parsing of option values: arguments, quotes, escapes, byte strings, integers.
//!
//! *How it fits*: the option parsers call this on [`crate::OptionNode::value`]. Offsets are bytes
//! from the start of the text given. Escapes differ by dialect (Snort 3 manual: rules lexer; Snort
//! 2.9 manual 3.5.1; Suricata user guide: payload keywords):
//!
//! | | control escapes `\n`, `\x41` | `\|` in a byte string | other `\c` |
//! | --- | --- | --- | --- |
//! | Snort 3 | yes | toggles hex mode | `c` |
//! | Snort 2.9 | no | a literal pipe | `c` |
//! | Suricata | no | a literal pipe | error in byte strings |

use crate::Dialect;

/// A piece of a value: its text and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg<'a> {
    /// Trimmed text.
    pub text: &'a str,
    /// Offset of its first byte in the value.
    pub offset: usize,
}

impl<'a> Arg<'a> {
    /// The piece as a slice of `whole`, trimmed.
    fn trimmed(whole: &'a str, start: usize, end: usize) -> Self {
        let text = whole.get(start..end).unwrap_or("");
        let inner = text.trim_start();
        let offset = start.saturating_add(text.len().saturating_sub(inner.len()));
        Self { text: inner.trim_end(), offset }
    }
}

/// Splits at commas outside of quotes and of brackets. An empty text has no arguments.
pub fn split_args(value: &str) -> Vec<Arg<'_>> {
    split(value, |byte| byte == b',', true)
}

/// Splits an argument at blanks outside of quotes; offsets are relative to `arg` as given.
pub fn words(arg: &str) -> Vec<Arg<'_>> {
    let mut pieces = split(arg, |byte| byte.is_ascii_whitespace(), false);
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

fn split(text: &str, is_separator: impl Fn(u8) -> bool, brackets: bool) -> Vec<Arg<'_>> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let (mut start, mut quoted, mut escaped, mut depth) = (0, false, false, 0_usize);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'[' if brackets && !quoted => depth = depth.saturating_add(1),
            b']' if brackets && !quoted => depth = depth.saturating_sub(1),
            _ if !quoted && depth == 0 && is_separator(byte) => {
                pieces.push(Arg::trimmed(text, start, at));
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    pieces.push(Arg::trimmed(text, start, text.len()));
    pieces
}

/// What stood between quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a> {
    /// A `!` stood before the quote.
    pub negated: bool,
    /// Raw text between the quotes.
    pub inner: &'a str,
    /// Offset of `inner` in the text given.
    pub offset: usize,
}

/// Takes `[!]"…"` apart; `None` if that isn't the form. The closing quote must be the last
/// character; it is the caller's business whether an inner quote is escaped (`pcre` needs none).
pub fn unquote(text: &str) -> Option<Quoted<'_>> {
    let whole = Arg::trimmed(text, 0, text.len());
    let (negated, rest) = match whole.text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, whole.text),
    };
    let inner = rest.strip_prefix('"')?.strip_suffix('"')?;
    let before = whole.text.len().saturating_sub(rest.len()).saturating_add(1);
    Some(Quoted { negated, inner, offset: whole.offset.saturating_add(before) })
}

/// A byte after unescaping and where it came from.
#[derive(Clone, Copy)]
struct Unescaped {
    byte: u8,
    offset: usize,
    escaped: bool,
}

fn unescape_bytes(inner: &str, dialect: Dialect) -> impl Iterator<Item = Unescaped> + '_ {
    let bytes = inner.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let offset = at;
        let &byte = bytes.get(at)?;
        at = at.saturating_add(1);
        let Some(&escape) = bytes.get(at).filter(|_| byte == b'\\') else {
            return Some(Unescaped { byte, offset, escaped: false });
        };
        at = at.saturating_add(1);
        let control = (dialect == Dialect::Snort3).then(|| control_escape(escape)).flatten();
        let mut byte = control.unwrap_or(escape);
        if dialect == Dialect::Snort3 && escape == b'x' {
            let digits = bytes.iter().skip(at).take(2).map_while(|&digit| hex_digit(digit));
            let (count, number) = digits.fold((0_usize, 0_u8), |(count, number), digit| {
                (count.saturating_add(1), number.wrapping_shl(4) | digit)
            });
            if count > 0 {
                byte = number;
                at = at.saturating_add(count);
            }
        }
        Some(Unescaped { byte, offset, escaped: true })
    })
}

fn control_escape(escape: u8) -> Option<u8> {
    Some(match escape {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        _ => return None,
    })
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The bytes of a quoted text (without its quotes) after unescaping.
pub fn unescape(inner: &str, dialect: Dialect) -> Vec<u8> {
    unescape_bytes(inner, dialect).map(|unescaped| unescaped.byte).collect()
}

/// A text unescaped; bytes that aren't UTF-8 become U+FFFD.
pub fn unescape_text(inner: &str, dialect: Dialect) -> String {
    String::from_utf8_lossy(&unescape(inner, dialect)).into_owned()
}

/// A text escaped so that [`unescape_text`] gives it back.
pub fn escape_text(text: &str, dialect: Dialect) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' | ';' => escaped.extend(['\\', character]),
            '\n' if dialect == Dialect::Snort3 => escaped.push_str("\\n"),
            '\r' if dialect == Dialect::Snort3 => escaped.push_str("\\r"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A byte string that was read, and whether it had a byte of a single hex digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteString {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Offset of the first hex byte that was written with one digit: worth a warning.
    pub odd_digit: Option<usize>,
}

/// The bytes of a content: escapes, then `|41 42|` hex blocks. The error is an offset and a message.
pub fn content_bytes(inner: &str, dialect: Dialect) -> Result<Vec<u8>, (usize, String)> {
    byte_string(inner, dialect).map(|string| string.bytes)
}

/// As [`content_bytes`], with what deserves a warning.
pub fn byte_string(inner: &str, dialect: Dialect) -> Result<ByteString, (usize, String)> {
    let mut string = ByteString { bytes: Vec::with_capacity(inner.len()), odd_digit: None };
    let mut block: Option<usize> = None;
    let mut pending: Option<(u8, usize)> = None;
    for Unescaped { byte, offset, escaped } in unescape_bytes(inner, dialect) {
        if escaped {
            check_escape(byte, offset, dialect)?;
        }
        let toggles = byte == b'|' && (!escaped || dialect == Dialect::Snort3);
        if toggles {
            string.flush(&mut pending);
            block = if block.is_some() { None } else { Some(offset) };
        } else if block.is_none() {
            string.bytes.push(byte);
        } else if let Some(digit) = hex_digit(byte) {
            match pending.take() {
                Some((high, _)) => string.bytes.push(high.wrapping_shl(4) | digit),
                None => pending = Some((digit, offset)),
            }
        } else if byte.is_ascii_whitespace() {
            string.flush(&mut pending);
        } else {
            let shown = char::from(byte).escape_default();
            return Err((offset, format!("`{shown}` is no hexadecimal digit")));
        }
    }
    match block {
        Some(offset) => Err((offset, "hex block is not closed by `|`".to_owned())),
        None => Ok(string),
    }
}

impl ByteString {
    fn flush(&mut self, pending: &mut Option<(u8, usize)>) {
        if let Some((digit, offset)) = pending.take() {
            self.bytes.push(digit);
            self.odd_digit = self.odd_digit.or(Some(offset));
        }
    }
}

fn check_escape(byte: u8, offset: usize, dialect: Dialect) -> Result<(), (usize, String)> {
    let legal = matches!(byte, b'"' | b'\\' | b';' | b':' | b'|' | b',');
    if dialect == Dialect::Suricata && !legal {
        let shown = char::from(byte).escape_default();
        return Err((offset, format!("`{shown}` can't be escaped here")));
    }
    Ok(())
}

/// A byte string as a quoted text in the canonical form: printable ASCII as it is, the rest in
/// upper-case hex blocks.
pub fn format_content(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_add(2));
    text.push('"');
    let plain = |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && !br#""\;:|"#.contains(&byte);
    let mut in_block = false;
    for &byte in bytes {
        if plain(byte) {
            if in_block {
                text.push('|');
            }
            in_block = false;
            text.push(char::from(byte));
        } else {
            text.push(if in_block { ' ' } else { '|' });
            in_block = true;
            for nibble in [byte >> 4, byte & 0xF] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    if in_block {
        text.push('|');
    }
    text.push('"');
    text
}

/// An integer: decimal, `0x` hexadecimal or leading-`0` octal, with an optional sign.
pub fn integer(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.strip_prefix("0x") {
        Some(hex) => (16, hex),
        None if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..).unwrap_or("")),
        None => (10, lower.as_str()),
    };
    let valid = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if !valid {
        return Err(format!("`{text}` is no integer"));
    }
    let too_big = || format!("`{text}` is too big");
    let number = i64::from_str_radix(digits, radix).map_err(|_| too_big())?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// An integer within bounds.
pub fn integer_in(text: &str, range: std::ops::RangeInclusive<i64>) -> Result<i64, String> {
    let number = integer(text)?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(format!("{number} is not in {}..{}", range.start(), range.end()))
}

/// Feeds hostile text to every parser of this file.
#[doc(hidden)]
pub fn fuzz_value(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for arg in split_args(&text) {
        for word in words(arg.text) {
            let _ = integer(word.text);
        }
    }
    for dialect in [Dialect::Snort2, Dialect::Snort3, Dialect::Suricata] {
        let inner = unquote(&text).map_or(&*text, |quoted| quoted.inner);
        if let Ok(bytes) = content_bytes(inner, dialect) {
            let printed = format_content(&bytes);
            let again = unquote(&printed).map(|quoted| content_bytes(quoted.inner, dialect));
            assert_eq!(again, Some(Ok(bytes)), "canonical byte strings parse to the same bytes");
        }
    }
}

#[cfg(test)]
mod tests;
