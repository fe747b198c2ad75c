//! Where a frame of each link type starts: everything but Ethernet.
//!
//! *Spec*: the LINKTYPE_ descriptions of tcpdump.org; PPP: RFC 1661, RFC 1662; Cisco HDLC as the
//! LINKTYPE_C_HDLC description. Link types outside [`LinkType::DECODED`] are not decoded: the packet
//! has no layers and [`crate::count`] counts it.

use super::{Header, Step, Walk};
use crate::bytes::{be16, be32, from};
use crate::{Frame, LinkType, Packet};

/// Whether the frame is too short for the header of its link type.
#[cold]
pub(super) fn is_truncated(frame: &Frame<'_>) -> bool {
    let needed = match frame.link {
        LinkType::LINUX_SLL2 => 20,
        LinkType::LINUX_SLL => 16,
        LinkType::NULL | LinkType::LOOP | LinkType::C_HDLC | LinkType::NFLOG => 4,
        link if link.is_decoded() => 1,
        _ => 0,
    };
    frame.data.len() < needed
}

/// The first header of the frame and its bytes; `None` if nothing in it can be decoded.
#[cold]
pub(super) fn start<'a>(frame: &Frame<'a>) -> Option<(Header, &'a [u8])> {
    let data = frame.data;
    match frame.link {
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => Some((ip_version(data)?, data)),
        LinkType::IPV4 => Some((Header::Ipv4, data)),
        LinkType::IPV6 => Some((Header::Ipv6, data)),
        LinkType::NULL | LinkType::LOOP => Some((by_family(be32(data, 0)?)?, from(data, 4))),
        LinkType::LINUX_SLL => Some((sll(be16(data, 14)?), from(data, 16))),
        LinkType::LINUX_SLL2 => {
            be32(data, 16)?;
            Some((sll(be16(data, 0)?), from(data, 20)))
        }
        LinkType::PPP | LinkType::PPP_HDLC => Some((Header::Ppp, data)),
        LinkType::PPP_ETHERNET => Some((Header::EtherType(super::ethernet::PPPOE_SESSION), data)),
        LinkType::C_HDLC => Some((Header::EtherType(be16(data, 2)?), from(data, 4))),
        LinkType::NFLOG => nflog(data),
        _ => None,
    }
}

/// The IP header that `data` starts with, by its version field.
#[inline]
pub(super) fn ip_version(data: &[u8]) -> Option<Header> {
    match data.first()? >> 4 {
        4 => Some(Header::Ipv4),
        6 => Some(Header::Ipv6),
        _ => None,
    }
}

/// BSD address families. Loopback headers are in the byte order of the capturing machine.
fn by_family(family: u32) -> Option<Header> {
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 => Some(Header::Ipv4),
        // OpenBSD and NetBSD 24, FreeBSD 28, macOS 30, Linux 10.
        10 | 24 | 28 | 30 => Some(Header::Ipv6),
        _ => None,
    }
}

/// The protocol field of a cooked header: an EtherType, or a small Linux number.
fn sll(protocol: u16) -> Header {
    match protocol {
        // ETH_P_802_2: 802.2 LLC follows.
        0x0004 => Header::Llc,
        other => Header::EtherType(other),
    }
}

/// NFLOG: a header and attributes, one of which is the packet from the network layer on.
fn nflog(data: &[u8]) -> Option<(Header, &[u8])> {
    let family = *data.first()?;
    let mut attributes = data.get(4..)?;
    // Each attribute takes at least its four bytes of header, so this ends.
    loop {
        let head: [u8; 4] = *attributes.first_chunk()?;
        // Host byte order of the capturing machine; the kernel's payload attribute number is 9.
        let little = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
        let big = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        let (length, kind) = if little.1 & 0x7fff <= 0xff { little } else { big };
        let length = usize::from(length);
        let body = attributes.get(4..length)?;
        if kind & 0x7fff == 9 {
            let header = match family {
                2 => Header::Ipv4,
                10 => Header::Ipv6,
                _ => ip_version(body)?,
            };
            return Some((header, body));
        }
        attributes = attributes.get(length.checked_add(3)? & !3..)?;
    }
}

impl<'a> Walk<'a> {
    /// PPP with or without address and control bytes, with a protocol field of one or two bytes.
    pub(super) fn ppp(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let rest = match data {
            [0xff, 0x03, rest @ ..] => rest,
            // PPP-HDLC over serial lines may use other addresses (0x0f unicast in Cisco's framing).
            [0x0f, 0x00, rest @ ..] => {
                return be16(rest, 0).map_or(Step::Bad, |kind| self.ether_type(packet, kind, from(rest, 2)));
            }
            rest => rest,
        };
        let (protocol, payload) = match rest {
            [low, payload @ ..] if low & 1 == 1 => (u16::from(*low), payload),
            [high, low, payload @ ..] => (u16::from_be_bytes([*high, *low]), payload),
            _ => return Step::Bad,
        };
        match protocol {
            0x0021 => Step::Next(Header::Ipv4, payload),
            0x0057 => Step::Next(Header::Ipv6, payload),
            0x0281 => Step::Next(Header::EtherType(super::ethernet::MPLS), payload),
            _ => Step::Done(payload),
        }
    }
}
