//! Cuts a message into pieces and gives each to detection with its decoded body as `file_data`.
//!
//! A piece ends behind a boundary line, at the end of the message, or before it would exceed the PDU
//! size (then at the last line end, if there is one). That depends on content only.

use super::transfer::Failure;
use super::{Entity, LineClass};
use crate::content::line::{Found, LineScan};
use crate::{BufferId, BufferKey, InspectCx, InspectorEvent, Pdu, PduView, Selector, Step};
use bumpalo::Bump;
use std::borrow::Cow;
use std::ops::Range;
use tapir_telemetry::Counter;

/// How the end of a message is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By a line with a dot; other lines that start with a dot carry one more (RFC 5321 §4.5.2).
    Dots,
    /// By a length that the caller knows.
    Length,
}

/// Why a piece ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The PDU size.
    Size,
    /// A boundary line.
    Delimiter,
    /// The end mark, or the end of the given length.
    End,
}

/// Answer of [`Message::scan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The piece isn't complete.
    NeedMore(Step),
    /// The first `len` bytes are a piece.
    Piece {
        /// Its length.
        len: usize,
        /// Why it ends there.
        cut: Cut,
    },
}

/// Buffers for decoding, kept between pieces.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    decoded: Vec<u8>,
}

/// Capacity that a scratch buffer may keep between pieces.
const SCRATCH_KEEP: usize = 64 << 10;

/// The events of decoding failures of one inspector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeEvents {
    /// Generator.
    pub gid: u32,
    /// base64
    pub base64: u32,
    /// uuencode
    pub uuencode: u32,
}

/// A message in transfer.
#[derive(Debug)]
pub(crate) struct Message {
    entity: Entity,
    framing: Framing,
    lines: LineScan,
    /// Bytes of the piece that the structure has seen.
    fed: usize,
    /// The body within the piece.
    body: Option<Range<usize>>,
    /// The piece (not the message) starts in the middle of a line.
    starts_mid_line: bool,
    /// Encoded and decoded bytes of the part so far.
    encoded: u64,
    decoded: u64,
    /// The next piece starts a unit, that is: the one before was not cut for size.
    starts: bool,
    consumed_any: bool,
}

impl Message {
    /// A MIME message; the first `prefix` bytes of its first piece stand before it (a response line).
    pub(crate) fn mime(framing: Framing, prefix: usize) -> Self {
        Self::of(Entity::message(), framing, prefix)
    }

    /// One part's body of known length, without headers, behind `prefix` other bytes.
    pub(crate) fn bare(prefix: usize) -> Self {
        Self::of(Entity::bare(), Framing::Length, prefix)
    }

    /// Bytes that are framed like a message but are none.
    pub(crate) fn opaque(framing: Framing, prefix: usize) -> Self {
        Self::of(Entity::opaque(), framing, prefix)
    }

    fn of(entity: Entity, framing: Framing, prefix: usize) -> Self {
        Self {
            entity,
            framing,
            lines: LineScan::default(),
            fed: prefix,
            body: None,
            starts_mid_line: false,
            encoded: 0,
            decoded: 0,
            starts: true,
            consumed_any: false,
        }
    }

    /// No piece of it has been emitted.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.consumed_any
    }

    /// The next piece of `bytes` (which start where the piece starts). With [`Framing::Length`],
    /// `remaining` is the length of the rest of the message, the prefix included.
    pub(crate) fn scan(&mut self, bytes: &[u8], remaining: u64, limit: usize, cx: &mut InspectCx<'_>) -> Scan {
        let rest = usize::try_from(remaining).unwrap_or(usize::MAX);
        let bounded = match self.framing {
            Framing::Dots => limit,
            Framing::Length => limit.min(rest),
        };
        loop {
            let from = self.fed;
            match self.lines.next(bytes, from, bounded) {
                Found::NeedMore(step) => return Scan::NeedMore(step),
                Found::Oversized(len) => {
                    if bounded == rest && self.framing == Framing::Length {
                        self.feed(bytes, len, false, cx);
                        return Scan::Piece { len, cut: Cut::End };
                    }
                    if from > 0 {
                        return Scan::Piece { len: from, cut: Cut::Size };
                    }
                    self.feed(bytes, len, false, cx);
                    cx.counters.bump(Counter::ServiceLineOversized);
                    return Scan::Piece { len, cut: Cut::Size };
                }
                Found::Line(end) => {
                    let line = bytes.get(from..end).unwrap_or_default();
                    if self.framing == Framing::Dots && self.entity.at_line_start() && matches!(line, b".\r\n" | b".\n")
                    {
                        return Scan::Piece { len: end, cut: Cut::End };
                    }
                    if self.feed(bytes, end, true, cx) == LineClass::Delimiter {
                        return Scan::Piece { len: end, cut: Cut::Delimiter };
                    }
                    if self.framing == Framing::Length && end == rest {
                        return Scan::Piece { len: end, cut: Cut::End };
                    }
                }
            }
        }
    }

    /// Gives the structure the bytes up to `end`.
    fn feed(&mut self, bytes: &[u8], end: usize, complete: bool, cx: &mut InspectCx<'_>) -> LineClass {
        let start = self.fed;
        let line = bytes.get(start..end).unwrap_or_default();
        let stuffed = self.framing == Framing::Dots && self.entity.at_line_start() && line.starts_with(b".");
        let text = if stuffed { line.get(1..).unwrap_or_default() } else { line };
        let class = self.entity.line(text, complete, cx.counters);
        match (class, &mut self.body) {
            (LineClass::Body, Some(body)) => body.end = end,
            (LineClass::Body, body @ None) => *body = Some(start..end),
            (LineClass::Delimiter, Some(body)) => {
                // The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).
                let text = bytes.get(body.clone()).unwrap_or_default();
                body.end = body.start.saturating_add(crate::content::line::trim_eol(text).len());
            }
            _ => {}
        }
        self.fed = end;
        class
    }

    /// What is there when the direction ends: the rest of a piece, to be emitted as cut at the end.
    pub(crate) fn end(&mut self, tail: &[u8], cx: &mut InspectCx<'_>) {
        if tail.len() > self.fed {
            self.feed(tail, tail.len(), false, cx);
        }
    }

    /// Hands a piece to detection, and starts the next one behind it.
    pub(crate) fn emit(
        &mut self,
        piece: &[u8],
        cut: Cut,
        events: &DecodeEvents,
        scratch: &mut Scratch,
        cx: &mut InspectCx<'_>,
    ) {
        let body = self.body.take().and_then(|body| piece.get(body.start..body.end.min(piece.len())));
        let last = cut != Cut::Size;
        let position = self.decoded;
        let plain = self.unstuffed(body.unwrap_or_default());
        let file = self.entity.decoder().decode(&plain, last, &mut scratch.decoded);
        self.encoded = self.encoded.saturating_add(plain.trim_ascii().len() as u64);
        self.decoded = self.decoded.saturating_add(file.len() as u64);
        let depth = cx.limits.mime_depth.map_or(u64::MAX, |depth| depth.saturating_sub(position));
        let given = usize::try_from(depth).unwrap_or(usize::MAX).min(file.len());
        let (file, beyond) = file.split_at_checked(given).unwrap_or((file, &[]));
        cx.counters.add(Counter::MimeFileBytes, file.len() as u64);
        cx.counters.add(Counter::MimeBytesSkipped, beyond.len() as u64);
        let view = FileView { file, position };
        cx.sink.pdu(&Pdu { view: &view, starts_message: self.starts, ..Pdu::plain(piece) });
        if scratch.decoded.capacity() > SCRATCH_KEEP {
            scratch.decoded = Vec::new();
        }
        self.raise(last, events, cx);
        if cut == Cut::Delimiter {
            self.entity.begin_part();
        }
        self.lines = LineScan::default();
        self.fed = 0;
        self.starts = last;
        self.starts_mid_line = !self.entity.at_line_start();
        self.consumed_any = true;
    }

    /// Events of a part that is complete; whoever takes its place starts at zero.
    fn raise(&mut self, last: bool, events: &DecodeEvents, cx: &mut InspectCx<'_>) {
        if !last {
            return;
        }
        if let Some(failure) = self.entity.decoder().failure(self.encoded, self.decoded) {
            cx.counters.bump(Counter::MimeDecodeFailed);
            let sid = match failure {
                Failure::Base64 => events.base64,
                Failure::Uuencode => events.uuencode,
            };
            cx.sink.event(InspectorEvent { gid: events.gid, sid });
        }
        self.encoded = 0;
        self.decoded = 0;
    }

    /// Whether a header field was unusually long since the last question.
    pub(crate) fn take_long_header(&mut self) -> bool {
        self.entity.take_long_header()
    }

    /// `body` with the doubled dots at line starts made single again.
    fn unstuffed<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        let at_start = !self.starts_mid_line && body.starts_with(b".");
        if self.framing == Framing::Length || (!at_start && memchr::memmem::find(body, b"\n.").is_none()) {
            return Cow::Borrowed(body);
        }
        let mut out = Vec::with_capacity(body.len());
        let mut rest = if at_start { body.get(1..).unwrap_or_default() } else { body };
        while let Some(at) = memchr::memmem::find(rest, b"\n.") {
            let (line, tail) = rest.split_at_checked(at.saturating_add(1)).unwrap_or((rest, &[]));
            out.extend_from_slice(line);
            rest = tail.get(1..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        Cow::Owned(out)
    }

    /// Bytes of memory held.
    pub(crate) fn footprint(&self) -> usize {
        size_of::<Self>().saturating_add(self.entity.heap())
    }
}

/// The view of a piece of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileView<'f> {
    /// Decoded bytes.
    pub file: &'f [u8],
    /// Their place within the file.
    pub position: u64,
}

impl PduView for FileView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        (id == BufferId::FileData && !self.file.is_empty()).then_some(self.file)
    }

    fn file_position(&self) -> u64 {
        self.position
    }
}

/// Runs a whole message through, for the fuzz entry.
pub(super) fn rehearse(data: &[u8], framing: Framing) {
    let mut replay = crate::replay::Recorder::default();
    let mut counters = tapir_telemetry::Counters::default();
    let limits = crate::Limits { pdu_bytes: 512, ..crate::Limits::default() };
    let mut cx = replay.cx(&limits, &mut counters);
    let (mut message, mut scratch) = (Message::mime(framing, 0), Scratch::default());
    let events = DecodeEvents { gid: 0, base64: 0, uuencode: 0 };
    let mut rest = data;
    while let Scan::Piece { len, cut } = message.scan(rest, rest.len() as u64, 512, &mut cx) {
        let (piece, tail) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        message.emit(piece, cut, &events, &mut scratch, &mut cx);
        rest = tail;
        if cut == Cut::End || rest.is_empty() {
            return;
        }
    }
    message.end(rest, &mut cx);
    message.emit(rest, Cut::End, &events, &mut scratch, &mut cx);
}
