//! The framing of a chunked body, as tolerant as servers are.
//!
//! *How it fits*: [`Chunked::framing`] eats framing bytes up to the next stretch of data (or the end);
//! the body reads `left` bytes of data and reports them with [`Chunked::took`]. Every framing byte is
//! consumed as it comes, so nothing is buffered.
//!
//! *Spec*: RFC 9112 §7.1; Snort 3 http_inspect chunk tolerance.

use super::{
    decode::hex,
    events::{self, Events},
    span::is_blank,
};

/// Significant digits of a chunk length at most.
const MAX_DIGITS: u8 = 8;
/// Leading zeros from which on they are an anomaly.
const MANY_ZEROS: u8 = 5;
/// Blanks around a chunk length that are tolerated.
const MAX_BLANKS: u8 = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Line ends that should not be there may precede a length.
    #[default]
    Start,
    /// Blanks before the digits, then the digits.
    Length,
    /// Blanks behind the digits.
    Blanks,
    /// Extensions up to the line end.
    Options,
    /// The CR of the chunk line came.
    LineFeed,
    /// Data.
    Data,
    /// A line end must follow the data.
    DataEnd,
    /// Its CR came.
    DataLineFeed,
}

/// Progress through a chunked body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunked {
    state: State,
    value: u32,
    zeros: u8,
    digits: u8,
    blanks: u8,
    /// Bytes of data left in this chunk.
    pub(super) left: u64,
}

/// What the framing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// More framing bytes are needed.
    More,
    /// `left` bytes of data follow.
    Data,
    /// The last chunk was announced; trailers follow.
    Last,
    /// Not chunk framing; the offending byte is not consumed.
    Broken,
}

impl Chunked {
    /// Whether data is next.
    #[inline]
    pub(super) fn in_data(&self) -> bool {
        self.state == State::Data
    }

    /// `count` bytes of data are done with.
    #[inline]
    pub(super) fn took(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        if self.left == 0 {
            self.state = State::DataEnd;
        }
    }

    /// Reads framing bytes; says how many, and what follows.
    pub(super) fn framing(&mut self, bytes: &[u8], events: &mut Events) -> (usize, Turn) {
        for (at, &byte) in bytes.iter().enumerate() {
            match self.byte(byte, events) {
                Turn::More => {}
                Turn::Broken => return (at, Turn::Broken),
                turn => return (at + 1, turn),
            }
        }
        (bytes.len(), Turn::More)
    }

    fn byte(&mut self, byte: u8, events: &mut Events) -> Turn {
        match self.state {
            State::Start if matches!(byte, b'\r' | b'\n') => events.raise(events::CHUNK_SEPARATOR),
            State::Start => {
                *self = Self { state: State::Length, ..Self::default() };
                return self.length(byte, events);
            }
            State::Length => return self.length(byte, events),
            State::Blanks if byte == b';' || matches!(byte, b'\r' | b'\n') => return self.length_end(byte, events),
            State::Blanks if is_blank(byte) => return self.blank(events),
            State::Blanks => return Turn::Broken,
            State::Options if matches!(byte, b'\r' | b'\n') => return self.length_end(byte, events),
            State::Options => {}
            State::LineFeed if byte == b'\n' => return self.line_done(),
            State::LineFeed => return Turn::Broken,
            State::Data => return Turn::Data,
            State::DataEnd if byte == b'\r' => self.state = State::DataLineFeed,
            State::DataEnd if byte == b'\n' => {
                events.raise(events::CHUNK_SEPARATOR);
                self.state = State::Start;
            }
            State::DataLineFeed if byte == b'\n' => self.state = State::Start,
            State::DataEnd | State::DataLineFeed => return Turn::Broken,
        }
        Turn::More
    }

    fn length(&mut self, byte: u8, events: &mut Events) -> Turn {
        if let Some(digit) = hex(byte) {
            if digit == 0 && self.digits == 0 {
                self.zeros = self.zeros.saturating_add(1);
                if self.zeros == MANY_ZEROS {
                    events.raise(events::CHUNK_ZEROS);
                }
                return Turn::More;
            }
            if self.digits == MAX_DIGITS {
                return Turn::Broken;
            }
            self.digits += 1;
            self.value = self.value << 4 | u32::from(digit);
            return Turn::More;
        }
        if is_blank(byte) {
            if self.digits > 0 || self.zeros > 0 {
                self.state = State::Blanks;
            }
            return self.blank(events);
        }
        self.length_end(byte, events)
    }

    fn blank(&mut self, events: &mut Events) -> Turn {
        events.raise(events::CHUNK_BLANKS);
        self.blanks += 1;
        if self.blanks > MAX_BLANKS { Turn::Broken } else { Turn::More }
    }

    /// What may follow the digits.
    fn length_end(&mut self, byte: u8, events: &mut Events) -> Turn {
        match byte {
            b'\r' => self.state = State::LineFeed,
            b'\n' => {
                events.raise(events::CHUNK_BARE_LF);
                return self.line_done();
            }
            b';' => {
                events.raise(events::CHUNK_OPTIONS);
                self.state = State::Options;
            }
            _ => return Turn::Broken,
        }
        Turn::More
    }

    fn line_done(&mut self) -> Turn {
        if self.digits == 0 {
            return if self.zeros > 0 { Turn::Last } else { Turn::Broken };
        }
        self.left = u64::from(self.value);
        self.state = State::Data;
        Turn::Data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data and how it ended: rest of the input behind the last chunk, or where it broke.
    fn read(mut bytes: &[u8]) -> (String, Result<String, String>) {
        let (mut chunked, mut events, mut data) = (Chunked::default(), Events::default(), Vec::new());
        loop {
            if chunked.in_data() {
                let count = bytes.len().min(chunked.left as usize);
                data.extend_from_slice(&bytes[..count]);
                chunked.took(count);
                bytes = &bytes[count..];
                continue;
            }
            let (used, turn) = chunked.framing(bytes, &mut events);
            bytes = &bytes[used..];
            let rest = String::from_utf8_lossy(bytes).into_owned();
            let data = || String::from_utf8_lossy(&data).into_owned();
            match turn {
                Turn::Data => {}
                Turn::Last => return (data(), Ok(rest)),
                Turn::Broken => return (data(), Err(rest)),
                Turn::More => return (data(), Err("more".into())),
            }
        }
    }

    #[track_caller]
    fn check(bytes: &str, data: &str, end: Result<&str, &str>) {
        assert_eq!(read(bytes.as_bytes()), (data.into(), end.map(Into::into).map_err(Into::into)), "{bytes:?}");
    }

    #[test]
    fn chunks_are_joined_and_oddities_tolerated() {
        check("2\r\nab\r\n2\r\ncd\r\n0\r\nrest", "abcd", Ok("rest"));
        check("0000002\r\nab\r\n00\r\n", "ab", Ok(""));
        check("2;x=y\r\nab\n\r\n\n 2 \ncd\r\n0\n", "abcd", Ok(""));
        check("2    \r\nab\r\n0\r\n", "ab", Ok(""));
        check("A\r\n0123456789\r\n0\r\n", "0123456789", Ok(""));
    }

    #[test]
    fn what_is_not_framing_breaks() {
        check("\r\nxyz", "", Err("xyz"));
        check("2     \r\nab", "", Err(" \r\nab"));
        check("2\rab", "", Err("ab"));
        check("2\r\nabcd", "ab", Err("cd"));
        check("2\r\nab\rcd", "ab", Err("cd"));
        check("123456789\r\n", "", Err("9\r\n"));
        check(";x\r\nz", "", Err("\nz"));
    }
}
