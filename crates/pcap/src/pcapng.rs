//! pcapng: sections, interfaces and the three kinds of packet blocks.
//!
//! *Invariants*: lengths are checked before anything is read by them; unknown blocks are skipped
//! without being kept in memory, and counted.
//! *Limits*: [`MAX_INTERFACES`] per section; blocks that are parsed fit [`MAX_REQUEST`].
//! *Spec*: draft-ietf-opsawg-pcapng (blocks 1, 2, 3, 6, 0x0a0d0d0a; options 9 and 14).

use crate::classic::{Located, long, short};
use crate::input::{Input, MAX_REQUEST};
use crate::{Error, MAX_FRAME, Problem};
use tapir_packet::{FrameMeta, LinkType, Timestamp};

/// Interfaces per section; more are taken for corruption.
pub(crate) const MAX_INTERFACES: usize = 1 << 16;
pub(crate) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;

/// How an interface counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Micros,
    Nanos,
    /// Units per second.
    Decimal(u128),
    /// 2^-n seconds.
    Binary(u8),
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    unit: Unit,
    offset_secs: i64,
}

impl Interface {
    #[inline]
    fn timestamp(&self, ticks: u64) -> Timestamp {
        let ticks = u128::from(ticks);
        let nanos = match self.unit {
            Unit::Micros => ticks.saturating_mul(1_000),
            Unit::Nanos => ticks,
            Unit::Decimal(per_second) => ticks.saturating_mul(1_000_000_000) / per_second,
            Unit::Binary(bits) => ticks.saturating_mul(1_000_000_000) >> bits,
        };
        let offset = self.offset_secs.saturating_mul(1_000_000_000);
        Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX).saturating_add(offset))
    }
}

/// The state within the current section.
#[derive(Debug, Default)]
pub(crate) struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Interfaces of earlier sections: numbers go on over the whole file.
    earlier: u32,
    last: Timestamp,
    pub(crate) skipped_blocks: u64,
}

/// A block that is buffered whole.
struct Block {
    kind: u32,
    len: usize,
}

impl Section {
    /// The next packet, or `None` at the end of the file.
    pub(crate) fn next(&mut self, input: &mut Input) -> Result<Option<Located>, Error> {
        loop {
            let Some(block) = self.block(input)? else { return Ok(None) };
            let located = match block.kind {
                ENHANCED_PACKET => Some(self.enhanced(input, block.len)?),
                SIMPLE_PACKET => Some(self.simple(input, block.len)?),
                PACKET => Some(self.obsolete(input, block.len)?),
                INTERFACE => {
                    self.interface(input, block.len)?;
                    None
                }
                _ => None,
            };
            input.consume(block.len);
            if let Some(located) = located {
                self.last = located.timestamp;
                return Ok(Some(located));
            }
        }
    }

    /// Buffers the next block that is of interest. Section headers are dealt with here, as they
    /// decide how lengths are read.
    fn block(&mut self, input: &mut Input) -> Result<Option<Block>, Error> {
        loop {
            if input.available(12)? == 0 {
                return Ok(None);
            }
            input.demand(12)?;
            let kind = long(self.big_endian, input.bytes(), 0);
            if kind == SECTION_HEADER {
                self.start_section(input)?;
            }
            let said = long(self.big_endian, input.bytes(), 4);
            let len = usize::try_from(said).unwrap_or(usize::MAX);
            let least = match kind {
                SECTION_HEADER => 28,
                INTERFACE => 20,
                SIMPLE_PACKET => 16,
                PACKET | ENHANCED_PACKET => 32,
                _ => 12,
            };
            if len < least || !len.is_multiple_of(4) {
                return Err(input.corrupt(Problem::BlockLength(kind, said)));
            }
            if !matches!(kind, INTERFACE | PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
                if kind != SECTION_HEADER {
                    self.skipped_blocks = self.skipped_blocks.saturating_add(1);
                }
                self.skip_block(input, said, len)?;
                continue;
            }
            if len > MAX_REQUEST {
                return Err(input.corrupt(Problem::BlockLength(kind, said)));
            }
            input.demand(len)?;
            let behind = long(self.big_endian, input.bytes(), len - 4);
            if behind != said {
                return Err(input.corrupt(Problem::BlockTrailer(said, behind)));
            }
            return Ok(Some(Block { kind, len }));
        }
    }

    fn skip_block(&mut self, input: &mut Input, said: u32, len: usize) -> Result<(), Error> {
        let offset = input.offset();
        input.skip(len - 4)?;
        input.demand(4)?;
        let behind = long(self.big_endian, input.bytes(), 0);
        if behind != said {
            return Err(Error::Corrupt { offset, problem: Problem::BlockTrailer(said, behind) });
        }
        input.consume(4);
        Ok(())
    }

    fn start_section(&mut self, input: &Input) -> Result<(), Error> {
        match long(false, input.bytes(), 8) {
            BYTE_ORDER => self.big_endian = false,
            other if other.swap_bytes() == BYTE_ORDER => self.big_endian = true,
            other => return Err(input.corrupt(Problem::ByteOrder(other))),
        }
        self.earlier = self.earlier.saturating_add(u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX));
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, input: &Input, len: usize) -> Result<(), Error> {
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(input.corrupt(Problem::Interfaces));
        }
        let body = input.bytes().get(8..len - 4).unwrap_or_default();
        let mut interface = Interface {
            link: LinkType(u32::from(short(self.big_endian, body, 0))),
            snaplen: long(self.big_endian, body, 4),
            unit: Unit::Micros,
            offset_secs: 0,
        };
        let mut options = body.get(8..).unwrap_or_default();
        // Each option takes four bytes at least.
        while options.len() >= 4 {
            let (code, size) = (short(self.big_endian, options, 0), short(self.big_endian, options, 2));
            let size = usize::from(size);
            let Some(value) = options.get(4..4 + size) else { break };
            match (code, value) {
                (0, _) => break,
                (OPTION_RESOLUTION, [resolution, ..]) => interface.unit = unit(*resolution),
                (OPTION_OFFSET, _) => {
                    if let Some(bytes) = value.first_chunk() {
                        let big = self.big_endian;
                        interface.offset_secs =
                            if big { i64::from_be_bytes(*bytes) } else { i64::from_le_bytes(*bytes) };
                    }
                }
                _ => {}
            }
            options = options.get(4 + size.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        Ok(())
    }

    #[inline]
    fn enhanced(&self, input: &Input, len: usize) -> Result<Located, Error> {
        let field = |at: usize| long(self.big_endian, input.bytes(), at);
        let ticks = (u64::from(field(12)) << 32) | u64::from(field(16));
        self.packet(input, len, field(8), Some(ticks), field(20), field(24))
    }

    fn obsolete(&self, input: &Input, len: usize) -> Result<Located, Error> {
        let field = |at: usize| long(self.big_endian, input.bytes(), at);
        let interface = u32::from(short(self.big_endian, input.bytes(), 8));
        let ticks = (u64::from(field(12)) << 32) | u64::from(field(16));
        self.packet(input, len, interface, Some(ticks), field(20), field(24))
    }

    /// A packet without time and captured length: the time of the packet before it is kept.
    fn simple(&self, input: &Input, len: usize) -> Result<Located, Error> {
        let original = long(self.big_endian, input.bytes(), 8);
        let snaplen = self.interfaces.first().map_or(0, |interface| interface.snaplen);
        let captured = if snaplen == 0 { original } else { original.min(snaplen) };
        self.packet(input, len, 0, None, captured, original)
    }

    #[inline]
    fn packet(
        &self,
        input: &Input,
        block_len: usize,
        number: u32,
        ticks: Option<u64>,
        captured: u32,
        original_len: u32,
    ) -> Result<Located, Error> {
        let interface = usize::try_from(number).ok().and_then(|number| self.interfaces.get(number));
        let Some(interface) = interface else {
            return Err(input.corrupt(Problem::Interface(number, self.interfaces.len())));
        };
        let header = if ticks.is_some() { 28 } else { 12 };
        let len = usize::try_from(captured).unwrap_or(usize::MAX);
        let room = block_len.saturating_sub(header + 4);
        if len > MAX_FRAME {
            return Err(input.corrupt(Problem::FrameLength(len)));
        }
        if len > room {
            return Err(input.corrupt(Problem::FrameBeyondBlock(len, room)));
        }
        Ok(Located {
            at: input.position() + header,
            len,
            timestamp: ticks.map_or(self.last, |ticks| interface.timestamp(ticks)),
            link: interface.link,
            original_len,
            meta: FrameMeta { interface: self.earlier.saturating_add(number), ..FrameMeta::default() },
        })
    }
}

/// The value of `if_tsresol`: negative powers of ten, or of two with the top bit set.
fn unit(resolution: u8) -> Unit {
    match resolution {
        6 => Unit::Micros,
        9 => Unit::Nanos,
        binary if binary & 0x80 != 0 => Unit::Binary(binary & 0x7f),
        // Powers that do not fit are finer than any time that 64 bits can hold: 0.
        decimal => Unit::Decimal(10u128.checked_pow(u32::from(decimal)).unwrap_or(u128::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_are_powers_of_ten_or_two() {
        let time = |resolution: u8, ticks: u64| {
            let interface = Interface { link: LinkType::ETHERNET, snaplen: 0, unit: unit(resolution), offset_secs: 10 };
            interface.timestamp(ticks).0
        };
        assert_eq!(time(6, 1_500_000), 11_500_000_000);
        assert_eq!(time(9, 1), 10_000_000_001);
        assert_eq!(time(3, 1), 10_001_000_000);
        assert_eq!(time(0, 2), 12_000_000_000);
        assert_eq!(time(12, 1_000), 10_000_000_001);
        assert_eq!(time(0x80 | 10, 512), 10_500_000_000);
        assert_eq!(time(127, u64::MAX), 10_000_000_000);
        assert_eq!(time(0xff, u64::MAX), 10_000_000_000);
    }
}
