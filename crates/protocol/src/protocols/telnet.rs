//! Telnet (RFC 854): one PDU per line, negotiation left in (Snort's `normalize` is off by default).
//!
//! A line ends at LF, or at CR and the byte behind it; line ends within a subnegotiation of up to
//! [`SUBNEGOTIATION_MAX`] bytes don't count. Snort flushes at the last line end that a segment
//! happens to hold, so text over several lines is seen together there and not here.

use super::{ProtocolDef, TransportKind};
use crate::content::line::need_more;
use crate::content::telnet::{IAC, SB, SE, strip};
use crate::{End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, Service, Step};
use memchr::memchr3;
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The telnet protocol.
pub(crate) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Telnet,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(Telnet::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] =
    &[EventDef { gid: GID, sid: OPEN_SUBNEGOTIATION, meaning: "subnegotiation without an end" }];

const GID: u32 = 126;
/// A subnegotiation without end.
const OPEN_SUBNEGOTIATION: u32 = 3;
/// Bytes of a subnegotiation in which line ends are no line ends (window sizes, terminal names).
const SUBNEGOTIATION_MAX: usize = 512;

#[derive(Debug, Default)]
struct Telnet {
    sides: [Side; 2],
    scratch: Vec<u8>,
}

/// Where the search for the line end stands; offsets from the first unconsumed byte.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    scanned: usize,
    /// Start of a subnegotiation whose end has not come.
    subnegotiation: Option<usize>,
    continued: bool,
}

impl Side {
    /// Length of the line at the start of `bytes`.
    fn line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            let at = self.scanned.checked_add(
                memchr3(b'\n', b'\r', IAC, bytes.get(self.scanned..)?)
                    .unwrap_or_else(|| bytes.len().saturating_sub(self.scanned)),
            )?;
            self.scanned = at;
            let byte = *bytes.get(at)?;
            let inside = self.subnegotiation.is_some_and(|start| at.saturating_sub(start) < SUBNEGOTIATION_MAX);
            if !inside {
                self.subnegotiation = None;
            }
            match byte {
                b'\n' if !inside => return at.checked_add(1),
                b'\r' if !inside => {
                    // CR LF, CR NUL; a CR before anything else ends the line alone.
                    return match bytes.get(at.checked_add(1)?)? {
                        b'\n' | 0 => at.checked_add(2),
                        _ => at.checked_add(1),
                    };
                }
                IAC => {
                    match *bytes.get(at.checked_add(1)?)? {
                        SB if !inside => self.subnegotiation = Some(at),
                        SE if inside => self.subnegotiation = None,
                        _ => {}
                    }
                    self.scanned = at.checked_add(2)?;
                }
                _ => self.scanned = at.checked_add(1)?,
            }
        }
    }
}

impl Telnet {
    fn emit(&mut self, dir: Direction, line: &[u8], complete: bool, cx: &mut InspectCx<'_>) {
        let Some(side) = self.sides.get_mut(dir.index()) else { return };
        cx.sink.pdu(&Pdu { starts_message: !side.continued, ..Pdu::plain(line) });
        *side = Side { continued: !complete, ..Side::default() };
        if strip(line, &mut self.scratch).1.open_subnegotiation {
            cx.sink.event(InspectorEvent { gid: GID, sid: OPEN_SUBNEGOTIATION });
        }
    }
}

impl Inspector for Telnet {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let limit = cx.limits.pdu_bytes.max(1);
        let Some(side) = self.sides.get_mut(dir.index()) else { return Step::Consumed(bytes.len()) };
        let window = bytes.get(..bytes.len().min(limit)).unwrap_or_default();
        match side.line_end(window) {
            Some(end) => {
                let line = bytes.get(..end).unwrap_or_default();
                self.emit(dir, line, true, cx);
                Step::Consumed(line.len())
            }
            None if window.len() == limit => {
                cx.counters.bump(Counter::ServiceLineOversized);
                self.emit(dir, window, false, cx);
                Step::Consumed(window.len())
            }
            None => need_more(bytes),
        }
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            self.emit(dir, tail, true, cx);
        }
    }

    fn footprint(&self) -> usize {
        size_of::<Self>().saturating_add(self.scratch.capacity())
    }
}

/// Fuzz entry: a script of both directions.
#[doc(hidden)]
pub fn fuzz_telnet(data: &[u8]) {
    crate::replay::fuzz(Box::new(Telnet::default()), data);
}

#[cfg(test)]
mod tests;
