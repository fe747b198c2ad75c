//! Request lines and status lines, with the tolerance of servers and browsers.
//!
//! *Spec*: RFC 9112 §3 and §4; Snort 3 http_inspect (version is the last eight bytes, URI everything
//! between the first and the last blank, HTTP/0.9 is `GET` without a version).

use super::{
    events::{self, Events},
    span::{Span, is_blank},
};

/// Version of a message, as far as framing cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    /// A request without one.
    Simple,
    /// HTTP/1.0.
    V10,
    /// HTTP/1.1.
    #[default]
    V11,
    /// Anything else.
    Other,
}

/// Methods that change how a message is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "method names")]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
    Connect,
    /// Another registered one.
    Registered,
    #[default]
    Unknown,
}

/// A parsed start line: ranges into the message head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StartLine {
    /// The line without its end.
    pub(super) line: Span,
    /// Version token (empty for HTTP/0.9).
    pub(super) version: Span,
    /// Version class.
    pub(super) class: Version,
    /// Request: method token.
    pub(super) method: Span,
    /// Request: which method.
    pub(super) kind: Method,
    /// Request: URI as sent.
    pub(super) uri: Span,
    /// Response: the three characters of the status code.
    pub(super) code: Span,
    /// Response: the code as a number, 0 if it is not one.
    pub(super) status: u16,
    /// Response: reason phrase.
    pub(super) reason: Span,
}

/// Length of `HTTP/1.1`.
const VERSION: usize = 8;

/// Reads a request line at the start of `head`. `None`: not HTTP (event raised).
pub(super) fn request(line: &[u8], events: &mut Events) -> Option<StartLine> {
    let mut start = StartLine { line: Span::new(0, line.len()), ..StartLine::default() };
    let method_end = line.iter().position(|&byte| is_blank(byte)).unwrap_or(line.len());
    let version_at = line.len().checked_sub(VERSION).filter(|&at| {
        at > method_end
            && line.get(at - 1).is_some_and(|&b| is_blank(b))
            && is_version(line.get(at..).unwrap_or_default())
    });
    let uri_end = match version_at {
        Some(at) => {
            start.version = Span::new(at, line.len());
            start.class = version(line.get(at..).unwrap_or_default(), events);
            at - 1
        }
        None if line.get(..method_end) == Some(b"GET") => {
            events.raise(events::SIMPLE_REQUEST);
            start.class = Version::Simple;
            line.len()
        }
        None => {
            events.raise(events::BAD_REQUEST_LINE);
            return None;
        }
    };
    start.method = Span::new(0, method_end);
    start.kind = method(line.get(..method_end).unwrap_or_default());
    if start.kind == Method::Unknown {
        events.raise(events::UNKNOWN_METHOD);
    }
    start.uri = uri(line, method_end, uri_end, events);
    blanks(line, &start, events);
    Some(start)
}

/// The URI between the blanks; they may be many.
fn uri(line: &[u8], method_end: usize, end: usize, events: &mut Events) -> Span {
    let between = line.get(method_end..end).unwrap_or_default();
    let Some(first) = between.iter().position(|&byte| !is_blank(byte)) else {
        events.raise(events::NO_URI);
        return Span::default();
    };
    let last = between.iter().rposition(|&byte| !is_blank(byte)).unwrap_or(first);
    Span::new(method_end + first, method_end + last + 1)
}

/// Odd white space of a request line.
fn blanks(line: &[u8], start: &StartLine, events: &mut Events) {
    let uri = start.uri.of(line);
    if uri.contains(&b' ') {
        events.raise(events::BLANK_IN_URI);
    }
    let outside =
        line.iter().filter(|&&byte| is_blank(byte)).count() - uri.iter().filter(|&&byte| is_blank(byte)).count();
    let regular = if start.class == Version::Simple { 1 } else { 2 };
    if outside > regular {
        events.raise(events::EXTRA_BLANKS);
    }
    if line.contains(&b'\t') && !uri.contains(&b'\t') {
        events.raise(events::START_LINE_TAB);
    }
}

/// Reads a status line. `None`: not HTTP (event raised).
pub(super) fn status(line: &[u8], events: &mut Events) -> Option<StartLine> {
    let mut start = StartLine { line: Span::new(0, line.len()), ..StartLine::default() };
    let after = line.get(VERSION..).unwrap_or_default();
    let lead = after.iter().take_while(|&&byte| is_blank(byte)).count();
    let code_at = VERSION + lead;
    let code_end = code_at + 3;
    let code = line.get(code_at..code_end);
    let separated = line.get(code_end).is_none_or(|&byte| is_blank(byte));
    let (Some(code), true, true) = (code, lead > 0, separated) else {
        events.raise(events::BAD_STATUS_LINE);
        return None;
    };
    start.version = Span::new(0, VERSION);
    start.class = version(line.get(..VERSION).unwrap_or_default(), events);
    start.code = Span::new(code_at, code_end);
    start.status = code
        .iter()
        .try_fold(0u16, |value, &digit| digit.is_ascii_digit().then(|| value * 10 + u16::from(digit - b'0')))
        .unwrap_or(0);
    start.reason = Span::new((code_end + 1).min(line.len()), line.len());
    status_events(line, &start, lead, events);
    Some(start)
}

fn status_events(line: &[u8], start: &StartLine, lead: usize, events: &mut Events) {
    if !(100..=599).contains(&start.status) {
        events.raise(events::BAD_STATUS_CODE);
    }
    if (102..=199).contains(&start.status) {
        events.raise(events::UNKNOWN_1XX);
    }
    if lead > 1 {
        events.raise(events::EXTRA_BLANKS);
    }
    if line.get(..(start.code.end as usize + 1).min(line.len())).is_some_and(|front| front.contains(&b'\t')) {
        events.raise(events::START_LINE_TAB);
    }
    if start.reason.of(line).iter().any(|&byte| byte <= 31 || byte >= 127) {
        events.raise(events::REASON_CONTROL);
    }
}

/// `HTTP/` in any case and three more bytes.
fn is_version(token: &[u8]) -> bool {
    token.len() == VERSION && token.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/"))
}

fn version(token: &[u8], events: &mut Events) -> Version {
    if !token.starts_with(b"HTTP/") {
        events.raise(events::VERSION_CASE);
    }
    match token.get(5..) {
        Some(b"1.1") => Version::V11,
        Some(b"1.0") => Version::V10,
        Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit() => {
            events.raise(match *major {
                b'0' => events::VERSION_0,
                b'1' => events::ODD_VERSION,
                _ => events::VERSION_HIGH,
            });
            Version::Other
        }
        _ => {
            events.raise(events::BAD_VERSION);
            Version::Other
        }
    }
}

/// Other registered methods (IANA HTTP method registry and those of WebDAV clients).
const REGISTERED: &[&[u8]] = &[
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"SEARCH",
    b"REPORT",
    b"CHECKOUT",
    b"CHECKIN",
    b"UNCHECKOUT",
    b"MKWORKSPACE",
    b"UPDATE",
    b"LABEL",
    b"MERGE",
    b"BASELINE-CONTROL",
    b"VERSION-CONTROL",
    b"MKACTIVITY",
    b"ORDERPATCH",
    b"ACL",
    b"BIND",
    b"REBIND",
    b"UNBIND",
    b"LINK",
    b"UNLINK",
    b"MKCALENDAR",
    b"MKREDIRECTREF",
    b"UPDATEREDIRECTREF",
    b"NOTIFY",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"POLL",
    b"BCOPY",
    b"BDELETE",
    b"BMOVE",
    b"BPROPFIND",
    b"BPROPPATCH",
    b"X-MS-ENUMATTS",
    b"RPC_IN_DATA",
    b"RPC_OUT_DATA",
    b"PRI",
];

/// Which method a token names (case counts).
pub(super) fn method(token: &[u8]) -> Method {
    match token {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        b"PUT" => Method::Put,
        b"CONNECT" => Method::Connect,
        _ if REGISTERED.contains(&token) => Method::Registered,
        _ => Method::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_request(line: &str, expected: Option<(&str, &str, &str)>) {
        let start = request(line.as_bytes(), &mut Events::default());
        let text = |span: Span| std::str::from_utf8(span.of(line.as_bytes())).unwrap();
        assert_eq!(start.map(|s| (text(s.method), text(s.uri), text(s.version))), expected, "{line}");
    }

    #[test]
    fn request_lines_are_split_at_the_outer_blanks() {
        check_request("GET /a HTTP/1.1", Some(("GET", "/a", "HTTP/1.1")));
        check_request("GET \t/a b  HTTP/1.0", Some(("GET", "/a b", "HTTP/1.0")));
        check_request("get /a http/1.1", Some(("get", "/a", "http/1.1")));
        check_request("GET /a", Some(("GET", "/a", "")));
        check_request("GET ", Some(("GET", "", "")));
        check_request("GET  HTTP/1.1", Some(("GET", "", "HTTP/1.1")));
        check_request("GET HTTP/1.1", Some(("GET", "", "HTTP/1.1")));
        check_request("POST /a", None);
        check_request("POST /a HTTP/11.1", None);
    }

    #[track_caller]
    fn check_status(line: &str, expected: Option<(&str, u16, &str)>) {
        let start = status(line.as_bytes(), &mut Events::default());
        let text = |span: Span| std::str::from_utf8(span.of(line.as_bytes())).unwrap();
        assert_eq!(start.map(|s| (text(s.code), s.status, text(s.reason))), expected, "{line}");
    }

    #[test]
    fn status_lines_are_split() {
        check_status("HTTP/1.1 200 OK", Some(("200", 200, "OK")));
        check_status("HTTP/1.1 404 Not Found", Some(("404", 404, "Not Found")));
        check_status("HTTP/1.1  200", Some(("200", 200, "")));
        check_status("HTTP/1.1 200 ", Some(("200", 200, "")));
        check_status("HTTP/1.1 2x0 OK", Some(("2x0", 0, "OK")));
        check_status("HTTP/1.1 2000 OK", None);
        check_status("HTTP/1.1-200 OK", None);
        check_status("HTTP/1.1 20", None);
    }
}
