//! Bytes of a capture, decompressed and buffered, with the position in the file.
//!
//! *Invariants*: `start..end` are the bytes that are read but not consumed; a request that is granted
//! leaves them contiguous, so that a frame can be lent without copying.
//! *Limits*: [`CHUNK`] per `read(2)`; the buffer holds one chunk plus the largest request.

use crate::{Error, Problem};
use std::io::{self, Read};

/// Bytes asked for per read: they should still be in the second-level cache when they are inspected.
pub(crate) const CHUNK: usize = 1 << 17;
/// The largest request: a frame with room for the headers and options around it.
pub(crate) const MAX_REQUEST: usize = crate::MAX_FRAME + (1 << 17);
/// Memory that a zstd stream may demand: windows up to 128 MiB, as the `zstd` tool reads by default.
const ZSTD_WINDOW_LOG: u32 = 27;

pub(crate) struct Input {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes consumed before `start`.
    consumed: u64,
    ended: bool,
}

impl Input {
    /// Takes compression off, if the first bytes show any.
    pub(crate) fn new(source: Box<dyn Read + Send>) -> Result<Self, Error> {
        let mut plain = Self::plain(source);
        plain.available(4)?;
        let decoded: Box<dyn Read + Send> = match plain.bytes() {
            [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(plain.into_read())),
            // A frame, or a skippable frame as parallel compressors put in front.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                let failed = |source| Error::Read { offset: 0, source };
                let mut decoder = zstd::stream::read::Decoder::new(plain.into_read()).map_err(failed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
                Box::new(decoder)
            }
            _ => return Ok(plain),
        };
        Ok(Self::plain(decoded))
    }

    fn plain(source: Box<dyn Read + Send>) -> Self {
        Self { source, buffer: vec![0; CHUNK], start: 0, end: 0, consumed: 0, ended: false }
    }

    fn into_read(self) -> impl Read + Send {
        let buffered: Vec<u8> = self.bytes().to_vec();
        io::Cursor::new(buffered).chain(self.source)
    }

    /// Position in the capture.
    pub(crate) fn offset(&self) -> u64 {
        self.consumed
    }

    /// Where in the buffer the next byte lies.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.start
    }

    /// What is buffered.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads until `len` bytes are buffered or the input ends; returns how many there are, at most `len`.
    #[inline]
    pub(crate) fn available(&mut self, len: usize) -> Result<usize, Error> {
        if self.end - self.start < len {
            self.fill(len)?;
        }
        Ok(len.min(self.end - self.start))
    }

    /// `len` bytes, or the error that the capture is cut off here.
    #[inline]
    pub(crate) fn demand(&mut self, len: usize) -> Result<(), Error> {
        let had = self.available(len)?;
        if had < len { Err(Error::Truncated { offset: self.consumed, missing: len - had }) } else { Ok(()) }
    }

    /// An error about the record that starts here.
    pub(crate) fn corrupt(&self, problem: Problem) -> Error {
        Error::Corrupt { offset: self.consumed, problem }
    }

    /// Moves past `len` buffered bytes and returns where in the buffer they lie.
    #[inline]
    pub(crate) fn consume(&mut self, len: usize) -> usize {
        let at = self.start;
        let len = len.min(self.end - self.start);
        self.start += len;
        self.consumed += len as u64;
        at
    }

    /// Buffered bytes by position, also consumed ones (until the next request).
    #[inline]
    pub(crate) fn slice(&self, at: usize, len: usize) -> &[u8] {
        self.buffer.get(at..at.saturating_add(len)).unwrap_or_default()
    }

    /// Skips `len` bytes without keeping them.
    pub(crate) fn skip(&mut self, len: usize) -> Result<(), Error> {
        let offset = self.consumed;
        let mut left = len;
        while left > 0 {
            let step = self.available(left.min(CHUNK))?;
            if step == 0 {
                return Err(Error::Truncated { offset, missing: left });
            }
            self.consume(step);
            left -= step;
        }
        Ok(())
    }

    #[cold]
    fn fill(&mut self, len: usize) -> Result<(), Error> {
        debug_assert!(len <= MAX_REQUEST);
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        while self.end < len && !self.ended {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(free) {
                Ok(0) => self.ended = true,
                Ok(got) => self.end += got.min(free.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Read { offset: self.consumed + self.end as u64, source }),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte per read.
    struct Trickle(Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(&byte) = self.0.get(self.1) else { return Ok(0) };
            into[0] = byte;
            self.1 += 1;
            Ok(1)
        }
    }

    #[test]
    fn a_slow_source_is_read_until_the_request_is_met_and_no_further() {
        let mut input = Input::new(Box::new(Trickle((0..100).collect(), 0))).unwrap();
        assert_eq!(input.available(10).unwrap(), 10);
        assert_eq!(input.bytes(), &(0..10).collect::<Vec<u8>>()[..]);
        input.consume(7);
        assert_eq!((input.offset(), input.bytes()), (7, &[7u8, 8, 9][..]));
        input.skip(90).unwrap();
        assert_eq!(input.available(10).unwrap(), 3);
        let error = input.demand(4).unwrap_err();
        assert!(matches!(error, Error::Truncated { offset: 97, missing: 1 }), "{error}");
    }

    #[test]
    fn skipping_past_the_end_says_how_much_is_missing() {
        let mut input = Input::new(Box::new(io::Cursor::new(vec![0; 10]))).unwrap();
        let error = input.skip(25).unwrap_err();
        assert!(matches!(error, Error::Truncated { offset: 0, missing: 15 }), "{error}");
    }
}
