//! The reader: one interface over both formats and their compressions.
//!
//! *How it fits*: `tapir` and the tests feed the engine from it; packet numbers are the caller's.
//! *Invariants*: frames before a damaged place are yielded, then the error, once, then the end.
//! *Limits*: [`crate::MAX_FRAME`] per frame.

use crate::Error;
use crate::classic::{FileHeader, Located, is_classic};
use crate::input::Input;
use crate::pcapng::{SECTION_HEADER, Section};
use std::io::Read;
use std::path::Path;
use tapir_packet::{Frame, LinkType};

/// The format of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Classic pcap.
    Pcap,
    /// pcapng.
    PcapNg,
}

enum State {
    Classic(FileHeader),
    PcapNg(Section),
}

/// Reads frames from a capture file or stream.
///
/// ```no_run
/// let mut reader = tapir_pcap::Reader::open("capture.pcap.gz")?;
/// while let Some(frame) = reader.next()? {
///     println!("{} bytes", frame.data.len());
/// }
/// # Ok::<(), tapir_pcap::Error>(())
/// ```
pub struct Reader {
    input: Input,
    state: State,
    failed: bool,
}

impl Reader {
    /// Opens a file; `-` is standard input.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            return Self::new(std::io::stdin());
        }
        match std::fs::File::open(path) {
            Ok(file) => Self::new(file),
            Err(source) => Err(Error::Open { path: path.to_owned(), source }),
        }
    }

    /// Reads from anything; recognises the format by its first bytes.
    pub fn new(source: impl Read + Send + 'static) -> Result<Self, Error> {
        let mut input = Input::new(Box::new(source))?;
        input.available(4)?;
        let start = input.bytes();
        let state = if is_classic(start) {
            State::Classic(FileHeader::read(&mut input)?)
        } else if start.first_chunk() == Some(&SECTION_HEADER.to_be_bytes()) {
            State::PcapNg(Section::default())
        } else {
            if start.is_empty() {
                return Err(Error::Empty);
            }
            return Err(Error::UnknownFormat { start: start.iter().take(4).copied().collect() });
        };
        Ok(Self { input, state, failed: false })
    }

    /// The next frame, lent from the buffer; `None` at the end, and after an error.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot lend from its own buffer")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Error> {
        if self.failed {
            return Ok(None);
        }
        let located = match &mut self.state {
            State::Classic(header) => header.next(&mut self.input),
            State::PcapNg(section) => section.next(&mut self.input),
        };
        match located {
            Ok(Some(located)) => Ok(Some(self.lend(located))),
            Ok(None) => Ok(None),
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }

    #[inline]
    fn lend(&self, located: Located) -> Frame<'_> {
        Frame {
            data: self.input.slice(located.at, located.len),
            timestamp: located.timestamp,
            link: located.link,
            original_len: located.original_len,
            meta: located.meta,
        }
    }

    /// The format.
    pub fn format(&self) -> Format {
        match self.state {
            State::Classic(_) => Format::Pcap,
            State::PcapNg(_) => Format::PcapNg,
        }
    }

    /// The link type of the whole file; pcapng has one per interface, so none here.
    pub fn link(&self) -> Option<LinkType> {
        match &self.state {
            State::Classic(header) => Some(header.link),
            State::PcapNg(_) => None,
        }
    }

    /// Bytes of the uncompressed capture that were consumed.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// pcapng blocks that hold no packets (names, statistics, secrets) or are not known.
    pub fn skipped_blocks(&self) -> u64 {
        match &self.state {
            State::Classic(_) => 0,
            State::PcapNg(section) => section.skipped_blocks,
        }
    }
}

/// Reads arbitrary bytes as a capture; for fuzzing.
#[doc(hidden)]
pub fn fuzz_reader(data: &[u8]) {
    let Ok(mut reader) = Reader::new(std::io::Cursor::new(data.to_vec())) else { return };
    // Compressed input may be far larger than the data: a bound on the work.
    for _ in 0..10_000 {
        match reader.next() {
            Ok(Some(frame)) => assert!(frame.data.len() <= crate::MAX_FRAME),
            Ok(None) => return,
            Err(_) => {
                assert!(matches!(reader.next(), Ok(None)), "an error is reported once");
                return;
            }
        }
    }
}
