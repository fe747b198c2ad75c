//! One DCE/RPC connection: binds, calls and the fragments of calls.

use super::contexts::Contexts;
use super::header::{ALTER_CONTEXT, ALTER_CONTEXT_RESPONSE, BIND, BIND_ACK, HEADER, Header, REQUEST, RESPONSE};
use crate::DceFacts;
use crate::wire::{byte, int16};
use std::ops::Range;
use tapir_flow::Direction;
use tapir_telemetry::{Counter, Counters};

/// Stub bytes of one call that are kept per direction.
pub(super) const MAX_STUB: usize = 64 << 10;

/// State of a connection (a TCP flow, or a pipe opened over SMB).
#[derive(Debug, Default)]
pub(crate) struct Connection {
    contexts: Contexts,
    calls: [Call; 2],
    /// Operation of the last request: a response doesn't name its own.
    opnum: Option<u16>,
}

/// The fragments of one direction's call.
#[derive(Debug, Default)]
struct Call {
    /// A header of [`STUB_AT`] bytes, then the stub data so far; empty: no call in parts.
    bytes: Vec<u8>,
    facts: DceFacts,
    call_id: u32,
}

/// Where stub data starts in a request without object, and in a response.
const STUB_AT: usize = HEADER + 8;

/// What a fragment said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Facts of a request or response.
    pub(crate) facts: Option<DceFacts>,
    /// Its stub data, as a range of the fragment.
    pub(crate) stub: Range<usize>,
    /// A call in fragments is complete (or too long to go on).
    pub(crate) whole: Option<Whole>,
}

/// A call put together.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The first fragment's header and all stub data.
    pub(crate) bytes: Vec<u8>,
    /// Its facts.
    pub(crate) facts: DceFacts,
}

impl Whole {
    /// The stub data.
    pub(crate) fn stub(&self) -> &[u8] {
        self.bytes.get(STUB_AT..).unwrap_or(&[])
    }
}

impl Connection {
    /// Takes one fragment, whole.
    pub(crate) fn fragment(&mut self, dir: Direction, pdu: &[u8], counters: &mut Counters) -> Heard {
        let Some(header) = Header::read(pdu) else { return Heard::default() };
        match (dir, header.kind) {
            (Direction::ToServer, BIND | ALTER_CONTEXT) => self.contexts.bind(header, pdu, counters),
            (Direction::ToClient, BIND_ACK | ALTER_CONTEXT_RESPONSE) => self.contexts.answer(header, pdu),
            (Direction::ToServer, REQUEST) | (Direction::ToClient, RESPONSE) => {
                return self.call(dir, header, pdu, counters).unwrap_or_default();
            }
            _ => {}
        }
        Heard::default()
    }

    fn call(&mut self, dir: Direction, header: Header, pdu: &[u8], counters: &mut Counters) -> Option<Heard> {
        let context = int16(pdu, HEADER.checked_add(4)?, header.little)?;
        let mut stub_at = STUB_AT;
        if dir == Direction::ToServer {
            self.opnum = Some(int16(pdu, HEADER.checked_add(6)?, header.little)?);
            if header.has_object() {
                stub_at = stub_at.checked_add(16)?;
            }
        }
        let end = stub_end(header, pdu)?;
        if stub_at > end {
            return None;
        }
        let (iface, iface_version) = self.contexts.find(context).map_or((None, 0), |(id, version)| (Some(id), version));
        let facts = DceFacts {
            iface,
            iface_version,
            opnum: self.opnum,
            first_fragment: header.first(),
            little_endian: header.little,
        };
        let whole = match header.first() && header.last() {
            true => None,
            false => self.calls.get_mut(dir.index())?.add(header, facts, pdu, stub_at..end, counters),
        };
        Some(Heard { facts: Some(facts), stub: stub_at..pdu.len().min(header.len), whole })
    }

    /// Bytes of memory held.
    pub(crate) fn footprint(&self) -> usize {
        let calls: usize = self.calls.iter().map(|call| call.bytes.capacity()).sum();
        calls.saturating_add(self.contexts.footprint())
    }
}

impl Call {
    fn add(
        &mut self,
        header: Header,
        facts: DceFacts,
        pdu: &[u8],
        stub: Range<usize>,
        counters: &mut Counters,
    ) -> Option<Whole> {
        // What was collected of another call will never be completed by this one.
        if header.first() || self.bytes.is_empty() || self.call_id != header.call_id {
            if !self.bytes.is_empty() {
                counters.bump(Counter::DceCallsUnfinished);
            }
            self.bytes.clear();
            self.bytes.extend_from_slice(pdu.get(..STUB_AT)?);
            self.facts = DceFacts { first_fragment: true, ..facts };
            self.call_id = header.call_id;
        }
        let room = MAX_STUB.saturating_sub(self.bytes.len().saturating_sub(STUB_AT));
        let stub = pdu.get(stub)?;
        self.bytes.extend_from_slice(stub.get(..room).unwrap_or(stub));
        let full = stub.len() >= room;
        if !header.last() && !full {
            return None;
        }
        if full && !header.last() {
            counters.bump(Counter::DceCallsSplit);
        }
        Some(Whole { bytes: std::mem::take(&mut self.bytes), facts: self.facts })
    }
}

/// Where stub data ends: before the padding, trailer and token of authentication.
fn stub_end(header: Header, pdu: &[u8]) -> Option<usize> {
    let end = pdu.len().min(header.len);
    if header.auth_len == 0 {
        return Some(end);
    }
    let trailer = end.checked_sub(header.auth_len)?.checked_sub(8)?;
    let padding = usize::from(byte(pdu, trailer.checked_add(2)?)?);
    Some(trailer.saturating_sub(padding).max(HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IFACE: &[u8] = b"\xb8\x4a\x9f\x4d\x1c\x7d\xcf\x11\x86\x1e\x00\x20\xaf\x6e\x7c\x57";

    fn pdu(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let mut pdu = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
        pdu.extend(u16::try_from(HEADER + body.len()).unwrap().to_le_bytes());
        pdu.extend([0, 0, 7, 0, 0, 0]);
        pdu.extend(body);
        pdu
    }

    fn bind(id: u8) -> Vec<u8> {
        let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, id, 0, 1, 0];
        body.extend(IFACE);
        body.extend([3, 0, 0, 0]);
        body.extend([0; 20]);
        pdu(11, 3, &body)
    }

    fn bind_ack(result: u8) -> Vec<u8> {
        let mut body =
            vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 4, 0, b'1', b'3', b'5', 0, 0, 0, 1, 0, 0, 0, result, 0, 0, 0];
        body.extend([0; 20]);
        pdu(12, 3, &body)
    }

    fn request(flags: u8, id: u8, stub: &[u8]) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 0, id, 0, 9, 0];
        body.extend(stub);
        pdu(0, flags, &body)
    }

    fn heard(connection: &mut Connection, dir: Direction, pdu: &[u8]) -> Heard {
        connection.fragment(dir, pdu, &mut Counters::default())
    }

    #[test]
    fn a_call_names_the_interface_of_its_context() {
        let mut connection = Connection::default();
        heard(&mut connection, Direction::ToServer, &bind(1));
        heard(&mut connection, Direction::ToClient, &bind_ack(0));
        let call = request(3, 1, b"stub");
        let seen = heard(&mut connection, Direction::ToServer, &call);
        let facts = seen.facts.unwrap();
        assert_eq!(facts.iface.unwrap()[..6], [0x4d, 0x9f, 0x4a, 0xb8, 0x7d, 0x1c]);
        assert_eq!((facts.iface_version, facts.opnum, facts.first_fragment), (3, Some(9), true));
        assert_eq!(&call[seen.stub], b"stub");
        assert!(heard(&mut connection, Direction::ToServer, &request(3, 2, b"x")).facts.unwrap().iface.is_none());
    }

    #[test]
    fn a_refused_context_names_nothing() {
        let mut connection = Connection::default();
        heard(&mut connection, Direction::ToServer, &bind(1));
        heard(&mut connection, Direction::ToClient, &bind_ack(2));
        assert!(heard(&mut connection, Direction::ToServer, &request(3, 1, b"x")).facts.unwrap().iface.is_none());
    }

    #[test]
    fn fragments_of_a_call_are_joined() {
        let mut connection = Connection::default();
        heard(&mut connection, Direction::ToServer, &bind(0));
        assert!(heard(&mut connection, Direction::ToServer, &request(1, 0, b"one ")).whole.is_none());
        let middle = heard(&mut connection, Direction::ToServer, &request(0, 0, b"two "));
        assert!(!middle.facts.unwrap().first_fragment);
        let whole = heard(&mut connection, Direction::ToServer, &request(2, 0, b"three")).whole.unwrap();
        assert_eq!(whole.stub(), b"one two three");
        assert!(whole.facts.first_fragment && whole.facts.iface.is_some());
    }

    #[test]
    fn a_call_without_end_is_given_out_in_parts_of_bounded_size() {
        let mut connection = Connection::default();
        let mut counters = Counters::default();
        let part = request(0, 0, &[b'x'; 60_000]);
        assert!(connection.fragment(Direction::ToServer, &part, &mut counters).whole.is_none());
        let whole = connection.fragment(Direction::ToServer, &part, &mut counters).whole.unwrap();
        assert_eq!(whole.stub().len(), MAX_STUB);
        assert_eq!(counters.value(Counter::DceCallsSplit), 1);
        assert_eq!(connection.footprint(), 0);
    }

    #[test]
    fn contexts_are_capped() {
        let mut connection = Connection::default();
        let mut counters = Counters::default();
        for id in 0..100 {
            connection.fragment(Direction::ToServer, &bind(id), &mut counters);
        }
        assert_eq!(counters.value(Counter::DceContextsDropped), 36);
    }
}
