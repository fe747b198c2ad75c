//! A request URI: its parts as sent, and normalised.
//!
//! *How it fits*: [`Uri::parse`] runs once per request. If nothing needs decoding (the usual case)
//! the normalised URI is a range of the request line; else it is built in two reusable buffers, one
//! decoded and one with the path simplified.
//!
//! *Limits*: everything is at most as long as the request line.
//!
//! *Spec*: RFC 9112 §3.2 (forms), RFC 3986 §3; Snort 3 http_inspect URI normalisation.

use super::{
    decode,
    events::{self, Events},
    path,
    span::Span,
};
use crate::UriPart;
use memchr::{memchr, memchr2, memchr3, memrchr};

/// Schemes longer than this are an anomaly; longer than [`MAX_SCHEME`] are not a scheme.
const LONG_SCHEME: usize = 10;
const MAX_SCHEME: usize = 36;

/// How a request names its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// No URI, `*`, or a form that is not known: never normalised.
    #[default]
    Opaque,
    /// `host:port` of CONNECT.
    Authority,
    /// Path first.
    Origin,
    /// Scheme and authority first.
    Absolute,
}

/// How far a URI is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// As sent.
    Raw,
    /// Decoded, the path not simplified.
    Decoded,
    /// Decoded and simplified.
    Normal,
}

/// Ranges of the parts in one buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    /// What `http_uri` without a part shows.
    whole: Span,
    scheme: Option<Span>,
    host: Option<Span>,
    port: Option<Span>,
    path: Option<Span>,
    query: Option<Span>,
    fragment: Option<Span>,
}

impl Parts {
    fn part(&self, part: UriPart) -> Option<Span> {
        match part {
            UriPart::Scheme => self.scheme,
            UriPart::Host => self.host,
            UriPart::Port => self.port,
            UriPart::Path => self.path,
            UriPart::Query => self.query,
            UriPart::Fragment => self.fragment,
        }
    }
}

/// The URI of a request.
#[derive(Debug, Default)]
pub(super) struct Uri {
    form: Form,
    raw: Parts,
    /// The whole URI as sent.
    sent: Span,
    /// Decoded and simplified forms, if they differ from the raw or decoded one.
    decoded: Option<Parts>,
    simplified: Option<Parts>,
    decoded_bytes: Vec<u8>,
    simplified_bytes: Vec<u8>,
}

impl Uri {
    /// Forgets the URI; keeps the memory.
    pub(super) fn clear(&mut self) {
        self.form = Form::Opaque;
        self.raw = Parts::default();
        self.sent = Span::default();
        self.decoded = None;
        self.simplified = None;
        self.decoded_bytes.clear();
        self.simplified_bytes.clear();
        self.decoded_bytes.shrink_to(KEEP);
        self.simplified_bytes.shrink_to(KEEP);
    }

    /// Memory held.
    pub(super) fn footprint(&self) -> usize {
        self.decoded_bytes.capacity() + self.simplified_bytes.capacity()
    }

    /// Reads the URI at `sent` of the message head.
    pub(super) fn parse(&mut self, head: &[u8], sent: Span, connect: bool, events: &mut Events) {
        self.clear();
        self.sent = sent;
        let bytes = sent.of(head);
        self.form = self.split(bytes, sent.start as usize, connect, events);
        if self.form == Form::Opaque {
            self.raw.whole = sent;
            return;
        }
        if let Some(path) = self.raw.path {
            path::check_segments(path.of(head), events);
        }
        if memchr3(b'%', b'\\', b'+', bytes).is_some()
            || self.raw.scheme.is_some_and(|scheme| has_upper(scheme.of(head)))
        {
            self.decode(head, events);
        }
        self.simplify(head, events);
    }

    /// Classifies and splits; fills `raw`.
    fn split(&mut self, bytes: &[u8], at: usize, connect: bool, events: &mut Events) -> Form {
        let end = at + bytes.len();
        if bytes == b"*" {
            return Form::Opaque;
        }
        if connect && !bytes.starts_with(b"/") {
            self.split_authority(bytes, at);
            self.raw.whole = Span::new(at, end);
            return Form::Authority;
        }
        let (form, path_at) = if bytes.starts_with(b"/") {
            (Form::Origin, 0)
        } else {
            match scheme_length(bytes) {
                Some(scheme) => {
                    if scheme > LONG_SCHEME {
                        events.raise(events::LONG_SCHEME);
                    }
                    self.raw.scheme = Some(Span::new(at, at + scheme));
                    let authority_at = scheme + 3;
                    let rest = bytes.get(authority_at..).unwrap_or_default();
                    let length = memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
                    self.split_authority(rest.get(..length).unwrap_or_default(), at + authority_at);
                    (Form::Absolute, authority_at + length)
                }
                None => {
                    events.raise(events::BAD_URI);
                    return Form::Opaque;
                }
            }
        };
        self.raw.whole = Span::new(at + path_at, end);
        self.split_path(bytes.get(path_at..).unwrap_or_default(), at + path_at);
        form
    }

    fn split_authority(&mut self, authority: &[u8], at: usize) {
        let colon = memrchr(b':', authority)
            .filter(|&colon| memchr(b']', authority.get(colon..).unwrap_or_default()).is_none());
        let host_end = colon.unwrap_or(authority.len());
        self.raw.host = Some(Span::new(at, at + host_end));
        self.raw.port = colon.map(|colon| Span::new(at + colon + 1, at + authority.len()));
    }

    fn split_path(&mut self, rest: &[u8], at: usize) {
        let end = at + rest.len();
        let path = memchr2(b'?', b'#', rest).unwrap_or(rest.len());
        self.raw.path = (path > 0).then(|| Span::new(at, at + path));
        let tail = rest.get(path..).unwrap_or_default();
        let fragment = memchr(b'#', tail);
        if tail.first() == Some(&b'?') {
            self.raw.query = Some(Span::new(at + path + 1, fragment.map_or(end, |hash| at + path + hash)));
        }
        self.raw.fragment = fragment.map(|hash| Span::new(at + path + hash + 1, end));
    }

    /// Steps 1 to 6, each part by itself.
    fn decode(&mut self, head: &[u8], events: &mut Events) {
        let raw = self.raw;
        let out = &mut self.decoded_bytes;
        let mut parts = Parts::default();
        if self.form == Form::Authority {
            parts.host = raw.host.map(|host| decode_part(host.of(head), out, events));
            parts.port = raw.port.map(|port| join(b':', port.of(head), out));
            parts.whole = Span::new(0, out.len());
        } else {
            parts.path = raw.path.map(|path| decode_part(path.of(head), out, events));
            parts.query = raw.query.map(|query| {
                out.push(b'?');
                decode_part(query.of(head), out, events)
            });
            parts.fragment = raw.fragment.map(|fragment| {
                out.push(b'#');
                decode_part(fragment.of(head), out, events)
            });
            parts.whole = Span::new(0, out.len());
            parts.host = raw.host.map(|host| decode_part(host.of(head), out, events));
            parts.port = raw.port.map(|port| join(b':', port.of(head), out));
            parts.scheme = raw.scheme.map(|scheme| {
                let from = out.len();
                out.extend(scheme.of(head).iter().map(u8::to_ascii_lowercase));
                Span::new(from, out.len())
            });
        }
        self.decoded = Some(parts);
    }

    /// Step 7, if the path has anything to simplify.
    fn simplify(&mut self, head: &[u8], events: &mut Events) {
        let (parts, bytes) = match self.decoded {
            Some(parts) => (parts, self.decoded_bytes.as_slice()),
            None => (self.raw, head),
        };
        let Some(path) = parts.path.filter(|path| path::needs_simplifying(path.of(bytes))) else { return };
        let out = &mut self.simplified_bytes;
        path::simplify(path.of(bytes), out, events);
        let mut simplified = Parts { path: Some(Span::new(0, out.len())), ..Parts::default() };
        simplified.query = parts.query.map(|query| join(b'?', query.of(bytes), out));
        simplified.fragment = parts.fragment.map(|fragment| join(b'#', fragment.of(bytes), out));
        simplified.whole = Span::new(0, out.len());
        self.simplified = Some(simplified);
    }

    /// The whole URI at a level.
    pub(super) fn whole<'a>(&'a self, head: &'a [u8], level: Level) -> &'a [u8] {
        match (level, &self.decoded, &self.simplified) {
            (Level::Raw, _, _) => self.sent.of(head),
            (Level::Normal, _, Some(parts)) => parts.whole.of(&self.simplified_bytes),
            (_, Some(parts), _) => parts.whole.of(&self.decoded_bytes),
            (_, None, _) => self.raw.whole.of(head),
        }
    }

    /// One part at a level.
    pub(super) fn part<'a>(&'a self, head: &'a [u8], part: UriPart, level: Level) -> Option<&'a [u8]> {
        let path_side = matches!(part, UriPart::Path | UriPart::Query | UriPart::Fragment);
        match (level, &self.decoded, &self.simplified) {
            (Level::Normal, _, Some(parts)) if path_side => Some(parts.part(part)?.of(&self.simplified_bytes)),
            (Level::Normal | Level::Decoded, Some(parts), _) => Some(parts.part(part)?.of(&self.decoded_bytes)),
            _ => Some(self.raw.part(part)?.of(head)),
        }
    }
}

/// Buffers above this are given back after a message.
const KEEP: usize = 4096;

/// Length of a leading `scheme` of `scheme://`.
fn scheme_length(bytes: &[u8]) -> Option<usize> {
    let colon = memchr(b':', bytes.get(..bytes.len().min(MAX_SCHEME + 1))?)?;
    let (scheme, rest) = bytes.split_at(colon);
    let valid = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    (valid && rest.starts_with(b"://")).then_some(colon)
}

fn has_upper(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_uppercase)
}

/// Appends a separator and a part; the range is the part's.
fn join(separator: u8, part: &[u8], out: &mut Vec<u8>) -> Span {
    out.push(separator);
    let from = out.len();
    out.extend_from_slice(part);
    Span::new(from, out.len())
}

/// Appends a part decoded, backslashes as slashes and plus signs as blanks.
fn decode_part(part: &[u8], out: &mut Vec<u8>, events: &mut Events) -> Span {
    let from = out.len();
    decode::decode(part, out, events);
    for byte in out.get_mut(from..).unwrap_or_default() {
        match *byte {
            b'\\' => {
                events.raise(events::BACKSLASH);
                *byte = b'/';
            }
            b'+' => *byte = b' ',
            _ => {}
        }
    }
    Span::new(from, out.len())
}

/// One part decoded as in a URI (parameters of `http_param`).
pub(super) fn decode_value(value: &[u8], out: &mut Vec<u8>) {
    decode_part(value, out, &mut Events::default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(uri: &str, connect: bool) -> Uri {
        let mut parsed = Uri::default();
        parsed.parse(uri.as_bytes(), Span::new(0, uri.len()), connect, &mut Events::default());
        parsed
    }

    #[track_caller]
    fn check(uri: &str, normal: &str) {
        let parsed = parsed(uri, false);
        assert_eq!(String::from_utf8_lossy(parsed.whole(uri.as_bytes(), Level::Normal)), normal, "{uri}");
        assert_eq!(parsed.whole(uri.as_bytes(), Level::Raw), uri.as_bytes());
    }

    #[test]
    fn measured_normalisations_hold() {
        check("/%61bc", "/abc");
        check("/a%252fb", "/a/b");
        check("/a%c0%afb", "/a/b");
        check("/a/..//b/./c", "/b/c");
        check("/x/%2e%2e/etc", "/etc");
        check("/q?a+b%2Bc", "/q?a b c");
        check("/a\\b", "/a/b");
        check("/a/../b/./c//d/%61bc%252e/e?x=%41+B%2BC&path=../etc", "/b/c/d/abc./e?x=A B C&path=../etc");
        check("/dir\\file%c0%af..%u0041/%2F%5c?q=%3Cscript%3E", "/dir/file/..%u0041/?q=<script>");
        check("/a/%2e%2e/b", "/b");
        check("*", "*");
        check("nonsense%41", "nonsense%41");
        check("http://example.test/a%41?q#f", "/aA?q#f");
        check("http://example.test:80", "");
    }

    #[test]
    fn the_decoded_uri_keeps_the_traversal() {
        let uri = "/x/%2e%2e/etc";
        assert_eq!(parsed(uri, false).whole(uri.as_bytes(), Level::Decoded), b"/x/../etc");
    }

    #[test]
    fn parts_are_split_at_every_level() {
        let uri = "HTTP://Proxy.test:8080/p/./q%3f?z=1+2#fr%61g";
        let parsed = parsed(uri, false);
        let part = |part, level| parsed.part(uri.as_bytes(), part, level).map(String::from_utf8_lossy);
        let all = [UriPart::Scheme, UriPart::Host, UriPart::Port, UriPart::Path, UriPart::Query, UriPart::Fragment];
        let shown = |level| all.map(|which| part(which, level).unwrap_or_default().into_owned());
        assert_eq!(shown(Level::Raw), ["HTTP", "Proxy.test", "8080", "/p/./q%3f", "z=1+2", "fr%61g"]);
        assert_eq!(shown(Level::Decoded), ["http", "Proxy.test", "8080", "/p/./q?", "z=1 2", "frag"]);
        assert_eq!(shown(Level::Normal), ["http", "Proxy.test", "8080", "/p/q?", "z=1 2", "frag"]);
    }

    #[test]
    fn connect_shows_host_and_port() {
        for (uri, normal, host, port) in [
            ("tunnel.test:443", "tunnel.test:443", "tunnel.test", Some("443")),
            ("t%75nnel:443", "tunnel:443", "tunnel", Some("443")),
            ("[::1]:443", "[::1]:443", "[::1]", Some("443")),
            ("[::1]", "[::1]", "[::1]", None),
        ] {
            let parsed = parsed(uri, true);
            let part = |part| parsed.part(uri.as_bytes(), part, Level::Normal);
            assert_eq!(parsed.whole(uri.as_bytes(), Level::Normal), normal.as_bytes());
            assert_eq!(part(UriPart::Host), Some(host.as_bytes()));
            assert_eq!(part(UriPart::Port), port.map(str::as_bytes));
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_grows(uri in proptest::collection::vec(any::<u8>(), 1..120), connect: bool) {
            let mut parsed = Uri::default();
            parsed.parse(&uri, Span::new(0, uri.len()), connect, &mut Events::default());
            for level in [Level::Raw, Level::Decoded, Level::Normal] {
                prop_assert!(parsed.whole(&uri, level).len() <= uri.len());
            }
        }
    }
}
