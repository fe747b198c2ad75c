//! What a flow speaks, and the PDUs it consists of.
//!
//! *How it fits*: the engine asks [`identify`] what a flow's first bytes are, makes the inspector
//! of that [`Service`], pushes acknowledged in-order bytes in ([`Inspector`]) and gets PDUs with
//! named buffers out ([`PduSink`]). Nothing here knows rules.
//!
//! One folder per protocol under `protocols/`; what several protocols share (MIME, decompression,
//! charset, base64) is in `content/`, so that no protocol imports another.

#![deny(clippy::indexing_slicing)]

mod buffer;
mod dce;
#[doc(hidden)]
pub mod drive;
mod identify;
mod inspector;
mod pieces;
mod protocols;
mod service;
mod view;
mod wire;

pub use buffer::{BufferId, BufferKey, BufferKind, Selector, UriPart};
#[doc(hidden)]
pub use identify::fuzz_wizard;
pub use identify::{Identified, MAX_SEARCH_DEPTH, Wizard, bind_port};
pub use inspector::{
    DetachReason, End, Expectation, InspectCx, Inspector, InspectorEvent, Limits, Pdu, PduKind, PduSink, Section, Step,
};
pub use protocols::{PROTOCOLS, ProtocolDef, TransportKind, inspector_for};
#[doc(hidden)]
pub use protocols::{fuzz_dcerpc, fuzz_dns, fuzz_sip, fuzz_smb, fuzz_ssh, fuzz_sunrpc, fuzz_tls};
pub use service::Service;
pub use view::{DceFacts, HttpFacts, NoView, PduView, SipFacts, SslFacts};
