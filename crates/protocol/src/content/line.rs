//! Lines of text protocols, found without looking at any byte twice.
//!
//! A line ends at LF (a CR before it belongs to the line). A line that exceeds the PDU size is cut
//! into pieces of that size, so that a peer that never sends LF cannot make the engine buffer.

use crate::Step;
use memchr::memchr;

/// Finds line ends in the unconsumed bytes of one direction. Holds only a count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineScan {
    scanned: usize,
}

/// What [`LineScan::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A line of this length, its LF included.
    Line(usize),
    /// No line end within the limit: this many bytes are to be flushed.
    Oversized(usize),
    /// More bytes are needed.
    NeedMore(Step),
}

impl LineScan {
    /// The next line of `bytes` from offset `from`; the caller consumes it or goes on behind it.
    /// `limit` counts from the start of `bytes`.
    pub(crate) fn next(&mut self, bytes: &[u8], from: usize, limit: usize) -> Found {
        let limit = limit.max(1);
        let window = bytes.get(..bytes.len().min(limit)).unwrap_or_default();
        let start = self.scanned.max(from);
        match memchr(b'\n', window.get(start..).unwrap_or_default()) {
            Some(at) => {
                self.scanned = 0;
                Found::Line(start.saturating_add(at).saturating_add(1))
            }
            None if window.len() >= limit => {
                self.scanned = 0;
                Found::Oversized(limit)
            }
            None => {
                self.scanned = window.len();
                Found::NeedMore(need_more(bytes))
            }
        }
    }
}

/// Asks for at least one more byte.
pub(crate) fn need_more(bytes: &[u8]) -> Step {
    Step::NeedMore { at_least: bytes.len().saturating_add(1) }
}

/// The line without its LF or CR LF.
pub(crate) fn trim_eol(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The first word of a line (up to blank or line end) and what follows it, blanks before it skipped.
pub(crate) fn first_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = trim_eol(line).trim_ascii_start();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (word, rest.trim_ascii())
}

/// Reads a decimal number that is all of `text`.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0'))))
}

/// Whether `word` is one of `list` (upper case), in any case.
pub(crate) fn is_one_of(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_whatever_the_cuts() {
        let mut scan = LineScan::default();
        assert_eq!(scan.next(b"EH", 0, 100), Found::NeedMore(Step::NeedMore { at_least: 3 }));
        assert_eq!(scan.next(b"EHLO\r", 0, 100), Found::NeedMore(Step::NeedMore { at_least: 6 }));
        assert_eq!(scan.next(b"EHLO\r\nQ", 0, 100), Found::Line(6));
        assert_eq!(scan.next(b"Q\n", 0, 100), Found::Line(2));
    }

    #[test]
    fn a_line_without_end_is_cut_at_the_limit() {
        let mut scan = LineScan::default();
        assert_eq!(scan.next(&[b'a'; 7], 0, 8), Found::NeedMore(Step::NeedMore { at_least: 8 }));
        assert_eq!(scan.next(&[b'a'; 20], 0, 8), Found::Oversized(8));
    }

    #[test]
    fn words_and_numbers() {
        assert_eq!(first_word(b" MAIL  FROM:<a> \r\n"), (&b"MAIL"[..], &b"FROM:<a>"[..]));
        assert_eq!(first_word(b"\r\n"), (&b""[..], &b""[..]));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal(b"18446744073709551616"), None);
        assert_eq!(decimal(b"-1"), None);
        assert_eq!(decimal(b""), None);
    }
}
