//! A TPACKET_V3 receive ring: opening, lending its blocks, filters, drops.
//!
//! *How it fits*: a worker owns one ring, usually over all interfaces with a filter for its own
//! ([`Source::Interfaces`]), and calls [`Ring::next_block`] in its loop.
//!
//! *Invariants*: 1. Only frames of watched interfaces come out, also right after the set has changed, when the ring
//! still holds frames of others. 2. A block goes back to the kernel when its [`Block`] is dropped. 3. An interface that
//! goes down or away is no error: nothing comes from it any more.
//!
//! *Limits*: ring memory is `block_size * block_count`, fixed; frames that don't fit are lost and counted
//! (`kernel_drops`). A block must hold the largest frame, 64 KiB and headers.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use tapir_telemetry::{Counter, Counters};

use super::mapping::Mapping;
use super::socket::{self, Ready};
use crate::error::CaptureError;
use crate::filter::{self, Instruction};
use crate::frames::{Frames, LeftOut};

/// The shape of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Bytes per block: a power of two, at least [`RingConfig::SMALLEST_BLOCK`].
    pub block_size: u32,
    /// How many blocks.
    pub block_count: u32,
    /// After this time the kernel hands over a block that is not full: what an idle link adds to alert latency.
    pub retire_after: Duration,
}

impl RingConfig {
    /// Holds the largest frame with its headers.
    pub const SMALLEST_BLOCK: u32 = 128 << 10;
}

impl Default for RingConfig {
    /// 64 MiB, blocks of 1 MiB: bridges 40 ms of 1.6 GB/s without a reader.
    fn default() -> Self {
        Self { block_size: 1 << 20, block_count: 64, retire_after: Duration::from_millis(20) }
    }
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// One interface, by index.
    Interface(u32),
    /// Any number of interfaces, which can be changed; see [`Ring::set_interfaces`].
    Interfaces(Vec<u32>),
}

/// What the kernel counted for a ring since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelDrops {
    /// Frames that passed the filter, the dropped ones included.
    pub received: u64,
    /// Frames for which the ring had no room.
    pub dropped: u64,
    /// Times that the ring was full.
    pub freezes: u64,
}

/// A receive ring.
pub struct Ring {
    fd: OwnedFd,
    mapping: Mapping,
    block_count: usize,
    /// The block to look at next.
    current: usize,
    /// Sorted; None for a ring bound to one interface.
    interfaces: Option<Vec<u32>>,
    user_filter: Option<Vec<Instruction>>,
    drops: KernelDrops,
    left_out: LeftOut,
    uncounted: Uncounted,
}

/// What was not yet added to the counters.
#[derive(Debug, Default)]
struct Uncounted {
    foreign: u64,
    corrupt: u64,
    link_down: u64,
    /// As counted last.
    drops: KernelDrops,
}

impl Ring {
    /// Opens a ring. It receives from now on.
    pub fn open(config: &RingConfig, source: Source) -> Result<Self, CaptureError> {
        let request = config.request()?;
        let fd = socket::packet().map_err(|e| CaptureError::system("opening a packet socket", e))?;
        let version: libc::c_int = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        socket::set_option(&fd, libc::SOL_PACKET, libc::PACKET_VERSION, &version)
            .and_then(|()| socket::set_option(&fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &request))
            .map_err(|e| CaptureError::system("requesting a ring", e))?;
        let (size, block_count) = (config.block_size as usize, config.block_count as usize);
        let mapping = Mapping::new(&fd, size, block_count).map_err(|e| CaptureError::system("mapping a ring", e))?;
        let (bound, interfaces) = match source {
            Source::Interface(index) => (index, None),
            Source::Interfaces(list) => (0, Some(sorted(&list))),
        };
        let ring = Self {
            fd,
            mapping,
            block_count,
            current: 0,
            interfaces,
            user_filter: None,
            drops: KernelDrops::default(),
            left_out: LeftOut::default(),
            uncounted: Uncounted::default(),
        };
        // The filter stands before the first frame can come.
        ring.attach(ring.program()?.as_deref())?;
        socket::bind_packet(&ring.fd, bound).map_err(|e| CaptureError::system("binding a ring to its interface", e))?;
        Ok(ring)
    }

    /// A block that is there already; asks the kernel nothing.
    pub fn block_now(&mut self) -> Option<Block<'_>> {
        self.uncounted.foreign += self.left_out.foreign.take();
        self.uncounted.corrupt += self.left_out.corrupt.take();
        // Made only now: dropping a `Block` releases it.
        if self.has_block() { Some(Block { ring: self }) } else { None }
    }

    /// Is a block there?
    pub fn has_block(&self) -> bool {
        self.mapping.block(self.current).is_some()
    }

    /// Waits for a block for at most `timeout`. None when none came, also when the interface is down.
    pub fn next_block(&mut self, timeout: Duration) -> io::Result<Option<Block<'_>>> {
        if !self.has_block() && socket::poll(&self.fd, timeout)? == Ready::Error {
            self.take_error()?;
        }
        Ok(self.block_now())
    }

    /// Watches exactly `interfaces` from now on. Frames of others that the ring still holds are left out.
    pub fn set_interfaces(&mut self, interfaces: &[u32]) -> Result<(), CaptureError> {
        if self.interfaces.is_none() {
            return Err(CaptureError::Bound);
        }
        let interfaces = sorted(interfaces);
        let program = filter::interfaces_then(&interfaces, self.user_filter.as_deref())?;
        self.attach(Some(&program))?;
        self.interfaces = Some(interfaces);
        Ok(())
    }

    /// The interfaces watched, in ascending order; None for a ring bound to one.
    pub fn interfaces(&self) -> Option<&[u32]> {
        self.interfaces.as_deref()
    }

    /// Lets only frames through that `program` accepts too; None lets all through. Its offsets are from the link layer.
    pub fn set_filter(&mut self, program: Option<&[Instruction]>) -> Result<(), CaptureError> {
        let before = std::mem::replace(&mut self.user_filter, program.map(<[_]>::to_vec));
        let attached = self.program().and_then(|program| self.attach(program.as_deref()));
        if attached.is_err() {
            self.user_filter = before;
        }
        attached
    }

    /// What the kernel received and dropped since the ring was opened.
    pub fn drops(&mut self) -> io::Result<KernelDrops> {
        // Reading sets the kernel's counters to zero.
        let new = socket::statistics(&self.fd)?;
        self.drops.received = self.drops.received.saturating_add(u64::from(new.tp_packets));
        self.drops.dropped = self.drops.dropped.saturating_add(u64::from(new.tp_drops));
        self.drops.freezes = self.drops.freezes.saturating_add(u64::from(new.tp_freeze_q_cnt));
        Ok(self.drops)
    }

    /// Adds what was lost or left out since the last call to `counters`.
    pub fn count(&mut self, counters: &mut Counters) -> io::Result<()> {
        let drops = self.drops()?;
        let before = std::mem::replace(&mut self.uncounted, Uncounted { drops, ..Uncounted::default() });
        counters.add(Counter::KernelDrops, drops.dropped.saturating_sub(before.drops.dropped));
        counters.add(Counter::RingFreezes, drops.freezes.saturating_sub(before.drops.freezes));
        counters.add(Counter::RingForeign, before.foreign.saturating_add(self.left_out.foreign.take()));
        counters.add(Counter::RingCorrupt, before.corrupt.saturating_add(self.left_out.corrupt.take()));
        counters.add(Counter::RingLinkDown, before.link_down);
        Ok(())
    }

    /// The filter that the ring should have.
    fn program(&self) -> Result<Option<Vec<Instruction>>, CaptureError> {
        let user = self.user_filter.as_deref();
        match &self.interfaces {
            Some(interfaces) => filter::interfaces_then(interfaces, user).map(Some),
            None => filter::only(user),
        }
    }

    fn attach(&self, program: Option<&[Instruction]>) -> Result<(), CaptureError> {
        socket::set_filter(&self.fd, program).map_err(|e| CaptureError::system("attaching a filter", e))
    }

    /// Down or deleted interfaces leave ENETDOWN once; whether they come back is for the interface watch to tell.
    fn take_error(&mut self) -> io::Result<()> {
        match socket::take_error(&self.fd)? {
            0 => Ok(()),
            libc::ENETDOWN => {
                self.uncounted.link_down += 1;
                Ok(())
            }
            other => Err(io::Error::from_raw_os_error(other)),
        }
    }

    fn release(&mut self) {
        self.mapping.release(self.current);
        self.current = (self.current + 1) % self.block_count;
    }
}

impl RingConfig {
    fn request(&self) -> Result<libc::tpacket_req3, CaptureError> {
        if !self.block_size.is_power_of_two() || self.block_size < Self::SMALLEST_BLOCK {
            return Err(CaptureError::Config("the block size must be a power of two of at least 128 KiB"));
        }
        if self.block_count == 0 || self.block_size.checked_mul(self.block_count).is_none() {
            return Err(CaptureError::Config("a ring must have at least one block and less than 4 GiB"));
        }
        let retire = u32::try_from(self.retire_after.as_millis()).unwrap_or(u32::MAX).max(1);
        Ok(libc::tpacket_req3 {
            tp_block_size: self.block_size,
            tp_block_nr: self.block_count,
            // Version 3 packs frames of any size; the kernel only checks that these agree.
            tp_frame_size: self.block_size,
            tp_frame_nr: self.block_count,
            tp_retire_blk_tov: retire,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        })
    }
}

/// Waits until one of the rings has a block, for at most `timeout`. The error comes with the place of the ring that it is
/// about; interfaces that are down or gone are none, as in [`Ring::next_block`].
pub fn wait_for_any(rings: &mut [&mut Ring], timeout: Duration) -> Result<(), (usize, io::Error)> {
    if rings.iter().any(|ring| ring.has_block()) {
        return Ok(());
    }
    let ready = {
        let sockets: Vec<&OwnedFd> = rings.iter().map(|ring| &ring.fd).collect();
        socket::poll_any(&sockets, timeout).map_err(|error| (0, error))?
    };
    for (at, (ring, ready)) in rings.iter_mut().zip(ready).enumerate() {
        if ready == Ready::Error {
            ring.take_error().map_err(|error| (at, error))?;
        }
    }
    Ok(())
}

impl AsFd for Ring {
    /// For waiting on several rings at once.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("blocks", &self.block_count)
            .field("interfaces", &self.interfaces)
            .finish_non_exhaustive()
    }
}

/// A block of frames on loan from the ring. Dropping it gives it back to the kernel.
#[derive(Debug)]
pub struct Block<'a> {
    ring: &'a mut Ring,
}

impl Block<'_> {
    /// Its frames, in the order of capture.
    pub fn frames(&self) -> Frames<'_> {
        let block = self.ring.mapping.block(self.ring.current).unwrap_or(&[]);
        Frames::new(block, self.ring.interfaces.as_deref(), &self.ring.left_out)
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        self.ring.release();
    }
}

fn sorted(interfaces: &[u32]) -> Vec<u32> {
    let mut list = interfaces.to_vec();
    list.sort_unstable();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_cannot_hold_a_frame_are_refused() {
        let with = |block_size, block_count| RingConfig { block_size, block_count, ..RingConfig::default() }.request();
        for (size, count) in [(64 << 10, 4), (3 << 17, 4), (1 << 20, 0), (1 << 30, 4)] {
            assert!(matches!(with(size, count), Err(CaptureError::Config(_))), "{size} x {count}");
        }
        assert_eq!(with(128 << 10, 2).unwrap().tp_frame_nr, 2);
    }
}
