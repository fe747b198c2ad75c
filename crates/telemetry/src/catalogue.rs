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
    ServiceLineOversized = "service_line_oversized", Events, "Lines of text protocols longer than a PDU, inspected in pieces.";
    ServicePipelineOverflow = "service_pipeline_overflow", Events, "Commands beyond the pipelining limit of a text protocol: answers may be taken for plain lines.";
    FtpDataExpected = "ftp_data_expected", Flows, "FTP data channels that control channels announced.";
    FtpDataBytes = "ftp_data_bytes", Bytes, "Bytes of FTP data channels given to detection as files.";
    MimeMessages = "mime_messages", Events, "Mail messages followed (SMTP, IMAP, POP3).";
    MimeParts = "mime_parts", Events, "Parts of multipart messages.";
    MimeFileBytes = "mime_file_bytes", Bytes, "Decoded bytes of mail bodies and attachments given to detection.";
    MimeDecodeFailed = "mime_decode_failed", Events, "Parts whose transfer encoding was broken.";
    MimeEncodingUnknown = "mime_encoding_unknown", Events, "Parts with an unknown transfer encoding, inspected as sent.";
    MimeDepthLimited = "mime_depth_limited", Events, "Multiparts nested too deeply, inspected as one body.";
    MimeBoundaryOverlong = "mime_boundary_overlong", Events, "Multiparts with a boundary beyond the limit, inspected as one body.";
    MimeFieldTruncated = "mime_field_truncated", Events, "Content-Type or encoding headers that were only read in part.";

    // options and detect

    // engine
}
