//! Tunnels: GRE, ERSPAN, Teredo, VXLAN, Geneve, GTP-U.
//!
//! *How it fits*: each header function runs behind [`Walk::enter`], so that anything unusable inside
//! leaves the outer packet as it was.
//! *Spec*: GRE RFC 2784, 2890, 1701 and 2637 (PPTP); ERSPAN draft-foschiano-erspan-03; Teredo
//! RFC 4380 §5.1.1; VXLAN RFC 7348; Geneve RFC 8926; GTP-U 3GPP TS 29.281,
//! version 0 GSM 09.60.
//! differs: ERSPAN type I (no header at all) and the optional subheader of type III are decoded;
//! Snort reports the one as a wrong version and reads the other as Ethernet.

use super::{Header, Step, Walk};
use crate::bytes::{be16, from};
use crate::{DecodeEvent, Packet};

const ERSPAN_TYPE_2: u16 = 0x88be;
const PPP: u16 = 0x880b;

impl<'a> Walk<'a> {
    pub(super) fn gre(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some(&[flags, version, kind_high, kind_low]) = data.first_chunk::<4>() else {
            packet.events.push(DecodeEvent::GRE_TRUNCATED);
            return Step::Bad;
        };
        let kind = u16::from_be_bytes([kind_high, kind_low]);
        let checked = match version & 7 {
            0 => gre_v0_len(flags, version, data),
            1 => gre_v1_len(flags, version, kind),
            _ => Err(DecodeEvent::GRE_VERSION),
        };
        let inner = match checked {
            Ok(len) => data.get(len..).ok_or(DecodeEvent::GRE_TRUNCATED),
            Err(event) => Err(event),
        };
        match inner {
            // ERSPAN type I has no sequence number and no header of its own.
            Ok(inner) if kind == ERSPAN_TYPE_2 && flags & 0x10 == 0 => self.enter(packet, Header::Bridged, inner, data),
            Ok(inner) => self.enter(packet, Header::EtherType(kind), inner, data),
            Err(event) => {
                packet.events.push(event);
                Step::Bad
            }
        }
    }

    pub(super) fn erspan2(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some((header, inner)) = data.split_first_chunk::<8>() else {
            packet.events.push(DecodeEvent::ERSPAN2_TRUNCATED);
            return Step::Bad;
        };
        self.erspan(packet, header[0] >> 4 == 1, inner)
    }

    pub(super) fn erspan3(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some((header, mut inner)) = data.split_first_chunk::<12>() else {
            packet.events.push(DecodeEvent::ERSPAN3_TRUNCATED);
            return Step::Bad;
        };
        // The O bit announces a platform-specific subheader.
        if header[11] & 1 != 0 {
            inner = from(inner, 8);
        }
        self.erspan(packet, header[0] >> 4 == 2, inner)
    }

    fn erspan(&mut self, packet: &mut Packet<'a>, version_fits: bool, inner: &'a [u8]) -> Step<'a> {
        if version_fits {
            return Step::Next(Header::Bridged, inner);
        }
        packet.events.push(DecodeEvent::ERSPAN_VERSION);
        Step::Bad
    }

    pub(super) fn teredo(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let mut rest = data;
        // Authentication, then origin indication; both optional.
        if be16(rest, 0) == Some(1) {
            let (Some(&client), Some(&secret)) = (rest.get(2), rest.get(3)) else {
                return Step::Bad;
            };
            rest = from(rest, 13 + usize::from(client) + usize::from(secret));
        }
        if be16(rest, 0) == Some(0) {
            rest = from(rest, 8);
        }
        if rest.first().is_none_or(|byte| byte >> 4 != 6) {
            return Step::Bad;
        }
        (self.teredo, self.unsure) = (true, true);
        let step = self.ipv6(packet, rest);
        self.teredo = false;
        step
    }

    pub(super) fn vxlan(&self, data: &'a [u8]) -> Step<'a> {
        match data.split_first_chunk::<8>() {
            Some((header, inner)) if header[0] & 0x08 != 0 => Step::Next(Header::Ethernet, inner),
            _ => Step::Bad,
        }
    }

    pub(super) fn geneve(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let checked = geneve_header(data);
        match checked {
            Ok((0x6558, inner)) => Step::Next(Header::Ethernet, inner),
            Ok((kind, inner)) => Step::Next(Header::EtherType(kind), inner),
            Err(event) => {
                packet.events.push(event);
                Step::Bad
            }
        }
    }

    pub(super) fn gtp(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        // Message type 255 carries a packet; all else is signalling.
        let Some(&[flags, 255, ..]) = data.first_chunk::<8>() else {
            return Step::Bad;
        };
        // Version and protocol type: GTP, not GTP'.
        let inner = match flags & 0xf0 {
            0x10 => gtp_v0_payload(data),
            0x30 => gtp_v1_payload(flags, data),
            _ => return Step::Bad,
        };
        let Some(inner) = inner else {
            packet.events.push(DecodeEvent::GTP_LENGTH);
            return Step::Bad;
        };
        if self.gtp {
            packet.events.push(DecodeEvent::GTP_NESTED);
        }
        (self.gtp, self.unsure) = (true, true);
        super::link::ip_version(inner).map_or(Step::Bad, |header| Step::Next(header, inner))
    }
}

fn gre_v0_len(flags: u8, version: u8, data: &[u8]) -> Result<usize, DecodeEvent> {
    if flags & 0x07 != 0 || version & 0xf8 != 0 {
        return Err(DecodeEvent::GRE_HEADER);
    }
    let mut len = 4;
    len += if flags & 0xc0 != 0 { 4 } else { 0 };
    len += if flags & 0x20 != 0 { 4 } else { 0 };
    len += if flags & 0x10 != 0 { 4 } else { 0 };
    if flags & 0x40 != 0 {
        // Source route entries: family, offset, length; an empty one ends the list. Each takes four
        // bytes at least.
        loop {
            let Some(&[f0, f1, _, entry]) = from(data, len).first_chunk::<4>() else {
                return Err(DecodeEvent::GRE_TRUNCATED);
            };
            len += 4 + usize::from(entry);
            if (f0, f1, entry) == (0, 0, 0) {
                break;
            }
        }
    }
    Ok(len)
}

fn gre_v1_len(flags: u8, version: u8, kind: u16) -> Result<usize, DecodeEvent> {
    if flags & 0xcf != 0 || version & 0x78 != 0 || flags & 0x20 == 0 || kind != PPP {
        return Err(DecodeEvent::GRE_PPTP_HEADER);
    }
    let seq = if flags & 0x10 != 0 { 4 } else { 0 };
    let ack = if version & 0x80 != 0 { 4 } else { 0 };
    Ok(8 + seq + ack)
}

fn geneve_header(data: &[u8]) -> Result<(u16, &[u8]), DecodeEvent> {
    let Some((header, rest)) = data.split_first_chunk::<8>() else {
        return Err(DecodeEvent::GENEVE_TRUNCATED);
    };
    if header[0] >> 6 != 0 {
        return Err(DecodeEvent::GENEVE_VERSION);
    }
    let Some((mut options, inner)) = rest.split_at_checked(usize::from(header[0] & 0x3f) * 4) else {
        return Err(DecodeEvent::GENEVE_HEADER);
    };
    let mut critical = false;
    while let Some((&[_, _, kind, len], after)) = options.split_first_chunk::<4>() {
        critical |= kind & 0x80 != 0;
        let Some(next) = after.get(usize::from(len & 0x1f) * 4..) else {
            return Err(DecodeEvent::GENEVE_OPTIONS);
        };
        options = next;
    }
    if critical != (header[1] & 0x40 != 0) {
        return Err(DecodeEvent::GENEVE_FLAGS);
    }
    Ok((u16::from_be_bytes([header[2], header[3]]), inner))
}

/// What a version 0 message carries; `None` if lengths contradict.
fn gtp_v0_payload(data: &[u8]) -> Option<&[u8]> {
    data.get(20..).filter(|inner| be16(data, 2).map(usize::from) == Some(inner.len()))
}

/// What a version 1 message carries; `None` if lengths contradict.
fn gtp_v1_payload(flags: u8, data: &[u8]) -> Option<&[u8]> {
    if usize::from(be16(data, 2)?) + 8 != data.len() {
        return None;
    }
    if flags & 0x07 == 0 {
        return data.get(8..);
    }
    // Optional fields, then extension headers, each at least four bytes long.
    let mut next = *data.get(11)?;
    let mut rest = data.get(12..)?;
    while next != 0 {
        let len = usize::from(*rest.first()?) * 4;
        if len == 0 {
            return None;
        }
        next = *rest.get(len - 1)?;
        rest = rest.get(len..)?;
    }
    Some(rest)
}
