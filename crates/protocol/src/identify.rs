//! What a flow speaks, found by its first bytes: Snort's wizard, and bindings by port.
//!
//! *How it fits*: the engine makes one [`Wizard`] per flow without a known service, shows it the
//! in-order prefix of each direction and makes the inspector of the service it names.
//!
//! *Invariants*: 1. the answer depends on the bytes only, never on how they were cut into calls;
//! 2. what was scanned is not scanned again; 3. at most [`MAX_SEARCH_DEPTH`] bytes of a direction
//! are looked at.
//!
//! *Order*: what is complete at the smallest offset; on a tie byte patterns, text patterns, state
//! machines. A floating text pattern waits for the anchored ones: the HTTP/2 preface contains a
//! request line.
//!
//! *Spec*: Snort 3 manual "Wizard", `lua/snort_defaults.lua` (patterns, `max_search_depth`).

mod curses;
mod extended;
mod patterns;
mod spells;

use crate::{Service, TransportKind};
use patterns::{Fit, HEXES, SPELLS};
use spells::Floating;
use tapir_flow::Direction;

/// Bytes of a direction that are looked at before it counts as unknown.
pub const MAX_SEARCH_DEPTH: usize = 8192;

/// The wizard's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identified {
    /// The flow speaks this.
    Service(Service),
    /// Nothing known; this direction need not be shown again.
    No,
    /// Undecided until more bytes are there.
    NeedMore,
}

/// The search of one flow.
#[derive(Clone, Debug, Default)]
pub struct Wizard {
    sides: [Side; 2],
    extended: bool,
    datagram_seen: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// No anchored pattern can match any more.
    anchored_done: bool,
    /// No state machine can match any more.
    curses_done: bool,
    /// Answered finally.
    done: bool,
    /// Progress of the floating text patterns.
    floating: Floating,
}

impl Wizard {
    /// The patterns of Snort 3's default configuration, exactly.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also recognises protocols that Snort's wizard leaves to ports or to OpenAppID.
    pub fn extended() -> Self {
        Self { extended: true, ..Self::default() }
    }

    /// Looks at a direction of a stream. `prefix` starts at its first byte and only ever grows.
    pub fn on_stream(&mut self, dir: Direction, prefix: &[u8]) -> Identified {
        let extended = self.extended;
        let prefix = prefix.get(..MAX_SEARCH_DEPTH).unwrap_or(prefix);
        let side = match dir {
            Direction::ToServer => &mut self.sides[0],
            Direction::ToClient => &mut self.sides[1],
        };
        if side.done {
            return Identified::No;
        }
        let answer = side.search(TransportKind::Tcp, dir, prefix, extended);
        side.done = answer != Identified::NeedMore;
        answer
    }

    /// Looks at a datagram; only the first of a flow can identify it.
    pub fn on_datagram(&mut self, dir: Direction, payload: &[u8]) -> Identified {
        if std::mem::replace(&mut self.datagram_seen, true) {
            return Identified::No;
        }
        let payload = payload.get(..MAX_SEARCH_DEPTH).unwrap_or(payload);
        match Side::default().search(TransportKind::Udp, dir, payload, self.extended) {
            Identified::NeedMore => Identified::No,
            answer => answer,
        }
    }
}

impl Side {
    fn search(&mut self, transport: TransportKind, dir: Direction, prefix: &[u8], extended: bool) -> Identified {
        let (fixed, held) = match self.anchored_done {
            true => (None, false),
            false => anchored(transport, dir, prefix),
        };
        self.anchored_done = fixed.is_none() && !held;
        let (cursed, open) = match self.curses_done {
            true => (None, false),
            false => curses::run(transport, dir, prefix, extended),
        };
        self.curses_done = cursed.is_none() && !open;
        let exhausted = prefix.len() >= MAX_SEARCH_DEPTH;
        let floating = self.floating.scan(transport, dir, prefix).filter(|_| !held || exhausted);
        match first(fixed.or(floating), cursed) {
            Some(found) => Identified::Service(found.service),
            None if exhausted => Identified::No,
            None if held || open || self.floating.open(transport, dir) => Identified::NeedMore,
            None => Identified::No,
        }
    }
}

/// The one that is complete first; the left on a tie.
fn first(left: Option<Found>, right: Option<Found>) -> Option<Found> {
    match (left, right) {
        (Some(left), Some(right)) if right.end < left.end => Some(right),
        (left, right) => left.or(right),
    }
}

/// A match and the offset behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    service: Service,
    end: usize,
}

/// Patterns fixed at the first byte: the shortest complete one, and whether others are still open.
fn anchored(transport: TransportKind, dir: Direction, prefix: &[u8]) -> (Option<Found>, bool) {
    let mut best = None;
    let mut open = false;
    let hexes = HEXES.iter().filter(|hex| hex.when.holds(transport, dir)).map(|hex| (hex.service, hex.fit(prefix)));
    let spells =
        SPELLS.iter().filter(|spell| spell.when.holds(transport, dir)).map(|spell| (spell.service, spell.fit(prefix)));
    for (service, fit) in hexes.chain(spells) {
        match fit {
            Fit::Yes(end) => best = first(best, Some(Found { service, end })),
            Fit::Partial => open = true,
            Fit::No => {}
        }
    }
    (best, open)
}

/// The service whose inspector is attached from a flow's first packet, by server port.
///
/// Snort binds an inspector without naming the flow's service: alerts of such flows say `unknown`
/// and rules see them through their port groups (measured).
pub fn bind_port(transport: TransportKind, server_port: u16) -> Option<Service> {
    match (transport, server_port) {
        (_, 53) => Some(Service::Dns),
        (TransportKind::Tcp, 111) => Some(Service::SunRpc),
        (TransportKind::Tcp, 502) => Some(Service::Modbus),
        (_, 2123 | 2152 | 3386) => Some(Service::Gtp),
        (TransportKind::Tcp, 2404) => Some(Service::Iec104),
        (TransportKind::Tcp, 4840) => Some(Service::Opcua),
        // differs: Snort leaves UDP port 44818 alone, where devices are listed.
        (TransportKind::Udp, 2222) | (_, 44_818) => Some(Service::Cip),
        _ => None,
    }
}

/// Feeds arbitrary bytes whole and in pieces; the answers must agree.
#[doc(hidden)]
pub fn fuzz_wizard(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let make = || if first & 1 == 0 { Wizard::new() } else { Wizard::extended() };
    let dir = if first & 2 == 0 { Direction::ToServer } else { Direction::ToClient };
    let _ = make().on_datagram(dir, rest);
    let whole = make().on_stream(dir, rest);
    let mut wizard = make();
    let mut pieced = Identified::NeedMore;
    let step = usize::from(first >> 2) + 1;
    let mut end = 0;
    while pieced == Identified::NeedMore && end < rest.len() {
        end = end.saturating_add(step).min(rest.len());
        pieced = wizard.on_stream(dir, rest.get(..end).unwrap_or(rest));
    }
    if !rest.is_empty() {
        assert_eq!(whole, pieced, "identification depends on how the stream was cut");
    }
}

#[cfg(test)]
mod tests;
