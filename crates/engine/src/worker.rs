//! One worker: owns its flow table, its fragments and its detection scratch, and takes each frame
//! from decoding to events before the next.
//!
//! *Invariants*: nothing is shared with other workers but the rule set; time comes from packets;
//! a panic while a packet is processed is contained ([`Worker::process`]), counted, and detaches the
//! inspector of the flow it happened on.

use crate::config::{ChecksumMode, EngineConfig};
use crate::conversation::{Conversation, Mode};
use crate::cost::RuleCosts;
use crate::coverage::{Blind, Coverage};
use crate::directory::Directory;
use crate::inspect::{Core, EventSink, Origin};
use crate::packet_units::{Anomalies, RawUnit, packet_net};
use crate::quiet::{Quiet, Suppressions};
use crate::rules::Rules;
use crate::stream::Driver;
use bumpalo::Bump;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tapir_detect::{Detector, FlowState, UnitContext};
use tapir_flow::{
    DataOutcome, DefragConfig, Defragmenter, Direction, FlowId, FlowKey, FlowTable, FlowTimeout, SegmentMeta,
    TableConfig, TcpConfig, TcpSession,
};
use tapir_options::{BitView, Net};
use tapir_packet::{Frame, Packet, TcpHeader, Timestamp, decode, decode_ip, protocol};
use tapir_protocol::{End, Expectation, Service, TransportKind, bind_port};
use tapir_telemetry::{Counter, Counters};

/// Announced flows (FTP data) remembered at most.
const MAX_EXPECTATIONS: usize = 1024;
/// Flows with waiting bytes that are looked at per packet.
const LISTED_AT_ONCE: usize = 16;
/// Memory of the arena for derived buffers of one unit.
const ARENA_BYTES: usize = 8 << 20;

/// A worker. Not shared; one per core.
pub struct Worker {
    core: Core,
    config: EngineConfig,
    tcp_config: TcpConfig,
    flows: FlowTable<Conversation>,
    fragments: Defragmenter,
    expectations: Vec<Expectation>,
    /// Flows with bytes that wait for the rest of their unit, and when to look at them; each once.
    waiting: VecDeque<(i64, FlowId)>,
    excluded: Vec<Excluded>,
    next_flow: u64,
    now: Timestamp,
    current: Option<FlowId>,
}

/// A connection that is not to be inspected, whichever end sends and whatever the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// IP protocol number.
    pub protocol: u8,
    /// Address and port of both ends.
    pub ends: [(IpAddr, u16); 2],
}

impl Worker {
    /// A worker with its own flow table. All its frames come from one place, until another directory is set.
    pub fn new(config: EngineConfig, rules: Arc<Rules>, interface: Arc<str>) -> Self {
        let tcp_config = TcpConfig {
            policy: config.overlap_policy,
            midstream: config.midstream,
            max_queued_bytes: config.max_queued_bytes,
            ..TcpConfig::default()
        };
        let seed = config.hash_seed;
        let mut detector = Detector::new(seed);
        detector.set_cost_sample(config.cost_sample.every, config.cost_sample.clock);
        let fragments = Defragmenter::new(DefragConfig { policy: config.fragments, seed, ..DefragConfig::default() });
        let flows = FlowTable::new(TableConfig { max_flows: config.max_flows, seed, ..TableConfig::default() });
        Self {
            core: Core {
                rules,
                detector,
                arena: Self::arena(),
                border: Vec::new(),
                overlap: config.overlap,
                counters: Counters::default(),
                inspector_counters: Counters::default(),
                detections: Vec::new(),
                evidence: config.evidence,
                builtin_events: config.builtin_events,
                directory: Arc::new(interface),
                quiet: Quiet::new(config.hash_seed),
                coverage: Coverage::default(),
            },
            excluded: Vec::new(),
            config,
            tcp_config,
            flows,
            fragments,
            expectations: Vec::new(),
            waiting: VecDeque::new(),
            next_flow: 1,
            now: Timestamp(i64::MIN),
            current: None,
        }
    }

    fn arena() -> Bump {
        let arena = Bump::new();
        arena.set_allocation_limit(Some(ARENA_BYTES));
        arena
    }

    /// Counters so far.
    pub fn counters(&mut self) -> Counters {
        self.flows.report(&mut self.core.counters);
        let mut sum = self.core.counters.clone();
        sum.merge(&self.core.inspector_counters);
        sum
    }

    /// Flows in the table.
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// Bytes that its flows hold now.
    pub fn memory(&self) -> usize {
        self.flows.footprint()
    }

    /// Bytes that its flows may hold from now on: those idle for longest end, a few with each packet, until the others fit.
    pub fn set_memory(&mut self, bytes: usize) {
        self.flows.set_max_bytes(bytes);
    }

    /// The rule set in force.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.core.rules
    }

    /// Replaces the rule set between two packets. Flowbits of live flows survive if the new set was loaded as
    /// the successor of the old one ([`Rules::load_successor`]); what is counted by rule starts anew.
    pub fn set_rules(&mut self, rules: Arc<Rules>) {
        self.core.rules = rules;
        self.core.detector.forget_rules();
        self.stop_rules();
    }

    /// Replaces the connections that are left out; their packets are counted (`packets_own`). They are few: every packet is
    /// compared with each.
    pub fn set_excluded(&mut self, excluded: Vec<Excluded>) {
        self.excluded = excluded;
    }

    /// What could not be inspected.
    pub fn coverage(&mut self) -> &mut Coverage {
        &mut self.core.coverage
    }

    /// What rules cost since the rule set in force came, on the units that were samples.
    pub fn rule_costs(&self) -> RuleCosts {
        RuleCosts::of(self.core.detector.costs(), &self.core.rules.set)
    }

    /// The suppressions in force.
    pub fn suppressions(&self) -> &Arc<Suppressions> {
        self.core.quiet.suppressions()
    }

    /// Replaces the suppressions between two packets.
    pub fn set_suppressions(&mut self, suppressions: Arc<Suppressions>) {
        self.core.quiet.set(suppressions);
        self.stop_rules();
    }

    /// Events that suppressions in force have dropped (those that limit or stop), by suppression.
    pub fn quieted(&self) -> impl Iterator<Item = (&str, u64)> {
        self.core.quiet.dropped().iter().map(|(id, count)| (id.as_str(), *count))
    }

    fn stop_rules(&mut self) {
        let stops = self.core.quiet.stops(&self.core.rules.set, self.now);
        self.core.detector.set_stops(stops);
    }

    /// Replaces the names of endpoints and addresses between two packets.
    pub fn set_directory(&mut self, directory: Arc<dyn Directory>) {
        self.core.directory = directory;
    }

    /// Takes one frame to its events. `number` counts frames from 1; `endpoint` is whose traffic it is.
    pub fn process(&mut self, frame: &Frame<'_>, number: u64, endpoint: u32, out: &mut dyn EventSink) {
        self.current = None;
        let result = catch_unwind(AssertUnwindSafe(|| self.frame(frame, number, endpoint, out)));
        if result.is_err() {
            self.contain();
        }
    }

    /// A packet panicked: its flow goes on without inspector, so that a crash is no evasion.
    #[cold]
    fn contain(&mut self) {
        self.core.counters.bump(Counter::PanicsContained);
        self.core.arena = Self::arena();
        let Some(id) = self.current.take() else { return };
        let lost = match self.flows.get_mut(id) {
            Some(conversation) => {
                conversation.inspector = None;
                conversation.wizard = None;
                conversation.mode = [Mode::Plain; 2];
                // The session may have been taken out when the panic struck.
                conversation.protocol == protocol::TCP && conversation.tcp.is_none()
            }
            None => false,
        };
        if lost {
            self.flows.remove(id);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, number: u64, endpoint: u32, out: &mut dyn EventSink) {
        self.core.counters.bump(Counter::Packets);
        self.core.counters.add(Counter::Bytes, frame.data.len() as u64);
        // Captures may step back a little; flow time never does.
        self.now = self.now.max(frame.timestamp);
        self.expire(number, out);
        self.flush_waiting(out);
        let packet = decode(frame);
        self.decoded(&packet, number, endpoint, out);
    }

    fn expire(&mut self, number: u64, out: &mut dyn EventSink) {
        if self.core.quiet.is_due(self.now) {
            self.stop_rules();
        }
        let (core, config, expectations) = (&mut self.core, &self.config, &mut self.expectations);
        self.flows.expire(self.now, 16, &mut |_, mut conversation| {
            let mut driver = Driver { core, config, expectations, out };
            driver.finish(&mut conversation, End::TimedOut, number);
        });
    }

    /// No packet arrived until `now` (live capture): flows that are idle for too long end, and what waits for
    /// more is inspected.
    pub fn idle(&mut self, now: Timestamp, out: &mut dyn EventSink) {
        self.current = None;
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.now = self.now.max(now);
            self.expire(0, out);
            self.flush_waiting(out);
        }));
        if result.is_err() {
            self.contain();
        }
    }

    /// Inspects what has waited for too long for the rest of its unit.
    fn flush_waiting(&mut self, out: &mut dyn EventSink) {
        let Some(patience) = self.config.idle_flush.map(i64::from) else { return };
        for _ in 0..LISTED_AT_ONCE {
            let Some((_, id)) = self.waiting.pop_front_if(|(due, _)| *due <= self.now.secs()) else { return };
            self.current = Some(id);
            let Some(conversation) = self.flows.get_mut(id) else { continue };
            conversation.listed = false;
            conversation.follow_rules(self.core.rules.set.id);
            let number = conversation.last_packet;
            let mut later: Option<i64> = None;
            for direction in [Direction::ToServer, Direction::ToClient] {
                let Some(since) = conversation.waits_since(direction) else { continue };
                let due = since.secs().saturating_add(patience);
                if due > self.now.secs() {
                    later = Some(later.map_or(due, |other| other.min(due)));
                    continue;
                }
                let mut driver =
                    Driver { core: &mut self.core, config: &self.config, expectations: &mut self.expectations, out };
                driver.idle(conversation, direction, number);
            }
            if let Some(due) = later {
                conversation.listed = true;
                self.waiting.push_back((due, id));
            }
        }
        self.current = None;
    }

    /// No more packets: what was acknowledged is inspected, flows end in order of creation.
    pub fn finish(&mut self, out: &mut dyn EventSink) {
        let (core, config, expectations) = (&mut self.core, &self.config, &mut self.expectations);
        self.flows.drain(&mut |_, mut conversation| {
            let number = conversation.last_packet;
            let result = catch_unwind(AssertUnwindSafe(|| {
                let mut driver = Driver { core, config, expectations, out };
                driver.finish(&mut conversation, End::EndOfCapture, number);
            }));
            if result.is_err() {
                core.counters.bump(Counter::PanicsContained);
                core.arena = Self::arena();
            }
        });
    }

    fn decoded(&mut self, packet: &Packet<'_>, number: u64, endpoint: u32, out: &mut dyn EventSink) {
        self.decode_events(packet, number, endpoint, out);
        tapir_packet::count(packet, &mut self.core.counters);
        if packet.broken {
            return;
        }
        let Some(ip) = packet.inner_ip() else { return };
        if self.config.checksums == ChecksumMode::Verify && tapir_packet::checksums(packet).is_bad() {
            self.core.counters.bump(Counter::PacketsBadChecksum);
            return;
        }
        if packet.ip_layers > 1 {
            self.outer_layers(packet, number, endpoint, out);
        }
        if ip.fragment.is_fragment() {
            self.fragment(packet, number, endpoint, out);
            return;
        }
        if let Some((key, source_is_low)) = FlowKey::of(packet, endpoint) {
            if self.is_excluded(&key) {
                self.core.counters.bump(Counter::PacketsOwn);
                return;
            }
            match packet.tcp() {
                Some(tcp) => self.tcp(packet, tcp, key, source_is_low, number, endpoint, out),
                None => self.datagram(packet, key, source_is_low, number, endpoint, out),
            }
        }
    }

    #[inline]
    fn is_excluded(&self, key: &FlowKey) -> bool {
        self.excluded.iter().any(|one| one.protocol == key.protocol() && key.is_between(one.ends))
    }

    fn decode_events(&mut self, packet: &Packet<'_>, number: u64, endpoint: u32, out: &mut dyn EventSink) {
        if packet.events.is_empty() {
            return;
        }
        let net = packet_net(packet);
        let origin = Origin::of_packet(packet, number, endpoint);
        for event in packet.events.iter() {
            self.core.builtin(116, u32::from(event.0), net.as_ref(), None, &origin, out);
        }
    }

    /// `ip` rules see every layer of a tunnel, outermost first.
    fn outer_layers(&mut self, packet: &Packet<'_>, number: u64, endpoint: u32, out: &mut dyn EventSink) {
        for (index, layer) in packet.ip.iter().flatten().enumerate().take(packet.ip_layers.saturating_sub(1)) {
            let net = Net {
                source: layer.source,
                destination: layer.destination,
                source_port: None,
                destination_port: None,
                protocol: layer.protocol,
            };
            let context = UnitContext { outer_layer: true, endpoint, ..UnitContext::default() };
            let raw = RawUnit { packet, ip_layer: index, net, payload: layer.payload, service: None, context, number };
            self.core.raw(&raw, None, out);
        }
    }

    fn fragment(&mut self, packet: &Packet<'_>, number: u64, endpoint: u32, out: &mut dyn EventSink) {
        let Some(ip) = packet.inner_ip() else { return };
        let net = Net {
            source: ip.source,
            destination: ip.destination,
            source_port: None,
            destination_port: None,
            protocol: ip.protocol,
        };
        let layer = packet.ip_layers.saturating_sub(1);
        // A part of a datagram has no usable transport: only `ip` rules and tests of headers apply; as in
        // Snort their contents are searched in the first part of an IPv6 datagram only.
        let context =
            UnitContext { content_off: ip.is_v4() || ip.fragment.offset != 0, endpoint, ..UnitContext::default() };
        let raw = RawUnit { packet, ip_layer: layer, net, payload: packet.payload, service: None, context, number };
        let flow = FlowKey::of(packet, endpoint)
            .and_then(|(key, low)| Some((self.datagram_flow(packet, key, low, endpoint, number, out)?, low)));
        match flow.and_then(|(id, low)| Some((self.flows.get_mut(id)?, low))) {
            Some((conversation, low)) => {
                let view = BitView {
                    direction: conversation.direction(low),
                    established: false,
                    flowbits: &[],
                    stream_bytes: [0; 2],
                };
                let summary = conversation.summary();
                self.core.raw(&raw, Some((&mut conversation.detect, view, summary)), out);
            }
            None => self.core.raw(&raw, None, out),
        }
        let mut found: Vec<u32> = Vec::new();
        let whole =
            self.fragments.push(packet, layer, &mut self.core.counters, &mut |sid| found.push(sid)).map(<[u8]>::to_vec);
        let origin = Origin::of_packet(packet, number, endpoint);
        for sid in found {
            self.core.builtin(123, sid, Some(&net), None, &origin, out);
        }
        if let Some(datagram) = whole {
            let rebuilt = decode_ip(&packet.frame, &datagram);
            self.decoded(&rebuilt, number, endpoint, out);
        }
    }

    fn tcp(
        &mut self,
        packet: &Packet<'_>,
        tcp: &TcpHeader<'_>,
        key: FlowKey,
        source_is_low: bool,
        number: u64,
        endpoint: u32,
        out: &mut dyn EventSink,
    ) {
        if self.is_lone_reset(tcp, &key) {
            let Some(net) = packet_net(packet) else { return };
            let context = UnitContext { content_off: packet.payload.is_empty(), endpoint, ..UnitContext::default() };
            let ip_layer = packet.ip_layers.saturating_sub(1);
            let raw = RawUnit { packet, ip_layer, net, payload: packet.payload, service: None, context, number };
            self.core.raw(&raw, None, out);
            return;
        }
        let meta = SegmentMeta { packet: number, time: packet.frame.timestamp };
        for attempt in 0..2 {
            let Some(id) = self.tcp_flow(packet, key, source_is_low, endpoint, number, out) else { return };
            self.current = Some(id);
            let Some(conversation) = self.flows.get_mut(id) else { return };
            conversation.follow_rules(self.core.rules.set.id);
            let direction = conversation.direction(source_is_low);
            let Some(session) = conversation.tcp.as_mut() else { return };
            let mut anomalies = Anomalies::default();
            let outcome = session.on_segment(
                direction,
                tcp,
                packet.payload,
                meta,
                &self.tcp_config,
                &mut self.core.counters,
                &mut |sid| anomalies.push(sid),
            );
            if outcome.new_connection && attempt == 0 {
                // The same addresses and ports again: the old flow ends here.
                if let Some(mut old) = self.flows.remove(id) {
                    self.driver(out).finish(&mut old, End::TimedOut, number);
                }
                continue;
            }
            let closed = session.closed();
            note_packet(conversation, direction, packet, number);
            let mut driver =
                Driver { core: &mut self.core, config: &self.config, expectations: &mut self.expectations, out };
            driver.anomalies(conversation, packet, direction, &anomalies, number);
            driver.connection_events(conversation, packet, direction, closed, number);
            for side in [direction.reverse(), direction] {
                if outcome.progressed.get(side.index()).copied().unwrap_or(false) {
                    driver.pump(conversation, side, number);
                }
                if let Some(end) = outcome.ended.get(side.index()).copied().flatten() {
                    let end = match end {
                        tapir_flow::FlowEnd::Fin => End::Fin,
                        tapir_flow::FlowEnd::Reset => End::Reset,
                    };
                    driver.end(conversation, side, end, number);
                }
            }
            let inspected = conversation.mode(direction);
            let skip = !packet.payload.is_empty()
                && match inspected {
                    Mode::Inspect => matches!(outcome.data, DataOutcome::Queued | DataOutcome::Retransmission),
                    Mode::Off => true,
                    Mode::Identify | Mode::Plain => false,
                };
            if !skip {
                driver.raw_segment(
                    conversation,
                    packet,
                    direction,
                    outcome.data == DataOutcome::Retransmission,
                    number,
                );
            }
            let opened = !closed && !conversation.long_lived && conversation.established();
            conversation.long_lived |= opened;
            if let (Some(patience), false) = (self.config.idle_flush, conversation.listed || closed)
                && (conversation.waits(Direction::ToServer) || conversation.waits(Direction::ToClient))
                && self.waiting.len() < self.config.max_flows
            {
                conversation.listed = true;
                self.waiting.push_back((self.now.secs().saturating_add(i64::from(patience)), id));
            }
            // Memory is looked at now and then: a flow holds what its buffers grew to.
            let footprint = number.is_multiple_of(FOOTPRINT_EVERY).then(|| conversation.footprint());
            if footprint.is_some() && conversation.has_new_gap() {
                self.core.coverage.note(conversation.spot(Blind::Gap));
            }
            if closed {
                conversation.release();
                self.flows.set_timeout(id, CLOSED_SECONDS);
            } else if opened {
                self.flows.set_timeout(id, FlowTimeout::TCP_ESTABLISHED.0);
            }
            if let Some(bytes) = footprint {
                self.flows.set_footprint(id, bytes);
            }
            self.flows.touch(id, self.now);
            return;
        }
    }

    /// Snort makes no flow for a reset, and has none for packets that nobody answered: the packet has no
    /// direction then (measured). We take it as part of what went before.
    fn is_lone_reset(&mut self, tcp: &TcpHeader<'_>, key: &FlowKey) -> bool {
        if !self.config.profile.exact_snort3 || !tcp.has(TcpHeader::RST) {
            return false;
        }
        let known = self.flows.find(key).and_then(|id| self.flows.get_mut(id));
        known.and_then(|conversation| conversation.tcp.as_ref()).is_none_or(|session| session.one_sided())
    }

    /// The service bound to a server port: by configuration, else by default.
    fn bound(&self, transport: TransportKind, port: u16) -> Option<Service> {
        let configured = self.config.bindings.iter().find(|(of, at, _)| (*of, *at) == (transport, port));
        configured.map(|(.., service)| *service).or_else(|| bind_port(transport, port))
    }

    fn driver<'w>(&'w mut self, out: &'w mut dyn EventSink) -> Driver<'w> {
        Driver { core: &mut self.core, config: &self.config, expectations: &mut self.expectations, out }
    }

    /// The flow of a TCP packet, new if there is none.
    fn tcp_flow(
        &mut self,
        packet: &Packet<'_>,
        key: FlowKey,
        source_is_low: bool,
        endpoint: u32,
        number: u64,
        out: &mut dyn EventSink,
    ) -> Option<FlowId> {
        if let Some(id) = self.flows.find(&key) {
            return Some(id);
        }
        let (session, sender_is_client) = TcpSession::new(packet);
        let mut conversation = self.conversation(packet, source_is_low == sender_is_client, endpoint)?;
        if session.midstream() {
            self.core.coverage.note(conversation.spot(Blind::Midstream));
        }
        conversation.tcp = Some(Box::new(session));
        let expected = self.expected(&mut conversation);
        let bound = self.bound(TransportKind::Tcp, conversation.server.1);
        let mut driver = self.driver(out);
        match expected.or(bound) {
            Some(service) => driver.set_service(&mut conversation, service),
            None => conversation.wizard = driver.new_wizard(),
        }
        Some(self.insert(key, conversation, FlowTimeout::TCP, number, out))
    }

    fn insert(
        &mut self,
        key: FlowKey,
        conversation: Conversation,
        timeout: FlowTimeout,
        number: u64,
        out: &mut dyn EventSink,
    ) -> FlowId {
        self.core.counters.bump(Counter::FlowsCreated);
        self.core.coverage.flow(conversation.endpoint);
        let (id, evicted) = self.flows.insert(key, self.now, timeout, conversation);
        if let Some((_, mut old)) = evicted {
            self.core.coverage.note(old.spot(Blind::Shed));
            self.driver(out).finish(&mut old, End::TimedOut, number);
        }
        id
    }

    fn conversation(&mut self, packet: &Packet<'_>, low_is_client: bool, endpoint: u32) -> Option<Conversation> {
        let ip = packet.inner_ip()?;
        let (source_port, destination_port) = packet.ports().unwrap_or((0, 0));
        let source = (ip.source, source_port);
        let destination = (ip.destination, destination_port);
        // Whether the sender is the low end is told by the key; the caller folded it in.
        let sender_is_client = FlowKey::of(packet, endpoint).is_none_or(|(_, is_low)| is_low == low_is_client);
        let (client, server) = if sender_is_client { (source, destination) } else { (destination, source) };
        let number = self.next_flow;
        self.next_flow += 1;
        Some(Conversation {
            number,
            start: packet.frame.timestamp,
            client,
            server,
            low_is_client,
            protocol: ip.protocol,
            endpoint,
            tcp: None,
            blind: (false, [0; 2]),
            service: None,
            inspector: None,
            wizard: None,
            mode: [Mode::Identify; 2],
            wanted: [0; 2],
            carried: [0; 2],
            ended: [false; 2],
            listed: false,
            long_lived: false,
            gap_noted: false,
            connection: 0,
            detect: FlowState::new(number),
            rules: self.core.rules.set.id,
            packets: [0; 2],
            bytes: [0; 2],
            last_packet: 0,
            last_time: packet.frame.timestamp,
        })
    }

    fn expected(&mut self, conversation: &mut Conversation) -> Option<Service> {
        if self.expectations.is_empty() {
            return None;
        }
        while self.expectations.len() > MAX_EXPECTATIONS {
            self.expectations.remove(0);
            self.core.counters.bump(Counter::ExpectationsEvicted);
        }
        let fits = |expectation: &Expectation, server: (IpAddr, u16), client: IpAddr| {
            expectation.server == server && expectation.client == client
        };
        let at = self.expectations.iter().position(|expectation| {
            fits(expectation, conversation.server, conversation.client.0)
                || fits(expectation, conversation.client, conversation.server.0)
        })?;
        let expectation = self.expectations.remove(at);
        let listener = if conversation.client == expectation.server { Role::Client } else { Role::Server };
        if (listener == Role::Client) != expectation.listener_is_client {
            conversation.swap_roles();
        }
        Some(expectation.service)
    }

    /// UDP, ICMP and other IP packets: the packet is the unit.
    fn datagram(
        &mut self,
        packet: &Packet<'_>,
        key: FlowKey,
        source_is_low: bool,
        number: u64,
        endpoint: u32,
        out: &mut dyn EventSink,
    ) {
        let Some(id) = self.datagram_flow(packet, key, source_is_low, endpoint, number, out) else { return };
        self.current = Some(id);
        let Some(conversation) = self.flows.get_mut(id) else { return };
        conversation.follow_rules(self.core.rules.set.id);
        let direction = conversation.direction(source_is_low);
        note_packet(conversation, direction, packet, number);
        let mut driver =
            Driver { core: &mut self.core, config: &self.config, expectations: &mut self.expectations, out };
        driver.datagram(conversation, packet, direction, number);
        self.flows.touch(id, self.now);
    }

    fn datagram_flow(
        &mut self,
        packet: &Packet<'_>,
        key: FlowKey,
        source_is_low: bool,
        endpoint: u32,
        number: u64,
        out: &mut dyn EventSink,
    ) -> Option<FlowId> {
        if let Some(id) = self.flows.find(&key) {
            return Some(id);
        }
        let mut conversation = self.conversation(packet, source_is_low, endpoint)?;
        let timeout = match conversation.protocol {
            protocol::UDP => FlowTimeout::UDP,
            protocol::ICMP | protocol::ICMPV6 => FlowTimeout::ICMP,
            _ => FlowTimeout::IP,
        };
        if conversation.protocol == protocol::UDP && packet.ports().is_some() {
            let bound = self.bound(TransportKind::Udp, conversation.server.1);
            let mut driver = self.driver(out);
            match bound {
                Some(service) => driver.set_service(&mut conversation, service),
                None => conversation.wizard = driver.new_wizard(),
            }
        }
        Some(self.insert(key, conversation, timeout, number, out))
    }
}

/// Every so many packets the flow of the packet is measured for the table's memory cap.
const FOOTPRINT_EVERY: u64 = 8;

#[derive(PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// Seconds that a closed TCP flow stays, so that late packets don't look like a new one.
const CLOSED_SECONDS: u32 = 30;

fn note_packet(conversation: &mut Conversation, direction: Direction, packet: &Packet<'_>, number: u64) {
    let index = direction.index();
    if let Some(count) = conversation.packets.get_mut(index) {
        *count = count.saturating_add(1);
    }
    if let Some(bytes) = conversation.bytes.get_mut(index) {
        *bytes = bytes.saturating_add(u64::from(packet.frame.original_len));
    }
    conversation.last_packet = number;
    conversation.last_time = packet.frame.timestamp;
}
