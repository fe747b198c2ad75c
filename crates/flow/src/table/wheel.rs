//! A timing wheel of one-second slots over table indices.
//!
//! *How it fits*: the flow table keeps two, one by deadline and one by last use. Both are lazy: a
//! packet only stores its time in the flow's record, and the second under which the wheel knows a
//! flow may be too early. Whoever takes a flow from the wheel looks at the record and arms it again
//! if its time has not come.
//!
//! *Invariants*: every armed second lies in `cursor..cursor + SLOTS`; an index is armed at most
//! once. Slots are circular doubly linked lists with the slot itself as sentinel, so that a flow
//! can leave without anyone knowing its slot. Within a slot, first in is first out.

/// Seconds that the wheel spans; what lies further ahead waits in the last slot and is armed again.
const SLOTS: u32 = 4096;

#[derive(Clone, Debug)]
pub(super) struct Wheel {
    /// Sentinels of the slots, then one node per table index.
    links: Vec<Link>,
    /// No slot before this second holds anything.
    cursor: i64,
    armed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    previous: u32,
}

impl Wheel {
    pub(super) fn new() -> Self {
        let links = (0..SLOTS).map(|slot| Link { next: slot, previous: slot }).collect();
        Self { links, cursor: i64::MIN, armed: 0 }
    }

    /// Arms `index` for `second`; it must not be armed. Nothing is armed before `floor` if the wheel
    /// is empty: it starts there.
    pub(super) fn arm(&mut self, index: u32, second: i64, floor: i64) {
        if self.armed == 0 {
            self.cursor = floor;
        }
        let last = self.cursor.saturating_add(i64::from(SLOTS) - 1);
        let slot = Self::slot(second.clamp(self.cursor, last));
        let node = SLOTS.saturating_add(index);
        while self.links.len() <= node as usize {
            let own = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
            self.links.push(Link { next: own, previous: own });
        }
        let previous = self.link(slot).previous;
        self.set(node, Link { next: slot, previous });
        self.link_mut(previous, |link| link.next = node);
        self.link_mut(slot, |link| link.previous = node);
        self.armed += 1;
    }

    /// Takes `index` out, if it is armed.
    pub(super) fn disarm(&mut self, index: u32) {
        let node = SLOTS.saturating_add(index);
        let Link { next, previous } = self.link(node);
        if next == node {
            return;
        }
        self.link_mut(previous, |link| link.next = next);
        self.link_mut(next, |link| link.previous = previous);
        self.set(node, Link { next: node, previous: node });
        self.armed = self.armed.saturating_sub(1);
    }

    /// Takes out the first index that is armed for `until` or earlier.
    pub(super) fn pop(&mut self, until: i64) -> Option<u32> {
        while self.armed > 0 && self.cursor <= until {
            let slot = Self::slot(self.cursor);
            let node = self.link(slot).next;
            if node != slot {
                let index = node.saturating_sub(SLOTS);
                self.disarm(index);
                return Some(index);
            }
            if self.cursor == until {
                break;
            }
            self.cursor += 1;
        }
        None
    }

    /// Takes out the first index of all, with the second it was armed for.
    pub(super) fn pop_first(&mut self) -> Option<(u32, i64)> {
        let index = self.pop(i64::MAX)?;
        Some((index, self.cursor))
    }

    fn slot(second: i64) -> u32 {
        u32::try_from(second.rem_euclid(i64::from(SLOTS))).unwrap_or(0)
    }

    /// An index that was never armed links to itself.
    #[inline]
    fn link(&self, node: u32) -> Link {
        self.links.get(node as usize).copied().unwrap_or(Link { next: node, previous: node })
    }

    #[inline]
    fn set(&mut self, node: u32, link: Link) {
        if let Some(slot) = self.links.get_mut(node as usize) {
            *slot = link;
        }
    }

    #[inline]
    fn link_mut(&mut self, node: u32, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.get_mut(node as usize) {
            change(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn popped(wheel: &mut Wheel, until: i64) -> Vec<u32> {
        std::iter::from_fn(|| wheel.pop(until)).collect()
    }

    #[test]
    fn indices_come_out_by_second_and_then_by_arrival() {
        let mut wheel = Wheel::new();
        for (index, second) in [(4, 10), (0, 12), (2, 10), (1, 11)] {
            wheel.arm(index, second, 0);
        }
        assert_eq!(popped(&mut wheel, 10), [4, 2]);
        assert_eq!(popped(&mut wheel, 100), [1, 0]);
        assert_eq!(popped(&mut wheel, 10_000), [0u32; 0]);
    }

    #[test]
    fn a_disarmed_index_does_not_come_out() {
        let mut wheel = Wheel::new();
        wheel.arm(0, 5, 0);
        wheel.arm(1, 5, 0);
        wheel.disarm(0);
        wheel.disarm(0);
        wheel.disarm(77);
        assert_eq!(popped(&mut wheel, 5), [1]);
    }

    #[test]
    fn far_seconds_come_out_early_and_past_seconds_at_once() {
        let mut wheel = Wheel::new();
        wheel.arm(0, 0, 0);
        wheel.arm(1, 1_000_000, 0);
        assert_eq!(popped(&mut wheel, 4094), [0]);
        assert_eq!(popped(&mut wheel, 4095), [1]);
        wheel.arm(2, 50_000, 50_000);
        assert_eq!(popped(&mut wheel, 60_000), [2]);
        wheel.arm(3, 70_000, 70_000);
        wheel.arm(4, -3, -3);
        assert_eq!(popped(&mut wheel, 70_000), [3, 4]);
    }
}
