//! [`SecurityEvent`] and its parts.
//!
//! *Limits*: evidence is cut to 4 KiB per buffer and 16 KiB per event by the engine.

use std::net::IpAddr;
use std::sync::Arc;
use tapir_packet::Timestamp;

/// What the event says about its rule. Shared by all events of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSummary {
    /// Generator.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// Message without quotes; `None` if the rule has none.
    pub msg: Option<String>,
    /// Class name, e.g. `trojan-activity`.
    pub classtype: Option<String>,
    /// Long class text, e.g. `A Network Trojan was detected`.
    pub class: Option<String>,
    /// 1 is the most severe; 0 = none given.
    pub priority: u32,
    /// Scheme, id and URL if the scheme has one.
    pub references: Vec<(String, String, Option<String>)>,
    /// Key and value, in order.
    pub metadata: Vec<(String, String)>,
    /// The rule's own action word.
    pub action: String,
    /// Canonical text.
    pub text: String,
    /// `file:line`.
    pub place: String,
    /// `target`: the victim is the source (true) or the destination (false).
    pub target_is_source: Option<bool>,
}

/// Which bytes an event was raised on (`pkt_gen`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// A wire packet.
    Raw,
    /// Reassembled TCP data.
    StreamTcp,
    /// A defragmented datagram.
    StreamIp,
    /// DCE/RPC fragments put together.
    DceDefrag,
    /// DCE/RPC segments put together.
    DceDeseg,
    /// An SMB transaction put together.
    SmbTransaction,
}

impl Generator {
    /// Snort 3's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::StreamTcp => "stream_tcp",
            Self::StreamIp => "stream_ip",
            Self::DceDefrag => "dce2_rpc_defrag",
            Self::DceDeseg => "dce2_rpc_deseg",
            Self::SmbTransaction => "dce2_smb_transact",
        }
    }
}

/// Roles of the sender of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowDirection {
    /// Client to server.
    ToServer,
    /// Server to client.
    ToClient,
}

/// An address with its port, if the transport has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: Option<u16>,
}

/// Header fields of the packet; absent on rebuilt TCP data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireHeaders {
    /// Ethernet source, destination, type.
    pub ethernet: Option<([u8; 6], [u8; 6], u16)>,
    /// VLAN id, 0 = none.
    pub vlan: u16,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// TOS or traffic class.
    pub tos: Option<u8>,
    /// IP identification.
    pub ip_id: Option<u32>,
    /// IP payload length in bytes.
    pub ip_len: Option<u32>,
    /// seq, ack, window, header length, flags byte.
    pub tcp: Option<(u32, u32, u16, u8, u8)>,
    /// type, code, id, seq.
    pub icmp: Option<(u8, u8, Option<u16>, Option<u16>)>,
    /// UDP length field.
    pub udp_len: Option<u16>,
}

/// What is known of the flow when the event is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSummary {
    /// Stable number, unique within a run; at most 53 bits.
    pub id: u64,
    /// First packet.
    pub start: Timestamp,
    /// Who opened it.
    pub client: Endpoint,
    /// The other side.
    pub server: Endpoint,
    /// Packets by client and by server.
    pub packets: [u64; 2],
    /// Frame bytes by client and by server.
    pub bytes: [u64; 2],
}

/// One matched buffer, perhaps cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceBuffer {
    /// Buffer name, e.g. `http_uri`.
    pub name: &'static str,
    /// Offset in the whole buffer of the first byte kept.
    pub offset: u32,
    /// The bytes kept.
    pub bytes: Vec<u8>,
    /// Length of the whole buffer.
    pub original_len: u32,
}

/// Where an option matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceHit {
    /// Index of the option within the rule's options.
    pub option: u16,
    /// Its canonical text.
    pub text: String,
    /// Buffer name.
    pub buffer: &'static str,
    /// First byte.
    pub offset: u32,
    /// Length.
    pub len: u32,
}

/// The bytes behind an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Buffers in which options matched.
    pub buffers: Vec<EvidenceBuffer>,
    /// The matches.
    pub hits: Vec<EvidenceHit>,
    /// The unit's payload, cut.
    pub payload: Vec<u8>,
    /// Whole length of the payload.
    pub payload_len: u32,
}

/// A security event.
#[derive(Clone, Debug)]
pub struct SecurityEvent {
    /// Packet time; of rebuilt data the time of its first segment.
    pub time: Timestamp,
    /// Number of the wire packet, from 1; of rebuilt data the packet that caused the flush.
    pub packet_number: u64,
    /// The rule.
    pub rule: Arc<RuleSummary>,
    /// `TCP`, `UDP`, `ICMP`, `IP` or a layer's name.
    pub protocol: &'static str,
    /// IP protocol number.
    pub protocol_number: Option<u8>,
    /// On which bytes.
    pub generator: Generator,
    /// Roles, if the packet belongs to a flow.
    pub direction: Option<FlowDirection>,
    /// Source in the direction of the data.
    pub source: Option<Endpoint>,
    /// Destination.
    pub destination: Option<Endpoint>,
    /// Service known at that time.
    pub service: Option<&'static str>,
    /// Length of the datagram, or of the rebuilt data.
    pub packet_len: u32,
    /// Headers of a wire packet.
    pub wire: WireHeaders,
    /// Flow.
    pub flow: Option<FlowSummary>,
    /// Interface or capture file.
    pub interface: Arc<str>,
    /// On request.
    pub evidence: Option<Evidence>,
    /// Identity of the rule set.
    pub rule_set: u64,
}
