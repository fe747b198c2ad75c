//! Times of Kubernetes and of events: both are moments of UTC, in different types.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff;
use std::time::{SystemTime, UNIX_EPOCH};
use tapir_packet::Timestamp;

/// A moment of a resource. Beyond what nanoseconds can say (the year 2262) it is the last that they can.
pub(crate) fn moment(time: &Time) -> Timestamp {
    let nanos = time.0.as_nanosecond();
    Timestamp(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
}

/// For a resource, in whole seconds as Kubernetes keeps them.
pub(crate) fn of_moment(time: Timestamp) -> Option<Time> {
    jiff::Timestamp::from_second(time.secs()).ok().map(Time)
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_carried_over_and_kept_within_what_can_be_said() {
        let time = |text: &str| Time(text.parse().unwrap());
        assert_eq!(moment(&time("2026-11-23T00:00:00.5Z")), Timestamp(1_795_392_000_500_000_000));
        assert_eq!(moment(&time("9999-01-01T00:00:00Z")), Timestamp(i64::MAX));
        assert_eq!(of_moment(Timestamp(1_795_392_000_500_000_000)), Some(time("2026-11-23T00:00:00Z")));
    }
}
