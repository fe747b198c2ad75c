//! HTTP/1.x: one inspector that follows requests and responses of a flow.
//!
//! *How it fits*: bytes come in through [`Inspector`]; for each message one PDU with its start line and
//! header block goes out, then one per body piece, then one with the trailers. Everything that rules
//! can ask of them is in the view.
//!
//! - `head` finds lines, `start_line`, `uri` and `field` read them, `message` keeps them;
//! - `framing` decides what body follows, `chunked` and `body` cut and decode it;
//! - `sync` tells other protocols apart; `exchange` pairs responses with requests; `view` answers rules; `inspector` drives it all.
//!
//! *Invariants*: PDUs depend on stream content only, not on segments. No allocation per message in the
//! steady state; identity bodies are not copied.
//!
//! *Limits*: [`Limits`], each with a counter; see the files.
//!
//! *Spec*: RFC 9110, RFC 9112; Snort 3 http_inspect for buffers, tolerance and events.

mod body;
mod chunked;
mod decode;
mod events;
mod exchange;
mod field;
mod framing;
mod fuzz;
mod head;
mod inspector;
mod message;
mod params;
mod path;
mod span;
mod start_line;
mod sync;
mod uri;
mod view;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use super::{ProtocolDef, TransportKind};
use crate::{Inspector, Limits, Service};

pub use fuzz::fuzz_http;

/// HTTP/1.x over TCP.
pub(super) static DEF: ProtocolDef =
    ProtocolDef { service: Service::Http, transports: &[TransportKind::Tcp], new, events: events::EVENTS };

fn new(_limits: &Limits, _transport: TransportKind) -> Box<dyn Inspector> {
    Box::new(inspector::HttpInspector::default())
}
