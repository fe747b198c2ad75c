//! Which alerts belong together: the same rule between the same workloads, seen by the same inspection.
//!
//! Ports, pods and revisions are not part of the key, so that a rollout or a changing source port does not
//! split a group. The hash is stored: its definition must not change.

use crate::SecurityEvent;
use crate::shape::first_u64;
use crate::workload::party;
use sha2::{Digest, Sha256};

/// The parts of a group's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKey {
    /// Generator of the rule.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// `namespace/kind/owner`, or network, or address.
    pub client: String,
    /// As `client`.
    pub server: String,
    /// `namespace/name` of the resource; empty without one.
    pub inspection: String,
}

impl GroupKey {
    /// Of an event. Client and server are the flow's roles; source and destination without a flow.
    pub fn of(event: &SecurityEvent) -> Self {
        let (client, server) = event.parties();
        Self {
            gid: event.rule.gid,
            sid: event.rule.sid,
            client: party(event.client.as_ref(), client.map(|end| end.address)),
            server: party(event.server.as_ref(), server.map(|end| end.address)),
            inspection: event.inspection.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// 64 bits that stand for the key.
    pub fn hash(&self) -> u64 {
        let mut hasher = Sha256::new();
        hasher.update(format!("{}:{}", self.gid, self.sid));
        for part in [&self.client, &self.server, &self.inspection] {
            hasher.update([0]);
            hasher.update(part);
        }
        first_u64(&hasher.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;

    fn event(source: &str, port: u16) -> SecurityEvent {
        SecurityEvent {
            source: source.parse().ok().map(|address| Endpoint { address, port: Some(port) }),
            destination: "10.0.0.2".parse().ok().map(|address| Endpoint { address, port: Some(80) }),
            ..SecurityEvent::default()
        }
    }

    #[test]
    fn ports_do_not_split_a_group_but_addresses_do() {
        let hash = |event: &SecurityEvent| GroupKey::of(event).hash();
        assert_eq!(hash(&event("10.0.0.1", 1)), hash(&event("10.0.0.1", 2)));
        assert_ne!(hash(&event("10.0.0.1", 1)), hash(&event("10.0.0.9", 1)));
    }

    /// Stored hashes must stay comparable.
    #[test]
    fn the_definition_does_not_change() {
        let key = GroupKey { gid: 1, sid: 2, client: "a".into(), server: "b".into(), inspection: "n/d".into() };
        assert_eq!(format!("{:016x}", key.hash()), "56f9121ea4b8622e");
    }
}
