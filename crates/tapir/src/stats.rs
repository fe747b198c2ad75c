//! Counters for people (`--stats`).

use crate::message::Messages;
use tapir_engine::{RuleCosts, Rules};
use tapir_telemetry::Counters;

/// Every counter that is not zero, with its help.
pub fn print(counters: &Counters, rules: &Rules, messages: &Messages) {
    let sizes = rules.set.stats();
    messages.info(&format!(
        "rule set {}: {} rules, {} without pattern, {} pattern sets, {:.1} MiB of patterns",
        rules.set.id,
        sizes.rules,
        sizes.without_pattern,
        sizes.pattern_sets,
        sizes.pattern_bytes as f64 / f64::from(1 << 20)
    ));
    for (counter, value) in counters.iter().filter(|(_, value)| *value > 0) {
        messages.info(&format!("{:>14}  {:<34} {}", value, counter.name(), counter.help()));
    }
    if let Some(kib) = peak_memory() {
        messages.info(&format!("{:>14}  {:<34} Largest resident memory, KiB.", kib, "peak_memory"));
    }
}

/// Rules that are named.
const DEAREST: usize = 10;

/// The rules that took most time, if they were timed.
pub fn dearest(costs: &RuleCosts, rules: &Rules, messages: &Messages) {
    lines(costs, rules).iter().for_each(|line| messages.info(line));
}

fn lines(costs: &RuleCosts, rules: &Rules) -> Vec<String> {
    if costs.every == 0 {
        return Vec::new();
    }
    let total = costs.total();
    let found = costs.dearest(DEAREST);
    let mut lines = vec![format!(
        "the {} dearest of {} rules, by one in {} units ({} samples, {} evaluations, {:.3} ms in all):",
        found.len(),
        costs.rules.len(),
        costs.every,
        costs.units,
        total.evaluations,
        total.nanos as f64 / 1e6
    )];
    lines.extend(found.into_iter().map(|((gid, sid), cost)| {
        let known = rules.set.rules.iter().find(|rule| (rule.rule.info.gid, rule.rule.info.sid) == (gid, sid));
        let msg = known.and_then(|rule| rule.rule.info.msg.as_deref()).unwrap_or("");
        let msg: String = msg.chars().filter(|c| !c.is_control()).take(80).collect();
        format!(
            "{:>6.2} %  {:>9.2} us  {:>9} evaluations  {:>7} matches  {gid}:{sid}  {msg}",
            cost.nanos as f64 * 100.0 / total.nanos.max(1) as f64,
            cost.nanos as f64 / 1e3 / cost.evaluations.max(1) as f64,
            cost.evaluations,
            cost.matches
        )
    }));
    lines
}

/// Peak resident memory in KiB, where the system tells.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_engine::{Enable, RuleCost};

    #[test]
    fn the_ten_dearest_rules_are_named_with_their_share() {
        let text: String = (1..=12)
            .map(|sid| {
                format!("alert tcp any any -> any any ( msg:\"rule {sid}\"; content:\"x{sid}y\"; sid:{sid}; )\n")
            })
            .collect();
        let loaded = tapir_rules::load_str("test.rules", &text, &tapir_rules::Config::default());
        let (rules, _) = Rules::build(loaded, &Enable::default(), tapir_detect::Profile::TAPIR);
        let cost = |sid: u32| RuleCost { evaluations: 4, matches: 1, nanos: u64::from(sid) * 1_000 };
        let costs = RuleCosts {
            every: 64,
            units: 5,
            rules: (1..=12).map(|sid| ((1, sid), cost(sid))).collect(),
            ..RuleCosts::default()
        };
        let lines = lines(&costs, &rules);
        assert_eq!(lines.len(), 11, "{lines:?}");
        assert_eq!(
            lines[0],
            "the 10 dearest of 12 rules, by one in 64 units (5 samples, 48 evaluations, 0.078 ms in all):"
        );
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "15.38 % 3.00 us 4 evaluations 1 matches 1:12 rule 12"
        );
        assert!(super::lines(&RuleCosts::default(), &rules).is_empty());
    }
}
