//! IMAP (RFC 9051, RFC 3501), with STARTTLS and COMPRESS (RFC 4978).
//!
//! PDUs: a command or response line together with its short literals; a response line with the first
//! part of the message that it carries (FETCH of `BODY[…]` or `RFC822`; client: APPEND), then one PDU
//! per further part, decoded body as `file_data`; the rest of the line. (Measured on Snort 3: the unit
//! reaches from the FETCH line to the first boundary line.)

mod literal;

use super::{ProtocolDef, TransportKind};
use crate::content::line::{Found, LineScan, first_word, is_one_of, need_more};
use crate::content::mime::{Cut, DecodeEvents, Framing, Message, Scan, Scratch};
use crate::{DetachReason, End, EventDef, InspectCx, Inspector, InspectorEvent, Pdu, Service, Step};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The IMAP protocol.
pub(crate) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Imap,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(Imap::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: GID, sid: UNKNOWN_COMMAND, meaning: "unknown command" },
    EventDef { gid: GID, sid: DECODE.base64, meaning: "base64 of a message part is broken" },
    EventDef { gid: GID, sid: DECODE.uuencode, meaning: "uuencoding of a message part is broken" },
];

const GID: u32 = 141;
const UNKNOWN_COMMAND: u32 = 1;
const DECODE: DecodeEvents = DecodeEvents { gid: GID, base64: 4, uuencode: 7 };

/// Longest tag that is compared.
const TAG_MAX: usize = 64;

const KNOWN: &[&str] = &[
    "APPEND",
    "AUTHENTICATE",
    "CAPABILITY",
    "CHECK",
    "CLOSE",
    "COMPARATOR",
    "COMPRESS",
    "CONVERSIONS",
    "COPY",
    "CREATE",
    "DELETE",
    "DELETEACL",
    "DONE",
    "ENABLE",
    "EXAMINE",
    "EXPUNGE",
    "FETCH",
    "GETACL",
    "GETMETADATA",
    "GETQUOTA",
    "GETQUOTAROOT",
    "ID",
    "IDLE",
    "LIST",
    "LISTRIGHTS",
    "LOGIN",
    "LOGOUT",
    "LSUB",
    "MOVE",
    "MYRIGHTS",
    "NAMESPACE",
    "NOOP",
    "NOTIFY",
    "RENAME",
    "SEARCH",
    "SELECT",
    "SETACL",
    "SETMETADATA",
    "SETQUOTA",
    "SORT",
    "STARTTLS",
    "STATUS",
    "STORE",
    "SUBSCRIBE",
    "THREAD",
    "UID",
    "UNSELECT",
    "UNSUBSCRIBE",
    "X",
    "XLIST",
];

/// A command whose success changes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Tls,
    Compress,
    Authenticate,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    lines: LineScan,
    /// Offset in the unit behind which the next line is searched.
    from: usize,
    /// A short literal reaches to this offset of the unit.
    literal_end: usize,
    /// The unit continues a line whose start was consumed.
    continued: bool,
    /// The line is one whose literals are messages.
    carries_message: bool,
    /// A long literal or message, and what remains of it.
    message: Option<(Message, u64)>,
    /// The server refused the literal that was announced.
    refused: bool,
}

/// One IMAP session.
#[derive(Debug, Default)]
struct Imap {
    client: Side,
    server: Side,
    scratch: Scratch,
    /// Tag of the last command.
    tag: Vec<u8>,
    change: Option<(Change, Vec<u8>)>,
    tls: bool,
    compressed: bool,
}

impl Imap {
    fn side(&mut self, dir: Direction) -> &mut Side {
        match dir {
            Direction::ToServer => &mut self.client,
            Direction::ToClient => &mut self.server,
        }
    }

    fn unit(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        loop {
            let limit = cx.limits.pdu_bytes;
            let side = self.side(dir);
            if side.literal_end > 0 {
                if bytes.len() <= side.literal_end {
                    return Step::NeedMore { at_least: side.literal_end.saturating_add(1) };
                }
                side.from = std::mem::take(&mut side.literal_end);
            }
            let from = side.from;
            let end = match side.lines.next(bytes, from, limit) {
                Found::NeedMore(step) => return step,
                Found::Oversized(len) => {
                    cx.counters.bump(Counter::ServiceLineOversized);
                    return self.emit(dir, bytes.get(..len).unwrap_or(bytes), true, cx);
                }
                Found::Line(end) => end,
            };
            let line = bytes.get(from..end).unwrap_or_default();
            if from == 0 && !self.side(dir).continued {
                self.start(dir, line, cx);
            }
            let side = self.side(dir);
            let refused = std::mem::take(&mut side.refused);
            let Some(literal) = literal::announced(line).filter(|literal| literal.len > 0 && !refused) else {
                return self.emit(dir, bytes.get(..end).unwrap_or(bytes), false, cx);
            };
            let literal_end = usize::try_from(literal.len).ok().and_then(|len| end.checked_add(len));
            let message = match (side.carries_message, literal_end) {
                (true, _) if literal.bare => Message::bare(end),
                (true, _) => Message::mime(Framing::Length, end),
                (false, Some(literal_end)) if literal_end < limit => {
                    side.literal_end = literal_end;
                    continue;
                }
                (false, _) => Message::opaque(Framing::Length, end),
            };
            if side.carries_message {
                cx.counters.bump(Counter::MimeMessages);
            }
            side.message = Some((message, literal.len.saturating_add(end as u64)));
            side.from = 0;
            return self.message_piece(dir, bytes, cx);
        }
    }

    /// Hands a unit of lines to detection; `cut` if it ends within a line.
    fn emit(&mut self, dir: Direction, raw: &[u8], cut: bool, cx: &mut InspectCx<'_>) -> Step {
        let side = self.side(dir);
        cx.sink.pdu(&Pdu { starts_message: !side.continued, ..Pdu::plain(raw) });
        side.from = 0;
        side.continued = cut;
        side.carries_message &= cut;
        Step::Consumed(raw.len())
    }

    fn message_piece(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let (side, scratch) = match dir {
            Direction::ToServer => (&mut self.client, &mut self.scratch),
            Direction::ToClient => (&mut self.server, &mut self.scratch),
        };
        let Some((message, remaining)) = &mut side.message else { return need_more(bytes) };
        match message.scan(bytes, *remaining, cx.limits.pdu_bytes, cx) {
            Scan::NeedMore(step) => step,
            Scan::Piece { len, cut } => {
                let piece = bytes.get(..len).unwrap_or(bytes);
                message.emit(piece, cut, &DECODE, scratch, cx);
                *remaining = remaining.saturating_sub(piece.len() as u64);
                if *remaining == 0 {
                    side.message = None;
                    side.continued = true;
                }
                Step::Consumed(piece.len())
            }
        }
    }

    /// The first line of a command or response.
    fn start(&mut self, dir: Direction, line: &[u8], cx: &mut InspectCx<'_>) {
        let (tag, rest) = first_word(line);
        let (word, arguments) = first_word(rest);
        match dir {
            Direction::ToServer => self.command(tag, word, arguments, cx),
            Direction::ToClient if tag == b"*" => {
                self.server.carries_message = first_word(arguments).0.eq_ignore_ascii_case(b"FETCH");
            }
            Direction::ToClient => self.tagged(tag, word),
        }
    }

    fn command(&mut self, tag: &[u8], verb: &[u8], arguments: &[u8], cx: &mut InspectCx<'_>) {
        if matches!(self.change, Some((Change::Authenticate, _))) {
            return;
        }
        let is = |known: &str| verb.eq_ignore_ascii_case(known.as_bytes());
        self.client.carries_message = is("APPEND");
        self.tag.clear();
        self.tag.extend_from_slice(tag.get(..tag.len().min(TAG_MAX)).unwrap_or_default());
        let change = if is("STARTTLS") {
            Some(Change::Tls)
        } else if is("COMPRESS") && arguments.eq_ignore_ascii_case(b"DEFLATE") {
            Some(Change::Compress)
        } else if is("AUTHENTICATE") {
            Some(Change::Authenticate)
        } else {
            None
        };
        if let Some(change) = change {
            self.change = Some((change, self.tag.clone()));
        }
        let known = is_one_of(verb, KNOWN) || tag.eq_ignore_ascii_case(b"DONE") || tag.is_empty();
        if !known {
            cx.sink.event(InspectorEvent { gid: GID, sid: UNKNOWN_COMMAND });
        }
    }

    /// A tagged response: the end of a command.
    fn tagged(&mut self, tag: &[u8], status: &[u8]) {
        let success = status.eq_ignore_ascii_case(b"OK");
        if self.change.as_ref().is_some_and(|(_, of)| of == tag)
            && let Some((change, _)) = self.change.take()
            && success
        {
            match change {
                Change::Tls => self.tls = true,
                Change::Compress => self.compressed = true,
                Change::Authenticate => {}
            }
        }
        if !success && self.tag == tag {
            self.client.refuse_literal();
        }
    }
}

impl Side {
    /// The literal that the client announced won't come: its line is all of the command.
    fn refuse_literal(&mut self) {
        let waiting = self.message.as_ref().is_some_and(|(message, _)| message.is_untouched());
        if waiting || self.literal_end > 0 {
            self.message = None;
            self.literal_end = 0;
            self.from = 0;
            self.lines = LineScan::default();
            self.refused = true;
        }
    }
}

impl Inspector for Imap {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        if self.tls {
            return Step::Switch(Some(Service::Ssl));
        }
        if self.compressed {
            return Step::Detach(DetachReason::Limit("imap COMPRESS is not unpacked"));
        }
        if self.side(dir).message.is_some() {
            return self.message_piece(dir, bytes, cx);
        }
        self.unit(dir, bytes, cx)
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if tail.is_empty() {
            return;
        }
        let (side, scratch) = match dir {
            Direction::ToServer => (&mut self.client, &mut self.scratch),
            Direction::ToClient => (&mut self.server, &mut self.scratch),
        };
        if let Some((message, _)) = &mut side.message {
            message.end(tail, cx);
            message.emit(tail, Cut::End, &DECODE, scratch, cx);
        } else {
            self.emit(dir, tail, false, cx);
        }
    }

    fn footprint(&self) -> usize {
        let messages = [&self.client, &self.server].into_iter().filter_map(|side| side.message.as_ref());
        let held: usize = messages.map(|(message, _)| message.footprint()).sum();
        size_of::<Self>().saturating_add(held).saturating_add(self.tag.capacity().saturating_mul(2))
    }
}

/// Fuzz entry: a script of both directions.
#[doc(hidden)]
pub fn fuzz_imap(data: &[u8]) {
    crate::replay::fuzz(Box::new(Imap::default()), data);
}

#[cfg(test)]
mod tests;
