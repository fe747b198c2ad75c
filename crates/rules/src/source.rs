//! Texts of rule files, by id, with lines and columns.
//!
//! Bytes that aren't UTF-8 are remembered by position and stand as `?` in the text, so that every
//! offset in the text is an offset in the file.

use crate::{SourceId, Span};
use std::sync::Arc;

/// One text.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: Arc<str>,
    /// Offsets of the first byte of every line.
    lines: Vec<u32>,
    /// Offsets of bytes that aren't UTF-8, ascending.
    invalid: Vec<u32>,
}

/// All texts that were read.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text under a name (a path, or `<policy>`).
    pub fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>) -> SourceId {
        let (text, invalid) = decode(bytes);
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| offset(at.saturating_add(1)));
        let lines = std::iter::once(0).chain(newlines).collect();
        let id = SourceId(offset(self.sources.len()));
        self.sources.push(Source { name: name.into(), text: text.into(), lines, invalid });
        id
    }

    /// Names of all sources, in the order of reading.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| &*source.name)
    }

    /// Name of a source; empty for an unknown id.
    pub fn name(&self, id: SourceId) -> &str {
        self.source(id).map_or("", |source| &source.name)
    }

    /// Text of a source; empty for an unknown id.
    pub fn text(&self, id: SourceId) -> &str {
        self.source(id).map_or("", |source| &source.text)
    }

    /// The text of a span; empty if the span lies outside.
    pub fn slice(&self, span: Span) -> &str {
        self.text(span.source).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// How many sources there are.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Line of an offset, from 1. Cheap, unlike the column.
    pub fn line(&self, id: SourceId, at: u32) -> u32 {
        self.source(id).map_or(1, |source| offset(source.lines.partition_point(|&start| start <= at)))
    }

    /// Offset of the first byte of a line, from 1; 0 for one that is not there.
    pub fn start_of(&self, id: SourceId, line: u32) -> u32 {
        let index = (line as usize).checked_sub(1);
        self.source(id).zip(index).and_then(|(source, index)| source.lines.get(index)).copied().unwrap_or(0)
    }

    /// Line and column (in characters) of an offset, both from 1.
    pub fn position(&self, id: SourceId, at: u32) -> (u32, u32) {
        let Some(source) = self.source(id) else { return (1, 1) };
        let line = source.lines.partition_point(|&start| start <= at);
        let start = line.checked_sub(1).and_then(|index| source.lines.get(index)).copied().unwrap_or(0);
        let before = source.text.as_bytes().get(start as usize..at as usize).unwrap_or(&[]);
        // Continuation bytes of UTF-8 are no characters of their own.
        let column = before.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
        (offset(line), offset(column).saturating_add(1))
    }

    /// `name:line` of a span's start.
    pub fn place(&self, span: Span) -> String {
        format!("{}:{}", self.name(span.source), self.line(span.source, span.start))
    }

    /// The text of a source, shared.
    pub(crate) fn shared(&self, id: SourceId) -> Arc<str> {
        self.source(id).map_or_else(|| Arc::from(""), |source| Arc::clone(&source.text))
    }

    /// First byte in the span that wasn't UTF-8 in the file.
    pub(crate) fn invalid_in(&self, span: Span) -> Option<u32> {
        let invalid = &self.source(span.source)?.invalid;
        let first = invalid.partition_point(|&at| at < span.start);
        invalid.get(first).copied().filter(|&at| at < span.end)
    }

    fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.0 as usize)
    }
}

/// An offset as stored; files are capped far below 4 GiB.
pub(crate) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn decode(bytes: Vec<u8>) -> (String, Vec<u32>) {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return (text, Vec::new()),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    let mut invalid = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for _ in chunk.invalid() {
            invalid.push(offset(text.len()));
            text.push('?');
        }
    }
    (text, invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let mut map = SourceMap::default();
        let id = map.add("a", "ab\nä€x\n".as_bytes().to_vec());
        assert_eq!(map.position(id, 0), (1, 1));
        assert_eq!(map.position(id, 2), (1, 3));
        assert_eq!(map.position(id, 3), (2, 1));
        assert_eq!(map.position(id, 8), (2, 3));
        assert_eq!(map.position(id, 10), (3, 1));
    }

    #[test]
    fn bytes_that_are_not_utf8_keep_offsets() {
        let mut map = SourceMap::default();
        let id = map.add("a", b"ab\xFF\xFEcd".to_vec());
        assert_eq!(map.text(id), "ab??cd");
        let span = |start, end| Span { source: id, start, end };
        assert_eq!(map.invalid_in(span(0, 6)), Some(2));
        assert_eq!(map.invalid_in(span(3, 6)), Some(3));
        assert_eq!(map.invalid_in(span(4, 6)), None);
    }
}
