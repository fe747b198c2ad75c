//! SMB 1 messages: the commands that move data of files and pipes, and their AndX chains.
//!
//! *Limits*: [`MAX_CHAIN`] commands of a chain; offsets must grow, so a chain can't loop.
//!
//! *Spec*: MS-CIFS §2.2.3 (message), §2.2.4 (commands), §2.2.5.6 (TRANS_TRANSACT_NMPIPE).

use super::requests::Requests;
use super::{Found, Handle, Moved};
use crate::wire::{byte, le16, le32, size16};
use tapir_flow::Direction;
use tapir_telemetry::Counters;

const MAX_CHAIN: usize = 8;
const MID: usize = 30;
const WORD_COUNT: usize = 32;

const CLOSE: u8 = 0x04;
const READ: u8 = 0x0a;
const WRITE: u8 = 0x0b;
const LOCKING_ANDX: u8 = 0x24;
const TRANSACTION: u8 = 0x25;
const TRANSACTION_SECONDARY: u8 = 0x26;
const WRITE_AND_CLOSE: u8 = 0x2c;
const OPEN_ANDX: u8 = 0x2d;
const READ_ANDX: u8 = 0x2e;
const WRITE_ANDX: u8 = 0x2f;
const SESSION_SETUP_ANDX: u8 = 0x73;
const LOGOFF_ANDX: u8 = 0x74;
const TREE_CONNECT_ANDX: u8 = 0x75;
const NT_CREATE_ANDX: u8 = 0xa2;
const TRANSACT_NMPIPE: u16 = 0x26;

/// One command: where its words start, and the message around it.
struct Command<'m> {
    smb: &'m [u8],
    words: usize,
    mid: u64,
}

/// Calls `found` for everything the message moves. `smb` starts with its 0xFF.
pub(super) fn walk<'m>(
    dir: Direction,
    smb: &'m [u8],
    requests: &mut Requests,
    counters: &mut Counters,
    found: &mut dyn FnMut(Found<'m>),
) {
    let (Some(mut kind), Some(mid)) = (byte(smb, 4), le16(smb, MID)) else { return };
    let mut at = WORD_COUNT;
    for _ in 0..MAX_CHAIN {
        let command = Command { smb, words: at.saturating_add(1), mid: u64::from(mid) };
        let seen = match dir {
            Direction::ToServer => command.request(kind, requests, counters),
            Direction::ToClient => command.response(kind, requests),
        };
        if let Some(seen) = seen {
            found(seen);
        }
        match command.next(kind) {
            Some((next, offset)) if offset > at => (kind, at) = (next, offset),
            _ => return,
        }
    }
}

impl<'m> Command<'m> {
    fn word(&self, at: usize) -> Option<u16> {
        le16(self.smb, self.words.checked_add(at)?)
    }

    fn long(&self, at: usize) -> Option<u32> {
        le32(self.smb, self.words.checked_add(at)?)
    }

    fn word_count(&self) -> Option<usize> {
        byte(self.smb, self.words.checked_sub(1)?).map(usize::from)
    }

    fn handle(&self, at: usize) -> Option<Handle> {
        let [low, high] = self.word(at)?.to_le_bytes();
        let mut handle = [0; 16];
        let [first, second, ..] = &mut handle;
        (*first, *second) = (low, high);
        Some(handle)
    }

    /// Data by offset within the message; what is cut off is left out.
    fn data(&self, offset: usize, len: usize) -> Option<&'m [u8]> {
        let data = self.smb.get(offset..)?;
        Some(data.get(..len).unwrap_or(data))
    }

    /// The command that follows in the chain.
    fn next(&self, kind: u8) -> Option<(u8, usize)> {
        let chained = matches!(
            kind,
            LOCKING_ANDX
                | OPEN_ANDX
                | READ_ANDX
                | WRITE_ANDX
                | SESSION_SETUP_ANDX
                | LOGOFF_ANDX
                | TREE_CONNECT_ANDX
                | NT_CREATE_ANDX
        );
        let next = byte(self.smb, self.words)?;
        (chained && next != 0xff).then_some((next, size16(self.word(2)?)))
    }

    fn request(&self, kind: u8, requests: &mut Requests, counters: &mut Counters) -> Option<Found<'m>> {
        match kind {
            WRITE_ANDX => {
                let high = if self.word_count()? >= 14 { self.long(24)? } else { 0 };
                let offset = u64::from(self.long(6)?) | u64::from(high) << 32;
                let len = size16(self.word(18)?) << 16 | size16(self.word(20)?);
                let bytes = self.data(size16(self.word(22)?), len)?;
                Some(Found::Moved(Moved { handle: self.handle(4)?, offset, bytes }))
            }
            // A plain write of nothing cuts the file off there; with data behind it, it is a way to hide (133:48).
            WRITE if self.word(2)? == 0 => Some(Found::Anomaly(48)),
            WRITE => {
                let bytes = self.data(self.words.checked_add(15)?, size16(self.word(2)?))?;
                Some(Found::Moved(Moved { handle: self.handle(0)?, offset: u64::from(self.long(4)?), bytes }))
            }
            WRITE_AND_CLOSE => {
                let start = self.words.checked_add(self.word_count()?.checked_mul(2)?)?.checked_add(3)?;
                let bytes = self.data(start, size16(self.word(2)?))?;
                Some(Found::Moved(Moved { handle: self.handle(0)?, offset: u64::from(self.long(4)?), bytes }))
            }
            READ_ANDX => {
                let high = if self.word_count()? >= 12 { self.long(20)? } else { 0 };
                let offset = u64::from(self.long(6)?) | u64::from(high) << 32;
                requests.asked(self.mid, self.handle(4)?, offset, counters);
                None
            }
            READ => {
                requests.asked(self.mid, self.handle(0)?, u64::from(self.long(4)?), counters);
                None
            }
            CLOSE => Some(Found::Closed(self.handle(0)?)),
            TRANSACTION => self.transaction(requests, counters),
            TRANSACTION_SECONDARY => {
                let handle = requests.handle(self.mid)?;
                let data = self.data(size16(self.word(12)?), size16(self.word(10)?))?;
                let whole = requests.part(self.mid, size16(self.word(2)?), size16(self.word(14)?), data, counters)?;
                Some(Found::Joined(handle, whole))
            }
            _ => None,
        }
    }

    fn transaction(&self, requests: &mut Requests, counters: &mut Counters) -> Option<Found<'m>> {
        if byte(self.smb, self.words.checked_add(26)?)? < 2 || self.word(28)? != TRANSACT_NMPIPE {
            return None;
        }
        let handle = self.handle(30)?;
        requests.asked(self.mid, handle, 0, counters);
        let (total, count) = (size16(self.word(2)?), size16(self.word(22)?));
        let bytes = self.data(size16(self.word(24)?), count)?;
        if count < total {
            requests.part(self.mid, total, 0, bytes, counters);
            return None;
        }
        Some(Found::Moved(Moved { handle, offset: 0, bytes }))
    }

    fn response(&self, kind: u8, requests: &mut Requests) -> Option<Found<'m>> {
        let (data_at, len) = match kind {
            READ_ANDX => (size16(self.word(12)?), size16(self.word(14)?) << 16 | size16(self.word(10)?)),
            READ => (self.words.checked_add(15)?, size16(self.word(0)?)),
            TRANSACTION => (size16(self.word(14)?), size16(self.word(12)?)),
            _ => return None,
        };
        let bytes = self.data(data_at, len)?;
        let (handle, offset) = requests.answered(self.mid)?;
        // A transaction's answer may come in several messages: its request stays open.
        if kind == TRANSACTION && size16(self.word(16)?).saturating_add(len) < size16(self.word(2)?) {
            requests.reopen(self.mid, handle);
        }
        Some(Found::Moved(Moved { handle, offset, bytes }))
    }
}
