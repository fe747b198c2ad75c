//! The board: which endpoints are inspected now, through which interface, for whom. The agent's control side writes a new one
//! when something changes; the capture side works from it until the next.
//!
//! *Invariants*: a [`Board`] never changes. An endpoint keeps its number for as long as its pod has that interface, however
//! the interface is called; a number is not given out twice.

use crate::names::Snapshot;
use crate::recorder::Keep;
use crate::selection::Selection;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tapir_capture::NetworkNamespace;
use tapir_engine::Directory;
use tapir_event::{Inspection, Workload};
use tapir_packet::Timestamp;

/// Where the frames of an endpoint are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Index of the interface.
    pub index: u32,
    /// Its name.
    pub name: Arc<str>,
    /// The pod's network namespace, if the interface is the pod's own; `None`: it is on the node's side.
    pub inside: Option<Arc<NetworkNamespace>>,
}

impl Tap {
    /// Whether both are one interface, however it is called.
    pub fn is_same(&self, other: &Self) -> bool {
        self.index == other.index && self.inside == other.inside
    }
}

/// An interface that is inspected, of a workload or of the node, with one choice of rules. An interface may have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Names it in the engine.
    pub number: u32,
    /// Where it is seen.
    pub tap: Tap,
    /// Whose it is.
    pub workload: Arc<Workload>,
    /// The resources that asked for it, in order; never empty.
    pub inspections: Arc<[Inspection]>,
    /// Those of them whose events go without the bytes that matched.
    pub plain: Arc<[Inspection]>,
    /// Those of them whose events take packets along.
    pub keep: Arc<[(Inspection, Keep)]>,
    /// Which rules it is inspected with.
    pub selection: Arc<Selection>,
}

/// What is inspected.
#[derive(Clone, Debug, Default)]
pub struct Board {
    seats: BTreeMap<u32, Seat>,
    names: Snapshot,
}

impl Board {
    /// Of these endpoints; the names of everybody else come from the history.
    pub fn new(seats: impl IntoIterator<Item = Seat>, names: Snapshot) -> Self {
        Self { seats: seats.into_iter().map(|seat| (seat.number, seat)).collect(), names }
    }

    /// By number.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values()
    }

    /// The endpoint with this number.
    pub fn seat(&self, number: u32) -> Option<&Seat> {
        self.seats.get(&number)
    }

    /// Inspects nobody?
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }
}

impl Directory for Board {
    fn interface(&self, endpoint: u32) -> Arc<str> {
        self.seat(endpoint).map(|seat| Arc::clone(&seat.tap.name)).unwrap_or_default()
    }

    fn workload(&self, _endpoint: u32, address: IpAddr, time: Timestamp) -> Option<Workload> {
        self.names.at(address, time).map(|workload| Workload::clone(workload))
    }
}
