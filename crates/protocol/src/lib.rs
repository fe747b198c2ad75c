//! What a flow speaks, and the PDUs it consists of.
//!
//! *How it fits*: the engine asks a [`Wizard`] what a flow's first bytes are, makes the inspector
//! of that [`Service`], pushes acknowledged in-order bytes in ([`Inspector`]) and gets PDUs with
//! named buffers out ([`PduSink`]). Nothing here knows rules.
//!
//! One folder per protocol under `protocols/`; what several protocols share (MIME, decompression,
//! charset, base64) is in `content/`, so that no protocol imports another.

#![deny(clippy::indexing_slicing)]

mod buffer;
mod content;
mod dce;
#[doc(hidden)]
pub mod drive;
mod identify;
mod inspector;
mod pieces;
mod protocols;
mod replay;
mod service;
mod tpkt;
mod view;
mod wire;

pub use buffer::{BufferId, BufferKey, BufferKind, Selector, UriPart};
pub use identify::{Identified, MAX_SEARCH_DEPTH, Wizard, bind_port};
pub use inspector::{
    DetachReason, End, EventDef, Expectation, InspectCx, Inspector, InspectorEvent, Limits, Pdu, PduKind, PduSink,
    Section, Step,
};
pub use protocols::{PROTOCOLS, ProtocolDef, TransportKind, inspector_for};
pub use service::Service;
pub use view::{
    ApciType, CipFacts, CipMessage, CipRequest, DceFacts, Dnp3Facts, DnsFacts, GtpFacts, HttpFacts, Iec104Facts,
    MmsFacts, ModbusFacts, NoView, PduView, S7commplusFacts, SipFacts, SslFacts,
};

/// Entry points of fuzz targets: one per parser of hostile bytes.
#[doc(hidden)]
pub mod fuzz {
    pub use crate::content::{inflate::fuzz_inflate, mime::fuzz_mime, multipart::fuzz_multipart};
    pub use crate::identify::fuzz_wizard;
    pub use crate::protocols::cip::fuzz_cip;
    pub use crate::protocols::dcerpc::fuzz_dcerpc;
    pub use crate::protocols::dnp3::fuzz_dnp3;
    pub use crate::protocols::dns::fuzz_dns;
    pub use crate::protocols::ftp::fuzz_ftp;
    pub use crate::protocols::gtp::fuzz_gtp;
    pub use crate::protocols::http::fuzz_http;
    pub use crate::protocols::iec104::fuzz_iec104;
    pub use crate::protocols::imap::fuzz_imap;
    pub use crate::protocols::mms::fuzz_mms;
    pub use crate::protocols::modbus::fuzz_modbus;
    pub use crate::protocols::pop3::fuzz_pop3;
    pub use crate::protocols::s7commplus::fuzz_s7commplus;
    pub use crate::protocols::sip::fuzz_sip;
    pub use crate::protocols::smb::fuzz_smb;
    pub use crate::protocols::smtp::fuzz_smtp;
    pub use crate::protocols::ssh::fuzz_ssh;
    pub use crate::protocols::sunrpc::fuzz_sunrpc;
    pub use crate::protocols::telnet::fuzz_telnet;
    pub use crate::protocols::tls::fuzz_tls;
}
