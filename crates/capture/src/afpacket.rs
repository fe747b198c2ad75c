//! Packet sockets and their rings: everything that talks to the kernel, and all `unsafe` of this crate.
//!
//! [`socket`] wraps system calls, [`mapping`] is the shared memory, [`ring`] puts the two together.

mod mapping;
mod ring;
pub(crate) mod socket;

pub use ring::{Block, KernelDrops, Ring, RingConfig, Source, wait_for_any};
