//! What a rule may ask of a PDU beside its bytes.

use crate::{BufferId, BufferKey};
use bumpalo::Bump;

/// The service side of a PDU: named buffers and facts. All methods are pure.
///
/// `'a` ties results to the PDU and the per-unit arena, so that a derived buffer (a header field, a
/// parameter) can be made on demand and lives as long as the unit is evaluated.
pub trait PduView {
    /// The bytes of a buffer, `None` if this PDU has none. An empty buffer counts as absent.
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]>;

    /// Whole current-message buffers for the pattern search: [`PduView::buffer`] with
    /// [`crate::Selector::Whole`], but `None` for request buffers while a response is inspected.
    fn searchable<'a>(&'a self, id: BufferId, arena: &'a Bump) -> Option<&'a [u8]>;

    /// Offset within the file of the first byte of `file_data` (0 at its start).
    fn file_position(&self) -> u64 {
        0
    }

    /// TLS handshake facts (`ssl_state`, `ssl_version`).
    fn ssl(&self) -> Option<SslFacts> {
        None
    }

    /// SIP facts (`sip_method`, `sip_stat_code`).
    fn sip(&self) -> Option<SipFacts<'_>> {
        None
    }

    /// DCE/RPC facts (`dce_iface`, `dce_opnum`, byte order for the `dce` word of byte options).
    fn dce(&self) -> Option<DceFacts> {
        None
    }

    /// Modbus facts (`modbus_func`, `modbus_unit`).
    fn modbus(&self) -> Option<ModbusFacts> {
        None
    }

    /// DNP3 facts (`dnp3_func`, `dnp3_ind`, `dnp3_obj`).
    fn dnp3(&self) -> Option<Dnp3Facts> {
        None
    }

    /// IEC 60870-5-104 facts (`iec104_apci_type`, `iec104_asdu_func`).
    fn iec104(&self) -> Option<Iec104Facts> {
        None
    }

    /// GTP facts (`gtp_version`, `gtp_type`).
    fn gtp(&self) -> Option<GtpFacts> {
        None
    }

    /// S7comm-plus facts (`s7commplus_opcode`, `s7commplus_func`).
    fn s7commplus(&self) -> Option<S7commplusFacts> {
        None
    }

    /// MMS facts (`mms_func`).
    fn mms(&self) -> Option<MmsFacts> {
        None
    }

    /// EtherNet/IP and CIP facts (`enip_command`, `cip_service`, …).
    fn cip(&self) -> Option<CipFacts> {
        None
    }

    /// DNS header and first question, for events.
    fn dns(&self) -> Option<DnsFacts> {
        None
    }

    /// HTTP facts that are not buffers. `request` asks for the request while a response is inspected.
    fn http(&self, _request: bool) -> Option<HttpFacts<'_>> {
        None
    }
}

/// A PDU without service buffers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoView;

impl PduView for NoView {
    fn buffer<'a>(&'a self, _key: &BufferKey, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }
    fn searchable<'a>(&'a self, _id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }
}

/// Bits of `ssl_state` and `ssl_version`, as sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SslFacts {
    /// Handshake messages in this PDU: see the constants.
    pub state: u8,
    /// Versions of records seen on the flow so far: see the constants.
    pub version: u8,
}

#[allow(missing_docs, reason = "the words of ssl_state and ssl_version")]
impl SslFacts {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const CLIENT_KEYX: u8 = 4;
    pub const SERVER_KEYX: u8 = 8;
    pub const UNKNOWN: u8 = 16;
    pub const SSLV2: u8 = 1;
    pub const SSLV3: u8 = 2;
    pub const TLS10: u8 = 4;
    pub const TLS11: u8 = 8;
    pub const TLS12: u8 = 16;
}

/// Facts of a DNS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsFacts {
    /// Message id.
    pub id: u16,
    /// Response code; `None` for a query.
    pub rcode: Option<u8>,
    /// Type of the first question.
    pub kind: Option<u16>,
}

/// Facts of a SIP message.
#[derive(Clone, Copy, Debug)]
pub struct SipFacts<'a> {
    /// Method of a request, as sent; empty for a response.
    pub method: &'a [u8],
    /// Status code of a response.
    pub status: Option<u16>,
}

/// Facts of a DCE/RPC request or response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DceFacts {
    /// Interface UUID in the byte order of its text form, if the context was bound on this flow.
    pub iface: Option<[u8; 16]>,
    /// Bound interface version (major).
    pub iface_version: u32,
    /// Operation number of a request.
    pub opnum: Option<u16>,
    /// First fragment (or unfragmented).
    pub first_fragment: bool,
    /// The header says little endian.
    pub little_endian: bool,
}

/// Facts of a Modbus message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModbusFacts {
    /// Unit identifier.
    pub unit: u8,
    /// Function code as sent (an exception response has the high bit set).
    pub function: u8,
}

/// Facts of a DNP3 application fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dnp3Facts {
    /// Function code.
    pub function: u8,
    /// Internal indications of a response, first octet in the high byte.
    pub indications: Option<u16>,
    /// Group and variation of the first object header.
    pub object: Option<(u8, u8)>,
}

/// Format of an IEC 60870-5-104 control field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApciType {
    /// Information transfer.
    I,
    /// Numbered supervisory function.
    S,
    /// Unnumbered control function.
    U,
}

/// Facts of an IEC 60870-5-104 APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iec104Facts {
    /// Format of the control field.
    pub apci: ApciType,
    /// Type identification of the ASDU that an I-format APDU carries.
    pub asdu: Option<u8>,
}

/// Facts of a GTP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GtpFacts {
    /// Version of the protocol: 0, 1 or 2.
    pub version: u8,
    /// Message type; what a number means depends on the version.
    pub message: u8,
}

/// Facts of an S7comm-plus message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct S7commplusFacts {
    /// Request, response or notification.
    pub opcode: u8,
    /// Function code. Notifications have something else in its place.
    pub function: u16,
}

/// Facts of an MMS PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmsFacts {
    /// The service of a confirmed request or response.
    pub service: u8,
}

/// Facts of an EtherNet/IP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipFacts {
    /// Command of the encapsulation header.
    pub command: u16,
    /// Over TCP: sent by the client; over UDP unknown.
    pub request: Option<bool>,
    /// The CIP message inside.
    pub message: Option<CipMessage>,
}

/// A CIP message to or from a message router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipMessage {
    /// A service is asked for.
    Request(CipRequest),
    /// An answer.
    Response {
        /// The service that was asked for.
        service: u8,
        /// General status, if the message is long enough.
        status: Option<u8>,
    },
}

/// A CIP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipRequest {
    /// Service code.
    pub service: u8,
    /// Class that the path names.
    pub class: Option<u32>,
    /// Instance that the path names.
    pub instance: Option<u32>,
    /// Attribute that the path names.
    pub attribute: Option<u32>,
    /// Of a Forward Open: the class that the connection's path names, 0 if none.
    pub connection_class: Option<u32>,
}

/// Facts of an HTTP message that are not buffers.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpFacts<'a> {
    /// Header lines, trailer lines, cookies.
    pub num_headers: u32,
    /// Trailer lines.
    pub num_trailers: u32,
    /// Cookies in Cookie / Set-Cookie lines.
    pub num_cookies: u32,
    /// Longest header line in bytes.
    pub max_header_line: u32,
    /// Longest trailer line in bytes.
    pub max_trailer_line: u32,
    /// Version token as sent.
    pub version: &'a [u8],
}
