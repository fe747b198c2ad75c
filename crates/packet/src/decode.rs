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
    let mut packet = Packet::new(frame);
    decode_into(&mut packet);
    packet
}

/// Decodes the frame of a packet that is not decoded yet ([`Packet::new`]).
///
/// The same as [`decode`], for the hot path: the compiler does not build a returned packet in its
/// place but copies its 584 bytes, a third of the time.
pub fn decode_into<'a>(packet: &mut Packet<'a>) {
    if let Some(tag) = packet.frame.meta.vlan {
        packet.vlan = [Some(tag.tci & ethernet::VLAN_ID), None];
    }
    let mut walk = Walk::new();
    if packet.frame.link == LinkType::ETHERNET {
        walk.layers = 1;
        let step = walk.ethernet(packet, packet.frame.data);
        walk.follow(packet, step);
    } else if let Some((header, data)) = link::start(&packet.frame) {
        walk.follow(packet, Step::Next(header, data));
    } else {
        packet.broken = link::is_truncated(&packet.frame);
    }
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
    let mut packet = Packet::new(frame);
    (packet.ethernet, packet.vlan, packet.defragmented) = (outer.ethernet, outer.vlan, true);
    for (slot, layer) in packet.ip.iter_mut().zip(outer.ip).take(keep) {
        *slot = layer;
        packet.ip_layers += 1;
    }
    match link::ip_version(datagram) {
        Some(header) => Walk::new().follow(&mut packet, Step::Next(header, datagram)),
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
struct Walk<'a> {
    outer: Option<Outer<'a>>,
    /// The header was only guessed (Teredo, GTP): its failure is no anomaly.
    unsure: bool,
    teredo: bool,
    gtp: bool,
    options: ipv4::OptionsSeen,
    chain: Chain,
    /// Headers entered so far.
    layers: usize,
}

impl<'a> Walk<'a> {
    #[inline]
    fn new() -> Self {
        Self {
            outer: None,
            unsure: false,
            teredo: false,
            gtp: false,
            options: ipv4::OptionsSeen::default(),
            chain: Chain::default(),
            layers: 0,
        }
    }

    /// Goes on from a step to the end.
    #[inline(always)]
    fn follow(&mut self, packet: &mut Packet<'a>, step: Step<'a>) {
        match step {
            Step::Next(header, data) => self.run(packet, header, data),
            Step::Done(payload) => self.finish(packet, payload),
            Step::Bad => self.fail(packet),
        }
    }

    #[inline(never)]
    fn run(&mut self, packet: &mut Packet<'a>, mut header: Header, mut data: &'a [u8]) {
        while self.layers < MAX_LAYERS {
            self.layers += 1;
            let step = match header {
                Header::Ethernet => self.ethernet(packet, data),
                Header::EtherType(kind) => self.ether_type(packet, kind, data),
                Header::Ipv4 => self.ipv4(packet, data),
                Header::Protocol(protocol) => self.protocol(packet, protocol, data),
                Header::Ipv6 => self.ipv6(packet, data),
                other => self.rare(packet, other, data),
            };
            match step {
                Step::Next(next, rest) => (header, data) = (next, rest),
                done => return self.follow(packet, done),
            }
        }
        packet.events.push(DecodeEvent::TOO_MANY_LAYERS);
        self.finish(packet, data);
    }

    /// Headers off the hot path.
    #[cold]
    fn rare(&mut self, packet: &mut Packet<'a>, header: Header, data: &'a [u8]) -> Step<'a> {
        match header {
            Header::Bridged => self.bridged(packet, data),
            Header::Llc => self.llc(packet, data),
            Header::Ppp => self.ppp(packet, data),
            Header::Teredo => self.teredo(packet, data),
            Header::Vxlan => self.vxlan(data),
            Header::Geneve => self.geneve(packet, data),
            Header::Gtp => self.gtp(packet, data),
            Header::Erspan2 => self.erspan2(packet, data),
            Header::Erspan3 => self.erspan3(packet, data),
            Header::Ethernet | Header::EtherType(_) | Header::Ipv4 | Header::Ipv6 | Header::Protocol(_) => {
                Step::Done(data)
            }
        }
    }

    /// Dispatches on the protocol number of an IP header. Called directly by the IP headers: the way
    /// from Ethernet to TCP is one piece of code, without a turn of the loop per header.
    #[inline(always)]
    fn protocol(&mut self, packet: &mut Packet<'a>, protocol: u8, data: &'a [u8]) -> Step<'a> {
        match protocol {
            6 => self.tcp(packet, data),
            17 => self.udp(packet, data),
            1 => self.icmp(packet, data),
            58 => self.icmpv6(packet, data),
            _ => self.rare_protocol(packet, protocol, data),
        }
    }

    #[cold]
    fn rare_protocol(&mut self, packet: &mut Packet<'a>, protocol: u8, data: &'a [u8]) -> Step<'a> {
        match protocol {
            2 => {
                self.igmp(packet, data);
                Step::Done(data)
            }
            4 => self.enter(packet, Header::Ipv4, data, data),
            41 => self.enter(packet, Header::Ipv6, data, data),
            47 => self.gre(packet, data),
            51 => self.authentication(packet, data),
            132 => self.sctp(packet, data),
            137 => self.enter(packet, Header::EtherType(ethernet::MPLS), data, data),
            53 | 55 | 77 | 103 => {
                packet.events.push(DecodeEvent::IP_PROTOCOL_BAD);
                Step::Done(data)
            }
            _ => {
                if protocol >= FIRST_UNASSIGNED_PROTOCOL {
                    packet.events.push(DecodeEvent::IP_PROTOCOL_UNASSIGNED);
                }
                Step::Done(data)
            }
        }
    }

    /// SCTP (RFC 9260 §3.1): the ports of the common header.
    fn sctp(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some((header, payload)) = data.split_first_chunk::<12>() else {
            return Step::Done(data);
        };
        packet.transport = Transport::Sctp {
            source_port: u16::from_be_bytes([header[0], header[1]]),
            destination_port: u16::from_be_bytes([header[2], header[3]]),
        };
        Step::Done(payload)
    }

    /// Enters a tunnel: `payload` is what the outer packet carries, `data` starts with `header`.
    #[inline]
    fn enter(&mut self, packet: &mut Packet<'a>, header: Header, data: &'a [u8], payload: &'a [u8]) -> Step<'a> {
        self.outer = Some(Outer { ip_layers: packet.ip_layers, transport: packet.transport, payload });
        Step::Next(header, data)
    }

    /// Appends an IP layer; false if there are too many.
    #[inline(always)]
    fn push_ip(&mut self, packet: &mut Packet<'a>, layer: IpLayer<'a>) -> bool {
        let Some(slot) = packet.ip.get_mut(packet.ip_layers) else {
            packet.events.push(DecodeEvent::TOO_MANY_LAYERS);
            return false;
        };
        *slot = Some(layer);
        packet.ip_layers += 1;
        packet.transport = Transport::None;
        true
    }

    /// An event that is only one if the header was not a guess.
    fn event_if_sure(&self, packet: &mut Packet<'a>, event: DecodeEvent) {
        if !self.unsure {
            packet.events.push(event);
        }
    }

    #[inline(always)]
    fn finish(&mut self, packet: &mut Packet<'a>, payload: &'a [u8]) {
        match self.outer {
            Some(outer) if outer.ip_layers == packet.ip_layers => self.restore(packet, outer),
            _ => packet.payload = payload,
        }
    }

    #[cold]
    fn fail(&mut self, packet: &mut Packet<'a>) {
        match self.outer {
            Some(outer) => self.restore(packet, outer),
            None => {
                packet.broken = true;
                packet.transport = Transport::None;
                packet.payload = packet.inner_ip().map_or(&[], |ip| ip.payload);
            }
        }
    }

    /// Back to the outer packet: what the tunnel carries is of no use.
    fn restore(&mut self, packet: &mut Packet<'a>, outer: Outer<'a>) {
        for slot in packet.ip.iter_mut().skip(outer.ip_layers) {
            *slot = None;
        }
        packet.ip_layers = outer.ip_layers;
        packet.transport = outer.transport;
        packet.payload = outer.payload;
    }
}

/// Protocol numbers from here on are unassigned for Snort.
const FIRST_UNASSIGNED_PROTOCOL: u8 = 143;
