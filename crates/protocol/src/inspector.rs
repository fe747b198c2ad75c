//! The contract between the engine and an inspector: push bytes in, PDUs come out.

use crate::{PduView, Service};
use std::net::IpAddr;
use tapir_flow::Direction;
use tapir_telemetry::Counters;

/// What follows one protocol on one flow. Owned by the worker; never shared.
///
/// Contract, checked by the driver and by tests:
/// 1. The driver keeps the unconsumed tail and hands it again with new bytes behind it; `bytes`
///    always starts at the first unconsumed byte. An inspector keeps no copy of unconsumed bytes
///    (a count of bytes already scanned is fine).
/// 2. PDUs depend on stream offsets and content only, never on how the bytes were cut.
/// 3. `Consumed(0)` is legal once for a pure change of state, never twice in a row;
///    `NeedMore { at_least }` asks for more than was given.
pub trait Inspector: Send {
    /// Acknowledged in-order bytes of one direction.
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step;

    /// `len` bytes are missing before what comes next. Default: this direction is lost to the
    /// inspector and falls back to plain reassembly.
    fn on_gap(&mut self, _dir: Direction, _len: u64, _cx: &mut InspectCx<'_>) -> Step {
        Step::Detach(DetachReason::Gap)
    }

    /// The direction ended; `tail` is what was never consumed. Emits what is left.
    fn on_end(&mut self, _dir: Direction, _tail: &[u8], _end: End, _cx: &mut InspectCx<'_>) {}

    /// Nothing came for a while: emits what was held back to make a larger PDU. Returns how many of `bytes`
    /// (not consumed so far) that took. What is only complete with more bytes (a line, a header) stays.
    fn on_idle(&mut self, _dir: Direction, _bytes: &[u8], _cx: &mut InspectCx<'_>) -> usize {
        0
    }

    /// Consumed bytes wait inside for more to make a PDU.
    fn holds(&self, _dir: Direction) -> bool {
        false
    }

    /// One UDP datagram. Emits exactly one PDU for it (the driver evaluates the datagram with it).
    fn on_datagram(&mut self, _dir: Direction, payload: &[u8], cx: &mut InspectCx<'_>) {
        cx.sink.pdu(&Pdu::plain(payload));
    }

    /// Bytes of memory held, for the flow's budget.
    fn footprint(&self) -> usize;
}

/// What an inspector gets along with bytes.
pub struct InspectCx<'a> {
    /// Where PDUs, events and expectations go.
    pub sink: &'a mut dyn PduSink,
    /// Depths and caps.
    pub limits: &'a Limits,
    /// The worker's counters.
    pub counters: &'a mut Counters,
    /// The flow's client and server addresses and ports (for FTP data channels and the like).
    pub client: (IpAddr, u16),
    /// See `client`.
    pub server: (IpAddr, u16),
}

/// Receives what inspectors make of the bytes. Implemented by the engine.
pub trait PduSink {
    /// A PDU: rules are evaluated on it before this returns.
    fn pdu(&mut self, pdu: &Pdu<'_>);
    /// An anomaly (Snort's builtin events).
    fn event(&mut self, event: InspectorEvent);
    /// A further flow that this one announced.
    fn expect(&mut self, expectation: Expectation);
}

/// An anomaly: Snort's generator and signature id (`../shared/spec/snort/10-builtin-events.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectorEvent {
    /// Generator, e.g. 119 for HTTP.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
}

/// What an anomaly means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDef {
    /// Generator.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// In a few words.
    pub meaning: &'static str,
}

/// A flow that is about to come (FTP data channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Who will listen.
    pub server: (IpAddr, u16),
    /// Who will connect; port `None` = any.
    pub client: IpAddr,
    /// What it will speak.
    pub service: Service,
    /// The side that listens plays the client (active FTP: Snort counts `RETR` data as to-client
    /// though the FTP server connects).
    pub listener_is_client: bool,
}

/// Answer of [`Inspector::on_bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This many bytes are done with.
    Consumed(usize),
    /// Nothing can be said before `at_least` bytes (counted from the first unconsumed) are there.
    NeedMore {
        /// Length of `bytes` at which to call again.
        at_least: usize,
    },
    /// The flow speaks something else from here on; unconsumed bytes go to the new service.
    /// `None`: identify again.
    Switch(Option<Service>),
    /// This direction is no longer followed.
    Detach(DetachReason),
}

/// Why an inspector lets go of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachReason {
    /// Bytes are missing.
    Gap,
    /// Not this protocol after all, or sync was lost.
    NotOurs,
    /// Encrypted from here on: the whole flow is bypassed (counted, not inspected).
    Encrypted,
    /// A limit was hit; the text names it.
    Limit(&'static str),
}

/// Why a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// FIN, acknowledged.
    Fin,
    /// RST.
    Reset,
    /// Idle or evicted.
    TimedOut,
    /// No more packets.
    EndOfCapture,
}

/// Which part of a message a PDU is; rules of other sections are not searched in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Section {
    /// Not sectioned: the whole message.
    #[default]
    Plain,
    /// HTTP start line and header block.
    Header,
    /// HTTP body piece.
    Body,
    /// HTTP trailers.
    Trailer,
}

/// How a PDU came about, for `pkt_gen`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PduKind {
    /// Cut from the stream, or one datagram.
    #[default]
    Stream,
    /// DCE/RPC fragments put together.
    DceDefrag,
    /// DCE/RPC segments out of SMB or TCP put together.
    DceDeseg,
    /// SMB transaction parts put together.
    SmbTransaction,
}

/// One unit of inspection.
#[derive(Clone, Copy)]
pub struct Pdu<'a> {
    /// `raw_data`: the stream bytes of this PDU.
    pub raw: &'a [u8],
    /// `pkt_data`: normalised payload (dechunked, unzipped body; telnet negotiation removed), else
    /// the same as `raw`. Empty: plain content rules see nothing in this unit (HTTP header sections).
    pub payload: &'a [u8],
    /// Named buffers and facts.
    pub view: &'a dyn PduView,
    /// Which part of a message.
    pub section: Section,
    /// How it came about.
    pub kind: PduKind,
    /// The unit starts a protocol message (`dsize` only matches such).
    pub starts_message: bool,
    /// A further view of bytes that were already evaluated (second MIME part of one PDU): a rule
    /// that fired on the earlier unit of the same flush is not raised again.
    pub continues_flush: bool,
}

impl<'a> Pdu<'a> {
    /// A PDU without named buffers.
    pub fn plain(raw: &'a [u8]) -> Self {
        Self {
            raw,
            payload: raw,
            view: &crate::NoView,
            section: Section::Plain,
            kind: PduKind::Stream,
            starts_message: true,
            continues_flush: false,
        }
    }
}

/// Depths and caps of inspectors. Each has a counter that shows that it bit.
#[derive(Clone, Debug)]
pub struct Limits {
    /// HTTP request body bytes given to detection per message; `None` = all.
    pub http_request_depth: Option<u64>,
    /// HTTP response body bytes given to detection per message; `None` = all.
    pub http_response_depth: Option<u64>,
    /// Decoded bytes given to rules of each attachment of a mail; `None` = all.
    pub mime_depth: Option<u64>,
    /// `http_param` finds the first value of a repeated parameter only, as Snort does; else any of them.
    pub http_first_param_only: bool,
    /// Decompressed bytes per message at most.
    pub inflate_bytes: u64,
    /// Output/input ratio above which decompression of a message stops, once past 1 MiB.
    pub inflate_ratio: u32,
    /// Decode gzip and deflate bodies.
    pub unzip: bool,
    /// Start line or header block in bytes (Snort: 63,780).
    pub http_header_bytes: usize,
    /// Header lines per message.
    pub http_headers: usize,
    /// Compressed body bytes that make one piece (Snort: 2,048).
    pub http_compressed_piece: usize,
    /// Pipelined requests without an answer.
    pub http_pipelined: usize,
    /// MIME attachments per HTTP request body PDU run (Snort: 5).
    pub mime_attachments: usize,
    /// Size of body pieces and of PDUs without a natural border (Snort `max_pdu`).
    pub pdu_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            http_request_depth: None,
            http_response_depth: None,
            mime_depth: None,
            http_first_param_only: false,
            inflate_bytes: 64 << 20,
            inflate_ratio: 1_000,
            unzip: true,
            http_header_bytes: 63_780,
            http_headers: 1_000,
            http_compressed_piece: 2048,
            http_pipelined: 99,
            mime_attachments: 5,
            pdu_bytes: 16_384,
        }
    }
}
