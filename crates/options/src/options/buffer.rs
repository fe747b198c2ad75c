//! The buffer setters: one option for every name of the catalogue of buffers.
//!
//! *How it fits*: [`BufferId`] names the buffers, [`tapir_protocol::PduView`] yields them.
//!
//! *Invariants*: an absent or empty buffer fails the rule, except for `pkt_data` and `raw_data`.
//!
//! *Spec*: Snort 3 manual, `http_*`, `file_data`, …; `field` takes names that Snort knows (Snort 3
//! rules only).

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::{BufferId, BufferKey, Selector, UriPart};

pub(super) static DEF: OptionDef = OptionDef {
    name: "buffer",
    kind: Kind::Buffer,
    summary: "switches to a buffer of the message",
    grammar: "NAME[:PART[,request]], PART = field NAME | scheme|host|port|path|query|fragment",
    docs: "The options behind it look into this buffer, from its start, until the next buffer is named. If the \
           message has no such buffer the rule fails. `request` takes the request's buffer while the response is \
           inspected; `field` takes the value of one header, a part one part of the URI.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
pub(super) struct SetBuffer {
    pub key: BufferKey,
}

impl RuleOption for SetBuffer {
    fn canonical(&self) -> String {
        let mut words = Vec::new();
        match &self.key.selector {
            Selector::Whole | Selector::Element(_) => {}
            Selector::Field(name) => words.push(format!("field {name}")),
            Selector::Uri(part) => words.push(part_name(*part).to_owned()),
            Selector::Param { name, nocase, .. } => {
                words.push(crate::text::byte_string(false, name));
                if *nocase {
                    words.push("nocase".to_owned());
                }
            }
        }
        if self.key.request {
            words.push("request".to_owned());
        }
        match words.is_empty() {
            true => self.key.id.name().to_owned(),
            false => format!("{}:{}", self.key.id.name(), words.join(",")),
        }
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let unit = ev.unit;
        let data = match self.key.id {
            BufferId::PktData => Some(unit.payload),
            BufferId::RawData => Some(unit.raw),
            _ => unit.view.buffer(&self.key, unit.arena).filter(|data| !data.is_empty()),
        };
        match data {
            Some(data) => {
                cursor.set(self.key.id, data);
                true
            }
            None => false,
        }
    }

    fn floats(&self) -> bool {
        true
    }

    fn sets_buffer(&self) -> Option<&BufferKey> {
        Some(&self.key)
    }

    fn explain(&self) -> String {
        format!("in {}", self.canonical())
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let Some(id) = BufferId::ALL.iter().copied().find(|id| id.name() == cx.node.name) else {
        return Err(super::unknown(cx.node));
    };
    Parsed::test(SetBuffer { key: key(cx, id)? })
}

/// The buffer with the selectors of the node's value.
pub(super) fn key(cx: &ParseCx<'_>, id: BufferId) -> Result<BufferKey, Problem> {
    let mut key = BufferKey::whole(id);
    for arg in cx.args()? {
        match arg.pair() {
            ("request", None) if takes_request(id) => key.request = true,
            ("field", Some(name)) if takes_field(id) && key.selector == Selector::Whole => {
                key.selector = field(cx, name)?;
            }
            (name, None) if takes_part(id) => {
                let part = part(name).ok_or_else(|| cx.unknown(arg))?;
                if key.selector != Selector::Whole {
                    return Err(Problem::conflict(arg.span, "only one part of the URI can be named"));
                }
                key.selector = Selector::Uri(part);
            }
            _ => return Err(cx.unknown(arg)),
        }
    }
    Ok(key)
}

/// `field NAME`.
pub(super) fn field(cx: &ParseCx<'_>, name: Arg<'_>) -> Result<Selector, Problem> {
    let text = name.text.trim_matches('"').to_ascii_lowercase();
    if cx.snort3() && !SNORT_FIELDS.contains(&text.as_str()) {
        return Err(Problem::syntax(name.span, format!("Snort does not know the header field `{text}`"))
            .help("match the name with `content` in http_header"));
    }
    if text.is_empty() || text.contains(|c: char| c.is_ascii_whitespace()) {
        return Err(Problem::syntax(name.span, format!("`{text}` is not the name of a header field")));
    }
    Ok(Selector::Field(text.into()))
}

fn takes_request(id: BufferId) -> bool {
    use BufferId as B;
    takes_field(id) || matches!(id, B::HttpVersion | B::HttpCookie | B::HttpRawCookie)
}

fn takes_field(id: BufferId) -> bool {
    use BufferId as B;
    matches!(id, B::HttpHeader | B::HttpRawHeader | B::HttpTrailer | B::HttpRawTrailer)
}

fn takes_part(id: BufferId) -> bool {
    matches!(id, BufferId::HttpUri | BufferId::HttpRawUri | BufferId::HttpDecodedUri)
}

const PARTS: [(UriPart, &str); 6] = [
    (UriPart::Scheme, "scheme"),
    (UriPart::Host, "host"),
    (UriPart::Port, "port"),
    (UriPart::Path, "path"),
    (UriPart::Query, "query"),
    (UriPart::Fragment, "fragment"),
];

fn part_name(part: UriPart) -> &'static str {
    PARTS.iter().find(|(known, _)| *known == part).map_or("", |(_, name)| name)
}

fn part(name: &str) -> Option<UriPart> {
    PARTS.iter().find(|(_, known)| *known == name).map(|(part, _)| *part)
}

/// Header fields that Snort 3 knows by name.
const SNORT_FIELDS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "client-ip",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-transfer-encoding",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "mime-version",
    "origin",
    "pragma",
    "proxy-agent",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "restrict-access-context",
    "restrict-access-to-tenants",
    "retry-after",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-from",
    "x-working-with",
    "xroxy-connection",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile, compile_one, matches, problems, with_buffers};

    #[test]
    fn canonical_text_reads_back_as_itself() {
        for text in [
            "http_uri",
            "http_uri:path",
            "http_header:field user-agent,request",
            "http_cookie:request",
            "file_data",
            "tls_sni",
        ] {
            assert_eq!(compile_one(text).canonical(), text);
        }
        assert_eq!(compile_one("http_header: field Host").canonical(), "http_header:field host");
    }

    #[test]
    fn every_buffer_of_the_catalogue_has_an_option() {
        for id in BufferId::ALL {
            assert!(super::super::definition(id.name()).is_some(), "{}", id.name());
        }
    }

    #[test]
    fn an_absent_buffer_fails_the_rule() {
        assert!(!matches(r#"http_uri; content:!"x";"#, b"abc"));
        assert!(matches(r#"pkt_data; content:!"x";"#, b""));
        let rule = compile(r#"http_uri; content:"/a"; http_cookie;"#).unwrap();
        assert!(with_buffers(&[(BufferId::HttpUri, b"/a"), (BufferId::HttpCookie, b"1")], |ev, cursor| {
            rule.options.iter().all(|option| option.eval(ev, cursor))
        }));
        assert!(!with_buffers(&[(BufferId::HttpUri, b"/a"), (BufferId::HttpCookie, b"")], |ev, cursor| {
            rule.options.iter().all(|option| option.eval(ev, cursor))
        }));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("http_uri:path,query")[0].contains("only one part"));
        assert!(problems("http_header:field x-mine")[0].contains("does not know"));
        assert!(problems("http_uri:request")[0].contains("no argument"));
        assert!(problems("file_data:mime")[0].contains("no argument"));
    }
}
