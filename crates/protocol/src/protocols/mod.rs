//! The registry of inspectors: one folder per protocol, one line each here.

pub(crate) mod cip;
pub(crate) mod dcerpc;
pub(crate) mod dnp3;
pub(crate) mod dns;
pub(crate) mod ftp;
pub(crate) mod ftp_data;
pub(crate) mod gtp;
pub(crate) mod http;
pub(crate) mod iec104;
pub(crate) mod imap;
pub(crate) mod mms;
pub(crate) mod modbus;
pub(crate) mod pop3;
pub(crate) mod s7commplus;
pub(crate) mod sip;
pub(crate) mod smb;
pub(crate) mod smtp;
pub(crate) mod ssh;
pub(crate) mod sunrpc;
pub(crate) mod telnet;
pub(crate) mod tls;

use crate::{EventDef, Inspector, Limits, Service};

/// Transport of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "protocol names")]
pub enum TransportKind {
    Tcp,
    Udp,
}

/// What the engine must know of a protocol to inspect it.
pub struct ProtocolDef {
    /// The service it inspects.
    pub service: Service,
    /// Over what.
    pub transports: &'static [TransportKind],
    /// Makes the inspector of one flow.
    pub new: fn(&Limits, TransportKind) -> Box<dyn Inspector>,
    /// Every anomaly that its inspector can raise.
    pub events: &'static [EventDef],
}

/// Every protocol that has an inspector.
pub static PROTOCOLS: &[&ProtocolDef] = &[
    &cip::DEF,
    &dcerpc::DEF,
    &dnp3::DEF,
    &dns::DEF,
    &ftp::DEF,
    &ftp_data::DEF,
    &gtp::DEF,
    &http::DEF,
    &iec104::DEF,
    &imap::DEF,
    &mms::DEF,
    &modbus::DEF,
    &pop3::DEF,
    &s7commplus::DEF,
    &sip::DEF,
    &smb::DEF,
    &smtp::DEF,
    &ssh::DEF,
    &sunrpc::DEF,
    &telnet::DEF,
    &tls::DEF,
];

/// The inspector for a service on a transport. Services without one give raw PDUs.
pub fn inspector_for(service: Service, transport: TransportKind, limits: &Limits) -> Option<Box<dyn Inspector>> {
    PROTOCOLS
        .iter()
        .find(|def| def.service == service && def.transports.contains(&transport))
        .map(|def| (def.new)(limits, transport))
}

#[cfg(test)]
mod conformance;
