//! IPv6: the fixed header and the addresses that must not appear.
//!
//! *Spec*: RFC 8200 §3, RFC 2675 (jumbograms), RFC 4291 §2.7 and the IANA registry of IPv6 multicast
//! addresses, RFC 5214 §6.1 (ISATAP); conditions of events as Snort 3. Extension headers are in
//! [`super::extension`].

use super::extension::Chain;
use super::{Step, Walk};
use crate::bytes::from;
use crate::{DecodeEvent, Fragment, IpLayer, Packet};
use std::net::{IpAddr, Ipv6Addr};

/// Length of the fixed header.
pub(super) const FIXED: usize = 40;

impl<'a> Walk<'a> {
    pub(super) fn ipv6(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some(fixed) = data.first_chunk::<FIXED>() else {
            self.event_if_sure(packet, DecodeEvent::IPV6_TRUNCATED);
            packet.events.push(DecodeEvent::IPV6_IN_IPV4_TRUNCATED);
            return Step::Bad;
        };
        if fixed[0] >> 4 != 6 {
            self.event_if_sure(packet, DecodeEvent::IPV6_VERSION);
            return Step::Bad;
        }
        let Some(payload) = data.get(FIXED..FIXED + payload_len(fixed, data)) else {
            self.event_if_sure(packet, DecodeEvent::IPV6_LENGTH_BEYOND_CAPTURE);
            return Step::Bad;
        };
        let (source, destination) = addresses(fixed);
        if self.teredo && !teredo_addresses(source, destination) {
            return Step::Bad;
        }
        self.unsure = false;
        self.isatap(packet, source);
        let next = fixed[6];
        let layer = IpLayer {
            source: IpAddr::V6(source),
            destination: IpAddr::V6(destination),
            protocol: next,
            ttl: fixed[7],
            tos: (fixed[0] << 4) | (fixed[1] >> 4),
            id: 0,
            fragment: Fragment::default(),
            header: data.get(..FIXED).unwrap_or_default(),
            options: &[],
            payload,
        };
        if !self.push_ip(packet, layer) {
            return Step::Done(payload);
        }
        self.ipv6_addresses(packet, source, destination);
        if !matches!(next, 0 | 6 | 17 | 43 | 44 | 47 | 50 | 51 | 58 | 59 | 60 | 135 | 137) {
            packet.events.push(DecodeEvent::IPV6_NEXT_HEADER);
        }
        self.chain = Chain::default();
        self.extensions(packet, data, next, payload)
    }

    fn ipv6_addresses(&mut self, packet: &mut Packet<'a>, source: Ipv6Addr, destination: Ipv6Addr) {
        let loopback = source.is_loopback() || destination.is_loopback();
        let checks = [
            (source == destination, DecodeEvent::SAME_ADDRESSES),
            (loopback, DecodeEvent::LOOPBACK_ADDRESS),
            (destination.is_unspecified(), DecodeEvent::IPV6_DESTINATION_UNSPECIFIED),
            (source.is_multicast(), DecodeEvent::IPV6_SOURCE_MULTICAST),
        ];
        for (holds, event) in checks {
            if holds {
                packet.events.push(event);
            }
        }
        if destination.is_multicast() {
            if !matches!(destination.octets()[1], 0 | 1 | 2 | 4 | 5 | 8 | 14) {
                packet.events.push(DecodeEvent::IPV6_MULTICAST_SCOPE);
            }
            if !is_assigned_multicast(destination) {
                packet.events.push(DecodeEvent::IPV6_MULTICAST_RESERVED);
            }
        }
    }

    /// An ISATAP address in IPv6 over IPv4 must embed the IPv4 source.
    fn isatap(&mut self, packet: &mut Packet<'a>, source: Ipv6Addr) {
        let Some(IpLayer { source: IpAddr::V4(outer), protocol: 41, .. }) = packet.inner_ip() else {
            return;
        };
        let outer = outer.octets();
        let [.., a, b, c, d, e, f, g, h] = source.octets();
        if a & 0xfc == 0 && [b, c, d] == [0, 0x5e, 0xfe] && [e, f, g, h] != outer {
            packet.events.push(DecodeEvent::ISATAP_SPOOF);
        }
    }
}

/// The payload length; a jumbogram's is what was captured.
fn payload_len(fixed: &[u8; FIXED], data: &[u8]) -> usize {
    let len = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    let captured = data.len().saturating_sub(FIXED);
    let jumbo_option = || fixed[6] == 0 && matches!(from(data, FIXED), [_, _, 0xc2, 4, ..]);
    if len == 0 && fixed[6] != 59 && (captured > usize::from(u16::MAX) || jumbo_option()) { captured } else { len }
}

fn addresses(fixed: &[u8; FIXED]) -> (Ipv6Addr, Ipv6Addr) {
    let address = |at: usize| {
        let bytes: [u8; 16] = fixed.get(at..at + 16).and_then(|b| b.try_into().ok()).unwrap_or_default();
        Ipv6Addr::from(bytes)
    };
    (address(8), address(24))
}

/// Teredo addresses are 2001::/32, or link-local during qualification (RFC 4380 §2.6, §5.2.1).
fn teredo_addresses(source: Ipv6Addr, destination: Ipv6Addr) -> bool {
    [source, destination].iter().any(|address| {
        let s = address.segments();
        (s[0], s[1]) == (0x2001, 0) || (s[0], s[1], s[2], s[3]) == (0xfe80, 0, 0, 0)
    })
}

/// Whether a multicast destination is one that IANA lists for its scope.
fn is_assigned_multicast(address: Ipv6Addr) -> bool {
    let octets = address.octets();
    let segments = address.segments();
    if segments[1..5].iter().any(|&s| s != 0) || octets[10] != 0 {
        return false;
    }
    let group = (u32::from(segments[6]) << 16) | u32::from(segments[7]);
    let middle_zero = segments[5] == 0;
    match octets[1] {
        // Reserved scope, with Snort's idea of the groups.
        0 => middle_zero && segments[6] == 0 && matches!(group, 1 | 2 | 0xfb),
        2 => is_link_local_group(group) || (matches!(octets[11], 1 | 2) && octets[12] == 0xff),
        5 => matches!(group, 2 | 0xfb | 0x1_0003..=0x1_0005),
        scope if scope & 0xf0 == 0 => is_variable_group(group),
        // Transient, prefix-based and rendezvous-point groups are not registered.
        scope if scope & 0x10 != 0 => true,
        _ => false,
    }
}

fn is_link_local_group(group: u32) -> bool {
    matches!(group, 1 | 2 | 4..=0xf | 0x12 | 0x16 | 0x6a..=0x6f | 0xfb | 0x1_0001..=0x1_0004)
}

fn is_variable_group(group: u32) -> bool {
    matches!(
        group,
        0x0c | 0xfb | 0x100..=0x136 | 0x140..=0x14f | 0x181..=0x184 | 0x18c | 0x201 | 0x202 | 0x204 | 0x300
            | 0x2_7ffe | 0x2_7fff | 0x2_8000..=0x2_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_multicast_groups_are_assigned() {
        for known in ["ff02::1", "ff02::fb", "ff02::1:ff00:1", "ff02::16", "ff02::1:2", "ff05::2", "ff0e::c"] {
            assert!(is_assigned_multicast(known.parse().unwrap()), "{known}");
        }
        for unknown in ["ff02::99", "ff02:1::1", "ff05::9", "ff0e::77:1"] {
            assert!(!is_assigned_multicast(unknown.parse().unwrap()), "{unknown}");
        }
    }

    #[test]
    fn a_zero_payload_length_is_taken_as_captured_for_jumbograms_only() {
        let mut data = vec![0u8; FIXED + 20];
        data[0] = 0x60;
        data[6] = 6;
        let fixed = |data: &[u8]| *data.first_chunk::<FIXED>().unwrap();
        assert_eq!(payload_len(&fixed(&data), &data), 0);
        data[6] = 0;
        data[FIXED..FIXED + 4].copy_from_slice(&[6, 0, 0xc2, 4]);
        assert_eq!(payload_len(&fixed(&data), &data), 20);
        data.resize(FIXED + 70_000, 0);
        data[6] = 6;
        assert_eq!(payload_len(&fixed(&data), &data), 70_000);
    }
}
