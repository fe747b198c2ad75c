//! What single rules cost: of so many units one is a sample, and each rule that is evaluated on it is timed.
//!
//! *How it fits*: a [`crate::Detector`] owns one table, asks before each unit whether it is a sample, and notes what it timed. The
//! engine turns indexes into numbers of rules.
//!
//! *Invariants*: 1. nothing is looked up, timed or written for a unit that is no sample: it costs one subtraction; 2. no memory is taken
//! after the table was made; 3. nothing that is detected depends on it.
//!
//! *Limits*: [`MOST`] rules are told apart, the first that are evaluated; the time of others is in a sum ([`Costs::others`]). A time
//! of less than some ten nanoseconds is that of the clock. What the pattern search takes belongs to no rule and is not in it.

/// Rules that are told apart.
pub const MOST: usize = 768;
/// Slots of the table: so many that looking for a free one is short.
const SLOTS: usize = 1024;

/// What evaluating a rule came to, on the units that were samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// Evaluations.
    pub evaluations: u64,
    /// Those that matched.
    pub matches: u64,
    /// Time of all evaluations, nanoseconds.
    pub nanos: u64,
}

impl RuleCost {
    /// Both together.
    pub fn merge(&mut self, other: &Self) {
        self.evaluations = self.evaluations.saturating_add(other.evaluations);
        self.matches = self.matches.saturating_add(other.matches);
        self.nanos = self.nanos.saturating_add(other.nanos);
    }
}

#[derive(Clone, Copy)]
struct Slot {
    /// Index in the set; [`FREE`] for none.
    rule: u32,
    cost: RuleCost,
}

const FREE: u32 = u32::MAX;
const EMPTY: Slot = Slot { rule: FREE, cost: RuleCost { evaluations: 0, matches: 0, nanos: 0 } };

/// Nanoseconds since some moment, never less than before. Given by the owner, so that nothing here knows of a clock.
pub type Clock = fn() -> u64;

/// See the module.
pub struct Costs {
    every: u32,
    /// Units until the next sample, with it.
    left: u32,
    /// State of the sequence of distances.
    sequence: u32,
    clock: Clock,
    units: u64,
    slots: Box<[Slot]>,
    used: usize,
    others: RuleCost,
}

impl Costs {
    /// Of `every` units one is a sample on average; 0: none, and no memory is taken.
    pub(crate) fn new(every: u32, clock: Clock) -> Self {
        let slots = if every == 0 { 0 } else { SLOTS };
        let mut costs = Self {
            every,
            left: u32::MAX,
            sequence: 1,
            clock,
            units: 0,
            slots: vec![EMPTY; slots].into_boxed_slice(),
            used: 0,
            others: RuleCost::default(),
        };
        costs.left = costs.distance();
        costs
    }

    /// Of so many units one is a sample; 0: none.
    pub fn every(&self) -> u32 {
        self.every
    }

    /// Units that were samples.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// The rules that were evaluated on them, by index in the set, in no particular order.
    pub fn rules(&self) -> impl Iterator<Item = (u32, RuleCost)> {
        self.slots.iter().filter(|slot| slot.rule != FREE).map(|slot| (slot.rule, slot.cost))
    }

    /// The rules beyond [`MOST`], together.
    pub fn others(&self) -> RuleCost {
        self.others
    }

    /// Everything is forgotten: the indexes mean other rules from now on.
    pub(crate) fn forget(&mut self) {
        self.slots.fill(EMPTY);
        (self.used, self.units, self.others) = (0, 0, RuleCost::default());
    }

    /// Whether the next unit is a sample. Asked once for each.
    #[inline]
    pub(crate) fn is_sample(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0 && self.sample()
    }

    #[cold]
    fn sample(&mut self) -> bool {
        self.left = self.distance();
        if self.every > 0 {
            self.units = self.units.saturating_add(1);
        }
        self.every > 0
    }

    /// Units up to the next sample: from 1 to `2 × every − 1`, in turn. Requests and answers take turns, too, and with one fixed distance
    /// only the ones might ever be looked at.
    fn distance(&mut self) -> u32 {
        if self.every == 0 {
            return u32::MAX;
        }
        // A full period over all 32 bits (Knuth, TAOCP 2, 3.2.1.2); the upper ones are the better ones.
        self.sequence = self.sequence.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let span = u64::from(self.every) * 2 - 1;
        let part = (u64::from(self.sequence) * span) >> 32;
        1 + u32::try_from(part).unwrap_or(self.every)
    }

    /// The time, nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        (self.clock)()
    }

    /// An evaluation that began then has ended now.
    pub(crate) fn note(&mut self, rule: u32, begin: u64, matched: bool) {
        let nanos = self.now().saturating_sub(begin);
        let one = RuleCost { evaluations: 1, matches: u64::from(matched), nanos };
        match self.slot(rule) {
            Some(slot) => slot.cost.merge(&one),
            None => self.others.merge(&one),
        }
    }

    /// A rule's own slot, or a free one for it.
    fn slot(&mut self, rule: u32) -> Option<&mut Slot> {
        // Neighbours in the set are evaluated together: they are spread (Fibonacci hashing).
        let start = usize::try_from(rule.wrapping_mul(0x9E37_79B9) >> 22).unwrap_or(0);
        let place = (0..SLOTS)
            .map(|step| (start + step) % SLOTS)
            .find(|place| self.slots.get(*place).is_some_and(|slot| slot.rule == rule || slot.rule == FREE))?;
        let slot = self.slots.get_mut(place)?;
        if slot.rule == FREE {
            if self.used >= MOST {
                return None;
            }
            self.used += 1;
            slot.rule = rule;
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A microsecond later with each look.
    fn ticks() -> u64 {
        thread_local!(static NOW: Cell<u64> = const { Cell::new(0) });
        NOW.replace(NOW.get() + 1_000)
    }

    fn samples(every: u32, units: u32) -> Vec<u32> {
        let mut costs = Costs::new(every, ticks);
        (0..units).filter(|_| costs.is_sample()).collect()
    }

    #[test]
    fn one_unit_in_so_many_is_a_sample() {
        for every in [2, 64, 1024] {
            let found = samples(every, every * 4_000);
            assert!((3_800..4_200).contains(&found.len()), "{every}: {}", found.len());
        }
        assert_eq!(samples(1, 100).len(), 100);
        assert!(samples(0, 100_000).is_empty());
    }

    #[test]
    fn units_that_take_turns_are_looked_at_alike() {
        let found = samples(1024, 8_000_000);
        let even = found.iter().filter(|unit| *unit % 2 == 0).count();
        assert!(
            found.len() > 7_000 && even.abs_diff(found.len() - even) < found.len() / 10,
            "{even} of {}",
            found.len()
        );
    }

    #[test]
    fn without_samples_there_is_no_table() {
        let costs = Costs::new(0, ticks);
        assert_eq!((costs.slots.len(), costs.rules().count(), costs.units()), (0, 0, 0));
    }

    #[test]
    fn rules_beyond_the_table_count_in_a_sum() {
        let mut costs = Costs::new(1, ticks);
        for round in 0..3 {
            for rule in 0..2_000 {
                let begin = costs.now();
                costs.note(rule, begin, round == 0);
            }
        }
        assert_eq!(costs.rules().count(), MOST);
        assert!(costs.rules().all(|(_, cost)| cost == RuleCost { evaluations: 3, matches: 1, nanos: 3_000 }));
        let rest = 2_000 - MOST as u64;
        assert_eq!(costs.others(), RuleCost { evaluations: 3 * rest, matches: rest, nanos: 3_000 * rest });
        costs.forget();
        assert_eq!((costs.rules().count(), costs.others()), (0, RuleCost::default()));
    }
}
