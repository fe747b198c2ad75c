//! Capture files: reading pcap and pcapng, plain or compressed, and writing pcap.
//!
//! [`Reader`] works on any `Read` (file, pipe, standard input), recognises the format by its first
//! bytes, takes gzip and zstd off, and lends frames out of its buffer. [`Writer`] writes classic pcap.
//! Only safe code: no mapping of files, whose pages could change or vanish under the decoder.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod classic;
mod error;
mod input;
mod pcapng;
mod reader;
mod writer;

pub use error::{Error, Problem};
pub use reader::{Format, Reader, fuzz_reader};
pub use writer::{Precision, Writer};

/// The longest frame that is read or written. Captures of offloaded segments reach 256 KiB and some;
/// anything above this is a corrupt length.
pub const MAX_FRAME: usize = 1 << 20;
