//! One fragment: which datagram it is part of, where its bytes belong, what its header looks like
//! without fragmentation.
//!
//! *Spec*: RFC 791 §3.1, RFC 8200 §4.5.

use super::{DefragConfig, event};
use std::borrow::Cow;
use std::net::IpAddr;
use tapir_packet::{IpLayer, Packet};

/// What the fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DatagramKey {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    /// IPv4 only: in IPv6 only the first fragment's counts.
    protocol: u8,
    vlan: [Option<u16>; 2],
    interface: u32,
}

impl DatagramKey {
    pub(super) fn of(packet: &Packet<'_>, ip: &IpLayer<'_>) -> Self {
        Self {
            source: ip.source,
            destination: ip.destination,
            id: ip.id,
            protocol: if ip.is_v4() { ip.protocol } else { 0 },
            vlan: packet.vlan,
            interface: packet.frame.meta.interface,
        }
    }
}

/// A fragment that passed all checks of its own.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) offset: u32,
    pub(super) more: bool,
    pub(super) data: Cow<'a, [u8]>,
    pub(super) options: &'a [u8],
    header: Header<'a>,
}

/// The header as sent, and how to take the fragmentation out.
#[derive(Debug)]
enum Header<'a> {
    V4(&'a [u8]),
    /// The bytes before the fragment header, where in them it is announced, and what it announces.
    V6(&'a [u8], usize, u8),
}

/// The largest datagram (IPv4) or payload (IPv6).
pub(super) const MAX_LENGTH: usize = 65_535;

impl<'a> Part<'a> {
    /// Checks a fragment; `None` if it can't be part of any datagram. Bytes beyond the last multiple
    /// of 8 are cut, unless nothing follows.
    pub(super) fn read(ip: &IpLayer<'a>, config: &DefragConfig, events: &mut dyn FnMut(u32)) -> Option<Self> {
        if ip.ttl < config.min_ttl {
            events(event::TTL);
            return None;
        }
        let (header, mut data) = Header::split(ip)?;
        let more = ip.fragment.more;
        if more && data.len() % 8 != 0 {
            events(event::SHORT);
            let whole = data.len() - data.len() % 8;
            match &mut data {
                Cow::Borrowed(bytes) => *bytes = bytes.get(..whole).unwrap_or_default(),
                Cow::Owned(bytes) => bytes.truncate(whole),
            }
        }
        if data.is_empty() {
            events(event::EMPTY);
            return None;
        }
        let offset = ip.fragment.offset;
        let end = usize::try_from(offset).ok()?.checked_add(data.len())?;
        if end.checked_add(header.counted())? > MAX_LENGTH {
            events(event::TOO_LARGE);
            return None;
        }
        if more && data.len() < usize::try_from(config.min_fragment_length).unwrap_or(usize::MAX) {
            events(event::TINY);
        }
        Some(Self { offset, more, data, options: ip.options, header })
    }

    /// The header for the whole datagram, but for lengths and checksum.
    pub(super) fn unfragmented_header(&self) -> Box<[u8]> {
        match self.header {
            Header::V4(bytes) => {
                let mut header: Box<[u8]> = bytes.into();
                if let Some([high, low]) = header.get_mut(6..8) {
                    // The reserved bit stays; DF says nothing about a datagram that was in parts.
                    *high &= 0x80;
                    *low = 0;
                }
                header
            }
            Header::V6(bytes, at, next) => {
                let mut header: Box<[u8]> = bytes.into();
                if let Some(field) = header.get_mut(at) {
                    *field = next;
                }
                header
            }
        }
    }
}

impl<'a> Header<'a> {
    /// Separates what every fragment carries from the fragment's data.
    fn split(ip: &IpLayer<'a>) -> Option<(Self, Cow<'a, [u8]>)> {
        if ip.is_v4() {
            return (ip.header.len() >= 20).then_some((Self::V4(ip.header), Cow::Borrowed(ip.payload)));
        }
        let mut next_at = 6;
        let mut at = 40;
        // Each round goes at least 8 bytes on.
        while let Some(&[next, len]) = ip.header.get(at..).and_then(|rest| rest.first_chunk()) {
            match ip.header.get(next_at)? {
                44 => {
                    let behind = ip.header.get(at.checked_add(8)?..)?;
                    let data = match behind {
                        [] => Cow::Borrowed(ip.payload),
                        _ => Cow::Owned([behind, ip.payload].concat()),
                    };
                    return Some((Self::V6(ip.header.get(..at)?, next_at, next), data));
                }
                _ => {
                    next_at = at;
                    at = at.checked_add((usize::from(len) + 1) * 8)?;
                }
            }
        }
        None
    }

    /// Header bytes that count into the datagram's length field.
    fn counted(&self) -> usize {
        match self {
            Self::V4(bytes) => bytes.len(),
            Self::V6(bytes, ..) => bytes.len().saturating_sub(40),
        }
    }
}
