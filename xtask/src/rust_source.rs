//! Rust text with comments and literals blanked out, so that words can be looked for in code alone.
//!
//! Lengths and line breaks stay, so places in the result are places in the file. It is no parser: it
//! knows comments (nested), strings (plain, byte, raw), characters and lifetimes.

/// The code of a file: comments, strings and characters are blanks.
pub(crate) fn code(text: &str) -> String {
    let mut scanner = Scanner { rest: text, out: String::with_capacity(text.len()) };
    while let Some(next) = scanner.rest.chars().next() {
        scanner.step(next);
    }
    scanner.out
}

/// The code of a file without what `#[cfg(test)]` stands before.
pub(crate) fn code_without_tests(text: &str) -> String {
    let mut code = code(text);
    while let Some(start) = code.find("#[cfg(test)]") {
        let end = start + item_length(code.get(start..).unwrap_or_default());
        let blank = blanked(code.get(start..end).unwrap_or_default());
        code.replace_range(start..end, &blank);
    }
    code
}

/// Line of a byte offset, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// Byte offsets at which `word` stands by itself.
pub(crate) fn words<'t>(code: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code.get(at + word.len()..).and_then(|text| text.chars().next());
        !joins(before) && !joins(after)
    })
}

/// Length of the item at the start: to its closing brace or, if that comes first, its semicolon.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    // Attributes have brackets of their own; only braces and semicolons outside of them end an item.
    let mut brackets = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 && brackets == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Blanks of the same length in bytes; line breaks stay.
fn blanked(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

struct Scanner<'t> {
    rest: &'t str,
    out: String,
}

impl Scanner<'_> {
    fn step(&mut self, next: char) {
        let text = self.rest;
        if text.starts_with("//") {
            self.blank(text.find('\n').unwrap_or(text.len()));
        } else if text.starts_with("/*") {
            self.blank(comment_length(text));
        } else if let Some(length) = raw_string_length(text).filter(|_| !self.in_word()) {
            self.blank(length);
        } else if next == '"' {
            self.blank(string_length(text));
        } else if next == '\'' {
            match character_length(text) {
                Some(length) => self.blank(length),
                None => self.keep(1),
            }
        } else {
            self.keep(next.len_utf8());
        }
    }

    /// Whether the last character kept belongs to a name (`bar"` is no raw string).
    fn in_word(&self) -> bool {
        self.out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length);
        self.out.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.out.push_str(&blanked(gone));
        self.rest = rest;
    }
}

fn comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `r"…"`, `br#"…"#`, `cr"…"`.
fn raw_string_length(text: &str) -> Option<usize> {
    let body = text.strip_prefix("br").or_else(|| text.strip_prefix("cr")).or_else(|| text.strip_prefix('r'))?;
    let hashes = body.bytes().take_while(|&byte| byte == b'#').count();
    let inner = body.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(text.len() - inner.len() + length)
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Of `'x'` and `'\n'`; `None` for a lifetime.
fn character_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    if let Some(escape) = inner.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return escape.get(first..)?.find('\'').map(|at| 2 + first + at + 1);
    }
    let c = inner.chars().next()?;
    inner.get(c.len_utf8()..)?.starts_with('\'').then(|| c.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_places_stay() {
        let text =
            "a // unsafe\nb /* x /* y */ unsafe */ c \"un\\\"safe\" r#\"un\"safe\"# b\"q\" '\"' '\\'' 'a: &'static é\n";
        let code = code(text);
        assert_eq!(code.len(), text.len());
        assert!(!code.contains("safe") && !code.contains('"'), "{code}");
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c", "b", "'a:", "&'static", "é"]);
        assert_eq!(line_of(text, text.find("b /*").unwrap()), 2);
    }

    #[test]
    fn what_is_only_for_tests_is_left_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\nmod t { fn c() { x(); } }\nfn d() {}";
        let code = code_without_tests(text);
        let words: String = code.split_whitespace().collect();
        assert_eq!(words, "fna(){}fnb(){}fnd(){}");
    }

    #[test]
    fn words_stand_by_themselves() {
        assert_eq!(words("unsafe unsafe_code is_unsafe (unsafe)", "unsafe").collect::<Vec<_>>(), [0, 30]);
    }
}
