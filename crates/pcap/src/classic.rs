//! Classic pcap: the file header and the header of each packet.
//!
//! *Spec*: draft-ietf-opsawg-pcap; the modified format (magic `a1b2cd34`) as libpcap reads it.

use crate::input::Input;
use crate::{Error, MAX_FRAME, Problem};
use tapir_packet::{FrameMeta, LinkType, Timestamp};

/// Length of the file header.
pub(crate) const FILE_HEADER: usize = 24;
const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// What the file header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    big_endian: bool,
    nanos: bool,
    /// Packet headers have eight more bytes.
    modified: bool,
    /// Versions before 2.4 wrote the two lengths in either order.
    minor: u16,
    pub(crate) link: LinkType,
}

/// A packet, located in the buffer of the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) timestamp: Timestamp,
    pub(crate) link: LinkType,
    pub(crate) original_len: u32,
    pub(crate) meta: FrameMeta,
}

/// Whether a file that starts so is classic pcap.
pub(crate) fn is_classic(start: &[u8]) -> bool {
    parse_magic(start).is_some()
}

/// Byte order (big?), magic.
fn parse_magic(start: &[u8]) -> Option<(bool, u32)> {
    let bytes = *start.first_chunk()?;
    let (little, big) = (u32::from_le_bytes(bytes), u32::from_be_bytes(bytes));
    let known = |magic: u32| matches!(magic, MICROS | NANOS | MODIFIED);
    match (known(little), known(big)) {
        (true, _) => Some((false, little)),
        (_, true) => Some((true, big)),
        _ => None,
    }
}

impl FileHeader {
    pub(crate) fn read(input: &mut Input) -> Result<Self, Error> {
        input.demand(FILE_HEADER)?;
        let Some(bytes) = input.bytes().first_chunk::<FILE_HEADER>() else {
            return Err(Error::Truncated { offset: 0, missing: FILE_HEADER });
        };
        let Some((big_endian, magic)) = parse_magic(bytes) else {
            return Err(Error::UnknownFormat { start: bytes.iter().take(4).copied().collect() });
        };
        let (major, minor) = (short(big_endian, bytes, 4), short(big_endian, bytes, 6));
        if major != 2 {
            return Err(input.corrupt(Problem::Version(major, minor)));
        }
        // The upper bits say whether frames end with their check sequence.
        let link = LinkType(long(big_endian, bytes, 20) & 0x03ff_ffff);
        let header = Self { big_endian, nanos: magic == NANOS, modified: magic == MODIFIED, minor, link };
        input.consume(FILE_HEADER);
        Ok(header)
    }

    /// The next packet, or `None` at the end of the file.
    #[inline]
    pub(crate) fn next(&self, input: &mut Input) -> Result<Option<Located>, Error> {
        let header_len = if self.modified { 24 } else { 16 };
        if input.available(header_len)? == 0 {
            return Ok(None);
        }
        input.demand(header_len)?;
        let bytes = input.bytes();
        let field = |at: usize| long(self.big_endian, bytes, at);
        let (seconds, fraction) = (field(0), field(4));
        let (mut captured, mut original_len) = (field(8), field(12));
        if self.minor < 3 || (self.minor == 3 && captured > original_len) {
            (captured, original_len) = (original_len, captured);
        }
        let interface = if self.modified { field(16) } else { 0 };
        let len = usize::try_from(captured).unwrap_or(usize::MAX);
        if len > MAX_FRAME {
            return Err(input.corrupt(Problem::FrameLength(len)));
        }
        input.demand(header_len + len)?;
        let at = input.consume(header_len + len) + header_len;
        let nanos = if self.nanos { fraction } else { fraction.saturating_mul(1_000) };
        Ok(Some(Located {
            at,
            len,
            timestamp: Timestamp::from_secs_nanos(i64::from(seconds), nanos),
            link: self.link,
            original_len,
            meta: FrameMeta { interface, ..FrameMeta::default() },
        }))
    }
}

/// A 16-bit field; 0 beyond the end, which callers exclude.
pub(crate) fn short(big_endian: bool, bytes: &[u8], at: usize) -> u16 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
    if big_endian { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) }
}

/// A 32-bit field; 0 beyond the end, which callers exclude.
#[inline]
pub(crate) fn long(big_endian: bool, bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
    if big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
}
