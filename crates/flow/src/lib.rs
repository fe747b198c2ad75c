//! Conversations: from packets to in-order bytes of each direction.
//!
//! *How it fits*: the engine hands decoded packets in and gets back what they meant for their flow.
//! This crate knows IP fragments, flow keys, time-outs, TCP state and reassembly; it knows nothing
//! of protocols or rules.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod defrag;
mod direction;
mod key;
mod overlap;
mod pieces;
mod table;
mod tcp;

pub use defrag::{DefragConfig, Defragmenter, FragmentPolicy, UnknownFragmentPolicy, fuzz_defrag};
pub use direction::Direction;
pub use key::FlowKey;
pub use table::{FlowId, FlowTable, FlowTimeout, TableConfig};
pub use tcp::{
    DataOutcome, FlowEnd, Half, IgnoredData, OverlapPolicy, SegmentMeta, SegmentOutcome, TcpConfig, TcpSession,
    UnknownOverlapPolicy, fuzz_reassembly,
};
