//! SSH: the identification line and the key exchange as PDUs, then nothing more.
//!
//! *How it fits*: service `ssh`. Each line before and including the identification, and each packet
//! up to NEWKEYS, is one PDU; once both sides sent NEWKEYS the flow is given up as encrypted.
//!
//! *Limits*: a server may send [`MAX_LINES`] lines of at most [`MAX_LINE`] bytes before its
//! identification; a packet is at most [`MAX_PACKET`] bytes. Beyond, the direction is left alone.
//!
//! *Spec*: RFC 4253 §4.2 (identification), §6 (packets), §7.3 (NEWKEYS).

use super::{ProtocolDef, TransportKind};
use crate::wire::{be32, byte, size32};
use crate::{DetachReason, End, InspectCx, Inspector, Pdu, Service, Step};
use tapir_flow::Direction;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Ssh,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(SshInspector::default()),
    events: &[],
};

const MAX_LINE: usize = 512;
const MAX_LINES: u8 = 50;
/// RFC 4253 §6.1 asks for 35,000.
const MAX_PACKET: usize = 35_004;
const NEWKEYS: u8 = 21;

#[derive(Debug, Default)]
struct SshInspector {
    sides: [Side; 2],
}

#[derive(Clone, Copy, Debug)]
enum Side {
    /// Text lines; so many so far.
    Lines(u8),
    /// Packets in the clear.
    Packets,
    /// Behind NEWKEYS.
    Encrypted,
}

impl Default for Side {
    fn default() -> Self {
        Self::Lines(0)
    }
}

impl SshInspector {
    fn side(&mut self, dir: Direction) -> &mut Side {
        let [to_server, to_client] = &mut self.sides;
        if dir == Direction::ToServer { to_server } else { to_client }
    }

    fn line(&mut self, dir: Direction, lines: u8, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let window = bytes.get(..MAX_LINE).unwrap_or(bytes);
        let Some(end) = memchr::memchr(b'\n', window) else {
            return match bytes.len() {
                MAX_LINE.. => Step::Detach(DetachReason::NotOurs),
                len => Step::NeedMore { at_least: len.saturating_add(1) },
            };
        };
        let line = bytes.get(..=end).unwrap_or(bytes);
        *self.side(dir) = match line.starts_with(b"SSH-") {
            true => Side::Packets,
            false if lines >= MAX_LINES => return Step::Detach(DetachReason::NotOurs),
            false => Side::Lines(lines.saturating_add(1)),
        };
        cx.sink.pdu(&Pdu::plain(line));
        Step::Consumed(line.len())
    }

    fn packet(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let Some(length) = be32(bytes, 0) else { return Step::NeedMore { at_least: 4 } };
        let total = size32(length).saturating_add(4);
        // Padding length, type and at least four bytes of padding.
        if length < 6 || total > MAX_PACKET {
            return Step::Detach(DetachReason::NotOurs);
        }
        let Some(packet) = bytes.get(..total) else { return Step::NeedMore { at_least: total } };
        cx.sink.pdu(&Pdu::plain(packet));
        if byte(packet, 5) == Some(NEWKEYS) {
            *self.side(dir) = Side::Encrypted;
        }
        Step::Consumed(total)
    }

    /// Behind NEWKEYS; what comes before the other side's is passed on at fixed offsets.
    fn encrypted(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        if matches!(self.side(dir.reverse()), Side::Encrypted) {
            return Step::Detach(DetachReason::Encrypted);
        }
        match bytes.get(..cx.limits.pdu_bytes.max(1)) {
            Some(piece) => {
                cx.sink.pdu(&Pdu::plain(piece));
                Step::Consumed(piece.len())
            }
            None => Step::NeedMore { at_least: cx.limits.pdu_bytes.max(1) },
        }
    }
}

impl Inspector for SshInspector {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        match *self.side(dir) {
            Side::Lines(lines) => self.line(dir, lines, bytes, cx),
            Side::Packets => self.packet(dir, bytes, cx),
            Side::Encrypted => self.encrypted(dir, bytes, cx),
        }
    }

    fn on_end(&mut self, _dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            cx.sink.pdu(&Pdu::plain(tail));
        }
    }

    fn footprint(&self) -> usize {
        0
    }
}

/// Arbitrary conversations.
#[doc(hidden)]
pub fn fuzz_ssh(data: &[u8]) {
    crate::drive::fuzz_stream(data, &|| Box::new(SshInspector::default()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::drive::{Transcript, every_way};
    use Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(body.len() + 6).unwrap().to_be_bytes().to_vec();
        packet.extend([4, kind]);
        packet.extend(body);
        packet.extend([0; 4]);
        packet
    }

    fn check(script: &[(Direction, &[u8])]) -> Transcript {
        every_way(&|| Box::new(SshInspector::default()), &Limits::default(), script)
    }

    #[test]
    fn the_flow_is_encrypted_once_both_sides_sent_newkeys() {
        let server =
            [b"hello\r\nSSH-2.0-x\r\n".to_vec(), packet(20, b"kex"), packet(31, b"reply"), packet(21, b"")].concat();
        let client = [b"SSH-2.0-y\r\n".to_vec(), packet(20, b"kex"), packet(30, b"init"), packet(21, b"")].concat();
        let seen = check(&[(ToClient, &server), (ToServer, &client), (ToServer, b"\xfe\xdc"), (ToClient, b"secret")]);
        assert_eq!(seen.pdus.len(), 5 + 4);
        assert_eq!(seen.pdus[1].raw, b"SSH-2.0-x\r\n");
        assert_eq!(seen.detached, [Some(DetachReason::Encrypted), None]);
    }

    #[test]
    fn what_is_no_ssh_is_left_alone() {
        let seen = check(&[(ToServer, b"SSH-1.5-x\n\xff\xff\xff\xffxx")]);
        assert_eq!(seen.pdus.len(), 1);
        assert_eq!(seen.detached[0], Some(DetachReason::NotOurs));
        assert_eq!(check(&[(ToServer, &[b'x'; 600])]).detached[0], Some(DetachReason::NotOurs));
    }

    proptest! {
        #[test]
        fn fuzz_ssh_holds(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz_ssh(&data);
        }

        #[test]
        fn random_packets_are_cut_invariant(parts in proptest::collection::vec((any::<bool>(), 18u8..23, proptest::collection::vec(any::<u8>(), 0..20)), 0..12)) {
            let turns: Vec<_> = parts.iter().map(|(dir, kind, body)| (if *dir { ToServer } else { ToClient }, packet(*kind, body))).collect();
            let mut script: Vec<(Direction, &[u8])> = vec![(ToServer, b"SSH-2.0-a\n"), (ToClient, b"SSH-2.0-b\n")];
            script.extend(turns.iter().map(|(dir, bytes)| (*dir, bytes.as_slice())));
            check(&script);
        }
    }
}
