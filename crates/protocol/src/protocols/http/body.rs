//! A message body: from wire bytes to pieces that rules are evaluated on.
//!
//! *How it fits*: [`Body::feed`] takes the bytes behind a head, undoes the chunking, cuts pieces at
//! fixed offsets, decompresses each piece, and hands PDUs to the sink. Where a piece lies contiguously
//! in the stream it is never copied.
//!
//! *Invariants*: pieces depend on offsets in the dechunked body only. A piece that is not complete
//! waits: in the stream (`Need`) or, over chunk borders, in `assembled`.
//!
//! *Limits*: `pdu_bytes` per piece (`http_compressed_piece` when compressed, and [`inflate::OUTPUT`] of
//! output per PDU), body depths, `inflate_bytes`, `inflate_ratio`, `mime_attachments`; all counted.
//!
//! *Spec*: Snort 3 http_inspect message sections; RFC 9112 §6 and §7.

use super::{
    chunked::{Chunked, Turn as ChunkTurn},
    events::{self, Events},
    exchange::Exchange,
    framing::{Length, Text},
    message::Derived,
    view::{HttpView, Piece},
};
use crate::{
    InspectCx, Limits, Pdu, PduKind, Section,
    content::{
        charset::{Charset, Converter},
        inflate::{self, Decompressor, Format, Outcome},
        multipart::{Multipart, Part},
    },
};
use std::cell::{Cell, RefCell};
use tapir_flow::Direction;
use tapir_telemetry::Counter;
/// Output of a body below which the ratio is not looked at.
const RATIO_FLOOR: u64 = 1 << 20;
/// Assembly memory that survives a message.
const KEEP: usize = 4096;

/// How far the framing is.
#[derive(Clone, Copy, Debug, Default)]
enum Framing {
    /// So many bytes are left.
    Known(u64),
    Chunked(Chunked),
    #[default]
    ToEnd,
}

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// So many are done with; there may be more to do.
    Used(usize),
    /// Nothing can be done before so many are there.
    Need(usize),
    /// The body ended behind so many bytes; of a chunked one the trailers follow.
    Done(usize),
}

/// Buffers that PDUs of a flow share.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) scratch: RefCell<Vec<u8>>,
    pub(super) starved: Cell<u64>,
    pub(super) client_body: Derived,
    converted: Vec<u8>,
    parts: Vec<Part>,
}

impl Workspace {
    /// Memory held.
    pub(super) fn footprint(&self) -> usize {
        self.scratch.borrow().capacity() + self.converted.capacity() + self.parts.capacity() * size_of::<Part>()
    }

    /// Counts what went wrong in views and gives large buffers back.
    pub(super) fn settle(&mut self, cx: &mut InspectCx<'_>) {
        cx.counters.add(Counter::HttpDerivedStarved, self.starved.take());
        self.client_body.clear();
    }

    /// Gives large buffers back.
    pub(super) fn shrink(&mut self) {
        self.scratch.get_mut().clear();
        self.scratch.get_mut().shrink_to(KEEP);
        self.converted.clear();
        self.converted.shrink_to(KEEP);
        self.parts.clear();
        self.parts.shrink_to(KEEP / size_of::<Part>());
    }
}

/// What a body needs of its surroundings to make PDUs.
pub(super) struct Outlet<'o, 'c> {
    pub(super) direction: Direction,
    pub(super) exchange: &'o Exchange,
    pub(super) workspace: &'o mut Workspace,
    pub(super) events: &'o mut Events,
    pub(super) cx: &'o mut InspectCx<'c>,
}

/// How a body is to be read.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) compressed: Option<Format>,
    pub(super) text: Text,
    pub(super) multipart: Option<Box<Multipart>>,
    pub(super) depth: Option<u64>,
}

/// One body.
#[derive(Debug, Default)]
pub(super) struct Body {
    framing: Framing,
    /// Chunk framing broke: the rest of the direction is this body.
    broken: bool,
    /// A piece that spans chunks.
    assembled: Vec<u8>,
    decompressor: Option<Box<Decompressor>>,
    format: Option<Format>,
    compressed: u64,
    inflated: u64,
    text: Text,
    converter: Option<Converter>,
    multipart: Option<Box<Multipart>>,
    /// Bytes that may still be given to rules.
    depth: u64,
    /// Offset of the next piece in `file_data`.
    position: u64,
}

impl Body {
    /// Starts a body.
    pub(super) fn begin(&mut self, length: Length, plan: Plan) {
        self.framing = match length {
            Length::Known(bytes) => Framing::Known(bytes),
            Length::Chunked => Framing::Chunked(Chunked::default()),
            Length::None => Framing::Known(0),
            Length::ToEnd => Framing::ToEnd,
        };
        self.broken = false;
        self.format = plan.compressed;
        self.decompressor = plan.compressed.map(|format| Box::new(Decompressor::new(format)));
        (self.compressed, self.inflated, self.position) = (0, 0, 0);
        self.text = plan.text;
        self.converter = match plan.text {
            Text::Wide(charset) => Some(Converter::new(charset)),
            Text::Narrow | Text::Detect => None,
        };
        self.multipart = plan.multipart;
        self.depth = plan.depth.unwrap_or(u64::MAX);
    }

    /// Memory held.
    pub(super) fn footprint(&self) -> usize {
        self.assembled.capacity()
            + self.decompressor.as_ref().map_or(0, |_| inflate::FOOTPRINT)
            + self.multipart.as_ref().map_or(0, |multipart| multipart.footprint())
    }

    /// Chunked: trailers follow the body.
    pub(super) fn has_trailers(&self) -> bool {
        matches!(self.framing, Framing::Chunked(_))
    }

    /// Takes in bytes. `bytes` is not empty.
    pub(super) fn feed(&mut self, bytes: &[u8], outlet: &mut Outlet<'_, '_>) -> Turn {
        match self.framing {
            Framing::Known(left) => self.feed_known(bytes, left, outlet),
            Framing::ToEnd => self.feed_known(bytes, u64::MAX, outlet),
            Framing::Chunked(chunked) => self.feed_chunked(bytes, chunked, outlet),
        }
    }

    /// The connection ended; `tail` was not consumed.
    pub(super) fn end(&mut self, tail: &[u8], outlet: &mut Outlet<'_, '_>) {
        let left = match self.framing {
            Framing::Known(left) => left,
            Framing::ToEnd => u64::MAX,
            Framing::Chunked(chunked) => chunked.left,
        };
        let tail = tail.get(..length(left, tail.len())).unwrap_or_default();
        if self.assembled.is_empty() {
            self.piece(tail, outlet);
        } else {
            self.assembled.extend_from_slice(tail);
            self.flush(outlet);
        }
        match self.framing {
            Framing::Known(_) => outlet.events.raise(events::TRUNCATED_LENGTH),
            Framing::Chunked(_) => outlet.events.raise(events::TRUNCATED_CHUNKED),
            Framing::ToEnd if self.broken => outlet.events.raise(events::TRUNCATED_CHUNKED),
            Framing::ToEnd => {}
        }
        if !matches!(self.framing, Framing::ToEnd) || self.broken {
            outlet.cx.counters.bump(Counter::HttpBodiesTruncated);
        }
        outlet.events.flush(outlet.cx.sink);
        self.release();
    }

    /// A piece that spans chunks waits for more.
    pub(super) fn holds(&self) -> bool {
        !self.assembled.is_empty()
    }

    /// Nothing came for a while: what is there is a piece. Returns how many of the bytes it took; the body
    /// is not over by that, else it would be already.
    pub(super) fn idle(&mut self, bytes: &[u8], outlet: &mut Outlet<'_, '_>) -> usize {
        let left = match self.framing {
            Framing::Known(left) => left,
            Framing::ToEnd => u64::MAX,
            Framing::Chunked(chunked) if chunked.in_data() => chunked.left,
            Framing::Chunked(_) => 0,
        };
        let taken = match self.piece_size(outlet.cx.limits) {
            Some(_) => bytes.get(..length(left, bytes.len())).unwrap_or_default(),
            None => &[],
        };
        if self.assembled.is_empty() {
            self.piece(taken, outlet);
        } else {
            self.assembled.extend_from_slice(taken);
            self.flush(outlet);
        }
        match &mut self.framing {
            Framing::Known(left) => *left = left.saturating_sub(taken.len() as u64),
            Framing::Chunked(chunked) if !taken.is_empty() => chunked.took(taken.len()),
            Framing::Chunked(_) | Framing::ToEnd => {}
        }
        taken.len()
    }

    /// Evaluates what waits in memory: bytes are missing behind it.
    pub(super) fn gap(&mut self, outlet: &mut Outlet<'_, '_>) {
        self.flush(outlet);
        self.release();
    }

    /// Gives memory back after a body.
    fn release(&mut self) {
        self.decompressor = None;
        self.multipart = None;
        self.assembled.clear();
        self.assembled.shrink_to(KEEP);
    }

    /// Size of the next piece; `None`: nothing more is given to rules.
    fn piece_size(&self, limits: &Limits) -> Option<usize> {
        if self.depth == 0 {
            None
        } else if self.decompressor.is_some() {
            Some(limits.http_compressed_piece.max(1))
        } else {
            Some(length(self.depth, limits.pdu_bytes.max(1)))
        }
    }

    fn feed_known(&mut self, bytes: &[u8], left: u64, outlet: &mut Outlet<'_, '_>) -> Turn {
        let used = match self.piece_size(outlet.cx.limits) {
            None => self.skip(bytes, left, outlet),
            Some(size) => {
                let wanted = length(left, size);
                let Some(piece) = bytes.get(..wanted) else { return Turn::Need(wanted) };
                self.piece(piece, outlet);
                wanted
            }
        };
        if let Framing::Known(left) = &mut self.framing {
            *left = left.saturating_sub(used as u64);
            if *left == 0 {
                self.release();
                return Turn::Done(used);
            }
        }
        Turn::Used(used)
    }

    fn skip(&mut self, bytes: &[u8], left: u64, outlet: &mut Outlet<'_, '_>) -> usize {
        let skipped = length(left, bytes.len());
        outlet.cx.counters.add(Counter::HttpBodyBytesSkipped, skipped as u64);
        skipped
    }

    fn feed_chunked(&mut self, bytes: &[u8], mut chunked: Chunked, outlet: &mut Outlet<'_, '_>) -> Turn {
        if !chunked.in_data() {
            let (used, turn) = chunked.framing(bytes, outlet.events);
            self.framing = Framing::Chunked(chunked);
            match turn {
                ChunkTurn::More | ChunkTurn::Data => {}
                ChunkTurn::Last => {
                    self.flush(outlet);
                    self.release();
                    return Turn::Done(used);
                }
                ChunkTurn::Broken => {
                    outlet.events.raise(events::BROKEN_CHUNK);
                    outlet.cx.counters.bump(Counter::HttpChunksBroken);
                    self.flush(outlet);
                    self.framing = Framing::ToEnd;
                    self.broken = true;
                }
            }
            return Turn::Used(used);
        }
        let used = match self.piece_size(outlet.cx.limits) {
            None => self.skip(bytes, chunked.left, outlet),
            Some(size) => {
                let room = size.saturating_sub(self.assembled.len()).max(1);
                if self.assembled.is_empty() && chunked.left >= room as u64 {
                    let Some(piece) = bytes.get(..room) else { return Turn::Need(room) };
                    self.piece(piece, outlet);
                    room
                } else {
                    let taken = length(chunked.left, bytes.len().min(room));
                    self.assembled.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                    if taken == room {
                        self.flush(outlet);
                    }
                    taken
                }
            }
        };
        chunked.took(used);
        self.framing = Framing::Chunked(chunked);
        Turn::Used(used)
    }

    /// Evaluates the assembled piece.
    fn flush(&mut self, outlet: &mut Outlet<'_, '_>) {
        let mut assembled = std::mem::take(&mut self.assembled);
        self.piece(&assembled, outlet);
        assembled.clear();
        self.assembled = assembled;
    }

    /// One piece of the dechunked body.
    fn piece(&mut self, piece: &[u8], outlet: &mut Outlet<'_, '_>) {
        if piece.is_empty() {
            return;
        }
        match self.decompressor.take() {
            Some(decompressor) => self.decompress(piece, decompressor, outlet),
            None => self.content(piece, outlet),
        }
    }

    fn decompress(&mut self, piece: &[u8], mut decompressor: Box<Decompressor>, outlet: &mut Outlet<'_, '_>) {
        let mut rest = piece;
        self.compressed = self.compressed.saturating_add(piece.len() as u64);
        loop {
            let fed = decompressor.feed(rest);
            rest = rest.get(fed.used..).unwrap_or_default();
            let outcome = fed.outcome;
            self.inflated = self.inflated.saturating_add(fed.output.len() as u64);
            if fed.oddities.extra {
                outlet.events.raise(events::GZIP_EXTRA);
            }
            if fed.oddities.reserved {
                outlet.events.raise(events::GZIP_RESERVED);
            }
            self.content(fed.output, outlet);
            if self.exceeds(outlet.cx.limits) {
                outlet.events.raise(events::INFLATE_LIMIT);
                outlet.events.flush(outlet.cx.sink);
                outlet.cx.counters.bump(Counter::HttpInflateLimited);
                outlet.cx.counters.add(Counter::HttpBodyBytesSkipped, rest.len() as u64);
                self.depth = 0;
                return;
            }
            match outcome {
                Outcome::OutputFull => {}
                Outcome::NeedInput => break,
                Outcome::Ended | Outcome::Failed => {
                    self.stop_inflating(outcome, outlet);
                    self.content(rest, outlet);
                    return;
                }
            }
        }
        if self.depth > 0 {
            self.decompressor = Some(decompressor);
        }
    }

    fn exceeds(&self, limits: &Limits) -> bool {
        self.inflated > limits.inflate_bytes
            || self.inflated > RATIO_FLOOR
                && self.inflated > self.compressed.saturating_mul(u64::from(limits.inflate_ratio))
    }

    /// The rest of the body is taken as it is.
    fn stop_inflating(&mut self, outcome: Outcome, outlet: &mut Outlet<'_, '_>) {
        let gzip = self.format == Some(Format::Gzip);
        let event = match (outcome, gzip) {
            (Outcome::Failed, true) => events::GZIP_ERROR,
            (Outcome::Failed, false) => events::DEFLATE_ERROR,
            (_, true) => events::GZIP_EARLY_END,
            (_, false) => events::DEFLATE_EARLY_END,
        };
        outlet.events.raise(event);
        if outcome == Outcome::Failed {
            outlet.cx.counters.bump(Counter::HttpInflateFailed);
        }
    }

    /// Decoded bytes: depth, charset, parts, PDUs.
    fn content(&mut self, data: &[u8], outlet: &mut Outlet<'_, '_>) {
        let given = length(self.depth, data.len());
        let (data, beyond) = data.split_at_checked(given).unwrap_or((data, &[]));
        outlet.cx.counters.add(Counter::HttpBodyBytesSkipped, beyond.len() as u64);
        if data.is_empty() {
            return;
        }
        if self.depth != u64::MAX {
            self.depth = self.depth.saturating_sub(data.len() as u64);
        }
        let mut converted = std::mem::take(&mut outlet.workspace.converted);
        let file = self.convert(data, &mut converted, outlet.events);
        match self.multipart.take() {
            Some(mut multipart) => {
                self.parts(data, &mut multipart, outlet);
                self.multipart = Some(multipart);
            }
            None => emit(Piece { bytes: data, file: Some((file, self.position)) }, false, outlet),
        }
        self.position = self.position.saturating_add(file.len() as u64);
        outlet.workspace.converted = converted;
    }

    /// `file_data` of a piece.
    fn convert<'d>(&mut self, data: &'d [u8], converted: &'d mut Vec<u8>, events: &mut Events) -> &'d [u8] {
        let mut text = data;
        if self.text == Text::Detect {
            self.text = Text::Narrow;
            if let Some((charset, mark)) = Charset::from_mark(data) {
                self.converter = Some(Converter::new(charset));
                text = data.get(mark..).unwrap_or_default();
            }
        }
        let Some(converter) = &mut self.converter else { return text };
        converted.clear();
        if !converter.convert(text, converted) {
            events.raise(events::CHARSET_FAILED);
        }
        converted
    }

    /// One PDU per part that is a file, at least one.
    fn parts(&mut self, data: &[u8], multipart: &mut Multipart, outlet: &mut Outlet<'_, '_>) {
        let mut parts = std::mem::take(&mut outlet.workspace.parts);
        parts.clear();
        multipart.feed(data, &mut parts);
        parts.retain(|part| part.typed);
        let limit = outlet.cx.limits.mime_attachments;
        let unseen = parts.len().saturating_sub(limit);
        outlet.cx.counters.add(Counter::HttpPartsSkipped, unseen as u64);
        parts.truncate(limit);
        if parts.is_empty() {
            emit(Piece { bytes: data, file: None }, false, outlet);
        }
        for (index, part) in parts.iter().enumerate() {
            let content = data.get(part.range.clone()).unwrap_or_default();
            emit(Piece { bytes: data, file: Some((content, part.position)) }, index > 0, outlet);
        }
        outlet.workspace.parts = parts;
    }
}

/// The smaller of a 64-bit and a native length.
fn length(left: u64, available: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(available)
}

/// Hands a body piece to the rules.
fn emit(piece: Piece<'_>, continues_flush: bool, outlet: &mut Outlet<'_, '_>) {
    outlet.events.flush(outlet.cx.sink);
    let (request, response) = outlet.exchange.messages(outlet.direction);
    let view = HttpView {
        request,
        response,
        direction: outlet.direction,
        section: Section::Body,
        piece: Some(piece),
        client_body: &outlet.workspace.client_body,
        scratch: &outlet.workspace.scratch,
        starved: &outlet.workspace.starved,
        first_param_only: outlet.cx.limits.http_first_param_only,
    };
    outlet.cx.sink.pdu(&Pdu {
        raw: piece.bytes,
        payload: piece.bytes,
        view: &view,
        section: Section::Body,
        kind: PduKind::Stream,
        starts_message: false,
        continues_flush,
    });
    outlet.workspace.settle(outlet.cx);
}
