//! Decode events: anomalies of headers, by Snort's gid 116 numbers.
//!
//! The numbers are Snort's (reference chapter 10, built-in rules of gid 116); the wording is ours.
//! Left out: what Snort 3.12.2 lists but does not raise on captures that hold such packets (270, 404,
//! 428, 429: TTL; 403, 411, 412: addresses), what it raises only when configured (161, 176, 293, 456),
//! link layers that are not decoded here (110–112, 133–143), Cisco metadata (468–471), and PGM (454).
//! [`DecodeEvent::IPV6_UDP_CHECKSUM_ZERO`] is for whoever asks for [`crate::checksums`].
//! Limits: [`DecodeEvents::MAX`] per packet; what does not fit is counted in [`DecodeEvents::lost`].

/// One event: the sid within gid 116.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodeEvent(pub u16);

macro_rules! events {
    ($($name:ident = $sid:literal, $text:literal;)*) => {
        impl DecodeEvent {
            $(#[doc = $text] pub const $name: Self = Self($sid);)*

            /// The events that are raised, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What the event means, in a few words.
            pub fn description(self) -> Option<&'static str> {
                match self.0 {
                    $($sid => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

events! {
    IPV4_VERSION = 1, "IPv4 header with another version number";
    IPV4_HEADER_LENGTH = 2, "IPv4 header length below 20 bytes";
    IPV4_LENGTH_BELOW_HEADER = 3, "IPv4 total length shorter than the header";
    IPV4_OPTION_LENGTH = 4, "IPv4 option with impossible length";
    IPV4_OPTION_TRUNCATED = 5, "IPv4 option runs past the header";
    IPV4_LENGTH_BEYOND_CAPTURE = 6, "IPv4 total length exceeds the captured bytes";
    TCP_TRUNCATED = 45, "TCP header shorter than 20 bytes";
    TCP_OFFSET_LOW = 46, "TCP data offset below 5";
    TCP_OFFSET_BEYOND_PACKET = 47, "TCP header length exceeds the packet";
    TCP_OPTION_LENGTH = 54, "TCP option with impossible length";
    TCP_OPTION_TRUNCATED = 55, "TCP option runs past the header";
    TCP_OPTION_TTCP = 56, "T/TCP option";
    TCP_OPTION_OBSOLETE = 57, "obsolete TCP option";
    TCP_OPTION_EXPERIMENTAL = 58, "experimental TCP option";
    TCP_WINDOW_SCALE = 59, "TCP window scale above 14";
    UDP_TRUNCATED = 95, "UDP header truncated";
    UDP_LENGTH_LOW = 96, "UDP length below 8";
    UDP_LENGTH_BEYOND_PAYLOAD = 97, "UDP length exceeds the IP payload";
    UDP_LENGTH_BELOW_PAYLOAD = 98, "UDP length shorter than the IP payload";
    ICMP_TRUNCATED = 105, "ICMP header truncated";
    ICMP_TIMESTAMP_TRUNCATED = 106, "ICMP timestamp message truncated";
    ICMP_ADDRESS_TRUNCATED = 107, "ICMP address mask message truncated";
    ARP_TRUNCATED = 109, "ARP packet truncated";
    PPPOE_BAD = 120, "PPPoE header truncated or impossible";
    VLAN_BAD = 130, "VLAN tag truncated or with a reserved id";
    LLC_BAD = 131, "LLC header truncated";
    LLC_SNAP_BAD = 132, "SNAP header truncated";
    LOOPBACK_ADDRESS = 150, "loopback address on the wire";
    SAME_ADDRESSES = 151, "source and destination address are equal";
    GRE_TRUNCATED = 160, "GRE header exceeds the packet";
    GRE_VERSION = 162, "unknown GRE version";
    GRE_HEADER = 163, "GRE header with reserved bits set";
    GRE_PPTP_HEADER = 164, "GRE version 1 header that is not PPTP";
    GRE_BRIDGED_TRUNCATED = 165, "Ethernet header within GRE truncated";
    MPLS_BAD = 170, "MPLS label stack truncated";
    MPLS_LABEL_0 = 171, "MPLS label 0 above the bottom of the stack";
    MPLS_LABEL_1 = 172, "MPLS label 1 at the bottom of the stack";
    MPLS_LABEL_2 = 173, "MPLS label 2 above the bottom of the stack";
    MPLS_LABEL_3 = 174, "MPLS label 3 in a header";
    MPLS_LABEL_RESERVED = 175, "reserved MPLS label";
    GENEVE_TRUNCATED = 180, "Geneve header truncated";
    GENEVE_VERSION = 181, "unknown Geneve version";
    GENEVE_HEADER = 182, "Geneve header exceeds the packet";
    GENEVE_FLAGS = 183, "Geneve critical flag contradicts the options";
    GENEVE_OPTIONS = 184, "Geneve option exceeds the header";
    ICMP_QUOTED_TRUNCATED = 250, "IP header quoted by ICMP truncated";
    ICMP_QUOTED_VERSION = 251, "IP header quoted by ICMP has another version";
    ICMP_QUOTED_BELOW_HEADER = 252, "datagram quoted by ICMP shorter than its header";
    ICMP_QUOTED_PAYLOAD_SHORT = 253, "payload quoted by ICMP below 64 bits";
    ICMP_QUOTED_PAYLOAD_LONG = 254, "ICMP error above 576 bytes";
    ICMP_QUOTED_FRAGMENT = 255, "datagram quoted by ICMP is a later fragment";
    IPV6_VERSION = 271, "IPv6 header with another version number";
    IPV6_EXTENSION_TRUNCATED = 272, "IPv6 extension header truncated";
    IPV6_TRUNCATED = 273, "IPv6 header truncated";
    IPV6_LENGTH_BEYOND_CAPTURE = 275, "IPv6 payload length exceeds the captured bytes";
    IPV6_DESTINATION_UNSPECIFIED = 276, "IPv6 destination is the unspecified address";
    IPV6_SOURCE_MULTICAST = 277, "IPv6 source is a multicast address";
    IPV6_MULTICAST_RESERVED = 278, "IPv6 destination is an unassigned multicast address";
    IPV6_OPTION_UNDEFINED = 279, "undefined option in an IPv6 extension header";
    IPV6_MULTICAST_SCOPE = 280, "IPv6 multicast scope that is not assigned";
    IPV6_NEXT_HEADER = 281, "unusual next header in an IPv6 header";
    IPV6_ROUTING_HOP_BY_HOP = 282, "IPv6 routing header followed by hop-by-hop options";
    IPV6_TWO_ROUTING_HEADERS = 283, "two IPv6 routing headers";
    ICMPV6_MTU_LOW = 285, "ICMPv6 packet too big with an MTU below 1280";
    ICMPV6_UNREACHABLE_CODE = 286, "ICMPv6 unreachable with code 2";
    ICMPV6_SOLICITATION_CODE = 287, "ICMPv6 router solicitation with a code";
    ICMPV6_ADVERTISEMENT_CODE = 288, "ICMPv6 router advertisement with a code";
    ICMPV6_SOLICITATION_RESERVED = 289, "ICMPv6 router solicitation with reserved bits set";
    ICMPV6_REACHABLE_TIME = 290, "ICMPv6 router advertisement with reachable time above an hour";
    IPV6_IN_IPV4_TRUNCATED = 291, "IPv6 header tunnelled in IPv4 truncated";
    IPV6_OPTIONS_BEFORE_ROUTING = 292, "IPv6 destination options followed by a routing header";
    IPV6_OPTION_TOO_BIG = 295, "IPv6 option exceeds its extension header";
    IPV6_EXTENSION_ORDER = 296, "IPv6 extension headers out of order";
    GTP_NESTED = 297, "GTP within GTP";
    GTP_LENGTH = 298, "GTP length contradicts the packet";
    TCP_XMAS = 400, "TCP segment with all flags set";
    TCP_NMAP_XMAS = 401, "TCP segment with FIN, PSH and URG as Nmap sends it";
    TCP_NAPTHA = 402, "TCP SYN as the Naptha tool sends it";
    IPV4_MF_AND_DF = 405, "IPv4 fragment that must not be fragmented";
    IPV6_UDP_CHECKSUM_ZERO = 406, "UDP over IPv6 without checksum";
    IPV4_FRAGMENT_TOO_FAR = 407, "IPv4 fragment ends beyond 65,535 bytes";
    IPV4_SOURCE_THIS_NET = 408, "IPv4 source in 0.0.0.0/8";
    IPV4_DESTINATION_THIS_NET = 409, "IPv4 destination in 0.0.0.0/8";
    IPV4_SOURCE_MULTICAST = 410, "IPv4 source is a multicast address";
    IPV4_SOURCE_BROADCAST = 413, "IPv4 source is the broadcast address";
    IPV4_DESTINATION_BROADCAST = 414, "IPv4 destination is the broadcast address";
    ICMP_TO_MULTICAST = 415, "ICMP echo to a multicast address";
    ICMP_TO_BROADCAST = 416, "ICMP echo to the broadcast address";
    ICMP_TYPE_UNKNOWN = 418, "unknown ICMP type";
    TCP_URGENT_BEYOND_PAYLOAD = 419, "TCP urgent pointer beyond the payload";
    TCP_SYN_FIN = 420, "TCP SYN with FIN";
    TCP_SYN_RST = 421, "TCP SYN with RST";
    TCP_MUST_ACK = 422, "TCP FIN, PSH or URG without ACK";
    TCP_NO_SYN_ACK_RST = 423, "TCP segment without SYN, ACK and RST";
    ETHERNET_TRUNCATED = 424, "Ethernet header truncated";
    IPV4_TRUNCATED = 425, "IPv4 header truncated";
    ICMPV4_TRUNCATED = 426, "ICMPv4 header shorter than 4 bytes";
    ICMPV6_TRUNCATED = 427, "ICMPv6 header shorter than 4 bytes";
    IPV4_DF_WITH_OFFSET = 430, "IPv4 fragment with an offset that must not be fragmented";
    ICMPV6_TYPE_UNKNOWN = 431, "unknown ICMPv6 type";
    ICMPV6_TO_MULTICAST = 432, "ICMPv6 echo to a multicast address";
    TCP_SHAFT = 433, "TCP SYN as the Shaft tool sends it";
    ICMP_NMAP_PING = 434, "ICMP echo request without data";
    ICMP_ENUM = 435, "ICMP message as the icmpenum tool sends it";
    ICMP_REDIRECT_HOST = 436, "ICMP redirect for a host";
    ICMP_REDIRECT_NET = 437, "ICMP redirect for a network";
    ICMP_TRACEROUTE_OPTIONS = 438, "ICMP echo reply with record route";
    ICMP_SOURCE_QUENCH = 439, "ICMP source quench";
    ICMP_SMURF_SCAN = 440, "ICMP echo request as the Broadscan tool sends it";
    ICMP_FILTERED = 441, "ICMP unreachable: communication prohibited";
    ICMP_HOST_FILTERED = 442, "ICMP unreachable: communication with the host prohibited";
    ICMP_NET_FILTERED = 443, "ICMP unreachable: communication with the network prohibited";
    IPV4_OPTION_SET = 444, "IPv4 option present";
    UDP_LARGE = 445, "UDP datagram above 4,000 bytes";
    TCP_PORT_ZERO = 446, "TCP port 0";
    UDP_PORT_ZERO = 447, "UDP port 0";
    IPV4_RESERVED_BIT = 448, "IPv4 reserved fragment bit set";
    IP_PROTOCOL_UNASSIGNED = 449, "unassigned IP protocol";
    IP_PROTOCOL_BAD = 450, "IP protocol that has no business on a network";
    ICMP_PATH_MTU_LOW = 451, "ICMP fragmentation needed with an MTU below 576";
    IPV4_OPTION_POINTER = 452, "IPv4 record route or timestamp option with a crooked pointer";
    ISATAP_SPOOF = 453, "ISATAP address that contradicts the IPv4 source";
    IGMP_OPTION = 455, "IGMP query with a malformed IPv4 option";
    ICMPV6_UNREACHABLE_CODE_UNKNOWN = 457, "ICMPv6 unreachable with a code above 6";
    IPV6_ATOMIC_FRAGMENT = 458, "IPv6 fragment header on a whole datagram";
    FRAGMENT_EMPTY = 459, "fragment without data";
    ICMPV6_NODE_INFORMATION_CODE = 460, "ICMPv6 node information with a code above 2";
    IPV6_ROUTING_TYPE_0 = 461, "IPv6 routing header of type 0";
    ERSPAN_VERSION = 462, "ERSPAN header with another version";
    ERSPAN2_TRUNCATED = 463, "ERSPAN type II header truncated";
    ERSPAN3_TRUNCATED = 464, "ERSPAN type III header truncated";
    AH_TRUNCATED = 465, "authentication header truncated";
    AH_LENGTH = 466, "authentication header exceeds the packet";
    FABRICPATH_TRUNCATED = 467, "FabricPath header truncated";
    TOO_MANY_LAYERS = 472, "too many protocol layers";
    ETHERTYPE_RANGE = 473, "Ethernet type below 1,536";
    ICMPV6_OUTSIDE_IPV6 = 474, "ICMPv6 outside IPv6";
    MOBILITY_PAYLOAD = 475, "IPv6 mobility header with a payload protocol";
    ICMPV6_OPTION_EMPTY = 478, "ICMPv6 neighbour discovery option of length 0";
}

/// Events of one packet, in order; more than fit are counted, not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeEvents {
    list: [u16; Self::MAX],
    len: u8,
    /// Events that did not fit.
    pub lost: u16,
}

impl DecodeEvents {
    /// Events kept per packet.
    pub const MAX: usize = 8;

    /// Notes an event.
    #[inline]
    pub fn push(&mut self, event: DecodeEvent) {
        match self.list.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = event.0;
                self.len += 1;
            }
            None => self.lost = self.lost.saturating_add(1),
        }
    }

    /// The events in order.
    pub fn iter(&self) -> impl Iterator<Item = DecodeEvent> + '_ {
        self.list.iter().take(usize::from(self.len)).map(|&sid| DecodeEvent(sid))
    }

    /// How many are kept.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// None seen.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `event` is among those kept.
    pub fn contains(&self, event: DecodeEvent) -> bool {
        self.iter().any(|seen| seen == event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ascending_and_described() {
        assert!(DecodeEvent::ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(DecodeEvent::ALL.iter().all(|event| event.description().is_some()));
        assert_eq!(DecodeEvent(9_999).description(), None);
    }

    #[test]
    fn events_beyond_the_limit_are_counted() {
        let mut events = DecodeEvents::default();
        for _ in 0..DecodeEvents::MAX + 3 {
            events.push(DecodeEvent::TCP_XMAS);
        }
        assert_eq!((events.len(), events.lost), (DecodeEvents::MAX, 3));
        assert!(events.contains(DecodeEvent::TCP_XMAS) && !events.contains(DecodeEvent::TCP_NAPTHA));
    }
}
