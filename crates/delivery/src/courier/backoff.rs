//! How long to wait before the next try.
//!
//! 1 s, then twice as long each time, up to 5 min ([`Pauses`]), so that the couriers of many nodes do not come back at the same
//! moment. A receiver that asks for more gets it, up to an hour.

use std::time::Duration;
use tapir_outbound::Pauses;

const FIRST: Duration = Duration::from_secs(1);
/// The longest `Retry-After` that is believed.
const MOST_ASKED: Duration = Duration::from_secs(3600);
const PAUSES: Pauses = Pauses { first: FIRST, longest: Duration::from_secs(300), most_asked: MOST_ASKED };

/// The tries that failed in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failed: u32,
}

impl Backoff {
    /// Something went well.
    pub(super) fn reset(&mut self) {
        self.failed = 0;
    }

    /// The pause after one more failure.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let pause = PAUSES.after(self.failed, asked);
        self.failed = self.failed.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let full: Vec<_> = (0..12).map(|failed| PAUSES.between(failed, 1.0).as_secs()).collect();
        assert_eq!(full, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(PAUSES.between(0, 0.0), Duration::from_millis(500));
        assert_eq!(PAUSES.between(u32::MAX, 0.5), Duration::from_secs(225));
    }

    #[test]
    fn a_receiver_that_asks_for_more_gets_it_within_reason() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.pause(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(backoff.pause(Some(Duration::from_secs(1 << 40))), MOST_ASKED);
        assert!(backoff.pause(None) >= Duration::from_secs(2));
        backoff.reset();
        assert!(backoff.pause(None) <= FIRST);
    }
}
