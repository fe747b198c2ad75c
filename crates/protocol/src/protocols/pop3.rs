//! POP3 (RFC 1939), with CAPA (RFC 2449) and STLS (RFC 2595).
//!
//! PDUs: a command line; a status line with the message behind it (RETR, TOP: one PDU per MIME part,
//! the decoded body as `file_data`) or with the list behind it (LIST, UIDL, CAPA, AUTH).
//! Which answer is what follows from the order of commands; an answer whose command was not seen is
//! taken for a message if it says so (`octets`).

use super::{ProtocolDef, TransportKind};
use crate::content::line::{Found, LineScan, first_word, is_one_of};
use crate::content::mime::{Cut, DecodeEvents, Framing, Message, Scan, Scratch};
use crate::{End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, Service, Step};
use std::collections::VecDeque;
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The POP3 protocol.
pub(crate) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Pop3,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(Pop3::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: GID, sid: UNKNOWN_COMMAND, meaning: "unknown command" },
    EventDef { gid: GID, sid: UNKNOWN_RESPONSE, meaning: "unknown response" },
    EventDef { gid: GID, sid: DECODE.base64, meaning: "base64 of a message part is broken" },
    EventDef { gid: GID, sid: DECODE.uuencode, meaning: "uuencoding of a message part is broken" },
];

const GID: u32 = 142;
const UNKNOWN_COMMAND: u32 = 1;
const UNKNOWN_RESPONSE: u32 = 2;
const DECODE: DecodeEvents = DecodeEvents { gid: GID, base64: 4, uuencode: 7 };

/// Commands without an answer that are remembered.
const PIPELINED: usize = 64;

const KNOWN: &[&str] = &[
    "APOP", "AUTH", "CAPA", "DELE", "LIST", "NOOP", "PASS", "QUIT", "RETR", "RSET", "STAT", "STLS", "TOP", "UIDL",
    "USER",
];

/// What a positive answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Line,
    List,
    Message,
    Tls,
}

/// One POP3 session.
#[derive(Debug, Default)]
struct Pop3 {
    lines: [LineScan; 2],
    continued: [bool; 2],
    expected: VecDeque<Answer>,
    greeted: bool,
    message: Option<Message>,
    scratch: Scratch,
    tls: bool,
}

/// What the answer to a command will be, `None` if the command is unknown.
fn answer_to(line: &[u8]) -> Option<Answer> {
    let (verb, arguments) = first_word(line);
    let is = |known: &str| verb.eq_ignore_ascii_case(known.as_bytes());
    if is("RETR") || is("TOP") {
        Some(Answer::Message)
    } else if is("CAPA") || (arguments.is_empty() && (is("LIST") || is("UIDL") || is("AUTH"))) {
        Some(Answer::List)
    } else if is("STLS") {
        Some(Answer::Tls)
    } else {
        is_one_of(verb, KNOWN).then_some(Answer::Line)
    }
}

impl Pop3 {
    fn event(sid: u32, cx: &mut InspectCx<'_>) {
        cx.sink.event(InspectorEvent { gid: GID, sid });
    }

    /// The next line of a direction: its length and whether it is a whole line.
    fn line(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Result<(usize, bool), Step> {
        let Some(lines) = self.lines.get_mut(dir.index()) else { return Ok((bytes.len(), false)) };
        match lines.next(bytes, 0, cx.limits.pdu_bytes) {
            Found::NeedMore(step) => Err(step),
            Found::Line(len) => Ok((len, !self.was_cut(dir))),
            Found::Oversized(len) => {
                cx.counters.bump(Counter::ServiceLineOversized);
                Ok((len, false))
            }
        }
    }

    fn was_cut(&self, dir: Direction) -> bool {
        self.continued.get(dir.index()).copied().unwrap_or(false)
    }

    /// Hands a line, or the piece of one, to detection.
    fn emit_line(&mut self, dir: Direction, line: &[u8], cx: &mut InspectCx<'_>) -> Step {
        cx.sink.pdu(&Pdu { starts_message: !self.was_cut(dir), ..Pdu::plain(line) });
        if let Some(continued) = self.continued.get_mut(dir.index()) {
            *continued = !line.ends_with(b"\n");
        }
        Step::Consumed(line.len())
    }

    fn client(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let (len, whole) = match self.line(Direction::ToServer, bytes, cx) {
            Ok(found) => found,
            Err(step) => return step,
        };
        let line = bytes.get(..len).unwrap_or(bytes);
        let step = self.emit_line(Direction::ToServer, line, cx);
        if whole {
            let answer = answer_to(line).unwrap_or_else(|| {
                Self::event(UNKNOWN_COMMAND, cx);
                Answer::Line
            });
            if self.expected.len() < PIPELINED {
                self.expected.push_back(answer);
            } else {
                cx.counters.bump(Counter::ServicePipelineOverflow);
            }
        }
        step
    }

    fn server(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        if self.message.is_some() {
            return self.message_piece(bytes, cx);
        }
        let (len, whole) = match self.line(Direction::ToClient, bytes, cx) {
            Ok(found) => found,
            Err(step) => return step,
        };
        let line = bytes.get(..len).unwrap_or(bytes);
        if !whole {
            return self.emit_line(Direction::ToClient, line, cx);
        }
        let positive = line.starts_with(b"+OK");
        if !positive && !line.starts_with(b"-ERR") {
            Self::event(UNKNOWN_RESPONSE, cx);
        }
        let answer = self.answer(line);
        self.message = match answer {
            Answer::Message if positive => {
                cx.counters.bump(Counter::MimeMessages);
                Some(Message::mime(Framing::Dots, line.len()))
            }
            Answer::List if positive => Some(Message::opaque(Framing::Dots, line.len())),
            _ => {
                self.tls = positive && answer == Answer::Tls;
                return self.emit_line(Direction::ToClient, line, cx);
            }
        };
        self.message_piece(bytes, cx)
    }

    /// Which answer a status line starts.
    fn answer(&mut self, line: &[u8]) -> Answer {
        if !std::mem::replace(&mut self.greeted, true) && !says_octets(line) {
            return Answer::Line;
        }
        match self.expected.pop_front() {
            Some(answer) => answer,
            None if says_octets(line) => Answer::Message,
            None => Answer::Line,
        }
    }

    fn message_piece(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let Some(message) = &mut self.message else { return Step::Consumed(bytes.len()) };
        match message.scan(bytes, u64::MAX, cx.limits.pdu_bytes, cx) {
            Scan::NeedMore(step) => step,
            Scan::Piece { len, cut } => {
                let piece = bytes.get(..len).unwrap_or(bytes);
                message.emit(piece, cut, &DECODE, &mut self.scratch, cx);
                if cut == Cut::End {
                    self.message = None;
                }
                Step::Consumed(piece.len())
            }
        }
    }
}

/// Servers announce a message by its size: `+OK 120 octets`.
fn says_octets(line: &[u8]) -> bool {
    line.starts_with(b"+OK") && memchr::memmem::find(line, b" octets").is_some()
}

impl Inspector for Pop3 {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        if self.tls {
            return Step::Switch(Some(Service::Ssl));
        }
        match dir {
            Direction::ToServer => self.client(bytes, cx),
            Direction::ToClient => self.server(bytes, cx),
        }
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if tail.is_empty() {
            return;
        }
        match &mut self.message {
            Some(message) if dir == Direction::ToClient => {
                message.end(tail, cx);
                message.emit(tail, Cut::End, &DECODE, &mut self.scratch, cx);
            }
            _ => cx.sink.pdu(&Pdu { starts_message: !self.was_cut(dir), ..Pdu::plain(tail) }),
        }
    }

    fn footprint(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.expected.capacity())
            .saturating_add(self.message.as_ref().map_or(0, Message::footprint))
    }
}

/// Fuzz entry: a script of both directions.
#[doc(hidden)]
pub fn fuzz_pop3(data: &[u8]) {
    crate::replay::fuzz(Box::new(Pop3::default()), data);
}

#[cfg(test)]
mod tests;
