//! TCP: sessions of two directions and the bytes that the receivers have acknowledged.
//!
//! *How it fits*: the engine keeps one [`TcpSession`] per flow and calls
//! [`TcpSession::on_segment`] for each segment; the outcome tells which directions to read
//! ([`Half::ready`], [`Half::consume`], [`Half::gap`]) and which have ended. Where a segment both
//! acknowledges and carries data, read the acknowledged direction first.
//!
//! *Invariants*: (1) only acknowledged bytes are ready, and they never change. (2) The ready bytes
//! depend on stream content and overlap policy only, not on how the stream was cut, ordered or
//! repeated. (3) Work per segment is linear in its payload plus the number of waiting segments.
//!
//! *Limits*: [`TcpConfig::max_queued_bytes`] and [`TcpConfig::max_queued_segments`] per direction
//! (`tcp_queue_full`, `tcp_queue_full_bytes`, `tcp_boundaries_merged`); memory over all flows is
//! the flow table's ([`crate::FlowTable::set_footprint`]).
//!
//! *Spec*: RFC 9293, RFC 7323, RFC 7413; Snort 3 manual, `stream_tcp`.

mod buffer;
mod fuzz;
mod half;
mod handshake;
mod insert;
mod options;
mod policy;
mod session;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use fuzz::fuzz_reassembly;
pub use half::Half;
pub use policy::{OverlapPolicy, UnknownOverlapPolicy};
pub use session::TcpSession;

use tapir_packet::Timestamp;

/// Settings of reassembly; the same for all flows of a policy.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Who wins where segments overlap.
    pub policy: OverlapPolicy,
    /// Follow sessions whose handshake was not seen.
    pub midstream: bool,
    /// Bytes that a direction holds at most, delivered but unconsumed ones included.
    pub max_queued_bytes: usize,
    /// Out-of-order segments, and boundaries of in-order ones, that a direction holds at most.
    pub max_queued_segments: usize,
    /// Data counts as acknowledged on arrival.
    pub no_ack: bool,
    /// Queued bytes at which a direction whose receiver was never seen counts as acknowledged.
    pub one_sided_flush_bytes: usize,
    /// Seconds of silence after which a SYN starts a new connection whatever the state.
    pub restart_after: u32,
    /// Largest scaled window that is not worth an event (129:6); 0 = any.
    pub max_window: u32,
    /// Overlaps per direction above which each raises an event (129:7); 0 = any number.
    pub overlap_limit: u32,
    /// Consecutive small segments above which an event is raised (129:12); 0 = any number.
    pub small_segment_count: u32,
    /// Payload length up to which a segment is small.
    pub small_segment_size: usize,
}

impl Default for TcpConfig {
    /// Snort's limits with the overlap policy of Linux.
    fn default() -> Self {
        Self {
            policy: OverlapPolicy::Linux,
            midstream: true,
            max_queued_bytes: 4 << 20,
            max_queued_segments: 3072,
            no_ack: false,
            one_sided_flush_bytes: 3 << 20,
            restart_after: 180,
            max_window: 0,
            overlap_limit: 0,
            small_segment_count: 0,
            small_segment_size: 0,
        }
    }
}

/// Which packet bytes came with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentMeta {
    /// Number of the packet.
    pub packet: u64,
    /// When it was captured.
    pub time: Timestamp,
}

/// What a segment meant for its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentOutcome {
    /// What became of the payload.
    pub data: DataOutcome,
    /// Per [`crate::Direction::index`]: ready bytes, gap or end may have changed.
    pub progressed: [bool; 2],
    /// Per [`crate::Direction::index`]: the direction ended with this segment.
    pub ended: [Option<FlowEnd>; 2],
    /// The segment belongs to a new connection between the same ends; nothing was changed. The
    /// engine ends this flow, starts a new one and hands the segment to it.
    pub new_connection: bool,
}

/// What became of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataOutcome {
    /// There was none.
    #[default]
    None,
    /// It entered the stream, or the overlap policy decided on differing bytes.
    Queued,
    /// All of it was seen before (or acknowledged and consumed before): nothing new to inspect.
    Retransmission,
    /// It is not part of the stream.
    Ignored(IgnoredData),
}

/// Why a payload is not part of the stream; each has a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredData {
    /// Midstream pick-up is off (`tcp_midstream_refused`).
    Midstream,
    /// The direction has ended, or the segment is a reset (`tcp_data_after_end`).
    AfterEnd,
    /// Far from any window (`tcp_implausible`).
    Implausible,
    /// On a SYN that isn't this connection's (`tcp_syn_ignored`).
    Syn,
    /// Old timestamp (`tcp_paws`).
    Paws,
    /// Other bytes than those acknowledged before (`tcp_overlaps_delivered`).
    AlreadyDelivered,
    /// The queue is full (`tcp_queue_full`).
    QueueFull,
}

/// How a direction ended on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEnd {
    /// FIN, acknowledged.
    Fin,
    /// RST of either side.
    Reset,
}
