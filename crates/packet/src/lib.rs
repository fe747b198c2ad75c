//! Frames and what they contain: layers, addresses, timestamps, decode events.
//!
//! Pure functions over bytes. Malformed input never is an error: it yields what could be decoded
//! and a named [`DecodeEvent`] (Snort's gid 116).

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod address;
mod bytes;
mod checksum;
mod count;
mod decode;
mod event;
mod frame;
mod packet;
pub mod protocol;

pub use address::MacAddress;
pub use checksum::{Check, ChecksumReport, checksums};
pub use count::count;
pub use decode::{MAX_LAYERS, decode, decode_into, decode_ip, fuzz_decode};
pub use event::{DecodeEvent, DecodeEvents};
pub use frame::{ChecksumStatus, Frame, FrameMeta, LinkType, Timestamp, VlanTag};
pub use packet::{Fragment, IcmpHeader, IpLayer, MAX_IP_LAYERS, Packet, TcpHeader, Transport};
pub use protocol::ip_protocol_name;
