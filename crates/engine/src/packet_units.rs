//! Wire packets as units of inspection: raw TCP segments, datagrams, layers of tunnels.
//!
//! *Spec*: `snort/03-detection.md` §3.1 (what is inspected, and what is skipped).

use crate::conversation::Conversation;
use crate::coverage::Blind;
use crate::inspect::{Core, EventSink, Origin};
use crate::stream::{Driver, UnitFacts, net};
use tapir_detect::{FlowState, UnitContext};
use tapir_event::FlowSummary;
use tapir_flow::Direction;
use tapir_options::{BitView, Net, Unit, UnitKind};
use tapir_packet::{Packet, TcpHeader, protocol};
use tapir_protocol::{End, Identified, NoView, Pdu, PduKind, PduSink, Section, Service};

/// Events of connections (Snort's internal generator).
mod connection {
    pub(super) const GID: u32 = 135;
    pub(super) const SYN: u32 = 1;
    pub(super) const ESTABLISHED: u32 = 2;
    pub(super) const CLEARED: u32 = 3;
}

/// Stream anomalies (gid 129) of one segment; more than fit are in the counter of the flow crate.
#[derive(Default)]
pub(crate) struct Anomalies {
    list: [u32; 4],
    len: usize,
}

impl Anomalies {
    pub(crate) fn push(&mut self, sid: u32) {
        if let Some(slot) = self.list.get_mut(self.len) {
            *slot = sid;
            self.len += 1;
        }
    }
}

pub(crate) fn packet_net(packet: &Packet<'_>) -> Option<Net> {
    let ip = packet.inner_ip()?;
    let ports = packet.ports();
    Some(Net {
        source: ip.source,
        destination: ip.destination,
        source_port: ports.map(|ports| ports.0),
        destination_port: ports.map(|ports| ports.1),
        protocol: ip.protocol,
    })
}

/// A wire packet (or one IP layer of it) to be evaluated as it is.
pub(crate) struct RawUnit<'p> {
    pub(crate) packet: &'p Packet<'p>,
    pub(crate) ip_layer: usize,
    pub(crate) net: Net,
    pub(crate) payload: &'p [u8],
    pub(crate) service: Option<Service>,
    pub(crate) context: UnitContext,
    pub(crate) number: u64,
}

impl Core {
    /// Evaluates a wire packet.
    pub(crate) fn raw(
        &mut self,
        raw: &RawUnit<'_>,
        flow: Option<(&mut FlowState, BitView<'_>, FlowSummary)>,
        out: &mut dyn EventSink,
    ) {
        let packet = raw.packet;
        let mut arena = std::mem::take(&mut self.arena);
        {
            let (state, view, summary) = match flow {
                Some((state, view, summary)) => (Some(state), Some(view), Some(summary)),
                None => (None, None, None),
            };
            let mut unit = Unit {
                kind: if packet.defragmented { UnitKind::Defragmented } else { UnitKind::Raw },
                packet: Some(packet),
                ip_layer: raw.ip_layer,
                net: raw.net,
                payload: raw.payload,
                raw: raw.payload,
                view: &NoView,
                section: Section::Plain,
                starts_message: true,
                flow: view,
                service: raw.service,
                time: packet.frame.timestamp,
                arena: &arena,
            };
            let origin = Origin {
                number: raw.number,
                time: packet.frame.timestamp,
                packet: Some(packet),
                kind: PduKind::Stream,
                flow: summary,
                endpoint: raw.context.endpoint,
            };
            self.run(&mut unit, state, raw.context, &origin, out);
        }
        arena.reset();
        self.arena = arena;
    }
}

impl Driver<'_> {
    /// The flow is over.
    pub(crate) fn finish(&mut self, conversation: &mut Conversation, end: End, number: u64) {
        if conversation.tcp.is_some() {
            self.end(conversation, Direction::ToServer, end, number);
            self.end(conversation, Direction::ToClient, end, number);
        }
        if let Some(session) = &mut conversation.tcp {
            session.report(&mut self.core.counters);
        }
        if conversation.has_new_gap() {
            self.core.coverage.note(conversation.spot(Blind::Gap));
        }
    }

    pub(crate) fn anomalies(
        &mut self,
        conversation: &Conversation,
        packet: &Packet<'_>,
        direction: Direction,
        anomalies: &Anomalies,
        number: u64,
    ) {
        if anomalies.len == 0 {
            return;
        }
        let (source, destination) = conversation.ends(direction);
        let origin = Origin {
            number,
            time: packet.frame.timestamp,
            packet: Some(packet),
            kind: PduKind::Stream,
            flow: Some(conversation.summary()),
            endpoint: conversation.endpoint,
        };
        for &sid in anomalies.list.iter().take(anomalies.len) {
            let net = net(source, destination, conversation.protocol);
            self.core.builtin(129, sid, Some(&net), Some(direction), &origin, self.out);
        }
    }

    /// Events of gid 135, for rules that name them (a `rate_filter` counts by them): a SYN came, the connection
    /// is established, it is over.
    pub(crate) fn connection_events(
        &mut self,
        conversation: &mut Conversation,
        packet: &Packet<'_>,
        direction: Direction,
        closed: bool,
        number: u64,
    ) {
        let Some(tcp) = packet.tcp() else { return };
        let steps = [
            (connection::SYN, tcp.has(TcpHeader::SYN) && !tcp.has(TcpHeader::ACK)),
            (connection::ESTABLISHED, !closed && conversation.established()),
            (connection::CLEARED, closed),
        ];
        for (sid, reached) in steps {
            let bit = 1 << sid;
            if !reached || conversation.connection & bit != 0 {
                continue;
            }
            conversation.connection |= bit;
            if !self.core.rules.names_builtin(connection::GID, sid) {
                continue;
            }
            let (source, destination) = conversation.ends(direction);
            let net = net(source, destination, conversation.protocol);
            let mut origin = Origin::of_packet(packet, number, conversation.endpoint);
            origin.flow = Some(conversation.summary());
            self.core.builtin(connection::GID, sid, Some(&net), Some(direction), &origin, self.out);
        }
    }

    /// A TCP packet as a raw unit.
    pub(crate) fn raw_segment(
        &mut self,
        conversation: &mut Conversation,
        packet: &Packet<'_>,
        direction: Direction,
        retransmission: bool,
        number: u64,
    ) {
        let (source, destination) = conversation.ends(direction);
        let view = BitView {
            direction,
            established: conversation.established(),
            flowbits: &[],
            stream_bytes: conversation.tcp.as_ref().map_or([0; 2], |session| session.bytes_by_sequence()),
        };
        let context = UnitContext {
            content_off: retransmission || packet.payload.is_empty(),
            endpoint: conversation.endpoint,
            ..UnitContext::default()
        };
        let raw = RawUnit {
            packet,
            ip_layer: packet.ip_layers.saturating_sub(1),
            net: net(source, destination, conversation.protocol),
            payload: packet.payload,
            service: conversation.service,
            context,
            number,
        };
        let summary = conversation.summary();
        self.core.raw(&raw, Some((&mut conversation.detect, view, summary)), self.out);
    }

    /// A datagram: identified once by its first datagram, inspected, evaluated.
    pub(crate) fn datagram(
        &mut self,
        conversation: &mut Conversation,
        packet: &Packet<'_>,
        direction: Direction,
        number: u64,
    ) {
        // One try for each direction's first datagram; Snort tries the flow's first one only.
        let first = if self.config.profile.exact_snort3 {
            conversation.packets.iter().sum::<u64>() == 1
        } else {
            conversation.packets.get(direction.index()) == Some(&1)
        };
        if let (true, Some(wizard)) = (first, &mut conversation.wizard)
            && let Identified::Service(service) = wizard.on_datagram(direction, packet.payload)
        {
            self.set_service(conversation, service);
        }
        let Some(net) = packet_net(packet) else { return };
        let facts = UnitFacts {
            packet: Some(packet),
            net,
            direction,
            established: conversation.established(),
            stream_bytes: [0; 2],
            service: conversation.service,
            number,
            time: packet.frame.timestamp,
            flow: conversation.summary(),
            endpoint: conversation.endpoint,
        };
        let inspected = conversation.protocol == protocol::UDP && !packet.payload.is_empty();
        match conversation.inspector.take().filter(|_| inspected) {
            Some(mut inspector) => {
                let payload = packet.payload;
                let ((), emitted) =
                    self.with_cx(conversation, facts, |cx| inspector.on_datagram(direction, payload, cx));
                conversation.inspector = Some(inspector);
                if emitted == 0 {
                    // Not what the service was thought to be: the bytes are inspected all the same.
                    self.sink(&mut conversation.detect, facts).pdu(&Pdu::plain(payload));
                }
            }
            None => {
                self.sink(&mut conversation.detect, facts).pdu(&Pdu::plain(packet.payload));
            }
        }
    }
}
