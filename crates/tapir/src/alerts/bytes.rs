//! Bytes as people read them: offset, hexadecimal, text; what matched is marked.
//!
//! On terminals with colours marked bytes are bold; elsewhere a line of `^^` stands below them. Rows of 16; what
//! is shown is bounded: rows that matched come first, then their neighbours, then the beginning. Gaps say how long they are.

use super::table::{Look, painted};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;

const ROW: usize = 16;

/// Bytes with the place of the first of them in their buffer, and which of them matched (places in the buffer).
pub struct View<'v> {
    /// What is there.
    pub bytes: &'v [u8],
    /// Place of the first.
    pub offset: usize,
    /// Parts that matched.
    pub marked: Vec<Range<usize>>,
}

impl View<'_> {
    fn is_marked(&self, at: usize) -> bool {
        self.marked.iter().any(|range| range.contains(&at))
    }

    /// Lines of at most `most` bytes.
    pub fn lines(&self, most: usize, colors: bool) -> Vec<String> {
        let rows = self.bytes.len().div_ceil(ROW);
        let wanted = self.choose(rows, (most / ROW).max(1));
        let mut lines = Vec::new();
        let mut next = 0;
        for row in wanted {
            if row > next {
                lines.push(gap((row - next) * ROW));
            }
            self.row(row, colors, &mut lines);
            next = row + 1;
        }
        let rest = self.bytes.len().saturating_sub(next * ROW);
        if rest > 0 {
            lines.push(gap(rest));
        }
        lines
    }

    fn choose(&self, rows: usize, most: usize) -> BTreeSet<usize> {
        let row_of = |at: usize| at.saturating_sub(self.offset) / ROW;
        let mut hits = BTreeSet::new();
        for range in self.marked.iter().filter(|range| !range.is_empty() && range.end > self.offset) {
            hits.extend((row_of(range.start)..=row_of(range.end - 1)).take_while(|row| *row < rows).take(most));
        }
        let mut wanted: BTreeSet<usize> = hits.iter().copied().take(most).collect();
        let near = (1..=2).flat_map(|by| hits.iter().flat_map(move |row| [row.checked_sub(by), row.checked_add(by)]));
        for row in near.flatten().chain(0..rows.min(most)) {
            if wanted.len() >= most {
                break;
            }
            if row < rows {
                wanted.insert(row);
            }
        }
        wanted
    }

    fn row(&self, row: usize, colors: bool, lines: &mut Vec<String>) {
        let start = row * ROW;
        let bytes = self.bytes.iter().copied().enumerate().skip(start).take(ROW);
        let (mut hex, mut text) = (String::new(), String::new());
        let (mut hex_marks, mut text_marks) = (String::new(), String::new());
        for (column, (at, byte)) in bytes.enumerate() {
            let look = if self.is_marked(self.offset + at) { Look::Bold } else { Look::Plain };
            let mark = if look == Look::Bold { "^" } else { " " };
            let blank = if column == ROW / 2 { "  " } else { " " };
            // Writing to a string cannot fail.
            let _ = write!(hex, "{blank}{}", painted(&format!("{byte:02x}"), look, colors));
            let _ = write!(hex_marks, "{blank}{mark}{mark}");
            let shown = if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' };
            text.push_str(&painted(&shown.to_string(), look, colors));
            text_marks.push_str(mark);
        }
        let missing = ROW.saturating_sub(self.bytes.len().saturating_sub(start).min(ROW));
        let pad = " ".repeat(3 * missing + usize::from((ROW / 2..ROW).contains(&missing)));
        lines.push(format!("  {:08x} {hex}{pad}  |{text}|", self.offset + start));
        if !colors && text_marks.contains('^') {
            lines.push(format!("           {hex_marks}{pad}   {text_marks}").trim_end().to_owned());
        }
    }
}

fn gap(bytes: usize) -> String {
    format!("  … {bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(bytes: &[u8], offset: usize, marked: &[(usize, usize)], most: usize) -> String {
        let marked = marked.iter().map(|(start, end)| *start..*end).collect();
        View { bytes, offset, marked }.lines(most, false).join("\n")
    }

    #[test]
    fn what_matched_is_marked_below() {
        insta::assert_snapshot!(view(b"/etc/passwd", 0, &[(5, 11)], 256), @r"
          00000000  2f 65 74 63 2f 70 61 73  73 77 64                 |/etc/passwd|
                                   ^^ ^^ ^^  ^^ ^^ ^^                       ^^^^^^
        ");
        insta::assert_snapshot!(view(b"GET /a?b=\x1b[2J HTTP/1.1\r\n", 100, &[(114, 120), (0, 3)], 256), @r"
          00000064  47 45 54 20 2f 61 3f 62  3d 1b 5b 32 4a 20 48 54  |GET /a?b=.[2J HT|
                                                               ^^ ^^                 ^^
          00000074  54 50 2f 31 2e 31 0d 0a                           |TP/1.1..|
                    ^^ ^^ ^^ ^^                                        ^^^^
        ");
    }

    #[test]
    fn rows_far_from_what_matched_are_left_out() {
        let bytes = vec![b'x'; 1000];
        insta::assert_snapshot!(view(&bytes, 0, &[(500, 502)], 64), @r"
          … 464 bytes
          000001d0  78 78 78 78 78 78 78 78  78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
          000001e0  78 78 78 78 78 78 78 78  78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
          000001f0  78 78 78 78 78 78 78 78  78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
                                ^^ ^^                                      ^^
          00000200  78 78 78 78 78 78 78 78  78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
          … 472 bytes
        ");
        assert_eq!(view(&bytes, 0, &[], 32).lines().count(), 3);
        assert_eq!(view(&[], 0, &[(0, 4)], 32), "");
    }

    #[test]
    fn odd_places_do_no_harm() {
        for marked in [(usize::MAX - 1, usize::MAX), (0, usize::MAX), (5, 5), (0, 1)] {
            let text = view(&[1; 40], 16, &[marked], 48);
            assert!(text.lines().count() <= 7, "{text}");
        }
    }

    #[test]
    fn every_row_is_equally_wide() {
        for length in 1..=16 {
            let text = view(&vec![b'a'; length], 0, &[], 16);
            assert_eq!(text.find('|'), Some(62), "{length}: {text}");
        }
    }

    #[test]
    fn terminals_get_bold_bytes_and_no_second_line() {
        let marked = std::iter::once(1..2).collect();
        let lines = View { bytes: b"ab", offset: 0, marked }.lines(16, true);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].contains(" 61 \x1b[1m62\x1b[0m") && lines[0].ends_with("|a\x1b[1mb\x1b[0m|"),
            "{:?}",
            lines[0]
        );
    }
}
