//! Cuts TLS records into PDUs and decides when the flow is encrypted.

use super::handshake::{Messages, server_name};
use crate::wire::{be16, byte, size16};
use crate::{
    BufferId, BufferKey, DetachReason, End, InspectCx, Inspector, Limits, Pdu, PduView, Selector, SslFacts, Step,
};
use bumpalo::Bump;
use tapir_flow::Direction;
use tapir_telemetry::Counter;

const HEADER: usize = 5;
/// A record's payload at most (RFC 5246 §6.2.3).
const MAX_PAYLOAD: usize = (1 << 14) + 2048;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Follows both directions of a TLS conversation.
#[derive(Debug)]
pub(super) struct TlsInspector {
    sides: [Side; 2],
    /// Hellos seen on the flow, as bits of `ssl_state`.
    hellos: u8,
    /// Versions seen on the flow.
    version: u8,
    pdu_bytes: usize,
}

#[derive(Debug, Default)]
struct Side {
    messages: Messages,
    /// Complete records at the start of the unconsumed bytes that belong together.
    group: Group,
    /// Bytes left of a record that is too long to wait for.
    oversized: usize,
    /// Handshake records are encrypted from here on.
    ciphered: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    len: usize,
    /// Type of the last record.
    last: u8,
    state: u8,
}

/// What the next bytes are.
enum Head {
    Record { kind: u8, version: u8, total: usize },
    Ssl2 { kind: u8, total: usize },
    Short,
    Foreign,
}

impl Head {
    fn read(bytes: &[u8]) -> Self {
        let (Some(first), Some(minor), Some(length)) = (byte(bytes, 0), byte(bytes, 2), be16(bytes, 3)) else {
            return Self::Short;
        };
        if matches!(first, CHANGE_CIPHER_SPEC..=HEARTBEAT) && byte(bytes, 1) == Some(3) {
            return Self::Record {
                kind: first,
                version: version_bit(minor),
                total: HEADER.saturating_add(size16(length)),
            };
        }
        // SSL 2: a length of 15 bits, the type, then a version, cipher kind or certificate type.
        let ssl2 = match minor {
            1 => length <= 0x0303,
            2 => (0x0100..0x0800).contains(&length),
            4 => matches!(length, 0x0001 | 0x0101),
            _ => false,
        };
        match be16(bytes, 0) {
            Some(word) if ssl2 && word & 0x8000 != 0 => {
                Self::Ssl2 { kind: minor, total: size16(word & 0x7fff).saturating_add(2).max(HEADER) }
            }
            _ => Self::Foreign,
        }
    }
}

fn version_bit(minor: u8) -> u8 {
    match minor {
        0 => SslFacts::SSLV3,
        1 => SslFacts::TLS10,
        2 => SslFacts::TLS11,
        3 => SslFacts::TLS12,
        _ => 0,
    }
}

impl TlsInspector {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { sides: Default::default(), hellos: 0, version: 0, pdu_bytes: limits.pdu_bytes.max(1) }
    }

    /// Hands the first `len` bytes out with the facts of the group.
    fn flush(&mut self, dir: Direction, bytes: &[u8], len: usize, cx: &mut InspectCx<'_>) -> Step {
        let raw = bytes.get(..len).unwrap_or(bytes);
        let state = std::mem::take(&mut self.side(dir).group).state;
        self.hellos |= state & (SslFacts::CLIENT_HELLO | SslFacts::SERVER_HELLO);
        let joined;
        let name = match state & SslFacts::CLIENT_HELLO {
            0 => None,
            _ => match handshake_bytes(raw) {
                Handshake::One(bytes) => server_name(bytes),
                Handshake::Joined(bytes) => {
                    joined = bytes;
                    server_name(&joined)
                }
            },
        };
        let view = TlsView { facts: SslFacts { state, version: self.version }, name };
        cx.sink.pdu(&Pdu { view: &view, ..Pdu::plain(raw) });
        Step::Consumed(raw.len())
    }

    /// The record at `next` is complete (or, at the end, all there is of it): adds it to the group.
    fn accept(&mut self, dir: Direction, kind: u8, record: &[u8]) {
        let side = self.side(dir);
        if kind == HANDSHAKE && !side.ciphered {
            side.messages.record(record.get(HEADER..).unwrap_or(&[]));
            side.group.state |= side.messages.take_state();
        }
        side.ciphered |= kind == CHANGE_CIPHER_SPEC;
        side.group.len = side.group.len.saturating_add(record.len());
        side.group.last = kind;
    }

    fn side(&mut self, dir: Direction) -> &mut Side {
        let [to_server, to_client] = &mut self.sides;
        match dir {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn encrypted(&self, kind: u8) -> bool {
        const BOTH: u8 = SslFacts::CLIENT_HELLO | SslFacts::SERVER_HELLO;
        kind == APPLICATION_DATA && self.hellos & BOTH == BOTH
    }

    /// One step at the next record. `None`: it joined the group, look at the one behind it.
    fn next_record(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Option<Step> {
        let group = self.side(dir).group;
        let next = bytes.get(group.len..).unwrap_or(&[]);
        let need = |more: usize| Some(Step::NeedMore { at_least: group.len.saturating_add(more) });
        let Some(&kind) = next.first() else { return need(1) };
        if group.len > 0 && !joins(group.last, kind) {
            return Some(self.flush(dir, bytes, group.len, cx));
        }
        match Head::read(next) {
            Head::Short => need(HEADER),
            Head::Foreign | Head::Ssl2 { .. } if group.len > 0 => Some(self.flush(dir, bytes, group.len, cx)),
            Head::Foreign => Some(Step::Detach(DetachReason::NotOurs)),
            Head::Ssl2 { total, .. } if total > MAX_PAYLOAD => Some(self.cut(dir, bytes, total, cx)),
            Head::Ssl2 { total, .. } if next.len() < total => need(total),
            Head::Ssl2 { kind, total } => {
                self.accept_ssl2(dir, kind, total);
                Some(self.flush(dir, bytes, total, cx))
            }
            Head::Record { kind, .. } if self.encrypted(kind) => Some(Step::Detach(DetachReason::Encrypted)),
            Head::Record { total, .. } if group.len > 0 && group.len.saturating_add(total) > self.pdu_bytes => {
                Some(self.flush(dir, bytes, group.len, cx))
            }
            Head::Record { total, .. } if total > HEADER + MAX_PAYLOAD => Some(self.cut(dir, bytes, total, cx)),
            Head::Record { total, .. } if next.len() < total => need(total),
            Head::Record { kind, version, total } => {
                self.version |= version;
                self.accept(dir, kind, next.get(..total).unwrap_or(next));
                let side = self.side(dir);
                let len = side.group.len;
                let ends = match kind {
                    HANDSHAKE => side.ciphered || side.messages.at_flight_end(),
                    kind => matches!(kind, CHANGE_CIPHER_SPEC | ALERT),
                };
                ends.then(|| self.flush(dir, bytes, len, cx))
            }
        }
    }

    fn accept_ssl2(&mut self, dir: Direction, kind: u8, total: usize) {
        self.version |= SslFacts::SSLV2;
        let side = self.side(dir);
        side.group = Group { len: total, last: 0, state: ssl2_state(kind) };
    }

    /// Starts a record that is too long to wait for.
    fn cut(&mut self, dir: Direction, bytes: &[u8], total: usize, cx: &mut InspectCx<'_>) -> Step {
        cx.counters.bump(Counter::TlsRecordsOversized);
        self.side(dir).oversized = total;
        self.cut_more(dir, bytes, cx)
    }

    fn cut_more(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let piece = self.side(dir).oversized.min(self.pdu_bytes);
        if bytes.len() < piece {
            return Step::NeedMore { at_least: piece };
        }
        let side = self.side(dir);
        side.oversized = side.oversized.saturating_sub(piece);
        self.flush(dir, bytes, piece, cx)
    }
}

/// Whether a record of type `next` continues a group whose last record is of type `last`.
fn joins(last: u8, next: u8) -> bool {
    next == HEARTBEAT || last == HANDSHAKE && matches!(next, HANDSHAKE | CHANGE_CIPHER_SPEC | ALERT)
}

fn ssl2_state(kind: u8) -> u8 {
    match kind {
        1 => SslFacts::CLIENT_HELLO,
        2 => SslFacts::CLIENT_KEYX,
        4 => SslFacts::SERVER_HELLO,
        _ => SslFacts::UNKNOWN,
    }
}

impl Inspector for TlsInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        if self.side(dir).oversized > 0 {
            return self.cut_more(dir, bytes, cx);
        }
        loop {
            if let Some(step) = self.next_record(dir, bytes, cx) {
                return step;
            }
        }
    }

    fn on_gap(&mut self, dir: Direction, _len: u64, _cx: &mut InspectCx<'_>) -> Step {
        // The hello may have been in the gap: the other direction must still notice encryption.
        self.hellos |= match dir {
            Direction::ToServer => SslFacts::CLIENT_HELLO,
            Direction::ToClient => SslFacts::SERVER_HELLO,
        };
        Step::Detach(DetachReason::Gap)
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        let mut left = tail;
        if std::mem::take(&mut self.side(dir).oversized) == 0 {
            let group = self.side(dir).group;
            let rest = tail.get(group.len..).unwrap_or(&[]);
            if group.len > 0 && rest.first().is_some_and(|&kind| !joins(group.last, kind)) {
                self.flush(dir, tail, group.len, cx);
                left = rest;
            }
            match Head::read(rest) {
                Head::Record { kind, version, .. } => {
                    self.version |= version;
                    self.accept(dir, kind, rest);
                }
                Head::Ssl2 { kind, .. } => self.accept_ssl2(dir, kind, rest.len()),
                Head::Short | Head::Foreign => {}
            }
        }
        if !left.is_empty() {
            self.flush(dir, left, left.len(), cx);
        }
    }

    fn footprint(&self) -> usize {
        size_of::<Self>()
    }
}

/// The handshake messages of a group.
enum Handshake<'a> {
    One(&'a [u8]),
    Joined(Vec<u8>),
}

/// Joins the payloads of handshake records; borrows if there is only one.
fn handshake_bytes(raw: &[u8]) -> Handshake<'_> {
    let mut rest = raw;
    let mut one: Option<&[u8]> = None;
    let mut joined = Vec::new();
    while let Head::Record { kind, total, .. } = Head::read(rest) {
        let (record, behind) = rest.split_at_checked(total).unwrap_or((rest, &[]));
        rest = behind;
        if kind != HANDSHAKE {
            continue;
        }
        let payload = record.get(HEADER..).unwrap_or(&[]);
        match one {
            None => one = Some(payload),
            Some(first) => {
                if joined.is_empty() {
                    joined.extend_from_slice(first);
                }
                joined.extend_from_slice(payload);
            }
        }
    }
    if joined.is_empty() { Handshake::One(one.unwrap_or(&[])) } else { Handshake::Joined(joined) }
}

struct TlsView<'p> {
    facts: SslFacts,
    name: Option<&'p [u8]>,
}

impl PduView for TlsView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        if id == BufferId::TlsSni { self.name } else { None }
    }

    fn ssl(&self) -> Option<SslFacts> {
        Some(self.facts)
    }
}

/// Arbitrary conversations: no panic, contract kept, same PDUs for every cut.
#[doc(hidden)]
pub fn fuzz_tls(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(TlsInspector::new(&Limits::default())));
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
