//! Who is who on the interfaces that a worker listens on: names for numbers and addresses, asked for when an event is raised.
//!
//! *How it fits*: the packet path knows endpoints by number. Whoever drives a worker knows what the numbers mean and hands a
//! [`Directory`] in; a new one replaces the old one between two packets ([`crate::Worker::set_directory`]).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tapir_event::Workload;
use tapir_packet::Timestamp;

/// Names of interfaces and addresses. Asked for events only, never for packets.
pub trait Directory: Send + Sync {
    /// Name of the interface, or of the capture, whose frames come with this number.
    fn interface(&self, endpoint: u32) -> Arc<str>;

    /// The workload that had an address at a time, on the network that the endpoint is part of.
    fn workload(&self, _endpoint: u32, _address: IpAddr, _time: Timestamp) -> Option<Workload> {
        None
    }
}

/// All frames come from one place.
impl Directory for Arc<str> {
    fn interface(&self, _endpoint: u32) -> Arc<str> {
        Arc::clone(self)
    }
}

/// Interfaces by number; nothing is known of addresses.
impl Directory for BTreeMap<u32, Arc<str>> {
    fn interface(&self, endpoint: u32) -> Arc<str> {
        self.get(&endpoint).cloned().unwrap_or_default()
    }
}
