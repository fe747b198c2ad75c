//! Content checks that go beyond Snort's wizard: protocols it leaves to ports or to OpenAppID.
//!
//! Used by [`super::Wizard::extended`] only, after Snort's own patterns. A check belongs here if it
//! is bounded and sure: magic numbers, or several fields that must agree.
//!
//! *Spec*: RFC 1035 (DNS), 2131 (DHCP), 1350 (TFTP), 1002 (NetBIOS names), 4120 (Kerberos), 4511
//! (LDAP), 3416 (SNMP), 7296 (IKE), 9000 (QUIC), 1459 (IRC), UPnP 1.1 (SSDP), OASIS MQTT 3.1.1,
//! PostgreSQL and MySQL protocol manuals, RFC 6143 (VNC), MS-RDPBCGR, BEP 3.

use super::curses::{Curse, Verdict, curse, once};
use crate::wire::{be16, be24, be32, byte, le32, size16, size32};
use crate::{Service, TransportKind};
use tapir_flow::Direction::{ToClient, ToServer};

/// The checks.
pub(super) static CHECKS: &[Curse] = &[
    // A NetBIOS name question is a well-formed DNS one, too: it goes first.
    curse(Service::NetbiosNs, TransportKind::Udp, None, |p| datagram(netbios_ns(p))),
    curse(Service::Dns, TransportKind::Udp, None, |p| datagram(dns(p))),
    curse(Service::Dhcp, TransportKind::Udp, None, |p| datagram(dhcp(p))),
    curse(Service::Tftp, TransportKind::Udp, Some(ToServer), |p| datagram(tftp(p))),
    curse(Service::Ssdp, TransportKind::Udp, None, |p| datagram(ssdp(p))),
    curse(Service::Snmp, TransportKind::Udp, None, |p| datagram(snmp(p))),
    curse(Service::Kerberos, TransportKind::Udp, None, |p| datagram(kerberos(p))),
    curse(Service::Ike, TransportKind::Udp, None, |p| datagram(ike(p))),
    curse(Service::Quic, TransportKind::Udp, Some(ToServer), |p| datagram(quic(p))),
    curse(Service::Modbus, TransportKind::Tcp, Some(ToServer), modbus),
    curse(Service::Redis, TransportKind::Tcp, Some(ToServer), redis),
    curse(Service::Mysql, TransportKind::Tcp, Some(ToClient), mysql),
    curse(Service::Postgres, TransportKind::Tcp, Some(ToServer), postgres),
    curse(Service::Rdp, TransportKind::Tcp, Some(ToServer), rdp),
    curse(Service::Kerberos, TransportKind::Tcp, None, kerberos_stream),
    curse(Service::Ldap, TransportKind::Tcp, Some(ToServer), ldap),
    curse(Service::Mqtt, TransportKind::Tcp, Some(ToServer), mqtt),
    curse(Service::Irc, TransportKind::Tcp, Some(ToServer), |p| text(p, &[b"NICK ", b"CAP LS"])),
    curse(Service::Nntp, TransportKind::Tcp, Some(ToClient), nntp),
    curse(Service::Vnc, TransportKind::Tcp, None, |p| text(p, &[b"RFB 003.", b"RFB 004."])),
    curse(Service::Rtsp, TransportKind::Tcp, Some(ToClient), |p| text(p, &[b"RTSP/1.", b"RTSP/2."])),
    curse(Service::BitTorrent, TransportKind::Tcp, None, |p| text(p, &[b"\x13BitTorrent protocol"])),
];

fn datagram(sure: Option<bool>) -> Verdict {
    if sure == Some(true) { Verdict::Yes(0) } else { Verdict::No }
}

/// One of several prefixes.
fn text(prefix: &[u8], starts: &[&[u8]]) -> Verdict {
    let agrees = |start: &&&[u8]| start.iter().zip(prefix).all(|(a, b)| a == b);
    match starts.iter().find(agrees) {
        Some(start) if prefix.len() >= start.len() => Verdict::Yes(start.len()),
        Some(_) => Verdict::Partial,
        None => Verdict::No,
    }
}

/// A DNS header with plausible counts and one well-formed question.
fn dns(p: &[u8]) -> Option<bool> {
    let flags = be16(p, 2)?;
    let (questions, answers) = (be16(p, 4)?, be16(p, 6)?);
    let query = flags & 0x8000 == 0;
    let opcode = flags >> 11 & 0xf;
    let counts = be16(p, 8)? <= 64 && be16(p, 10)? <= 64 && answers <= 64 && !(query && answers > 1);
    if questions != 1 || !matches!(opcode, 0 | 2 | 4 | 5) || flags & 0x0040 != 0 || !counts {
        return Some(false);
    }
    let mut at = 12usize;
    loop {
        let label = byte(p, at)?;
        at = at.checked_add(1)?.checked_add(usize::from(label))?;
        match label {
            0 => break,
            64.. => return Some(false),
            _ if at > 12 + 255 => return Some(false),
            _ => {}
        }
    }
    let class = be16(p, at.checked_add(2)?)? & 0x7fff;
    Some(be16(p, at)? != 0 && matches!(class, 1 | 3 | 4 | 254 | 255))
}

fn dhcp(p: &[u8]) -> Option<bool> {
    Some(matches!(byte(p, 0)?, 1 | 2) && byte(p, 1)? == 1 && byte(p, 2)? == 6 && be32(p, 236)? == 0x6382_5363)
}

fn tftp(p: &[u8]) -> Option<bool> {
    if !matches!(be16(p, 0)?, 1 | 2) {
        return Some(false);
    }
    let mut fields = p.get(2..)?.split(|&b| b == 0);
    let (name, mode) = (fields.next()?, fields.next()?);
    fields.next()?;
    let modes: [&[u8]; 3] = [b"octet", b"netascii", b"mail"];
    Some(!name.is_empty() && modes.iter().any(|known| mode.eq_ignore_ascii_case(known)))
}

fn ssdp(p: &[u8]) -> Option<bool> {
    Some(p.starts_with(b"M-SEARCH * HTTP/1.1\r\n") || p.starts_with(b"NOTIFY * HTTP/1.1\r\n"))
}

/// A first-level encoded name of 32 letters A–P at the place of the question or answer name.
fn netbios_ns(p: &[u8]) -> Option<bool> {
    let name = p.get(13..45)?;
    let counts = u32::from(be16(p, 4)?) + u32::from(be16(p, 6)?);
    Some(byte(p, 12)? == 32 && counts == 1 && name.iter().all(|b| (b'A'..=b'P').contains(b)))
}

/// A BER length at `at`: the value and the offset behind it.
fn ber_length(p: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = byte(p, at)?;
    let next = at.checked_add(1)?;
    match first {
        0..=0x7f => Some((usize::from(first), next)),
        0x81 => Some((usize::from(byte(p, next)?), next.checked_add(1)?)),
        0x82 => Some((size16(be16(p, next)?), next.checked_add(2)?)),
        0x83 => Some((size32(be24(p, next)?), next.checked_add(3)?)),
        0x84 => Some((size32(be32(p, next)?), next.checked_add(4)?)),
        _ => None,
    }
}

/// SEQUENCE that fills the datagram, version 0, 1 or 3, then a community or header data.
fn snmp(p: &[u8]) -> Option<bool> {
    let (length, at) = ber_length(p, 1)?;
    let version = p.get(at..at.checked_add(3)?)?;
    let next = byte(p, at.checked_add(3)?)?;
    let body = match version {
        [2, 1, 0 | 1] => next == 4,
        [2, 1, 3] => next == 0x30,
        _ => false,
    };
    Some(byte(p, 0)? == 0x30 && at.checked_add(length)? == p.len() && body)
}

/// An application-tagged Kerberos message: AS-REQ to KRB-ERROR, a SEQUENCE with version 5.
fn kerberos(p: &[u8]) -> Option<bool> {
    let tag = byte(p, 0)?;
    let (length, at) = ber_length(p, 1)?;
    let (_, inner) = ber_length(p, at.checked_add(1)?)?;
    let pvno = p.get(inner..inner.checked_add(5)?)?;
    let known = matches!(tag, 0x6a..=0x6f | 0x7e);
    let version = matches!(pvno, [0xa0 | 0xa1, 3, 2, 1, 5]);
    Some(known && byte(p, at)? == 0x30 && version && length >= 10)
}

fn kerberos_stream(p: &[u8]) -> Verdict {
    if byte(p, 0).is_some_and(|first| first != 0) || byte(p, 4).is_some_and(|tag| !matches!(tag, 0x6a..=0x6f | 0x7e)) {
        return Verdict::No;
    }
    once(p, 24, || {
        let length = size32(be32(p, 0)?);
        Some((20..1 << 20).contains(&length) && kerberos(p.get(4..)?)?)
    })
}

fn ike(p: &[u8]) -> Option<bool> {
    let version = byte(p, 17)?;
    let exchange = byte(p, 18)?;
    let known = match version {
        0x10 => matches!(exchange, 1..=5 | 32 | 33),
        0x20 => matches!(exchange, 34..=37),
        _ => false,
    };
    Some(known && be32(p, 0)? != 0 && size32(be32(p, 24)?) == p.len())
}

/// A long-header Initial of QUIC version 1 or 2, padded as a client must.
fn quic(p: &[u8]) -> Option<bool> {
    let (first, version) = (byte(p, 0)?, be32(p, 1)?);
    let initial = match version {
        1 => first & 0xf0 == 0xc0,
        0x6b33_43cf => first & 0xf0 == 0xd0,
        _ => false,
    };
    Some(initial && byte(p, 5)? <= 20 && p.len() >= 1_200)
}

/// MBAP: protocol 0, a length that leaves room for unit and function, a public or user function.
fn modbus(p: &[u8]) -> Verdict {
    if byte(p, 2).is_some_and(|b| b != 0) || byte(p, 3).is_some_and(|b| b != 0) || byte(p, 4).is_some_and(|b| b != 0) {
        return Verdict::No;
    }
    once(p, 8, || {
        Some((2..=254).contains(&byte(p, 5)?) && matches!(byte(p, 7)? & 0x7f, 1..=24 | 43 | 65..=72 | 100..=110))
    })
}

/// An array of bulk strings: `*2\r\n$`.
fn redis(p: &[u8]) -> Verdict {
    if p.first().is_some_and(|&first| first != b'*') {
        return Verdict::No;
    }
    let digits = p.iter().skip(1).take(7).take_while(|b| b.is_ascii_digit()).count();
    let behind = p.get(digits.saturating_add(1)..).unwrap_or(&[]);
    match text(behind, &[b"\r\n$"]) {
        Verdict::Yes(len) if (1..=6).contains(&digits) => Verdict::Yes(digits.saturating_add(1).saturating_add(len)),
        Verdict::Partial if digits <= 6 && (digits > 0 || behind.is_empty()) => Verdict::Partial,
        _ => Verdict::No,
    }
}

/// The server's greeting: packet 0, protocol 10, a version text that starts with a digit.
fn mysql(p: &[u8]) -> Verdict {
    let wrong = byte(p, 3).is_some_and(|sequence| sequence != 0)
        || byte(p, 4).is_some_and(|protocol| protocol != 10)
        || byte(p, 5).is_some_and(|digit| !digit.is_ascii_digit());
    if wrong {
        return Verdict::No;
    }
    once(p, 8, || {
        let length = le32(p, 0)? & 0xff_ffff;
        Some((32..1024).contains(&length) && p.get(6..8)?.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
    })
}

/// A start-up message of protocol 3, or a request for TLS, GSS or cancellation.
fn postgres(p: &[u8]) -> Verdict {
    if byte(p, 0).is_some_and(|first| first != 0) {
        return Verdict::No;
    }
    once(p, 8, || {
        let (length, code) = (be32(p, 0)?, be32(p, 4)?);
        Some(match code {
            0x0003_0000..=0x0003_0002 => (9..10_000).contains(&length),
            80_877_103 | 80_877_104 => length == 8,
            80_877_102 => length == 16,
            _ => false,
        })
    })
}

/// TPKT with a COTP connection request that carries an RDP cookie or negotiation request.
fn rdp(p: &[u8]) -> Verdict {
    let wrong = byte(p, 0).is_some_and(|b| b != 3)
        || byte(p, 1).is_some_and(|b| b != 0)
        || byte(p, 5).is_some_and(|kind| kind != 0xe0);
    if wrong {
        return Verdict::No;
    }
    once(p, 19, || {
        let behind = p.get(11..19)?;
        let negotiation = matches!(behind, [1, _, 8, 0, ..]);
        Some(negotiation || behind == b"Cookie: ")
    })
}

/// A bind request (version 2 or 3) as a client's first message.
fn ldap(p: &[u8]) -> Verdict {
    if byte(p, 0).is_some_and(|tag| tag != 0x30) {
        return Verdict::No;
    }
    once(p, 14, || {
        let (_, at) = ber_length(p, 1)?;
        let message = p.get(at..at.checked_add(2)?)?;
        let (tag, id_len) = (message.first()?, usize::from(*message.get(1)?));
        let operation = at.checked_add(2)?.checked_add(id_len)?;
        let (_, inner) = ber_length(p, operation.checked_add(1)?)?;
        let version = p.get(inner..inner.checked_add(3)?)?;
        Some(*tag == 2 && (1..=4).contains(&id_len) && byte(p, operation)? == 0x60 && matches!(version, [2, 1, 2 | 3]))
    })
}

/// CONNECT with the protocol name `MQTT` or `MQIsdp`.
fn mqtt(p: &[u8]) -> Verdict {
    if byte(p, 0).is_some_and(|kind| kind != 0x10) {
        return Verdict::No;
    }
    let length = p.iter().skip(1).take(4).take_while(|b| **b & 0x80 != 0).count().saturating_add(2);
    if length > 5 {
        return Verdict::No;
    }
    match text(p.get(length..).unwrap_or(&[]), &[b"\0\x04MQTT", b"\0\x06MQIsdp"]) {
        Verdict::Yes(end) => Verdict::Yes(length.saturating_add(end)),
        other => other,
    }
}

/// A greeting line `200` or `201` that names NNTP.
fn nntp(p: &[u8]) -> Verdict {
    if !matches!(text(p, &[b"200 ", b"201 "]), Verdict::Yes(_) | Verdict::Partial) {
        return Verdict::No;
    }
    let line = p.get(..512).unwrap_or(p);
    let found = memchr::memmem::find(line, b"NNTP").map(|at| at.saturating_add(4));
    match (found, memchr::memchr(b'\n', line)) {
        (Some(end), eol) if eol.is_none_or(|eol| end <= eol) => Verdict::Yes(end),
        (None, None) if line.len() < 512 => Verdict::Partial,
        _ => Verdict::No,
    }
}
