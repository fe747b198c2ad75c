//! IPv6 extension headers, and the authentication header of both versions.
//!
//! *Invariants*: each turn of the chain consumes at least eight bytes, so it is linear in the packet.
//! *Spec*: RFC 8200 §4, RFC 4302 (AH), RFC 6275 §6.1 (mobility), RFC 5095 (routing type 0);
//! conditions of events as Snort 3.

use super::ipv6::FIXED;
use super::{Header, Step, Walk};
use crate::bytes::{be16, be32, from};
use crate::{DecodeEvent, Fragment, Packet};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ESP: u8 = 50;
const AUTHENTICATION: u8 = 51;
const NO_NEXT: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;

/// What the chain of one IPv6 header has shown so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Chain {
    rank: u8,
    routing: bool,
    unordered: bool,
    undefined_option: bool,
}

/// What one extension header leads to.
enum Link {
    /// The next header and the length of this one.
    Next(u8, usize),
    /// A part of a datagram, or a header that nothing follows.
    End(u8, usize),
    Bad,
}

impl<'a> Walk<'a> {
    /// Follows the chain from `next` on. `datagram` starts with the IPv6 header, `data` behind it.
    pub(super) fn extensions(
        &mut self,
        packet: &mut Packet<'a>,
        datagram: &'a [u8],
        mut next: u8,
        mut data: &'a [u8],
    ) -> Step<'a> {
        let mut header_len = FIXED;
        loop {
            let link = match next {
                HOP_BY_HOP => self.options_header(packet, HOP_BY_HOP, data),
                DESTINATION_OPTIONS => self.options_header(packet, DESTINATION_OPTIONS, data),
                ROUTING => self.routing(packet, data),
                FRAGMENT => self.fragment(packet, data),
                AUTHENTICATION => self.authentication_link(packet, data),
                MOBILITY => self.mobility(packet, data),
                ESP | NO_NEXT => return Step::Done(data),
                _ => {
                    self.layers += 1;
                    return self.protocol(packet, next, data);
                }
            };
            let (protocol, len, ends) = match link {
                Link::Next(protocol, len) => (protocol, len, false),
                Link::End(protocol, len) => (protocol, len, true),
                Link::Bad => return Step::Bad,
            };
            header_len = header_len.saturating_add(len);
            (next, data) = (protocol, from(data, len));
            if let Some(ip) = packet.inner_ip_mut() {
                ip.protocol = protocol;
                ip.header = datagram.get(..header_len).unwrap_or_default();
                ip.payload = data;
            }
            if ends {
                return Step::Done(data);
            }
        }
    }

    /// Hop-by-hop and destination options.
    fn options_header(&mut self, packet: &mut Packet<'a>, kind: u8, data: &'a [u8]) -> Link {
        let Some(&[next, units, ..]) = data.first_chunk::<8>() else {
            return self.truncated(packet);
        };
        if kind == DESTINATION_OPTIONS && next == ROUTING {
            packet.events.push(DecodeEvent::IPV6_OPTIONS_BEFORE_ROUTING);
        }
        let len = 8 + usize::from(units) * 8;
        let Some(options) = data.get(2..len) else {
            return self.truncated(packet);
        };
        self.order(packet, kind, Some(next));
        if self.options_are_sane(packet, options) { Link::Next(next, len) } else { Link::Bad }
    }

    /// Walks the options: type, length, value, except for the one-byte padding.
    fn options_are_sane(&mut self, packet: &mut Packet<'a>, mut options: &[u8]) -> bool {
        while let [kind, rest @ ..] = options {
            if *kind == 0 {
                options = rest;
                continue;
            }
            if !matches!(*kind, 1 | 4 | 5 | 7 | 0x26 | 0x8a | 0xc2 | 0xc9) && !self.chain.undefined_option {
                self.chain.undefined_option = true;
                packet.events.push(DecodeEvent::IPV6_OPTION_UNDEFINED);
            }
            let Some(after) = rest.first().and_then(|&len| rest.get(1 + usize::from(len)..)) else {
                packet.events.push(DecodeEvent::IPV6_OPTION_TOO_BIG);
                return false;
            };
            options = after;
        }
        true
    }

    fn routing(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Link {
        let Some(&[next, units, kind, ..]) = data.first_chunk::<8>() else {
            return self.truncated(packet);
        };
        if kind == 0 {
            packet.events.push(DecodeEvent::IPV6_ROUTING_TYPE_0);
        }
        match next {
            HOP_BY_HOP => packet.events.push(DecodeEvent::IPV6_ROUTING_HOP_BY_HOP),
            ROUTING => packet.events.push(DecodeEvent::IPV6_TWO_ROUTING_HEADERS),
            _ => {}
        }
        let len = 8 + usize::from(units) * 8;
        if len > data.len() {
            return self.truncated(packet);
        }
        self.order(packet, ROUTING, Some(next));
        Link::Next(next, len)
    }

    fn fragment(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Link {
        let (Some(&next), Some(field), Some(id)) = (data.first(), be16(data, 2), be32(data, 4)) else {
            return self.truncated(packet);
        };
        if data.len() == 8 {
            packet.events.push(DecodeEvent::FRAGMENT_EMPTY);
        }
        let fragment =
            Fragment { offset: u32::from(field & 0xfff8), more: field & 1 != 0, dont: false, reserved: false };
        if !fragment.is_fragment() {
            packet.events.push(DecodeEvent::IPV6_ATOMIC_FRAGMENT);
        }
        self.order(packet, FRAGMENT, None);
        if fragment.offset == 0 {
            self.order(packet, next, None);
        }
        if let Some(ip) = packet.inner_ip_mut() {
            (ip.fragment, ip.id) = (fragment, id);
        }
        if fragment.is_fragment() { Link::End(next, 8) } else { Link::Next(next, 8) }
    }

    fn mobility(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Link {
        let Some(&[next, units, ..]) = data.first_chunk::<8>() else {
            return self.truncated(packet);
        };
        if next != NO_NEXT {
            packet.events.push(DecodeEvent::MOBILITY_PAYLOAD);
        }
        let len = 8 + usize::from(units) * 8;
        if len > data.len() { self.truncated(packet) } else { Link::End(MOBILITY, 0) }
    }

    fn authentication_link(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Link {
        let Some(&[next, units, ..]) = data.first_chunk::<16>() else {
            packet.events.push(DecodeEvent::AH_TRUNCATED);
            return Link::Bad;
        };
        let len = 8 + usize::from(units) * 4;
        if len > data.len() {
            packet.events.push(DecodeEvent::AH_LENGTH);
            return Link::Bad;
        }
        if packet.inner_ip().is_some_and(|ip| !ip.is_v4()) {
            self.order(packet, AUTHENTICATION, Some(next));
        }
        Link::Next(next, len)
    }

    /// AH behind an IPv4 header becomes part of that layer's header.
    pub(super) fn authentication(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Link::Next(next, len) = self.authentication_link(packet, data) else {
            return Step::Bad;
        };
        let payload = from(data, len);
        if let Some(ip) = packet.inner_ip_mut() {
            ip.protocol = next;
            ip.payload = payload;
        }
        Step::Next(Header::Protocol(next), payload)
    }

    fn truncated(&mut self, packet: &mut Packet<'a>) -> Link {
        packet.events.push(DecodeEvent::IPV6_EXTENSION_TRUNCATED);
        Link::Bad
    }

    /// The order that RFC 8200 §4.1 recommends; `next` is what follows, where that is known.
    fn order(&mut self, packet: &mut Packet<'a>, kind: u8, next: Option<u8>) {
        let rank = rank(kind);
        if rank > self.chain.rank {
            self.chain.rank = rank;
        } else {
            // A second destination options header is right behind a routing header if it is the last.
            let last = next.is_none_or(|next| self::rank(next) == UPPER_LAYER);
            let allowed = self.chain.routing && kind == DESTINATION_OPTIONS && last;
            if !allowed && !self.chain.unordered {
                self.chain.unordered = true;
                packet.events.push(DecodeEvent::IPV6_EXTENSION_ORDER);
            }
        }
        self.chain.routing |= kind == ROUTING;
    }
}

const UPPER_LAYER: u8 = 7;

fn rank(kind: u8) -> u8 {
    match kind {
        HOP_BY_HOP => 1,
        DESTINATION_OPTIONS => 2,
        ROUTING => 3,
        FRAGMENT => 4,
        AUTHENTICATION => 5,
        ESP => 6,
        _ => UPPER_LAYER,
    }
}
