//! What follows a header block: how long the body is and how it is encoded.
//!
//! *How it fits*: called once per message, when its head is complete.
//!
//! *Spec*: RFC 9112 §6.3; RFC 9110 §8.4; Snort 3 http_inspect (Transfer-Encoding overrules
//! Content-Length except in HTTP/1.0; requests without a length have no body).

use super::{
    events::{self, Events},
    field::{self, Name, elements, same},
    message::Message,
    span::{is_space, trim},
    start_line::{Method, Version},
};
use crate::content::{charset::Charset, inflate::Format, multipart::parameter};

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// There is none.
    None,
    /// So many bytes.
    Known(u64),
    /// Chunked.
    Chunked,
    /// Until the connection closes.
    ToEnd,
}

/// How the text of a response is to be converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Text {
    /// Not at all.
    #[default]
    Narrow,
    /// The header says the charset.
    Wide(Charset),
    /// A byte order mark may tell.
    Detect,
}

/// What Transfer-Encoding says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transfer {
    Absent,
    Chunked,
    Other,
}

/// The body of a request.
pub(super) fn request(message: &Message, events: &mut Events) -> Length {
    let length = by_headers(message, events);
    let method = message.start.kind;
    let (has_body, expects) = (!matches!(length, None | Some(Length::Known(0))), message.has(Name::Expect));
    if expects && !has_body {
        events.raise(events::EXPECT_NO_BODY);
    }
    if length.is_none() && matches!(method, Method::Post | Method::Put) {
        events.raise(events::UNBOUNDED_POST);
    }
    if has_body && method == Method::Connect {
        events.raise(events::CONNECT_BODY);
    }
    match length {
        None | Some(Length::Known(0)) => Length::None,
        Some(length) => length,
    }
}

/// The body of a response to `request`.
pub(super) fn response(message: &Message, request: Option<&Message>, events: &mut Events) -> Length {
    let (status, method) = (message.start.status, request.map(|request| request.start.kind));
    // differs: a status that is no number has the body that its headers announce.
    if matches!(status, 1..=199 | 204 | 304) {
        let framed = message.has(Name::TransferEncoding)
            || content_length(message, &mut Events::default()).is_some_and(|length| length != Some(0));
        if framed {
            events.raise(events::BODYLESS_LENGTH);
        }
        return Length::None;
    }
    match method {
        Some(Method::Head) => return Length::None,
        Some(Method::Connect) if (200..300).contains(&status) => {
            if message.has(Name::ContentLength) {
                events.raise(events::CONNECT_LENGTH);
            }
            if message.has(Name::TransferEncoding) {
                events.raise(events::CONNECT_TE);
            }
            return Length::None;
        }
        _ => {}
    }
    match by_headers(message, events) {
        None => Length::ToEnd,
        Some(Length::Known(0)) => Length::None,
        Some(length) => length,
    }
}

/// What the headers alone say; `None` if nothing usable.
fn by_headers(message: &Message, events: &mut Events) -> Option<Length> {
    let transfer = transfer(message, events);
    if transfer != Transfer::Absent && message.has(Name::ContentLength) {
        events.raise(events::BOTH_LENGTHS);
    }
    if message.start.class == Version::V10 && transfer != Transfer::Absent {
        events.raise(events::TE_IN_10);
    } else {
        match transfer {
            Transfer::Chunked => return Some(Length::Chunked),
            Transfer::Other => return None,
            Transfer::Absent => {}
        }
    }
    content_length(message, events)?.map(Length::Known)
}

fn transfer(message: &Message, events: &mut Events) -> Transfer {
    let (mut count, mut last) = (0usize, None);
    for element in elements(&message.lines, &message.head, Name::TransferEncoding) {
        count += 1;
        last = Some(element);
    }
    match last {
        None => Transfer::Absent,
        Some(b"") if count == 1 => Transfer::Absent,
        Some(element) if same(element, b"chunked") => {
            if count > 1 {
                events.raise(events::PADDED_CHUNKED);
            }
            Transfer::Chunked
        }
        Some(_) => {
            events.raise(events::NOT_CHUNKED);
            Transfer::Other
        }
    }
}

/// The first value; `None`: no such header (or an empty one); `Some(None)`: not a number.
fn content_length(message: &Message, events: &mut Events) -> Option<Option<u64>> {
    let mut values = elements(&message.lines, &message.head, Name::ContentLength);
    let first = values.next()?;
    let several = values.next().is_some();
    if several {
        events.raise(events::SEVERAL_LENGTHS);
    }
    if first.is_empty() && !several {
        return None;
    }
    if first.iter().any(|&byte| is_space(byte)) {
        events.raise(events::CRITICAL_BLANK);
    }
    let value = decimal(first);
    if value.is_none() {
        events.raise(events::BAD_LENGTH);
    }
    Some(value)
}

/// A number of up to 18 digits, blanks inside ignored.
fn decimal(text: &[u8]) -> Option<u64> {
    let mut digits = 0u8;
    let mut value = 0u64;
    for &byte in text.iter().filter(|&&byte| !is_space(byte)) {
        digits += 1;
        if !byte.is_ascii_digit() || digits > 18 {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    (digits > 0).then_some(value)
}

/// What a Content-Encoding calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Nothing.
    Identity,
    /// One layer that is decoded.
    Compressed(Format),
    /// Left as it is, since it is not supported or not known.
    Opaque,
}

/// Reads Content-Encoding: of several layers the outermost, which is named last, is decoded.
pub(super) fn coding(message: &Message, events: &mut Events) -> Coding {
    let mut coding = Coding::Identity;
    let mut layers = elements(&message.lines, &message.head, Name::ContentEncoding).peekable();
    while let Some(element) = layers.next() {
        let is = |name: &[u8]| same(element, name);
        if is(b"identity") || element.is_empty() && layers.peek().is_none() {
            continue;
        }
        if matches!(coding, Coding::Compressed(_)) {
            events.raise(events::STACKED_CODINGS);
        }
        coding = if is(b"gzip") || is(b"x-gzip") {
            Coding::Compressed(Format::Gzip)
        } else if is(b"deflate") {
            Coding::Compressed(Format::Deflate)
        } else {
            events.raise(match SUPPORTED_BY_OTHERS.iter().any(|name| is(name)) {
                true => events::UNSUPPORTED_CODING,
                false if is(b"chunked") => events::CODING_CHUNKED,
                false => events::UNKNOWN_CODING,
            });
            Coding::Opaque
        };
    }
    coding
}

/// Content codings that exist and are not decoded here.
const SUPPORTED_BY_OTHERS: &[&[u8]] = &[b"br", b"zstd", b"lzma", b"compress", b"x-compress", b"exi", b"pack200-gzip"];

/// How the text of a response is encoded.
pub(super) fn text(message: &Message, events: &mut Events) -> Text {
    let Some(line) = message.lines.iter().find(|line| line.id == Name::ContentType) else { return Text::Narrow };
    let value = trim(line.value.of(&message.head));
    let Some(charset) = parameter(value, b"charset") else { return Text::Detect };
    let mut name = [0u8; 8];
    let Some(name) = name.get_mut(..charset.len()) else { return Text::Narrow };
    name.copy_from_slice(charset);
    name.make_ascii_lowercase();
    match Charset::from_name(name) {
        Some(charset) => Text::Wide(charset),
        None => {
            if name == b"utf-7" {
                events.raise(events::UTF7_BODY);
            } else if name != b"utf-8" && name.starts_with(b"utf-") {
                events.raise(events::CHARSET_FAILED);
            }
            Text::Narrow
        }
    }
}

/// Anomalies of a header block that do not change how the message is read.
pub(super) fn header_events(message: &Message, events: &mut Events) {
    let mut seen = 0u16;
    for line in &message.lines {
        let once = match line.id {
            Name::Other | Name::Single | Name::Control | Name::Cookie | Name::SetCookie => continue,
            Name::Host => 1,
            Name::ContentType => 2,
            Name::Expect => 4,
            Name::Range => 8,
            Name::ContentTransferEncoding => {
                events.raise(events::TRANSFER_HEADER);
                continue;
            }
            Name::AcceptEncoding => {
                accept_encoding(line.value.of(&message.head), events);
                continue;
            }
            Name::ContentLength | Name::TransferEncoding | Name::ContentEncoding | Name::Upgrade => continue,
        };
        if seen & once != 0 {
            events.raise(if line.id == Name::Host { events::SEVERAL_HOSTS } else { events::WRONG_REPEAT });
        }
        seen |= once;
    }
}

fn accept_encoding(value: &[u8], events: &mut Events) {
    let mut after_comma = false;
    for &byte in value.iter().filter(|&&byte| !is_space(byte)) {
        if byte == b',' && after_comma {
            events.raise(events::ACCEPT_COMMAS);
        }
        after_comma = byte == b',';
    }
}

/// Trailer fields that must not be there.
pub(super) fn trailer_events(lines: &[field::Line], events: &mut Events) {
    let allowed =
        |id: Name| matches!(id, Name::Other | Name::Single | Name::Range | Name::Upgrade | Name::AcceptEncoding);
    if lines.iter().any(|line| !allowed(line.id)) {
        events.raise(events::BAD_TRAILER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(head: &str) -> Message {
        Message::for_test(head.as_bytes())
    }

    #[track_caller]
    fn check_request(head: &str, expected: Length) {
        assert_eq!(request(&message(head), &mut Events::default()), expected, "{head:?}");
    }

    #[test]
    fn request_bodies_are_framed_by_their_headers() {
        check_request("GET / HTTP/1.1\r\n\r\n", Length::None);
        check_request("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Length::Known(5));
        check_request("POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\n", Length::Known(5));
        check_request("POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", Length::Known(5));
        check_request("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", Length::Known(5));
        check_request("POST / HTTP/1.1\r\nContent-Length: ,5\r\n\r\n", Length::None);
        check_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked,\r\n\r\n", Length::None);
        check_request("POST / HTTP/1.1\r\nTransfer-Encoding: ,chunked\r\n\r\n", Length::Chunked);
        check_request("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", Length::None);
        check_request("POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", Length::None);
        check_request("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Length::Chunked);
        check_request("POST / HTTP/1.1\r\nTransfer-Encoding: gzip,\r\n Chun ked\r\n\r\n", Length::Chunked);
        check_request("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n", Length::None);
        check_request("POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Length::Known(5));
    }

    #[track_caller]
    fn check_response(asked: &str, head: &str, expected: Length) {
        let request = message(asked);
        assert_eq!(response(&message(head), Some(&request), &mut Events::default()), expected, "{asked:?} {head:?}");
    }

    #[test]
    fn response_bodies_depend_on_status_and_method() {
        let (get, head, connect) =
            ("GET / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n");
        check_response(get, "HTTP/1.1 200 OK\r\n\r\n", Length::ToEnd);
        check_response(get, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Length::Known(3));
        check_response(get, "HTTP/1.1 304 OK\r\nContent-Length: 3\r\n\r\n", Length::None);
        check_response(get, "HTTP/1.1 204 OK\r\nContent-Length: 3\r\n\r\n", Length::None);
        check_response(get, "HTTP/1.1 100 OK\r\n\r\n", Length::None);
        check_response(get, "HTTP/1.1 2x0 OK\r\nContent-Length: 3\r\n\r\n", Length::Known(3));
        check_response(head, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Length::None);
        check_response(connect, "HTTP/1.1 200 OK\r\n\r\n", Length::None);
        check_response(connect, "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\n", Length::Known(3));
    }

    #[test]
    fn one_layer_of_coding_is_decoded() {
        let coding = |value: &str| {
            super::coding(
                &message(&format!("HTTP/1.1 200 OK\r\nContent-Encoding: {value}\r\n\r\n")),
                &mut Events::default(),
            )
        };
        assert_eq!(coding("gzip"), Coding::Compressed(Format::Gzip));
        assert_eq!(coding("X-GZIP, identity"), Coding::Compressed(Format::Gzip));
        assert_eq!(coding("deflate"), Coding::Compressed(Format::Deflate));
        assert_eq!(coding("identity"), Coding::Identity);
        assert_eq!(coding("br"), Coding::Opaque);
        assert_eq!(coding("gzip, deflate"), Coding::Compressed(Format::Deflate));
        assert_eq!(coding("gzip, foo"), Coding::Opaque);
        assert_eq!(coding("gzip,"), Coding::Compressed(Format::Gzip));
        assert_eq!(coding(",gzip"), Coding::Compressed(Format::Gzip));
    }

    #[test]
    fn charsets_are_read_from_the_content_type() {
        let text = |value: &str| {
            super::text(&message(&format!("HTTP/1.1 200 OK\r\nContent-Type: {value}\r\n\r\n")), &mut Events::default())
        };
        assert_eq!(text("text/html; charset=UTF-16LE"), Text::Wide(Charset::Utf16Le));
        assert_eq!(text("text/html; a=b; charset=\"utf-32be\""), Text::Wide(Charset::Utf32Be));
        assert_eq!(text("text/html; charset=iso-8859-1"), Text::Narrow);
        assert_eq!(text("text/html"), Text::Detect);
    }
}
