//! Packets and conversations for tests: builders of Ethernet/IPv4 frames, TCP conversations with
//! handshake and acknowledgements, fragments. Speaks bytes only, so any crate can use it.

#![forbid(unsafe_code)]

mod conversation;
mod frame;

pub use conversation::{Conversation, Segment, Side};
pub use frame::{ethernet, ipv4, ipv4_fragment, tcp, tcp_flags, udp};
