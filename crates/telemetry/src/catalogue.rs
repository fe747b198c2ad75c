//! The counters themselves, in the order of a packet's path.

use crate::Unit;

macro_rules! counters {
    ($($(#[doc = $section:literal])? $variant:ident = $name:literal, $unit:ident, $help:literal;)*) => {
        /// Every counter of Tapir. The discriminant indexes [`crate::Counters`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Counter {
            $(#[doc = $help] $variant,)*
        }

        impl Counter {
            /// All counters in catalogue order.
            pub const ALL: &'static [Counter] = &[$(Counter::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in metrics and `--stats`, without prefix or `_total`.
            pub fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name,)* }
            }

            /// The unit.
            pub fn unit(self) -> Unit {
                match self { $(Counter::$variant => Unit::$unit,)* }
            }

            /// One sentence for the reader of a dashboard.
            pub fn help(self) -> &'static str {
                match self { $(Counter::$variant => $help,)* }
            }
        }
    };
}

counters! {
    // capture and pcap
    Packets = "packets", Packets, "Frames handed to the engine.";
    Bytes = "bytes", Bytes, "Captured bytes of the frames handed to the engine.";

    // packet

    // flow
    FlowsTimedOut = "flows_timed_out", Flows, "Flows that ended because no packet came in time.";
    FlowsEvictedCount = "flows_evicted_count", Flows, "Idle flows that made room for new ones at the cap of the flow table.";
    FlowsEvictedMemory = "flows_evicted_memory", Flows, "Idle flows that were ended because all flows together held too much memory.";
    TcpMidstream = "tcp_midstream", Flows, "TCP flows picked up without their handshake.";
    TcpMidstreamRefused = "tcp_midstream_refused", Packets, "Packets of TCP flows without handshake, ignored because midstream pick-up is off.";
    TcpRestarts = "tcp_restarts", Flows, "TCP flows replaced by a new connection between the same ends.";
    TcpOutOfOrder = "tcp_out_of_order", Packets, "TCP segments that arrived before data in front of them and were queued.";
    TcpRetransmissions = "tcp_retransmissions", Packets, "TCP segments without new bytes.";
    TcpOverlaps = "tcp_overlaps", Packets, "TCP segments that overlapped queued data with other bytes; the overlap policy decided.";
    TcpOverlapsDelivered = "tcp_overlaps_delivered", Packets, "TCP segments with other bytes than those already acknowledged; the receiver discards them, and so do we.";
    TcpQueueFull = "tcp_queue_full", Packets, "TCP segments dropped or pushed out because a direction's queue was full.";
    TcpQueueFullBytes = "tcp_queue_full_bytes", Bytes, "Payload bytes lost to a full reassembly queue.";
    TcpBoundariesMerged = "tcp_boundaries_merged", Packets, "In-order TCP segments joined to the one before because too many were waiting.";
    TcpImplausible = "tcp_implausible", Packets, "TCP segments with sequence or acknowledgement numbers far from any window; ignored.";
    TcpBeyondWindow = "tcp_beyond_window", Packets, "TCP segments beyond the receiver's window; kept until other data for the same place comes.";
    TcpPaws = "tcp_paws", Packets, "TCP segments ignored because of an old timestamp (PAWS).";
    TcpResets = "tcp_resets", Packets, "Valid TCP resets.";
    TcpResetsIgnored = "tcp_resets_ignored", Packets, "TCP resets that the receiver doesn't honour by their sequence number.";
    TcpSynIgnored = "tcp_syn_ignored", Packets, "TCP SYN segments on an open connection.";
    TcpDataAfterEnd = "tcp_data_after_end", Packets, "TCP segments with data after the end of their direction; ignored.";
    TcpUrgent = "tcp_urgent", Packets, "TCP segments with urgent data (kept in line).";
    TcpAssumedAcknowledged = "tcp_assumed_acknowledged", Events, "Times that queued data of a one-sided TCP flow was taken as acknowledged.";
    TcpGaps = "tcp_gaps", Events, "Holes in TCP streams: acknowledged, never seen, skipped.";
    TcpGapBytes = "tcp_gap_bytes", Bytes, "Bytes of the holes in TCP streams.";
    Fragments = "fragments", Packets, "IP fragments given to defragmentation.";
    FragmentDatagrams = "fragment_datagrams", Packets, "Datagrams put together from fragments.";
    FragmentOverlaps = "fragment_overlaps", Packets, "IP fragments that overlapped earlier ones with other bytes; the fragment policy decided.";
    FragmentsInvalid = "fragments_invalid", Packets, "IP fragments dropped as impossible: empty, too large, beyond the end, TTL or length below the minimum.";
    FragmentConflicts = "fragment_conflicts", Packets, "Datagrams dropped because their fragments disagree on the end.";
    FragmentTimeouts = "fragment_timeouts", Packets, "Datagrams that were not complete in time.";
    FragmentsEvicted = "fragments_evicted", Packets, "Incomplete datagrams dropped at the cap of count or memory of defragmentation.";
    FragmentPiecesFull = "fragment_pieces_full", Packets, "IP fragments dropped because their datagram has too many pieces.";

    // protocol

    // options and detect

    // engine
}
