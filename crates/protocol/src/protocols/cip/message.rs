//! What an EtherNet/IP message says: encapsulation header, common packet format, CIP request or response.
//!
//! *Invariants*: reads what is there. Facts in front of a mistake stay, as in Snort.
//!
//! *Limits*: [`MAX_NESTED`] Unconnected Sends inside of each other.
//!
//! *Spec*: CIP Vol. 2 §2-3 (encapsulation), §2-6 (common packet format); CIP Vol. 1 §2-4 (message
//! router), §3-5.5 (connection manager). Which message facts belong to, and which mistakes are which
//! event: behaviour of Snort 3's `cip`.

use super::path::{Path, sized};
use crate::wire::{byte, le16, le32, size16};
use crate::{CipFacts, CipMessage, CipRequest};

/// Command, length, session, status, context, options.
pub(super) const HEADER: usize = 24;
/// Unconnected Sends that are opened for the request inside.
const MAX_NESTED: usize = 8;

const LIST_SERVICES: u16 = 0x04;
const LIST_IDENTITY: u16 = 0x63;
const LIST_INTERFACES: u16 = 0x64;
const REGISTER_SESSION: u16 = 0x65;
const UNREGISTER_SESSION: u16 = 0x66;
const SEND_RR_DATA: u16 = 0x6f;
const SEND_UNIT_DATA: u16 = 0x70;

const NULL_ADDRESS: u16 = 0x00;
const CONNECTED_ADDRESS: u16 = 0xa1;
const CONNECTED_DATA: u16 = 0xb1;
const UNCONNECTED_DATA: u16 = 0xb2;
const SEQUENCED_ADDRESS: u16 = 0x8002;

const CONNECTION_MANAGER: u32 = 6;
const UNCONNECTED_SEND: u8 = 0x52;
const FORWARD_OPEN: u8 = 0x54;
const LARGE_FORWARD_OPEN: u8 = 0x5b;

/// A message as it was read.
#[derive(Debug)]
pub(super) struct Message {
    pub facts: CipFacts,
    /// It can't be read to its end.
    pub malformed: bool,
    /// It says what the standard doesn't allow.
    pub odd: bool,
}

/// Reads a message; `request` is its direction, none for a datagram. `None` if it has no header.
pub(super) fn read(raw: &[u8], request: Option<bool>) -> Option<Message> {
    let data = raw.get(HEADER..)?;
    let (command, status) = (le16(raw, 0)?, le32(raw, 8)?);
    let facts = CipFacts { command, request, message: None };
    let odd = matches!(command, 0x06..=0x62 | 0xc8..);
    let mut message = Message { facts, malformed: false, odd };
    let stream_only = matches!(command, 0 | REGISTER_SESSION | UNREGISTER_SESSION | SEND_RR_DATA | SEND_UNIT_DATA);
    if request.is_none() && stream_only {
        message.odd = true;
    } else if status != 0 {
        // The data of a refusal means nothing; a request has no status.
        message.odd |= request == Some(true);
    } else {
        message.command_data(command, data);
    }
    Some(message)
}

impl Message {
    fn command_data(&mut self, command: u16, data: &[u8]) {
        match command {
            REGISTER_SESSION => self.malformed = data.len() < 4,
            LIST_SERVICES | LIST_IDENTITY | LIST_INTERFACES if self.facts.request == Some(false) => {
                self.items(data);
            }
            SEND_RR_DATA | SEND_UNIT_DATA => {
                self.odd |= le32(data, 0).is_some_and(|interface| interface != 0);
                // Behind interface handle and timeout.
                let Some(items) = data.get(6..) else {
                    self.malformed = true;
                    return;
                };
                self.encapsulated(command, items);
            }
            _ => {}
        }
    }

    fn encapsulated(&mut self, command: u16, data: &[u8]) {
        let (count, [first, second]) = self.items(data);
        let (connected, fits) = match command {
            SEND_RR_DATA => (false, count >= 2),
            _ => (true, count == 2),
        };
        let wanted = if connected { (CONNECTED_ADDRESS, CONNECTED_DATA) } else { (NULL_ADDRESS, UNCONNECTED_DATA) };
        let (Some(address), Some(item)) = (first, second) else {
            self.odd |= !self.malformed;
            return;
        };
        if !fits || (address.0, item.0) != wanted {
            self.odd = true;
            return;
        }
        // differs: Snort reads connected data only if it saw how a connection to the message router was opened.
        let cip = item.1.get(if connected { 2 } else { 0 }..).unwrap_or(&[]);
        self.cip(cip);
    }

    /// Number of items, and the first two as they are there.
    fn items<'d>(&mut self, data: &'d [u8]) -> (u16, [Option<Item<'d>>; 2]) {
        let mut found = [None; 2];
        let Some(count) = le16(data, 0) else {
            self.malformed = true;
            return (0, found);
        };
        let mut at: usize = 2;
        for number in 0..usize::from(count) {
            let (Some(kind), Some(length)) = (le16(data, at), le16(data, at.saturating_add(2))) else {
                self.malformed = true;
                break;
            };
            let start = at.saturating_add(4);
            at = start.saturating_add(size16(length));
            let content = data.get(start..at);
            self.malformed |= content.is_none() || !length_fits(kind, length);
            self.odd |= reserved_item(kind);
            if let Some(slot) = found.get_mut(number) {
                *slot = Some((kind, content.unwrap_or_else(|| data.get(start..).unwrap_or(&[]))));
            }
        }
        (count, found)
    }

    fn cip(&mut self, cip: &[u8]) {
        match byte(cip, 0) {
            None => self.malformed = true,
            Some(service) if service & 0x80 == 0 => {
                let request = self.request(cip);
                self.facts.message = Some(CipMessage::Request(request));
            }
            Some(service) => {
                let status = byte(cip, 2);
                let words = byte(cip, 3).map_or(usize::MAX, usize::from);
                self.malformed |= cip.len() < words.saturating_mul(2).saturating_add(4);
                self.facts.message = Some(CipMessage::Response { service: service & 0x7f, status });
            }
        }
    }

    /// The request, or the one that an Unconnected Send carries.
    fn request(&mut self, mut cip: &[u8]) -> CipRequest {
        let (mut request, mut path, mut data) = self.request_header(cip);
        for _ in 0..MAX_NESTED {
            if !path.whole || path.class != Some(CONNECTION_MANAGER) || request.service != UNCONNECTED_SEND {
                break;
            }
            let Some(length) = le16(data, 2) else {
                self.malformed = true;
                return request;
            };
            let end = 4_usize.saturating_add(size16(length));
            let Some(inner) = data.get(4..end) else {
                self.malformed = true;
                return request;
            };
            cip = inner;
            if cip.is_empty() {
                self.malformed = true;
                return request;
            }
            (request, path, data) = self.request_header(cip);
        }
        if path.whole && path.class == Some(CONNECTION_MANAGER) {
            request.connection_class = self.connection_class(request.service, data);
        }
        request
    }

    /// Service and path, and the data behind them.
    fn request_header<'d>(&mut self, cip: &'d [u8]) -> (CipRequest, Path, &'d [u8]) {
        let rest = cip.get(1..).unwrap_or(&[]);
        let (path, end) = sized(rest);
        self.malformed |= !path.whole;
        self.odd |= path.unknown;
        let request = CipRequest {
            service: byte(cip, 0).unwrap_or(0),
            class: path.class,
            instance: path.instance,
            attribute: path.attribute,
            connection_class: None,
        };
        (request, path, rest.get(end..).unwrap_or(&[]))
    }

    /// The class that the path of a Forward Open ends at; 0 if it names none (as Snort has it).
    fn connection_class(&mut self, service: u8, data: &[u8]) -> Option<u32> {
        let behind = match service {
            FORWARD_OPEN => 35,
            LARGE_FORWARD_OPEN => 39,
            _ => return None,
        };
        let path = data.get(behind..).map_or_else(Path::default, |path| sized(path).0);
        // Timeouts are multiplied by 4 to 512: eight values.
        self.odd |= byte(data, 18).is_some_and(|multiplier| multiplier > 7);
        self.malformed |= !path.whole;
        path.whole.then(|| path.class.unwrap_or(0))
    }
}

/// Type and content.
type Item<'d> = (u16, &'d [u8]);

fn length_fits(kind: u16, length: u16) -> bool {
    match kind {
        NULL_ADDRESS => length == 0,
        CONNECTED_ADDRESS => length == 4,
        CONNECTED_DATA | UNCONNECTED_DATA => length >= 2,
        // Socket addresses.
        0x8000 | 0x8001 => length == 16,
        SEQUENCED_ADDRESS => length == 8,
        _ => true,
    }
}

/// Types that are kept for extensions of the standard.
fn reserved_item(kind: u16) -> bool {
    matches!(kind, 0x86..=0x90 | 0x92..=0xa0 | 0xa5..=0xb0 | 0xb3..=0xff | 0x110..=0x7fff | 0x8004..)
}
