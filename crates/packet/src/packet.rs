//! A decoded frame: its layers as checked views over borrowed bytes.

use crate::{DecodeEvents, Frame};
use std::net::IpAddr;

/// IP layers that are decoded at most (tunnels).
pub const MAX_IP_LAYERS: usize = 4;

/// Position of a datagram part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Offset in bytes (field × 8).
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
    /// IPv4 DF.
    pub dont: bool,
    /// IPv4 reserved bit.
    pub reserved: bool,
}

impl Fragment {
    /// Whether the layer is a part of a datagram (and so has no usable transport header).
    #[inline]
    pub fn is_fragment(self) -> bool {
        self.more || self.offset != 0
    }
}

/// One IP header with its extension headers.
#[derive(Clone, Copy, Debug)]
pub struct IpLayer<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Upper protocol, after extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// IPv4 identification; of a fragmented IPv6 datagram the low 32 bits of its fragment header.
    pub id: u32,
    /// Fragmentation.
    pub fragment: Fragment,
    /// Header bytes, options and extension headers included.
    pub header: &'a [u8],
    /// IPv4 options (empty for IPv6).
    pub options: &'a [u8],
    /// What follows, cut to the datagram's length.
    pub payload: &'a [u8],
}

impl IpLayer<'_> {
    /// IPv4?
    #[inline]
    pub fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }
}

/// A TCP header.
#[derive(Clone, Copy, Debug)]
pub struct TcpHeader<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags: the 8 bits CWR ECE URG ACK PSH RST SYN FIN (FIN = 1).
    pub flags: u8,
    /// Window as in the header.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options.
    pub options: &'a [u8],
    /// Header length in bytes.
    pub header_len: u8,
}

#[allow(missing_docs, reason = "flag names")]
impl TcpHeader<'_> {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
    pub const ECE: u8 = 0x40;
    pub const CWR: u8 = 0x80;

    /// Whether all bits of `flags` are set.
    #[inline]
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

/// An ICMP or ICMPv6 header.
#[derive(Clone, Copy, Debug)]
pub struct IcmpHeader {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Identifier, of echo messages only.
    pub id: Option<u16>,
    /// Sequence number, of echo messages only.
    pub seq: Option<u16>,
    /// ICMPv6.
    pub v6: bool,
}

/// The innermost transport header.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "protocol names")]
pub enum Transport<'a> {
    /// None: other protocol, fragment, truncated or not IP.
    None,
    Tcp(TcpHeader<'a>),
    Udp {
        source_port: u16,
        destination_port: u16,
        length: u16,
    },
    Icmp(IcmpHeader),
    Sctp {
        source_port: u16,
        destination_port: u16,
    },
}

/// A decoded frame. Cheap to build; borrows the frame.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// The frame.
    pub frame: Frame<'a>,
    /// Ethernet source, destination and type, if the link layer is Ethernet.
    pub ethernet: Option<([u8; 6], [u8; 6], u16)>,
    /// VLAN ids, outermost first, 0 = none (id 0 tags are kept as `Some(0)`).
    pub vlan: [Option<u16>; 2],
    /// IP layers, outermost first.
    pub ip: [Option<IpLayer<'a>>; MAX_IP_LAYERS],
    /// Number of IP layers.
    pub ip_layers: usize,
    /// Innermost transport header.
    pub transport: Transport<'a>,
    /// Transport payload; for packets without a known transport the innermost IP payload; else empty.
    pub payload: &'a [u8],
    /// Put together from fragments.
    pub defragmented: bool,
    /// Decode events, in order.
    pub events: DecodeEvents,
    /// A decode error that stops inspection (truncated or impossible header): no rules, no flow.
    pub broken: bool,
}

impl<'a> Packet<'a> {
    /// A packet of which nothing is decoded yet; see [`crate::decode_into`].
    #[inline]
    pub fn new(frame: &Frame<'a>) -> Self {
        Self {
            frame: *frame,
            ethernet: None,
            vlan: [None; 2],
            ip: [None; MAX_IP_LAYERS],
            ip_layers: 0,
            transport: Transport::None,
            payload: &[],
            defragmented: false,
            events: DecodeEvents::default(),
            broken: false,
        }
    }

    /// The innermost IP layer.
    #[inline]
    pub fn inner_ip(&self) -> Option<&IpLayer<'a>> {
        self.ip.get(self.ip_layers.checked_sub(1)?)?.as_ref()
    }

    /// The innermost IP layer, while it is being decoded.
    #[inline]
    pub(crate) fn inner_ip_mut(&mut self) -> Option<&mut IpLayer<'a>> {
        self.ip.get_mut(self.ip_layers.checked_sub(1)?)?.as_mut()
    }

    /// The TCP header, if TCP.
    #[inline]
    pub fn tcp(&self) -> Option<&TcpHeader<'a>> {
        match &self.transport {
            Transport::Tcp(header) => Some(header),
            _ => None,
        }
    }

    /// Source and destination port, if the transport has them.
    #[inline]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match &self.transport {
            Transport::Tcp(header) => Some((header.source_port, header.destination_port)),
            Transport::Udp { source_port, destination_port, .. }
            | Transport::Sctp { source_port, destination_port } => Some((*source_port, *destination_port)),
            _ => None,
        }
    }
}
