//! HTTP anomalies (generator 119) and their once-per-message book-keeping.
//!
//! *How it fits*: parsers raise into an [`Events`] set; the inspector hands what is new to the sink
//! before the PDU that caused it, so that a message raises each anomaly at most once.
//!
//! *Spec*: Snort 3 http_inspect, builtin rules of gid 119.

use crate::{EventDef, InspectorEvent, PduSink};

/// Generator id of HTTP inspection.
pub(super) const GID: u32 = 119;

macro_rules! events {
    ($($name:ident = $sid:literal, $help:literal;)*) => {
        $(#[doc = $help] pub(super) const $name: u16 = $sid;)*

        /// What each of them means.
        pub(super) const EVENTS: &[EventDef] = &[$(EventDef { gid: GID, sid: $sid, meaning: $help },)*];

        #[cfg(test)]
        const ALL: &[u16] = &[$($sid,)*];
    };
}

events! {
    UNRESERVED_ENCODED = 1, "An unreserved character is percent-encoded.";
    DOUBLE_ENCODING = 2, "A percent sequence came out of decoding.";
    UTF8_IN_URI = 6, "Percent-encoded UTF-8.";
    REPEATED_SLASH = 8, "Repeated slashes in a path.";
    BACKSLASH = 9, "Backslash in a URI.";
    SELF_SEGMENT = 10, "`/./` in a path.";
    PARENT_SEGMENT = 11, "`/../` in a path.";
    START_LINE_TAB = 12, "Tab in the start line.";
    LF_WITHOUT_CR = 13, "A line ends in LF alone.";
    LONG_SEGMENT = 15, "A path segment is too long.";
    ABOVE_ROOT = 18, "`..` above the root.";
    LONG_HEADER = 19, "A header line is longer than 4,096 bytes.";
    MANY_HEADERS = 20, "More than 200 header lines.";
    SEVERAL_LENGTHS = 21, "Several Content-Length values.";
    SEVERAL_HOSTS = 24, "Several Host values.";
    UNBOUNDED_POST = 28, "POST or PUT without a length.";
    UNKNOWN_METHOD = 31, "Method that is not registered.";
    SIMPLE_REQUEST = 32, "HTTP/0.9 request.";
    BLANK_IN_URI = 33, "A raw blank inside the URI.";
    PIPELINE_LIMIT = 34, "Too many requests without an answer.";
    BAD_STATUS_CODE = 102, "Status code outside 100-599.";
    CHARSET_FAILED = 104, "Charset conversion failed.";
    UTF7_BODY = 105, "Body in UTF-7.";
    LOST_SYNC = 201, "These bytes are not HTTP.";
    CHUNK_ZEROS = 202, "Chunk length with leading zeros.";
    BLANK_BETWEEN = 203, "Blanks between messages.";
    NO_URI = 204, "Request without a URI.";
    REASON_CONTROL = 205, "Control or 8-bit character in the reason phrase.";
    EXTRA_BLANKS = 206, "Extra blanks in the start line.";
    BAD_VERSION = 207, "Version token is corrupt.";
    BAD_HEADER = 209, "Header line without a colon.";
    CHUNK_OPTIONS = 210, "Chunk extension.";
    BAD_URI = 211, "URI of unknown form.";
    BAD_PERCENT = 212, "Percent sign without two hex digits.";
    BROKEN_CHUNK = 213, "Chunk framing is broken.";
    CHUNK_BLANKS = 214, "Blanks at a chunk length.";
    NAME_BLANK = 215, "Blank in a header name.";
    GZIP_ERROR = 217, "Broken gzip data.";
    CONTINUED_09 = 218, "More requests after an HTTP/0.9 request.";
    LATE_09 = 219, "HTTP/0.9 request after other requests.";
    BOTH_LENGTHS = 220, "Content-Length and Transfer-Encoding together.";
    BODYLESS_LENGTH = 221, "A length on a status that has no body.";
    NOT_CHUNKED = 222, "Transfer-Encoding does not end in chunked.";
    PADDED_CHUNKED = 223, "Other encodings before chunked.";
    UNSUPPORTED_CODING = 225, "Content-Encoding that is not decoded.";
    UNKNOWN_CODING = 226, "Unknown Content-Encoding.";
    STACKED_CODINGS = 227, "Several Content-Encodings.";
    EARLY_RESPONSE = 228, "Response before any request.";
    INFLATE_LIMIT = 229, "Decompression hit a limit.";
    NAME_UNPRINTABLE = 230, "Unprintable character in a header name.";
    BAD_LENGTH = 231, "Content-Length is not a number.";
    FOLDED_HEADER = 232, "Folded header line.";
    CR_WITHOUT_LF = 233, "A line ends in CR alone.";
    CHUNK_SEPARATOR = 234, "Line ends before a chunk length.";
    CHUNK_BARE_LF = 235, "Chunk line ends in LF alone.";
    SEVERAL_100 = 236, "More than one 100 response.";
    UNEXPECTED_100 = 237, "100 response that nobody expected.";
    UNKNOWN_1XX = 238, "1xx status other than 100 and 101.";
    EXPECT_NO_BODY = 239, "Expect without a body.";
    TE_IN_10 = 240, "Transfer-Encoding in HTTP/1.0.";
    TRANSFER_HEADER = 241, "Content-Transfer-Encoding header.";
    BAD_TRAILER = 242, "Field that must not be in trailers.";
    WRONG_REPEAT = 243, "Header repeated that may occur once.";
    CODING_CHUNKED = 244, "chunked as a Content-Encoding.";
    PARTIAL_NO_RANGE = 245, "206 without a Range request.";
    VERSION_CASE = 246, "`http` in the version is not upper case.";
    CRITICAL_BLANK = 247, "Blank inside a value that frames the message.";
    GZIP_EARLY_END = 248, "Data behind the end of the gzip stream.";
    CONNECT_BODY = 253, "CONNECT request with a body.";
    AFTER_CONNECT = 254, "Client bytes after CONNECT, before the answer.";
    CONNECT_LENGTH = 255, "2xx to CONNECT with Content-Length.";
    CONNECT_TE = 256, "2xx to CONNECT with Transfer-Encoding.";
    CONNECT_1XX = 257, "1xx to CONNECT.";
    TRUNCATED_LENGTH = 260, "The connection ended inside a Content-Length body.";
    TRUNCATED_CHUNKED = 261, "The connection ended inside a chunked body.";
    LONG_SCHEME = 262, "URI scheme longer than 10.";
    UPGRADE_ASKED = 263, "HTTP/2 upgrade asked.";
    UPGRADE_GRANTED = 264, "HTTP/2 upgrade granted.";
    ACCEPT_COMMAS = 272, "Consecutive commas in Accept-Encoding.";
    ODD_VERSION = 275, "Version is neither 1.0 nor 1.1.";
    VERSION_0 = 276, "Major version 0.";
    VERSION_HIGH = 277, "Major version above 1.";
    GZIP_EXTRA = 278, "gzip header with an extra field.";
    BAD_STATUS_LINE = 279, "Status line of unknown form.";
    BLOCK_LIMIT = 280, "Header block too long.";
    BAD_REQUEST_LINE = 281, "Request line of unknown form.";
    LEADING_LIMIT = 282, "Too many blanks before a message.";
    STATUS_LIMIT = 283, "Status line too long.";
    PARTIAL_START = 284, "The connection ended inside a start line.";
    REQUEST_LIMIT = 285, "Request line too long.";
    HTTP2_PREFACE = 286, "HTTP/2 preface where HTTP/1 was expected.";
    GZIP_RESERVED = 288, "gzip header with reserved flags.";
    DEFLATE_EARLY_END = 290, "Data behind the end of the deflate stream.";
    DEFLATE_ERROR = 291, "Broken deflate data.";
}

/// Words of the bit set: ids up to 319.
const WORDS: usize = 5;

/// The anomalies of one message: which were raised, and which of them nobody was told of yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    seen: [u64; WORDS],
    fresh: [u64; WORDS],
    any: bool,
}

impl Events {
    /// Notes an anomaly; later repeats of it are ignored.
    pub(super) fn raise(&mut self, sid: u16) {
        let (word, bit) = (usize::from(sid / 64), 1u64 << (sid % 64));
        if let (Some(seen), Some(fresh)) = (self.seen.get_mut(word), self.fresh.get_mut(word))
            && *seen & bit == 0
        {
            *seen |= bit;
            *fresh |= bit;
            self.any = true;
        }
    }

    /// Hands the new ones over, lowest id first.
    pub(super) fn flush(&mut self, sink: &mut dyn PduSink) {
        if !self.any {
            return;
        }
        self.any = false;
        for (index, word) in self.fresh.iter_mut().enumerate() {
            while *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                let sid = u32::try_from(index).unwrap_or(0).saturating_mul(64).saturating_add(bit);
                sink.event(InspectorEvent { gid: GID, sid });
            }
        }
    }

    /// Forgets everything: a new message.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expectation, Pdu};

    #[derive(Default)]
    struct Sids(Vec<u32>);
    impl PduSink for Sids {
        fn pdu(&mut self, _pdu: &Pdu<'_>) {}
        fn event(&mut self, event: InspectorEvent) {
            assert_eq!(event.gid, GID);
            self.0.push(event.sid);
        }
        fn expect(&mut self, _expectation: Expectation) {}
    }

    #[test]
    fn every_event_is_raised_once_and_reported_once() {
        let mut events = Events::default();
        let mut sink = Sids::default();
        for &sid in ALL {
            events.raise(sid);
            events.raise(sid);
        }
        events.flush(&mut sink);
        events.flush(&mut sink);
        let mut all: Vec<u32> = ALL.iter().map(|&sid| u32::from(sid)).collect();
        all.sort_unstable();
        assert_eq!(sink.0, all);
        events.raise(13);
        events.flush(&mut sink);
        assert_eq!(sink.0.len(), all.len(), "seen stays until the message ends");
        events.clear();
        events.raise(13);
        events.flush(&mut sink);
        assert_eq!(sink.0.last(), Some(&13));
    }
}
