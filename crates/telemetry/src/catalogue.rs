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

    // protocol

    // options and detect
    PcreLimit = "pcre_limit", Events, "Regular expressions stopped by the match, depth, heap or stack limit: taken as no match.";
    PcreErrors = "pcre_errors", Events, "Regular expressions that the library could not run: taken as no match.";
    Base64Limit = "base64_limit", Events, "base64_decode refused because the unit's arena was full: the rule failed.";

    // engine
}
