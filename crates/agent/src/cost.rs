//! What rules cost, as a heartbeat has it.

use tapir_delivery::beacon::{RuleCostReport, RuleCostRow};
use tapir_engine::RuleCosts;

/// Rules of a heartbeat: the dearest. What the others took is in its sums.
const ROWS: usize = 200;

/// `None` if no rule was timed.
pub fn report(costs: &RuleCosts) -> Option<RuleCostReport> {
    if costs.every == 0 {
        return None;
    }
    let total = costs.total();
    let row = |((gid, sid), cost): ((u32, u32), tapir_engine::RuleCost)| RuleCostRow {
        gid,
        sid,
        evaluations: cost.evaluations,
        matches: cost.matches,
        nanos: cost.nanos,
    };
    Some(RuleCostReport {
        every: costs.every,
        units: costs.units,
        evaluations: total.evaluations,
        nanos: total.nanos,
        rules: costs.dearest(ROWS).into_iter().map(row).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_engine::RuleCost;

    #[test]
    fn the_dearest_rules_are_named_and_the_sums_are_of_all() {
        let cost = |nanos| RuleCost { evaluations: 2, matches: 1, nanos };
        let rules = (1..=300).map(|sid| ((1, sid), cost(u64::from(sid)))).collect();
        let costs = RuleCosts { every: 1024, units: 9, rules, others: cost(50) };
        let report = report(&costs).expect("there are some");
        assert_eq!((report.every, report.units, report.rules.len()), (1024, 9, ROWS));
        assert_eq!((report.evaluations, report.nanos), (602, (1..=300).sum::<u64>() + 50));
        let row = RuleCostRow { gid: 1, sid: 300, evaluations: 2, matches: 1, nanos: 300 };
        assert_eq!(report.rules.first(), Some(&row));
    }

    #[test]
    fn where_nothing_is_timed_nothing_is_said() {
        assert_eq!(report(&RuleCosts::default()), None);
    }
}
