//! Protocols that a fixed pattern can't tell: small checks of lengths and fields ("curses").
//!
//! Each check is a pure function of the prefix: it answers the offset at which it was sure, so that
//! the moment doesn't depend on how the bytes were cut.
//!
//! *Limits*: chains of session or transport headers are followed over [`MAX_CHAIN`] messages.
//!
//! *Spec*: Snort 3 manual "Wizard" (curses); RFC 1002 §4.3 (NetBIOS session), C706 §12 (DCE/RPC),
//! RFC 1928 (SOCKS 5), RFC 1006 (TPKT), OPC 10000-6 §7.1.

use super::{Found, extended};
use crate::wire::{be16, be32, byte, int16, size16};
use crate::{Service, TransportKind};
use tapir_flow::Direction;

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Sure, with the bytes before this offset.
    Yes(usize),
    /// Agrees so far.
    Partial,
    No,
}

/// A check: named by what it finds.
pub(super) struct Curse {
    pub(super) service: Service,
    pub(super) transport: TransportKind,
    pub(super) dir: Option<Direction>,
    pub(super) check: fn(&[u8]) -> Verdict,
}

/// Headers that are skipped at most before the decisive one.
const MAX_CHAIN: usize = 8;

static CURSES: &[Curse] = &[
    curse(Service::Dcerpc, TransportKind::Udp, None, dce_datagram),
    curse(Service::Dcerpc, TransportKind::Tcp, None, dce_stream),
    curse(Service::NetbiosSsn, TransportKind::Tcp, None, smb),
    curse(Service::Ssl, TransportKind::Tcp, None, sslv2_hello),
    curse(Service::Socks, TransportKind::Tcp, Some(Direction::ToServer), socks),
    curse(Service::S7commplus, TransportKind::Tcp, None, s7commplus),
    curse(Service::Mms, TransportKind::Tcp, None, mms),
    curse(Service::Opcua, TransportKind::Tcp, None, opcua),
];

pub(super) const fn curse(
    service: Service,
    transport: TransportKind,
    dir: Option<Direction>,
    check: fn(&[u8]) -> Verdict,
) -> Curse {
    Curse { service, transport, dir, check }
}

/// All checks on a prefix: the one that was sure first, and whether any is still open.
pub(super) fn run(
    transport: TransportKind,
    dir: Direction,
    prefix: &[u8],
    with_extended: bool,
) -> (Option<Found>, bool) {
    let more: &[Curse] = if with_extended { extended::CHECKS } else { &[] };
    let mut best: Option<Found> = None;
    let mut open = false;
    for curse in CURSES.iter().chain(more) {
        if curse.transport != transport || curse.dir.is_some_and(|wanted| wanted != dir) {
            continue;
        }
        match (curse.check)(prefix) {
            Verdict::Yes(end) if best.is_none_or(|best| end < best.end) => {
                best = Some(Found { service: curse.service, end });
            }
            Verdict::Partial => open = true,
            Verdict::Yes(_) | Verdict::No => {}
        }
    }
    (best, open)
}

/// `Yes` when `test` holds for the first `len` bytes, `Partial` while they are not there.
pub(super) fn once(prefix: &[u8], len: usize, test: impl FnOnce() -> Option<bool>) -> Verdict {
    if prefix.len() < len {
        return Verdict::Partial;
    }
    if test() == Some(true) { Verdict::Yes(len) } else { Verdict::No }
}

/// `No` unless what is there agrees with `start`.
fn starts(prefix: &[u8], start: &[u8]) -> bool {
    start.iter().zip(prefix).all(|(a, b)| a == b)
}

/// Connectionless DCE/RPC: an 80-byte header whose body length fits the datagram.
fn dce_datagram(prefix: &[u8]) -> Verdict {
    let test = || {
        let little = byte(prefix, 4)? & 0x10 != 0;
        let body = size16(int16(prefix, 74, little)?);
        let kind = byte(prefix, 1)?;
        Some(byte(prefix, 0)? == 4 && matches!(kind, 0 | 2 | 3 | 6 | 9) && body != 0 && 80 + body <= prefix.len())
    };
    if prefix.len() >= 80 && test() == Some(true) { Verdict::Yes(80) } else { Verdict::No }
}

/// Connection-oriented DCE/RPC: a bind or its acknowledgement.
fn dce_stream(prefix: &[u8]) -> Verdict {
    if !starts(prefix, &[5, 0]) || byte(prefix, 2).is_some_and(|kind| !matches!(kind, 11 | 12)) {
        return Verdict::No;
    }
    once(prefix, 10, || Some(int16(prefix, 8, byte(prefix, 4)? & 0x10 != 0)? >= 16))
}

/// SMB in NetBIOS session messages; a session request or response may come first.
fn smb(prefix: &[u8]) -> Verdict {
    let mut at = 0usize;
    for _ in 0..MAX_CHAIN {
        match byte(prefix, at) {
            None => return Verdict::Partial,
            Some(0x81 | 0x82) => {
                let Some(len) = be16(prefix, at.saturating_add(2)) else { return Verdict::Partial };
                at = at.saturating_add(4).saturating_add(size16(len));
            }
            Some(0) => {
                let end = at.saturating_add(8);
                let id = prefix.get(at.saturating_add(4)..end.min(prefix.len())).unwrap_or(&[]);
                if !starts(id, b"\xffSMB") && !starts(id, b"\xfeSMB") {
                    return Verdict::No;
                }
                return if prefix.len() >= end { Verdict::Yes(end) } else { Verdict::Partial };
            }
            Some(_) => return Verdict::No,
        }
    }
    Verdict::No
}

/// SSLv2 client hello: its lengths add up to the record's.
fn sslv2_hello(prefix: &[u8]) -> Verdict {
    let plausible = byte(prefix, 0).is_none_or(|first| first & 0x80 != 0)
        && byte(prefix, 2).is_none_or(|kind| kind == 1)
        && byte(prefix, 3).is_none_or(|major| major <= 3)
        && byte(prefix, 4).is_none_or(|minor| minor <= 3);
    if !plausible {
        return Verdict::No;
    }
    once(prefix, 11, || {
        let length = u32::from(be16(prefix, 0)? & 0x7fff);
        let parts = u32::from(be16(prefix, 5)?) + u32::from(be16(prefix, 7)?) + u32::from(be16(prefix, 9)?);
        Some(length >= 9 && parts + 9 == length)
    })
}

/// SOCKS 4, 4a: connect or bind with a terminated user id; SOCKS 5: a greeting and nothing behind it.
fn socks(prefix: &[u8]) -> Verdict {
    match byte(prefix, 0) {
        None => Verdict::Partial,
        Some(4) => socks4(prefix),
        Some(5) => socks5(prefix),
        Some(_) => Verdict::No,
    }
}

/// Longest user id or host name that is waited for.
const MAX_SOCKS_TEXT: usize = 255;

fn socks4(prefix: &[u8]) -> Verdict {
    if byte(prefix, 1).is_some_and(|command| !matches!(command, 1 | 2)) {
        return Verdict::No;
    }
    let (Some(port), Some(address)) = (be16(prefix, 2), be32(prefix, 4)) else { return Verdict::Partial };
    if port == 0 || address == 0 {
        return Verdict::No;
    }
    let Ok(end) = text_end(prefix, 8) else { return open_if_short(prefix, 8) };
    // 0.0.0.x: the name to resolve follows (SOCKS 4a).
    if address > 0xff {
        return Verdict::Yes(end);
    }
    match text_end(prefix, end) {
        Ok(name_end) if name_end > end.saturating_add(1) => Verdict::Yes(name_end),
        Ok(_) => Verdict::No,
        Err(()) => open_if_short(prefix, end),
    }
}

/// Offset behind the terminator of a text that starts at `from`.
fn text_end(prefix: &[u8], from: usize) -> Result<usize, ()> {
    let text = prefix.get(from..).unwrap_or(&[]);
    let text = text.get(..=MAX_SOCKS_TEXT).unwrap_or(text);
    memchr::memchr(0, text).map(|at| from.saturating_add(at).saturating_add(1)).ok_or(())
}

fn open_if_short(prefix: &[u8], from: usize) -> Verdict {
    if prefix.len() > from.saturating_add(MAX_SOCKS_TEXT) { Verdict::No } else { Verdict::Partial }
}

fn socks5(prefix: &[u8]) -> Verdict {
    let Some(count) = byte(prefix, 1) else { return Verdict::Partial };
    let end = usize::from(count).saturating_add(2);
    let methods = prefix.get(2..end.min(prefix.len())).unwrap_or(&[]);
    if count == 0 || methods.contains(&0xff) {
        return Verdict::No;
    }
    // The client waits for the answer here, so nothing may follow yet; but whether something has
    // followed by now must not change the answer, so the methods alone decide.
    if prefix.len() < end {
        return Verdict::Partial;
    }
    if methods.iter().all(|method| *method <= 9 || *method >= 0x80) { Verdict::Yes(end) } else { Verdict::No }
}

/// The first data message of a TPKT/COTP conversation (RFC 1006); connection set-up may come first.
fn cotp_data(prefix: &[u8]) -> Result<(usize, &[u8]), Verdict> {
    let mut at = 0usize;
    for _ in 0..MAX_CHAIN {
        let head = prefix.get(at..).unwrap_or(&[]);
        if !starts(head, &[3, 0]) {
            return Err(Verdict::No);
        }
        let (Some(length), Some(header), Some(kind)) = (be16(head, 2), byte(head, 4), byte(head, 5)) else {
            return Err(Verdict::Partial);
        };
        let length = size16(length);
        if length < 7 {
            return Err(Verdict::No);
        }
        match kind & 0xf0 {
            0xe0 | 0xd0 => at = at.saturating_add(length),
            0xf0 => {
                let start = at.saturating_add(5).saturating_add(usize::from(header));
                return Ok((start, prefix.get(start..).unwrap_or(&[])));
            }
            _ => return Err(Verdict::No),
        }
    }
    Err(Verdict::No)
}

fn s7commplus(prefix: &[u8]) -> Verdict {
    match cotp_data(prefix) {
        Err(verdict) => verdict,
        Ok((_, [])) => Verdict::Partial,
        Ok((at, data)) if data.first() == Some(&0x72) => Verdict::Yes(at.saturating_add(1)),
        Ok(_) => Verdict::No,
    }
}

/// MMS: session CONNECT or ACCEPT, or give-tokens and data transfer with a presentation PDU in it.
fn mms(prefix: &[u8]) -> Verdict {
    let (at, data) = match cotp_data(prefix) {
        Err(verdict) => return verdict,
        Ok(found) => found,
    };
    for start in [&[0x01u8, 0x00, 0x01, 0x00, 0x61][..]] {
        if starts(data, start) {
            return if data.len() >= start.len() {
                Verdict::Yes(at.saturating_add(start.len()))
            } else {
                Verdict::Partial
            };
        }
    }
    match byte(data, 0) {
        Some(0x0d | 0x0e) => mms_connect(at, data),
        _ => Verdict::No,
    }
}

/// A session CONNECT is MMS if its user data names the MMS abstract syntax.
fn mms_connect(at: usize, data: &[u8]) -> Verdict {
    const MMS_SYNTAX: &[u8] = &[0x28, 0xca, 0x22, 0x02, 0x01];
    let Some(length) = byte(data, 1) else { return Verdict::Partial };
    let end = usize::from(length).saturating_add(2);
    let body = data.get(..end.min(data.len())).unwrap_or(data);
    match memchr::memmem::find(body, MMS_SYNTAX) {
        Some(found) => Verdict::Yes(at.saturating_add(found).saturating_add(MMS_SYNTAX.len())),
        None if data.len() < end => Verdict::Partial,
        None => Verdict::No,
    }
}

fn opcua(prefix: &[u8]) -> Verdict {
    const TYPES: [&[u8; 3]; 7] = [b"HEL", b"ACK", b"ERR", b"RHE", b"OPN", b"MSG", b"CLO"];
    if !TYPES.iter().any(|kind| starts(prefix, *kind)) {
        return Verdict::No;
    }
    match byte(prefix, 3) {
        None => Verdict::Partial,
        Some(b'F' | b'C' | b'A') => Verdict::Yes(4),
        Some(_) => Verdict::No,
    }
}
