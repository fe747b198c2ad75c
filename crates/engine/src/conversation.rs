//! What the engine keeps of one flow.

use crate::coverage::{Blind, Spot};
use std::net::IpAddr;
use tapir_detect::{FlowState, RuleSetId};
use tapir_event::{Endpoint, FlowSummary};
use tapir_flow::{Direction, TcpSession};
use tapir_packet::Timestamp;
use tapir_protocol::{Inspector, Service, Wizard};

/// How the bytes of one direction are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The wizard is still looking.
    #[default]
    Identify,
    /// The inspector cuts PDUs.
    Inspect,
    /// No inspector: raw segments, and rebuilt data cut at segment ends.
    Plain,
    /// Bypassed: encrypted, or the inspector asked for it. Counted, not inspected.
    Off,
}

/// A flow: addresses and roles, TCP state, service, inspector, detection state.
pub(crate) struct Conversation {
    pub(crate) number: u64,
    pub(crate) start: Timestamp,
    pub(crate) client: (IpAddr, u16),
    pub(crate) server: (IpAddr, u16),
    /// The "low" end of the flow key is the client.
    pub(crate) low_is_client: bool,
    pub(crate) protocol: u8,
    pub(crate) endpoint: u32,
    pub(crate) tcp: Option<Box<TcpSession>>,
    /// Picked up in the middle, and bytes that were never seen, when `tcp` was taken last.
    pub(crate) blind: (bool, [u64; 2]),
    pub(crate) service: Option<Service>,
    pub(crate) inspector: Option<Box<dyn Inspector>>,
    pub(crate) wizard: Option<Box<Wizard>>,
    pub(crate) mode: [Mode; 2],
    /// Bytes that must be ready before the inspector is asked again, per direction.
    pub(crate) wanted: [usize; 2],
    pub(crate) carried: [usize; 2],
    pub(crate) ended: [bool; 2],
    /// It stands in the worker's list of flows with waiting bytes.
    pub(crate) listed: bool,
    /// How far the connection has got: events of gid 135 that were raised.
    pub(crate) connection: u8,
    /// Established: may be idle for long.
    pub(crate) long_lived: bool,
    /// Bytes that were never seen are noted.
    pub(crate) gap_noted: bool,
    pub(crate) detect: FlowState,
    pub(crate) rules: RuleSetId,
    pub(crate) packets: [u64; 2],
    pub(crate) bytes: [u64; 2],
    pub(crate) last_packet: u64,
    pub(crate) last_time: Timestamp,
}

impl Conversation {
    /// Direction of a packet by which end of the key sent it.
    #[inline]
    pub(crate) fn direction(&self, source_is_low: bool) -> Direction {
        if source_is_low == self.low_is_client { Direction::ToServer } else { Direction::ToClient }
    }

    /// What detection remembers by rule index is dropped when the rule set was swapped.
    #[inline]
    pub(crate) fn follow_rules(&mut self, set: RuleSetId) {
        if self.rules != set {
            self.rules = set;
            self.detect.forget_rules();
        }
    }

    /// Whether bytes of a direction wait for the rest of their unit.
    pub(crate) fn waits(&self, direction: Direction) -> bool {
        if self.mode(direction) == Mode::Off {
            return false;
        }
        let ready = self.tcp.as_ref().map_or(0, |session| session.half(direction).ready().len());
        ready > self.carried(direction) || self.inspector.as_ref().is_some_and(|inspector| inspector.holds(direction))
    }

    /// Since when they wait.
    pub(crate) fn waits_since(&self, direction: Direction) -> Option<Timestamp> {
        let first = || self.tcp.as_ref()?.half(direction).first_meta().map(|meta| meta.time);
        self.waits(direction).then(|| first().unwrap_or(self.last_time))
    }

    /// The other side is the client (active FTP).
    pub(crate) fn swap_roles(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        self.low_is_client = !self.low_is_client;
    }

    /// Where it counts if it could not be inspected.
    pub(crate) fn spot(&self, blind: Blind) -> Spot {
        let ported = matches!(self.protocol, tapir_packet::protocol::TCP | tapir_packet::protocol::UDP);
        let port = ported.then_some(self.server.1);
        Spot { endpoint: self.endpoint, blind, service: self.service.map(Service::name), port }
    }

    /// Bytes of it were never seen, which was not noted yet.
    pub(crate) fn has_new_gap(&mut self) -> bool {
        let gap = self.tcp.as_ref().is_some_and(|session| session.missing() != [0; 2]);
        gap && !std::mem::replace(&mut self.gap_noted, true)
    }

    /// Bytes of memory held.
    pub(crate) fn footprint(&self) -> usize {
        size_of::<Self>()
            + self.tcp.as_ref().map_or(0, |session| session.footprint())
            + self.inspector.as_ref().map_or(0, |inspector| inspector.footprint())
            + self.detect.footprint()
    }

    /// Established as the `flow` option means it.
    #[inline]
    pub(crate) fn established(&self) -> bool {
        match &self.tcp {
            Some(session) => session.established(),
            None => self.packets.iter().all(|&count| count > 0),
        }
    }

    #[inline]
    pub(crate) fn mode(&self, direction: Direction) -> Mode {
        self.mode.get(direction.index()).copied().unwrap_or(Mode::Off)
    }

    pub(crate) fn set_mode(&mut self, direction: Direction, mode: Mode) {
        let carried = self.carried(direction);
        match (self.mode(direction), mode) {
            // Bytes kept as overlap were inspected; the next owner starts behind them.
            (Mode::Plain, _) => {
                if let (true, Some(session)) = (carried > 0, &mut self.tcp) {
                    session.half_mut(direction).consume(carried);
                }
                self.carry(direction, 0);
            }
            // Inspected while the wizard still looked: the next plain unit goes on from them.
            (Mode::Identify, Mode::Plain) => {}
            // An inspector wants the stream from its start.
            _ => self.carry(direction, 0),
        }
        if let Some(slot) = self.mode.get_mut(direction.index()) {
            *slot = mode;
        }
        self.want(direction, 0);
    }

    /// Ready bytes that were part of the last plain unit already.
    #[inline]
    pub(crate) fn carried(&self, direction: Direction) -> usize {
        self.carried.get(direction.index()).copied().unwrap_or(0)
    }

    pub(crate) fn carry(&mut self, direction: Direction, bytes: usize) {
        if let Some(slot) = self.carried.get_mut(direction.index()) {
            *slot = bytes;
        }
    }

    pub(crate) fn want(&mut self, direction: Direction, bytes: usize) {
        if let Some(slot) = self.wanted.get_mut(direction.index()) {
            *slot = bytes;
        }
    }

    /// Both directions ended: frees what only more data would need. Late packets still find the flow, and
    /// if a reset turns out to be forged its data is taken up without inspector.
    pub(crate) fn release(&mut self) {
        self.inspector = None;
        self.wizard = None;
        self.detect.forget_files();
        if let Some(session) = &mut self.tcp {
            session.release();
        }
    }

    /// Stops inspection of the whole flow; sequence numbers are still followed.
    pub(crate) fn bypass(&mut self) {
        self.mode = [Mode::Off; 2];
        self.inspector = None;
        self.wizard = None;
        if let Some(session) = &mut self.tcp {
            session.half_mut(Direction::ToServer).set_discard(true);
            session.half_mut(Direction::ToClient).set_discard(true);
        }
    }

    /// Takes the session out while its bytes are inspected; what events say of it stays.
    #[inline]
    pub(crate) fn take_tcp(&mut self) -> Option<Box<TcpSession>> {
        let session = self.tcp.take()?;
        self.blind = (session.midstream(), session.missing());
        Some(session)
    }

    /// The flow as events show it.
    pub(crate) fn summary(&self) -> FlowSummary {
        let ported = matches!(self.protocol, tapir_packet::protocol::TCP | tapir_packet::protocol::UDP);
        let endpoint = |(address, port): (IpAddr, u16)| Endpoint { address, port: ported.then_some(port) };
        let (midstream, missing) = match &self.tcp {
            Some(session) => (session.midstream(), session.missing()),
            None => self.blind,
        };
        FlowSummary {
            id: self.number,
            start: self.start,
            client: endpoint(self.client),
            server: endpoint(self.server),
            packets: self.packets,
            bytes: self.bytes,
            missing,
            midstream,
        }
    }

    /// Source and destination of data in a direction.
    #[inline]
    pub(crate) fn ends(&self, direction: Direction) -> ((IpAddr, u16), (IpAddr, u16)) {
        match direction {
            Direction::ToServer => (self.client, self.server),
            Direction::ToClient => (self.server, self.client),
        }
    }
}
