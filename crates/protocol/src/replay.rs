//! Runs an inspector as the engine does, for fuzz entries and tests: keeps the unconsumed tail,
//! checks the contract of [`Inspector`], records what comes out.

use crate::{
    DetachReason, End, Expectation, InspectCx, Inspector, InspectorEvent, Limits, Pdu, PduSink, Service, Step,
};
use std::net::{IpAddr, Ipv4Addr};
use tapir_flow::Direction;
use tapir_telemetry::Counters;

/// A recorded PDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub dir: Direction,
    pub raw: Vec<u8>,
    pub payload: Vec<u8>,
    pub file: Option<Vec<u8>>,
    pub position: u64,
    pub starts_message: bool,
}

/// Collects what an inspector says.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub pdus: Vec<Recorded>,
    pub events: Vec<InspectorEvent>,
    pub expectations: Vec<Expectation>,
    dir: Option<Direction>,
}

impl PduSink for Recorder {
    fn pdu(&mut self, pdu: &Pdu<'_>) {
        let arena = bumpalo::Bump::new();
        let file = pdu.view.searchable(crate::BufferId::FileData, &arena).map(<[u8]>::to_vec);
        self.pdus.push(Recorded {
            dir: self.dir.unwrap_or(Direction::ToServer),
            raw: pdu.raw.to_vec(),
            payload: pdu.payload.to_vec(),
            position: pdu.view.file_position(),
            file,
            starts_message: pdu.starts_message,
        });
    }
    fn event(&mut self, event: InspectorEvent) {
        self.events.push(event);
    }
    fn expect(&mut self, expectation: Expectation) {
        self.expectations.push(expectation);
    }
}

/// The client's address in replays.
pub(crate) const CLIENT: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 1, 1, 2)), 45_000);
/// The server's address in replays.
pub(crate) const SERVER: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 2, 2, 3)), 25);

impl Recorder {
    /// A context that records here.
    pub(crate) fn cx<'a>(&'a mut self, limits: &'a Limits, counters: &'a mut Counters) -> InspectCx<'a> {
        InspectCx { sink: self, limits, counters, client: CLIENT, server: SERVER }
    }
}

/// One direction of a replayed flow.
#[derive(Debug, Default)]
struct Side {
    pending: Vec<u8>,
    gone: bool,
}

/// A replayed flow.
pub(crate) struct Replay {
    inspector: Box<dyn Inspector>,
    limits: Limits,
    sides: [Side; 2],
    pub recorder: Recorder,
    pub counters: Counters,
    /// Set when the inspector asked for another service.
    pub switched: Option<Option<Service>>,
    /// Set when the inspector let go of a direction.
    pub detached: Option<DetachReason>,
    /// A contract violation, if one was seen.
    pub violation: Option<&'static str>,
}

impl Replay {
    /// Starts a flow.
    pub(crate) fn new(inspector: Box<dyn Inspector>, limits: Limits) -> Self {
        Self {
            inspector,
            limits,
            sides: [Side::default(), Side::default()],
            recorder: Recorder::default(),
            counters: Counters::default(),
            switched: None,
            detached: None,
            violation: None,
        }
    }

    fn side(&mut self, dir: Direction) -> &mut Side {
        let [client, server] = &mut self.sides;
        match dir {
            Direction::ToServer => client,
            Direction::ToClient => server,
        }
    }

    /// New bytes of a direction.
    pub(crate) fn feed(&mut self, dir: Direction, bytes: &[u8]) {
        let side = self.side(dir);
        if side.gone {
            return;
        }
        side.pending.extend_from_slice(bytes);
        let mut pending = std::mem::take(&mut side.pending);
        let used = self.consume(dir, &pending);
        pending.drain(..used);
        self.side(dir).pending = pending;
    }

    fn consume(&mut self, dir: Direction, bytes: &[u8]) -> usize {
        let mut used = 0usize;
        let mut idle = false;
        self.recorder.dir = Some(dir);
        while self.switched.is_none() && !self.side(dir).gone {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let mut cx = self.recorder.cx(&self.limits, &mut self.counters);
            match self.inspector.on_bytes(dir, rest, &mut cx) {
                Step::Consumed(0) if idle => {
                    self.violation = Some("Consumed(0) twice in a row");
                    self.side(dir).gone = true;
                }
                Step::Consumed(n) if n > rest.len() => {
                    self.violation = Some("consumed more than given");
                    self.side(dir).gone = true;
                }
                Step::Consumed(n) => {
                    idle = n == 0;
                    used = used.saturating_add(n);
                }
                Step::NeedMore { at_least } => {
                    if at_least <= rest.len() {
                        self.violation = Some("NeedMore for no more than given");
                    }
                    break;
                }
                Step::Switch(service) => self.switched = Some(service),
                Step::Detach(reason) => {
                    self.detached = Some(reason);
                    self.side(dir).gone = true;
                }
            }
        }
        used
    }

    /// Both directions end.
    pub(crate) fn end(&mut self) {
        for dir in [Direction::ToServer, Direction::ToClient] {
            let side = self.side(dir);
            let tail = std::mem::take(&mut side.pending);
            if side.gone || self.switched.is_some() {
                continue;
            }
            self.recorder.dir = Some(dir);
            let mut cx = self.recorder.cx(&self.limits, &mut self.counters);
            self.inspector.on_end(dir, &tail, End::Fin, &mut cx);
        }
        let _held = self.inspector.footprint();
    }
}

/// Reads `data` as a script of both directions (a length byte whose high bit is the direction, then
/// bytes) and replays it with small PDUs. Panics in debug builds on a contract violation: fuzzing only.
pub(crate) fn fuzz(inspector: Box<dyn Inspector>, data: &[u8]) {
    let limits = Limits { pdu_bytes: 256, ..Limits::default() };
    let mut replay = Replay::new(inspector, limits);
    let mut rest = data;
    while let Some((&head, tail)) = rest.split_first() {
        let dir = if head & 0x80 == 0 { Direction::ToServer } else { Direction::ToClient };
        let len = usize::from(head & 0x7f).min(tail.len());
        let (bytes, after) = tail.split_at_checked(len).unwrap_or((tail, &[]));
        replay.feed(dir, bytes);
        rest = after;
    }
    replay.end();
    debug_assert!(replay.violation.is_none(), "{:?}", replay.violation);
}

/// Scripts of protocol fragments, to get deeper than random bytes do.
#[cfg(test)]
pub(crate) fn scripts(fragments: &'static [&'static str]) -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let piece = (any::<bool>(), prop::sample::select(fragments), proptest::collection::vec(any::<u8>(), 0..6));
    let script = piece.prop_map(|(to_client, text, noise)| {
        let bytes: Vec<u8> = text.bytes().chain(noise.into_iter().filter(|byte| byte % 8 == 0)).take(127).collect();
        let head = bytes.len() as u8 | if to_client { 0x80 } else { 0 };
        std::iter::once(head).chain(bytes).collect::<Vec<u8>>()
    });
    proptest::collection::vec(script, 0..40).prop_map(|pieces| pieces.concat())
}
