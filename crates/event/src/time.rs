//! Time stamps as the formats print them, in UTC, and back.

use jiff::fmt::strtime;
use tapir_packet::Timestamp;

/// A time stamp as jiff's; every value of 64-bit nanoseconds is inside jiff's range.
fn instant(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default()
}

fn print(format: &str, time: Timestamp) -> String {
    strtime::format(format, instant(time)).unwrap_or_default()
}

/// `MM/DD-HH:MM:SS.uuuuuu`, with `year` `YY/MM/DD-…` (Snort's `-y`).
pub fn snort_time(time: Timestamp, year: bool) -> String {
    print(if year { "%y/%m/%d-%H:%M:%S.%6f" } else { "%m/%d-%H:%M:%S.%6f" }, time)
}

/// `YYYY-MM-DDTHH:MM:SS.uuuuuu+0000` (Suricata EVE).
pub fn eve_time(time: Timestamp) -> String {
    print("%Y-%m-%dT%H:%M:%S.%6f+0000", time)
}

/// RFC 3339 with all nine digits: `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`, the form of our own documents.
pub fn rfc3339(time: Timestamp) -> String {
    print("%Y-%m-%dT%H:%M:%S.%9fZ", time)
}

/// RFC 3339 with any offset and any number of digits; `None` for other text or beyond 1678–2261.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(instant.as_nanosecond()).ok().map(Timestamp)
}

/// Milliseconds since the epoch (OCSF, CEF).
pub(crate) fn millis(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000_000)
}

/// A time stamp in a JSON document, as RFC 3339.
pub(crate) mod json {
    use crate::lenient::{Lenient, Maybe};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use tapir_packet::Timestamp;

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::rfc3339(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        super::parse_rfc3339(&text).ok_or_else(|| D::Error::custom(format!("'{text}' is not an RFC 3339 time")))
    }

    /// The epoch, where there is no time.
    pub(crate) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Ok(Maybe::<Timestamp>::deserialize(deserializer)?.0.unwrap_or_default())
    }

    impl Lenient for Timestamp {
        fn text(value: &str) -> Option<Self> {
            super::parse_rfc3339(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        let time = Timestamp::from_secs_nanos(1_700_000_000, 39_999_000);
        assert_eq!(snort_time(time, false), "11/14-22:13:20.039999");
        assert_eq!(snort_time(time, true), "23/11/14-22:13:20.039999");
        assert_eq!(eve_time(time), "2023-11-14T22:13:20.039999+0000");
        assert_eq!(eve_time(Timestamp(0)), "1970-01-01T00:00:00.000000+0000");
        assert_eq!(eve_time(Timestamp::from_secs_nanos(951_782_400, 0)), "2000-02-29T00:00:00.000000+0000");
        assert_eq!(eve_time(Timestamp(-1)), "1969-12-31T23:59:59.999999+0000");
        assert_eq!(rfc3339(Timestamp(1)), "1970-01-01T00:00:00.000000001Z");
    }

    #[test]
    fn the_ends_of_time_are_printed_and_read() {
        for time in [Timestamp(i64::MAX), Timestamp(i64::MIN), Timestamp(-1), Timestamp(0)] {
            assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
            assert!(!eve_time(time).is_empty());
        }
    }

    #[test]
    fn other_offsets_and_precisions_are_read() {
        assert_eq!(parse_rfc3339("1970-01-01T01:00:00.5+01:00"), Some(Timestamp(500_000_000)));
        assert_eq!(parse_rfc3339("9999-01-01T00:00:00Z"), None);
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
