//! Presentation contexts of a connection: which id stands for which interface.
//!
//! A context counts from its bind on, and no longer once the server refused it: a server that is
//! slower than its client must not hide a call.
//!
//! *Spec*: C706 §12.6.4.3 (bind), §12.6.4.4 (bind_ack).

use super::header::{HEADER, Header, uuid};
use crate::wire::{byte, int16, int32, size16};
use tapir_telemetry::{Counter, Counters};

/// Contexts kept per connection.
pub(super) const MAX_CONTEXTS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Context {
    id: u16,
    iface: [u8; 16],
    version: u16,
    refused: bool,
}

/// The contexts of one connection.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    list: Vec<Context>,
    /// Ids of the last bind, in its order: results answer by position.
    asked: Vec<u16>,
}

impl Contexts {
    /// Takes a bind or alter_context.
    pub(super) fn bind(&mut self, header: Header, pdu: &[u8], counters: &mut Counters) {
        self.asked.clear();
        // A list that is cut off ends the loop; what came before counts.
        let _ = self.read_bind(header.little, pdu, counters);
    }

    fn read_bind(&mut self, little: bool, pdu: &[u8], counters: &mut Counters) -> Option<()> {
        let count = byte(pdu, HEADER.checked_add(8)?)?;
        let mut at = HEADER.checked_add(12)?;
        for _ in 0..count {
            let id = int16(pdu, at, little)?;
            let transfers = usize::from(byte(pdu, at.checked_add(2)?)?);
            let iface = uuid(pdu, at.checked_add(4)?, little)?;
            let version = int32(pdu, at.checked_add(20)?, little)?;
            let version = u16::try_from(version & 0xffff).unwrap_or(0);
            self.add(Context { id, iface, version, refused: false }, counters);
            at = at.checked_add(24)?.checked_add(transfers.checked_mul(20)?)?;
        }
        Some(())
    }

    fn add(&mut self, context: Context, counters: &mut Counters) {
        if self.asked.len() < MAX_CONTEXTS {
            self.asked.push(context.id);
        }
        if let Some(known) = self.list.iter_mut().find(|known| known.id == context.id) {
            *known = context;
        } else if self.list.len() < MAX_CONTEXTS {
            self.list.push(context);
        } else {
            counters.bump(Counter::DceContextsDropped);
        }
    }

    /// Takes a bind_ack or alter_context_response: drops what the server refused.
    pub(super) fn answer(&mut self, header: Header, pdu: &[u8]) {
        let _ = self.read_answer(header.little, pdu);
        self.asked.clear();
    }

    fn read_answer(&mut self, little: bool, pdu: &[u8]) -> Option<()> {
        let address = HEADER.checked_add(8)?;
        let end = address.checked_add(2)?.checked_add(size16(int16(pdu, address, little)?))?;
        let results = end.checked_next_multiple_of(4)?;
        let count = usize::from(byte(pdu, results)?);
        let mut at = results.checked_add(4)?;
        for position in 0..count {
            let refused = int16(pdu, at, little)? != 0;
            let id = self.asked.get(position)?;
            if let Some(context) = self.list.iter_mut().find(|context| context.id == *id) {
                context.refused = refused;
            }
            at = at.checked_add(24)?;
        }
        Some(())
    }

    /// Interface and major version behind a context id.
    pub(super) fn find(&self, id: u16) -> Option<([u8; 16], u32)> {
        let context = self.list.iter().find(|context| context.id == id && !context.refused)?;
        Some((context.iface, u32::from(context.version)))
    }

    pub(super) fn footprint(&self) -> usize {
        self.list
            .capacity()
            .saturating_mul(size_of::<Context>())
            .saturating_add(self.asked.capacity().saturating_mul(2))
    }
}
