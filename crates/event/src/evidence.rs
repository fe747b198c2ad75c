//! The bytes behind an event: which matched, where, and what stood around them.
//!
//! *Limits*: the engine cuts to 4 KiB per buffer, 16 KiB per event and 2 KiB of packet; an agent adds packets of the conversation as
//! far as the resource that asked for them allows.

use crate::wire::base64;
use crate::{lenient, time};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tapir_packet::Timestamp;

/// One matched buffer, perhaps cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceBuffer {
    /// Buffer name, e.g. `http_uri`.
    #[serde(deserialize_with = "lenient::field")]
    pub name: Cow<'static, str>,
    /// Offset in the whole buffer of the first byte kept.
    #[serde(deserialize_with = "lenient::field")]
    pub offset: u32,
    /// The bytes kept.
    #[serde(rename = "b64", serialize_with = "base64::serialize", deserialize_with = "base64::lenient")]
    pub bytes: Vec<u8>,
    /// Length of the whole buffer.
    #[serde(rename = "length", deserialize_with = "lenient::field")]
    pub original_len: u32,
}

/// Where an option matched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceHit {
    /// Index of the option within the rule's options.
    #[serde(deserialize_with = "lenient::field")]
    pub option: u16,
    /// Its canonical text.
    #[serde(deserialize_with = "lenient::field")]
    pub text: String,
    /// Buffer name.
    #[serde(deserialize_with = "lenient::field")]
    pub buffer: Cow<'static, str>,
    /// First byte.
    #[serde(deserialize_with = "lenient::field")]
    pub offset: u32,
    /// Length.
    #[serde(rename = "length", deserialize_with = "lenient::field")]
    pub len: u32,
}

/// A packet of the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidencePacket {
    /// When it was captured.
    #[serde(serialize_with = "time::json::serialize", deserialize_with = "time::json::lenient")]
    pub time: Timestamp,
    /// Its bytes from the link layer on, perhaps cut.
    #[serde(rename = "b64", serialize_with = "base64::serialize", deserialize_with = "base64::lenient")]
    pub bytes: Vec<u8>,
    /// Length on the wire.
    #[serde(rename = "length", deserialize_with = "lenient::field")]
    pub original_len: u32,
}

/// The bytes behind an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Buffers in which options matched.
    #[serde(deserialize_with = "lenient::field")]
    pub buffers: Vec<EvidenceBuffer>,
    /// The matches.
    #[serde(rename = "matches", deserialize_with = "lenient::field")]
    pub hits: Vec<EvidenceHit>,
    /// The unit's payload, cut.
    #[serde(rename = "payload_b64", serialize_with = "base64::serialize", deserialize_with = "base64::lenient")]
    pub payload: Vec<u8>,
    /// Whole length of the payload.
    #[serde(rename = "payload_length", deserialize_with = "lenient::field")]
    pub payload_len: u32,
    /// The wire packet, cut; empty for rebuilt data.
    #[serde(
        rename = "packet_b64",
        serialize_with = "base64::serialize",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "base64::lenient"
    )]
    pub packet: Vec<u8>,
    /// Link type of the packet and of all packets (pcap's numbers).
    #[serde(rename = "packet_linktype", deserialize_with = "lenient::field")]
    pub link_type: u16,
    /// Packets of the conversation up to the one that raised the event, the oldest first; if they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::field")]
    pub packets: Vec<EvidencePacket>,
}
