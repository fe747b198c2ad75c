//! TPKT and COTP: what S7comm-plus and MMS stand in on TCP port 102.
//!
//! *How it fits*: an inspector cuts its stream with [`cut`] and puts the data of COTP's data units
//! together with [`Messages`]. A TPKT packet is one PDU; a message belongs to the
//! packet that ends it.
//!
//! *Limits*: a packet has 65,535 bytes at most, that is what its length can say. Of a message in
//! several data units the first [`MAX_MESSAGE`] bytes are kept.
//!
//! *Spec*: RFC 1006 §6 (TPKT), ISO 8073 §13.7 (data unit; RFC 905).

use crate::wire::{be16, byte, size16};
use crate::{InspectCx, Pdu};
use tapir_flow::Direction;
use tapir_telemetry::{Counter, Counters};

/// Bytes of a message in several data units that are kept.
const MAX_MESSAGE: usize = 64 << 10;
/// Memory kept between messages.
const KEPT: usize = 4 << 10;
/// Version, reserved byte, length.
const TPKT: usize = 4;
/// TPKT header and the shortest header of a data unit.
const SHORTEST: usize = TPKT + 3;
const VERSION: u8 = 3;
const DATA: u8 = 0xf;
const END: u8 = 0x80;

/// What the start of a stream's unconsumed bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut<'b> {
    /// A packet.
    Packet(&'b [u8]),
    /// So many bytes are needed to tell.
    NeedMore(usize),
    /// Too short for what COTP needs: the stream can't be cut any further.
    TooShort,
    /// Another version: no TPKT.
    NotTpkt,
}

/// The packet at the start of `bytes`.
pub(crate) fn cut(bytes: &[u8]) -> Cut<'_> {
    if byte(bytes, 0).is_some_and(|version| version != VERSION) {
        return Cut::NotTpkt;
    }
    let Some(length) = be16(bytes, 2).map(size16) else { return Cut::NeedMore(TPKT) };
    if length < SHORTEST {
        return Cut::TooShort;
    }
    bytes.get(..length).map_or(Cut::NeedMore(length), Cut::Packet)
}

/// What a COTP data unit carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DataUnit<'b> {
    data: &'b [u8],
    /// It ends a message.
    last: bool,
}

/// The data unit of a packet; `None` if COTP does something else (sets up or ends the connection).
fn data_unit(packet: &[u8]) -> Option<DataUnit<'_>> {
    let unit = packet.get(TPKT..)?;
    let header = usize::from(byte(unit, 0)?);
    if header < 2 || byte(unit, 1)? >> 4 != DATA {
        return None;
    }
    // The number of the unit, with the mark of the last one, ends the header in the classes 0 to 4.
    let last = byte(unit, header)? & END != 0;
    Some(DataUnit { data: unit.get(header.saturating_add(1)..)?, last })
}

/// What a data unit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken<'m> {
    /// The message is whole.
    Whole(&'m [u8]),
    /// The message is too long: its first bytes. The rest is ignored.
    CutShort(&'m [u8]),
    /// More is to come, or was ignored.
    Part,
}

/// The messages of both directions: what every inspector over TPKT does alike.
#[derive(Debug, Default)]
pub(crate) struct Messages([Message; 2]);

impl Messages {
    fn side(&mut self, dir: Direction) -> &mut Message {
        let [to_server, to_client] = &mut self.0;
        if dir == Direction::ToServer { to_server } else { to_client }
    }

    /// The message that a packet ends; empty if it ends none.
    pub(crate) fn take<'m>(&'m mut self, dir: Direction, packet: &'m [u8], counters: &mut Counters) -> &'m [u8] {
        match data_unit(packet).map_or(Taken::Part, |unit| self.side(dir).push(unit)) {
            Taken::Whole(message) => message,
            Taken::CutShort(message) => {
                counters.bump(Counter::CotpMessagesCutShort);
                message
            }
            Taken::Part => &[],
        }
    }

    /// The direction ended; what is no packet is a plain PDU.
    pub(crate) fn end(&mut self, dir: Direction, tail: &[u8], cx: &mut InspectCx<'_>) {
        if self.side(dir).unfinished() {
            cx.counters.bump(Counter::CotpMessagesCutShort);
        }
        if !tail.is_empty() {
            cx.sink.pdu(&Pdu::plain(tail));
        }
    }

    /// Memory held.
    pub(crate) fn footprint(&self) -> usize {
        self.0.iter().map(Message::footprint).fold(0, usize::saturating_add)
    }
}

/// The message of one direction.
#[derive(Debug, Default)]
struct Message {
    bytes: Vec<u8>,
    /// It was too long: units up to its end are ignored.
    ignoring: bool,
    /// It was handed out: the next unit begins another.
    done: bool,
}

impl Message {
    /// Takes the next data unit in. A message in one unit is not copied.
    fn push<'m>(&'m mut self, unit: DataUnit<'m>) -> Taken<'m> {
        if std::mem::take(&mut self.done) {
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
        if self.ignoring {
            self.ignoring = !unit.last;
            return Taken::Part;
        }
        if unit.last && self.bytes.is_empty() {
            return Taken::Whole(unit.data);
        }
        let space = MAX_MESSAGE.saturating_sub(self.bytes.len());
        let kept = unit.data.get(..space).unwrap_or(unit.data);
        self.bytes.extend_from_slice(kept);
        self.done = unit.last || kept.len() < unit.data.len();
        match (kept.len() < unit.data.len(), unit.last) {
            (true, last) => {
                self.ignoring = !last;
                Taken::CutShort(&self.bytes)
            }
            (false, true) => Taken::Whole(&self.bytes),
            (false, false) => Taken::Part,
        }
    }

    /// Units are to come.
    fn unfinished(&self) -> bool {
        !self.done && !self.bytes.is_empty()
    }

    /// Memory held.
    fn footprint(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(message: &mut Message, data: &[u8], last: bool) -> (char, Vec<u8>) {
        match message.push(DataUnit { data, last }) {
            Taken::Whole(bytes) => ('w', bytes.to_vec()),
            Taken::CutShort(bytes) => ('c', bytes.to_vec()),
            Taken::Part => ('p', Vec::new()),
        }
    }

    #[test]
    fn packets_are_cut_at_their_lengths() {
        let packet = [3, 0, 0, 9, 2, 0xf0, 0x80, 0x72, 1];
        assert_eq!(cut(&packet), Cut::Packet(&packet));
        assert_eq!(cut(&[&packet[..], &[3]].concat()), Cut::Packet(&packet));
        assert_eq!(cut(&packet[..8]), Cut::NeedMore(9));
        assert_eq!(cut(&packet[..3]), Cut::NeedMore(4));
        assert_eq!(cut(&[]), Cut::NeedMore(4));
        assert_eq!(cut(&[3, 0, 0, 6]), Cut::TooShort);
        assert_eq!(cut(&[2]), Cut::NotTpkt);
    }

    #[test]
    fn data_units_are_told_from_the_rest_of_cotp() {
        let unit = |bytes: &[u8]| data_unit(bytes).map(|unit| (unit.data.to_vec(), unit.last));
        assert_eq!(unit(&[3, 0, 0, 8, 2, 0xf0, 0x80, 9]), Some((vec![9], true)));
        assert_eq!(unit(&[3, 0, 0, 7, 2, 0xf0, 0]), Some((vec![], false)));
        assert_eq!(unit(&[3, 0, 0, 10, 4, 0xf0, 0, 1, 0x81, 9]), Some((vec![9], true)), "class 2");
        assert_eq!(unit(&[3, 0, 0, 11, 6, 0xe0, 0, 0, 0, 1, 0]), None, "connection request");
        assert_eq!(unit(&[3, 0, 0, 7, 9, 0xf0, 0x80]), None, "header longer than the packet");
        assert_eq!(unit(&[3, 0, 0, 7, 0, 0xf0, 0x80]), None, "header without a number");
    }

    #[test]
    fn units_up_to_the_last_make_a_message() {
        let mut message = Message::default();
        assert_eq!(push(&mut message, b"one", true), ('w', b"one".to_vec()));
        assert_eq!(message.footprint(), 0, "not copied");
        assert_eq!(push(&mut message, b"", false).0, 'p');
        assert_eq!(push(&mut message, b"tw", false).0, 'p');
        assert!(message.unfinished());
        assert_eq!(push(&mut message, b"o", true), ('w', b"two".to_vec()));
        assert!(!message.unfinished());
        assert_eq!(push(&mut message, b"three", true), ('w', b"three".to_vec()));
    }

    #[test]
    fn of_a_long_message_the_first_bytes_are_kept() {
        let mut message = Message::default();
        let unit = [7u8; 40_000];
        assert_eq!(push(&mut message, &unit, false).0, 'p');
        let (what, bytes) = push(&mut message, &unit, false);
        assert_eq!((what, bytes.len()), ('c', MAX_MESSAGE));
        assert_eq!(push(&mut message, b"ignored", false).0, 'p');
        assert_eq!(push(&mut message, b"ignored", true).0, 'p');
        assert_eq!(push(&mut message, b"next", true), ('w', b"next".to_vec()));
        assert!(message.footprint() <= KEPT, "memory is given back");
        assert_eq!(push(&mut message, &unit, false).0, 'p');
        assert_eq!(push(&mut message, &unit, true).0, 'c');
        assert_eq!(push(&mut message, b"next", true), ('w', b"next".to_vec()), "the unit too many was the last");
    }
}
