//! Drives an inspector over a recorded conversation, as the engine would, and keeps what it emitted.
//!
//! For tests and fuzz targets: checks the contract of [`Inspector`] on the way (consumption within
//! bounds, `Consumed(0)` never twice in a row, `NeedMore` asks for more than was given) and that PDUs
//! don't depend on how the stream was cut.
//!
//! *Limits*: bytes and events are copied; not for live traffic.

use crate::{
    BufferId, BufferKey, CipFacts, DceFacts, DetachReason, Dnp3Facts, End, Expectation, GtpFacts, Iec104Facts,
    InspectCx, Inspector, InspectorEvent, Limits, MmsFacts, ModbusFacts, Pdu, PduKind, PduSink, S7commplusFacts,
    Section, SslFacts, Step,
};
use bumpalo::Bump;
use std::net::{IpAddr, Ipv4Addr};
use tapir_flow::Direction;
use tapir_telemetry::Counters;

/// A PDU, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of Pdu and PduView")]
pub struct Seen {
    pub dir: Direction,
    pub raw: Vec<u8>,
    pub payload: Vec<u8>,
    pub section: Section,
    pub kind: PduKind,
    pub starts_message: bool,
    pub continues_flush: bool,
    pub buffers: Vec<(BufferId, Vec<u8>)>,
    pub file_position: u64,
    pub ssl: Option<SslFacts>,
    pub sip: Option<(Vec<u8>, Option<u16>)>,
    pub dce: Option<DceFacts>,
    pub modbus: Option<ModbusFacts>,
    pub dnp3: Option<Dnp3Facts>,
    pub iec104: Option<Iec104Facts>,
    pub gtp: Option<GtpFacts>,
    pub s7commplus: Option<S7commplusFacts>,
    pub mms: Option<MmsFacts>,
    pub cip: Option<CipFacts>,
}

impl Seen {
    /// A buffer's content.
    pub fn buffer(&self, id: BufferId) -> Option<&[u8]> {
        self.buffers.iter().find(|(known, _)| *known == id).map(|(_, bytes)| bytes.as_slice())
    }
}

/// What a conversation gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "what PduSink receives")]
pub struct Transcript {
    pub pdus: Vec<Seen>,
    pub events: Vec<(u32, u32)>,
    pub expectations: Vec<Expectation>,
    /// Why each direction was let go of, if it was; index by [`Direction::index`].
    pub detached: [Option<DetachReason>; 2],
    /// The inspector handed over.
    pub switched: Option<Option<crate::Service>>,
}

struct Recorder<'t> {
    dir: Direction,
    transcript: &'t mut Transcript,
}

impl PduSink for Recorder<'_> {
    fn pdu(&mut self, pdu: &Pdu<'_>) {
        let arena = Bump::new();
        let keys = BufferId::ALL.iter().map(|&id| BufferKey::whole(id));
        let buffers = keys.filter_map(|key| Some((key.id, pdu.view.buffer(&key, &arena)?.to_vec()))).collect();
        self.transcript.pdus.push(Seen {
            dir: self.dir,
            raw: pdu.raw.to_vec(),
            payload: pdu.payload.to_vec(),
            section: pdu.section,
            kind: pdu.kind,
            starts_message: pdu.starts_message,
            continues_flush: pdu.continues_flush,
            buffers,
            file_position: pdu.view.file_position(),
            ssl: pdu.view.ssl(),
            sip: pdu.view.sip().map(|facts| (facts.method.to_vec(), facts.status)),
            dce: pdu.view.dce(),
            modbus: pdu.view.modbus(),
            dnp3: pdu.view.dnp3(),
            iec104: pdu.view.iec104(),
            gtp: pdu.view.gtp(),
            s7commplus: pdu.view.s7commplus(),
            mms: pdu.view.mms(),
            cip: pdu.view.cip(),
        });
    }

    fn event(&mut self, event: InspectorEvent) {
        self.transcript.events.push((event.gid, event.sid));
    }

    fn expect(&mut self, expectation: Expectation) {
        self.transcript.expectations.push(expectation);
    }
}

/// One conversation in progress.
struct Driver {
    inspector: Box<dyn Inspector>,
    tails: [Vec<u8>; 2],
    limits: Limits,
    counters: Counters,
    transcript: Transcript,
}

impl Driver {
    fn with<R>(&mut self, dir: Direction, call: impl FnOnce(&mut dyn Inspector, &[u8], &mut InspectCx<'_>) -> R) -> R {
        let mut sink = Recorder { dir, transcript: &mut self.transcript };
        let mut cx = InspectCx {
            sink: &mut sink,
            limits: &self.limits,
            counters: &mut self.counters,
            client: (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 40_000),
            server: (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 4_000),
        };
        let [to_server, to_client] = &self.tails;
        let tail = if dir.index() == 0 { to_server } else { to_client };
        call(&mut *self.inspector, tail, &mut cx)
    }

    fn tail(&mut self, dir: Direction) -> &mut Vec<u8> {
        let [to_server, to_client] = &mut self.tails;
        if dir.index() == 0 { to_server } else { to_client }
    }

    fn gone(&self, dir: Direction) -> bool {
        let encrypted = self.transcript.detached.contains(&Some(DetachReason::Encrypted));
        encrypted || self.transcript.switched.is_some() || self.transcript.detached.get(dir.index()) != Some(&None)
    }

    fn push(&mut self, dir: Direction, bytes: &[u8]) {
        if self.gone(dir) {
            return;
        }
        self.tail(dir).extend_from_slice(bytes);
        let mut stalled = false;
        while !self.tail(dir).is_empty() {
            let given = self.tail(dir).len();
            match self.with(dir, |inspector, tail, cx| inspector.on_bytes(dir, tail, cx)) {
                Step::Consumed(0) => {
                    assert!(!stalled, "Consumed(0) twice in a row");
                    stalled = true;
                }
                Step::Consumed(count) => {
                    assert!(count <= given, "consumed more than was given");
                    stalled = false;
                    self.tail(dir).drain(..count);
                }
                Step::NeedMore { at_least } => {
                    assert!(at_least > given, "NeedMore asks for {at_least}, given {given}");
                    return;
                }
                Step::Switch(service) => {
                    self.transcript.switched = Some(service);
                    return;
                }
                Step::Detach(reason) => {
                    if let Some(slot) = self.transcript.detached.get_mut(dir.index()) {
                        *slot = Some(reason);
                    }
                    return;
                }
            }
        }
    }

    fn end(&mut self, dir: Direction) {
        if !self.gone(dir) {
            self.with(dir, |inspector, tail, cx| inspector.on_end(dir, tail, End::Fin, cx));
        }
    }
}

/// Runs a conversation; `cut` says how many of the bytes to come form the next piece.
pub fn run(
    inspector: Box<dyn Inspector>,
    limits: &Limits,
    script: &[(Direction, &[u8])],
    mut cut: impl FnMut(usize) -> usize,
) -> Transcript {
    let mut driver = Driver {
        inspector,
        tails: Default::default(),
        limits: limits.clone(),
        counters: Counters::default(),
        transcript: Transcript::default(),
    };
    for &(dir, bytes) in script {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cut(rest.len()).clamp(1, rest.len()));
            driver.push(dir, piece);
            rest = behind;
        }
    }
    driver.end(Direction::ToServer);
    driver.end(Direction::ToClient);
    driver.transcript
}

/// Runs datagrams; each must give exactly one PDU.
pub fn run_datagrams(inspector: Box<dyn Inspector>, script: &[(Direction, &[u8])]) -> Transcript {
    let mut driver = Driver {
        inspector,
        tails: Default::default(),
        limits: Limits::default(),
        counters: Counters::default(),
        transcript: Transcript::default(),
    };
    for (index, &(dir, payload)) in script.iter().enumerate() {
        driver.with(dir, |inspector, _, cx| inspector.on_datagram(dir, payload, cx));
        assert_eq!(driver.transcript.pdus.len(), index.saturating_add(1), "a datagram gives one PDU");
    }
    driver.transcript
}

/// Runs a conversation whole, byte by byte and in three sizes; all must agree. Returns what it gave.
pub fn every_way(make: &dyn Fn() -> Box<dyn Inspector>, limits: &Limits, script: &[(Direction, &[u8])]) -> Transcript {
    let whole = run(make(), limits, script, |rest| rest);
    for size in [1, 3, 7, 64] {
        let pieced = run(make(), limits, script, |_| size);
        assert_eq!(whole, pieced, "PDUs depend on the cut (pieces of {size})");
    }
    whole
}

/// Splits fuzz input into turns (first byte of each: direction and length) and runs it every way.
pub fn fuzz_stream(data: &[u8], make: &dyn Fn() -> Box<dyn Inspector>) {
    every_way(make, &Limits { pdu_bytes: 256, ..Limits::default() }, &turns(data));
}

/// Like [`fuzz_stream`] for datagrams.
pub fn fuzz_datagrams(data: &[u8], make: &dyn Fn() -> Box<dyn Inspector>) {
    run_datagrams(make(), &turns(data));
}

/// Turns of a conversation: `0xxxxxxx` and `1xxxxxxx` are direction and length, 127 = the rest.
fn turns(mut data: &[u8]) -> Vec<(Direction, &[u8])> {
    let mut script = Vec::new();
    while let Some((&head, rest)) = data.split_first() {
        let dir = if head & 0x80 == 0 { Direction::ToServer } else { Direction::ToClient };
        let len = if head & 0x7f == 0x7f { rest.len() } else { usize::from(head & 0x7f) };
        let (turn, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        script.push((dir, turn));
        data = behind;
    }
    script
}
