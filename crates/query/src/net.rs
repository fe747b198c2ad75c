//! [`Net`]: an address or a prefix of addresses.
//!
//! *Invariants*: bits behind the prefix are 0; an IPv4 address inside IPv6 (`::ffff:192.0.2.1`) is the IPv4 one.
//! *Spec*: RFC 4632, RFC 4291 §2.2.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

impl Net {
    /// The first address.
    pub fn first(&self) -> IpAddr {
        self.address
    }

    /// The last address.
    pub fn last(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from(u32::from(address) | !mask4(self.prefix))),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) | !mask6(self.prefix))),
        }
    }

    /// Bits that count: 32 or 128 for a single address.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is one address.
    pub fn is_single(&self) -> bool {
        self.prefix == width(self.address)
    }

    /// Whether the address is in it. The families do not mix.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => u32::from(address) & mask4(self.prefix) == u32::from(net),
            (IpAddr::V6(net), IpAddr::V6(address)) => u128::from(address) & mask6(self.prefix) == u128::from(net),
            _ => false,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => {
                let digits = matches!(prefix.len(), 1..=3) && prefix.bytes().all(|byte| byte.is_ascii_digit());
                (address, Some(digits.then(|| prefix.parse::<u8>().ok())??))
            }
        };
        let written: IpAddr = address.parse().ok()?;
        let prefix = prefix.unwrap_or(width(written));
        if prefix > width(written) {
            return None;
        }
        let canonical = written.to_canonical();
        match (canonical, prefix.checked_sub(128 - 32)) {
            (IpAddr::V4(_), Some(inner)) if written.is_ipv6() => Some(Self::masked(canonical, inner)),
            _ => Some(Self::masked(written, prefix)),
        }
    }

    fn masked(address: IpAddr, prefix: u8) -> Self {
        let address = match address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask4(prefix))),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask6(prefix))),
        };
        Self { address, prefix }
    }

    /// The prefix that somebody meant who wrote `10.0.*`.
    pub(crate) fn of_wildcard(text: &str) -> Option<Self> {
        let head = text.trim_end_matches(['*', '.']);
        let octets = head.split('.').count();
        if octets > 3 || !text.ends_with('*') || text == head {
            return None;
        }
        let address = format!("{head}{}", ".0".repeat(4 - octets));
        let prefix = u8::try_from(octets).ok()?.checked_mul(8)?;
        Some(Self::masked(IpAddr::V4(address.parse().ok()?), prefix))
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_single() {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.prefix),
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn mask4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32u32.saturating_sub(u32::from(prefix))).unwrap_or(0)
}

fn mask6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128u32.saturating_sub(u32::from(prefix))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(net: &str, address: &str) -> bool {
        Net::parse(net).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn addresses_are_in_their_prefix() {
        assert!(inside("10.0.0.0/8", "10.255.0.1"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("0.0.0.0/0", "203.0.113.9"));
        assert!(inside("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!inside("2001:db8::/32", "2001:db9::1"));
        assert!(!inside("::/0", "10.0.0.1"), "families do not mix");
        assert!(inside("10.0.0.1", "::ffff:10.0.0.1"), "a mapped address is the IPv4 one");
        assert!(inside("::ffff:10.0.0.0/104", "10.1.2.3"));
    }

    #[test]
    fn the_canonical_form_has_no_bits_behind_the_prefix() {
        let print = |text: &str| Net::parse(text).map(|net| net.to_string());
        assert_eq!(print("10.1.2.3/8").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(print("2001:DB8::1/128").as_deref(), Some("2001:db8::1"));
        assert_eq!(Net::parse("10.1.2.3/8").unwrap().last().to_string(), "10.255.255.255");
        for bad in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0", "10.0.0.0/8/8", "", "/8"] {
            assert_eq!(print(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_with_a_wildcard_is_a_prefix() {
        let print = |text: &str| Net::of_wildcard(text).map(|net| net.to_string());
        assert_eq!(print("10.0.*").as_deref(), Some("10.0.0.0/16"));
        assert_eq!(print("10.0.*.*").as_deref(), Some("10.0.0.0/16"));
        assert_eq!(print("10.0.1.*").as_deref(), Some("10.0.1.0/24"));
        for other in ["10.0.1.2*", "10.0.1.2", "*", "a.*", "*.1"] {
            assert_eq!(print(other), None, "{other}");
        }
    }
}
