//! Events on their way in.

use serde::Serialize;
use tapir_event::SecurityEvent;

/// Longest document of an event, in bytes. The engine's evidence is at most 16 KiB and 2 KiB of packet.
pub const MAX_EVENT: usize = 1 << 20;

/// Documents as they came: each the JSON of a `SecurityEvent`, with whatever newer versions added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestBatch {
    /// One document each.
    pub documents: Vec<Vec<u8>>,
}

impl IngestBatch {
    /// Of newline-delimited JSON; empty lines are left out.
    pub fn from_lines(lines: &[u8]) -> Self {
        let documents = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        Self { documents: documents.map(<[u8]>::to_vec).collect() }
    }
}

/// What became of a batch. Every document is one of stored, duplicate, rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IngestOutcome {
    /// New events, on disk.
    pub stored: u64,
    /// Events that were there already.
    pub duplicates: u64,
    /// Documents that can never be stored; sending them again is of no use.
    pub rejected: Vec<Rejected>,
}

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Place in the batch, from 0.
    pub index: usize,
    /// Its id, if one could be read.
    pub id: Option<String>,
    /// Reason for people.
    pub why: String,
}

/// Longest name in an event, in bytes. Kubernetes allows 253.
const MAX_NAME: usize = 1024;

/// The event of a document; or its id, if one could be read, and why it can never be stored.
pub(crate) fn read_event(document: &[u8]) -> Result<SecurityEvent, (Option<String>, String)> {
    if document.len() > MAX_EVENT {
        return Err((None, format!("the document has {} bytes, more than {MAX_EVENT}", document.len())));
    }
    let event: SecurityEvent =
        serde_json::from_slice(document).map_err(|error| (None, format!("not an event: {error}")))?;
    let refuse = |why: &str| Err((Some(event.id.to_string()), why.to_owned()));
    if event.id.is_unset() {
        return refuse("it has no identity: `id` is NODE-BOOT-SEQ");
    }
    if names(&event).any(|name| name.len() > MAX_NAME) {
        return refuse("a name in it is longer than 1,024 bytes");
    }
    Ok(event)
}

fn names(event: &SecurityEvent) -> impl Iterator<Item = &str> {
    let sides = event.client.iter().chain(&event.server);
    let pods = sides.flat_map(|side| [&*side.namespace, &*side.pod, &*side.owner_kind, &*side.owner_name]);
    let inspection = event.inspection.iter().flat_map(|inspection| [&*inspection.namespace, &*inspection.name]);
    let rest = [&*event.interface, &*event.protocol, &*event.id.node];
    pods.chain(inspection).chain(rest).chain(event.service.as_deref()).chain(event.suppressed_by.as_deref())
}
