//! From the matches of one unit to its events: action order, limits, pass.
//!
//! *Spec*: `snort/03-detection.md` §3.6. Every match that a limit drops is counted
//! (`events_over_limit`).

use crate::profile::Profile;
use tapir_rules::Action;
use tapir_telemetry::{Counter, Counters};

/// A rule that matched a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) rule: u32,
    pub(crate) action: Action,
    /// Length of its fast-pattern content.
    pub(crate) length: usize,
    pub(crate) gid: u32,
    pub(crate) sid: u32,
}

/// Reduces `matches` to those whose events are raised, in order.
pub(crate) fn select(matches: &mut Vec<Match>, profile: &Profile, counters: &mut Counters) {
    let before = matches.len();
    if matches.iter().any(|found| found.action == Action::Pass) {
        matches.clear();
        counters.add(Counter::EventsPassed, before as u64);
        return;
    }
    if before > 1 {
        keep_per_action(matches, profile.matches_per_action);
        let snort = profile.exact_snort3;
        // Longest pattern first, ties by higher sid (Snort); by gid and sid (Tapir).
        matches.sort_by(|a, b| {
            a.action.cmp(&b.action).then_with(|| {
                if snort {
                    b.length.cmp(&a.length).then(b.sid.cmp(&a.sid))
                } else {
                    (a.gid, a.sid).cmp(&(b.gid, b.sid))
                }
            })
        });
        if profile.first_action_only
            && let Some(first) = matches.first().map(|found| found.action)
        {
            matches.retain(|found| found.action == first);
        }
        matches.truncate(profile.queue.min(profile.log));
        counters.add(Counter::EventsOverLimit, before.saturating_sub(matches.len()) as u64);
    }
}

fn keep_per_action(matches: &mut Vec<Match>, limit: usize) {
    let mut kept: Vec<(Action, usize)> = Vec::new();
    matches.retain(|found| match kept.iter_mut().find(|(action, _)| *action == found.action) {
        Some((_, count)) => {
            *count += 1;
            *count <= limit
        }
        None => {
            kept.push((found.action, 1));
            limit > 0
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sid: u32, action: Action, length: usize) -> Match {
        Match { rule: sid, action, length, gid: 1, sid }
    }

    fn sids(mut matches: Vec<Match>, profile: Profile) -> Vec<u32> {
        select(&mut matches, &profile, &mut Counters::default());
        matches.iter().map(|found| found.sid).collect()
    }

    #[test]
    fn snort_keeps_five_and_logs_the_three_longest() {
        let matches = (1..=10).map(|n| found(n, Action::Alert, n as usize)).collect();
        assert_eq!(sids(matches, Profile::SNORT3), [5, 4, 3]);
    }

    #[test]
    fn tapir_raises_all_by_sid() {
        let matches = vec![found(9, Action::Alert, 1), found(3, Action::Alert, 9), found(5, Action::Drop, 2)];
        assert_eq!(sids(matches, Profile::TAPIR), [5, 3, 9]);
    }

    #[test]
    fn pass_silences_the_unit() {
        let matches = vec![found(1, Action::Alert, 1), found(2, Action::Pass, 1)];
        assert!(sids(matches.clone(), Profile::TAPIR).is_empty());
        assert!(sids(matches, Profile::SNORT3).is_empty());
    }

    #[test]
    fn snort_uses_the_first_action_group_only() {
        let matches = vec![found(1, Action::Alert, 9), found(2, Action::Drop, 1)];
        assert_eq!(sids(matches, Profile::SNORT3), [2]);
    }
}
