//! How long to wait before the next try, where one has failed.
//!
//! Twice as long each time, up to a limit; between half of that and all of it, at random, so that many who were cut off at the same moment
//! do not come back at the same moment. A server that asks for more (`Retry-After`) gets it, up to a limit of its own.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// After the first failure.
    pub first: Duration,
    /// After many.
    pub longest: Duration,
    /// The longest `Retry-After` that is believed.
    pub most_asked: Duration,
}

impl Pauses {
    /// The pause after one more failure, with so many in a row before it; `asked`: by the server.
    pub fn after(&self, failed: u32, asked: Option<Duration>) -> Duration {
        // The standard library keys its hash with the system's randomness.
        let chance = RandomState::new().hash_one(failed) as f64 / u64::MAX as f64;
        self.between(failed, chance).max(asked.unwrap_or_default().min(self.most_asked))
    }

    /// Without a server's wish; `chance` is between 0 and 1.
    pub fn between(&self, failed: u32, chance: f64) -> Duration {
        let full = self.first.saturating_mul(1 << failed.min(16)).min(self.longest);
        full / 2 + (full / 2).mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_a_server_gets_more_within_reason() {
        let seconds = Duration::from_secs;
        let pauses = Pauses { first: seconds(1), longest: seconds(300), most_asked: seconds(3600) };
        let full: Vec<_> = (0..11).map(|failed| pauses.between(failed, 1.0).as_secs()).collect();
        assert_eq!(full, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pauses.between(u32::MAX, 0.5), seconds(225));
        assert_eq!(pauses.after(0, Some(seconds(30))), seconds(30));
        assert_eq!(pauses.after(0, Some(seconds(1 << 40))), seconds(3600));
        assert!((seconds(2)..=seconds(4)).contains(&pauses.after(2, None)));
    }
}
