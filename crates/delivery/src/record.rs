//! A record: one event on its way to the sinks, with the id that it keeps for ever.
//!
//! *Invariants*: 1. an [`EventId`] names one payload only: the boot number of a stream is never used twice (see
//! `spool/boot.rs`) and the sequence number only grows within it; 2. an id comes into being when the record is in the
//! spool, so what was refused has none.
//!
//! *Limits*: a payload has [`MAX_PAYLOAD`] bytes at most; a node name is cut to [`MAX_NODE`] bytes.

use std::sync::Arc;
use tapir_event::{EventId, SecurityEvent};

/// The longest payload: 256 KiB. An event has at most 16 KiB of evidence; this is far above it.
pub const MAX_PAYLOAD: usize = 256 * 1024;

/// The longest node name: what DNS allows, which Kubernetes takes over.
pub const MAX_NODE: usize = 253;

/// Whose records they are: the node, and the number of the start of its writer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream {
    /// The node's name.
    pub node: Arc<str>,
    /// Grows with every start of the writer on this node.
    pub boot: u64,
}

impl Stream {
    /// The name of a record of this stream for ever. Sequence numbers are counted by the writer, from 0 in a new spool, and go
    /// on across boots.
    pub fn id(&self, seq: u64) -> EventId {
        EventId { node: Arc::clone(&self.node), boot: self.boot, seq }
    }
}

/// What a producer hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The event's own time, nanoseconds since 1970 in UTC. Packet time, so it may be any.
    pub time_ns: u64,
    /// One JSON document in UTF-8; opaque to the spool.
    pub payload: Vec<u8>,
}

/// What a sink gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The stable id.
    pub id: EventId,
    /// The event's own time, nanoseconds since 1970 in UTC.
    pub time_ns: u64,
    /// When the writer queued it, by the node's clock, nanoseconds since 1970 in UTC. Never used for order.
    pub queued_ns: u64,
    /// As it was handed in, byte for byte. Shared, so that a clone is cheap.
    pub payload: Arc<[u8]>,
}

impl Record {
    /// The event, under the record's id. The error says why the payload is none.
    pub fn event(&self) -> Result<SecurityEvent, String> {
        let mut event: SecurityEvent =
            serde_json::from_slice(&self.payload).map_err(|error| format!("not an event: {error}"))?;
        event.id = self.id.clone();
        Ok(event)
    }

    /// The place in the spool, which is the id's sequence number.
    pub fn seq(&self) -> u64 {
        self.id.seq
    }
}

/// Cuts a node name to what a segment's header has room for.
pub(crate) fn bounded_node(node: &str) -> &str {
    let mut end = node.len().min(MAX_NODE);
    while !node.is_char_boundary(end) {
        end -= 1;
    }
    node.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_node_names_are_cut_between_characters() {
        assert_eq!(bounded_node(&"ä".repeat(200)).len(), 252);
        assert_eq!(bounded_node("short"), "short");
    }
}
