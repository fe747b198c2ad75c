//! Numbers of records within their partition, by which a broker knows a batch that it has already (KIP-98: the idempotent producer).
//!
//! *Invariants*: 1. a range of numbers stands for one set of records: a batch whose outcome is unknown is sent again as it was, under
//! its numbers, or else everything goes on under a new producer id; so a broker never takes a new event for one that it
//! has; 2. numbers grow when the broker has the batch, and only then.
//!
//! *Limits*: what a former process sent under its own id is not known; those repetitions are told apart by the event's id.

use super::batch::Numbering;
use std::collections::HashMap;

/// Which records, in which order, in which form.
pub(super) type Fingerprint = u64;

/// The numbering of one producer id.
#[derive(Debug)]
pub(super) struct Sequences {
    producer: i64,
    epoch: i16,
    partitions: HashMap<i32, Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    next: i32,
    /// A batch that was sent and whose outcome is not known.
    unknown: Option<Fingerprint>,
}

impl Sequences {
    pub(super) fn new(producer: i64, epoch: i16) -> Self {
        Self { producer, epoch, partitions: HashMap::new() }
    }

    /// Whether a batch can be sent under this producer id.
    pub(super) fn fits(&self, partition: i32, batch: Fingerprint) -> bool {
        self.partitions.get(&partition).and_then(|numbers| numbers.unknown).is_none_or(|unknown| unknown == batch)
    }

    /// The numbers of a batch that fits; until told otherwise its outcome is unknown.
    pub(super) fn claim(&mut self, partition: i32, batch: Fingerprint) -> Numbering {
        let numbers = self.partitions.entry(partition).or_default();
        numbers.unknown = Some(batch);
        Numbering { producer: self.producer, epoch: self.epoch, first: numbers.next }
    }

    /// The broker has the batch.
    pub(super) fn done(&mut self, partition: i32, records: usize) {
        let numbers = self.partitions.entry(partition).or_default();
        numbers.unknown = None;
        numbers.next = after(numbers.next, records);
    }

    /// The broker refused the batch as it is: its numbers are free.
    pub(super) fn refused(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().unknown = None;
    }
}

/// Numbers go on at 0 after the largest.
fn after(number: i32, records: usize) -> i32 {
    let sum = i64::from(number).saturating_add(i64::try_from(records).unwrap_or(i64::MAX));
    i32::try_from(sum % (i64::from(i32::MAX) + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_unknown_outcome_keeps_its_numbers_and_no_other_gets_them() {
        let mut sequences = Sequences::new(7, 0);
        assert_eq!(sequences.claim(0, 111).first, 0);
        sequences.done(0, 10);
        assert_eq!(sequences.claim(0, 222).first, 10);
        assert!(sequences.fits(0, 222) && !sequences.fits(0, 333) && sequences.fits(1, 333));
        assert_eq!(sequences.claim(0, 222), Numbering { producer: 7, epoch: 0, first: 10 });
        sequences.refused(0);
        assert!(sequences.fits(0, 333));
        assert_eq!(sequences.claim(0, 333).first, 10);
    }

    #[test]
    fn numbers_begin_anew_after_the_largest() {
        assert_eq!((after(i32::MAX, 1), after(i32::MAX - 1, 1), after(i32::MAX - 1, 5)), (0, i32::MAX, 3));
    }
}
