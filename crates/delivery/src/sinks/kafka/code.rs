//! Error codes: their names, what they mean for a batch, and what a person can do.
//!
//! Source: "Kafka protocol guide", section Error Codes.

/// No error.
pub(super) const NONE: i16 = 0;
/// Somebody else leads the partition by now.
pub(super) const NOT_LEADER: i16 = 6;
/// The user may not do that to the cluster: older brokers say so of producer ids.
pub(super) const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;

/// What follows for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The partition has it.
    Done,
    /// Not now: it passes by itself, or a person puts it right.
    Wait,
    /// What is known of the cluster is old.
    Stale,
    /// The batch is larger than the topic allows.
    TooLarge,
    /// Some records are refused for good.
    Refused,
    /// A record's time is too far from the broker's.
    Time,
    /// The numbering of our batches is not the broker's.
    Sequence,
}

use Meaning::{Done, Refused, Sequence, Stale, Time, TooLarge, Wait};

/// Code, name, meaning, what to do.
const CODES: &[(i16, &str, Meaning, &str)] = &[
    (-1, "UNKNOWN_SERVER_ERROR", Wait, "the broker's log says more"),
    (NONE, "NONE", Done, ""),
    (2, "CORRUPT_MESSAGE", Wait, "if it stays, the topic may want keys: choose a `key`"),
    (3, "UNKNOWN_TOPIC_OR_PARTITION", Stale, "create the topic, or correct the sink's `topic`; the sink makes none"),
    (5, "LEADER_NOT_AVAILABLE", Stale, "a partition has no leader; bring its brokers back"),
    (NOT_LEADER, "NOT_LEADER_OR_FOLLOWER", Stale, "the partition has moved"),
    (7, "REQUEST_TIMED_OUT", Wait, "the replicas were too slow"),
    (8, "BROKER_NOT_AVAILABLE", Stale, ""),
    (9, "REPLICA_NOT_AVAILABLE", Stale, ""),
    (10, "MESSAGE_TOO_LARGE", TooLarge, "raise the topic's `max.message.bytes`"),
    (13, "NETWORK_EXCEPTION", Stale, ""),
    (14, "COORDINATOR_LOAD_IN_PROGRESS", Wait, ""),
    (15, "COORDINATOR_NOT_AVAILABLE", Wait, ""),
    (16, "NOT_COORDINATOR", Wait, ""),
    (17, "INVALID_TOPIC_EXCEPTION", Wait, "correct the sink's `topic`"),
    (18, "RECORD_LIST_TOO_LARGE", TooLarge, "raise the topic's `segment.bytes`"),
    (
        19,
        "NOT_ENOUGH_REPLICAS",
        Wait,
        "fewer replicas are in sync than the topic's `min.insync.replicas`; bring brokers back",
    ),
    (
        20,
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        Wait,
        "fewer replicas are in sync than the topic's `min.insync.replicas`; bring brokers back",
    ),
    (21, "INVALID_REQUIRED_ACKS", Wait, ""),
    (29, "TOPIC_AUTHORIZATION_FAILED", Wait, "give the sink's user the rights Write and Describe on the topic"),
    (CLUSTER_AUTHORIZATION_FAILED, "CLUSTER_AUTHORIZATION_FAILED", Wait, "check the rights of the sink's user"),
    (32, "INVALID_TIMESTAMP", Time, "check the clocks of node and broker"),
    (33, "UNSUPPORTED_SASL_MECHANISM", Wait, "choose another `mechanism`"),
    (34, "ILLEGAL_SASL_STATE", Wait, "the listener wants no, or other, authentication"),
    (35, "UNSUPPORTED_VERSION", Wait, "the broker is too old or too new; Kafka 2.1 or newer is wanted"),
    (42, "INVALID_REQUEST", Wait, ""),
    (43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", Wait, "raise the topic's `message.format.version`"),
    (44, "POLICY_VIOLATION", Wait, ""),
    (45, "OUT_OF_ORDER_SEQUENCE_NUMBER", Sequence, ""),
    (46, "DUPLICATE_SEQUENCE_NUMBER", Done, ""),
    (47, "INVALID_PRODUCER_EPOCH", Sequence, ""),
    (49, "INVALID_PRODUCER_ID_MAPPING", Sequence, ""),
    (56, "KAFKA_STORAGE_ERROR", Stale, "a disk of the broker fails"),
    (58, "SASL_AUTHENTICATION_FAILED", Wait, "check the sink's `user` and `password_file`"),
    (59, "UNKNOWN_PRODUCER_ID", Sequence, ""),
    (72, "LISTENER_NOT_FOUND", Stale, ""),
    (74, "FENCED_LEADER_EPOCH", Stale, ""),
    (75, "UNKNOWN_LEADER_EPOCH", Stale, ""),
    (76, "UNSUPPORTED_COMPRESSION_TYPE", Wait, "choose another `compression`"),
    (87, "INVALID_RECORD", Refused, "a topic that is compacted wants keys: choose a `key`"),
    (89, "THROTTLING_QUOTA_EXCEEDED", Wait, ""),
    (90, "PRODUCER_FENCED", Sequence, ""),
    (100, "UNKNOWN_TOPIC_ID", Stale, ""),
];

/// What a code means; one that is not known passes by itself, or so one hopes.
pub(super) fn meaning(code: i16) -> Meaning {
    entry(code).map_or(Wait, |(_, _, meaning, _)| *meaning)
}

/// Its name and what to do, for people.
pub(super) fn explain(code: i16, message: Option<&str>) -> String {
    let mut text = match entry(code) {
        Some((_, name, _, "")) => (*name).to_owned(),
        Some((_, name, _, advice)) => format!("{name}; {advice}"),
        None => format!("error {code}"),
    };
    if let Some(message) = message.filter(|message| !message.is_empty()) {
        // What a broker says is for people, and no longer than they read.
        let short: String = message.chars().filter(|one| !one.is_control()).take(200).collect();
        text = format!("{text} ({short})");
    }
    text
}

fn entry(code: i16) -> Option<&'static (i16, &'static str, Meaning, &'static str)> {
    CODES.iter().find(|(known, ..)| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_order_and_once() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn people_are_told_what_to_do_and_no_more_than_they_read() {
        assert!(explain(3, None).contains("create the topic"));
        assert_eq!(explain(4711, Some("why\n not")), "error 4711 (why not)");
        assert!(explain(2, Some(&"x".repeat(5000))).len() < 300);
        assert_eq!(meaning(4711), Wait);
    }
}
