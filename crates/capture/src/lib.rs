//! Live capture: AF_PACKET rings and the watch over network interfaces.
//!
//! A [`Ring`] is memory shared with the kernel, which fills it block by block; [`Ring::next_block`] lends a block, and
//! its frames borrow from it. [`InterfaceWatch`] tells which interfaces exist and when they come, go and change. The
//! two are joined by the caller: names come from the watch, rings are told interface indexes. Both can be opened in another
//! [`NetworkNamespace`].
//!
//! Needs CAP_NET_RAW in the network namespace of the interfaces, nothing else.

#![deny(clippy::indexing_slicing)]

mod afpacket;
mod error;
mod filter;
mod frames;
mod link;
#[cfg(test)]
mod live_tests;
mod netns;
mod watch;

pub use afpacket::{Block, KernelDrops, Ring, RingConfig, Source};
pub use error::CaptureError;
pub use filter::Instruction;
pub use frames::Frames;
pub use link::fuzz_link_messages;
pub use netns::NetworkNamespace;
pub use watch::{InterfaceEvent, InterfaceWatch, namespace_of};
