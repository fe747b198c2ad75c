//! Cuts session messages and gives each the views that its data allows.

use super::pipes::{Call, Pipes};
use super::requests::Requests;
use super::{FILE_DEPTH, Found, Moved, smb1, smb2};
use crate::dce::DceView;
use crate::pieces::Pieces;
use crate::wire::{be24, byte, size32};
use crate::{DetachReason, End, InspectCx, Inspector, InspectorEvent, Pdu, PduKind, Step};
use tapir_flow::Direction;
use tapir_telemetry::{Counter, Counters};

/// Bytes of a message that are waited for, its session header included.
pub(super) const MAX_MESSAGE: usize = (64 << 10) + HEADER;
const HEADER: usize = 4;

/// Follows an SMB conversation.
#[derive(Debug, Default)]
pub(super) struct SmbInspector {
    requests: Requests,
    pipes: Pipes,
    pieces: [Pieces; 2],
}

/// Length of the session message at the start of `bytes`, header included.
fn message_len(bytes: &[u8]) -> Result<usize, Step> {
    let length = match byte(bytes, 0) {
        // Direct TCP uses all 24 bits; a NetBIOS session the lower 17, the others being zero.
        Some(0) => be24(bytes, 1),
        Some(0x81..=0x85) => be24(bytes, 1).map(|length| length & 0x1_ffff),
        Some(_) => return Err(Step::Detach(DetachReason::NotOurs)),
        None => None,
    };
    length.map(|length| size32(length).saturating_add(HEADER)).ok_or(Step::NeedMore { at_least: HEADER })
}

impl Inspector for SmbInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let [to_server, to_client] = &mut self.pieces;
        let pieces = if dir == Direction::ToServer { to_server } else { to_client };
        if pieces.active() {
            return match pieces.next(bytes, cx.limits.pdu_bytes) {
                Ok(piece) => {
                    cx.sink.pdu(&Pdu { starts_message: false, ..Pdu::plain(piece) });
                    Step::Consumed(piece.len())
                }
                Err(step) => step,
            };
        }
        let total = match message_len(bytes) {
            Ok(total) => total,
            Err(step) => return step,
        };
        let now = total.min(MAX_MESSAGE);
        let Some(message) = bytes.get(..now) else { return Step::NeedMore { at_least: now } };
        if total > now {
            *pieces = Pieces::new(total.saturating_sub(now));
            cx.counters.bump(Counter::SmbMessagesOversized);
        }
        self.message(dir, message, cx);
        Step::Consumed(now)
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            self.message(dir, tail, cx);
        }
    }

    fn footprint(&self) -> usize {
        self.requests.footprint().saturating_add(self.pipes.footprint())
    }
}

/// What a message gave, in order; the first within the message is the message's own view.
#[derive(Default)]
struct Units<'m> {
    own: Option<DceView<'m>>,
    more: Vec<Unit<'m>>,
}

enum Unit<'m> {
    Within { raw: &'m [u8], view: DceView<'m> },
    Joined { bytes: Vec<u8>, stub_at: usize, facts: Option<crate::DceFacts>, kind: PduKind },
}

impl<'m> Units<'m> {
    fn within(&mut self, raw: &'m [u8], view: DceView<'m>) {
        match self.own {
            None => self.own = Some(view),
            Some(_) => self.more.push(Unit::Within { raw, view }),
        }
    }

    fn call(&mut self, call: Call<'m>) {
        match call {
            Call::Within { fragment, heard } => {
                let view = DceView { facts: heard.facts, stub: fragment.get(heard.stub), file: None };
                self.within(fragment, view);
            }
            Call::Joined { bytes, stub_at, facts, kind } => {
                self.more.push(Unit::Joined { bytes, stub_at, facts, kind });
            }
        }
    }
}

impl SmbInspector {
    fn message(&mut self, dir: Direction, raw: &[u8], cx: &mut InspectCx<'_>) {
        let mut units = Units::default();
        let smb = raw.get(HEADER..).unwrap_or(&[]);
        let Self { requests, pipes, .. } = self;
        let mut all = Vec::new();
        match smb {
            [0xff, b'S', b'M', b'B', ..] => smb1::walk(dir, smb, requests, cx.counters, &mut |found| all.push(found)),
            [0xfe, b'S', b'M', b'B', ..] => smb2::walk(dir, smb, requests, cx.counters, &mut |found| all.push(found)),
            _ => {}
        }
        for found in all {
            match found {
                Found::Moved(moved) => add(dir, moved, pipes, cx.counters, &mut units),
                Found::Joined(handle, bytes) => {
                    pipes.feed_joined(dir, handle, &bytes, cx.counters, &mut |call| units.call(call));
                }
                Found::Closed(handle) => pipes.close(handle),
                Found::Anomaly(sid) => cx.sink.event(InspectorEvent { gid: 133, sid }),
            }
        }
        emit(raw, units, cx);
    }
}

/// Data of a pipe becomes calls, of a file `file_data`.
fn add<'m>(dir: Direction, moved: Moved<'m>, pipes: &mut Pipes, counters: &mut Counters, units: &mut Units<'m>) {
    if pipes.feed(dir, moved, counters, &mut |call| units.call(call)) || moved.offset >= FILE_DEPTH {
        return;
    }
    let room = usize::try_from(FILE_DEPTH.saturating_sub(moved.offset)).unwrap_or(usize::MAX);
    let bytes = moved.bytes.get(..room).unwrap_or(moved.bytes);
    if !bytes.is_empty() {
        units.within(moved.bytes, DceView { file: Some((bytes, moved.offset)), ..DceView::default() });
    }
}

fn emit(raw: &[u8], units: Units<'_>, cx: &mut InspectCx<'_>) {
    let own = units.own.unwrap_or_default();
    cx.sink.pdu(&Pdu { view: &own, ..Pdu::plain(raw) });
    for unit in units.more {
        match unit {
            Unit::Within { raw, view } => {
                cx.sink.pdu(&Pdu { view: &view, starts_message: false, continues_flush: true, ..Pdu::plain(raw) });
            }
            Unit::Joined { bytes, stub_at, facts, kind } => {
                let view = DceView { facts, stub: bytes.get(stub_at..), file: None };
                cx.sink.pdu(&Pdu { view: &view, kind, ..Pdu::plain(&bytes) });
            }
        }
    }
}

/// Arbitrary conversations: no panic, contract kept, same PDUs for every cut.
#[doc(hidden)]
pub fn fuzz_smb(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(SmbInspector::default()));
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
