//! Single events: rows of lists, and whole documents.

use crate::{Cursor, GroupId, Partial, Party, Status, Total, moment};
use serde::Serialize;
use std::net::IpAddr;
use tapir_event::EventId;
use tapir_packet::Timestamp;

/// An event in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRow {
    /// Identity.
    pub id: EventId,
    /// Its group.
    pub group: GroupId,
    /// Packet time.
    #[serde(with = "moment")]
    pub time: Timestamp,
    /// Clock of the node.
    #[serde(with = "moment")]
    pub observed: Timestamp,
    /// Generator of the rule.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// Message.
    pub msg: String,
    /// 0–100.
    pub severity: u8,
    /// Its word.
    pub level: &'static str,
    /// Who opened the conversation.
    pub client: Party,
    /// The other side.
    pub server: Party,
    /// Pod of the client.
    pub client_pod: Option<String>,
    /// Pod of the server.
    pub server_pod: Option<String>,
    /// Address of the client.
    pub client_ip: Option<IpAddr>,
    /// Address of the server.
    pub server_ip: Option<IpAddr>,
    /// Port of the client.
    pub client_port: Option<u16>,
    /// Port of the server.
    pub server_port: Option<u16>,
    /// `to_server`, `to_client`.
    pub direction: Option<&'static str>,
    /// Transport, lower case.
    pub protocol: String,
    /// Service.
    pub service: Option<String>,
    /// `namespace/name`.
    pub inspection: Option<String>,
    /// Payload shape, 16 hexadecimal digits.
    pub shape: Option<String>,
    /// Not all of the conversation was visible.
    pub partial: bool,
    /// Suppression that hides it.
    pub suppressed_by: Option<String>,
    /// State of its group.
    pub status: Status,
}

/// A page of events, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventPage {
    /// Rows.
    pub items: Vec<EventRow>,
    /// The next page, or where a partial search goes on; `None` at the end.
    pub next: Option<Cursor>,
    /// The whole list, if asked for.
    pub total: Option<Total>,
    /// Not everything was looked at.
    pub partial: Option<Partial>,
    /// When.
    #[serde(with = "moment")]
    pub as_of: Timestamp,
}

/// A whole event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Row.
    #[serde(flatten)]
    pub row: EventRow,
    /// When the store received it.
    #[serde(with = "moment")]
    pub received: Timestamp,
    /// The document as it came, byte for byte.
    #[serde(skip)]
    pub document: Vec<u8>,
}
