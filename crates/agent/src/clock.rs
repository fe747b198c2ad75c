//! The clock of this host, for what is not on the packet path.

use std::time::{SystemTime, UNIX_EPOCH};
use tapir_packet::Timestamp;

/// Now.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
