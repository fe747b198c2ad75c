//! The frames in a block of a TPACKET_V3 ring: header fields to what is known of a frame.
//!
//! Reads the block as plain bytes. The kernel wrote them, but nothing here depends on their being right: an offset
//! that leaves the block ends the walk and is counted.
//!
//! *Spec*: linux/if_packet.h, Documentation/networking/packet_mmap.rst. Facts that matter: the outermost VLAN tag is in
//! the header, not in the bytes; checksums of locally sent frames are not filled in; frames can have 64 KiB and more.

use std::cell::Cell;

use tapir_packet::{ChecksumStatus, Frame, FrameMeta, LinkType, Timestamp, VlanTag};

/// What the walk over a block left out.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    /// Frames of interfaces that are not watched.
    pub(crate) foreign: Cell<u64>,
    /// 1 if a header pointed outside.
    pub(crate) corrupt: Cell<u64>,
}

/// Iterator over the frames of a block.
#[derive(Debug)]
pub struct Frames<'a> {
    block: &'a [u8],
    /// Offset of the next header.
    next: usize,
    /// Headers left.
    left: u32,
    /// Sorted; None admits all.
    watched: Option<&'a [u32]>,
    left_out: &'a LeftOut,
    /// Frames of other interfaces that this walk has met.
    foreign: u64,
}

/// `struct tpacket_block_desc`.
mod block_field {
    pub(super) const FRAMES: usize = 12;
    pub(super) const FIRST: usize = 16;
}

/// `struct tpacket3_hdr` and the `struct sockaddr_ll` behind it.
mod field {
    pub(super) const NEXT: usize = 0;
    pub(super) const SECONDS: usize = 4;
    pub(super) const NANOSECONDS: usize = 8;
    pub(super) const CAPTURED: usize = 12;
    pub(super) const LENGTH: usize = 16;
    pub(super) const STATUS: usize = 20;
    pub(super) const MAC: usize = 24;
    pub(super) const VLAN_TCI: usize = 32;
    pub(super) const VLAN_TPID: usize = 36;
    pub(super) const INTERFACE: usize = 52;
    pub(super) const HARDWARE: usize = 56;
    pub(super) const PACKET_TYPE: usize = 58;
}

/// Length of `struct tpacket3_hdr`.
const HEADER: usize = 48;

const ETHERTYPE_VLAN: u16 = 0x8100;

impl<'a> Frames<'a> {
    /// Over the frames of `block` whose interface is among `watched`.
    pub(crate) fn new(block: &'a [u8], watched: Option<&'a [u32]>, left_out: &'a LeftOut) -> Self {
        let left = u32_at(block, block_field::FRAMES).unwrap_or(0);
        let next = u32_at(block, block_field::FIRST).map_or(usize::MAX, |offset| offset as usize);
        Self { block, next, left, watched, left_out, foreign: 0 }
    }

    /// The frame whose header starts `header`, which reaches to the end of the block.
    fn frame(header: &'a [u8]) -> Option<Frame<'a>> {
        let status = u32_at(header, field::STATUS)?;
        let start = usize::from(u16_at(header, field::MAC)?);
        let captured = u32_at(header, field::CAPTURED)? as usize;
        let seconds = i64::from(u32_at(header, field::SECONDS)?);
        Some(Frame {
            data: header.get(start..)?.get(..captured)?,
            timestamp: Timestamp::from_secs_nanos(seconds, u32_at(header, field::NANOSECONDS)?),
            link: link_type(u16_at(header, field::HARDWARE)?),
            original_len: u32_at(header, field::LENGTH)?,
            meta: FrameMeta {
                interface: u32_at(header, field::INTERFACE)?,
                vlan: vlan(header, status),
                checksum: checksum(status),
                outgoing: header.get(field::PACKET_TYPE) == Some(&libc::PACKET_OUTGOING),
            },
        })
    }

    fn is_watched(&self, interface: u32) -> bool {
        self.watched.is_none_or(|watched| watched.binary_search(&interface).is_ok())
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        while self.left > 0 {
            self.left -= 1;
            let Some((header, frame)) =
                self.block.get(self.next..).and_then(|header| Some((header, Self::frame(header)?)))
            else {
                self.left = 0;
                self.left_out.corrupt.set(1);
                return None;
            };
            let step = u32_at(header, field::NEXT).unwrap_or(0) as usize;
            self.next = self.next.saturating_add(step);
            if step < HEADER && self.left > 0 {
                // Only the last frame may lack a way on; without this check it would be walked again and again.
                self.left = 0;
                self.left_out.corrupt.set(1);
            }
            if frame.meta.outgoing && u16_at(header, field::HARDWARE) == Some(libc::ARPHRD_LOOPBACK) {
                // A loopback interface shows a frame as it leaves and as it arrives: it is one frame.
                continue;
            }
            if self.is_watched(frame.meta.interface) {
                return Some(frame);
            }
            self.foreign += 1;
            // A second walk over the same block must not count twice.
            self.left_out.foreign.set(self.left_out.foreign.get().max(self.foreign));
        }
        None
    }
}

fn vlan(header: &[u8], status: u32) -> Option<VlanTag> {
    if status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let tpid = match status & libc::TP_STATUS_VLAN_TPID_VALID {
        0 => ETHERTYPE_VLAN,
        _ => u16_at(header, field::VLAN_TPID)?,
    };
    // The field is wide, the tag has 16 bits.
    Some(VlanTag { tpid, tci: u32_at(header, field::VLAN_TCI)? as u16 })
}

fn checksum(status: u32) -> ChecksumStatus {
    if status & libc::TP_STATUS_CSUMNOTREADY != 0 {
        ChecksumStatus::NotReady
    } else if status & libc::TP_STATUS_CSUM_VALID != 0 {
        ChecksumStatus::Valid
    } else {
        ChecksumStatus::Unknown
    }
}

/// What the frames of an ARPHRD_ hardware type start with. Types without a known link layer get a number outside of the
/// pcap registry, which decoding reports as an unknown link type.
fn link_type(hardware: u16) -> LinkType {
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => LinkType::ETHERNET,
        libc::ARPHRD_NONE | libc::ARPHRD_TUNNEL | libc::ARPHRD_TUNNEL6 | libc::ARPHRD_SIT | ARPHRD_RAWIP => {
            LinkType::RAW
        }
        other => LinkType(0xFFFF_0000 | u32::from(other)),
    }
}

/// Mobile modems; not in `libc`.
const ARPHRD_RAWIP: u16 = 519;

#[inline]
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|&bytes| u32::from_ne_bytes(bytes))
}

#[inline]
fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|&bytes| u16::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
        block[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A block with a frame for each (interface, status, packet type).
    fn block(frames: &[(u32, u32, u8)]) -> Vec<u8> {
        let mut block = vec![0; 48 + frames.len() * 128];
        put(&mut block, block_field::FRAMES, &(frames.len() as u32).to_ne_bytes());
        put(&mut block, block_field::FIRST, &48u32.to_ne_bytes());
        for (i, &(interface, status, packet_type)) in frames.iter().enumerate() {
            let at = 48 + i * 128;
            let mut word = |offset: usize, value: u32| put(&mut block, at + offset, &value.to_ne_bytes());
            word(field::NEXT, 128);
            word(field::SECONDS, 3);
            word(field::NANOSECONDS, 7);
            word(field::CAPTURED, 20);
            word(field::LENGTH, 60);
            word(field::STATUS, status);
            word(field::VLAN_TCI, 0x2007);
            word(field::INTERFACE, interface);
            put(&mut block, at + field::MAC, &82u16.to_ne_bytes());
            put(&mut block, at + field::VLAN_TPID, &0x88A8u16.to_ne_bytes());
            put(&mut block, at + field::HARDWARE, &1u16.to_ne_bytes());
            put(&mut block, at + field::PACKET_TYPE, &[packet_type]);
            put(&mut block, at + 82, &[i as u8; 20]);
        }
        block
    }

    #[test]
    fn header_fields_become_what_is_known_of_a_frame() {
        let block = block(&[(5, 0x1, 0), (6, 0x51 | 0x8, 4), (5, 0x11 | 0x80, 3)]);
        let left_out = LeftOut::default();
        let frames: Vec<Frame<'_>> = Frames::new(&block, None, &left_out).collect();
        assert_eq!(frames.len(), 3);
        assert_eq!(frames[0].data, [0; 20]);
        assert_eq!((frames[0].original_len, frames[0].link), (60, LinkType::ETHERNET));
        assert_eq!(frames[0].timestamp, Timestamp::from_secs_nanos(3, 7));
        assert_eq!(frames[0].meta, FrameMeta { interface: 5, ..FrameMeta::default() });
        let vlan = |tpid| Some(VlanTag { tpid, tci: 0x2007 });
        let second = FrameMeta { interface: 6, vlan: vlan(0x88A8), checksum: ChecksumStatus::NotReady, outgoing: true };
        assert_eq!(frames[1].meta, second);
        assert_eq!(frames[2].meta.vlan, vlan(0x8100));
        assert_eq!(frames[2].meta.checksum, ChecksumStatus::Valid);
    }

    #[test]
    fn a_frame_on_loopback_is_one_frame() {
        let mut block = block(&[(1, 1, libc::PACKET_OUTGOING), (1, 1, 0), (5, 1, libc::PACKET_OUTGOING)]);
        for i in 0..2 {
            put(&mut block, 48 + i * 128 + field::HARDWARE, &libc::ARPHRD_LOOPBACK.to_ne_bytes());
        }
        let left_out = LeftOut::default();
        let seen: Vec<_> = Frames::new(&block, None, &left_out).map(|f| (f.meta.interface, f.meta.outgoing)).collect();
        assert_eq!(seen, [(1, false), (5, true)]);
    }

    #[test]
    fn frames_of_other_interfaces_are_left_out_and_counted_once() {
        let block = block(&[(5, 1, 0), (6, 1, 0), (7, 1, 0), (5, 1, 0)]);
        let left_out = LeftOut::default();
        for _ in 0..2 {
            let seen: Vec<u32> = Frames::new(&block, Some(&[5, 9]), &left_out).map(|f| f.meta.interface).collect();
            assert_eq!(seen, [5, 5]);
        }
        assert_eq!((left_out.foreign.get(), left_out.corrupt.get()), (2, 0));
    }

    #[test]
    fn a_header_that_leaves_the_block_ends_the_walk() {
        let mut block = block(&[(5, 1, 0), (5, 1, 0)]);
        put(&mut block, 48 + 128 + field::CAPTURED, &u32::MAX.to_ne_bytes());
        let left_out = LeftOut::default();
        assert_eq!(Frames::new(&block, None, &left_out).count(), 1);
        assert_eq!(left_out.corrupt.get(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..400), small in any::<bool>()) {
            let mut bytes = bytes;
            if small && bytes.len() > 20 {
                put(&mut bytes, block_field::FRAMES, &9u32.to_ne_bytes());
                put(&mut bytes, block_field::FIRST, &20u32.to_ne_bytes());
            } else if bytes.len() > 20 {
                put(&mut bytes, block_field::FRAMES, &1000u32.to_ne_bytes());
            }
            let left_out = LeftOut::default();
            prop_assert!(Frames::new(&bytes, Some(&[1]), &left_out).count() <= 1000);
        }
    }
}
