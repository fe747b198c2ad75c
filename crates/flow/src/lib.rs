//! Conversations: from packets to in-order bytes of each direction.
//!
//! *How it fits*: the engine hands decoded packets in and gets back what they meant for their flow.
//! This crate knows IP fragments, flow keys, time-outs, TCP state and reassembly; it knows nothing
//! of protocols or rules.

mod direction;

pub use direction::Direction;
