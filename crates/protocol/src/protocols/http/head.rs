//! Finds the lines of a start line plus header block, or of a trailer block, as bytes arrive.
//!
//! *How it fits*: the inspector calls [`Scan::head`] with everything from the message's first byte;
//! the scan remembers how far it got, so that a head in many segments is read once. Ranges are
//! relative to that first byte.
//!
//! *Invariants*: the outcome depends on the bytes only, not on how they were cut: nothing is decided
//! about a line before the byte behind its end is there (it may fold).
//!
//! *Limits*: start line and block each `Limits::http_header_bytes`; `Limits::http_headers` lines are
//! remembered (further ones only if they frame the message), counted.
//!
//! *Spec*: RFC 9112 §2.2 and §5; Snort 3 http_inspect (LF, CR LF, CR and CR CR LF line ends).

use super::{
    events::{self, Events},
    field::{Line, Name},
    span::{Span, is_blank, is_space},
};
use crate::Limits;
use memchr::{memchr, memchr2};

/// Header lines longer than this, and more lines than this, are anomalies (Snort defaults).
const LONG_HEADER: usize = 4096;
const MANY_HEADERS: u32 = 200;

/// Progress through a head.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Where the present line starts.
    line_at: usize,
    /// No line end lies between `line_at` and here.
    scanned: usize,
    /// Where the header block starts.
    block_at: usize,
    /// All lines seen, remembered or not.
    pub(super) count: u32,
    /// Longest line.
    pub(super) longest: usize,
    /// Lines that were not remembered.
    pub(super) untracked: u32,
    /// Header block without its final line end.
    pub(super) block: Span,
}

/// What a scan found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The end is not there yet.
    More,
    /// The section ends before this offset.
    End(usize),
    /// Longer than allowed.
    TooLong,
}

/// A line end: where the line stops and where the next begins.
struct LineEnd {
    end: usize,
    next: usize,
}

impl Scan {
    /// A scan of a header or trailer block that starts at `at`.
    pub(super) fn block_from(at: usize) -> Self {
        Self { line_at: at, scanned: at, block_at: at, block: Span::new(at, at), ..Self::default() }
    }

    /// Finds the start line, which begins at offset 0: its end and where the block begins.
    pub(super) fn start_line(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        events: &mut Events,
    ) -> Result<(usize, usize), Found> {
        match self.line_end(bytes, events) {
            Some(LineEnd { end, next }) if end <= limits.http_header_bytes => {
                *self = Self::block_from(next);
                Ok((end, next))
            }
            None if bytes.len() <= limits.http_header_bytes.saturating_add(1) => {
                self.scanned = scanned_to(bytes);
                Err(Found::More)
            }
            _ => Err(Found::TooLong),
        }
    }

    /// Reads on through the block, adding its lines.
    pub(super) fn block(&mut self, bytes: &[u8], lines: &mut Vec<Line>, limits: &Limits, events: &mut Events) -> Found {
        loop {
            match self.block_end(bytes, events) {
                BlockEnd::At(end) if end.saturating_sub(self.block_at) > limits.http_header_bytes.saturating_add(4) => {
                    return Found::TooLong;
                }
                BlockEnd::At(end) => return Found::End(end),
                BlockEnd::Unknown => return self.more(bytes, limits),
                BlockEnd::No => {}
            }
            let Some(LineEnd { end, next }) = self.folded_end(bytes, events) else { return self.more(bytes, limits) };
            if end.saturating_sub(self.block_at) > limits.http_header_bytes {
                return Found::TooLong;
            }
            self.add(bytes, end, lines, limits, events);
            self.line_at = next;
            self.scanned = next;
        }
    }

    /// The section ended without a blank line: what is there counts.
    pub(super) fn finish(&mut self, bytes: &[u8], lines: &mut Vec<Line>, limits: &Limits, events: &mut Events) {
        let rest = bytes.get(self.line_at..).unwrap_or_default();
        let end = self.line_at + rest.iter().rposition(|&byte| byte != b'\r' && byte != b'\n').map_or(0, |at| at + 1);
        if end > self.line_at {
            self.add(bytes, end, lines, limits, events);
        }
    }

    fn more(&self, bytes: &[u8], limits: &Limits) -> Found {
        if bytes.len().saturating_sub(self.block_at) > limits.http_header_bytes.saturating_add(4) {
            Found::TooLong
        } else {
            Found::More
        }
    }

    /// Whether the blank line that ends the block starts here: CRs and an LF.
    fn block_end(&mut self, bytes: &[u8], events: &mut Events) -> BlockEnd {
        let rest = bytes.get(self.line_at..).unwrap_or_default();
        let returns = rest.iter().take_while(|&&byte| byte == b'\r').count();
        match rest.get(returns) {
            None => {
                if returns > 1 {
                    events.raise(events::CR_WITHOUT_LF);
                    self.line_at += returns - 1;
                    self.scanned = self.scanned.max(self.line_at);
                }
                BlockEnd::Unknown
            }
            Some(b'\n') => {
                if returns == 0 {
                    events.raise(events::LF_WITHOUT_CR);
                } else if returns > 1 {
                    events.raise(events::CR_WITHOUT_LF);
                }
                BlockEnd::At(self.line_at + returns + 1)
            }
            Some(_) => {
                if returns > 0 {
                    events.raise(events::CR_WITHOUT_LF);
                    self.line_at += returns;
                    self.scanned = self.scanned.max(self.line_at);
                }
                BlockEnd::No
            }
        }
    }

    /// The next line end from `scanned`; events are raised for unusual ones.
    fn line_end(&self, bytes: &[u8], events: &mut Events) -> Option<LineEnd> {
        let rest = bytes.get(self.scanned..)?;
        let end = self.scanned + memchr2(b'\r', b'\n', rest)?;
        let next = if bytes.get(end) == Some(&b'\n') {
            events.raise(events::LF_WITHOUT_CR);
            end + 1
        } else if *bytes.get(end + 1)? == b'\n' {
            end + 2
        } else {
            events.raise(events::CR_WITHOUT_LF);
            end + 1
        };
        Some(LineEnd { end, next })
    }

    /// The end of a header line, past its folded continuations.
    fn folded_end(&mut self, bytes: &[u8], events: &mut Events) -> Option<LineEnd> {
        loop {
            let Some(found) = self.line_end(bytes, events) else {
                self.scanned = scanned_to(bytes).max(self.scanned);
                return None;
            };
            if !is_blank(*bytes.get(found.next)?) {
                return Some(found);
            }
            events.raise(events::FOLDED_HEADER);
            self.scanned = found.next;
        }
    }

    /// Takes in the line from `line_at` to `end`.
    fn add(&mut self, bytes: &[u8], end: usize, lines: &mut Vec<Line>, limits: &Limits, events: &mut Events) {
        let line = bytes.get(self.line_at..end).unwrap_or_default();
        if self.count == 0 {
            self.block = Span::new(self.line_at, end);
        }
        self.block.end = Span::new(0, end).end;
        self.count = self.count.saturating_add(1);
        self.longest = self.longest.max(line.len());
        if line.len() > LONG_HEADER {
            events.raise(events::LONG_HEADER);
        }
        if self.count == MANY_HEADERS + 1 {
            events.raise(events::MANY_HEADERS);
        }
        let parsed = parse(line, self.line_at, events);
        let room = if parsed.id == Name::Other { limits.http_headers } else { limits.http_headers.saturating_mul(2) };
        if lines.len() < room {
            lines.push(parsed);
        } else {
            self.untracked = self.untracked.saturating_add(1);
        }
    }
}

/// Does the block end at a line start?
enum BlockEnd {
    At(usize),
    No,
    Unknown,
}

/// All of `bytes` was searched; a CR at its end must be looked at again.
fn scanned_to(bytes: &[u8]) -> usize {
    bytes.len() - usize::from(bytes.last() == Some(&b'\r'))
}

/// Splits a line at its colon.
fn parse(line: &[u8], at: usize, events: &mut Events) -> Line {
    let whole = Span::new(at, at + line.len());
    let Some(colon) = memchr(b':', line) else {
        events.raise(events::BAD_HEADER);
        return Line { line: whole, ..Line::default() };
    };
    let name = line.get(..colon).unwrap_or_default();
    let mut parsed = Line {
        line: whole,
        name: Span::new(at, at + colon),
        value: Span::new(at + colon + 1, at + line.len()),
        id: Name::Other,
        blank_name: false,
    };
    if name.iter().all(|&byte| byte.is_ascii_graphic()) {
        parsed.id = Name::of(name);
        return parsed;
    }
    let mut squeezed = [0u8; 32];
    let mut length = 0usize;
    for &byte in name {
        if is_space(byte) {
            parsed.blank_name = true;
            continue;
        }
        if !byte.is_ascii_graphic() {
            events.raise(events::NAME_UNPRINTABLE);
        }
        if let Some(slot) = squeezed.get_mut(length) {
            *slot = byte;
        }
        length += 1;
    }
    if parsed.blank_name {
        events.raise(events::NAME_BLANK);
    }
    parsed.id = squeezed.get(..length).map_or(Name::Other, Name::of);
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines and length of a head, fed at the given lengths.
    fn scan(bytes: &[u8], feeds: impl IntoIterator<Item = usize>) -> Option<(Vec<String>, usize)> {
        let (limits, mut events) = (Limits::default(), Events::default());
        let (mut scan, mut lines, mut started) = (Scan::default(), Vec::new(), None);
        for length in feeds {
            let part = &bytes[..length];
            if started.is_none() {
                started = scan.start_line(part, &limits, &mut events).ok();
            }
            if started.is_some()
                && let Found::End(end) = scan.block(part, &mut lines, &limits, &mut events)
            {
                let text = |span: Span| String::from_utf8_lossy(span.of(bytes)).into_owned();
                let mut all: Vec<_> =
                    lines.iter().map(|l| format!("{}|{}|{}", text(l.line), text(l.name), text(l.value))).collect();
                all.push(text(scan.block));
                return Some((all, end));
            }
        }
        None
    }

    #[track_caller]
    fn check(head: &str, lines: &[&str], block: &str, rest: &str) {
        let (mut found, end) = scan(head.as_bytes(), [head.len()]).expect(head);
        assert_eq!(found.pop().unwrap(), block, "{head:?}");
        assert_eq!(found, lines, "{head:?}");
        assert_eq!(&head[end..], rest, "{head:?}");
    }

    #[test]
    fn lines_end_in_every_usual_and_unusual_way() {
        check("S\r\nA: 1\r\nB:2\r\n\r\nrest", &["A: 1|A| 1", "B:2|B|2"], "A: 1\r\nB:2", "rest");
        check("S\nA: 1\nB:2\n\nrest", &["A: 1|A| 1", "B:2|B|2"], "A: 1\nB:2", "rest");
        check("S\rA: 1\rB:2\r\r\nrest", &["A: 1|A| 1", "B:2|B|2"], "A: 1\rB:2", "rest");
        check("S\r\n\r\nrest", &[], "", "rest");
        check("S\r\n\nrest", &[], "", "rest");
        check(
            "S\r\nA: 1\r\n two\r\n\tthree\r\n\r\n",
            &["A: 1\r\n two\r\n\tthree|A| 1\r\n two\r\n\tthree"],
            "A: 1\r\n two\r\n\tthree",
            "",
        );
        check("S\r\nno colon\r\n:x\r\n\r\n", &["no colon||", ":x||x"], "no colon\r\n:x", "");
        check("S\r\nA:1\r\n\r\r\r\nrest", &["A:1|A|1"], "A:1", "rest");
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(head in "S(\r\n|\n|\r|a|:| |B){0,30}", cuts in proptest::collection::vec(0usize..40, 0..8)) {
            let bytes = head.as_bytes();
            let mut feeds: Vec<usize> = cuts.into_iter().filter(|&cut| cut < bytes.len()).collect();
            feeds.sort_unstable();
            feeds.push(bytes.len());
            let whole = scan(bytes, [bytes.len()]);
            let every = scan(bytes, 0..=bytes.len());
            prop_assert_eq!(&scan(bytes, feeds), &whole);
            prop_assert_eq!(&every, &whole);
        }
    }
}
