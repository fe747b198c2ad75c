//! Numbers over many events: histogram, facets, top lists.

use crate::{Filter, Partial, moment};
use serde::Serialize;
use tapir_event::Level;
use tapir_packet::Timestamp;
use tapir_query::Field;

/// Events over time by level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// In order, without gaps.
    pub buckets: Vec<Bucket>,
    /// Counted in part only.
    pub partial: Option<Partial>,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Events after this moment…
    #[serde(with = "moment")]
    pub from: Timestamp,
    /// …up to and including this.
    #[serde(with = "moment")]
    pub to: Timestamp,
    /// Events by level, in the order of [`Bucket::LEVELS`].
    pub counts: [u64; 5],
}

impl Bucket {
    /// Order of the counts.
    pub const LEVELS: [Level; 5] = [Level::Info, Level::Low, Level::Medium, Level::High, Level::Critical];
}

/// The most frequent values of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facet {
    /// Field.
    pub field: &'static str,
    /// Most events first, at most 20.
    pub values: Vec<FacetValue>,
    /// Values beyond those.
    pub more: u64,
}

/// A value with its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FacetValue {
    /// As a query takes it.
    pub value: String,
    /// Events. An event with two values counts for both.
    pub count: u64,
}

/// A top list, or the values of a field for completion.
#[derive(Clone, Debug)]
pub struct TopRequest {
    /// Over which events.
    pub filter: Filter,
    /// Which field.
    pub field: Field,
    /// Values that begin so, letters' case ignored; empty: all.
    pub prefix: String,
    /// Most values; at most 1,000.
    pub limit: usize,
}

/// A top list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Top {
    /// Most events first.
    pub values: Vec<FacetValue>,
    /// Values beyond those.
    pub more: u64,
    /// Counted in part only.
    pub partial: Option<Partial>,
}
