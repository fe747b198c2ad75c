//! Header lines: which field a line is, and what the value of a field is.
//!
//! *How it fits*: the scanner makes one [`Line`] per header line; lookups walk the lines. A value is
//! borrowed if nothing has to change, else built in the arena.
//!
//! *Spec*: RFC 9110 §5; Snort 3 http_inspect header normalisation (unfold, trim, one blank for inner
//! runs, repeats joined with `,`, then per field: blanks or quotes removed, lower case).

use super::span::{Span, is_blank, is_space, trim};

/// Fields that the inspector itself reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "field names")]
pub(super) enum Name {
    Host,
    Cookie,
    SetCookie,
    ContentLength,
    TransferEncoding,
    ContentEncoding,
    ContentType,
    ContentTransferEncoding,
    Expect,
    Upgrade,
    Range,
    AcceptEncoding,
    /// May occur once.
    Single,
    /// Frames or routes the message: must not be in trailers.
    Control,
    #[default]
    Other,
}

impl Name {
    /// Recognises a name (without blanks), in any case.
    #[inline]
    pub(super) fn of(name: &[u8]) -> Self {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            2 if is(b"te") => Self::Control,
            4 if is(b"host") => Self::Host,
            4 if is(b"date") || is(b"from") => Self::Single,
            5 if is(b"range") => Self::Range,
            6 if is(b"cookie") => Self::Cookie,
            6 if is(b"expect") => Self::Expect,
            7 if is(b"upgrade") => Self::Upgrade,
            7 if is(b"trailer") => Self::Control,
            7 if is(b"referer") => Self::Single,
            10 if is(b"set-cookie") => Self::SetCookie,
            10 if is(b"user-agent") => Self::Single,
            12 if is(b"content-type") => Self::ContentType,
            12 if is(b"max-forwards") => Self::Single,
            13 if is(b"authorization") => Self::Single,
            13 if is(b"content-range") => Self::Control,
            14 if is(b"content-length") => Self::ContentLength,
            15 if is(b"accept-encoding") => Self::AcceptEncoding,
            16 if is(b"content-encoding") => Self::ContentEncoding,
            17 if is(b"transfer-encoding") => Self::TransferEncoding,
            25 if is(b"content-transfer-encoding") => Self::ContentTransferEncoding,
            _ => Self::Other,
        }
    }
}

/// One header line: ranges into the bytes of its section.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    /// All of it without its end; folded continuations included.
    pub(super) line: Span,
    /// Name as sent; empty if the line has no colon.
    pub(super) name: Span,
    /// Everything behind the colon.
    pub(super) value: Span,
    /// Which field.
    pub(super) id: Name,
    /// The name has blanks in it, which comparisons skip.
    pub(super) blank_name: bool,
}

impl Line {
    /// Whether this line is the field `name` (lower case).
    #[inline]
    pub(super) fn is_named(&self, bytes: &[u8], name: &[u8]) -> bool {
        let own = self.name.of(bytes);
        if !self.blank_name {
            return own.eq_ignore_ascii_case(name);
        }
        own.iter().filter(|&&byte| !is_space(byte)).map(u8::to_ascii_lowercase).eq(name.iter().copied())
    }
}

/// What the value of a field undergoes after joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Treatment {
    blanks: bool,
    quotes: bool,
    lower: bool,
}

const NONE: Treatment = Treatment { blanks: false, quotes: false, lower: false };

/// The treatment of a field by its lower-case name.
fn treatment(name: &[u8]) -> Treatment {
    match name {
        b"cache-control"
        | b"connection"
        | b"pragma"
        | b"trailer"
        | b"transfer-encoding"
        | b"upgrade"
        | b"accept"
        | b"accept-charset"
        | b"accept-encoding"
        | b"accept-language"
        | b"te"
        | b"accept-ranges"
        | b"vary"
        | b"content-encoding"
        | b"content-language"
        | b"content-transfer-encoding"
        | b"http2-settings" => Treatment { blanks: true, quotes: false, lower: true },
        b"content-type" => Treatment { blanks: true, quotes: true, lower: true },
        b"expect" => Treatment { blanks: false, quotes: false, lower: true },
        b"age" | b"content-length" | b"allow" => Treatment { blanks: true, quotes: false, lower: false },
        _ => NONE,
    }
}

/// The normalised value of the field `name` (lower case) in `lines`: borrowed if it is already
/// normal, else written to `out`. `None` if the field is absent.
pub(super) fn value<'a>(lines: &[Line], bytes: &'a [u8], name: &[u8], out: &mut Vec<u8>) -> Option<Value<'a>> {
    let mut found = lines.iter().filter(|line| line.is_named(bytes, name));
    let first = found.next()?;
    let second = found.next();
    let treatment = treatment(name);
    let lone = trim(first.value.of(bytes));
    if second.is_none() && is_normal(lone, treatment) {
        return Some(Value::Borrowed(lone));
    }
    out.clear();
    normalise(lone, treatment, out);
    for line in second.into_iter().chain(found) {
        out.push(b',');
        normalise(trim(line.value.of(bytes)), treatment, out);
    }
    Some(Value::Built)
}

/// Where a value is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// In the message.
    Borrowed(&'a [u8]),
    /// In the buffer given.
    Built,
}

/// The raw value of a field: as sent behind the colon, repeats joined with `,` in `out`.
pub(super) fn raw_value<'a>(lines: &[Line], bytes: &'a [u8], name: &[u8], out: &mut Vec<u8>) -> Option<Value<'a>> {
    let mut found = lines.iter().filter(|line| line.is_named(bytes, name));
    let first = found.next()?;
    let Some(second) = found.next() else { return Some(Value::Borrowed(first.value.of(bytes))) };
    out.clear();
    out.extend_from_slice(first.value.of(bytes));
    for line in std::iter::once(second).chain(found) {
        out.push(b',');
        out.extend_from_slice(line.value.of(bytes));
    }
    Some(Value::Built)
}

/// Nothing would change: no line ends, no runs of blanks, nothing to remove or to lower.
fn is_normal(value: &[u8], treatment: Treatment) -> bool {
    let mut after_blank = false;
    value.iter().all(|&byte| {
        let blank = is_space(byte);
        let fine = if blank {
            byte == b' ' && !after_blank && !treatment.blanks
        } else {
            !(treatment.lower && byte.is_ascii_uppercase() || treatment.quotes && byte == b'"')
        };
        after_blank = blank;
        fine
    })
}

/// Appends a trimmed value: line ends vanish, runs of blanks become one, then the treatment.
fn normalise(value: &[u8], treatment: Treatment, out: &mut Vec<u8>) {
    let mut pending = false;
    for &byte in value {
        if is_blank(byte) || is_space(byte) {
            pending = !treatment.blanks;
            continue;
        }
        if treatment.quotes && byte == b'"' {
            continue;
        }
        if std::mem::take(&mut pending) {
            out.push(b' ');
        }
        out.push(if treatment.lower { byte.to_ascii_lowercase() } else { byte });
    }
}

/// The elements of a comma-separated field over all its lines, trimmed, in order.
pub(super) fn elements<'a>(lines: &'a [Line], bytes: &'a [u8], id: Name) -> impl Iterator<Item = &'a [u8]> {
    lines
        .iter()
        .filter(move |line| line.id == id)
        .flat_map(move |line| line.value.of(bytes).split(|&byte| byte == b','))
        .map(trim)
}

/// Compares without case and without the blanks inside `element`.
pub(super) fn same(element: &[u8], lower: &[u8]) -> bool {
    element.iter().filter(|&&byte| !is_space(byte)).map(u8::to_ascii_lowercase).eq(lower.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(block: &str) -> Vec<Line> {
        let mut at = 0;
        block
            .split_inclusive("\r\n")
            .map(|text| {
                let colon = text.find(':').unwrap();
                let end = at + text.len() - 2;
                let line = Line {
                    line: Span::new(at, end),
                    name: Span::new(at, at + colon),
                    value: Span::new(at + colon + 1, end),
                    id: Name::of(&text.as_bytes()[..colon]),
                    blank_name: text[..colon].contains(' '),
                };
                at += text.len();
                line
            })
            .collect()
    }

    #[track_caller]
    fn check(block: &str, name: &str, expected: &str, built: bool) {
        let mut out = Vec::new();
        let lines = lines(block);
        let value = value(&lines, block.as_bytes(), name.as_bytes(), &mut out).unwrap();
        assert_eq!(value == Value::Built, built, "{block:?}");
        let bytes = if let Value::Borrowed(bytes) = value { bytes } else { &out };
        assert_eq!(std::str::from_utf8(bytes).unwrap(), expected, "{block:?}");
    }

    #[test]
    fn values_are_normalised_by_field() {
        check("Host:  a.test \r\n", "host", "a.test", false);
        check("Content-Type: text/html; charset=\"UTF-8\"\r\n", "content-type", "text/html;charset=utf-8", true);
        check("From:   spaced   value  \r\n", "from", "spaced value", true);
        check("From: one two\r\n", "from", "one two", false);
        check("Via: 1.0 first\r\nX: y\r\nVIA: 1.1 second\r\n", "via", "1.0 first,1.1 second", true);
        check("Allow: GET, HEAD\r\n", "allow", "GET,HEAD", true);
        check("Expect: 100-Continue\r\n", "expect", "100-continue", true);
        check("Accept : A, b\r\n", "accept", "a,b", true);
        check("Host:\r\n", "host", "", false);
        check("Age: 1\t2\r\n", "age", "12", true);
    }

    #[test]
    fn raw_values_keep_their_blanks() {
        let block = "Via:  1 \r\nVia: 2\r\nAge: 3\r\n";
        let lines = lines(block);
        let mut out = Vec::new();
        assert_eq!(raw_value(&lines, block.as_bytes(), b"via", &mut out), Some(Value::Built));
        assert_eq!(out, b"  1 , 2");
        assert_eq!(raw_value(&lines, block.as_bytes(), b"age", &mut out), Some(Value::Borrowed(b" 3")));
        assert_eq!(raw_value(&lines, block.as_bytes(), b"host", &mut out), None);
    }
}
