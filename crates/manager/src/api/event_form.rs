//! Events as lists of the API show them.

use serde::Serialize;
use std::net::IpAddr;
use tapir_event::{Level, rfc3339};
use tapir_store as store;
use utoipa::ToSchema;

/// One side of a conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PartyLite {
    /// `shop/frontend`, a network, an address.
    display: String,
    /// As in scopes of suppressions.
    key: String,
    /// Of a workload.
    namespace: Option<String>,
    /// Of a workload.
    pod: Option<String>,
}

/// An address with its port.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Socket {
    /// Address.
    ip: Option<String>,
    /// Port.
    port: Option<u16>,
}

/// An event in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EventRow {
    /// `node-boot-sequence`
    id: String,
    /// Packet time, RFC 3339.
    time: String,
    /// Its group.
    group: String,
    /// Generator of the rule.
    gid: u32,
    /// Signature.
    sid: u32,
    /// Revision.
    rev: u32,
    /// The rule's message.
    msg: String,
    /// Word of the severity.
    level: &'static str,
    /// 0–100.
    severity: u8,
    /// Who opened the conversation.
    client: PartyLite,
    /// The other side.
    server: PartyLite,
    /// Sender of the data.
    source: Socket,
    /// Receiver of the data.
    destination: Socket,
    /// What is spoken.
    service: Option<String>,
    /// `to_server` or `to_client`.
    direction: Option<&'static str>,
    /// `namespace/name` of the inspection.
    inspection: Option<String>,
    /// Payload shape.
    shape: Option<String>,
    /// State of its group.
    status: &'static str,
    /// The suppression that hides it.
    suppressed_by: Option<String>,
}

impl EventRow {
    pub(super) fn new(row: store::EventRow) -> Self {
        let socket = |ip: Option<IpAddr>, port| Socket { ip: ip.map(|ip| ip.to_string()), port };
        let client = socket(row.client_ip, row.client_port);
        let server = socket(row.server_ip, row.server_port);
        let (source, destination) =
            if row.direction == Some("to_client") { (server, client) } else { (client, server) };
        let party = |party: store::Party, pod| PartyLite {
            display: party.display,
            key: party.key,
            namespace: (!party.namespace.is_empty()).then_some(party.namespace),
            pod,
        };
        Self {
            id: row.id.to_string(),
            time: rfc3339(row.time),
            group: row.group.to_string(),
            gid: row.gid,
            sid: row.sid,
            rev: row.rev,
            msg: row.msg,
            level: Level::of(row.severity).name(),
            severity: row.severity,
            client: party(row.client, row.client_pod),
            server: party(row.server, row.server_pod),
            source,
            destination,
            service: row.service,
            direction: row.direction,
            inspection: row.inspection,
            shape: row.shape,
            status: row.status.name(),
            suppressed_by: row.suppressed_by,
        }
    }
}

/// A page of events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EventPage {
    /// Newest first.
    pub items: Vec<EventRow>,
    /// Cursor of the next page; `null` at the end.
    pub next: Option<String>,
    /// Not everything was looked at: go on with `next`, or narrow the query.
    pub partial: bool,
}

impl EventPage {
    pub(super) fn new(page: store::EventPage, filter: &store::Filter) -> Self {
        Self {
            partial: page.partial.is_some(),
            next: super::filter::wrap(page.next, filter),
            items: page.items.into_iter().map(EventRow::new).collect(),
        }
    }
}
