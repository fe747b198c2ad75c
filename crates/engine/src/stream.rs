//! Drives one direction of a TCP flow: identification, inspector, plain reassembly.
//!
//! *Invariants*: an inspector is given unconsumed acknowledged bytes only; it is not asked again
//! before `NeedMore::at_least` bytes are there; `Consumed(0)` twice in a row detaches it (counted).
//! *Spec*: `snort/03-detection.md` §3.1, `snort/04-stream.md` §4.2, `snort/06-services.md` §6.1.

use crate::border::BorderView;
use crate::config::EngineConfig;
use crate::conversation::{Conversation, Mode};
use crate::coverage::Blind;
use crate::inspect::{Core, EventSink, Origin};
use bumpalo::Bump;
use std::net::IpAddr;
use tapir_detect::{FlowState, UnitContext};
use tapir_event::FlowSummary;
use tapir_flow::Direction;
use tapir_options::{BitView, Net, Unit, UnitKind};
use tapir_packet::{Packet, Timestamp};
use tapir_protocol::{
    BufferId, DetachReason, End, Expectation, Identified, InspectCx, InspectorEvent, Pdu, PduKind, PduSink, Service,
    Step, TransportKind, Wizard, inspector_for,
};
use tapir_telemetry::Counter;

/// Whether plain data that makes no unit yet is inspected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    No,
    /// Nothing came for a while; more may.
    Idle,
    /// Nothing follows: the end of the direction, or a hole.
    End,
}

/// Bytes that the wizard looks at per direction.
const IDENTIFY_BYTES: usize = 8192;

/// What the driver shares between calls.
pub(crate) struct Driver<'w> {
    pub(crate) core: &'w mut Core,
    pub(crate) config: &'w EngineConfig,
    pub(crate) expectations: &'w mut Vec<Expectation>,
    pub(crate) out: &'w mut dyn EventSink,
}

/// Turns PDUs into units. Lives for one call of an inspector.
pub(crate) struct UnitSink<'s, 'p> {
    pub(crate) core: &'s mut Core,
    pub(crate) detect: &'s mut FlowState,
    pub(crate) expectations: &'s mut Vec<Expectation>,
    pub(crate) out: &'s mut dyn EventSink,
    pub(crate) facts: UnitFacts<'p>,
    /// PDUs emitted.
    pub(crate) emitted: usize,
}

/// What all units of one call have in common.
#[derive(Clone, Copy)]
pub(crate) struct UnitFacts<'p> {
    /// The datagram; `None` for stream data.
    pub(crate) packet: Option<&'p Packet<'p>>,
    pub(crate) net: Net,
    pub(crate) direction: Direction,
    pub(crate) established: bool,
    pub(crate) stream_bytes: [u64; 2],
    pub(crate) service: Option<Service>,
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
    pub(crate) flow: FlowSummary,
    pub(crate) endpoint: u32,
}

impl UnitSink<'_, '_> {
    /// If the PDU is a further piece of a file: inspects what stands around the cut before it.
    fn cut(&mut self, pdu: &Pdu<'_>) {
        let mut border = std::mem::take(&mut self.core.border);
        // `file_data` is lent by the inspector; an arena without memory costs nothing.
        let arena = Bump::new();
        arena.set_allocation_limit(Some(0));
        let position = pdu.view.file_position();
        let file = pdu.view.searchable(BufferId::FileData, &arena).unwrap_or_default();
        let start = match file {
            [] => None,
            _ => self.detect.border(self.facts.direction, (file, position), self.core.overlap, &mut border),
        };
        if let Some(position) = start {
            let view = BorderView { piece: pdu.view, file, border: &border, position };
            let whole = std::ptr::eq(pdu.payload, file);
            let payload = if whole { border.as_slice() } else { &[] };
            let pdu = Pdu { raw: payload, payload, view: &view, starts_message: false, ..*pdu };
            self.unit(&pdu, true);
        }
        self.core.border = border;
    }

    fn unit(&mut self, pdu: &Pdu<'_>, border: bool) {
        let facts = self.facts;
        let kind = match facts.packet {
            None => UnitKind::Stream,
            Some(packet) if packet.defragmented => UnitKind::Defragmented,
            Some(_) => UnitKind::Raw,
        };
        // The arena is taken out for the unit's life so that the rest of `core` can be borrowed.
        let mut arena = std::mem::take(&mut self.core.arena);
        {
            let mut unit = Unit {
                kind,
                packet: facts.packet,
                ip_layer: facts.packet.map_or(0, |packet| packet.ip_layers.saturating_sub(1)),
                net: facts.net,
                payload: pdu.payload,
                raw: pdu.raw,
                view: pdu.view,
                section: pdu.section,
                starts_message: pdu.starts_message,
                flow: Some(BitView {
                    direction: facts.direction,
                    established: facts.established || kind == UnitKind::Stream,
                    flowbits: &[],
                    stream_bytes: facts.stream_bytes,
                }),
                service: facts.service,
                time: facts.time,
                arena: &arena,
            };
            let by_line = matches!(facts.service, Some(Service::Smtp | Service::Ftp | Service::Imap | Service::Pop3));
            let context = UnitContext {
                continues_flush: pdu.continues_flush
                    || by_line && self.detect.same_flush(facts.direction, facts.number),
                border,
                endpoint: facts.endpoint,
                ..UnitContext::default()
            };
            let origin = Origin {
                number: facts.number,
                time: facts.time,
                packet: facts.packet,
                kind: pdu.kind,
                flow: Some(facts.flow),
                endpoint: facts.endpoint,
            };
            self.core.run(&mut unit, Some(&mut *self.detect), context, &origin, self.out);
        }
        arena.reset();
        self.core.arena = arena;
    }
}

impl PduSink for UnitSink<'_, '_> {
    fn pdu(&mut self, pdu: &Pdu<'_>) {
        self.core.counters.bump(Counter::Pdus);
        self.emitted += 1;
        if self.core.overlap > 0 {
            self.cut(pdu);
        }
        self.unit(pdu, false);
    }

    fn event(&mut self, event: InspectorEvent) {
        let origin = Origin {
            number: self.facts.number,
            time: self.facts.time,
            packet: self.facts.packet,
            kind: PduKind::Stream,
            flow: Some(self.facts.flow),
            endpoint: self.facts.endpoint,
        };
        let (net, direction) = (self.facts.net, self.facts.direction);
        self.core.builtin(event.gid, event.sid, Some(&net), Some(direction), &origin, self.out);
    }

    fn expect(&mut self, expectation: Expectation) {
        self.expectations.push(expectation);
    }
}

impl Driver<'_> {
    /// Takes what is ready in a direction as far as it goes.
    pub(crate) fn pump(&mut self, conversation: &mut Conversation, direction: Direction, number: u64) {
        loop {
            let Some(session) = &conversation.tcp else { return };
            let half = session.half(direction);
            let ready = half.ready().len();
            let wanted = conversation.wanted.get(direction.index()).copied().unwrap_or(0);
            let gap = half.gap();
            if ready == 0 && gap.is_none() {
                return;
            }
            if ready < wanted && gap.is_none() {
                return;
            }
            let go_on = match conversation.mode(direction) {
                Mode::Identify => self.identify(conversation, direction, gap.is_some()),
                Mode::Inspect => self.inspect(conversation, direction, number, gap),
                Mode::Plain => {
                    self.plain(conversation, direction, number, if gap.is_some() { Flush::End } else { Flush::No })
                }
                Mode::Off => {
                    if let Some(session) = &mut conversation.tcp {
                        let half = session.half_mut(direction);
                        half.consume(ready);
                        half.skip_gap();
                    }
                    false
                }
            };
            if !go_on {
                return;
            }
        }
    }

    /// Nothing came for a while: what waits for the rest of its unit is inspected.
    pub(crate) fn idle(&mut self, conversation: &mut Conversation, direction: Direction, number: u64) {
        if !conversation.waits(direction) {
            return;
        }
        let taken = match conversation.mode(direction) {
            Mode::Plain => self.plain(conversation, direction, number, Flush::Idle),
            Mode::Inspect => self.idle_inspector(conversation, direction, number),
            Mode::Identify => self.idle_unidentified(conversation, direction, number),
            Mode::Off => false,
        };
        if taken {
            self.core.counters.bump(Counter::IdleFlushes);
        }
    }

    /// Too little to tell the service by: a plain unit, and the wizard goes on when more comes.
    fn idle_unidentified(&mut self, conversation: &mut Conversation, direction: Direction, number: u64) -> bool {
        let Some(session) = conversation.take_tcp() else { return false };
        let facts = self.facts(conversation, &session, direction, number);
        let bytes = session.half(direction).ready();
        let inspected = bytes.len();
        let continues_flush = conversation.carried(direction) > 0;
        self.sink(&mut conversation.detect, facts).pdu(&Pdu { continues_flush, ..Pdu::plain(bytes) });
        conversation.tcp = Some(session);
        conversation.carry(direction, inspected);
        true
    }

    fn idle_inspector(&mut self, conversation: &mut Conversation, direction: Direction, number: u64) -> bool {
        let Some(mut inspector) = conversation.inspector.take() else { return false };
        let Some(mut session) = conversation.take_tcp() else { return false };
        let held = inspector.holds(direction);
        let facts = self.facts(conversation, &session, direction, number);
        let bytes = session.half(direction).ready();
        let (taken, _) = self.with_cx(conversation, facts, |cx| inspector.on_idle(direction, bytes, cx));
        session.half_mut(direction).consume(taken);
        conversation.tcp = Some(session);
        conversation.inspector = Some(inspector);
        if taken > 0 {
            conversation.want(direction, 0);
        }
        taken > 0 || held
    }

    /// The direction ended: what was acknowledged is inspected, nothing more.
    pub(crate) fn end(&mut self, conversation: &mut Conversation, direction: Direction, end: End, number: u64) {
        let index = direction.index();
        if conversation.ended.get(index).copied().unwrap_or(true) {
            return;
        }
        if let Some(slot) = conversation.ended.get_mut(index) {
            *slot = true;
        }
        self.pump(conversation, direction, number);
        if conversation.mode(direction) == Mode::Identify {
            conversation.set_mode(direction, Mode::Plain);
        }
        match conversation.mode(direction) {
            Mode::Inspect => self.end_inspection(conversation, direction, end, number),
            Mode::Plain => while self.plain(conversation, direction, number, Flush::End) {},
            Mode::Identify | Mode::Off => {}
        }
    }

    fn end_inspection(&mut self, conversation: &mut Conversation, direction: Direction, end: End, number: u64) {
        let Some(mut inspector) = conversation.inspector.take() else { return };
        let Some(session) = conversation.take_tcp() else { return };
        let tail = session.half(direction).ready();
        let facts = self.facts(conversation, &session, direction, number);
        self.with_cx(conversation, facts, |cx| inspector.on_end(direction, tail, end, cx));
        let mut session = session;
        let left = session.half(direction).ready().len();
        session.half_mut(direction).consume(left);
        conversation.tcp = Some(session);
        conversation.inspector = Some(inspector);
    }

    /// One try of the wizard. True: go on with the loop.
    fn identify(&mut self, conversation: &mut Conversation, direction: Direction, gap: bool) -> bool {
        let (Some(session), Some(wizard)) = (&conversation.tcp, &mut conversation.wizard) else {
            conversation.set_mode(direction, Mode::Plain);
            return true;
        };
        let ready = session.half(direction).ready();
        let prefix = ready.get(..ready.len().min(IDENTIFY_BYTES)).unwrap_or(ready);
        match wizard.on_stream(direction, prefix) {
            Identified::Service(service) => {
                self.set_service(conversation, service);
                true
            }
            Identified::NeedMore if !gap && ready.len() < IDENTIFY_BYTES => false,
            Identified::NeedMore | Identified::No => {
                conversation.set_mode(direction, Mode::Plain);
                true
            }
        }
    }

    /// The service is known: attach its inspector to both directions, or leave the flow plain.
    pub(crate) fn set_service(&mut self, conversation: &mut Conversation, service: Service) {
        self.core.counters.bump(Counter::FlowsIdentified);
        conversation.service = Some(service);
        conversation.wizard = None;
        let transport = if conversation.tcp.is_some() { TransportKind::Tcp } else { TransportKind::Udp };
        conversation.inspector = inspector_for(service, transport, &self.config.limits);
        let mode = if conversation.inspector.is_some() { Mode::Inspect } else { Mode::Plain };
        for direction in [Direction::ToServer, Direction::ToClient] {
            conversation.set_mode(direction, mode);
        }
    }

    /// One call of the inspector. True: go on with the loop.
    fn inspect(
        &mut self,
        conversation: &mut Conversation,
        direction: Direction,
        number: u64,
        gap: Option<u64>,
    ) -> bool {
        let Some(mut inspector) = conversation.inspector.take() else {
            conversation.set_mode(direction, Mode::Plain);
            return true;
        };
        let Some(session) = conversation.take_tcp() else { return false };
        let facts = self.facts(conversation, &session, direction, number);
        let bytes = session.half(direction).ready();
        let wanted = conversation.wanted.get(direction.index()).copied().unwrap_or(0);
        let at_gap = bytes.len() < wanted.max(1);
        let (step, _) = self.with_cx(conversation, facts, |cx| match gap {
            Some(len) if at_gap => inspector.on_gap(direction, len, cx),
            _ => inspector.on_bytes(direction, bytes, cx),
        });
        let available = bytes.len();
        conversation.tcp = Some(session);
        conversation.inspector = Some(inspector);
        self.take_step(conversation, direction, step, available, gap.is_some() && at_gap)
    }

    fn take_step(
        &mut self,
        conversation: &mut Conversation,
        direction: Direction,
        step: Step,
        available: usize,
        at_gap: bool,
    ) -> bool {
        match step {
            Step::Consumed(count) => {
                let count = count.min(available);
                if let Some(session) = &mut conversation.tcp {
                    let half = session.half_mut(direction);
                    half.consume(count);
                    if at_gap {
                        let rest = half.ready().len();
                        half.consume(rest);
                        half.skip_gap();
                    }
                }
                if count == 0 && !at_gap {
                    return self.again(conversation, direction);
                }
                conversation.want(direction, 0);
                true
            }
            Step::NeedMore { at_least } => {
                if at_gap {
                    // The hole is known and more was asked for: it will never come.
                    self.detach(conversation, direction);
                    return true;
                }
                conversation.want(direction, at_least.max(available.saturating_add(1)));
                // A hole directly behind what is ready must be handled now.
                conversation.tcp.as_ref().is_some_and(|session| session.half(direction).gap().is_some())
            }
            Step::Switch(service) => {
                self.switch(conversation, service);
                true
            }
            Step::Detach(reason) => {
                if matches!(reason, DetachReason::Gap | DetachReason::Limit(_)) {
                    self.core.coverage.note(conversation.spot(Blind::GivenUp));
                }
                match reason {
                    DetachReason::Encrypted => {
                        self.core.counters.bump(Counter::FlowsEncrypted);
                        self.core.coverage.note(conversation.spot(Blind::Encrypted));
                        conversation.bypass();
                        return false;
                    }
                    DetachReason::Gap => self.core.counters.bump(Counter::InspectorsDetachedGap),
                    DetachReason::NotOurs => self.core.counters.bump(Counter::InspectorsDetachedNotOurs),
                    DetachReason::Limit(_) => self.core.counters.bump(Counter::InspectorsDetachedLimit),
                }
                self.detach(conversation, direction);
                true
            }
        }
    }

    /// `Consumed(0)`: ask once more at once; a second one in a row is a stuck inspector.
    fn again(&mut self, conversation: &mut Conversation, direction: Direction) -> bool {
        let Some(number) = conversation.tcp.as_ref().map(|_| conversation.last_packet) else { return false };
        let (Some(mut inspector), Some(session)) = (conversation.inspector.take(), conversation.take_tcp()) else {
            return false;
        };
        let facts = self.facts(conversation, &session, direction, number);
        let bytes = session.half(direction).ready();
        let (step, _) = self.with_cx(conversation, facts, |cx| inspector.on_bytes(direction, bytes, cx));
        let available = bytes.len();
        conversation.tcp = Some(session);
        conversation.inspector = Some(inspector);
        if step == Step::Consumed(0) {
            self.core.counters.bump(Counter::InspectorsStuck);
            self.detach(conversation, direction);
            return true;
        }
        self.take_step(conversation, direction, step, available, false)
    }

    fn switch(&mut self, conversation: &mut Conversation, service: Option<Service>) {
        match service {
            Some(service) => self.set_service(conversation, service),
            None => {
                conversation.inspector = None;
                conversation.service = None;
                conversation.wizard = self.new_wizard();
                for direction in [Direction::ToServer, Direction::ToClient] {
                    conversation.set_mode(direction, Mode::Identify);
                }
            }
        }
    }

    /// A wizard for a flow, unless identification is off.
    pub(crate) fn new_wizard(&self) -> Option<Box<Wizard>> {
        let make = if self.config.extended_identification { Wizard::extended } else { Wizard::new };
        self.config.identify.then(|| Box::new(make()))
    }

    /// This direction falls back to plain reassembly; with both, the inspector goes.
    fn detach(&mut self, conversation: &mut Conversation, direction: Direction) {
        conversation.set_mode(direction, Mode::Plain);
        if conversation.mode(direction.reverse()) != Mode::Inspect {
            conversation.inspector = None;
        }
    }

    /// Rebuilt data without an inspector. True: something was taken.
    ///
    /// Each unit repeats the last `overlap` bytes of the one before, so that what stands across
    /// the cut is found; a rule that fired on the bytes before is not raised again.
    fn plain(&mut self, conversation: &mut Conversation, direction: Direction, number: u64, flush: Flush) -> bool {
        let Some(session) = conversation.take_tcp() else { return false };
        let carried = conversation.carried(direction);
        let half = session.half(direction);
        let ready = half.ready();
        let gap = half.gap().is_some();
        let cut = self.plain_cut(half.segment_ends(), carried, ready.len());
        let cut = cut.or((flush != Flush::No && (gap || ready.len() > carried)).then_some(ready.len()));
        let Some(cut) = cut else {
            conversation.tcp = Some(session);
            return false;
        };
        if let Some(bytes) = ready.get(..cut).filter(|bytes| bytes.len() > carried) {
            let facts = self.facts(conversation, &session, direction, number);
            let mut sink = self.sink(&mut conversation.detect, facts);
            sink.pdu(&Pdu { continues_flush: carried > 0, ..Pdu::plain(bytes) });
        }
        let last = cut >= ready.len() && (gap || flush == Flush::End);
        let keep = if last { 0 } else { cut.min(self.config.overlap) };
        let mut session = session;
        let half = session.half_mut(direction);
        half.consume(cut.saturating_sub(keep));
        let at_gap = half.ready().is_empty() && gap;
        if at_gap {
            half.skip_gap();
        }
        conversation.tcp = Some(session);
        conversation.carry(direction, keep);
        cut > carried || at_gap
    }

    /// Where plain data is cut: at the end of a segment, once at least two new segments and enough new
    /// bytes are there; at `pdu_bytes` in any case. Snort takes the first such place, we the last: the
    /// overlap makes up for where the cut falls.
    fn plain_cut(&self, ends: impl Iterator<Item = usize>, carried: usize, ready: usize) -> Option<usize> {
        let largest = self.config.limits.pdu_bytes.max(self.config.plain_flush_bytes);
        let mut segments = 0;
        let mut cut = None;
        for end in ends.take_while(|&end| end <= ready) {
            let new = end.saturating_sub(carried);
            segments += usize::from(new > 0);
            if new >= largest {
                return cut.or(Some(carried.saturating_add(largest)));
            }
            if segments >= 2 && new >= self.config.plain_flush_bytes {
                cut = Some(end);
                if self.config.profile.exact_snort3 {
                    break;
                }
            }
        }
        cut
    }

    fn facts<'p>(
        &self,
        conversation: &Conversation,
        session: &tapir_flow::TcpSession,
        direction: Direction,
        number: u64,
    ) -> UnitFacts<'p> {
        let (source, destination) = conversation.ends(direction);
        UnitFacts {
            packet: None,
            net: net(source, destination, conversation.protocol),
            direction,
            established: true,
            stream_bytes: session.bytes_by_sequence(),
            service: conversation.service,
            number,
            time: session.half(direction).first_meta().map_or(conversation.last_time, |meta| meta.time),
            flow: conversation.summary(),
            endpoint: conversation.endpoint,
        }
    }

    pub(crate) fn sink<'s, 'p>(&'s mut self, detect: &'s mut FlowState, facts: UnitFacts<'p>) -> UnitSink<'s, 'p> {
        UnitSink { core: self.core, detect, expectations: self.expectations, out: self.out, facts, emitted: 0 }
    }

    /// Calls an inspector with everything it gets along with bytes.
    pub(crate) fn with_cx<R>(
        &mut self,
        conversation: &mut Conversation,
        facts: UnitFacts<'_>,
        call: impl FnOnce(&mut InspectCx<'_>) -> R,
    ) -> (R, usize) {
        let (client, server) = (conversation.client, conversation.server);
        // The inspector counts for itself; merged afterwards, so that the sink can own `core`.
        let mut counters = std::mem::take(&mut self.core.inspector_counters);
        let limits = &self.config.limits;
        let mut sink = UnitSink {
            core: self.core,
            detect: &mut conversation.detect,
            expectations: self.expectations,
            out: self.out,
            facts,
            emitted: 0,
        };
        let mut cx = InspectCx { sink: &mut sink, limits, counters: &mut counters, client, server };
        let result = call(&mut cx);
        let emitted = sink.emitted;
        self.core.inspector_counters = counters;
        (result, emitted)
    }
}

pub(crate) fn net(source: (IpAddr, u16), destination: (IpAddr, u16), protocol: u8) -> Net {
    Net {
        source: source.0,
        destination: destination.0,
        source_port: Some(source.1),
        destination_port: Some(destination.1),
        protocol,
    }
}
