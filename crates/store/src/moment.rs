//! Times in JSON: RFC 3339 in UTC with nine digits, as in the events.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use tapir_packet::Timestamp;

pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&tapir_event::rfc3339(*time))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    tapir_event::parse_rfc3339(&text).ok_or_else(|| D::Error::custom(format!("'{text}' is not an RFC 3339 time")))
}

/// Times that may be absent.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    pub(crate) fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        #[derive(Deserialize)]
        struct Moment(#[serde(with = "crate::moment")] Timestamp);
        Ok(Option::<Moment>::deserialize(deserializer)?.map(|moment| moment.0))
    }
}
