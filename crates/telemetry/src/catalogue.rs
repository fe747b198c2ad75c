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
    PacketsCut = "packets_cut", Packets, "Frames of which the capture kept only the beginning.";
    PacketsUndecodedLink = "packets_undecoded_link", Packets, "Frames of a link type that is not decoded.";
    PacketsBroken = "packets_broken", Packets, "Frames with an unusable header: not inspected.";
    PacketsNotIp = "packets_not_ip", Packets, "Frames without an IP packet (ARP, spanning tree and the like).";
    PacketsTunnelled = "packets_tunnelled", Packets, "Frames with more than one IP layer.";
    PacketsTooManyLayers = "packets_too_many_layers", Packets, "Frames with more protocol layers than are followed.";
    DecodeEvents = "decode_events", Events, "Anomalies of headers (gid 116).";
    DecodeEventsLost = "decode_events_lost", Events, "Anomalies beyond the number kept per frame.";

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
    IdleFlushes = "idle_flushes", Events, "Times that bytes waiting for the rest of their unit were inspected because nothing came for a while.";
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
    TlsRecordsOversized = "tls_records_oversized", Events, "TLS records with an impossible length, cut instead of waited for.";
    DnsNamesBroken = "dns_names_broken", Events, "DNS questions whose name is cut off, too long or badly compressed.";
    ServiceLineOversized = "service_line_oversized", Events, "Lines of text protocols longer than a PDU, inspected in pieces.";
    ServicePipelineOverflow = "service_pipeline_overflow", Events, "Commands beyond the pipelining limit of a text protocol: answers may be taken for plain lines.";
    FtpDataExpected = "ftp_data_expected", Flows, "FTP data channels that control channels announced.";
    FtpDataBytes = "ftp_data_bytes", Bytes, "Bytes of FTP data channels given to detection as files.";
    MimeMessages = "mime_messages", Events, "Mail messages followed (SMTP, IMAP, POP3).";
    MimeParts = "mime_parts", Events, "Parts of multipart messages.";
    MimeFileBytes = "mime_file_bytes", Bytes, "Decoded bytes of mail bodies and attachments given to detection.";
    MimeBytesSkipped = "mime_bytes_skipped", Bytes, "Decoded bytes of attachments beyond the configured depth: not given to rules.";
    MimeDecodeFailed = "mime_decode_failed", Events, "Parts whose transfer encoding was broken.";
    MimeEncodingUnknown = "mime_encoding_unknown", Events, "Parts with an unknown transfer encoding, inspected as sent.";
    MimeDepthLimited = "mime_depth_limited", Events, "Multiparts nested too deeply, inspected as one body.";
    MimeBoundaryOverlong = "mime_boundary_overlong", Events, "Multiparts with a boundary beyond the limit, inspected as one body.";
    MimeFieldTruncated = "mime_field_truncated", Events, "Content-Type or encoding headers that were only read in part.";
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
    Dnp3SegmentsDropped = "dnp3_segments_dropped", Events, "DNP3 transport segments that begin no fragment and continue none, or repeat one.";
    Dnp3FragmentsDropped = "dnp3_fragments_dropped", Events, "DNP3 application fragments given up: interrupted, out of sequence, too long or cut off.";
    GtpLengthsInvalid = "gtp_lengths_invalid", Events, "GTP messages whose lengths contradict each other or the datagram.";
    CipMessagesOversized = "cip_messages_oversized", Events, "EtherNet/IP messages too long to wait for, the rest passed on in pieces.";
    Iec104LengthsInvalid = "iec104_lengths_invalid", Events, "IEC 60870-5-104 APDUs with a length that the standard doesn't allow.";
    CotpMessagesCutShort = "cotp_messages_cut_short", Events, "Messages in several COTP data units (S7comm-plus, MMS) of which only the first bytes were looked at, or that never ended.";
    ModbusLengthsInvalid = "modbus_lengths_invalid", Events, "Modbus messages with a length that the standard doesn't allow, and cut-off ones.";
    ModbusNotModbus = "modbus_not_modbus", Events, "Messages on Modbus flows with another protocol identifier: no facts, no buffer.";

    // options and detect
    UnitsInspected = "units_inspected", Events, "Units (packets, PDUs, sections) that rules were considered for.";
    BytesSearched = "bytes_searched", Bytes, "Bytes given to the pattern search.";
    RulesEvaluated = "rules_evaluated", Events, "Rule evaluations started.";
    RulesMatched = "rules_matched", Events, "Rule evaluations that matched, noalert rules included.";
    RuleStepsExceeded = "rule_steps_exceeded", Events, "Rule evaluations given up after too many option steps.";
    FilterEntriesEvicted = "filter_entries_evicted", Events, "Counts of detection_filter, event_filter and rate_filter dropped at the cap.";
    EventsSuppressed = "events_suppressed", Events, "Events not raised because of a suppress line.";
    EventsFiltered = "events_filtered", Events, "Events not raised because of an event_filter or threshold.";
    RulesStopped = "rules_stopped", Events, "Rule evaluations left out because a suppression stops the rule for this conversation.";
    EventsHidden = "events_hidden", Events, "Events that a suppression hides: only the manager gets them.";
    EventsQuieted = "events_quieted", Events, "Events dropped by a suppression that limits or stops.";
    QuietEntriesEvicted = "quiet_entries_evicted", Events, "Counts of suppressions that limit, dropped at the cap.";
    EventsPassed = "events_passed", Events, "Matches silenced by a pass rule on the same unit.";
    EventsRepeated = "events_repeated", Events, "Matches on rebuilt data of rules already raised on the raw packet.";
    ContinuationsOverLimit = "continuations_over_limit", Events, "Rules not continued in the next piece of a file because too many of the flow wait already.";
    EventsOverLimit = "events_over_limit", Events, "Matches dropped by the per-unit limits of the event queue.";
    FlowbitsOverLimit = "flowbits_over_limit", Events, "Flowbits not set because the flow already has too many.";
    SearchCapped = "search_capped", Events, "Pattern searches finished by the flat automaton: too many near matches in the buffer.";
    PcreLimit = "pcre_limit", Events, "Regular expressions stopped by the match, depth, heap or stack limit: taken as no match.";
    PcreErrors = "pcre_errors", Events, "Regular expressions that the library could not run: taken as no match.";
    Base64Limit = "base64_limit", Events, "base64_decode refused because the unit's arena was full: the rule failed.";

    // engine
    PacketsBadChecksum = "packets_bad_checksum", Packets, "Packets not inspected because checksums are verified and theirs is wrong.";
    PacketsOwn = "packets_own", Packets, "Packets of connections over which this process itself delivers events: not inspected.";
    FlowsCreated = "flows_created", Flows, "Flows begun.";
    FlowsIdentified = "flows_identified", Flows, "Flows whose service was recognised.";
    FlowsEncrypted = "flows_encrypted", Flows, "Flows bypassed because they are encrypted from here on.";
    Pdus = "pdus", Events, "PDUs and datagrams handed to detection.";
    InspectorsDetachedGap = "inspectors_detached_gap", Events, "Directions given up by their inspector because bytes are missing.";
    InspectorsDetachedNotOurs = "inspectors_detached_not_ours", Events, "Directions given up by their inspector because they do not speak the protocol.";
    InspectorsDetachedLimit = "inspectors_detached_limit", Events, "Directions given up by their inspector at a limit.";
    InspectorsStuck = "inspectors_stuck", Events, "Inspectors detached because they neither consumed nor asked for more (a bug).";
    ExpectationsEvicted = "expectations_evicted", Events, "Announced flows forgotten because too many were pending.";
    PanicsContained = "panics_contained", Events, "Packets whose processing panicked (a bug); the flow went on without inspector.";
    Events = "events", Events, "Security events raised.";
    BuiltinEvents = "builtin_events", Events, "Decoder, stream and inspector anomalies seen, raised or not.";
}
