//! What makes two packets belong to one conversation.
//!
//! *Invariant*: both directions of a conversation have the same key; the lower of the two ends
//! (by address, then port) comes first.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tapir_packet::{Packet, Transport};

/// Addresses, ports, IP protocol, VLAN ids and endpoint of a conversation, independent of direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    low: u128,
    high: u128,
    low_port: u16,
    high_port: u16,
    endpoint: u32,
    /// Outer and inner VLAN id; absent counts as 0.
    vlan: [u16; 2],
    protocol: u8,
    v6: bool,
}

/// Source and destination port, or what stands for them.
#[inline]
fn ports(packet: &Packet<'_>) -> (u16, u16) {
    const ECHO: [u8; 2] = [8, 128];
    const ECHO_REPLY: [u8; 2] = [0, 129];
    match &packet.transport {
        Transport::Icmp(icmp) => {
            let at = usize::from(icmp.v6);
            if ECHO_REPLY.get(at) == Some(&icmp.kind) {
                (0, ECHO.get(at).copied().map_or(0, u16::from))
            } else {
                (u16::from(icmp.kind), 0)
            }
        }
        _ => packet.ports().unwrap_or((0, 0)),
    }
}

impl FlowKey {
    /// The key of a packet and whether its source is the lower end; `None` without an IP layer.
    ///
    /// Ports are 0 for transports without any; ICMP messages take their type for one, so that an echo
    /// and its reply are one flow and every other type is a flow of its own (as in Snort 3). `endpoint` keeps apart what different interfaces see.
    #[inline]
    pub fn of(packet: &Packet<'_>, endpoint: u32) -> Option<(Self, bool)> {
        let ip = packet.inner_ip()?;
        let (source_port, destination_port) = ports(packet);
        let source = (bits(ip.source), source_port);
        let destination = (bits(ip.destination), destination_port);
        let source_is_low = source <= destination;
        let (low, high) = if source_is_low { (source, destination) } else { (destination, source) };
        let key = Self {
            low: low.0,
            high: high.0,
            low_port: low.1,
            high_port: high.1,
            endpoint,
            vlan: packet.vlan.map(Option::unwrap_or_default),
            protocol: ip.protocol,
            v6: !ip.is_v4(),
        };
        Some((key, source_is_low))
    }

    /// Address and port of the lower end.
    pub fn low(&self) -> (IpAddr, u16) {
        (self.address(self.low), self.low_port)
    }

    /// Address and port of the higher end.
    pub fn high(&self) -> (IpAddr, u16) {
        (self.address(self.high), self.high_port)
    }

    /// Whether these are the ends, whichever is the lower one.
    #[inline]
    pub fn is_between(&self, ends: [(IpAddr, u16); 2]) -> bool {
        let [one, other] = ends.map(|(address, port)| (bits(address), port));
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let v6 = ends.iter().any(|(address, _)| address.is_ipv6());
        (self.low_port, self.high_port, self.v6) == (low.1, high.1, v6) && (self.low, self.high) == (low.0, high.0)
    }

    /// IP protocol number.
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The endpoint given to [`FlowKey::of`].
    #[inline]
    pub fn endpoint(&self) -> u32 {
        self.endpoint
    }

    fn address(&self, bits: u128) -> IpAddr {
        if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or_default()))
        }
    }
}

impl Hash for FlowKey {
    /// Four wide writes instead of one per field.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.low);
        state.write_u128(self.high);
        let ports = (u64::from(self.low_port) << 16) | u64::from(self.high_port);
        state.write_u64((ports << 32) | u64::from(self.endpoint));
        let vlan = (u64::from(self.vlan[0]) << 16) | u64::from(self.vlan[1]);
        state.write_u64((vlan << 16) | (u64::from(self.protocol) << 8) | u64::from(self.v6));
    }
}

#[inline]
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::testing::packet_between;

    #[test]
    fn both_directions_have_one_key_and_opposite_ends() {
        let there = packet_between(("10.0.0.2", 40_000), ("10.0.0.1", 80));
        let back = packet_between(("10.0.0.1", 80), ("10.0.0.2", 40_000));
        let (a, a_low) = FlowKey::of(&there, 7).unwrap();
        let (b, b_low) = FlowKey::of(&back, 7).unwrap();
        assert_eq!(a, b);
        assert!(!a_low && b_low);
        assert_eq!(a.low(), ("10.0.0.1".parse().unwrap(), 80));
        assert_eq!(a.high(), ("10.0.0.2".parse().unwrap(), 40_000));
    }

    #[test]
    fn ends_are_recognised_in_either_order_and_each_part_counts() {
        let (key, _) = FlowKey::of(&packet_between(("10.0.0.2", 40_000), ("10.0.0.1", 80)), 7).unwrap();
        let end = |address: &str, port| (address.parse::<IpAddr>().unwrap(), port);
        assert!(key.is_between([end("10.0.0.1", 80), end("10.0.0.2", 40_000)]));
        assert!(key.is_between([end("10.0.0.2", 40_000), end("10.0.0.1", 80)]));
        for (one, other) in [
            (end("10.0.0.1", 81), end("10.0.0.2", 40_000)),
            (end("10.0.0.1", 80), end("10.0.0.2", 40_001)),
            (end("10.0.0.1", 80), end("10.0.0.3", 40_000)),
            (end("10.0.0.1", 40_000), end("10.0.0.2", 80)),
            (end("::a00:1", 80), end("::a00:2", 40_000)),
        ] {
            assert!(!key.is_between([one, other]), "{one:?} {other:?}");
        }
    }

    #[test]
    fn ports_order_the_ends_when_the_addresses_are_equal() {
        let (a, a_low) = FlowKey::of(&packet_between(("::1", 9), ("::1", 5)), 0).unwrap();
        let (b, b_low) = FlowKey::of(&packet_between(("::1", 5), ("::1", 9)), 0).unwrap();
        assert_eq!(a, b);
        assert!(!a_low && b_low);
    }

    #[test]
    fn endpoint_vlan_and_address_family_keep_flows_apart() {
        let plain = packet_between(("10.0.0.2", 1), ("10.0.0.1", 2));
        let (key, _) = FlowKey::of(&plain, 1).unwrap();
        assert_ne!(key, FlowKey::of(&plain, 2).unwrap().0);
        let mut tagged = plain.clone();
        tagged.vlan = [None, Some(5)];
        assert_ne!(key, FlowKey::of(&tagged, 1).unwrap().0);
        // ::a00:1 has the same bits as 10.0.0.1.
        let six = packet_between(("::a00:2", 1), ("::a00:1", 2));
        assert_ne!(key, FlowKey::of(&six, 1).unwrap().0);
    }
}
