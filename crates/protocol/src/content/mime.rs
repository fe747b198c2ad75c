//! MIME messages as a stream (RFC 5322 headers, RFC 2045 encodings, RFC 2046 multipart).
//!
//! [`Entity`] follows the structure line by line: headers, bodies, boundaries of nested multiparts,
//! messages within messages. [`Message`] cuts the bytes of a message into pieces (one per part, or
//! smaller) and decodes each piece's body. Nothing is buffered beside one header field and one
//! unfinished line.
//!
//! Limits: [`MAX_DEPTH`] multiparts within each other, [`MAX_BOUNDARY`] bytes of boundary,
//! [`MAX_FIELD`] bytes of a header value that are looked at. Each has a counter.
//!
//! Measured on Snort 3 (`snort3_demo` imap and pop): a unit ends behind each boundary line, and the
//! preamble counts as `file_data`.

mod base64;
mod field;
mod message;
mod quoted_printable;
mod transfer;
mod uuencode;

pub(crate) use message::{Cut, DecodeEvents, FileView, Framing, Message, Scan, Scratch};

use field::{ContentType, Field, FieldName};
use tapir_telemetry::{Counter, Counters};
use transfer::Decoder;

/// Multiparts within each other that are followed.
pub(crate) const MAX_DEPTH: usize = 8;
/// Longest boundary (RFC 2046 allows 70).
pub(crate) const MAX_BOUNDARY: usize = 1024;
/// Bytes of a header value that are kept.
pub(crate) const MAX_FIELD: usize = 2048;
/// Longest header field without an event, folded lines together (Snort's default for SMTP).
const LONG_HEADER: usize = 1000;
/// Bytes kept of a line that comes in fragments: enough for any boundary line or wanted header.
const MAX_PARTIAL: usize = 2048;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineClass {
    /// Header line, or the blank line behind the headers.
    Header,
    /// Part of a body (or preamble).
    Body,
    /// A boundary line: the part before it is complete.
    Delimiter,
    /// Behind the last part: no file data.
    Epilogue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Headers,
    Body,
    Epilogue,
}

/// The structure of one message, line by line.
#[derive(Debug)]
pub(crate) struct Entity {
    state: State,
    /// Boundaries of the multiparts that are open, outermost first.
    boundaries: Vec<Box<[u8]>>,
    field: Field,
    any_header: bool,
    content_type: ContentType,
    decoder: Decoder,
    /// Start of a line whose end has not come, capped.
    partial: Vec<u8>,
    mid_line: bool,
    long_header: bool,
    guess: bool,
}

impl Entity {
    /// A message that starts with its headers.
    pub(crate) fn message() -> Self {
        Self::starting_in(State::Headers)
    }

    /// A body without headers, whose encoding has to be guessed from its first line.
    pub(crate) fn bare() -> Self {
        Self { guess: true, ..Self::starting_in(State::Body) }
    }

    /// Bytes without MIME structure: no file data.
    pub(crate) fn opaque() -> Self {
        Self::starting_in(State::Epilogue)
    }

    fn starting_in(state: State) -> Self {
        Self {
            state,
            boundaries: Vec::new(),
            field: Field::default(),
            any_header: false,
            content_type: ContentType::Other,
            decoder: Decoder::default(),
            partial: Vec::new(),
            mid_line: false,
            long_header: false,
            guess: false,
        }
    }

    /// Takes a line with its line end, or a fragment if `complete` is false (the rest follows).
    pub(crate) fn line(&mut self, line: &[u8], complete: bool, counters: &mut Counters) -> LineClass {
        if complete && !self.mid_line {
            return self.whole_line(line, counters);
        }
        let room = MAX_PARTIAL.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(line.get(..line.len().min(room)).unwrap_or_default());
        self.mid_line = !complete;
        if !complete {
            return match self.state {
                State::Headers => LineClass::Header,
                State::Body => LineClass::Body,
                State::Epilogue => LineClass::Epilogue,
            };
        }
        let mut partial = std::mem::take(&mut self.partial);
        let class = self.whole_line(&partial, counters);
        partial.clear();
        self.partial = partial;
        class
    }

    /// The next byte starts a line.
    pub(crate) fn at_line_start(&self) -> bool {
        !self.mid_line
    }

    /// The decoder of the body that is being read.
    pub(crate) fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Whether a header field was longer than usual since the last question.
    pub(crate) fn take_long_header(&mut self) -> bool {
        std::mem::take(&mut self.long_header)
    }

    /// Bytes of memory behind this value.
    pub(crate) fn heap(&self) -> usize {
        let boundaries: usize = self.boundaries.iter().map(|boundary| boundary.len().saturating_add(16)).sum();
        boundaries.saturating_add(self.partial.capacity()).saturating_add(self.field.heap())
    }

    fn whole_line(&mut self, line: &[u8], counters: &mut Counters) -> LineClass {
        if line.starts_with(b"--")
            && let Some((level, closing)) = self.delimiter(line)
        {
            self.end_field(counters);
            self.boundaries.truncate(level.saturating_add(1));
            self.any_header = false;
            self.content_type = ContentType::Other;
            self.state = if closing { State::Epilogue } else { State::Headers };
            if !closing {
                counters.bump(Counter::MimeParts);
            }
            return LineClass::Delimiter;
        }
        match self.state {
            State::Headers => self.header_line(line, counters),
            State::Body => {
                if std::mem::take(&mut self.guess) && base64::looks_like(line) {
                    self.decoder = Decoder::Base64(base64::Base64::default());
                }
                LineClass::Body
            }
            State::Epilogue => LineClass::Epilogue,
        }
    }

    /// Which open multipart `line` delimits (innermost first), and whether it closes it.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        self.boundaries.iter().enumerate().rev().find_map(|(level, boundary)| {
            match text.strip_prefix(&boundary[..])? {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            }
        })
    }

    /// The part before a boundary line was decoded to its end: the next one starts afresh.
    pub(crate) fn begin_part(&mut self) {
        self.decoder = Decoder::default();
    }

    fn header_line(&mut self, line: &[u8], counters: &mut Counters) -> LineClass {
        let text = crate::content::line::trim_eol(line);
        if text.is_empty() {
            self.end_headers(counters);
            return LineClass::Header;
        }
        if matches!(text.first(), Some(b' ' | b'\t')) && self.any_header {
            self.field.fold(text);
            return LineClass::Header;
        }
        if let Some((name, value)) = field::split(text) {
            self.end_field(counters);
            self.any_header = true;
            self.field.start(name, value, text.len());
            return LineClass::Header;
        }
        if self.any_header || text.starts_with(b"From ") {
            // Readers skip such a line rather than end the headers: a hidden encoding must not work.
            return LineClass::Header;
        }
        self.state = State::Body;
        LineClass::Body
    }

    /// A header field is complete.
    fn end_field(&mut self, counters: &mut Counters) {
        if self.field.len() > LONG_HEADER {
            self.long_header = true;
        }
        if self.field.truncated() {
            counters.bump(Counter::MimeFieldTruncated);
        }
        match self.field.name() {
            Some(FieldName::ContentType) => self.content_type = field::content_type(self.field.value()),
            Some(FieldName::TransferEncoding) => match Decoder::named(self.field.value()) {
                Some(decoder) => self.decoder = decoder,
                None => counters.bump(Counter::MimeEncodingUnknown),
            },
            Some(FieldName::Other) | None => {}
        }
        self.field.clear();
    }

    fn end_headers(&mut self, counters: &mut Counters) {
        self.end_field(counters);
        self.state = State::Body;
        match std::mem::take(&mut self.content_type) {
            ContentType::Multipart(boundary) => {
                // A multipart is never encoded as a whole (RFC 2045 §6.4).
                self.decoder = Decoder::default();
                if boundary.len() > MAX_BOUNDARY {
                    counters.bump(Counter::MimeBoundaryOverlong);
                } else if self.boundaries.len() >= MAX_DEPTH {
                    counters.bump(Counter::MimeDepthLimited);
                } else {
                    self.boundaries.push(boundary);
                }
            }
            ContentType::Message if self.decoder.is_identity() => {
                self.state = State::Headers;
                self.any_header = false;
            }
            ContentType::Message | ContentType::Other => {}
        }
    }
}

/// Fuzz entry: any bytes as one message, in both framings, must neither panic nor stall.
#[doc(hidden)]
pub fn fuzz_mime(data: &[u8]) {
    message::rehearse(data, Framing::Dots);
    message::rehearse(data, Framing::Length);
}

#[cfg(test)]
mod tests;
