//! The wizard's patterns that are fixed at the first byte: byte patterns ("hexes") and text
//! prefixes ("spells" without a wildcard).
//!
//! Floating text patterns (`* * HTTP/`) are in [`super::spells`]; those that only narrow a floating
//! one of the same service (`OPTIONS * SIP/`) need no entry of their own.
//!
//! *Spec*: Snort 3 `lua/snort_defaults.lua` as described in its manual, "Wizard".

use crate::{Service, TransportKind};
use tapir_flow::Direction;

/// How bytes compare with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// All of the pattern is there, up to this offset.
    Yes(usize),
    /// What is there agrees.
    Partial,
    /// Not this.
    No,
}

/// On which transport and in which direction a pattern is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    transport: Option<TransportKind>,
    dir: Option<Direction>,
}

impl When {
    pub(super) fn holds(self, transport: TransportKind, dir: Direction) -> bool {
        self.transport.is_none_or(|wanted| wanted == transport) && self.dir.is_none_or(|wanted| wanted == dir)
    }
}

const TCP: When = When { transport: Some(TransportKind::Tcp), dir: None };
const TCP_SERVER: When = When { transport: Some(TransportKind::Tcp), dir: Some(Direction::ToServer) };
const TCP_CLIENT: When = When { transport: Some(TransportKind::Tcp), dir: Some(Direction::ToClient) };
const UDP_SERVER: When = When { transport: Some(TransportKind::Udp), dir: Some(Direction::ToServer) };
const ANY_SERVER: When = When { transport: None, dir: Some(Direction::ToServer) };
const ANY_CLIENT: When = When { transport: None, dir: Some(Direction::ToClient) };

/// A pattern of bytes.
#[derive(Debug)]
pub(super) struct Hex {
    pub(super) service: Service,
    pub(super) when: When,
    bytes: &'static [Byte],
}

/// One byte of a [`Hex`].
#[derive(Debug)]
enum Byte {
    Is(u8),
    Within(u8, u8),
}

impl Hex {
    pub(super) fn fit(&self, prefix: &[u8]) -> Fit {
        let agrees = self.bytes.iter().zip(prefix).all(|(wanted, &byte)| match *wanted {
            Byte::Is(value) => byte == value,
            Byte::Within(low, high) => (low..=high).contains(&byte),
        });
        whole_or_part(agrees, self.bytes.len(), prefix.len())
    }
}

/// A text prefix, compared without case.
#[derive(Debug)]
pub(super) struct Spell {
    pub(super) service: Service,
    pub(super) when: When,
    text: &'static str,
}

impl Spell {
    pub(super) fn fit(&self, prefix: &[u8]) -> Fit {
        let agrees = self.text.bytes().zip(prefix).all(|(wanted, byte)| byte.eq_ignore_ascii_case(&wanted));
        whole_or_part(agrees, self.text.len(), prefix.len())
    }
}

fn whole_or_part(agrees: bool, wanted: usize, there: usize) -> Fit {
    match agrees {
        false => Fit::No,
        true if there >= wanted => Fit::Yes(wanted),
        true => Fit::Partial,
    }
}

macro_rules! hex {
    ($service:ident, $when:ident, $($byte:expr),+) => {
        Hex { service: Service::$service, when: $when, bytes: &[$($byte),+] }
    };
}

use Byte::{Is, Within};

/// The byte patterns that take effect.
///
/// Snort's configuration has three more that begin with wildcards: Modbus `? ? 00 00` (to server),
/// HTTP/2 `? ? ? 04 00 00 00 00 00` (to client) and RPC `? ? ? ? 00 00 00 00 00 00 00 01`. Flows that
/// begin like the first stay unknown in Snort 3.12.2 (some fifty recorded conversations), so
/// patterns of this form are inert there.
pub(super) static HEXES: &[Hex] = &[
    hex!(Netflow, UDP_SERVER, Is(0), Is(5)),
    hex!(Netflow, UDP_SERVER, Is(0), Is(9)),
    hex!(Dnp3, TCP, Is(0x05), Is(0x64)),
    hex!(Ssl, TCP, Is(0x16), Is(0x03)),
    hex!(Telnet, TCP, Is(0xff), Within(0xf0, 0xfe)),
    Hex { service: Service::Http2, when: TCP_SERVER, bytes: PREFACE },
];

/// The client's connection preface (RFC 9113 §3.4).
const PREFACE: &[Byte] = &[
    Is(b'P'),
    Is(b'R'),
    Is(b'I'),
    Is(b' '),
    Is(b'*'),
    Is(b' '),
    Is(b'H'),
    Is(b'T'),
    Is(b'T'),
    Is(b'P'),
    Is(b'/'),
    Is(b'2'),
    Is(b'.'),
    Is(b'0'),
    Is(b'\r'),
    Is(b'\n'),
    Is(b'\r'),
    Is(b'\n'),
    Is(b'S'),
    Is(b'M'),
    Is(b'\r'),
    Is(b'\n'),
    Is(b'\r'),
    Is(b'\n'),
];

macro_rules! spells {
    ($($service:ident, $when:ident: $($text:literal)+;)+) => {
        &[$($(Spell { service: Service::$service, when: $when, text: $text },)+)+]
    };
}

/// Text prefixes.
pub(super) static SPELLS: &[Spell] = spells! {
    Http, TCP_SERVER: "GET" "HEAD" "POST" "DELETE" "TRACE" "CONNECT" "VERSION_CONTROL" "REPORT" "CHECKOUT" "CHECKIN"
        "UNCHECKOUT" "MKWORKSPACE" "LABEL" "MERGE" "BASELINE_CONTROL" "MKACTIVITY" "ORDERPATCH" "ACL" "PATCH" "BIND"
        "LINK" "MKCALENDAR" "MKREDIRECTREF" "REBIND" "UNBIND" "UNLINK" "UPDATEREDIRECTREF" "PROPFIND" "PROPPATCH"
        "MKCOL" "COPY" "MOVE" "LOCK" "UNLOCK" "SEARCH" "BCOPY" "BDELETE" "BMOVE" "BPROPFIND" "BPROPPATCH" "POLL"
        "UNSUBSCRIBE" "X_MS_ENUMATTS";
    Http, TCP_CLIENT: "HTTP/";
    Imap, TCP_CLIENT: "* OK" "* BYE" "* PREAUTH";
    Pop3, TCP_CLIENT: "+OK" "-ERR";
    Sip, ANY_SERVER: "INVITE" "CANCEL" "BYE" "REGISTER" "PRACK" "PUBLISH" "REFER" "INFO" "MESSAGE";
    Sip, ANY_CLIENT: "SIP/";
    Smtp, TCP_SERVER: "HELO" "EHLO";
    Ssh, TCP: "SSH-";
    DceHttpServer, TCP_CLIENT: "ncacn_http";
    DceHttpProxy, TCP_SERVER: "RPC_CONNECT";
};
