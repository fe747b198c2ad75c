//! Server-sent events (WHATWG HTML, "Server-sent events"): from bytes as they arrive to messages.
//!
//! *Limits*: a message of [`MAX_MESSAGE`] bytes; a longer one is an error, and the stream is to be opened anew.

use std::time::Duration;

/// A page of 50 groups has some 100 KiB.
pub const MAX_MESSAGE: usize = 8 << 20;

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its kind; empty: `message`.
    pub event: String,
    /// Its data, lines joined by line feeds.
    pub data: String,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return, so that a line feed ends no second line.
    after_return: bool,
    started: bool,
    event: String,
    data: String,
    has_data: bool,
    /// The last id that the stream named.
    pub last_id: Option<String>,
    /// How long the server wants us to wait before we come again.
    pub retry: Option<Duration>,
}

/// A message that is too long to be one.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Parser {
    /// Takes bytes; whole messages go to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Message>) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.line_end(out),
                byte => {
                    if self.line.len() + self.data.len() >= MAX_MESSAGE {
                        return Err(TooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    fn line_end(&mut self, out: &mut Vec<Message>) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        // A byte order mark may stand at the very beginning.
        let line = if self.started { line.as_str() } else { line.strip_prefix('\u{feff}').unwrap_or(&line) };
        self.started = true;
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let data = std::mem::take(&mut self.data);
            if std::mem::take(&mut self.has_data) {
                out.push(Message { event, data });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            // The id is sent back in a header: nothing that could be more than one line of it.
            "id" if value.bytes().all(|byte| byte.is_ascii_graphic()) => self.last_id = Some(value.to_owned()),
            "retry" => {
                if let Ok(millis) = value.parse() {
                    self.retry = Some(Duration::from_millis(millis));
                }
            }
            // Comments, and what is not known.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(parts: &[&[u8]]) -> (Vec<Message>, Parser) {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        for part in parts {
            parser.push(part, &mut out).unwrap();
        }
        (out, parser)
    }

    fn message(event: &str, data: &str) -> Message {
        Message { event: event.into(), data: data.into() }
    }

    const STREAM: &[u8] =
        b"\xef\xbb\xbf: hello\nevent: group\nid: 12\ndata: {\"a\":\ndata:1}\n\n:\r\ndata: x\r\rretry: 250\nevent: only\n\nid: a b\nid\ndata\n\ndata: cut";

    #[test]
    fn messages_are_the_same_however_the_bytes_are_cut() {
        let (whole, parser) = parse(&[STREAM]);
        assert_eq!(whole, [message("group", "{\"a\":\n1}"), message("", "x"), message("", "")]);
        assert_eq!(parser.retry, Some(Duration::from_millis(250)));
        // An empty id is one; one with a blank is not ours.
        assert_eq!(parser.last_id.as_deref(), Some(""));
        for at in 0..STREAM.len() {
            let (first, second) = STREAM.split_at(at);
            assert_eq!(parse(&[first, second]).0, whole, "cut at {at}");
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        let line = [b"data: ".as_slice(), &[b'x'; 1 << 20], b"\n"].concat();
        let taken = (0..10).take_while(|_| parser.push(&line, &mut out).is_ok()).count();
        assert_eq!(taken, 7);
        assert!(out.is_empty());
    }
}
