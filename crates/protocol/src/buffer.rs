//! The catalogue of named buffers that PDUs offer and rules look into.

use crate::Service;

/// What a buffer means for fast patterns (Snort 3: the kinds of buffer setters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferKind {
    /// Packet data: `pkt_data`, `raw_data`.
    Raw,
    /// Eligible for fast patterns.
    Fast,
    /// Never searched by fast patterns.
    Other,
}

macro_rules! buffers {
    ($($variant:ident = $name:literal, $kind:ident, [$($service:ident),*];)*) => {
        /// A buffer by its Snort 3 option name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum BufferId { $(#[doc = $name] $variant,)* }

        impl BufferId {
            /// Every buffer.
            pub const ALL: &'static [BufferId] = &[$(BufferId::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The option name.
            pub fn name(self) -> &'static str {
                match self { $(BufferId::$variant => $name,)* }
            }
            /// What it means for fast patterns.
            pub fn kind(self) -> BufferKind {
                match self { $(BufferId::$variant => BufferKind::$kind,)* }
            }
            /// The services that provide it (empty: any). A rule that names none of them gets them added.
            pub fn services(self) -> &'static [Service] {
                match self { $(BufferId::$variant => &[$(Service::$service),*],)* }
            }
        }
    };
}

buffers! {
    PktData = "pkt_data", Raw, [];
    RawData = "raw_data", Raw, [];
    FileData = "file_data", Fast, [Http, Smtp, Imap, Pop3, NetbiosSsn, FtpData, Dcerpc, File];
    JsData = "js_data", Fast, [Http, Smtp, Imap, Pop3];
    VbaData = "vba_data", Fast, [Http, Smtp, Imap, Pop3];
    Base64Data = "base64_data", Other, [];
    HttpUri = "http_uri", Fast, [Http];
    HttpRawUri = "http_raw_uri", Fast, [Http];
    HttpDecodedUri = "http_decoded_uri", Fast, [Http];
    HttpMethod = "http_method", Fast, [Http];
    HttpVersion = "http_version", Other, [Http];
    HttpRawRequest = "http_raw_request", Other, [Http];
    HttpRawStatus = "http_raw_status", Other, [Http];
    HttpStatCode = "http_stat_code", Fast, [Http];
    HttpStatMsg = "http_stat_msg", Fast, [Http];
    HttpHeader = "http_header", Fast, [Http];
    HttpRawHeader = "http_raw_header", Fast, [Http];
    HttpCookie = "http_cookie", Fast, [Http];
    HttpRawCookie = "http_raw_cookie", Other, [Http];
    HttpClientBody = "http_client_body", Fast, [Http];
    HttpRawBody = "http_raw_body", Other, [Http];
    HttpTrailer = "http_trailer", Fast, [Http];
    HttpRawTrailer = "http_raw_trailer", Fast, [Http];
    HttpTrueIp = "http_true_ip", Other, [Http];
    HttpParam = "http_param", Other, [Http];
    SipHeader = "sip_header", Fast, [Sip];
    SipBody = "sip_body", Fast, [Sip];
    DceStubData = "dce_stub_data", Fast, [NetbiosSsn, Dcerpc];
    ModbusData = "modbus_data", Fast, [Modbus];
    Dnp3Data = "dnp3_data", Fast, [Dnp3];
    GtpInfo = "gtp_info", Other, [Gtp];
    S7commplusContent = "s7commplus_content", Fast, [S7commplus];
    MmsData = "mms_data", Other, [Mms];
    DnsQuery = "dns_query", Fast, [Dns];
    TlsSni = "tls_sni", Fast, [Ssl];
}

/// A part of a URI (`http_uri: path`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it (RFC 3986)")]
pub enum UriPart {
    Scheme,
    Host,
    Port,
    Path,
    Query,
    Fragment,
}

/// Which part of a buffer is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Selector {
    /// All of it.
    #[default]
    Whole,
    /// One header field, name in lower case (`http_header: field host`).
    Field(Box<str>),
    /// One part of a URI.
    Uri(UriPart),
    /// The `n`-th value (from 0) of a request parameter (`http_param`).
    Param {
        /// Parameter name.
        name: Box<[u8]>,
        /// Compare names without case.
        nocase: bool,
        /// Occurrence, from 0.
        occurrence: u32,
    },
    /// The information element of this type, for versions 0, 1 and 2 of the protocol (`gtp_info`).
    Element([Option<u8>; 3]),
}

/// A buffer as an option names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BufferKey {
    /// Which buffer.
    pub id: BufferId,
    /// Take the request's buffer while the response is inspected (the word `request`).
    pub request: bool,
    /// Which part.
    pub selector: Selector,
}

impl BufferKey {
    /// The whole of `id` of the current message.
    pub fn whole(id: BufferId) -> Self {
        Self { id, request: false, selector: Selector::Whole }
    }
}
