//! Whether what a node has to say is worth a write at this moment.
//!
//! *How it fits*: hundreds of nodes write into one object; each write wakes everybody who watches it. What matters is written soon, but never
//! twice within [`WriteLimits::least`]; what only counts on is written every [`WriteLimits::refresh`].

use crate::resources::{NodeEntry, NodeReport};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Something that is written into a status.
pub trait Material {
    /// The two say the same, times and counters aside.
    fn says_the_same(&self, other: &Self) -> bool;
}

impl Material for NodeEntry {
    fn says_the_same(&self, other: &Self) -> bool {
        let messages =
            |entry: &Self| entry.error_conditions.iter().map(|error| error.message.clone()).collect::<Vec<_>>();
        self.node == other.node
            && self.success() == other.success()
            && self.endpoints == other.endpoints
            && messages(self) == messages(other)
    }
}

impl Material for NodeReport {
    fn says_the_same(&self, other: &Self) -> bool {
        let messages = |report: &Self| report.errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>();
        self.node == other.node
            && self.observed_generation == other.observed_generation
            && self.ready == other.ready
            && self.endpoints == other.endpoints
            && self.rules == other.rules
            && messages(self) == messages(other)
    }
}

/// How often to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimits {
    /// Time between two writes at least.
    pub least: SignedDuration,
    /// After this time counters and times are written, too.
    pub refresh: SignedDuration,
}

impl Default for WriteLimits {
    /// 10 seconds, and 5 minutes.
    fn default() -> Self {
        Self { least: SignedDuration::from_secs(10), refresh: SignedDuration::from_mins(5) }
    }
}

/// What was written last, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<T> {
    /// `None`: that there is nothing to say.
    pub what: Option<T>,
    /// When.
    pub at: Timestamp,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write.
    Write,
    /// Ask again then, if nothing else makes you ask before.
    Wait(Timestamp),
    /// There is nothing to say and nothing was said.
    Rest,
}

/// Whether to write. `last`: what this agent wrote last, or found when it began (with the time of that); `None`: nothing.
pub fn decide<T: Material>(
    last: Option<&Written<T>>,
    now_says: Option<&T>,
    now: Timestamp,
    limits: &WriteLimits,
) -> Decision {
    let Some(last) = last else {
        return if now_says.is_some() { Decision::Write } else { Decision::Rest };
    };
    let same = match (&last.what, now_says) {
        (None, None) => return Decision::Rest,
        (Some(was), Some(is)) => was.says_the_same(is),
        _ => false,
    };
    let due = last.at.saturating_add(if same { limits.refresh } else { limits.least });
    // A clock that was set back must not silence a node for long.
    let due = due.unwrap_or(Timestamp::MIN);
    if now >= due || now < last.at { Decision::Write } else { Decision::Wait(due) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Active, ErrorCondition};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn entry(success: bool, errors: &[&str]) -> NodeEntry {
        NodeEntry {
            node: "n1".into(),
            active: Some(Active { success, last_updated: None }),
            endpoints: None,
            error_conditions: errors
                .iter()
                .map(|message| ErrorCondition { message: (*message).into(), last_updated: None })
                .collect(),
        }
    }

    fn check(was: Option<NodeEntry>, is: Option<NodeEntry>, second: i64) -> Decision {
        let last = Written { what: was, at: at(1000) };
        decide(Some(&last), is.as_ref(), at(second), &WriteLimits::default())
    }

    #[test]
    fn news_wait_for_the_limit_and_nothing_else_for_long() {
        let (well, ill) = (entry(true, &[]), entry(false, &["x"]));
        assert_eq!(check(Some(well.clone()), Some(ill.clone()), 1003), Decision::Wait(at(1010)));
        assert_eq!(check(Some(well.clone()), Some(ill.clone()), 1010), Decision::Write);
        assert_eq!(check(Some(well.clone()), Some(well.clone()), 1010), Decision::Wait(at(1300)));
        assert_eq!(check(Some(well.clone()), Some(well.clone()), 1300), Decision::Write);
        assert_eq!(check(Some(ill), Some(entry(false, &["y"])), 1010), Decision::Write);
        assert_eq!(check(Some(well.clone()), None, 1010), Decision::Write);
        assert_eq!(check(None, None, 9999), Decision::Rest);
        assert_eq!(check(Some(well.clone()), Some(well.clone()), 900), Decision::Write);
        let first = decide::<NodeEntry>(None, Some(&well), at(0), &WriteLimits::default());
        assert_eq!(
            (first, decide::<NodeEntry>(None, None, at(0), &WriteLimits::default())),
            (Decision::Write, Decision::Rest)
        );
    }

    #[test]
    fn times_and_counters_are_no_news() {
        let mut again = entry(true, &[]);
        again.active.as_mut().unwrap().last_updated = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(7)));
        assert!(again.says_the_same(&entry(true, &[])));
        let report = NodeReport { node: "n".into(), ready: true, packets: 1, ..NodeReport::default() };
        assert!(report.says_the_same(&NodeReport { packets: 99, drops: 3, ..report.clone() }));
        assert!(!report.says_the_same(&NodeReport { ready: false, ..report.clone() }));
        assert!(!report.says_the_same(&NodeReport { observed_generation: Some(2), ..report.clone() }));
    }

    #[test]
    fn a_crash_loop_writes_six_times_a_minute_at_most() {
        let mut last: Option<Written<NodeEntry>> = None;
        let mut writes = 0;
        for second in 0..600 {
            let is = entry(second % 2 == 0, &[]);
            if decide(last.as_ref(), Some(&is), at(second), &WriteLimits::default()) == Decision::Write {
                last = Some(Written { what: Some(is), at: at(second) });
                writes += 1;
            }
        }
        assert!((30..=60).contains(&writes), "{writes}");
    }
}
