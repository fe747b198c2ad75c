//! What rules cost, by their numbers: samples of one worker, or of several together.
//!
//! *How it fits*: [`tapir_detect::Costs`] counts by index while packets run; a [`RuleCosts`] is made of it now and then, for reports.
//! *Limits*: [`MOST`] rules; what is beyond counts with [`RuleCosts::others`].

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;
use tapir_detect::{Costs, RuleCost, RuleSet};

/// Rules of one sum.
const MOST: usize = 4096;

/// Of which units rules are timed, and by which clock.
#[derive(Clone, Copy, Debug)]
pub struct CostSample {
    /// Of so many units one; 0: none.
    pub every: u32,
    /// The clock; tests have one of their own. Nothing but these figures depends on it.
    pub clock: tapir_detect::Clock,
}

impl CostSample {
    /// One in so many, by the system's clock.
    pub fn every(every: u32) -> Self {
        Self { every, clock: monotonic }
    }
}

impl Default for CostSample {
    fn default() -> Self {
        Self::every(0)
    }
}

/// Nanoseconds since the first look.
fn monotonic() -> u64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGIN.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCosts {
    /// Of so many units one was a sample; 0: none.
    pub every: u32,
    /// Units that were samples.
    pub units: u64,
    /// By generator and signature.
    pub rules: BTreeMap<(u32, u32), RuleCost>,
    /// Rules that are not told apart.
    pub others: RuleCost,
}

impl RuleCosts {
    /// Of one worker.
    pub(crate) fn of(costs: &Costs, set: &RuleSet) -> Self {
        let mut sum = Self { every: costs.every(), units: costs.units(), others: costs.others(), ..Self::default() };
        for (index, cost) in costs.rules() {
            match set.rule(index) {
                Some(rule) => sum.add((rule.rule.info.gid, rule.rule.info.sid), &cost),
                None => sum.others.merge(&cost),
            }
        }
        sum
    }

    fn add(&mut self, rule: (u32, u32), cost: &RuleCost) {
        if self.rules.len() >= MOST && !self.rules.contains_key(&rule) {
            self.others.merge(cost);
        } else {
            self.rules.entry(rule).or_default().merge(cost);
        }
    }

    /// Those of another worker are added.
    pub fn merge(&mut self, other: &Self) {
        self.every = self.every.max(other.every);
        self.units = self.units.saturating_add(other.units);
        self.others.merge(&other.others);
        for (rule, cost) in &other.rules {
            self.add(*rule, cost);
        }
    }

    /// All rules together.
    pub fn total(&self) -> RuleCost {
        let mut total = self.others;
        self.rules.values().for_each(|cost| total.merge(cost));
        total
    }

    /// The rules that took most time, the dearest first; of equals the one with the smaller number.
    pub fn dearest(&self, most: usize) -> Vec<((u32, u32), RuleCost)> {
        let mut all: Vec<_> = self.rules.iter().map(|(rule, cost)| (*rule, *cost)).collect();
        all.sort_by_key(|(rule, cost)| (std::cmp::Reverse(cost.nanos), *rule));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(nanos: u64) -> RuleCost {
        RuleCost { evaluations: 1, matches: 0, nanos }
    }

    #[test]
    fn sums_of_workers_are_by_rule_and_bounded() {
        let mut sum = RuleCosts { every: 64, units: 3, ..RuleCosts::default() };
        let more = RuleCosts {
            every: 64,
            units: 4,
            rules: (0..5_000).map(|sid| ((1, sid), cost(u64::from(sid)))).collect(),
            others: cost(7),
        };
        sum.merge(&more);
        sum.merge(&more);
        assert_eq!((sum.every, sum.units, sum.rules.len()), (64, 11, MOST));
        assert_eq!(sum.rules.get(&(1, 9)), Some(&RuleCost { evaluations: 2, matches: 0, nanos: 18 }));
        let all: u64 = (0..5_000).sum::<u64>() + 7;
        assert_eq!(sum.total(), RuleCost { evaluations: 2 * 5_001, matches: 0, nanos: 2 * all });
    }

    #[test]
    fn the_dearest_come_first() {
        let rules = [((1, 5), cost(10)), ((1, 2), cost(30)), ((3, 1), cost(10)), ((1, 9), cost(20))];
        let costs = RuleCosts { rules: rules.into_iter().collect(), ..RuleCosts::default() };
        let found: Vec<_> = costs.dearest(3).into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(found, [(1, 2), (1, 9), (1, 5)]);
    }
}
