//! From a unit to events: the only place where detection is called and borrowed results become
//! owned [`SecurityEvent`]s.

use crate::coverage::Coverage;
use crate::directory::Directory;
use crate::quiet::{Quiet, Verdict};
use crate::rules::Rules;
use bumpalo::Bump;
use std::sync::Arc;
use tapir_detect::{BuiltinEvent, Detection, Detector, FlowState, UnitContext};
use tapir_event::{Endpoint, FlowDirection, FlowSummary, Generator, RuleSummary, SecurityEvent, WireHeaders};
use tapir_flow::Direction;
use tapir_options::{Net, Unit, UnitKind};
use tapir_packet::{Packet, Timestamp, Transport};
use tapir_protocol::PduKind;
use tapir_telemetry::{Counter, Counters};

/// Receives events. Called from the worker's loop: must not block.
pub trait EventSink {
    /// One event, seen on an endpoint: the number that its frames came with.
    fn event(&mut self, endpoint: u32, event: SecurityEvent);
}

impl<F: FnMut(SecurityEvent)> EventSink for F {
    fn event(&mut self, _endpoint: u32, event: SecurityEvent) {
        self(event);
    }
}

/// Detection and what it needs, apart from the flow table (so that both can be borrowed at once).
pub(crate) struct Core {
    pub(crate) rules: Arc<Rules>,
    pub(crate) detector: Detector,
    pub(crate) arena: Bump,
    /// Bytes around the cut between two pieces of a file, see [`crate::border`].
    pub(crate) border: Vec<u8>,
    pub(crate) overlap: usize,
    pub(crate) counters: Counters,
    /// Counted by inspectors while `counters` is borrowed by the sink.
    pub(crate) inspector_counters: Counters,
    pub(crate) detections: Vec<Detection>,
    pub(crate) evidence: bool,
    pub(crate) builtin_events: bool,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) quiet: Quiet,
    /// What could not be inspected.
    pub(crate) coverage: Coverage,
}

/// Who a unit belongs to, for its events.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'p> {
    /// Wire packet that caused it.
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
    pub(crate) packet: Option<&'p Packet<'p>>,
    pub(crate) kind: PduKind,
    pub(crate) flow: Option<FlowSummary>,
    pub(crate) endpoint: u32,
}

impl<'p> Origin<'p> {
    /// Of a packet outside any flow.
    pub(crate) fn of_packet(packet: &'p Packet<'p>, number: u64, endpoint: u32) -> Self {
        let time = packet.frame.timestamp;
        Self { number, time, packet: Some(packet), kind: PduKind::Stream, flow: None, endpoint }
    }
}

impl Core {
    /// Evaluates the rules on a unit and raises what they find.
    pub(crate) fn run<'a>(
        &mut self,
        unit: &mut Unit<'a>,
        flow: Option<&mut FlowState>,
        context: UnitContext,
        origin: &Origin<'_>,
        out: &mut dyn EventSink,
    ) {
        self.detections.clear();
        self.detector.inspect(&self.rules.set, unit, flow, context, &mut self.counters, &mut self.detections);
        if self.detections.is_empty() {
            return;
        }
        let detections = std::mem::take(&mut self.detections);
        for detection in &detections {
            self.raise(unit, *detection, origin, out);
        }
        self.detections = detections;
    }

    #[cold]
    fn raise(&mut self, unit: &Unit<'_>, detection: Detection, origin: &Origin<'_>, out: &mut dyn EventSink) {
        let Some(summary) = self.rules.summary(detection.rule) else { return };
        let generator = match (unit.kind, origin.kind) {
            (UnitKind::Raw, PduKind::Stream) => Generator::Raw,
            (UnitKind::Defragmented, PduKind::Stream) => Generator::StreamIp,
            (UnitKind::Stream, PduKind::Stream) => Generator::StreamTcp,
            (_, PduKind::DceDefrag) => Generator::DceDefrag,
            (_, PduKind::DceDeseg) => Generator::DceDeseg,
            (_, PduKind::SmbTransaction) => Generator::SmbTransaction,
        };
        let mut event = SecurityEvent {
            time: unit.time,
            packet_number: origin.number,
            rule: Arc::clone(summary),
            protocol: protocol_name(unit.net.protocol).into(),
            protocol_number: Some(unit.net.protocol),
            generator,
            direction: unit.flow.map(|flow| flow_direction(flow.direction)),
            source: Some(Endpoint { address: unit.net.source, port: unit.net.source_port }),
            destination: Some(Endpoint { address: unit.net.destination, port: unit.net.destination_port }),
            service: unit.service.map(|service| service.name().into()),
            packet_len: packet_len(unit),
            truncated: origin.packet.is_some_and(is_cut),
            wire: origin.packet.filter(|_| unit.kind != UnitKind::Stream).map(wire_headers).unwrap_or_default(),
            flow: origin.flow,
            rule_set: self.rules.set.id.0,
            ..SecurityEvent::default()
        };
        self.name(&mut event, origin.endpoint);
        if self.quiet.judge(&mut event, &mut self.counters) == Verdict::Drop {
            return;
        }
        self.counters.bump(Counter::Events);
        event.session = crate::session::collect(unit);
        if let (true, Some(rule)) = (self.evidence, self.rules.set.rule(detection.rule)) {
            let hits = self.detector.evidence(rule, unit, &mut self.counters);
            event.evidence = Some(crate::evidence::collect(rule, unit, &hits));
        }
        out.event(origin.endpoint, event);
    }

    /// Names where the event was seen, and its parties. Before it is judged: suppressions know workloads by name.
    fn name(&self, event: &mut SecurityEvent, endpoint: u32) {
        event.interface = self.directory.interface(endpoint);
        let (client, server) = event.parties();
        let who = |end: Option<Endpoint>| self.directory.workload(endpoint, end?.address, event.time);
        (event.client, event.server) = (who(client), who(server));
    }

    /// Raises a builtin event (gid other than 1), if such are on or a rule asks for it.
    pub(crate) fn builtin(
        &mut self,
        gid: u32,
        sid: u32,
        net: Option<&Net>,
        direction: Option<Direction>,
        origin: &Origin<'_>,
        out: &mut dyn EventSink,
    ) {
        self.counters.bump(Counter::BuiltinEvents);
        let Some((action, mut summary)) = self.rules.builtin(gid, sid, self.builtin_events) else { return };
        let nobody = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        let unknown =
            Net { source: nobody, destination: nobody, source_port: None, destination_port: None, protocol: 0 };
        let event = BuiltinEvent {
            gid,
            sid,
            action,
            net: net.copied().unwrap_or(unknown),
            endpoint: origin.endpoint,
            flow: origin.flow.map_or(0, |flow| flow.id),
            time: origin.time,
        };
        let Some(decided) = self.detector.filter_builtin(&self.rules.set, &event, &mut self.counters) else { return };
        if decided != action {
            summary = Arc::new(RuleSummary { action: decided.name().to_owned(), ..RuleSummary::clone(&summary) });
        }
        let mut event = SecurityEvent {
            time: origin.time,
            packet_number: origin.number,
            rule: summary,
            protocol: net.map_or("eth", |net| protocol_name(net.protocol)).into(),
            protocol_number: net.map(|net| net.protocol),
            generator: match origin.packet {
                Some(packet) if packet.defragmented => Generator::StreamIp,
                Some(_) => Generator::Raw,
                None => Generator::StreamTcp,
            },
            direction: direction.map(flow_direction),
            source: net.map(|net| Endpoint { address: net.source, port: net.source_port }),
            destination: net.map(|net| Endpoint { address: net.destination, port: net.destination_port }),
            packet_len: origin.packet.map_or(0, |packet| u32::try_from(packet.frame.data.len()).unwrap_or(u32::MAX)),
            wire: origin.packet.map(wire_headers).unwrap_or_default(),
            flow: origin.flow,
            truncated: origin.packet.is_some_and(is_cut),
            rule_set: self.rules.set.id.0,
            ..SecurityEvent::default()
        };
        self.name(&mut event, origin.endpoint);
        if self.quiet.judge(&mut event, &mut self.counters) == Verdict::Raise {
            self.counters.bump(Counter::Events);
            out.event(origin.endpoint, event);
        }
    }
}

pub(crate) fn flow_direction(direction: Direction) -> FlowDirection {
    match direction {
        Direction::ToServer => FlowDirection::ToServer,
        Direction::ToClient => FlowDirection::ToClient,
    }
}

/// Snort's word for an IP protocol in alerts.
fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        tapir_packet::protocol::TCP => "TCP",
        tapir_packet::protocol::UDP => "UDP",
        tapir_packet::protocol::ICMP | tapir_packet::protocol::ICMPV6 => "ICMP",
        _ => "IP",
    }
}

/// Datagram length of a wire packet; payload length of rebuilt data.
fn packet_len(unit: &Unit<'_>) -> u32 {
    let len = match (unit.kind, unit.packet.and_then(Packet::inner_ip)) {
        (UnitKind::Raw | UnitKind::Defragmented, Some(ip)) => ip.header.len() + ip.payload.len(),
        _ => unit.raw.len(),
    };
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// The capture kept less of the frame than was on the wire.
fn is_cut(packet: &Packet<'_>) -> bool {
    usize::try_from(packet.frame.original_len).is_ok_and(|len| len > packet.frame.data.len())
}

fn wire_headers(packet: &Packet<'_>) -> WireHeaders {
    let ip = packet.inner_ip();
    let mut wire = WireHeaders {
        ethernet: packet.ethernet,
        vlan: packet.vlan.first().copied().flatten().unwrap_or(0),
        ttl: ip.map(|ip| ip.ttl),
        tos: ip.map(|ip| ip.tos),
        ip_id: ip.map(|ip| ip.id),
        ip_len: ip.map(|ip| u32::try_from(ip.payload.len()).unwrap_or(u32::MAX)),
        ..WireHeaders::default()
    };
    match &packet.transport {
        Transport::Tcp(tcp) => wire.tcp = Some((tcp.seq, tcp.ack, tcp.window, tcp.header_len, tcp.flags)),
        Transport::Udp { length, .. } => wire.udp_len = Some(*length),
        Transport::Icmp(icmp) => wire.icmp = Some((icmp.kind, icmp.code, icmp.id, icmp.seq)),
        Transport::None | Transport::Sctp { .. } => {}
    }
    wire
}
