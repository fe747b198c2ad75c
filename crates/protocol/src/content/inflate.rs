//! gzip and deflate (zlib or raw) bodies, decompressed as they arrive.
//!
//! *How it fits*: [`Decompressor::feed`] takes compressed bytes and gives back output of at most
//! [`OUTPUT`] bytes at a time; the caller loops. The 32 KiB window and the output buffer come from a
//! small pool of the worker's thread and go back to it when the body ends, so that only flows inside
//! a compressed body hold them.
//!
//! *Invariants*: total; every call consumes input, yields output, or says that the stream is over.
//! Checksums are not verified: a browser shows the text anyway.
//!
//! *Limits*: none here; the caller caps total output and ratio.
//!
//! *Spec*: RFC 1950, RFC 1951, RFC 1952.

use std::cell::RefCell;
use zlib_rs::{Inflate, InflateFlush, Status};

/// Output per call.
pub(crate) const OUTPUT: usize = 64 << 10;

/// Memory of one decompressor: window, tables and output buffer.
pub(crate) const FOOTPRINT: usize = OUTPUT + (48 << 10);

/// Decompressors kept for reuse per worker thread.
const POOL: usize = 4;

thread_local! {
    #[allow(clippy::vec_box, reason = "the boxes move in and out of flows; their contents never do")]
    static IDLE: RefCell<Vec<Box<State>>> = const { RefCell::new(Vec::new()) };
}

/// What the sender said the format is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// gzip; several members may follow each other.
    Gzip,
    /// zlib, or raw deflate as some servers send it.
    Deflate,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The input is used up.
    NeedInput,
    /// The output buffer is full: call again, even with no input left.
    OutputFull,
    /// The stream is over and what follows is not another member: not compressed.
    Ended,
    /// The data is broken from here on.
    Failed,
}

/// Oddities of gzip headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// The header has an extra field.
    pub(crate) extra: bool,
    /// The header has reserved flags.
    pub(crate) reserved: bool,
}

struct State {
    inflate: Inflate,
    output: Vec<u8>,
}

/// Where in the container we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The ten fixed bytes of a gzip header; so many are read.
    Fixed(u8),
    /// Length of the extra field; so many bytes are read.
    ExtraLength(u8),
    Extra(u16),
    FileName,
    Comment,
    HeaderCrc(u8),
    /// The first two bytes tell zlib from raw deflate.
    Probe,
    Data,
    /// So many bytes of checksum and length are left.
    Trailer(u8),
    /// Behind a complete stream.
    Between,
    /// Over, or broken.
    Over(Outcome),
}

/// One compressed body.
pub(crate) struct Decompressor {
    format: Format,
    stage: Stage,
    flags: u8,
    extra: u16,
    zlib: bool,
    oddities: Oddities,
    state: Option<Box<State>>,
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor").field("format", &self.format).field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// Result of a call: how much input was used, and the output.
pub(crate) struct Fed<'a> {
    /// Input bytes done with.
    pub(crate) used: usize,
    /// Decompressed bytes.
    pub(crate) output: &'a [u8],
    /// What to do next.
    pub(crate) outcome: Outcome,
    /// Oddities of the container seen so far.
    pub(crate) oddities: Oddities,
}

const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const HEADER_CRC: u8 = 2;
const RESERVED: u8 = 0xE0;

impl Decompressor {
    /// Starts a body.
    pub(crate) fn new(format: Format) -> Self {
        let stage = match format {
            Format::Gzip => Stage::Fixed(0),
            Format::Deflate => Stage::Probe,
        };
        Self { format, stage, flags: 0, extra: 0, zlib: false, oddities: Oddities::default(), state: None }
    }

    /// Takes in compressed bytes.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Fed<'_> {
        let mut used = 0;
        while !matches!(self.stage, Stage::Data | Stage::Over(_)) {
            if self.stage == Stage::Probe {
                used += self.probe(input);
                continue;
            }
            let Some(&byte) = input.get(used) else {
                return Fed { used, output: &[], outcome: Outcome::NeedInput, oddities: self.oddities };
            };
            self.container(byte);
            used += usize::from(!matches!(self.stage, Stage::Over(_)));
        }
        if let Stage::Over(outcome) = self.stage {
            return Fed { used, output: &[], outcome, oddities: self.oddities };
        }
        let (taken, made, outcome) = self.inflate(input.get(used..).unwrap_or_default());
        let output = self.state.as_ref().and_then(|state| state.output.get(..made)).unwrap_or_default();
        Fed { used: used + taken, output, outcome, oddities: self.oddities }
    }

    /// Decides between zlib and raw deflate; the bytes of a zlib header are used.
    fn probe(&mut self, input: &[u8]) -> usize {
        let used = match input {
            [cmf, flags, ..] => {
                let check = u16::from(*cmf) << 8 | u16::from(*flags);
                self.zlib = cmf & 0x0F == 8 && check.is_multiple_of(31) && flags & 0x20 == 0;
                if self.zlib { 2 } else { 0 }
            }
            _ => {
                self.stage = Stage::Over(Outcome::Failed);
                return 0;
            }
        };
        self.start();
        used
    }

    /// One byte of a gzip header, of a trailer, or behind the end.
    fn container(&mut self, byte: u8) {
        self.stage = match self.stage {
            Stage::Fixed(at) => self.fixed(at, byte),
            Stage::ExtraLength(0) => {
                self.extra = u16::from(byte);
                Stage::ExtraLength(1)
            }
            Stage::ExtraLength(_) => match self.extra | u16::from(byte) << 8 {
                0 => self.after(EXTRA),
                left => Stage::Extra(left),
            },
            Stage::Extra(1) => self.after(EXTRA),
            Stage::Extra(left) => Stage::Extra(left.saturating_sub(1)),
            Stage::FileName if byte == 0 => self.after(NAME),
            Stage::Comment if byte == 0 => self.after(COMMENT),
            Stage::HeaderCrc(1) => self.after(HEADER_CRC),
            Stage::HeaderCrc(left) => Stage::HeaderCrc(left.saturating_sub(1)),
            Stage::Trailer(1) => Stage::Between,
            Stage::Trailer(left) => Stage::Trailer(left.saturating_sub(1)),
            Stage::Between if byte == 0x1F && self.format == Format::Gzip => Stage::Fixed(1),
            Stage::Between => Stage::Over(Outcome::Ended),
            other => other,
        };
        if self.stage == Stage::Data {
            self.start();
        }
    }

    fn fixed(&mut self, at: u8, byte: u8) -> Stage {
        let valid = match at {
            0 => byte == 0x1F,
            1 => byte == 0x8B,
            2 => byte == 8,
            3 => {
                self.flags = byte;
                self.oddities.extra |= byte & EXTRA != 0;
                self.oddities.reserved |= byte & RESERVED != 0;
                true
            }
            _ => true,
        };
        match (valid, at) {
            (false, _) => Stage::Over(Outcome::Failed),
            (true, 9) => self.after(0),
            (true, _) => Stage::Fixed(at + 1),
        }
    }

    /// The stage behind an optional header field (0: behind the fixed part).
    fn after(&self, field: u8) -> Stage {
        let wanted = |flag: u8| self.flags & flag != 0;
        let order = [EXTRA, NAME, COMMENT, HEADER_CRC];
        let done = order.iter().position(|&flag| flag == field).map_or(0, |at| at + 1);
        match order.iter().skip(done).copied().find(|&flag| wanted(flag)) {
            Some(EXTRA) => Stage::ExtraLength(0),
            Some(NAME) => Stage::FileName,
            Some(COMMENT) => Stage::Comment,
            Some(_) => Stage::HeaderCrc(2),
            None => Stage::Data,
        }
    }

    /// Begins a deflate stream.
    fn start(&mut self) {
        self.stage = Stage::Data;
        match &mut self.state {
            Some(state) => state.inflate.reset(false),
            None => self.state = Some(State::take()),
        }
    }

    fn inflate(&mut self, input: &[u8]) -> (usize, usize, Outcome) {
        let Some(state) = self.state.as_mut() else { return (0, 0, Outcome::Failed) };
        let (in_before, out_before) = (state.inflate.total_in(), state.inflate.total_out());
        let result = state.inflate.decompress(input, &mut state.output, InflateFlush::NoFlush);
        let taken = usize::try_from(state.inflate.total_in().wrapping_sub(in_before)).unwrap_or(0).min(input.len());
        let made = usize::try_from(state.inflate.total_out().wrapping_sub(out_before)).unwrap_or(0);
        let outcome = match result {
            Ok(Status::StreamEnd) => {
                self.stage = match (self.format, self.zlib) {
                    (Format::Gzip, _) => Stage::Trailer(8),
                    (Format::Deflate, true) => Stage::Trailer(4),
                    (Format::Deflate, false) => Stage::Between,
                };
                // More of the container may be in this input: the caller feeds the rest.
                if taken < input.len() { Outcome::OutputFull } else { Outcome::NeedInput }
            }
            Ok(_) if made == state.output.len() || taken < input.len() && made > 0 => Outcome::OutputFull,
            Ok(_) if taken == input.len() => Outcome::NeedInput,
            Ok(_) | Err(_) => {
                self.stage = Stage::Over(Outcome::Failed);
                Outcome::Failed
            }
        };
        (taken, made, outcome)
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            state.give_back();
        }
    }
}

impl State {
    fn take() -> Box<Self> {
        let idle = IDLE.try_with(|idle| idle.borrow_mut().pop()).ok().flatten();
        match idle {
            Some(mut state) => {
                state.inflate.reset(false);
                state
            }
            None => Box::new(Self { inflate: Inflate::new(false, 15), output: vec![0; OUTPUT] }),
        }
    }

    fn give_back(self: Box<Self>) {
        // The thread may be ending; then the memory is simply freed.
        let _ = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < POOL {
                idle.push(self);
            }
        });
    }
}

/// Feeds hostile bytes in two parts.
#[doc(hidden)]
pub fn fuzz_inflate(data: &[u8]) {
    let Some((&selector, data)) = data.split_first() else { return };
    let format = if selector & 1 == 0 { Format::Gzip } else { Format::Deflate };
    let (left, right) = data.split_at(data.len().min(usize::from(selector >> 1)));
    let mut body = Decompressor::new(format);
    let mut budget = 4usize << 20;
    'parts: for mut part in [left, right] {
        loop {
            let fed = body.feed(part);
            part = part.get(fed.used..).unwrap_or_default();
            let Some(left) = budget.checked_sub(fed.output.len()) else { return };
            budget = left;
            match fed.outcome {
                Outcome::NeedInput => continue 'parts,
                Outcome::OutputFull => {}
                Outcome::Ended | Outcome::Failed => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zlib_rs::{Deflate, DeflateFlush};

    pub(crate) fn deflated(text: &[u8], zlib: bool) -> Vec<u8> {
        let mut out = vec![0; text.len() + 1000];
        let mut deflate = Deflate::new(6, zlib, 15);
        deflate.compress(text, &mut out, DeflateFlush::Finish).unwrap();
        out.truncate(usize::try_from(deflate.total_out()).unwrap());
        out
    }

    fn gzipped(text: &[u8], flags: u8, optional: &[u8]) -> Vec<u8> {
        let mut out = vec![0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 3];
        out.extend_from_slice(optional);
        out.extend(deflated(text, false));
        out.extend_from_slice(&[9; 8]);
        out
    }

    fn inflate(format: Format, data: &[u8], step: usize) -> (Vec<u8>, Outcome, usize) {
        let mut body = Decompressor::new(format);
        let (mut out, mut at, mut calls) = (Vec::new(), 0, 0);
        let mut outcome = Outcome::NeedInput;
        while at < data.len() || outcome == Outcome::OutputFull {
            let end = (at + step).min(data.len());
            let fed = body.feed(&data[at..end]);
            out.extend_from_slice(fed.output);
            (at, outcome) = (at + fed.used, fed.outcome);
            calls += 1;
            assert!(calls < 100_000, "no progress");
            if matches!(outcome, Outcome::Ended | Outcome::Failed) {
                break;
            }
        }
        (out, outcome, at)
    }

    #[test]
    fn all_containers_are_read_in_any_steps() {
        let text = b"deflated marker ".repeat(9000);
        for (format, data) in [
            (Format::Gzip, gzipped(&text, 0, b"")),
            (Format::Gzip, gzipped(&text, 0x1E, b"\x03\0xyzname\0comment\0cc")),
            (Format::Gzip, gzipped(&text, 4, b"\0\0")),
            (Format::Deflate, deflated(&text, true)),
            (Format::Deflate, deflated(&text, false)),
        ] {
            for step in [2, 7, 100, 1 << 20] {
                let (out, outcome, at) = inflate(format, &data, step);
                assert_eq!((out == text, outcome, at), (true, Outcome::NeedInput, data.len()));
            }
        }
    }

    #[test]
    fn members_follow_each_other_and_other_bytes_end_the_stream() {
        let mut data = gzipped(b"one ", 0, b"");
        data.extend(gzipped(b"two", 0, b""));
        assert_eq!(inflate(Format::Gzip, &data, 5).0, b"one two");
        let end = data.len();
        data.extend_from_slice(b"plain");
        assert_eq!(inflate(Format::Gzip, &data, 5), (b"one two".to_vec(), Outcome::Ended, end));
    }

    #[test]
    fn broken_data_fails_without_losing_what_came_before() {
        assert_eq!(inflate(Format::Gzip, b"not gzip", 100), (Vec::new(), Outcome::Failed, 0));
        let mut data = gzipped(b"", 0, b"");
        data.truncate(10);
        data.extend_from_slice(b"\x00\x03\x00\xfc\xffabc\xff\xff");
        let (out, outcome, _) = inflate(Format::Gzip, &data, 100);
        assert_eq!((out.as_slice(), outcome), (b"abc".as_slice(), Outcome::Failed));
    }

    #[test]
    fn memory_is_reused() {
        IDLE.with(|idle| idle.borrow_mut().clear());
        for _ in 0..3 {
            inflate(Format::Deflate, &deflated(b"x", true), 100);
            assert_eq!(IDLE.with(|idle| idle.borrow().len()), 1);
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz_inflate(&data);
        }

        #[test]
        fn damaged_streams_never_panic(at in 0usize..80, byte: u8, step in 1usize..50) {
            let mut data = gzipped(&b"some text that repeats, some text ".repeat(5), 8, b"n\0");
            let at = at % data.len();
            data[at] = byte;
            inflate(Format::Gzip, &data, step);
        }
    }
}
