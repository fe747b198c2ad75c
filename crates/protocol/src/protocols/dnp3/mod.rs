//! DNP3: link frames over TCP; application fragments as `dnp3_data`, their function, indications and
//! first object.
//!
//! *How it fits*: found by content. A link frame as sent is one PDU; the frame that completes an
//! application fragment carries its facts and, from the application header on and without CRCs,
//! `dnp3_data`. Whether a fragment is a response is told by its function, not by its direction.
//! Bytes that don't begin with a frame's start are no DNP3: the direction goes on as a plain stream.
//!
//! *Limits*: see [`link`] and [`transport`]. One fragment at a time is put together per direction,
//! whatever its addresses. Segments and fragments that come to nothing are counted
//! (`dnp3_segments_dropped`, `dnp3_fragments_dropped`).
//!
//! *Events*: 145:2 frame too short, 145:3 segment dropped, 145:4 fragment given up, 145:5 reserved
//! address, 145:6 reserved function. Checksums are not verified (145:1).
//!
//! *Spec*: IEEE 1815 §4.2 (application header), §8 (transport), §9 (link).

mod link;
mod transport;

use super::{ProtocolDef, TransportKind};
use crate::wire::{array, be16, byte};
use crate::{
    BufferId, BufferKey, DetachReason, Dnp3Facts, End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, PduView,
    Selector, Service, Step,
};
use bumpalo::Bump;
use link::{Framing, LENGTH_KNOWN, blocks, framing, reserved_address};
use tapir_flow::Direction;
use tapir_telemetry::Counter;
use transport::{Fragment, Outcome};

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Dnp3,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(Dnp3Inspector::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: 145, sid: 2, meaning: "link frame cut off" },
    EventDef { gid: 145, sid: 3, meaning: "transport segment out of sequence" },
    EventDef { gid: 145, sid: 4, meaning: "transport segments without a first one" },
    EventDef { gid: 145, sid: 5, meaning: "reserved address" },
    EventDef { gid: 145, sid: 6, meaning: "reserved function" },
];

/// Control and function.
const REQUEST_HEADER: usize = 2;
/// Control, function and indications.
const RESPONSE_HEADER: usize = 4;

#[derive(Debug, Default)]
struct Dnp3Inspector {
    sides: [Fragment; 2],
}

impl Dnp3Inspector {
    fn side(&mut self, dir: Direction) -> &mut Fragment {
        let [to_server, to_client] = &mut self.sides;
        if dir == Direction::ToServer { to_server } else { to_client }
    }
}

impl Inspector for Dnp3Inspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let total = match framing(bytes) {
            Framing::Frame(total) => total,
            Framing::Short => return Step::NeedMore { at_least: LENGTH_KNOWN },
            Framing::NotDnp3 => return Step::Detach(DetachReason::NotOurs),
            Framing::TooShort => {
                event(2, cx);
                return Step::Detach(DetachReason::NotOurs);
            }
        };
        let Some(frame) = bytes.get(..total) else { return Step::NeedMore { at_least: total } };
        if reserved_address(frame) {
            event(5, cx);
        }
        let side = self.side(dir);
        if take(side, frame, cx) {
            emit(frame, side.bytes(), cx);
        } else {
            cx.sink.pdu(&Pdu::plain(frame));
        }
        if !side.unfinished() {
            side.release();
        }
        Step::Consumed(total)
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if self.side(dir).unfinished() {
            cx.counters.bump(Counter::Dnp3FragmentsDropped);
        }
        if !tail.is_empty() {
            cx.sink.pdu(&Pdu::plain(tail));
        }
    }

    fn footprint(&self) -> usize {
        self.sides.iter().map(Fragment::footprint).fold(0, usize::saturating_add)
    }
}

fn event(sid: u32, cx: &mut InspectCx<'_>) {
    cx.sink.event(InspectorEvent { gid: 145, sid });
}

/// Takes a frame's segment in. True: the fragment is complete.
fn take(side: &mut Fragment, frame: &[u8], cx: &mut InspectCx<'_>) -> bool {
    let mut data = blocks(frame).peekable();
    if data.peek().is_none() {
        return false;
    }
    let mut interrupted = false;
    let outcome = side.push(data, &mut interrupted);
    if outcome == Outcome::Stray {
        cx.counters.bump(Counter::Dnp3SegmentsDropped);
        event(3, cx);
    }
    if interrupted || outcome == Outcome::Broken {
        cx.counters.bump(Counter::Dnp3FragmentsDropped);
        event(4, cx);
    }
    outcome == Outcome::Complete
}

/// The frame that completes a fragment.
fn emit(frame: &[u8], fragment: &[u8], cx: &mut InspectCx<'_>) {
    let facts = facts(fragment);
    if facts.is_some_and(|facts| !matches!(facts.function, 0..=33 | 129..=131)) {
        event(6, cx);
    }
    cx.sink.pdu(&Pdu { view: &Dnp3View { facts, fragment }, ..Pdu::plain(frame) });
}

/// What the application header says; `None` if it is cut off.
fn facts(fragment: &[u8]) -> Option<Dnp3Facts> {
    let function = byte(fragment, 1)?;
    let response = function >= 0x80;
    let object = array::<2>(fragment, if response { RESPONSE_HEADER } else { REQUEST_HEADER });
    Some(Dnp3Facts {
        function,
        indications: if response { be16(fragment, REQUEST_HEADER) } else { None },
        object: object.map(|[group, variation]| (group, variation)),
    })
}

struct Dnp3View<'m> {
    facts: Option<Dnp3Facts>,
    fragment: &'m [u8],
}

impl PduView for Dnp3View<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        if id == BufferId::Dnp3Data && !self.fragment.is_empty() { Some(self.fragment) } else { None }
    }

    fn dnp3(&self) -> Option<Dnp3Facts> {
        self.facts
    }
}

/// Arbitrary frames.
#[doc(hidden)]
pub fn fuzz_dnp3(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(Dnp3Inspector::default()));
}

#[cfg(test)]
mod tests;
