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
    TlsRecordsOversized = "tls_records_oversized", Events, "TLS records with an impossible length, cut instead of waited for.";
    DnsNamesBroken = "dns_names_broken", Events, "DNS questions whose name is cut off, too long or badly compressed.";
    DceContextsDropped = "dce_contexts_dropped", Events, "DCE/RPC presentation contexts beyond those kept per connection.";
    DceCallsSplit = "dce_calls_split", Events, "DCE/RPC calls whose stub data was too long to put together whole.";
    DceCallsUnfinished = "dce_calls_unfinished", Events, "DCE/RPC calls in fragments that another call interrupted.";
    SmbMessagesOversized = "smb_messages_oversized", Events, "SMB messages too long to wait for, the rest passed on in pieces.";
    SmbPipesDropped = "smb_pipes_dropped", Events, "Named pipes beyond those followed per SMB flow.";
    SmbPipesOutOfSync = "smb_pipes_out_of_sync", Events, "Data of a named pipe that is no DCE/RPC fragment.";
    SmbRequestsDropped = "smb_requests_dropped", Events, "Unanswered SMB requests beyond those remembered per flow.";
    SmbTransactionsDropped = "smb_transactions_dropped", Events, "SMB transactions in parts that are too long or out of order.";
    SipMessagesOversized = "sip_messages_oversized", Events, "SIP messages too long to wait for, passed on in pieces.";
    SunrpcRecordsOversized = "sunrpc_records_oversized", Events, "ONC RPC records too long to wait for, passed on in pieces.";

    // options and detect

    // engine
}
