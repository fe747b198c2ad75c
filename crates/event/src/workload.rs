//! Who the parties of an event are in the cluster: the names that an analyst reads first.
//!
//! Resolved when the packet was seen; a name from later would be somebody else's.

use crate::lenient;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A pod (or other workload) behind an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Namespace.
    #[serde(deserialize_with = "lenient::field")]
    pub namespace: String,
    /// Pod.
    #[serde(deserialize_with = "lenient::field")]
    pub pod: String,
    /// Pod's uid.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "lenient::field")]
    pub uid: String,
    /// Top owner's kind: `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`; empty for a bare pod.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "lenient::field")]
    pub owner_kind: String,
    /// Top owner's name.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "lenient::field")]
    pub owner_name: String,
    /// A service that selects it.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "lenient::field")]
    pub service: String,
    /// Allow-listed labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::field")]
    pub labels: BTreeMap<String, String>,
}

impl Workload {
    /// Kind and name of what stays the same when pods come and go.
    pub fn owner(&self) -> (&str, &str) {
        if self.owner_name.is_empty() { ("Pod", &self.pod) } else { (&self.owner_kind, &self.owner_name) }
    }

    /// `namespace/owner`, as lists show it.
    pub fn display(&self) -> String {
        format!("{}/{}", self.namespace, self.owner().1)
    }

    /// The incumbent's aggregated name: `frontend-77b88cc7cb-*`; a bare pod keeps its name.
    pub fn aggregated_name(&self) -> String {
        match self.pod.rsplit_once('-') {
            Some((prefix, _)) if !self.owner_name.is_empty() => format!("{prefix}-*"),
            _ => self.pod.clone(),
        }
    }
}

/// The key of a party in a group: its owner; else its network if the address is public, else its address.
pub(crate) fn party(workload: Option<&Workload>, address: Option<IpAddr>) -> String {
    if let Some(workload) = workload {
        let (kind, name) = workload.owner();
        return format!("{}/{kind}/{name}", workload.namespace);
    }
    match address {
        Some(address) => network(address),
        None => "?".to_owned(),
    }
}

/// `/24` or `/48` of a public address, so that a scanner's neighbours are one party; else the address.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) if is_public_v4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) if v6.segments().first().is_some_and(|first| first & 0xe000 == 0x2000) => {
            let [a, b, c, ..] = v6.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        other => other.to_string(),
    }
}

fn is_public_v4(address: std::net::Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_unspecified()
        || address.is_broadcast()
        || shared
        || a >= 240)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(pod: &str, kind: &str, owner: &str) -> Workload {
        let (owner_kind, owner_name) = (kind.to_owned(), owner.to_owned());
        Workload { namespace: "shop".into(), pod: pod.into(), owner_kind, owner_name, ..Workload::default() }
    }

    #[test]
    fn replicas_share_a_party_and_an_aggregated_name() {
        let one = pod("frontend-77b88cc7cb-nwx6t", "Deployment", "frontend");
        let two = pod("frontend-77b88cc7cb-8xnwg", "Deployment", "frontend");
        assert_eq!(party(Some(&one), None), party(Some(&two), None));
        assert_eq!(one.aggregated_name(), "frontend-77b88cc7cb-*");
        assert_eq!(pod("my-shell", "", "").aggregated_name(), "my-shell");
        assert_eq!(one.display(), "shop/frontend");
    }

    #[test]
    fn public_addresses_are_grouped_by_network_and_private_ones_are_not() {
        for (address, key) in [
            ("203.0.113.7", "203.0.113.0/24"),
            ("10.1.2.3", "10.1.2.3"),
            ("100.64.0.1", "100.64.0.1"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
            ("fd00::1", "fd00::1"),
        ] {
            assert_eq!(party(None, address.parse().ok()), key);
        }
        assert_eq!(party(None, None), "?");
    }
}
