//! How much memory the flows of each endpoint may hold, so that one workload's traffic cannot push out another's flows.
//!
//! *Invariants*: caps add up to no more than the budget once every endpoint is below its own; who holds less than an even
//! share is never asked to give anything up.

/// Caps for endpoints that hold `used` bytes, of a budget for all of them. While all fit, each may grow into what is free.
/// When they do not, those that hold most are brought to one level, as high as the budget allows (max-min fairness).
pub fn caps(used: &[usize], budget: usize) -> Vec<usize> {
    let total = used.iter().fold(0_usize, |sum, one| sum.saturating_add(*one));
    if total <= budget {
        let free = budget - total;
        return used.iter().map(|one| one.saturating_add(free)).collect();
    }
    let mut sorted = used.to_vec();
    sorted.sort_unstable();
    let mut left = budget;
    let mut level = 0;
    for (at, one) in sorted.iter().enumerate() {
        let sharers = sorted.len().saturating_sub(at).max(1);
        level = left / sharers;
        if *one > level {
            break;
        }
        left = left.saturating_sub(*one);
    }
    used.iter().map(|_| level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_free_is_everybodys_and_the_greedy_give_first() {
        assert_eq!(caps(&[10, 20], 100), [80, 90]);
        assert_eq!(caps(&[10, 200], 100), [90, 90]);
        assert_eq!(caps(&[90, 90, 30], 90), [30, 30, 30]);
        assert_eq!(caps(&[5], 3), [3]);
        assert!(caps(&[], 3).is_empty());
    }

    proptest! {
        #[test]
        fn within_the_budget_and_fair(used in prop::collection::vec(0_usize..1000, 1..20), budget in 0_usize..5000) {
            let caps = caps(&used, budget);
            let kept: usize = used.iter().zip(&caps).map(|(used, cap)| used.min(cap)).sum();
            prop_assert!(kept <= budget);
            let even = budget / used.len();
            for (used, cap) in used.iter().zip(&caps) {
                prop_assert!(*used > even || cap >= used, "{used} {cap} {even}");
            }
        }
    }
}
