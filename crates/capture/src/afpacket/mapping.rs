//! The memory of a ring, shared with the kernel.
//!
//! *Invariant*: a block belongs to one side at a time, as its status word says. The kernel hands it over by setting
//! TP_STATUS_USER and does not write to it until the word is TP_STATUS_KERNEL again. So a block's bytes are lent only
//! while it is ours, by a borrow of the mapping, and given back by `&mut`.
#![allow(unsafe_code, reason = "maps memory shared with the kernel; each block says what makes the access sound")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Offset of `block_status` in `struct tpacket_block_desc`.
const STATUS: usize = 8;

/// A mapped ring of `count` blocks of `size` bytes.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    size: usize,
    count: usize,
}

// SAFETY: the mapping is owned memory like a `Box<[u8]>`; the kernel's side of it does not know threads.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the ring that was requested on `fd` with this shape: `size` is a power of two of pages.
    pub(crate) fn new(fd: &OwnedFd, size: usize, count: usize) -> io::Result<Self> {
        let length = size.checked_mul(count).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_POPULATE);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, fd.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        Ok(Self { start, size, count })
    }

    /// The bytes of block `index` if it is ours.
    pub(crate) fn block(&self, index: usize) -> Option<&[u8]> {
        if self.status(index)?.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: `status` has checked that the block lies in the mapping. It is ours (invariant above), so nobody
        // writes to it while `self` is borrowed; the load was an acquire, so the kernel's writes are visible.
        Some(unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(index * self.size), self.size) })
    }

    /// Gives block `index` back to the kernel.
    pub(crate) fn release(&mut self, index: usize) {
        if let Some(status) = self.status(index) {
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        }
    }

    /// The status word of block `index`.
    fn status(&self, index: usize) -> Option<&AtomicU32> {
        if index >= self.count {
            return None;
        }
        // SAFETY: the word lies in the mapping and is aligned: blocks start at multiples of a page. The kernel accesses
        // it as one word, and we only through this atomic while no slice over a block of ours exists (`release` takes
        // `&mut self`) or by loads.
        Some(unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(index * self.size + STATUS).cast()) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is what `new` mapped, and no borrow of it outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size * self.count) };
    }
}
