//! [`Glob`]: text with wildcards, and how it is searched.
//!
//! `*` is any run of characters, `?` exactly one. A glob is cut at its runs into pieces, and each piece is looked
//! for as far left as possible behind the one before. That is right for the pieces in the middle, because an
//! earlier end never excludes a later piece; the last one is held against the end. There is no backtracking:
//! time is at most length of text times length of pattern.

use crate::quote;

/// One part of a glob.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// These characters.
    Literal(String),
    /// `?`
    One,
    /// `*`
    Run,
}

/// Whether letters of ASCII differ by case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// `=`, `!=`, `IN`, `NOTIN`.
    Exact,
    /// `:` and free words. Letters outside of ASCII always differ by case.
    Ignore,
}

/// A pattern: literals next to each other are one, and so are runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Glob {
    parts: Vec<Part>,
}

impl Glob {
    /// Its parts from left to right.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The text, if there is no wildcard in it.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is `*` and nothing else.
    pub fn is_run(&self) -> bool {
        self.parts == [Part::Run]
    }

    /// A pattern of literal text.
    pub fn literal(text: &str) -> Self {
        let mut glob = Self::default();
        text.chars().for_each(|c| glob.push_literal(c));
        glob
    }

    pub(crate) fn parse(raw: &str, quoted: bool) -> Self {
        let mut glob = Self::default();
        for (c, escaped) in quote::characters(raw, quoted) {
            match c {
                '*' if !escaped => {
                    if glob.parts.last() != Some(&Part::Run) {
                        glob.parts.push(Part::Run);
                    }
                }
                '?' if !escaped => glob.parts.push(Part::One),
                c => glob.push_literal(c),
            }
        }
        glob
    }

    fn push_literal(&mut self, c: char) {
        match self.parts.last_mut() {
            Some(Part::Literal(text)) => text.push(c),
            _ => self.parts.push(Part::Literal(c.to_string())),
        }
    }

    /// Whether the whole text is an instance of it.
    pub fn matches(&self, text: &str, case: Case) -> bool {
        let mut pieces = self.parts.split(|part| *part == Part::Run);
        let Some(first) = pieces.next() else { return text.is_empty() };
        let Some(mut from) = piece_at(first, text, 0, case) else { return false };
        let Some(mut piece) = pieces.next() else { return from == text.len() };
        for next in pieces {
            match find(piece, text, from, case, false) {
                Some(end) => from = end,
                None => return false,
            }
            piece = next;
        }
        piece_before(piece, text, case).is_some_and(|start| start >= from)
    }

    /// Whether it occurs in the text. If it begins with a letter or a digit it must do so at the start of a
    /// word: `trojan` is in `Win.Trojan`, `rojan` is not, `*rojan` is.
    pub fn occurs_in(&self, text: &str, case: Case) -> bool {
        let mut from = 0;
        let mut at_word =
            matches!(self.parts.first(), Some(Part::Literal(text)) if text.starts_with(char::is_alphanumeric));
        for piece in self.parts.split(|part| *part == Part::Run) {
            match find(piece, text, from, case, at_word) {
                Some(end) => from = end,
                None => return false,
            }
            at_word = false;
        }
        true
    }
}

/// The end of the leftmost place at or behind `from` where the piece is.
fn find(piece: &[Part], text: &str, from: usize, case: Case, at_word: bool) -> Option<usize> {
    if piece.is_empty() {
        return Some(from);
    }
    let mut before = text.get(..from)?.chars().next_back();
    for (at, c) in text.get(from..)?.char_indices() {
        if !(at_word && before.is_some_and(char::is_alphanumeric))
            && let Some(end) = piece_at(piece, text, from + at, case)
        {
            return Some(end);
        }
        before = Some(c);
    }
    None
}

/// The end of the piece, if it is at `at`.
fn piece_at(piece: &[Part], text: &str, mut at: usize, case: Case) -> Option<usize> {
    for part in piece {
        at += match part {
            Part::Literal(literal) => {
                same(text.as_bytes().get(at..at + literal.len())?, literal, case).then_some(literal.len())?
            }
            Part::One => text.get(at..)?.chars().next()?.len_utf8(),
            Part::Run => 0,
        };
    }
    Some(at)
}

/// The start of the piece, if it is at the end of the text.
fn piece_before(piece: &[Part], text: &str, case: Case) -> Option<usize> {
    let mut at = text.len();
    for part in piece.iter().rev() {
        at = match part {
            Part::Literal(literal) => {
                let start = at.checked_sub(literal.len())?;
                same(text.as_bytes().get(start..at)?, literal, case).then_some(start)?
            }
            Part::One => at - text.get(..at)?.chars().next_back()?.len_utf8(),
            Part::Run => at,
        };
    }
    Some(at)
}

fn same(bytes: &[u8], literal: &str, case: Case) -> bool {
    match case {
        Case::Exact => bytes == literal.as_bytes(),
        Case::Ignore => bytes.eq_ignore_ascii_case(literal.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern, true).matches(text, Case::Exact)
    }

    fn occurs(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern, true).occurs_in(text, Case::Ignore)
    }

    #[test]
    fn wildcards_match_runs_and_single_characters() {
        assert!(whole("frontend-*", "frontend-77b8") && whole("frontend-*", "frontend-"));
        assert!(!whole("frontend-*", "a-frontend-1"));
        assert!(whole("*checkout*", "acheckoutb") && whole("python?", "python3") && !whole("python?", "python"));
        assert!(whole("a?c", "aéc") && whole("?", "é") && !whole("?", ""));
        assert!(whole("*", "") && whole("", "") && !whole("", "a"));
        assert!(!whole("ab*ba", "aba"), "head and tail may not overlap");
        assert!(whole("a*b*c", "a-b-b-c") && !whole("a*b*c", "a-c-b"));
        assert!(whole(r"a\*c", "a*c") && !whole(r"a\*c", "abc"));
        assert!(!whole("A", "a") && Glob::parse("A*", true).matches("ab", Case::Ignore));
    }

    #[test]
    fn a_search_begins_at_the_start_of_a_word() {
        let text = "MALWARE-CNC Win.Trojan.Bredolab variant outbound connection";
        assert!(occurs("trojan", text) && occurs("malware", text) && occurs("Win.Trojan.Bre", text));
        assert!(!occurs("rojan", text) && occurs("*rojan", text) && occurs(".trojan", text));
        assert!(occurs("win*variant", text) && !occurs("variant*win", text));
        assert!(occurs("outbound c", text) && occurs("", text));
        assert!(occurs("aa", "baa aa"), "a later place counts");
        assert!(occurs("/etc", "x/etc/passwd") && !occurs("étc", "aétc"));
    }

    /// Textbook recursion over characters, exponential: the model.
    fn model(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some(('*', rest)), _) => {
                model(rest, text) || text.split_first().is_some_and(|(_, tail)| model(pattern, tail))
            }
            (Some(('?', rest)), Some((_, tail))) => model(rest, tail),
            (Some((p, rest)), Some((t, tail))) => p == t && model(rest, tail),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn globs_match_what_the_model_matches(pattern in "[abé*?]{0,8}", text in "[abé]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(whole(&pattern, &text), model(&chars(&pattern), &chars(&text)));
        }
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let started = std::time::Instant::now();
        let text = "a".repeat(16 * 1024);
        for pattern in [
            "a*".repeat(2000) + "b",
            "*".to_owned() + &"a?".repeat(2000) + "b",
            "?*".repeat(2000) + "b",
            "a".repeat(4000) + "b",
        ] {
            assert!(!whole(&pattern, &text) && !occurs(&pattern, &text));
        }
        // Generous: it takes a fraction of a second; backtracking would take for ever.
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }
}
