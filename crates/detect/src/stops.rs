//! Rules that are not evaluated, everywhere or between certain addresses: somebody has silenced them with "stop".
//!
//! *How it fits*: the engine makes [`Stops`] from the suppressions in force and the rule set, and gives them to its
//! [`crate::Detector`], which asks before it evaluates a candidate. Where nothing is stopped that costs one branch.
//!
//! *Limits*: as many as there are suppressions, times the rules that they name.

use crate::filters::in_network;
use std::collections::HashMap;
use std::net::IpAddr;
use tapir_flow::Direction;
use tapir_options::Unit;

/// A network; every address if `None`.
pub type Side = Option<(IpAddr, u8)>;

/// Conversations by their client and their server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Between {
    /// Who opened it; the source, outside of flows.
    pub client: Side,
    /// The other side.
    pub server: Side,
}

impl Between {
    fn holds(&self, client: IpAddr, server: IpAddr) -> bool {
        contains(self.client, client) && contains(self.server, server)
    }
}

/// Which rules are not evaluated, and between whom.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    rules: HashMap<u32, Vec<Between>>,
}

impl Stops {
    /// A rule, by its index in the set, is not evaluated between these.
    pub fn add(&mut self, rule: u32, between: Between) {
        self.rules.entry(rule).or_default().push(between);
    }

    /// Nothing is stopped.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a rule is not to be evaluated on a unit.
    #[inline]
    pub(crate) fn hold(&self, rule: u32, unit: &Unit<'_>) -> bool {
        !self.is_empty() && self.look(rule, unit)
    }

    #[cold]
    fn look(&self, rule: u32, unit: &Unit<'_>) -> bool {
        let Some(list) = self.rules.get(&rule) else { return false };
        let (source, destination) = (unit.net.source, unit.net.destination);
        let (client, server) = match unit.flow.map(|flow| flow.direction) {
            Some(Direction::ToClient) => (destination, source),
            _ => (source, destination),
        };
        list.iter().any(|between| between.holds(client, server))
    }
}

fn contains(side: Side, address: IpAddr) -> bool {
    side.is_none_or(|(network, prefix)| in_network(network, prefix, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_of_both_families_hold_their_addresses_only() {
        for (network, length, address, is) in [
            ("10.0.0.0", 24, "10.0.0.255", true),
            ("10.0.0.0", 24, "10.0.1.0", false),
            ("10.0.0.1", 32, "10.0.0.1", true),
            ("0.0.0.0", 0, "203.0.113.9", true),
            ("2001:db8:1::", 48, "2001:db8:1:ffff::1", true),
            ("2001:db8:1::", 48, "2001:db8:2::1", false),
            ("::", 0, "10.0.0.1", false),
        ] {
            assert_eq!(contains(Some((ip(network), length)), ip(address)), is, "{network}/{length} {address}");
        }
        assert!(contains(None, ip("::1")));
    }

    #[test]
    fn both_sides_must_hold() {
        let between = Between { client: Some((ip("10.0.0.1"), 32)), server: None };
        assert!(between.holds(ip("10.0.0.1"), ip("10.9.9.9")));
        assert!(!between.holds(ip("10.9.9.9"), ip("10.0.0.1")), "the roles count");
        assert!(Between { client: None, server: None }.holds(ip("::1"), ip("::2")));
    }
}
