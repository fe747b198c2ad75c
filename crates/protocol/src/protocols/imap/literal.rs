//! Literals at the end of a line (RFC 9051 §4.3): `{n}`, `{n+}`, `~{n}`.

use crate::content::line::{decimal, trim_eol};

/// A literal that follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// Its length.
    pub len: u64,
    /// It is the body of one part (`BODY[2]`, `BODY[TEXT]`), without headers.
    pub bare: bool,
}

/// The literal that `line` announces.
pub(super) fn announced(line: &[u8]) -> Option<Literal> {
    let text = trim_eol(line).strip_suffix(b"}")?;
    let text = text.strip_suffix(b"+").unwrap_or(text);
    let open = memchr::memrchr(b'{', text)?;
    let (before, number) = text.split_at_checked(open)?;
    let len = decimal(number.get(1..)?)?;
    Some(Literal { len, bare: is_bare(before) })
}

/// Whether the FETCH item before the literal gives a part's body without headers.
fn is_bare(before: &[u8]) -> bool {
    let before = before.strip_suffix(b"~").unwrap_or(before).trim_ascii_end();
    // A partial fetch has the origin behind the bracket: BODY[2]<0>.
    let before = match (before.strip_suffix(b">"), memchr::memrchr(b'<', before)) {
        (Some(_), Some(open)) => before.get(..open).unwrap_or_default(),
        _ => before,
    };
    let Some(inner) = before.strip_suffix(b"]") else { return ends_with(before, b"RFC822.TEXT") };
    let section = memchr::memrchr(b'[', inner).and_then(|open| inner.get(open.saturating_add(1)..)).unwrap_or_default();
    let last = section.rsplit(|&byte| byte == b'.').next().unwrap_or(section);
    last.eq_ignore_ascii_case(b"TEXT") || (!last.is_empty() && last.iter().all(u8::is_ascii_digit))
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let from = text.len().checked_sub(end.len());
    from.and_then(|from| text.get(from..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_recognised() {
        let len = |line: &[u8]| announced(line).map(|literal| literal.len);
        assert_eq!(len(b"a LOGIN {6}\r\n"), Some(6));
        assert_eq!(len(b"a APPEND x {310+}\r\n"), Some(310));
        assert_eq!(len(b"a APPEND x ~{310}\n"), Some(310));
        assert_eq!(len(b"a COPY {01025\r\n"), None);
        assert_eq!(len(b"a COPY {}\r\n"), None);
        assert_eq!(len(b"a COPY {99999999999999999999}\r\n"), None);
    }

    #[test]
    fn bodies_without_headers_are_told_from_messages() {
        let bare = |line: &[u8]| announced(line).unwrap().bare;
        assert!(bare(b"* 1 FETCH (BODY[2] {5}\r\n"));
        assert!(bare(b"* 1 FETCH (BODY[1.2]<0> {5}\r\n"));
        assert!(bare(b"* 1 FETCH (BODY[TEXT] {5}\r\n"));
        assert!(bare(b"* 1 FETCH (RFC822.TEXT {5}\r\n"));
        assert!(!bare(b"* 1 FETCH (BODY[] {5}\r\n"));
        assert!(!bare(b"* 1 FETCH (BODY[2.MIME] {5}\r\n"));
        assert!(!bare(b"* 1 FETCH (BODY[HEADER.FIELDS (From To)] {5}\r\n"));
        assert!(!bare(b"* 1 FETCH (RFC822 {5}\r\n"));
    }
}
