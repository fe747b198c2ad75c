//! Which key an event has, and which partition a key.
//!
//! Partitions are chosen as Kafka's own producer does (murmur2 over the key), so that events stand beside what others write under the same
//! keys. Events without a key go to one partition for a while, which makes larger batches, then to the next (KIP-480).

use super::message::Partition;
use tapir_event::SecurityEvent;

/// What makes events stay in one partition, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// The workload that was talked to: `namespace/owner`, else who talked to it; their addresses where no name is known; at last the
    /// node.
    #[default]
    Workload,
    /// The node.
    Node,
    /// The event's own id.
    Event,
    /// None.
    None,
}

impl Key {
    /// By its name in a configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "workload" => Some(Self::Workload),
            "node" => Some(Self::Node),
            "event" => Some(Self::Event),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    pub(super) fn of(self, event: &SecurityEvent) -> Option<Vec<u8>> {
        let text = match self {
            Self::Workload => workload(event),
            Self::Node => event.id.node.to_string(),
            Self::Event => event.id.to_string(),
            Self::None => return None,
        };
        Some(text.into_bytes())
    }
}

fn workload(event: &SecurityEvent) -> String {
    if let Some(workload) = event.server.as_ref().or(event.client.as_ref()) {
        return workload.display();
    }
    let (client, server) = event.parties();
    server.or(client).map_or_else(|| event.id.node.to_string(), |end| end.address.to_string())
}

/// The partition of a key.
pub(super) fn of_key(key: &[u8], partitions: &[Partition]) -> Option<i32> {
    let hash = usize::try_from(murmur2(key) & 0x7FFF_FFFF).ok()?;
    partitions.get(hash.checked_rem(partitions.len())?).map(|partition| partition.index)
}

/// A partition for events without a key: the `turn`th of those that have a leader, or of all if none has.
pub(super) fn in_turn(turn: usize, partitions: &[Partition]) -> Option<i32> {
    let led = partitions.iter().filter(|partition| partition.leader.is_some()).count();
    if led == 0 {
        return partitions.get(turn.checked_rem(partitions.len())?).map(|partition| partition.index);
    }
    let mut with_leader = partitions.iter().filter(|partition| partition.leader.is_some());
    with_leader.nth(turn % led).map(|partition| partition.index)
}

/// MurmurHash2, 32 bits, with Kafka's seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5BD1_E995;
    let mut hash = 0x9747_B28C_u32 ^ (bytes.len() as u32);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(M);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(M) ^ mixed.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_event::{Endpoint, Workload};

    /// The values that Kafka's own tests hold against (`UtilsTest.testMurmur2`).
    #[test]
    fn the_hash_is_kafkas() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn a_workload_is_known_by_its_owner_then_by_addresses_then_by_its_node() {
        let mut event = SecurityEvent::default();
        event.id.node = "node-a".into();
        let key = |event: &SecurityEvent| String::from_utf8(Key::Workload.of(event).unwrap()).unwrap();
        assert_eq!(key(&event), "node-a");
        event.source = Some(Endpoint { address: "10.0.0.1".parse().unwrap(), port: Some(1) });
        event.destination = Some(Endpoint { address: "10.0.0.2".parse().unwrap(), port: Some(80) });
        assert_eq!(key(&event), "10.0.0.2");
        let pod = |pod: &str| Workload { namespace: "shop".into(), pod: pod.into(), ..Workload::default() };
        event.client = Some(pod("web-1"));
        assert_eq!(key(&event), "shop/web-1");
        event.server = Some(Workload { owner_name: "cart".into(), ..pod("cart-77b-x") });
        assert_eq!(key(&event), "shop/cart");
        assert_eq!(Key::None.of(&event), None);
    }

    #[test]
    fn keys_go_to_all_partitions_and_the_keyless_to_those_with_a_leader() {
        let partition = |index, leader| Partition { index, leader };
        let partitions = [partition(0, None), partition(1, Some(4)), partition(2, Some(5))];
        let chosen: Vec<i32> = (0..4).filter_map(|turn| in_turn(turn, &partitions)).collect();
        assert_eq!(chosen, [1, 2, 1, 2]);
        assert_eq!(of_key(b"foobar", &partitions), Some((-790_332_482_i32 & 0x7FFF_FFFF) % 3));
        assert_eq!((of_key(b"a", &[]), in_turn(3, &[])), (None, None));
        assert_eq!(in_turn(1, &[partition(0, None), partition(1, None)]), Some(1));
    }
}
