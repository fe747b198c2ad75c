//! [`SecurityEvent`]: what a detection tells the world, owned, bounded, and able to travel as JSON.
//!
//! Its JSON is the form on the spool, at the manager's door and in the format `tapir`. Fields may be added, and words in them;
//! readers ignore fields they do not know, and take defaults for those that are missing or hold what they do not understand. Only id, time
//! and rule must be as they are here (`lenient.rs`).

use crate::lenient::{self, Lenient, structure};
use crate::{EventId, Evidence, RuleSummary, Session, Workload, time, wire};
use serde::de::MapAccess;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tapir_packet::Timestamp;

/// Which bytes an event was raised on (`pkt_gen`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Generator {
    /// A wire packet.
    #[default]
    #[serde(rename = "raw")]
    Raw,
    /// Reassembled TCP data.
    #[serde(rename = "stream_tcp")]
    StreamTcp,
    /// A defragmented datagram.
    #[serde(rename = "stream_ip")]
    StreamIp,
    /// DCE/RPC fragments put together.
    #[serde(rename = "dce2_rpc_defrag")]
    DceDefrag,
    /// DCE/RPC segments put together.
    #[serde(rename = "dce2_rpc_deseg")]
    DceDeseg,
    /// An SMB transaction put together.
    #[serde(rename = "dce2_smb_transact")]
    SmbTransaction,
    /// Something that a newer version names, and this one does not know.
    #[serde(rename = "other")]
    Other,
}

impl Generator {
    /// Snort 3's word; `other` for what is not known.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::StreamTcp => "stream_tcp",
            Self::StreamIp => "stream_ip",
            Self::DceDefrag => "dce2_rpc_defrag",
            Self::DceDeseg => "dce2_rpc_deseg",
            Self::SmbTransaction => "dce2_smb_transact",
            Self::Other => "other",
        }
    }
}

impl Lenient for Generator {
    fn text(value: &str) -> Option<Self> {
        let known = [Self::Raw, Self::StreamTcp, Self::StreamIp, Self::DceDefrag, Self::DceDeseg, Self::SmbTransaction];
        Some(known.into_iter().find(|one| one.name() == value).unwrap_or(Self::Other))
    }
}

/// Roles of the sender of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowDirection {
    /// Client to server.
    ToServer,
    /// Server to client.
    ToClient,
}

impl FlowDirection {
    /// `to_server` or `to_client`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ToServer => "to_server",
            Self::ToClient => "to_client",
        }
    }
}

/// Another word is no direction.
impl Lenient for FlowDirection {
    fn text(value: &str) -> Option<Self> {
        [Self::ToServer, Self::ToClient].into_iter().find(|one| one.name() == value)
    }
}

/// Which way a conversation crosses the border of the cluster, as far as names are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// From outside to a workload.
    Inbound,
    /// From a workload to outside.
    Outbound,
    /// Between workloads.
    EastWest,
}

/// An address with its port, if the transport has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Address.
    #[serde(rename = "ip")]
    pub address: IpAddr,
    /// Port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Without an address it is none.
impl Lenient for Endpoint {
    fn map<'de, A: MapAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Written {
            #[serde(deserialize_with = "lenient::field")]
            ip: Option<IpAddr>,
            #[serde(deserialize_with = "lenient::field")]
            port: Option<u16>,
        }
        let written: Option<Written> = structure(members)?;
        Ok(written.and_then(|written| Some(Self { address: written.ip?, port: written.port })))
    }
}

/// Header fields of the packet; absent on rebuilt TCP data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WireHeaders {
    /// Ethernet source, destination, type.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub ethernet: Option<([u8; 6], [u8; 6], u16)>,
    /// VLAN id, 0 = none.
    #[serde(deserialize_with = "lenient::field")]
    pub vlan: u16,
    /// TTL or hop limit.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub ttl: Option<u8>,
    /// TOS or traffic class.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub tos: Option<u8>,
    /// IP identification.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub ip_id: Option<u32>,
    /// IP payload length in bytes.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub ip_len: Option<u32>,
    /// seq, ack, window, header length, flags byte.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub tcp: Option<(u32, u32, u16, u8, u8)>,
    /// type, code, id, seq.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub icmp: Option<(u8, u8, Option<u16>, Option<u16>)>,
    /// UDP length field.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub udp_len: Option<u16>,
}

impl WireHeaders {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known of the flow when the event is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FlowSummary {
    /// Stable number, unique within a run; at most 53 bits.
    pub id: u64,
    /// First packet.
    #[serde(serialize_with = "time::json::serialize")]
    pub start: Timestamp,
    /// Who opened it.
    pub client: Endpoint,
    /// The other side.
    pub server: Endpoint,
    /// Packets by client and by server.
    pub packets: [u64; 2],
    /// Frame bytes by client and by server.
    pub bytes: [u64; 2],
    /// Bytes of the stream that were never seen, by client and by server.
    pub missing: [u64; 2],
    /// Picked up in the middle: its beginning was not seen.
    pub midstream: bool,
}

/// Without both sides it is none.
impl Lenient for FlowSummary {
    fn map<'de, A: MapAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Written {
            #[serde(deserialize_with = "lenient::field")]
            id: u64,
            #[serde(deserialize_with = "time::json::lenient")]
            start: Timestamp,
            #[serde(deserialize_with = "lenient::field")]
            client: Option<Endpoint>,
            #[serde(deserialize_with = "lenient::field")]
            server: Option<Endpoint>,
            #[serde(deserialize_with = "lenient::field")]
            packets: [u64; 2],
            #[serde(deserialize_with = "lenient::field")]
            bytes: [u64; 2],
            #[serde(deserialize_with = "lenient::field")]
            missing: [u64; 2],
            #[serde(deserialize_with = "lenient::field")]
            midstream: bool,
        }
        let written: Option<Written> = structure(members)?;
        Ok(written.and_then(|written| {
            let Written { id, start, client, server, packets, bytes, missing, midstream } = written;
            Some(Self { id, start, client: client?, server: server?, packets, bytes, missing, midstream })
        }))
    }
}

/// The resource that asked for the inspection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Inspection {
    /// Its namespace; empty: it is the whole cluster's.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Without a name it is none.
impl Lenient for Inspection {
    fn map<'de, A: MapAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Written {
            #[serde(deserialize_with = "lenient::field")]
            namespace: String,
            #[serde(deserialize_with = "lenient::field")]
            name: Option<String>,
        }
        let written: Option<Written> = structure(members)?;
        Ok(written.and_then(|written| Some(Self { namespace: written.namespace, name: written.name? })))
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => f.write_str(&self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

/// A security event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityEvent {
    /// Identity; unset until a [`crate::Sequencer`] or a spool has given it.
    #[serde(skip_serializing_if = "EventId::is_unset")]
    pub id: EventId,
    /// Packet time; of rebuilt data the time of its first segment.
    #[serde(with = "time::json")]
    pub time: Timestamp,
    /// Wall clock of the node when the event was stamped.
    #[serde(serialize_with = "time::json::serialize", deserialize_with = "time::json::lenient")]
    pub observed: Timestamp,
    /// Number of the wire packet, from 1; of rebuilt data the packet that caused the flush.
    #[serde(deserialize_with = "lenient::field")]
    pub packet_number: u64,
    /// The rule.
    pub rule: Arc<RuleSummary>,
    /// `TCP`, `UDP`, `ICMP`, `IP` or a layer's name.
    #[serde(deserialize_with = "lenient::field")]
    pub protocol: Cow<'static, str>,
    /// IP protocol number.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub protocol_number: Option<u8>,
    /// On which bytes.
    #[serde(deserialize_with = "lenient::field")]
    pub generator: Generator,
    /// Roles, if the packet belongs to a flow.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub direction: Option<FlowDirection>,
    /// Source in the direction of the data.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub source: Option<Endpoint>,
    /// Destination.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub destination: Option<Endpoint>,
    /// Workload of the flow's client (of the source, without a flow).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub client: Option<Workload>,
    /// Workload of the flow's server (of the destination, without a flow).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub server: Option<Workload>,
    /// The resource that asked for the inspection.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub inspection: Option<Inspection>,
    /// Service known at that time.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub service: Option<Cow<'static, str>>,
    /// Length of the datagram, or of the rebuilt data.
    #[serde(deserialize_with = "lenient::field")]
    pub packet_len: u32,
    /// The packet was cut by the capture's length limit.
    #[serde(deserialize_with = "lenient::field")]
    pub truncated: bool,
    /// Headers of a wire packet.
    #[serde(skip_serializing_if = "WireHeaders::is_empty", deserialize_with = "lenient::field")]
    pub wire: WireHeaders,
    /// Flow.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub flow: Option<FlowSummary>,
    /// Interface or capture file.
    #[serde(deserialize_with = "lenient::field")]
    pub interface: Arc<str>,
    /// What the conversation was about.
    #[serde(skip_serializing_if = "Session::is_empty", deserialize_with = "lenient::field")]
    pub session: Session,
    /// On request.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub evidence: Option<Evidence>,
    /// Identity of the rule set.
    #[serde(serialize_with = "wire::hex64::serialize", deserialize_with = "wire::hex64::lenient")]
    pub rule_set: u64,
    /// The suppression that hides it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub suppressed_by: Option<String>,
}

impl SecurityEvent {
    /// Client and server by the flow's roles; source and destination without a flow.
    pub fn parties(&self) -> (Option<Endpoint>, Option<Endpoint>) {
        match &self.flow {
            Some(flow) => (Some(flow.client), Some(flow.server)),
            None => (self.source, self.destination),
        }
    }

    /// Workloads of source and destination.
    pub fn source_and_destination(&self) -> (Option<&Workload>, Option<&Workload>) {
        match self.direction {
            Some(FlowDirection::ToClient) => (self.server.as_ref(), self.client.as_ref()),
            _ => (self.client.as_ref(), self.server.as_ref()),
        }
    }

    /// Which way the conversation crosses the cluster's border; `None` if neither side has a name.
    pub fn orientation(&self) -> Option<Orientation> {
        match (&self.client, &self.server) {
            (Some(_), Some(_)) => Some(Orientation::EastWest),
            (None, Some(_)) => Some(Orientation::Inbound),
            (Some(_), None) => Some(Orientation::Outbound),
            (None, None) => None,
        }
    }

    /// Why not all of the conversation was visible; empty if it was.
    pub fn blind_spots(&self) -> Vec<&'static str> {
        let flow = self.flow.as_ref();
        [
            (flow.is_some_and(|flow| flow.midstream), "midstream"),
            (flow.is_some_and(|flow| flow.missing.iter().any(|&bytes| bytes > 0)), "gap"),
            (self.truncated, "truncated"),
            (matches!(self.service.as_deref(), Some("ssl" | "ssh" | "quic")), "encrypted"),
        ]
        .into_iter()
        .filter_map(|(is, word)| is.then_some(word))
        .collect()
    }

    /// `full` or `partial`.
    pub fn visibility(&self) -> &'static str {
        if self.blind_spots().is_empty() { "full" } else { "partial" }
    }

    /// One sentence: who did what to whom.
    pub fn sentence(&self) -> String {
        let (client, server) = self.parties();
        let name = |workload: &Option<Workload>, end: Option<Endpoint>| match (workload, end) {
            (Some(workload), _) => workload.display(),
            (None, Some(end)) => end.address.to_string(),
            (None, None) => "?".to_owned(),
        };
        format!("{} -> {}: {}", name(&self.client, client), name(&self.server, server), self.rule.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn an_event_survives_the_journey_as_json() {
        let event = testing::event();
        let json = serde_json::to_string(&event).expect("json");
        assert_eq!(serde_json::from_str::<SecurityEvent>(&json).expect("event"), event);
    }

    #[test]
    fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
        let event: SecurityEvent =
            serde_json::from_str(r#"{"id":"n-1-2","rule":{"sid":7,"colour":"red"},"from_the_future":{"a":[1]}}"#)
                .expect("event");
        assert_eq!((event.id.seq, event.rule.sid), (2, 7));
    }

    #[test]
    fn blind_spots_are_named() {
        let mut event = testing::event();
        assert_eq!(event.visibility(), "full");
        event.service = Some("ssl".into());
        event.truncated = true;
        if let Some(flow) = &mut event.flow {
            flow.missing = [0, 1];
        }
        assert_eq!(event.blind_spots(), ["gap", "truncated", "encrypted"]);
        assert_eq!(event.visibility(), "partial");
    }

    #[test]
    fn the_sentence_names_workloads_before_addresses() {
        assert_eq!(testing::event().sentence(), "10.1.2.3 -> shop/frontend: uri \"test\", with comma");
    }
}
