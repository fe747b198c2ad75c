//! TLS and SSL: handshake flights as PDUs with `ssl_state`, `ssl_version` and `tls_sni`.
//!
//! *How it fits*: attached to flows of service `ssl`, or by STARTTLS through
//! [`crate::Step::Switch`]. Once application data follows both hellos, the flow is given up as
//! encrypted.
//!
//! *PDUs*: consecutive handshake records up to the end of a flight (client hello, server hello
//! done, a TLS 1.3 server hello, finished, change of cipher spec, alert). A heartbeat joins what is
//! right before it. Everything else is one record. A border that only the next record's type can
//! tell waits for that type.
//!
//! differs: Snort cuts where a segment ends in a record; here PDUs depend on the records alone, so a
//! flight that arrives in pieces still is one PDU.
//!
//! *Limits*: records over 18,432 bytes and flights over `Limits::pdu_bytes` are cut there
//! (`tls_records_oversized`).
//!
//! *Spec*: RFC 8446 §4, §5; RFC 5246 §6.2, §7; RFC 6066 §3 (server name); RFC 6101 appendix E (SSL 2);
//! Snort 3 manual `ssl_state`, `ssl_version`.

mod handshake;
mod inspector;

use super::{ProtocolDef, TransportKind};
use crate::Service;
use inspector::TlsInspector;

#[doc(hidden)]
pub use inspector::fuzz_tls;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Ssl,
    transports: &[TransportKind::Tcp],
    new: |limits, _| Box::new(TlsInspector::new(limits)),
    events: &[],
};
