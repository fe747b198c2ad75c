//! Ethernet and what may sit between it and IP: VLAN tags, LLC/SNAP, MPLS, PPPoE, FabricPath, ARP.
//!
//! *Spec*: IEEE 802.3, 802.1Q, 802.2; MPLS RFC 3032 and RFC 4385; PPPoE RFC 2516; ARP RFC 826.
//! *Limits*: two VLAN ids are kept ([`crate::Packet::vlan`]), further tags are skipped; every tag and
//! label stack counts as one layer.

use super::{Header, Step, Walk};
use crate::bytes::{be16, be32, from};
use crate::{DecodeEvent, Packet};

/// The id within a VLAN tag.
pub(super) const VLAN_ID: u16 = 0x0fff;
pub(super) const MPLS: u16 = 0x8847;
pub(super) const PPPOE_SESSION: u16 = 0x8864;
/// Type fields up to here are 802.3 lengths.
const MAX_LENGTH: u16 = 1518;
/// The lowest EtherType.
const MIN_ETHERTYPE: u16 = 1536;

impl<'a> Walk<'a> {
    #[inline(always)]
    pub(super) fn ethernet(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some((header, rest)) = data.split_first_chunk::<14>() else {
            packet.events.push(DecodeEvent::ETHERNET_TRUNCATED);
            return Step::Bad;
        };
        let kind = u16::from_be_bytes([header[12], header[13]]);
        if packet.ethernet.is_none() && packet.ip_layers == 0 {
            let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, ..] = *header;
            packet.ethernet = Some(([s0, s1, s2, s3, s4, s5], [d0, d1, d2, d3, d4, d5], kind));
        }
        if kind <= MAX_LENGTH { Step::Next(Header::Llc, rest) } else { self.ether_type(packet, kind, rest) }
    }

    /// Ethernet carried by GRE or ERSPAN, where an 802.3 length is no type.
    pub(super) fn bridged(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        match be16(data, 12) {
            Some(kind) => self.ether_type(packet, kind, from(data, 14)),
            None => {
                packet.events.push(DecodeEvent::GRE_BRIDGED_TRUNCATED);
                Step::Bad
            }
        }
    }

    #[inline(always)]
    pub(super) fn ether_type(&mut self, packet: &mut Packet<'a>, kind: u16, data: &'a [u8]) -> Step<'a> {
        match kind {
            0x0800 => {
                self.layers += 1;
                self.ipv4(packet, data)
            }
            0x86dd => Step::Next(Header::Ipv6, data),
            _ => self.rare_ether_type(packet, kind, data),
        }
    }

    fn rare_ether_type(&mut self, packet: &mut Packet<'a>, kind: u16, data: &'a [u8]) -> Step<'a> {
        match kind {
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => self.vlan_tag(packet, data),
            MPLS | 0x8848 => self.mpls(packet, data),
            PPPOE_SESSION => self.pppoe(packet, data),
            // Transparent Ethernet bridging, as Geneve and GRE carry it.
            0x6558 => Step::Next(Header::Bridged, data),
            0x88be => Step::Next(Header::Erspan2, data),
            0x22eb => Step::Next(Header::Erspan3, data),
            0x880b => Step::Next(Header::Ppp, data),
            0x8903 => self.fabric_path(packet, data),
            0x0806 => {
                if data.len() < 28 {
                    packet.events.push(DecodeEvent::ARP_TRUNCATED);
                    return Step::Bad;
                }
                Step::Done(data)
            }
            0..MIN_ETHERTYPE => {
                packet.events.push(DecodeEvent::ETHERTYPE_RANGE);
                Step::Done(data)
            }
            _ => Step::Done(data),
        }
    }

    fn vlan_tag(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some((&[high, low, kind_high, kind_low], rest)) = data.split_first_chunk::<4>() else {
            packet.events.push(DecodeEvent::VLAN_BAD);
            return Step::Bad;
        };
        let id = u16::from_be_bytes([high, low]) & VLAN_ID;
        if id == 0 || id == VLAN_ID {
            packet.events.push(DecodeEvent::VLAN_BAD);
        }
        // Tags inside a tunnel belong to another network.
        if packet.ip_layers == 0
            && let Some(slot) = packet.vlan.iter_mut().find(|slot| slot.is_none())
        {
            *slot = Some(id);
        }
        match u16::from_be_bytes([kind_high, kind_low]) {
            0..=MAX_LENGTH => Step::Next(Header::Llc, rest),
            kind => Step::Next(Header::EtherType(kind), rest),
        }
    }

    pub(super) fn llc(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        match data {
            [0xaa, 0xaa, _, organisation @ ..] => match organisation {
                [0, 0, 0, high, low, rest @ ..] => {
                    Step::Next(Header::EtherType(u16::from_be_bytes([*high, *low])), rest)
                }
                [_, _, _, _, _, ..] => Step::Done(data),
                _ => {
                    packet.events.push(DecodeEvent::LLC_SNAP_BAD);
                    Step::Bad
                }
            },
            // IP over 802.2 without SNAP (RFC 948).
            [0x06, 0x06, 0x03, rest @ ..] => Step::Next(Header::Ipv4, rest),
            [_, _, _, ..] => Step::Done(data),
            _ => {
                packet.events.push(DecodeEvent::LLC_BAD);
                Step::Bad
            }
        }
    }

    fn mpls(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let mut rest = data;
        let mut payload = None;
        // A label stack consumes four bytes per turn, so it is bounded by the frame.
        loop {
            let Some(entry) = be32(rest, 0) else {
                packet.events.push(DecodeEvent::MPLS_BAD);
                return Step::Bad;
            };
            rest = from(rest, 4);
            let bottom = entry & 0x100 != 0;
            match (entry >> 12, bottom) {
                (0, true) => payload = Some(Header::Ipv4),
                (0, false) => packet.events.push(DecodeEvent::MPLS_LABEL_0),
                (1, true) => {
                    packet.events.push(DecodeEvent::MPLS_LABEL_1);
                    return Step::Bad;
                }
                (2, true) => payload = Some(Header::Ipv6),
                (2, false) => packet.events.push(DecodeEvent::MPLS_LABEL_2),
                (3, _) => {
                    packet.events.push(DecodeEvent::MPLS_LABEL_3);
                    return Step::Bad;
                }
                // 7 is the entropy label indicator (RFC 6790), 13 and 14 are GAL and OAM alert.
                (4..=15, _) => packet.events.push(DecodeEvent::MPLS_LABEL_RESERVED),
                _ => {}
            }
            if bottom {
                break;
            }
        }
        match (payload, rest.first().map(|byte| byte >> 4)) {
            (Some(header), _) => Step::Next(header, rest),
            (None, Some(4)) => Step::Next(Header::Ipv4, rest),
            (None, Some(6)) => Step::Next(Header::Ipv6, rest),
            // A pseudowire control word, then Ethernet.
            (None, Some(0)) => Step::Next(Header::Ethernet, from(rest, 4)),
            _ => Step::Done(rest),
        }
    }

    fn pppoe(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some((header, rest)) = data.split_first_chunk::<6>() else {
            packet.events.push(DecodeEvent::PPPOE_BAD);
            return Step::Bad;
        };
        if header[0] != 0x11 || header[1] != 0 {
            packet.events.push(DecodeEvent::PPPOE_BAD);
            return Step::Bad;
        }
        Step::Next(Header::Ppp, rest)
    }

    /// Cisco FabricPath: a tag of two bytes, then the original frame.
    fn fabric_path(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        match data.split_first_chunk::<2>() {
            Some((_, inner)) => Step::Next(Header::Ethernet, inner),
            None => {
                packet.events.push(DecodeEvent::FABRICPATH_TRUNCATED);
                Step::Bad
            }
        }
    }
}
