//! IPv4: header, options, fragment fields and the addresses that must not appear.
//!
//! *Spec*: RFC 791; conditions and order of events as Snort 3, which lists events 411 and 412
//! (reserved addresses) but never raises them: measured with 3.12.2 on 22 captures that hold such.
//! differs: a total length of 0 means "as captured" (segmentation offload on the capturing host);
//! Snort stops there.

use super::{Step, Walk};
use crate::bytes::from;
use crate::{DecodeEvent, Fragment, IpLayer, Packet};
use std::net::{IpAddr, Ipv4Addr};

/// What later headers want to know of the options.
#[derive(Clone, Copy, Default)]
pub(super) struct OptionsSeen {
    pub(super) record_route: bool,
    pub(super) router_alert: bool,
    pub(super) three_bytes: bool,
}

impl<'a> Walk<'a> {
    #[inline(always)]
    pub(super) fn ipv4(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some(fixed) = data.first_chunk::<20>() else {
            self.event_if_sure(packet, DecodeEvent::IPV4_TRUNCATED);
            return Step::Bad;
        };
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        let mut total_len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if total_len == 0 {
            total_len = data.len();
            // Beyond 65,535 bytes (BIG TCP) the field cannot say more than 0: no anomaly.
            if total_len <= usize::from(u16::MAX) {
                packet.events.push(DecodeEvent::IPV4_LENGTH_BELOW_HEADER);
            }
        }
        let bad = match () {
            () if fixed[0] >> 4 != 4 => DecodeEvent::IPV4_VERSION,
            () if header_len < 20 => DecodeEvent::IPV4_HEADER_LENGTH,
            () if total_len > data.len() => DecodeEvent::IPV4_LENGTH_BEYOND_CAPTURE,
            () => match data.get(header_len..total_len) {
                Some(payload) => return self.ipv4_layer(packet, fixed, data, payload, header_len),
                None => DecodeEvent::IPV4_LENGTH_BELOW_HEADER,
            },
        };
        if bad == DecodeEvent::IPV4_VERSION {
            self.event_if_sure(packet, bad);
        } else {
            packet.events.push(bad);
        }
        Step::Bad
    }

    #[inline(always)]
    fn ipv4_layer(
        &mut self,
        packet: &mut Packet<'a>,
        fixed: &[u8; 20],
        data: &'a [u8],
        payload: &'a [u8],
        header_len: usize,
    ) -> Step<'a> {
        self.unsure = false;
        let source = Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]);
        let destination = Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]);
        let flags = u16::from_be_bytes([fixed[6], fixed[7]]);
        let fragment = Fragment {
            offset: u32::from(flags & 0x1fff) * 8,
            more: flags & 0x2000 != 0,
            dont: flags & 0x4000 != 0,
            reserved: flags & 0x8000 != 0,
        };
        let protocol = fixed[9];
        let layer = IpLayer {
            source: IpAddr::V4(source),
            destination: IpAddr::V4(destination),
            protocol,
            ttl: fixed[8],
            tos: fixed[1],
            id: u32::from(u16::from_be_bytes([fixed[4], fixed[5]])),
            fragment,
            header: data.get(..header_len).unwrap_or_default(),
            options: data.get(20..header_len).unwrap_or_default(),
            payload,
        };
        if !self.push_ip(packet, layer) {
            return Step::Done(payload);
        }
        self.ipv4_addresses(packet, source, destination);
        if header_len > 20 {
            self.ipv4_options(packet, layer.options);
        } else {
            self.options = OptionsSeen::default();
        }
        if flags & !0x4000 != 0 {
            self.ipv4_fragment(packet, fragment, payload.len());
        }
        if header_len > 20 {
            self.ipv4_option_events(packet, layer.options);
        }
        if protocol >= super::FIRST_UNASSIGNED_PROTOCOL && !fragment.is_fragment() {
            // Snort notes it twice: at the header, and when nothing decodes the payload.
            packet.events.push(DecodeEvent::IP_PROTOCOL_UNASSIGNED);
        }
        if fragment.is_fragment() {
            return Step::Done(payload);
        }
        self.layers += 1;
        self.protocol(packet, protocol, payload)
    }

    #[inline(always)]
    fn ipv4_addresses(&mut self, packet: &mut Packet<'a>, source: Ipv4Addr, destination: Ipv4Addr) {
        let ordinary = |address: Ipv4Addr| matches!(address.octets()[0], 1..=126 | 128..=223);
        if source == destination || !ordinary(source) || !ordinary(destination) {
            self.ipv4_odd_addresses(packet, source, destination);
        }
    }

    #[cold]
    fn ipv4_odd_addresses(&mut self, packet: &mut Packet<'a>, source: Ipv4Addr, destination: Ipv4Addr) {
        let checks = [
            (source == destination, DecodeEvent::SAME_ADDRESSES),
            (source.is_broadcast(), DecodeEvent::IPV4_SOURCE_BROADCAST),
            (destination.is_broadcast(), DecodeEvent::IPV4_DESTINATION_BROADCAST),
            (source.is_loopback() || destination.is_loopback(), DecodeEvent::LOOPBACK_ADDRESS),
            (source.octets()[0] == 0, DecodeEvent::IPV4_SOURCE_THIS_NET),
            (destination.octets()[0] == 0, DecodeEvent::IPV4_DESTINATION_THIS_NET),
            (source.is_multicast(), DecodeEvent::IPV4_SOURCE_MULTICAST),
        ];
        for (holds, event) in checks {
            if holds {
                packet.events.push(event);
            }
        }
    }

    #[cold]
    fn ipv4_fragment(&mut self, packet: &mut Packet<'a>, fragment: Fragment, len: usize) {
        let end = usize::try_from(fragment.offset).unwrap_or(usize::MAX).saturating_add(len);
        let checks = [
            (fragment.reserved, DecodeEvent::IPV4_RESERVED_BIT),
            (fragment.dont && fragment.offset != 0, DecodeEvent::IPV4_DF_WITH_OFFSET),
            (end > usize::from(u16::MAX), DecodeEvent::IPV4_FRAGMENT_TOO_FAR),
            (fragment.is_fragment() && len == 0, DecodeEvent::FRAGMENT_EMPTY),
            (fragment.dont && fragment.more, DecodeEvent::IPV4_MF_AND_DF),
        ];
        for (holds, event) in checks {
            if holds {
                packet.events.push(event);
            }
        }
    }

    /// Option lengths (RFC 791 §3.1). Bad options end the list; the header stays usable.
    #[cold]
    fn ipv4_options(&mut self, packet: &mut Packet<'a>, options: &[u8]) {
        self.options = OptionsSeen::default();
        let mut rest = options;
        while let [kind, ..] = rest {
            let step = match (kind, rest.get(1)) {
                (0, _) => return,
                (1, _) => 1,
                (_, None) => return packet.events.push(DecodeEvent::IPV4_OPTION_TRUNCATED),
                (_, Some(0 | 1)) => return packet.events.push(DecodeEvent::IPV4_OPTION_LENGTH),
                (_, Some(&len)) if usize::from(len) > rest.len() => {
                    return packet.events.push(DecodeEvent::IPV4_OPTION_TRUNCATED);
                }
                (_, Some(&len)) => {
                    self.options.three_bytes |= len == 3;
                    self.options.record_route |= *kind == RECORD_ROUTE;
                    self.options.router_alert |= *kind == ROUTER_ALERT;
                    usize::from(len)
                }
            };
            rest = from(rest, step);
        }
    }

    /// Events for the presence of options and for crooked record route and timestamp pointers.
    #[cold]
    fn ipv4_option_events(&mut self, packet: &mut Packet<'a>, options: &[u8]) {
        let mut present = false;
        let mut rest = options;
        while let [kind, ..] = rest {
            if *kind == 0 {
                break;
            }
            let len = if *kind == 1 { 1 } else { rest.get(1).map_or(0, |&len| usize::from(len)) };
            if len == 0 || len > rest.len() || (*kind != 1 && len < 2) {
                break;
            }
            present = true;
            let full_slots = |step: usize| {
                let pointer = rest.get(2).map_or(usize::MAX, |&pointer| usize::from(pointer));
                pointer >= len || (len + 1 - pointer).is_multiple_of(step)
            };
            let addressed = rest.get(3).is_some_and(|flags| flags & 1 != 0);
            match *kind {
                RECORD_ROUTE if len >= 3 && !full_slots(4) => packet.events.push(DecodeEvent::IPV4_OPTION_POINTER),
                TIMESTAMP if len >= 4 && (!full_slots(4) || (addressed && !full_slots(8))) => {
                    packet.events.push(DecodeEvent::IPV4_OPTION_POINTER);
                }
                _ => {}
            }
            rest = from(rest, len);
        }
        if present {
            packet.events.push(DecodeEvent::IPV4_OPTION_SET);
        }
    }
}

const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const ROUTER_ALERT: u8 = 148;
