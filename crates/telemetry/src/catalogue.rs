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
    KernelDrops = "kernel_drops", Packets, "Frames that the kernel could not put into a full ring.";
    RingFreezes = "ring_freezes", Events, "Times that a full ring made the kernel stop filling it.";
    RingForeign = "ring_foreign_frames", Packets, "Frames of interfaces no longer watched, found in the ring and left out.";
    RingCorrupt = "ring_corrupt_blocks", Events, "Ring blocks whose frame headers did not fit the block; their rest was left out.";
    RingLinkDown = "ring_link_down", Events, "Times that the interface of a ring went down or away.";
    InterfaceResyncs = "interface_resyncs", Events, "Lists of interfaces fetched anew because notifications were lost.";

    // packet

    // flow

    // protocol

    // options and detect
    SearchCapped = "search_capped", Events, "Pattern searches finished by the flat automaton: too many near matches in the buffer.";

    // engine
}
