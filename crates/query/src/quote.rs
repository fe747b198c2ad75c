//! Quotation: escapes in, escapes out.
//!
//! Within quotes a backslash before `\`, `"`, `'`, `*`, `?`, `n`, `t`, `r` is an escape; before anything else it
//! stands for itself, so that `"C:\Windows"` needs no care. `\*` and `\?` are the characters where `*` and `?`
//! would be wildcards.

/// The characters of a literal, and whether each was escaped.
pub(crate) fn characters(raw: &str, quoted: bool) -> impl Iterator<Item = (char, bool)> + '_ {
    let mut rest = raw.chars();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        if c != '\\' || !quoted {
            return Some((c, false));
        }
        let mut ahead = rest.clone();
        let escaped = match ahead.next() {
            Some(c @ ('\\' | '"' | '\'' | '*' | '?')) => c,
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            _ => return Some(('\\', false)),
        };
        rest = ahead;
        Some((escaped, true))
    })
}

/// Writes a character within double quotes. `pattern`: `*` and `?` are escaped, too.
pub(crate) fn push(out: &mut String, c: char, pattern: bool) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '*' | '?' if pattern => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        c => out.push(c),
    }
}

/// In double quotes.
pub(crate) fn quote(text: &str, pattern: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|c| push(&mut out, c, pattern));
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> String {
        characters(raw, true).map(|(c, _)| c).collect()
    }

    #[test]
    fn escapes_are_read_and_other_backslashes_kept() {
        assert_eq!(read(r#"a\"b\\c\nd\*e"#), "a\"b\\c\nd*e");
        assert_eq!(read(r"C:\Windows\system32"), r"C:\Windows\system32");
        assert_eq!(characters(r"\n", false).count(), 2, "words have no escapes");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["", "a b", "\"'\\", "\\n\n\t\r", "*?\\*", "é"] {
            for pattern in [false, true] {
                let quoted = quote(text, pattern);
                assert_eq!(read(quoted.get(1..quoted.len() - 1).unwrap()), text, "{quoted}");
            }
        }
    }
}
