//! IP protocol numbers that Tapir tests for, and the names of protocols as alerts show them.
//!
//! *Spec*: IANA protocol numbers; `TCP`, `UDP`, `ICMP`, `IP` and `eth` as Snort's `proto` field.

use crate::{Packet, Transport};

/// ICMP for IPv4.
pub const ICMP: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// ICMPv6.
pub const ICMPV6: u8 = 58;

impl Packet<'_> {
    /// `TCP`, `UDP`, `ICMP` (either version), `IP` for any other IP packet, `eth` for the rest.
    pub fn protocol_name(&self) -> &'static str {
        match self.transport {
            Transport::Tcp(_) => "TCP",
            Transport::Udp { .. } => "UDP",
            Transport::Icmp(_) => "ICMP",
            Transport::None | Transport::Sctp { .. } if self.ip_layers > 0 => "IP",
            Transport::None | Transport::Sctp { .. } => "eth",
        }
    }
}

/// The IANA keyword of an IP protocol number that is met in practice.
pub fn ip_protocol_name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        0 => "HOPOPT",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPv4",
        6 => "TCP",
        8 => "EGP",
        9 => "IGP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPv6",
        43 => "IPv6-Route",
        44 => "IPv6-Frag",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "IPv6-ICMP",
        59 => "IPv6-NoNxt",
        60 => "IPv6-Opts",
        88 => "EIGRP",
        89 => "OSPFIGP",
        103 => "PIM",
        108 => "IPComp",
        112 => "VRRP",
        113 => "PGM",
        115 => "L2TP",
        132 => "SCTP",
        135 => "Mobility Header",
        136 => "UDPLite",
        137 => "MPLS-in-IP",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_protocols_have_their_iana_keyword() {
        assert_eq!(ip_protocol_name(6), Some("TCP"));
        assert_eq!(ip_protocol_name(132), Some("SCTP"));
        assert_eq!(ip_protocol_name(200), None);
    }
}
