//! Parts of a `multipart/*` body, found in a body that comes in pieces.
//!
//! *How it fits*: [`Multipart::feed`] gives the stretches of part content in a piece, as ranges into
//! it. Nothing is copied and nothing is held back: if a delimiter is cut by the end of a piece, its
//! beginning counts as content of the part.
//!
//! *Limits*: boundary at most [`MAX_BOUNDARY`] bytes; no state grows with the body.
//!
//! *Spec*: RFC 2046 §5.1, RFC 7578; Snort 3: only parts with a Content-Type of their own are files.

use memchr::{memchr, memmem};
use std::ops::Range;

/// Longest boundary that is followed (RFC 2046 allows 70).
pub(crate) const MAX_BOUNDARY: usize = 200;

/// The name that makes a part a file, with its colon.
const CONTENT_TYPE: &[u8; 13] = b"content-type:";

/// A stretch of a part's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where in the piece.
    pub(crate) range: Range<usize>,
    /// Offset of its first byte in the part.
    pub(crate) position: u64,
    /// The part has a Content-Type of its own.
    pub(crate) typed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter, or behind the last.
    Outside,
    /// On the delimiter's line, behind it; so many hyphens came.
    Delimiter(u8),
    /// In a part's header block.
    Header,
    /// In a part's content.
    Content,
}

/// One multipart body.
#[derive(Debug)]
pub(crate) struct Multipart {
    /// Finds `--boundary`.
    finder: memmem::Finder<'static>,
    state: State,
    /// The last byte seen ended a line (also true at the start of the body).
    at_line_start: bool,
    /// So much of the delimiter ended the last piece.
    partial: usize,
    /// Start of the present header line, lower case.
    line: [u8; CONTENT_TYPE.len()],
    line_length: usize,
    typed: bool,
    position: u64,
}

impl Multipart {
    /// The body of a message with this Content-Type; `None` if it names no usable boundary.
    pub(crate) fn from_content_type(content_type: &[u8]) -> Option<Self> {
        let head = content_type.get(..10)?;
        if !head.eq_ignore_ascii_case(b"multipart/") {
            return None;
        }
        let boundary = parameter(content_type, b"boundary")?;
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
            return None;
        }
        let delimiter = [b"--", boundary].concat();
        Some(Self {
            finder: memmem::Finder::new(&delimiter).into_owned(),
            state: State::Outside,
            at_line_start: true,
            partial: 0,
            line: [0; CONTENT_TYPE.len()],
            line_length: 0,
            typed: false,
            position: 0,
        })
    }

    /// Memory held beside the struct.
    pub(crate) fn footprint(&self) -> usize {
        size_of::<Self>() + self.finder.needle().len()
    }

    /// Appends the stretches of part content in `piece` to `parts`.
    pub(crate) fn feed(&mut self, piece: &[u8], parts: &mut Vec<Part>) {
        let mut at = self.resume(piece);
        while at < piece.len() {
            at = match self.state {
                State::Outside | State::Content => self.content(piece, at, parts),
                State::Delimiter(_) | State::Header => self.header_byte(piece, at),
            };
        }
        if let Some(&last) = piece.last() {
            self.at_line_start = last == b'\n';
        }
    }

    /// Goes on with a delimiter that the last piece began.
    fn resume(&mut self, piece: &[u8]) -> usize {
        let wanted = self.finder.needle().get(self.partial..).unwrap_or_default();
        if self.partial == 0 || piece.is_empty() {
            return 0;
        }
        let length = wanted.len().min(piece.len());
        if piece.get(..length) != wanted.get(..length) {
            self.partial = 0;
            return 0;
        }
        self.partial += length;
        if self.partial == self.finder.needle().len() {
            self.partial = 0;
            self.state = State::Delimiter(0);
        } else if self.state == State::Content {
            self.position = self.position.saturating_add(length as u64);
        }
        length
    }

    /// Content up to the next delimiter.
    fn content(&mut self, piece: &[u8], at: usize, parts: &mut Vec<Part>) -> usize {
        let mut from = at;
        while let Some(found) = self.finder.find(piece.get(from..).unwrap_or_default()) {
            let start = from + found;
            let behind = start + self.finder.needle().len();
            if self.starts_line(piece, start) {
                self.add(piece, at, start, true, parts);
                self.state = State::Delimiter(0);
                return behind;
            }
            from = start + 1;
        }
        self.partial = self.partial_delimiter(piece, from);
        self.add(piece, at, piece.len(), false, parts);
        piece.len()
    }

    fn starts_line(&self, piece: &[u8], at: usize) -> bool {
        match at.checked_sub(1) {
            None => self.at_line_start,
            Some(before) => piece.get(before) == Some(&b'\n'),
        }
    }

    /// How much of a delimiter ends the piece.
    fn partial_delimiter(&self, piece: &[u8], from: usize) -> usize {
        let needle = self.finder.needle();
        let earliest = piece.len().saturating_sub(needle.len().saturating_sub(1)).max(from);
        (earliest..piece.len())
            .find(|&start| {
                let tail = piece.get(start..).unwrap_or_default();
                needle.starts_with(tail) && self.starts_line(piece, start)
            })
            .map_or(0, |start| piece.len() - start)
    }

    fn add(&mut self, piece: &[u8], start: usize, end: usize, delimited: bool, parts: &mut Vec<Part>) {
        if self.state != State::Content {
            return;
        }
        let content = piece.get(start..end).unwrap_or_default();
        let line_end = match content {
            [.., b'\r', b'\n'] if delimited => 2,
            [.., b'\n'] if delimited => 1,
            _ => 0,
        };
        let range = start..end - line_end;
        if !range.is_empty() {
            let length = range.len() as u64;
            parts.push(Part { range, position: self.position, typed: self.typed });
            self.position = self.position.saturating_add(length);
        }
    }

    /// A byte of the delimiter's line or of a part's header block.
    fn header_byte(&mut self, piece: &[u8], at: usize) -> usize {
        let rest = piece.get(at..).unwrap_or_default();
        if let State::Delimiter(hyphens) = self.state {
            match rest.first() {
                Some(b'-') if hyphens < 2 => {
                    self.state = if hyphens == 1 { State::Outside } else { State::Delimiter(1) };
                    return at + 1;
                }
                _ => self.state = State::Delimiter(2),
            }
        }
        let end = memchr(b'\n', rest);
        if self.state == State::Header {
            for &byte in rest.get(..end.unwrap_or(rest.len())).unwrap_or_default() {
                if byte == b'\r' {
                    continue;
                }
                if let Some(slot) = self.line.get_mut(self.line_length) {
                    *slot = byte.to_ascii_lowercase();
                }
                self.line_length = (self.line_length + 1).min(CONTENT_TYPE.len() + 1);
                if self.line_length > CONTENT_TYPE.len() {
                    break;
                }
            }
        }
        let Some(end) = end else { return piece.len() };
        self.line_ended();
        at + end + 1
    }

    fn line_ended(&mut self) {
        if self.state != State::Header {
            self.state = State::Header;
            self.typed = false;
        } else if self.line_length == 0 {
            self.state = State::Content;
            self.position = 0;
        } else if self.line_length >= CONTENT_TYPE.len() && self.line == *CONTENT_TYPE {
            self.typed = true;
        }
        self.line_length = 0;
    }
}

/// A parameter of a Content-Type value, quotes removed.
pub(crate) fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    value.split(|&byte| byte == b';').skip(1).find_map(|parameter| {
        let parameter = parameter.trim_ascii();
        let equals = memchr(b'=', parameter)?;
        let (own, rest) = parameter.split_at(equals);
        if !own.trim_ascii().eq_ignore_ascii_case(name) {
            return None;
        }
        let rest = rest.get(1..)?.trim_ascii();
        match rest.strip_prefix(b"\"") {
            Some(quoted) => quoted.get(..memchr(b'"', quoted).unwrap_or(quoted.len())),
            None => Some(rest),
        }
    })
}

/// Feeds hostile bytes in two pieces.
#[doc(hidden)]
pub fn fuzz_multipart(data: &[u8]) {
    let Some(mut body) = Multipart::from_content_type(b"multipart/form-data; boundary=B") else { return };
    let Some((&cut, data)) = data.split_first() else { return };
    let (left, right) = data.split_at(data.len().min(usize::from(cut)));
    let mut parts = Vec::new();
    for piece in [left, right] {
        parts.clear();
        body.feed(piece, &mut parts);
        debug_assert!(parts.iter().all(|part| piece.get(part.range.clone()).is_some()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &str = "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"f\"\r\ncontent-TYPE: x/y\r\n\r\n\
        TOKEN one --B inside\r\n--B\r\nContent-Disposition: form-data\r\n\r\nTOKEN two\r\n--B\nContent-Type: a/b\n\nthree\n--B--\r\nepilogue";

    /// The typed contents, joined over pieces, when cut at these places.
    fn typed(body: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut multipart = Multipart::from_content_type(b"Multipart/Form-Data; x=y; boundary=\"B\"").unwrap();
        let (mut out, mut from): (Vec<Vec<u8>>, _) = (Vec::new(), 0);
        for &cut in cuts.iter().chain([&body.len()]) {
            let (piece, mut parts) = (&body[from..cut], Vec::new());
            from = cut;
            multipart.feed(piece, &mut parts);
            for part in parts.iter().filter(|part| part.typed) {
                let content = &piece[part.range.clone()];
                match out.last_mut() {
                    Some(last) if part.position > 0 => {
                        assert_eq!(last.len() as u64, part.position);
                        last.extend_from_slice(content);
                    }
                    _ => out.push(content.to_vec()),
                }
            }
        }
        out
    }

    #[test]
    fn only_typed_parts_are_files() {
        assert_eq!(typed(BODY.as_bytes(), &[]), [b"TOKEN one --B inside".to_vec(), b"three".to_vec()]);
    }

    #[test]
    fn a_cut_anywhere_loses_no_content() {
        for cut in 0..=BODY.len() {
            let parts = typed(BODY.as_bytes(), &[cut]);
            assert_eq!(parts.len(), 2, "{cut}: {parts:?}");
            assert!(parts[0].starts_with(b"TOKEN one --B inside") && parts[0].len() <= 20 + 5, "{cut}: {parts:?}");
            assert!(parts[1].starts_with(b"three") && parts[1].len() <= 5 + 4, "{cut}: {parts:?}");
        }
    }

    #[test]
    fn content_types_without_a_boundary_are_not_multipart() {
        for value in ["text/plain; boundary=B", "multipart/form-data", "multipart/form-data; boundary=", ""] {
            assert!(Multipart::from_content_type(value.as_bytes()).is_none(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bodies_never_panic(data in "[\\x00-\\x40](--B|\r\n|\n|-|B|content-type:|x){0,40}") {
            fuzz_multipart(data.as_bytes());
        }
    }
}
