//! From a frame to its layers: one walk over the headers, outermost first.
//!
//! *How it fits*: `flow` and `engine` call [`decode`] per frame and [`decode_ip`] per datagram that
//! was put together from fragments.
//! *Invariants*: 1. no input panics or loops; 2. nothing is allocated; 3. every slice of the result
//! lies within the frame; 4. what cannot be decoded leaves the last good outer packet in place.
//! *Limits*: [`MAX_LAYERS`] headers and [`MAX_IP_LAYERS`] IP headers (event 116:472, counted by
//! [`crate::count`]).
//! *Spec*: the RFCs named in each file; order and conditions of events as Snort 3 raises them.

mod ethernet;
mod extension;
mod icmp;
mod icmpv6;
mod ipv4;
mod ipv6;
mod link;
mod quoted;
mod tcp;
mod tunnel;
mod udp;

use crate::{DecodeEvent, Frame, IpLayer, LinkType, MAX_IP_LAYERS, Packet, Transport};
use extension::Chain;

/// Headers of all kinds that are followed at most.
pub const MAX_LAYERS: usize = 40;

/// Decodes a frame.
#[inline]
pub fn decode<'a>(frame: &Frame<'a>) -> Packet<'a> {
    let mut packet = Packet::empty(frame);
    if let Some(tag) = frame.meta.vlan {
        packet.vlan = [Some(tag.tci & ethernet::VLAN_ID), None];
    }
    let start = match frame.link {
        LinkType::ETHERNET => Some((Header::Ethernet, frame.data)),
        _ => link::start(frame),
    };
    if let Some((header, data)) = start {
        Walk::new(&mut packet).run(header, data);
    }
    packet
}

/// Decodes a datagram that was put together from fragments, the last of which came in `frame`.
///
/// Link layer and outer IP layers are those of `frame`; its innermost IP layer, if a fragment, gives
/// way to the datagram. Events are those of the datagram alone.
pub fn decode_ip<'a>(frame: &Frame<'a>, datagram: &'a [u8]) -> Packet<'a> {
    let outer = decode(frame);
    let keep = match outer.inner_ip() {
        Some(ip) if ip.fragment.is_fragment() => outer.ip_layers.saturating_sub(1),
        _ => 0,
    };
    let mut packet = Packet::empty(frame);
    (packet.ethernet, packet.vlan, packet.defragmented) = (outer.ethernet, outer.vlan, true);
    for (slot, layer) in packet.ip.iter_mut().zip(outer.ip).take(keep) {
        *slot = layer;
        packet.ip_layers += 1;
    }
    match link::ip_version(datagram) {
        Some(header) => Walk::new(&mut packet).run(header, datagram),
        None => packet.broken = true,
    }
    packet
}

/// Decodes arbitrary bytes under every link type; for fuzzing.
#[doc(hidden)]
pub fn fuzz_decode(data: &[u8]) {
    for &link in LinkType::DECODED {
        let frame = Frame { data, timestamp: Default::default(), link, original_len: 0, meta: Default::default() };
        let packet = decode(&frame);
        assert!(packet.ip_layers <= MAX_IP_LAYERS);
        assert!(packet.payload.len() <= data.len());
        assert_eq!(packet.ip.iter().flatten().count(), packet.ip_layers);
        let _ = crate::checksums(&packet);
        let again = decode_ip(&frame, data);
        assert!(again.defragmented);
    }
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Ethernet,
    /// Ethernet behind GRE or ERSPAN.
    Bridged,
    EtherType(u16),
    Llc,
    Ppp,
    Ipv4,
    Ipv6,
    /// By IP protocol number.
    Protocol(u8),
    Teredo,
    Vxlan,
    Geneve,
    Gtp,
    Erspan2,
    Erspan3,
}

/// What a header leads to.
enum Step<'a> {
    /// Another header.
    Next(Header, &'a [u8]),
    /// Nothing more to decode; these bytes are the payload.
    Done(&'a [u8]),
    /// The header is unusable.
    Bad,
}

/// The last state in which the packet was complete: at the entrance of a tunnel.
#[derive(Clone, Copy)]
struct Outer<'a> {
    ip_layers: usize,
    transport: Transport<'a>,
    payload: &'a [u8],
}

/// State of the walk over one packet.
struct Walk<'a, 'p> {
    packet: &'p mut Packet<'a>,
    outer: Option<Outer<'a>>,
    /// The header was only guessed (Teredo, GTP): its failure is no anomaly.
    unsure: bool,
    teredo: bool,
    gtp: bool,
    options: ipv4::OptionsSeen,
    chain: Chain,
}

impl<'a, 'p> Walk<'a, 'p> {
    #[inline]
    fn new(packet: &'p mut Packet<'a>) -> Self {
        Self {
            packet,
            outer: None,
            unsure: false,
            teredo: false,
            gtp: false,
            options: ipv4::OptionsSeen::default(),
            chain: Chain::default(),
        }
    }

    #[inline]
    fn run(&mut self, mut header: Header, mut data: &'a [u8]) {
        for _ in 0..MAX_LAYERS {
            match self.step(header, data) {
                Step::Next(next, rest) => (header, data) = (next, rest),
                Step::Done(payload) => return self.finish(payload),
                Step::Bad => return self.fail(),
            }
        }
        self.event(DecodeEvent::TOO_MANY_LAYERS);
        self.finish(data);
    }

    #[inline]
    fn step(&mut self, header: Header, data: &'a [u8]) -> Step<'a> {
        match header {
            Header::Ethernet => self.ethernet(data),
            Header::EtherType(kind) => self.ether_type(kind, data),
            Header::Ipv4 => self.ipv4(data),
            Header::Protocol(protocol) => self.protocol(protocol, data),
            Header::Ipv6 => self.ipv6(data),
            other => self.rare(other, data),
        }
    }

    /// Headers off the hot path.
    #[cold]
    fn rare(&mut self, header: Header, data: &'a [u8]) -> Step<'a> {
        match header {
            Header::Bridged => self.bridged(data),
            Header::Llc => self.llc(data),
            Header::Ppp => self.ppp(data),
            Header::Teredo => self.teredo(data),
            Header::Vxlan => self.vxlan(data),
            Header::Geneve => self.geneve(data),
            Header::Gtp => self.gtp(data),
            Header::Erspan2 => self.erspan2(data),
            Header::Erspan3 => self.erspan3(data),
            Header::Ethernet | Header::EtherType(_) | Header::Ipv4 | Header::Ipv6 | Header::Protocol(_) => {
                Step::Done(data)
            }
        }
    }

    /// Dispatches on the protocol number of an IP header.
    #[inline]
    fn protocol(&mut self, protocol: u8, data: &'a [u8]) -> Step<'a> {
        match protocol {
            6 => self.tcp(data),
            17 => self.udp(data),
            1 => self.icmp(data),
            58 => self.icmpv6(data),
            _ => self.rare_protocol(protocol, data),
        }
    }

    #[cold]
    fn rare_protocol(&mut self, protocol: u8, data: &'a [u8]) -> Step<'a> {
        match protocol {
            2 => {
                self.igmp(data);
                Step::Done(data)
            }
            4 => self.enter(Header::Ipv4, data, data),
            41 => self.enter(Header::Ipv6, data, data),
            47 => self.gre(data),
            51 => self.authentication(data),
            132 => self.sctp(data),
            137 => self.enter(Header::EtherType(ethernet::MPLS), data, data),
            53 | 55 | 77 | 103 => {
                self.event(DecodeEvent::IP_PROTOCOL_BAD);
                Step::Done(data)
            }
            _ => {
                if protocol >= FIRST_UNASSIGNED_PROTOCOL {
                    self.event(DecodeEvent::IP_PROTOCOL_UNASSIGNED);
                }
                Step::Done(data)
            }
        }
    }

    /// SCTP (RFC 9260 §3.1): the ports of the common header.
    fn sctp(&mut self, data: &'a [u8]) -> Step<'a> {
        let Some((header, payload)) = data.split_first_chunk::<12>() else {
            return Step::Done(data);
        };
        self.packet.transport = Transport::Sctp {
            source_port: u16::from_be_bytes([header[0], header[1]]),
            destination_port: u16::from_be_bytes([header[2], header[3]]),
        };
        Step::Done(payload)
    }

    /// Enters a tunnel: `payload` is what the outer packet carries, `data` starts with `header`.
    #[inline]
    fn enter(&mut self, header: Header, data: &'a [u8], payload: &'a [u8]) -> Step<'a> {
        self.outer = Some(Outer { ip_layers: self.packet.ip_layers, transport: self.packet.transport, payload });
        Step::Next(header, data)
    }

    /// Appends an IP layer; false if there are too many.
    #[inline]
    fn push_ip(&mut self, layer: IpLayer<'a>) -> bool {
        let Some(slot) = self.packet.ip.get_mut(self.packet.ip_layers) else {
            self.event(DecodeEvent::TOO_MANY_LAYERS);
            return false;
        };
        *slot = Some(layer);
        self.packet.ip_layers += 1;
        self.packet.transport = Transport::None;
        true
    }

    /// The IP layer that is being decoded.
    #[inline]
    fn ip_mut(&mut self) -> Option<&mut IpLayer<'a>> {
        let last = self.packet.ip_layers.checked_sub(1)?;
        self.packet.ip.get_mut(last)?.as_mut()
    }

    #[inline]
    fn event(&mut self, event: DecodeEvent) {
        self.packet.events.push(event);
    }

    /// An event that is only one if the header was not a guess.
    fn event_if_sure(&mut self, event: DecodeEvent) {
        if !self.unsure {
            self.event(event);
        }
    }

    #[inline]
    fn finish(&mut self, payload: &'a [u8]) {
        match self.outer {
            Some(outer) if outer.ip_layers == self.packet.ip_layers => self.restore(outer),
            _ => self.packet.payload = payload,
        }
    }

    #[cold]
    fn fail(&mut self) {
        match self.outer {
            Some(outer) => self.restore(outer),
            None => {
                self.packet.broken = true;
                self.packet.transport = Transport::None;
                self.packet.payload = self.packet.inner_ip().map_or(&[], |ip| ip.payload);
            }
        }
    }

    /// Back to the outer packet: what the tunnel carries is of no use.
    fn restore(&mut self, outer: Outer<'a>) {
        for slot in self.packet.ip.iter_mut().skip(outer.ip_layers) {
            *slot = None;
        }
        self.packet.ip_layers = outer.ip_layers;
        self.packet.transport = outer.transport;
        self.packet.payload = outer.payload;
    }
}

/// Protocol numbers from here on are unassigned for Snort.
const FIRST_UNASSIGNED_PROTOCOL: u8 = 143;
