//! Events in the order in which they were kept: for who passes them on and must leave none out.
//!
//! Packet times are no such order: an agent whose spool was held up brings events of yesterday. A [`Mark`] outlives the process;
//! it is of one store and means nothing to another.

use crate::StoreError;
use crate::event::StoredEvent;
use serde::{Deserialize, Serialize};

/// A place in the order in which a store kept its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark(pub(crate) i64, pub(crate) i64);

/// Events that were kept after a mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    /// Oldest first, each with the mark behind it.
    pub events: Vec<(StoredEvent, Mark)>,
    /// Everything up to here was looked at.
    pub upto: Mark,
    /// There is more already.
    pub more: bool,
}

/// The number of events within its limits.
pub(crate) fn limit(limit: usize) -> Result<usize, StoreError> {
    match limit {
        1..=crate::MAX_PAGE => Ok(limit),
        _ => Err(StoreError::Invalid(format!("arrivals are read 1 to {} at once", crate::MAX_PAGE))),
    }
}
