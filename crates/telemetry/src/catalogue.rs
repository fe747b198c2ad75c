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

    // protocol: HTTP
    HttpRequests = "http_requests", Events, "HTTP request heads inspected.";
    HttpResponses = "http_responses", Events, "HTTP response heads inspected.";
    HttpLostSync = "http_lost_sync", Flows, "Directions on which bytes came that are not HTTP; they go on as plain stream.";
    HttpHeadsTooLong = "http_heads_too_long", Flows, "Directions given up since a start line, header block or white space was too long.";
    HttpLinesUntracked = "http_lines_untracked", Events, "Header lines beyond the limit: seen in the whole header, not as fields.";
    HttpPipelineOverflows = "http_pipeline_overflows", Flows, "Flows with too many unanswered requests; responses are not paired any more.";
    HttpBytesBeforeSync = "http_bytes_before_sync", Bytes, "Bytes of a client skipped since its capture began inside a message.";
    HttpBodyBytesSkipped = "http_body_bytes_skipped", Bytes, "Body bytes not given to rules: beyond the depth or a decompression limit.";
    HttpBodiesTruncated = "http_bodies_truncated", Events, "Bodies whose connection ended before they did.";
    HttpChunksBroken = "http_chunks_broken", Events, "Chunked bodies with broken framing; the rest is taken as one body.";
    HttpInflateFailed = "http_inflate_failed", Events, "Compressed bodies with broken data; the rest is inspected as it is.";
    HttpInflateLimited = "http_inflate_limited", Events, "Compressed bodies that hit the output or ratio limit; the rest is skipped.";
    HttpCodingsOpaque = "http_codings_opaque", Events, "Bodies with a content coding that is not decoded (br, zstd, stacked, unknown).";
    HttpPartsSkipped = "http_parts_skipped", Events, "Multipart files beyond the limit per body piece, not given to rules as files.";
    HttpDerivedStarved = "http_derived_starved", Events, "Derived buffers that the arena had no room for: absent to rules.";

    // protocol

    // options and detect

    // engine
}
