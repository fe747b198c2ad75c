//! One HTTP message: its head as received, where things are in it, and what was derived from it.
//!
//! *How it fits*: the inspector fills a message while its head arrives and keeps it while the body
//! (and, for requests, the answer) is inspected; memory is reused by the next message.
//!
//! *Limits*: the head is capped by `Limits::http_header_bytes`; derived buffers are never longer than
//! what they derive from. Derived buffers are made at first use and once.

use super::{
    decode,
    events::Events,
    field::{self, Line, Name, Value},
    span::Span,
    start_line::StartLine,
    uri::Uri,
};
use std::cell::{Cell, OnceCell};

/// Buffers above this are given back after a message.
const KEEP: usize = 4096;

/// A buffer that is made at first use and whose memory survives the message.
#[derive(Default)]
pub(super) struct Derived {
    made: OnceCell<Vec<u8>>,
    spare: Cell<Vec<u8>>,
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Derived").field(&self.made.get()).finish()
    }
}

impl Derived {
    /// The bytes; `make` appends them to an empty buffer when asked first.
    pub(super) fn get(&self, make: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        self.made.get_or_init(|| {
            let mut bytes = self.spare.take();
            make(&mut bytes);
            bytes
        })
    }

    /// Forgets the bytes.
    pub(super) fn clear(&mut self) {
        if let Some(mut bytes) = self.made.take() {
            bytes.clear();
            bytes.shrink_to(KEEP);
            self.spare.set(bytes);
        }
    }

    fn footprint(&self) -> usize {
        self.made.get().map_or(0, Vec::capacity)
    }
}

/// A request or a response.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Start line and header block as received.
    pub(super) head: Vec<u8>,
    /// The start line.
    pub(super) start: StartLine,
    /// Header lines, in order.
    pub(super) lines: Vec<Line>,
    /// Header block without its final line end.
    pub(super) block: Span,
    /// Lines in the block, and the longest.
    pub(super) count: u32,
    /// Longest line.
    pub(super) longest: usize,
    /// Request target.
    pub(super) uri: Uri,
    /// Trailer section as received.
    pub(super) trailer: Vec<u8>,
    /// Trailer lines.
    pub(super) trailer_lines: Vec<Line>,
    /// Trailer block without its final line end.
    pub(super) trailer_block: Span,
    /// Trailer lines, all of them.
    pub(super) trailer_count: u32,
    /// Longest trailer line.
    pub(super) trailer_longest: usize,
    /// A response (else a request).
    pub(super) is_response: bool,
    header: Derived,
    raw_cookie: Derived,
    cookie: Derived,
    trailer_decoded: Derived,
}

impl Message {
    /// Empties the message; keeps ordinary amounts of memory.
    pub(super) fn clear(&mut self) {
        for bytes in [&mut self.head, &mut self.trailer] {
            bytes.clear();
            bytes.shrink_to(KEEP);
        }
        for lines in [&mut self.lines, &mut self.trailer_lines] {
            lines.clear();
            lines.shrink_to(KEEP / size_of::<Line>());
        }
        for derived in [&mut self.header, &mut self.raw_cookie, &mut self.cookie, &mut self.trailer_decoded] {
            derived.clear();
        }
        self.uri.clear();
        self.start = StartLine::default();
        self.block = Span::default();
        self.trailer_block = Span::default();
        (self.count, self.longest, self.trailer_count, self.trailer_longest) = (0, 0, 0, 0);
        self.is_response = false;
    }

    /// Memory held.
    pub(super) fn footprint(&self) -> usize {
        let derived = [&self.header, &self.raw_cookie, &self.cookie, &self.trailer_decoded];
        size_of::<Self>()
            + self.head.capacity()
            + self.trailer.capacity()
            + (self.lines.capacity() + self.trailer_lines.capacity()) * size_of::<Line>()
            + self.uri.footprint()
            + derived.iter().map(|derived| derived.footprint()).sum::<usize>()
    }

    /// Whether a field is there.
    pub(super) fn has(&self, id: Name) -> bool {
        self.lines.iter().any(|line| line.id == id)
    }

    /// The field that carries cookies in this direction.
    fn cookie_name(&self) -> (Name, &'static [u8]) {
        if self.is_response { (Name::SetCookie, b"set-cookie") } else { (Name::Cookie, b"cookie") }
    }

    /// `http_raw_header`.
    pub(super) fn raw_header(&self) -> &[u8] {
        self.block.of(&self.head)
    }

    /// `http_header`: without cookie lines, decoded.
    pub(super) fn header(&self) -> &[u8] {
        let (cookie, _) = self.cookie_name();
        let raw = self.raw_header();
        if !self.has(cookie) && !decode::needs_decoding(raw) {
            return raw;
        }
        self.header.get(|out| {
            let mut from = self.block.start;
            for line in self.lines.iter().filter(|line| line.id == cookie) {
                decode_to(Span { start: from, end: line.line.start }.of(&self.head), out);
                let behind = Span { start: line.line.end, end: self.block.end }.of(&self.head);
                let line_end = behind.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
                from = Span::new(0, line.line.end as usize + line_end).end;
            }
            decode_to(Span { start: from, end: self.block.end }.of(&self.head), out);
        })
    }

    /// `http_raw_cookie`.
    pub(super) fn raw_cookie(&self) -> Option<&[u8]> {
        let (id, name) = self.cookie_name();
        self.has(id).then(|| {
            self.raw_cookie.get(|out| {
                if let Some(Value::Borrowed(value)) = field::value(&self.lines, &self.head, name, out) {
                    out.extend_from_slice(value);
                }
            })
        })
    }

    /// `http_cookie`.
    pub(super) fn cookie(&self) -> Option<&[u8]> {
        let raw = self.raw_cookie()?;
        Some(if decode::needs_decoding(raw) { self.cookie.get(|out| decode_to(raw, out)) } else { raw })
    }

    /// `http_raw_trailer`.
    pub(super) fn raw_trailer(&self) -> &[u8] {
        self.trailer_block.of(&self.trailer)
    }

    /// `http_trailer`.
    pub(super) fn trailer(&self) -> &[u8] {
        let raw = self.raw_trailer();
        if decode::needs_decoding(raw) { self.trailer_decoded.get(|out| decode_to(raw, out)) } else { raw }
    }

    /// Cookies: pairs of Cookie lines, Set-Cookie lines.
    pub(super) fn cookies(&self) -> u32 {
        let (id, _) = self.cookie_name();
        let lines = self.lines.iter().filter(|line| line.id == id);
        let count = if self.is_response {
            lines.count()
        } else {
            lines.map(|line| memchr::memchr_iter(b';', line.value.of(&self.head)).count() + 1).sum()
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// Appends bytes decoded as header values are.
pub(super) fn decode_to(bytes: &[u8], out: &mut Vec<u8>) {
    if decode::needs_decoding(bytes) {
        decode::decode(bytes, out, &mut Events::default());
    } else {
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
impl Message {
    /// A message from a complete head.
    pub(super) fn for_test(head: &[u8]) -> Self {
        use super::{head::Found, head::Scan, start_line};
        let (limits, mut events) = (crate::Limits::default(), Events::default());
        let (mut message, mut scan) = (Self::default(), Scan::default());
        let (end, _) = scan.start_line(head, &limits, &mut events).unwrap();
        message.is_response = head.starts_with(b"HTTP/");
        let read = if message.is_response { start_line::status } else { start_line::request };
        message.start = read(&head[..end], &mut events).unwrap();
        assert_eq!(scan.block(head, &mut message.lines, &limits, &mut events), Found::End(head.len()));
        message.block = scan.block;
        message.count = scan.count;
        message.longest = scan.longest;
        message.head.extend_from_slice(head);
        let connect = message.start.kind == start_line::Method::Connect;
        message.uri.parse(&message.head, message.start.uri, connect, &mut events);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, header: &str, cookie: Option<&str>) {
        let message = Message::for_test(head.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(message.header()), header, "{head:?}");
        assert_eq!(message.cookie().map(text), cookie.map(Into::into), "{head:?}");
    }

    #[test]
    fn header_buffers_leave_cookies_out_and_end_before_the_last_line_end() {
        check("GET / HTTP/1.1\r\nHost: a\r\nX: last\r\n\r\n", "Host: a\r\nX: last", None);
        check("GET / HTTP/1.1\r\nHost: a\r\nCookie: s=%31\r\n\r\n", "Host: a\r\n", Some("s=1"));
        check("GET / HTTP/1.1\r\nCookie: a=1\r\nX: %61+b\r\n\r\n", "X: a+b", Some("a=1"));
        check(
            "GET / HTTP/1.1\r\nCookie: a=1; b=%32\r\nX: m\r\nCookie:  c=3 \r\nY: n\r\n\r\n",
            "X: m\r\nY: n",
            Some("a=1; b=2,c=3"),
        );
        check("GET / HTTP/1.1\r\nSet-Cookie: a\r\n\r\n", "Set-Cookie: a", None);
        check("HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nCookie: b\r\n\r\n", "Cookie: b", Some("a"));
        check("GET / HTTP/1.1\r\n\r\n", "", None);
    }

    #[test]
    fn cookies_are_counted() {
        assert_eq!(Message::for_test(b"GET / HTTP/1.1\r\nCookie: a=1; b=2\r\nCookie: c=3\r\n\r\n").cookies(), 3);
        assert_eq!(Message::for_test(b"HTTP/1.1 200 OK\r\nSet-Cookie: a; b\r\nSet-Cookie: c\r\n\r\n").cookies(), 2);
    }

    #[test]
    fn a_cleared_message_is_as_new() {
        let mut message = Message::for_test(b"GET /%41 HTTP/1.1\r\nCookie: %41\r\n\r\n");
        assert_eq!(message.cookie(), Some(b"A".as_slice()));
        message.clear();
        assert_eq!((message.header(), message.cookie()), (b"".as_slice(), None));
    }
}
