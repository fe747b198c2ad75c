//! Numbers that never come twice: they order events of one moment, batches and entries of the audit log.
//!
//! They follow the system's clock, so that those of several managers mix in the order of time as well as their clocks
//! agree; within one process they always grow.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970: below 2⁵³, so that a page's script can hold one.
pub(super) const SECOND: i64 = 1_000_000;

/// Hands out numbers.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: AtomicI64,
}

impl Clock {
    /// The system's time.
    pub(super) fn now() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// The first of `count` numbers in a row.
    pub(super) fn take(&self, count: usize) -> i64 {
        let (now, count) = (Self::now(), i64::try_from(count).unwrap_or(i64::MAX));
        let next = |last: i64| Some(now.max(last + 1).saturating_add(count.max(1) - 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(now);
        now.max(last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_and_never_overlap() {
        let clock = Clock::default();
        let mut last = clock.take(1_000_000) + 999_999;
        for count in [1, 7, 1, 500, 1] {
            let first = clock.take(count);
            assert!(first > last);
            last = first + i64::try_from(count).unwrap() - 1;
        }
    }
}
