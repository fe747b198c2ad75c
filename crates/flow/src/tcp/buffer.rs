//! Stream buffers that come from a small pool of the worker's thread and go back to it when empty.
//!
//! *How it fits*: most directions hold bytes for a moment only, until the acknowledgement. With a pool the
//! next direction writes into memory that is still in the cache, and idle flows hold none.
//!
//! *Limits*: [`POOL`] buffers of at most [`KEEP`] bytes each are kept per thread.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Buffers kept per thread.
const POOL: usize = 64;
/// Capacity above which a buffer is freed instead of kept.
const KEEP: usize = 128 << 10;

thread_local! {
    static IDLE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes in pooled memory.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// Appends; an empty buffer without memory takes some from the pool.
    #[inline]
    pub(super) fn extend_from_slice(&mut self, bytes: &[u8]) {
        if self.0.capacity() == 0 {
            self.0 = take();
        }
        self.0.extend_from_slice(bytes);
    }

    /// Drops the bytes and gives the memory back.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.0.capacity() != 0 {
            give(std::mem::take(&mut self.0));
        }
    }
}

fn take() -> Vec<u8> {
    IDLE.try_with(|idle| idle.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() > KEEP {
        return;
    }
    buffer.clear();
    // While the thread ends there is no pool any more; then the memory is simply freed.
    let _ = IDLE.try_with(|idle| {
        let mut idle = idle.borrow_mut();
        if idle.len() < POOL {
            idle.push(buffer);
        }
    });
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    #[inline]
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        if !self.0.is_empty() {
            copy.extend_from_slice(&self.0);
        }
        copy
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_from_one_buffer_to_the_next() {
        let mut first = Buffer::default();
        first.extend_from_slice(b"abc");
        let memory = first.as_ptr();
        first.release();
        assert_eq!(first.capacity(), 0);
        let mut second = Buffer::default();
        second.extend_from_slice(b"de");
        assert_eq!((second.as_ptr(), second.as_slice()), (memory, b"de".as_slice()));
    }

    #[test]
    fn large_buffers_and_more_than_the_pool_holds_are_freed() {
        IDLE.with(|idle| idle.borrow_mut().clear());
        let mut large = Buffer::default();
        large.extend_from_slice(&vec![0; KEEP + 1]);
        drop(large);
        assert_eq!(IDLE.with(|idle| idle.borrow().len()), 0);
        let many: Vec<Buffer> = (0..POOL + 5)
            .map(|_| {
                let mut buffer = Buffer::default();
                buffer.extend_from_slice(b"x");
                buffer
            })
            .collect();
        drop(many);
        assert_eq!(IDLE.with(|idle| idle.borrow().len()), POOL);
    }
}
