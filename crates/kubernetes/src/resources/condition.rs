//! Conditions: what is true of a resource, in the form that people and tools know from Kubernetes.

use super::Bounded;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// The longest message, as the schema has it.
const MAX_MESSAGE: usize = 32_768;

/// A condition to be: everything but the times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `Accepted`, `Ready`, …
    pub kind: &'static str,
    /// `None`: not known.
    pub holds: Option<bool>,
    /// One word.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

impl Verdict {
    /// It holds.
    pub fn yes(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: Some(true), reason, message: message.into() }
    }

    /// It does not.
    pub fn no(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: Some(false), reason, message: message.into() }
    }

    /// Nobody can say yet.
    pub fn unknown(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: None, reason, message: message.into() }
    }

    /// `True`, `False` or `Unknown`.
    pub fn status(&self) -> &'static str {
        match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// Puts a verdict into a list, one of a type. The time of the last transition stays unless the status changes. Tells whether
/// anything changed.
pub fn set_condition(list: &mut Vec<Condition>, verdict: &Verdict, generation: Option<i64>, now: Timestamp) -> bool {
    let known = list.iter().find(|condition| condition.type_ == verdict.kind);
    let since = known.filter(|known| known.status == verdict.status()).map(|known| known.last_transition_time.clone());
    let condition = Condition {
        last_transition_time: since.unwrap_or_else(|| Time(whole_second(now))),
        message: verdict.message.bounded(MAX_MESSAGE),
        observed_generation: generation,
        reason: verdict.reason.to_owned(),
        status: verdict.status().to_owned(),
        type_: verdict.kind.to_owned(),
    };
    if known == Some(&condition) {
        return false;
    }
    match list.iter_mut().find(|known| known.type_ == verdict.kind) {
        Some(known) => *known = condition,
        None => list.push(condition),
    }
    true
}

/// Kubernetes keeps times in seconds; finer ones would seem changed when they are read back.
pub(crate) fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_time_moves_with_the_status_only() {
        let mut list = Vec::new();
        let set =
            |list: &mut Vec<Condition>, verdict: &Verdict, second| set_condition(list, verdict, Some(2), at(second));
        assert!(set(&mut list, &Verdict::no("Ready", "NotAttached", "1 of 2"), 100));
        assert!(!set(&mut list, &Verdict::no("Ready", "NotAttached", "1 of 2"), 200));
        assert!(set(&mut list, &Verdict::no("Ready", "NotAttached", "0 of 2"), 300));
        assert_eq!(list[0].last_transition_time.0, at(100));
        assert!(set(&mut list, &Verdict::yes("Ready", "Inspecting", ""), 400));
        assert_eq!((list.len(), list[0].status.as_str(), list[0].last_transition_time.0), (1, "True", at(400)));
        assert!(set(&mut list, &Verdict::unknown("Accepted", "Pending", ""), 500));
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn long_messages_are_cut() {
        let mut list = Vec::new();
        set_condition(&mut list, &Verdict::no("Ready", "X", "é".repeat(40_000)), None, at(0));
        assert!(list[0].message.len() <= MAX_MESSAGE && list[0].message.ends_with('…'));
    }
}
