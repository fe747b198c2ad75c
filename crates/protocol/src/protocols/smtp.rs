//! SMTP (RFC 5321), with chunking (RFC 3030), STARTTLS (RFC 3207) and AUTH (RFC 4954).
//!
//! PDUs: a command line; a whole reply; of a message one PDU per MIME part (see
//! [`crate::content::mime`]), with the decoded body as `file_data` and the bytes as sent as payload.
//!
//! A DATA command starts a message at once; if the server answers 4xx or 5xx before any of it was
//! consumed, what follows are commands again (measured on Snort 3: such lines are unknown commands).
//! A lone dot ends a message also behind a bare LF, as in Snort.

mod command;

use super::{ProtocolDef, TransportKind};
use crate::content::line::{Found, LineScan};
use crate::content::mime::{Cut, DecodeEvents, Framing, Message, Scan, Scratch};
use crate::content::reply::{Reply, ReplyScan};
use crate::{End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, Service, Step};
use command::Command;
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The SMTP protocol.
pub(crate) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Smtp,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(Smtp::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: GID, sid: COMMAND_OVERFLOW, meaning: "command line is too long" },
    EventDef { gid: GID, sid: HEADER_OVERFLOW, meaning: "header line of a message is too long" },
    EventDef { gid: GID, sid: RESPONSE_OVERFLOW, meaning: "response line is too long" },
    EventDef { gid: GID, sid: UNKNOWN_COMMAND, meaning: "unknown command" },
    EventDef { gid: GID, sid: DECODE.base64, meaning: "base64 of a message part is broken" },
    EventDef { gid: GID, sid: DECODE.uuencode, meaning: "uuencoding of a message part is broken" },
    EventDef { gid: GID, sid: STARTTLS_INJECTION, meaning: "commands behind STARTTLS in the same packet" },
];

const GID: u32 = 124;
const COMMAND_OVERFLOW: u32 = 1;
const HEADER_OVERFLOW: u32 = 2;
const RESPONSE_OVERFLOW: u32 = 3;
const UNKNOWN_COMMAND: u32 = 5;
const STARTTLS_INJECTION: u32 = 17;
const DECODE: DecodeEvents = DecodeEvents { gid: GID, base64: 10, uuencode: 13 };

/// Longest command and reply lines without an event (Snort's defaults; RFC 5321 §4.5.3.1 says 512).
const LONG_LINE: usize = 512;

/// What the client is sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Commands,
    /// A message up to the lone dot.
    Data,
    /// A chunk of a message.
    Chunk { remaining: u64, last: bool },
}

/// One SMTP session.
#[derive(Debug, Default)]
struct Smtp {
    phase: Phase,
    lines: LineScan,
    /// The command line's start was flushed for its size.
    line_continued: bool,
    message: Option<Message>,
    replies: ReplyScan,
    scratch: Scratch,
    /// The server's greeting was seen.
    greeted: bool,
    /// Commands without a reply.
    pending: u32,
    /// Replies to come before that to DATA; likewise to STARTTLS.
    data_reply: Option<u32>,
    tls_reply: Option<u32>,
    /// The event of text behind STARTTLS was raised.
    injected: bool,
    /// AUTH is going on: client lines are credentials.
    auth: bool,
    /// The server agreed to TLS.
    tls: bool,
}

impl Smtp {
    fn event(sid: u32, cx: &mut InspectCx<'_>) {
        cx.sink.event(InspectorEvent { gid: GID, sid });
    }

    fn client(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        if self.tls_reply.is_some() {
            if bytes.first() == Some(&0x16) {
                return Step::Switch(Some(Service::Ssl));
            }
            // Plain text behind STARTTLS, before the answer (CVE-2011-0411).
            if !std::mem::replace(&mut self.injected, true) {
                Self::event(STARTTLS_INJECTION, cx);
            }
        }
        match self.phase {
            Phase::Commands => self.commands(bytes, cx),
            Phase::Data => self.message_piece(bytes, None, cx),
            Phase::Chunk { remaining, last } => self.message_piece(bytes, Some((remaining, last)), cx),
        }
    }

    fn commands(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let (len, complete) = match self.lines.next(bytes, 0, cx.limits.pdu_bytes) {
            Found::NeedMore(step) => return step,
            Found::Line(len) => (len, true),
            Found::Oversized(len) => {
                cx.counters.bump(Counter::ServiceLineOversized);
                (len, false)
            }
        };
        let line = bytes.get(..len).unwrap_or(bytes);
        cx.sink.pdu(&Pdu { starts_message: !self.line_continued, ..Pdu::plain(line) });
        if line.len() > LONG_LINE && !self.line_continued {
            Self::event(COMMAND_OVERFLOW, cx);
        }
        if !self.line_continued {
            self.command(line, cx);
        }
        self.line_continued = !complete;
        Step::Consumed(line.len())
    }

    fn command(&mut self, line: &[u8], cx: &mut InspectCx<'_>) {
        let before = self.pending;
        self.pending = self.pending.saturating_add(1);
        if self.auth {
            return;
        }
        match command::parse(line) {
            Command::Data => {
                self.phase = Phase::Data;
                self.message = Some(Message::mime(Framing::Dots, 0));
                self.data_reply = Some(before);
                cx.counters.bump(Counter::MimeMessages);
            }
            Command::Chunk { len, last } => {
                if self.message.is_none() {
                    cx.counters.bump(Counter::MimeMessages);
                }
                if len > 0 {
                    self.message.get_or_insert_with(|| Message::mime(Framing::Length, 0));
                    self.phase = Phase::Chunk { remaining: len, last };
                } else if last {
                    self.message = None;
                }
            }
            Command::StartTls => self.tls_reply = Some(before),
            Command::Auth => self.auth = true,
            Command::NewTransaction => self.message = None,
            Command::Known => {}
            Command::Unknown => Self::event(UNKNOWN_COMMAND, cx),
        }
    }

    /// A piece of the message; `chunk` is what remains of a BDAT chunk and whether it is the last.
    fn message_piece(&mut self, bytes: &[u8], chunk: Option<(u64, bool)>, cx: &mut InspectCx<'_>) -> Step {
        let Some(message) = &mut self.message else {
            self.phase = Phase::Commands;
            return Step::Consumed(0);
        };
        let remaining = chunk.map_or(u64::MAX, |(remaining, _)| remaining);
        let (len, mut cut) = match message.scan(bytes, remaining, cx.limits.pdu_bytes, cx) {
            Scan::NeedMore(step) => return step,
            Scan::Piece { len, cut } => (len, cut),
        };
        let piece = bytes.get(..len).unwrap_or(bytes);
        let left = remaining.saturating_sub(piece.len() as u64);
        let goes_on = match chunk {
            None => cut != Cut::End,
            Some((_, last)) if left == 0 => {
                self.phase = Phase::Commands;
                if !last && cut == Cut::End {
                    // The message goes on in the next chunk.
                    cut = Cut::Size;
                }
                !last
            }
            Some((_, last)) => {
                self.phase = Phase::Chunk { remaining: left, last };
                true
            }
        };
        message.emit(piece, cut, &DECODE, &mut self.scratch, cx);
        if message.take_long_header() {
            Self::event(HEADER_OVERFLOW, cx);
        }
        if !goes_on {
            self.message = None;
            if chunk.is_none() {
                self.phase = Phase::Commands;
                // The message itself is answered.
                self.pending = self.pending.saturating_add(1);
            }
        }
        Step::Consumed(piece.len())
    }

    fn server(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let reply = match self.replies.next(bytes, cx.limits.pdu_bytes) {
            Err(step) => return step,
            Ok(reply) => reply,
        };
        let text = bytes.get(..reply.len).unwrap_or(bytes);
        cx.sink.pdu(&Pdu { starts_message: reply.starts, ..Pdu::plain(text) });
        if reply.longest > LONG_LINE {
            Self::event(RESPONSE_OVERFLOW, cx);
        }
        self.answered(&reply);
        Step::Consumed(text.len())
    }

    fn answered(&mut self, reply: &Reply) {
        let Some(code) = reply.code else { return };
        if !std::mem::replace(&mut self.greeted, true) && matches!(&code, b"220" | b"421" | b"554") {
            return;
        }
        if self.pending == 0 {
            return;
        }
        self.pending = self.pending.saturating_sub(1);
        let [class, ..] = code;
        if class != b'3' && self.pending == 0 {
            self.auth = false;
        }
        if count_down(&mut self.data_reply)
            && matches!(class, b'4' | b'5')
            && self.phase == Phase::Data
            && self.message.as_ref().is_some_and(Message::is_untouched)
        {
            self.phase = Phase::Commands;
            self.message = None;
            self.lines = LineScan::default();
        }
        if count_down(&mut self.tls_reply) && &code == b"220" {
            self.tls = true;
        }
    }
}

/// One reply came; true if it was the awaited one.
fn count_down(wait: &mut Option<u32>) -> bool {
    match *wait {
        Some(0) => {
            *wait = None;
            true
        }
        Some(n) => {
            *wait = Some(n.saturating_sub(1));
            false
        }
        None => false,
    }
}

impl Inspector for Smtp {
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
            Some(message) if dir == Direction::ToServer && self.phase != Phase::Commands => {
                message.end(tail, cx);
                message.emit(tail, Cut::End, &DECODE, &mut self.scratch, cx);
            }
            _ => {
                let starts_message = dir == Direction::ToClient || !self.line_continued;
                cx.sink.pdu(&Pdu { starts_message, ..Pdu::plain(tail) });
            }
        }
    }

    fn footprint(&self) -> usize {
        size_of::<Self>().saturating_add(self.message.as_ref().map_or(0, Message::footprint))
    }
}

/// Fuzz entry: a script of both directions.
#[doc(hidden)]
pub fn fuzz_smtp(data: &[u8]) {
    crate::replay::fuzz(Box::new(Smtp::default()), data);
}

#[cfg(test)]
mod tests;
