//! Writing classic pcap, which every tool reads.
//!
//! *How it fits*: evidence of alerts, test captures.
//! *Invariants*: what is written, [`crate::Reader`] reads back; a VLAN tag that the kernel took out of
//! the bytes of an Ethernet frame is put back in.
//! *Spec*: draft-ietf-opsawg-pcap §4.

use crate::{Error, MAX_FRAME, Problem};
use std::io::Write;
use tapir_packet::{Frame, LinkType};

/// How exactly times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Microseconds: what the oldest readers understand.
    #[default]
    Micros,
    /// Nanoseconds.
    Nanos,
}

/// Writes frames of one link type. The caller buffers (`BufWriter`) and flushes.
pub struct Writer<W: Write> {
    sink: W,
    link: LinkType,
    precision: Precision,
}

impl<W: Write> Writer<W> {
    /// Starts a capture.
    pub fn new(mut sink: W, link: LinkType, precision: Precision) -> Result<Self, Error> {
        let magic: u32 = match precision {
            Precision::Micros => 0xa1b2_c3d4,
            Precision::Nanos => 0xa1b2_3c4d,
        };
        let mut header = Vec::with_capacity(24);
        header.extend(magic.to_le_bytes());
        header.extend(2u16.to_le_bytes());
        header.extend(4u16.to_le_bytes());
        header.extend([0; 8]);
        header.extend(262_144u32.to_le_bytes());
        header.extend(link.0.to_le_bytes());
        sink.write_all(&header).map_err(Error::Write)?;
        Ok(Self { sink, link, precision })
    }

    /// Appends a frame.
    pub fn write(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        if frame.link != self.link {
            return Err(Error::Unwritable(Problem::LinkType(frame.link.0, self.link.0)));
        }
        let (addresses, tag, rest) = tagged(frame);
        let len = frame.data.len() + tag.map_or(0, |tag| tag.len());
        let Some(captured) = u32::try_from(len).ok().filter(|_| len <= MAX_FRAME) else {
            return Err(Error::Unwritable(Problem::FrameLength(len)));
        };
        let Ok(seconds) = u32::try_from(frame.timestamp.secs()) else {
            return Err(Error::Unwritable(Problem::Timestamp));
        };
        let fraction = match self.precision {
            Precision::Micros => frame.timestamp.subsec_micros(),
            Precision::Nanos => u32::try_from(frame.timestamp.0.rem_euclid(1_000_000_000)).unwrap_or(0),
        };
        let original = frame.original_len.saturating_add(if tag.is_some() { 4 } else { 0 }).max(captured);
        let mut header = [0; 16];
        for (slot, field) in header.chunks_exact_mut(4).zip([seconds, fraction, captured, original]) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        for part in [&header[..], addresses, tag.as_ref().map_or(&[][..], |tag| &tag[..]), rest] {
            self.sink.write_all(part).map_err(Error::Write)?;
        }
        Ok(())
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.sink.flush().map_err(Error::Write)
    }

    /// Gives the sink back.
    pub fn into_inner(self) -> W {
        self.sink
    }
}

/// The frame's bytes around the place of a VLAN tag, and the tag if it has to be put back.
fn tagged<'a>(frame: &Frame<'a>) -> (&'a [u8], Option<[u8; 4]>, &'a [u8]) {
    match (frame.meta.vlan, frame.data.split_at_checked(12)) {
        (Some(tag), Some((addresses, rest))) if frame.link == LinkType::ETHERNET => {
            let ([a, b], [c, d]) = (tag.tpid.to_be_bytes(), tag.tci.to_be_bytes());
            (addresses, Some([a, b, c, d]), rest)
        }
        _ => (frame.data, None, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;
    use tapir_packet::{FrameMeta, Timestamp, VlanTag};

    fn frame(data: &[u8]) -> Frame<'_> {
        Frame {
            data,
            timestamp: Timestamp(1_700_000_000_123_456_789),
            link: LinkType::ETHERNET,
            original_len: data.len() as u32,
            meta: FrameMeta::default(),
        }
    }

    fn written(frames: &[Frame<'_>]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), LinkType::ETHERNET, Precision::Nanos).unwrap();
        frames.iter().for_each(|frame| writer.write(frame).unwrap());
        writer.into_inner()
    }

    #[test]
    fn a_stripped_vlan_tag_is_put_back() {
        let data: Vec<u8> = (0..20).collect();
        let mut tagged = frame(&data);
        tagged.meta.vlan = Some(VlanTag { tpid: 0x8100, tci: 0x2007 });
        let file = written(&[tagged]);
        let mut reader = Reader::new(std::io::Cursor::new(file)).unwrap();
        let read = reader.next().unwrap().unwrap();
        assert_eq!(read.data[..12], data[..12]);
        assert_eq!(read.data[12..16], [0x81, 0x00, 0x20, 0x07]);
        assert_eq!(read.data[16..], data[12..]);
        assert_eq!(read.original_len, 24);
    }

    #[test]
    fn frames_that_do_not_fit_are_refused() {
        let mut writer = Writer::new(Vec::new(), LinkType::RAW, Precision::Micros).unwrap();
        let wrong_link = writer.write(&frame(&[0; 20])).unwrap_err();
        assert!(matches!(wrong_link, Error::Unwritable(Problem::LinkType(1, 101))), "{wrong_link}");
        let huge = vec![0; MAX_FRAME + 1];
        let long = Frame { link: LinkType::RAW, ..frame(&huge) };
        assert!(matches!(writer.write(&long), Err(Error::Unwritable(Problem::FrameLength(_)))));
        let early = Frame { link: LinkType::RAW, timestamp: Timestamp(-1), ..frame(&[1]) };
        assert!(matches!(writer.write(&early), Err(Error::Unwritable(Problem::Timestamp))));
    }
}
