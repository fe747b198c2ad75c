//! Named pipes that carry DCE/RPC: one connection per file handle.
//!
//! *Limits*: [`MAX_PIPES`] pipes, the oldest goes first; of a fragment that straddles messages up
//! to its own length, 64 KiB, per direction.

use super::{Handle, Moved};
use crate::dce::{Connection, HEADER, Header, Heard, Whole, fragment_len};
use crate::{DceFacts, PduKind};
use std::collections::VecDeque;
use tapir_flow::Direction;
use tapir_telemetry::{Counter, Counters};

/// Pipes kept per flow.
pub(super) const MAX_PIPES: usize = 32;

#[derive(Debug, Default)]
struct Pipe {
    handle: Handle,
    connection: Connection,
    /// The start of a fragment, by direction.
    partial: [Vec<u8>; 2],
}

/// The pipes of a flow.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    open: VecDeque<Pipe>,
}

/// What rules should see of pipe data.
#[derive(Debug)]
pub(super) enum Call<'m> {
    /// A fragment within the message.
    Within { fragment: &'m [u8], heard: Heard },
    /// A fragment or call put together.
    Joined { bytes: Vec<u8>, stub_at: usize, facts: Option<DceFacts>, kind: PduKind },
}

impl Pipes {
    /// Data of a handle; `false` if that is no pipe.
    pub(super) fn feed<'m>(
        &mut self,
        dir: Direction,
        moved: Moved<'m>,
        counters: &mut Counters,
        found: &mut dyn FnMut(Call<'m>),
    ) -> bool {
        let Some(pipe) = self.pipe(dir, moved, counters) else { return false };
        let mut rest = moved.bytes;
        if pipe.partial(dir).is_empty() {
            rest = pipe.within(dir, rest, counters, found);
        }
        pipe.join(dir, rest, counters, found);
        true
    }

    /// Data of a transaction that came in parts.
    pub(super) fn feed_joined(
        &mut self,
        dir: Direction,
        handle: Handle,
        bytes: &[u8],
        counters: &mut Counters,
        found: &mut dyn FnMut(Call<'static>),
    ) {
        let moved = Moved { handle, offset: 0, bytes };
        if let Some(pipe) = self.pipe(dir, moved, counters) {
            pipe.join(dir, bytes, counters, &mut |call| {
                found(match call {
                    Call::Joined { bytes, stub_at, facts, kind: PduKind::DceDeseg } => {
                        Call::Joined { bytes, stub_at, facts, kind: PduKind::SmbTransaction }
                    }
                    other => other,
                });
            });
        }
    }

    /// The pipe of a handle; a bind (or the start of one) makes it one.
    fn pipe(&mut self, dir: Direction, moved: Moved<'_>, counters: &mut Counters) -> Option<&mut Pipe> {
        if let Some(at) = self.open.iter().position(|pipe| pipe.handle == moved.handle) {
            return self.open.get_mut(at);
        }
        let bind = match moved.bytes {
            bytes if bytes.len() < HEADER => !bytes.is_empty() && bytes.iter().zip([5, 0, 11]).all(|(a, b)| *a == b),
            bytes => Header::read(bytes).is_some_and(Header::is_bind),
        };
        if !bind || dir == Direction::ToClient {
            return None;
        }
        if self.open.len() >= MAX_PIPES {
            self.open.pop_front();
            counters.bump(Counter::SmbPipesDropped);
        }
        self.open.push_back(Pipe { handle: moved.handle, ..Pipe::default() });
        self.open.back_mut()
    }

    /// The handle was closed: it may come to mean something else.
    pub(super) fn close(&mut self, handle: Handle) {
        self.open.retain(|pipe| pipe.handle != handle);
    }

    pub(super) fn footprint(&self) -> usize {
        self.open.iter().map(Pipe::footprint).sum()
    }
}

impl Pipe {
    fn partial(&mut self, dir: Direction) -> &mut Vec<u8> {
        let [to_server, to_client] = &mut self.partial;
        if dir == Direction::ToServer { to_server } else { to_client }
    }

    /// Whole fragments at the start of `bytes`; answers what is left.
    fn within<'m>(
        &mut self,
        dir: Direction,
        mut bytes: &'m [u8],
        counters: &mut Counters,
        found: &mut dyn FnMut(Call<'m>),
    ) -> &'m [u8] {
        while let Ok(len) = fragment_len(bytes) {
            let Some((fragment, rest)) = bytes.split_at_checked(len) else { break };
            bytes = rest;
            let mut heard = self.connection.fragment(dir, fragment, counters);
            let whole = heard.whole.take();
            found(Call::Within { fragment, heard });
            if let Some(whole) = whole {
                found(whole_call(whole));
            }
        }
        bytes
    }

    /// Adds to a fragment in parts.
    fn join<'m>(&mut self, dir: Direction, bytes: &[u8], counters: &mut Counters, found: &mut dyn FnMut(Call<'m>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let partial = self.partial(dir);
            let wanted = match fragment_len(partial) {
                Ok(len) => len,
                Err(Some(len)) => len,
                // Not a fragment: sync on this pipe is lost, its data is still seen in the messages.
                Err(None) => {
                    counters.bump(Counter::SmbPipesOutOfSync);
                    partial.clear();
                    return;
                }
            };
            let take = wanted.saturating_sub(partial.len()).min(rest.len());
            let (now, behind) = rest.split_at_checked(take).unwrap_or((rest, &[]));
            partial.extend_from_slice(now);
            rest = behind;
            self.complete(dir, counters, found);
        }
    }

    /// Hands the fragment in parts on once it is whole.
    fn complete<'m>(&mut self, dir: Direction, counters: &mut Counters, found: &mut dyn FnMut(Call<'m>)) {
        let partial = self.partial(dir);
        if fragment_len(partial) != Ok(partial.len()) {
            return;
        }
        let bytes = std::mem::take(partial);
        let heard = self.connection.fragment(dir, &bytes, counters);
        let stub_at = if heard.facts.is_some() { heard.stub.start } else { bytes.len() };
        found(Call::Joined { bytes, stub_at, facts: heard.facts, kind: PduKind::DceDeseg });
        if let Some(whole) = heard.whole {
            found(whole_call(whole));
        }
    }

    fn footprint(&self) -> usize {
        let partial: usize = self.partial.iter().map(Vec::capacity).sum();
        size_of::<Self>().saturating_add(partial).saturating_add(self.connection.footprint())
    }
}

fn whole_call<'m>(whole: Whole) -> Call<'m> {
    let stub_at = whole.bytes.len().saturating_sub(whole.stub().len());
    Call::Joined { bytes: whole.bytes, stub_at, facts: Some(whole.facts), kind: PduKind::DceDefrag }
}
