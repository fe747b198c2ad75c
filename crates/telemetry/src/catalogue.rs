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
    PacketsCut = "packets_cut", Packets, "Frames of which the capture kept only the beginning.";
    PacketsUndecodedLink = "packets_undecoded_link", Packets, "Frames of a link type that is not decoded.";
    PacketsBroken = "packets_broken", Packets, "Frames with an unusable header: not inspected.";
    PacketsNotIp = "packets_not_ip", Packets, "Frames without an IP packet (ARP, spanning tree and the like).";
    PacketsTunnelled = "packets_tunnelled", Packets, "Frames with more than one IP layer.";
    PacketsTooManyLayers = "packets_too_many_layers", Packets, "Frames with more protocol layers than are followed.";
    DecodeEvents = "decode_events", Events, "Anomalies of headers (gid 116).";
    DecodeEventsLost = "decode_events_lost", Events, "Anomalies beyond the number kept per frame.";

    // flow

    // protocol

    // options and detect

    // engine
}
