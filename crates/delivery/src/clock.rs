//! The two clocks: the wall clock, which jumps, and the steady one, which does not.
//!
//! *Invariants*: 1. only boot numbers and what people read use the wall clock; 2. ages and time-outs within a run use
//! the steady one, so a jump drops nothing and delays nothing.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time as the spool sees it. Tests bring their own.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970 in UTC; 0 when the clock is before that.
    fn wall_ns(&self) -> u64;
    /// Time since any fixed moment; never goes back.
    fn steady(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn steady(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
pub(crate) mod manual {
    //! A clock that tests set.

    use super::Clock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub(crate) struct ManualClock {
        wall: AtomicU64,
        steady: AtomicU64,
    }

    impl ManualClock {
        pub(crate) fn at(wall: Duration) -> Self {
            let clock = Self::default();
            clock.set_wall(wall);
            clock
        }

        pub(crate) fn set_wall(&self, wall: Duration) {
            self.wall.store(wall.as_nanos() as u64, Ordering::Relaxed);
        }

        pub(crate) fn advance(&self, by: Duration) {
            self.steady.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
        }
    }

    impl Clock for ManualClock {
        fn wall_ns(&self) -> u64 {
            self.wall.load(Ordering::Relaxed)
        }

        fn steady(&self) -> Duration {
            Duration::from_nanos(self.steady.load(Ordering::Relaxed))
        }
    }
}
