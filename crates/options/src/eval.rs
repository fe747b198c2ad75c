//! What an option sees while it is evaluated: the unit, the cursor, the variables.

use bumpalo::Bump;
use std::net::IpAddr;
use tapir_flow::Direction;
use tapir_packet::{Packet, Timestamp};
use tapir_protocol::{BufferId, PduView, Section, Service};
use tapir_telemetry::Counters;

/// What kind of unit is inspected (`pkt_gen`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitKind {
    /// A wire packet.
    Raw,
    /// A datagram put together from fragments.
    Defragmented,
    /// A PDU cut from a TCP stream (or made by an inspector).
    Stream,
}

/// Addresses and ports in the direction of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source port, `None` where the packet has none (ICMP, later fragments).
    pub source_port: Option<u16>,
    /// Destination port.
    pub destination_port: Option<u16>,
    /// IP protocol number.
    pub protocol: u8,
}

/// Flow state that options read. `None` in [`Unit::flow`] if the packet belongs to no flow.
#[derive(Clone, Copy)]
pub struct BitView<'a> {
    /// Role of the sender of this unit's data.
    pub direction: Direction,
    /// The flow is established (always true on rebuilt PDUs).
    pub established: bool,
    /// Set flowbits, by interned id, sorted.
    pub flowbits: &'a [u32],
    /// Bytes by sequence numbers: client's, server's (`stream_size`).
    pub stream_bytes: [u64; 2],
}

/// One unit of inspection with everything that options may ask.
pub struct Unit<'a> {
    /// Kind.
    pub kind: UnitKind,
    /// Wire headers; `None` for stream PDUs, which have no IP or TCP header.
    pub packet: Option<&'a Packet<'a>>,
    /// For `ip` rules on tunnels: index into the packet's IP layers; else the innermost.
    pub ip_layer: usize,
    /// Addresses and ports.
    pub net: Net,
    /// `pkt_data`.
    pub payload: &'a [u8],
    /// `raw_data`.
    pub raw: &'a [u8],
    /// Named buffers and facts.
    pub view: &'a dyn PduView,
    /// Section of the message.
    pub section: Section,
    /// `dsize` may match: wire packets, and PDUs that start a message.
    pub starts_message: bool,
    /// Flow, if any.
    pub flow: Option<BitView<'a>>,
    /// Service, once known.
    pub service: Option<Service>,
    /// Packet time (for PDUs: of the first segment).
    pub time: Timestamp,
    /// Arena for derived buffers, reset after the unit.
    pub arena: &'a Bump,
}

/// Where the next option looks.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    /// Which buffer.
    pub id: BufferId,
    /// Its bytes.
    pub data: &'a [u8],
    /// Position, 0…=data.len().
    pub pos: usize,
    /// On a retry: what the last success of this option left in it; 0 on the first try.
    /// An option that can be retried stores here where its next search begins (never 0).
    pub delta: usize,
    /// The position is so many bytes before the data: a rule that goes on in the next piece.
    pub behind: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `pkt_data`.
    pub fn new(unit: &Unit<'a>) -> Self {
        Self { id: BufferId::PktData, data: unit.payload, pos: 0, delta: 0, behind: 0 }
    }

    /// Moves to the start of another buffer.
    pub fn set(&mut self, id: BufferId, data: &'a [u8]) {
        *self = Self { id, data, pos: 0, delta: 0, behind: 0 };
    }

    /// The bytes from the position on.
    pub fn rest(&self) -> &'a [u8] {
        self.data.get(self.pos..).unwrap_or(&[])
    }
}

/// Values of `byte_extract` and `byte_math` variables of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vars(pub [u32; Vars::MAX]);

impl Vars {
    /// Variables a rule may have.
    pub const MAX: usize = 16;

    /// Value of variable `index`.
    pub fn value(&self, index: u8) -> u32 {
        self.0.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// Sets variable `index`.
    pub fn assign(&mut self, index: u8, value: u32) {
        if let Some(slot) = self.0.get_mut(usize::from(index)) {
            *slot = value;
        }
    }
}

/// Where a rule would go on if the data did (`snort/02-options.md`, continuation across PDUs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// The option to evaluate next.
    pub option: u16,
    /// The buffer.
    pub buffer: BufferId,
    /// The cursor, counted from the end of the data: at or before it (a window reaches beyond), or behind it.
    pub ahead: i64,
    /// Variables.
    pub vars: Vars,
}

/// What a hit was found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitKind {
    /// `content`
    Content,
    /// `pcre` or `regex`
    Pcre,
}

/// A confirmed match of one option, for evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Index of the option in [`crate::CompiledRule::options`].
    pub option: u16,
    /// Buffer.
    pub buffer: BufferId,
    /// First byte in the buffer.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
    /// By what.
    pub kind: HitKind,
}

/// State of the evaluation of one rule on one unit.
pub struct Eval<'a, 's> {
    /// The unit.
    pub unit: &'s Unit<'a>,
    /// Variables.
    pub vars: Vars,
    /// Output of `base64_decode`, in the arena.
    pub base64: Option<&'a [u8]>,
    /// The worker's counters.
    pub counters: &'s mut Counters,
    /// If set, options that match append where.
    pub hits: Option<&'s mut Vec<Hit>>,
    /// Index of the option under evaluation (for [`Hit::option`]).
    pub option: u16,
    /// Set by an option that failed because the data ends too early.
    pub beyond: Option<Beyond>,
}

impl Eval<'_, '_> {
    /// Notes that evaluation could go on at `option` if there were more data, with the cursor at `position`.
    pub fn go_beyond(&mut self, option: u16, cursor: &Cursor<'_>, position: i64) {
        /// What is further ahead will not come.
        const MAX_AHEAD: i64 = 1 << 31;
        let ahead = position.saturating_sub(i64::try_from(cursor.data.len()).unwrap_or(i64::MAX));
        if self.beyond.is_none() && ahead < MAX_AHEAD {
            self.beyond = Some(Beyond { option, buffer: cursor.id, ahead, vars: self.vars });
        }
    }
}
