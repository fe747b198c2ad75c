//! A walk over the frames of one segment, from its file or from memory.
//!
//! *How it fits*: recovery walks the newest segment once; a reader walks each segment as it grows, up to what is committed.
//!
//! *Invariants*: 1. every call moves on or ends; 2. sequence numbers that come out only grow; 3. memory is one read's worth
//! plus the longest frame.

use super::frame::{Head, MAX_FRAME, Step, step};
use super::header::Header;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes asked of the file at once.
const CHUNK: usize = 256 * 1024;

/// Where bytes come from.
pub(super) trait Source {
    /// Reads at a place; 0 bytes is the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, at)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        (**self).read_at(buffer, at)
    }
}

impl Source for [u8] {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record; its payload is had from [`Walk::payload`] until the next call.
    Record(Head, Range<usize>),
    /// Nothing more before the limit.
    End,
}

/// The place in a segment, and what was seen of it.
#[derive(Debug)]
pub(super) struct Walk<S> {
    source: S,
    salt: u32,
    buffer: Vec<u8>,
    /// How much of `buffer` is done with.
    done: usize,
    /// Where `buffer` begins in the file.
    base: u64,
    /// Where the last sound frame ended.
    sound: u64,
    /// The sequence number that is due.
    due: u64,
    /// Sound frames of kinds that this version does not know.
    foreign: u64,
}

impl<S: Source> Walk<S> {
    pub(super) fn new(source: S, header: &Header) -> Self {
        let base = header.frames_at;
        let due = header.first;
        Self { source, salt: header.salt, buffer: Vec::new(), done: 0, base, sound: base, due, foreign: 0 }
    }

    /// The next record whose frame ends at `limit` or before. `limit` is the end of a frame or of the file.
    pub(super) fn next(&mut self, limit: u64) -> io::Result<Found> {
        // Set when the file is shorter than the limit: somebody cut it.
        let mut ended = false;
        loop {
            let last = ended || self.base + self.buffer.len() as u64 >= limit;
            let bytes = self.buffer.get(self.done..).unwrap_or_default();
            match step(bytes, self.salt, last) {
                Step::Record { head, payload } => {
                    let payload = self.done + payload.start..self.done + payload.end;
                    self.done = payload.end;
                    self.sound = self.base + self.done as u64;
                    if head.seq < self.due {
                        // A sound frame a second time: nothing writes that; the first one counts.
                        continue;
                    }
                    self.due = head.seq.saturating_add(1);
                    return Ok(Found::Record(head, payload));
                }
                Step::Foreign { len } => {
                    self.foreign += 1;
                    self.skip(len, limit);
                    self.sound = self.place();
                }
                // What is missing shows by the numbers of its neighbours.
                Step::Damaged { len } => self.skip(len, limit),
                Step::More if last => return Ok(Found::End),
                Step::More => ended = !self.fill(limit)?,
            }
        }
    }

    /// The bytes of the record that [`next`](Self::next) found last.
    pub(super) fn payload(&self, place: Range<usize>) -> &[u8] {
        self.buffer.get(place).unwrap_or_default()
    }

    /// Where the walk stands in the file.
    pub(super) fn place(&self) -> u64 {
        self.base + self.done as u64
    }

    /// Where the last sound frame ended.
    pub(super) fn sound(&self) -> u64 {
        self.sound
    }

    /// The sequence number after the last record.
    pub(super) fn due(&self) -> u64 {
        self.due
    }

    /// Frames left out because a newer version wrote them.
    pub(super) fn foreign(&self) -> u64 {
        self.foreign
    }

    fn skip(&mut self, len: usize, limit: u64) {
        let target = self.place().saturating_add(len as u64).min(limit);
        let kept = self.base + self.buffer.len() as u64;
        if target <= kept {
            self.done += usize::try_from(target.saturating_sub(self.place())).unwrap_or(0);
        } else {
            self.buffer.clear();
            (self.done, self.base) = (0, target);
        }
    }

    /// Reads on; `false` when the file ends before the limit.
    fn fill(&mut self, limit: u64) -> io::Result<bool> {
        self.buffer.drain(..self.done);
        self.base += self.done as u64;
        self.done = 0;
        debug_assert!(self.buffer.len() <= MAX_FRAME + u8::MAX as usize, "a frame is told by then");
        let had = self.buffer.len();
        let from = self.base + had as u64;
        let want = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX).min(CHUNK);
        self.buffer.resize(had + want, 0);
        let got = loop {
            match self.source.read_at(self.buffer.get_mut(had..).unwrap_or_default(), from) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(had + *got.as_ref().unwrap_or(&0));
        Ok(got? > 0)
    }
}
