//! Packet sockets and their rings: everything that talks to the kernel, and all `unsafe` of this crate.
//!
//! [`socket`] wraps system calls, [`capability`] takes up what they need, [`mapping`] is the shared memory, [`ring`] puts
//! it all together.

mod capability;
mod mapping;
mod ring;
pub(crate) mod socket;

pub use ring::{Block, KernelDrops, Ring, RingConfig, Source, wait_for_any};
