//! Events on their way in.

use serde::Serialize;

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
