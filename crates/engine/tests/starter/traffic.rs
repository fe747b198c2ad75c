//! One conversation, as a line of a case file says it, turned into frames.
//!
//! Exactly one of `uri`, `answer`, `tcp`, `dns`, `udp`, `icmp` and `sni` says what kind it is. Texts
//! take `\r`, `\n`, `\\` and `\xHH`.

use serde::Deserialize;
use std::net::Ipv4Addr;
use tapir_testkit::{Conversation, Side, ethernet, ipv4, udp};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 7);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 65, 1, 9);
const SMALL: usize = 7;

/// How TCP data is cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A segment for each message.
    Whole,
    /// Segments of a few bytes.
    Small,
}

/// A conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Talk {
    /// HTTP: what is asked for. Default `/` if there is an answer.
    uri: Option<String>,
    /// HTTP: default GET, with a body POST.
    method: Option<String>,
    /// HTTP: lines behind `Host`; a `Host:` line here replaces it.
    headers: Vec<String>,
    /// HTTP: the body of the request.
    body: Option<String>,
    /// HTTP: the body of the response, default `ok`.
    answer: Option<String>,
    /// TCP: messages, each led by `>` (client) or `<` (server).
    tcp: Vec<String>,
    /// UDP: the datagram.
    udp: Option<String>,
    /// DNS over UDP: the name asked for; `#` becomes the number of the query.
    dns: Option<String>,
    /// DNS: the type, default A.
    qtype: Option<u16>,
    /// ICMP: what the message carries behind its 8 bytes.
    icmp: Option<String>,
    /// ICMP: type, default echo.
    icmp_type: Option<u8>,
    /// ICMP: the payload is filled to this length.
    fill: usize,
    /// TLS: the server name of a ClientHello.
    sni: Option<String>,
    /// The server's port.
    port: Option<u16>,
    /// DNS: how many queries.
    repeat: Option<u16>,
    /// Snort does not recognise the service there (it does by port only), Tapir does.
    pub(crate) beyond_snort: bool,
}

impl Talk {
    /// Its frames.
    pub(crate) fn frames(&self, cut: Cut) -> Vec<Vec<u8>> {
        let kinds = [
            self.uri.is_some() || self.answer.is_some(),
            !self.tcp.is_empty(),
            self.udp.is_some(),
            self.dns.is_some(),
            self.icmp.is_some(),
            self.sni.is_some(),
        ];
        assert_eq!(kinds.iter().filter(|is| **is).count(), 1, "one kind of conversation: {self:?}");
        if let Some(name) = &self.dns {
            return self.queries(name);
        }
        if let Some(payload) = &self.udp {
            return vec![self.datagram(&bytes(payload))];
        }
        if let Some(payload) = &self.icmp {
            return vec![self.echo(bytes(payload))];
        }
        let messages = match &self.sni {
            Some(name) => vec![(Side::Client, client_hello(name.as_bytes()))],
            None if self.tcp.is_empty() => self.http(),
            None => self.tcp.iter().map(|message| self.message(message)).collect(),
        };
        let default_port = if self.sni.is_some() { 443 } else { 8080 };
        connection(&messages, self.port.unwrap_or(default_port), cut)
    }

    fn message(&self, text: &str) -> (Side, Vec<u8>) {
        let (side, text) = text.split_at_checked(1).unwrap_or_else(|| panic!("an empty message in {self:?}"));
        match side {
            ">" => (Side::Client, bytes(text)),
            "<" => (Side::Server, bytes(text)),
            _ => panic!("a message starts with > or <: {self:?}"),
        }
    }

    fn http(&self) -> Vec<(Side, Vec<u8>)> {
        let body = self.body.as_deref().map(bytes);
        let method = self.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
        let mut head = format!("{method} {} HTTP/1.1\r\n", self.uri.as_deref().unwrap_or("/"));
        if !self.headers.iter().any(|line| line.starts_with("Host:")) {
            head.push_str("Host: shop.example.test\r\n");
        }
        for line in &self.headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        if let Some(body) = &body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("Accept: */*\r\n\r\n");
        let mut request = head.into_bytes();
        request.extend(body.unwrap_or_default());
        let answer = bytes(self.answer.as_deref().unwrap_or("ok"));
        let mut response =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", answer.len())
                .into_bytes();
        response.extend(answer);
        vec![(Side::Client, request), (Side::Server, response)]
    }

    fn queries(&self, name: &str) -> Vec<Vec<u8>> {
        (0..self.repeat.unwrap_or(1))
            .map(|number| {
                let mut message = number.to_be_bytes().to_vec();
                message.extend(b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00");
                for label in name.replace('#', &format!("{number:02}")).split('.') {
                    message.push(u8::try_from(label.len()).unwrap());
                    message.extend(label.as_bytes());
                }
                message.push(0);
                message.extend(self.qtype.unwrap_or(1).to_be_bytes());
                message.extend(b"\x00\x01");
                let datagram = udp(30_000 + number, self.port.unwrap_or(53), &message);
                ethernet(&ipv4(CLIENT, SERVER, 17, &datagram))
            })
            .collect()
    }

    fn datagram(&self, payload: &[u8]) -> Vec<u8> {
        let port = self.port.unwrap_or_else(|| panic!("a datagram needs a port: {self:?}"));
        ethernet(&ipv4(CLIENT, SERVER, 17, &udp(30_000, port, payload)))
    }

    fn echo(&self, mut payload: Vec<u8>) -> Vec<u8> {
        payload.resize(payload.len().max(self.fill), 0x61);
        let mut message = vec![self.icmp_type.unwrap_or(8), 0, 0, 0, 0x12, 0x34, 0, 1];
        message.extend(payload);
        ethernet(&ipv4(CLIENT, SERVER, 1, &message))
    }
}

fn connection(messages: &[(Side, Vec<u8>)], port: u16, cut: Cut) -> Vec<Vec<u8>> {
    let mut frames = Conversation::open((CLIENT, 40_000), (SERVER, port));
    for (side, data) in messages {
        let size = if cut == Cut::Small { SMALL } else { 1460 };
        for piece in data.chunks(size) {
            frames.data(*side, piece);
        }
    }
    frames.close();
    frames.frames().to_vec()
}

/// A ClientHello of TLS 1.2 with one suite and the server name.
fn client_hello(name: &[u8]) -> Vec<u8> {
    let long = |len: usize| u16::try_from(len).unwrap().to_be_bytes();
    let mut sni = vec![0, 0];
    sni.extend(long(name.len() + 5));
    sni.extend(long(name.len() + 3));
    sni.push(0);
    sni.extend(long(name.len()));
    sni.extend(name);
    let mut hello = vec![3, 3];
    hello.extend([0x5a; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    hello.extend(long(sni.len()));
    hello.extend(sni);
    let mut record = vec![0x16, 3, 1];
    record.extend(long(hello.len() + 4));
    record.extend([1, 0]);
    record.extend(long(hello.len()));
    record.extend(hello);
    record
}

/// The bytes of a text with escapes.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.extend(before.as_bytes());
        let (byte, used) = match behind.as_bytes() {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', _, _, ..] => (u8::from_str_radix(&behind[1..3], 16).expect("two hex digits"), 3),
            _ => panic!("unknown escape in {text}"),
        };
        out.push(byte);
        rest = &behind[used..];
    }
    out.extend(rest.as_bytes());
    out
}
