//! What a conversation was about, in the words of its protocol. Every text is an attacker's: printable
//! text with everything else escaped, and cut.

use crate::lenient;
use serde::{Deserialize, Serialize};

/// Longest text of a summary, in bytes of the original.
pub const MAX_TEXT: usize = 1024;

/// Summaries of the protocols that have one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// HTTP request and response.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub http: Option<Http>,
    /// DNS message.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub dns: Option<Dns>,
    /// TLS handshake.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub tls: Option<Tls>,
}

impl Session {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.dns.is_none() && self.tls.is_none()
    }
}

/// An HTTP request, and the response if it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Request method.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub method: Option<String>,
    /// Request target as sent.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub uri: Option<String>,
    /// `1.1`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub version: Option<String>,
    /// `Host` header.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub host: Option<String>,
    /// `User-Agent` header.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub user_agent: Option<String>,
    /// `Referer` header.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub referer: Option<String>,
    /// `Content-Type` of the message that was inspected.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub content_type: Option<String>,
    /// Response status.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub status: Option<u16>,
}

impl Http {
    /// The `Host` header without its port, and the port if it has one. IPv6 addresses keep their brackets.
    pub fn authority(&self) -> Option<(&str, Option<u16>)> {
        let host = self.host.as_deref()?;
        // A bare IPv6 address has no port; what follows its last colon belongs to it.
        let split = host.rsplit_once(':').filter(|(name, _)| name.ends_with(']') || !name.contains(':'));
        Some(match split {
            Some((name, "")) => (name, None),
            Some((name, port)) => match port.parse() {
                Ok(port) => (name, Some(port)),
                Err(_) => (host, None),
            },
            None => (host, None),
        })
    }
}

/// A DNS message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// Name of the first question.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub name: Option<String>,
    /// Type of the first question as a number (RFC 1035 section 3.2.2).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub kind: Option<u16>,
    /// Message id.
    #[serde(deserialize_with = "lenient::field")]
    pub id: u16,
    /// It is a response, with this code.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub rcode: Option<u8>,
}

/// A TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// Server name of the client hello.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub sni: Option<String>,
    /// `TLS 1.2`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub version: Option<String>,
}

/// Bytes as text: valid UTF-8 without control and direction characters stays, all else becomes `\xNN` or
/// `\u{…}`; cut to [`MAX_TEXT`] bytes.
pub fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..MAX_TEXT).unwrap_or(bytes);
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_ascii_control() => push_byte(&mut out, c as u8),
                c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for &byte in chunk.invalid() {
            push_byte(&mut out, byte);
        }
    }
    out
}

fn push_byte(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('?', |d| char::from(*d));
    out.extend(['\\', 'x', digit(byte >> 4), digit(byte & 15)]);
}

/// Characters that change how others are shown, or are not shown: bidi controls, zero width, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2028}' | '\u{2029}'
        | '\u{061c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_become_plain_text() {
        assert_eq!(text(b"/a?b=\xff\0\r\n"), "/a?b=\\xff\\x00\\x0d\\x0a");
        assert_eq!(text("caf\u{e9} \u{202e}gpj".as_bytes()), "caf\u{e9} \\u{202e}gpj");
        assert_eq!(text(b"\\x41"), "\\\\x41");
    }

    #[test]
    fn a_host_header_is_a_name_and_perhaps_a_port() {
        let authority = |host: &str| {
            let http = Http { host: Some(host.to_owned()), ..Http::default() };
            http.authority().map(|(name, port)| (name.to_owned(), port))
        };
        for (host, name, port) in [
            ("shop.example", "shop.example", None),
            ("10.0.0.1:8080", "10.0.0.1", Some(8080)),
            ("shop.example:", "shop.example", None),
            ("shop.example:99999", "shop.example:99999", None),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
            ("2001:db8::1", "2001:db8::1", None),
        ] {
            assert_eq!(authority(host), Some((name.to_owned(), port)), "{host}");
        }
        assert_eq!(Http::default().authority(), None);
    }

    #[test]
    fn long_text_is_cut_even_inside_a_character() {
        let long = "\u{e9}".repeat(MAX_TEXT);
        let odd = [b"a", long.as_bytes()].concat();
        assert!(text(&odd).ends_with("\\xc3"));
    }
}
