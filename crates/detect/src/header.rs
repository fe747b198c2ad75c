//! Rule headers, compiled: address sets as sorted ranges, port sets as ranges, direction.
//!
//! *Spec*: `snort/01-language.md` §1.5–1.7, `snort/03-detection.md` §3.3.

use std::net::IpAddr;
use tapir_options::Net;
use tapir_packet::protocol;
use tapir_protocol::Service;
use tapir_rules::{Address, AddressItem, Arrow, Header, Ports};

/// Addresses as sorted, disjoint, inclusive ranges of numbers, each family for itself.
#[derive(Debug, Default)]
struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    fn new(items: &[AddressItem]) -> Self {
        let mut ranges = Self::default();
        for item in items {
            match item.network {
                IpAddr::V4(network) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(item.prefix.min(32))).unwrap_or(0);
                    let first = network.to_bits() & mask;
                    ranges.v4.push((first, first | !mask));
                }
                IpAddr::V6(network) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(item.prefix.min(128))).unwrap_or(0);
                    let first = network.to_bits() & mask;
                    ranges.v6.push((first, first | !mask));
                }
            }
        }
        ranges.v4.sort_unstable();
        ranges.v6.sort_unstable();
        merge(&mut ranges.v4);
        merge(&mut ranges.v6);
        ranges
    }

    fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => within(&self.v4, address.to_bits()),
            IpAddr::V6(address) => within(&self.v6, address.to_bits()),
        }
    }
}

fn merge<T: Copy + Ord>(ranges: &mut Vec<(T, T)>) {
    ranges.dedup_by(|next, kept| {
        let overlaps = next.0 <= kept.1;
        if overlaps {
            kept.1 = kept.1.max(next.1);
        }
        overlaps
    });
}

fn within<T: Copy + Ord>(ranges: &[(T, T)], value: T) -> bool {
    let at = ranges.partition_point(|range| range.0 <= value);
    at.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|range| value <= range.1)
}

/// `(in some positive element, or there are none) and in no negated one`.
#[derive(Debug, Default)]
pub(crate) struct AddressSet {
    any: bool,
    positive: Ranges,
    negated: Ranges,
}

impl AddressSet {
    fn new(address: &Address) -> Self {
        // A list of /0 networks of one family restricts the family only; empty lists mean any.
        Self {
            any: address.positive.is_empty() && address.negated.is_empty(),
            positive: Ranges::new(&address.positive),
            negated: Ranges::new(&address.negated),
        }
    }

    #[inline]
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.any || ((self.positive.is_empty() || self.positive.contains(address)) && !self.negated.contains(address))
    }
}

/// What the protocol word admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Proto {
    Tcp,
    Udp,
    Icmp,
    Ip,
    /// A service word: any transport.
    Service,
}

/// A compiled header.
#[derive(Debug)]
pub(crate) struct HeaderTest {
    pub(crate) proto: Proto,
    source: AddressSet,
    destination: AddressSet,
    source_ports: Ports,
    destination_ports: Ports,
    /// Both port sets are any.
    any_ports: bool,
    any_addresses: bool,
    both: bool,
}

impl HeaderTest {
    pub(crate) fn new(header: &Header) -> Self {
        let proto = match header.protocol.as_str() {
            "tcp" => Proto::Tcp,
            "udp" => Proto::Udp,
            "icmp" => Proto::Icmp,
            "ip" => Proto::Ip,
            _ => Proto::Service,
        };
        // For ip and icmp every port expression is taken as any.
        let portless = matches!(proto, Proto::Ip | Proto::Icmp);
        let ports = |ports: &Ports| if portless { Ports::any() } else { ports.clone() };
        let (source, destination) = (AddressSet::new(&header.source), AddressSet::new(&header.destination));
        let (source_ports, destination_ports) = (ports(&header.source_ports), ports(&header.destination_ports));
        Self {
            proto,
            any_addresses: source.any && destination.any,
            any_ports: source_ports.is_any() && destination_ports.is_any(),
            source,
            destination,
            source_ports,
            destination_ports,
            both: header.arrow == Arrow::Both,
        }
    }

    pub(crate) fn ports(&self) -> (&Ports, &Ports) {
        (&self.source_ports, &self.destination_ports)
    }

    pub(crate) fn is_bidirectional(&self) -> bool {
        self.both
    }

    /// Snort's header test. `service` is the flow's, `services` the rule's.
    #[inline]
    pub(crate) fn matches(&self, net: &Net, service: Option<Service>, services: &[Service]) -> bool {
        let by_service = match service {
            Some(known) if !services.is_empty() => {
                if !services.contains(&known) {
                    return false;
                }
                // `file` and other service words test ports as written (usually any).
                self.proto != Proto::Service
            }
            _ => false,
        };
        if !by_service && !self.protocol_matches(net.protocol) {
            return false;
        }
        let with_ports = !by_service && !self.any_ports;
        if self.any_addresses && !with_ports {
            return true;
        }
        if self.both {
            // If the source fits the left side the destination must fit the right one, else the sides are swapped.
            if self.side(net.source, net.source_port, &self.source, &self.source_ports, with_ports) {
                return self.side(
                    net.destination,
                    net.destination_port,
                    &self.destination,
                    &self.destination_ports,
                    with_ports,
                ) || self.swapped(net, with_ports);
            }
            return self.swapped(net, with_ports);
        }
        self.side(net.source, net.source_port, &self.source, &self.source_ports, with_ports)
            && self.side(net.destination, net.destination_port, &self.destination, &self.destination_ports, with_ports)
    }

    fn swapped(&self, net: &Net, with_ports: bool) -> bool {
        self.side(net.destination, net.destination_port, &self.source, &self.source_ports, with_ports)
            && self.side(net.source, net.source_port, &self.destination, &self.destination_ports, with_ports)
    }

    fn protocol_matches(&self, protocol: u8) -> bool {
        match self.proto {
            Proto::Tcp => protocol == protocol::TCP,
            Proto::Udp => protocol == protocol::UDP,
            Proto::Icmp => matches!(protocol, protocol::ICMP | protocol::ICMPV6),
            Proto::Ip | Proto::Service => true,
        }
    }

    #[inline]
    fn side(
        &self,
        address: IpAddr,
        port: Option<u16>,
        addresses: &AddressSet,
        ports: &Ports,
        with_ports: bool,
    ) -> bool {
        addresses.contains(address) && (!with_ports || ports.is_any() || port.is_some_and(|port| ports.contains(port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn item(a: u8, b: u8, prefix: u8) -> AddressItem {
        AddressItem { network: IpAddr::V4(Ipv4Addr::new(a, b, 0, 0)), prefix }
    }

    fn set(positive: Vec<AddressItem>, negated: Vec<AddressItem>) -> AddressSet {
        AddressSet::new(&Address { positive, negated })
    }

    fn ip(a: u8, b: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(a, b, 3, 4))
    }

    #[test]
    fn a_list_means_positive_minus_negated() {
        let list = set(vec![item(10, 0, 8)], vec![item(10, 1, 16)]);
        assert!(list.contains(ip(10, 2)));
        assert!(!list.contains(ip(10, 1)));
        assert!(!list.contains(ip(11, 1)));
    }

    #[test]
    fn only_negated_means_neither() {
        let list = set(vec![], vec![item(10, 0, 8), item(11, 0, 8)]);
        assert!(list.contains(ip(12, 0)));
        assert!(!list.contains(ip(10, 9)) && !list.contains(ip(11, 9)));
    }

    #[test]
    fn overlapping_ranges_merge_and_zero_prefix_is_everything() {
        let list = set(vec![item(10, 0, 8), item(10, 1, 16), item(0, 0, 0)], vec![]);
        assert!(list.contains(ip(200, 1)));
        assert!(!list.contains("::1".parse().expect("address")));
    }
}
