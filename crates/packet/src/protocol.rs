//! IP protocol numbers (IANA "Assigned Internet Protocol Numbers") that Tapir names.

#![allow(missing_docs, reason = "the names are the registry's")]

pub const ICMP: u8 = 1;
pub const IGMP: u8 = 2;
pub const IPIP: u8 = 4;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const IPV6: u8 = 41;
pub const GRE: u8 = 47;
pub const ICMPV6: u8 = 58;
pub const SCTP: u8 = 132;
