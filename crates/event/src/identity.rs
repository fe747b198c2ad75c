//! Stable ids: node, boot of the writer, sequence. They never change and never come twice, so that every
//! receiver can keep an event once however often it is sent.

use crate::SecurityEvent;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tapir_packet::Timestamp;

/// Identity of an event. Text form `node-boot-seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// Name of the node (the host, outside Kubernetes); empty = no id yet.
    pub node: Arc<str>,
    /// Counts the starts of the writer on that node.
    pub boot: u64,
    /// Counts the events of that node.
    pub seq: u64,
}

impl EventId {
    /// The event has not been given its id yet.
    pub fn is_unset(&self) -> bool {
        self.node.is_empty()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.node, self.boot, self.seq)
    }
}

/// Text that is no event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event id: expected NODE-BOOT-SEQ, for example worker-3-12-845")]
pub struct BadEventId;

/// Longest node name (RFC 1123 subdomain).
const MAX_NODE: usize = 253;

impl FromStr for EventId {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let mut parts = text.rsplitn(3, '-');
        let (Some(seq), Some(boot), Some(node)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadEventId);
        };
        if node.len() > MAX_NODE || node.chars().any(char::is_control) {
            return Err(BadEventId);
        }
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if plain { text.parse().map_err(|_| BadEventId) } else { Err(BadEventId) }
        };
        Ok(Self { node: node.into(), boot: number(boot)?, seq: number(seq)? })
    }
}

impl Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Gives events their identity, one after the other.
#[derive(Debug)]
pub struct Sequencer {
    last: EventId,
}

impl Sequencer {
    /// For a node and a boot number that was never used on it before.
    pub fn new(node: &str, boot: u64) -> Self {
        Self { last: EventId { node: node.into(), boot, seq: 0 } }
    }

    /// Stamps an event with the next id and the wall clock's time.
    pub fn stamp(&mut self, event: &mut SecurityEvent, now: Timestamp) {
        self.last.seq = self.last.seq.saturating_add(1);
        event.id = self.last.clone();
        event.observed = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read_back_even_with_dashes_in_the_node() {
        let id = EventId { node: "ip-10-0-0-1.eu".into(), boot: 12, seq: 845 };
        assert_eq!(id.to_string(), "ip-10-0-0-1.eu-12-845");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "a", "a-1", "a-1-x", "a-+1-2", "a-1-99999999999999999999", "a\n-1-2"] {
            assert_eq!(text.parse::<EventId>(), Err(BadEventId), "{text:?}");
        }
        assert!("-1-2".parse::<EventId>().is_ok());
    }

    #[test]
    fn stamps_count_from_one() {
        let mut sequencer = Sequencer::new("n", 3);
        let mut event = SecurityEvent::default();
        sequencer.stamp(&mut event, Timestamp(5));
        assert_eq!((event.id.to_string().as_str(), event.observed), ("n-3-1", Timestamp(5)));
        sequencer.stamp(&mut event, Timestamp(6));
        assert_eq!(event.id.seq, 2);
    }
}
