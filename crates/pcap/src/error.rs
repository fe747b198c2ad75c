//! What can be wrong with a capture file: where, what, and what to do.

use std::io;
use std::path::PathBuf;

/// A failure of reading or writing a capture. Offsets count the bytes of the uncompressed capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened.
    #[error("cannot open {}: {source}; check that the path exists and is readable", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading failed, or compressed data is damaged.
    #[error(
        "cannot read the capture at byte {offset}: {source}; packets before it were read, check the disk or the compression of the file"
    )]
    Read {
        /// Where reading stopped.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write the capture: {0}; check the space on the disk")]
    Write(#[source] io::Error),
    /// There is not a single byte.
    #[error("the capture is empty: not even a file header is there; record it again")]
    Empty,
    /// The first bytes are of no known format.
    #[error(
        "not a capture file: it starts with the bytes {start:02x?}; pcap and pcapng can be read, plain or compressed with gzip or zstd"
    )]
    UnknownFormat {
        /// The first bytes, at most four.
        start: Vec<u8>,
    },
    /// The capture ends within a record.
    #[error(
        "capture cut off at byte {offset}: {missing} more bytes are needed; packets before it were read, copy or record the file again"
    )]
    Truncated {
        /// Where the incomplete record starts.
        offset: u64,
        /// How many bytes are missing at least.
        missing: usize,
    },
    /// A record contradicts itself.
    #[error(
        "capture corrupt at byte {offset}: {problem}; packets before it were read, try to repair the file with `pcapfix` or record it again"
    )]
    Corrupt {
        /// Where the record starts.
        offset: u64,
        /// What is wrong.
        problem: Problem,
    },
    /// A frame cannot be put into this file.
    #[error("frame not written: {0}")]
    Unwritable(Problem),
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A pcap version that does not exist.
    #[error("version {0}.{1} of the format is not known")]
    Version(u16, u16),
    /// A frame longer than [`crate::MAX_FRAME`].
    #[error("a frame of {0} bytes (the limit is {limit})", limit = crate::MAX_FRAME)]
    FrameLength(usize),
    /// A frame that exceeds its block.
    #[error("a frame of {0} bytes in a block that holds {1}")]
    FrameBeyondBlock(usize, usize),
    /// A block length that cannot be.
    #[error("a block of type {0:#x} with length {1}")]
    BlockLength(u32, u32),
    /// The two lengths of a block differ.
    #[error("a block whose lengths differ: {0} before, {1} behind")]
    BlockTrailer(u32, u32),
    /// A section header without a valid byte-order magic.
    #[error("a section header with byte-order magic {0:#010x}")]
    ByteOrder(u32),
    /// A packet of an interface that no block describes.
    #[error("a packet of interface {0}, of which {1} are described")]
    Interface(u32, usize),
    /// More interfaces in a section than are followed.
    #[error("more than {limit} interfaces in one section", limit = crate::pcapng::MAX_INTERFACES)]
    Interfaces,
    /// Seconds beyond the 32 bits of the format.
    #[error("its time lies outside the years 1970 to 2106 of the format")]
    Timestamp,
    /// A file holds frames of one link type.
    #[error("its link type is {0}, the file holds {1}")]
    LinkType(u32, u32),
}
