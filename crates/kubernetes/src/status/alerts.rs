//! How many alerts inspections had lately: what the manager tells the operator.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Alerts of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCounts {
    /// When they were counted, seconds of Unix time.
    pub at: i64,
    /// Of each inspection (`namespace/name`, a whole cluster's by its name alone) that has any.
    pub alerts: BTreeMap<String, u64>,
}

impl AlertCounts {
    /// Name of the ConfigMap.
    pub const NAME: &str = "tapir-alert-counts";
    /// Its key; the value is this as JSON.
    pub const KEY: &str = "alerts24h";
    /// What was counted longer ago, in seconds, says nothing of today.
    const HOLDS: i64 = 1_800;

    /// Counts that are worth telling now; `None`: nobody counts, or nobody has for long.
    pub fn read(text: &str, now: Timestamp) -> Option<Self> {
        let counts: Self = serde_json::from_str(text).ok()?;
        now.as_second().saturating_sub(counts.at).checked_abs().is_some_and(|age| age <= Self::HOLDS).then_some(counts)
    }

    /// Of one inspection; `namespace` is empty for a whole cluster's.
    pub fn of(&self, namespace: &str, name: &str) -> i64 {
        let key = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
        self.alerts.get(&key).map_or(0, |count| i64::try_from(*count).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_by_inspection_and_none_are_better_than_old_ones() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let text = r#"{"at": 10000, "alerts": {"shop/a": 3, "edge": 18446744073709551615}, "new": 1}"#;
        let counts = AlertCounts::read(text, at(11_800)).unwrap();
        assert_eq!((counts.of("shop", "a"), counts.of("shop", "b"), counts.of("", "edge")), (3, 0, i64::MAX));
        assert_eq!(AlertCounts::read(text, at(11_801)), None);
        assert_eq!(AlertCounts::read(text, at(8_000)), None);
        assert_eq!(AlertCounts::read("{", at(10_000)), None);
    }
}
