//! Requests whose answers don't repeat which file they are about.

use super::Handle;
use std::collections::VecDeque;
use tapir_telemetry::{Counter, Counters};

/// Unanswered requests kept per flow; the oldest goes first.
pub(super) const MAX_REQUESTS: usize = 128;
/// Bytes of a transaction that are put together.
const MAX_TRANSACTION: usize = 64 << 10;

/// A request by its message id.
#[derive(Debug)]
struct Request {
    id: u64,
    handle: Handle,
    offset: u64,
}

/// A transaction that comes in several messages.
#[derive(Debug)]
struct Transaction {
    id: u64,
    total: usize,
    bytes: Vec<u8>,
}

/// The open requests of a flow.
#[derive(Debug, Default)]
pub(super) struct Requests {
    open: VecDeque<Request>,
    transaction: Option<Transaction>,
}

impl Requests {
    /// A read or transaction went out.
    pub(super) fn asked(&mut self, id: u64, handle: Handle, offset: u64, counters: &mut Counters) {
        self.open.retain(|request| request.id != id);
        if self.open.len() >= MAX_REQUESTS {
            self.open.pop_front();
            counters.bump(Counter::SmbRequestsDropped);
        }
        self.open.push_back(Request { id, handle, offset });
    }

    /// Its answer: the handle and offset.
    pub(super) fn answered(&mut self, id: u64) -> Option<(Handle, u64)> {
        let at = self.open.iter().position(|request| request.id == id)?;
        self.open.remove(at).map(|request| (request.handle, request.offset))
    }

    /// An answered request has further answers to come.
    pub(super) fn reopen(&mut self, id: u64, handle: Handle) {
        self.open.push_back(Request { id, handle, offset: 0 });
    }

    /// The handle of an open request.
    pub(super) fn handle(&self, id: u64) -> Option<Handle> {
        self.open.iter().find(|request| request.id == id).map(|request| request.handle)
    }

    /// A part of a transaction's data at its displacement; the whole once `total` bytes are there.
    pub(super) fn part(
        &mut self,
        id: u64,
        total: usize,
        displacement: usize,
        data: &[u8],
        counters: &mut Counters,
    ) -> Option<Vec<u8>> {
        if self.transaction.as_ref().is_none_or(|open| open.id != id) {
            self.transaction = Some(Transaction { id, total, bytes: Vec::new() });
        }
        let open = self.transaction.as_mut()?;
        // Parts come in order; a hole can't be filled later, since each part is sent once.
        let bounded = total <= MAX_TRANSACTION && displacement == open.bytes.len();
        if !bounded || total != open.total {
            counters.bump(Counter::SmbTransactionsDropped);
            self.transaction = None;
            return None;
        }
        let room = total.saturating_sub(open.bytes.len());
        open.bytes.extend_from_slice(data.get(..room).unwrap_or(data));
        if open.bytes.len() < total {
            return None;
        }
        self.transaction.take().map(|whole| whole.bytes)
    }

    pub(super) fn footprint(&self) -> usize {
        let parts = self.transaction.as_ref().map_or(0, |open| open.bytes.capacity());
        self.open.capacity().saturating_mul(size_of::<Request>()).saturating_add(parts)
    }
}
