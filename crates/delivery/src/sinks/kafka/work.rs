//! One delivery as it goes on: which events wait for which partition, in which batches, and what became of each.
//!
//! *Invariants*: 1. events of a partition are sent in the order of the spool, and the next batch only when the one before is through; 2. a
//! plan made anew from the same events under the same limit has the same batches, so that one of unknown outcome is recognised.
//!
//! *Limits*: a batch has as many bytes as the plan's limit, or one event.

use super::batch::Message;
use super::message::Partition;
use super::place;
use super::sequences::Fingerprint;
use crate::record::Record;
use crate::sink::Outcome;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// See the module.
pub(super) struct Work<'r> {
    records: &'r [Record],
    messages: Vec<Option<Message>>,
    outcomes: Vec<Option<Outcome>>,
    /// Places in the batch, by partition and batch.
    queues: BTreeMap<i32, VecDeque<Vec<usize>>>,
    planned: bool,
    /// Partitions that take nothing at the moment.
    stuck: BTreeSet<i32>,
    /// Partitions whose broker does not like our times.
    timeless: BTreeSet<i32>,
}

impl<'r> Work<'r> {
    /// `render` makes a message of a record, or says what becomes of one that has none.
    pub(super) fn new(records: &'r [Record], render: impl Fn(&Record) -> Result<Message, Outcome>) -> Self {
        let mut messages = Vec::with_capacity(records.len());
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            match render(record) {
                Ok(message) => {
                    messages.push(Some(message));
                    outcomes.push(None);
                }
                Err(outcome) => {
                    messages.push(None);
                    outcomes.push(Some(outcome));
                }
            }
        }
        Self {
            records,
            messages,
            outcomes,
            queues: BTreeMap::new(),
            planned: false,
            stuck: BTreeSet::new(),
            timeless: BTreeSet::new(),
        }
    }

    /// Puts what is left into batches of `limit` bytes. Events without a key go to the partition whose `turn` it is.
    pub(super) fn plan(&mut self, partitions: &[Partition], turn: usize, limit: usize) {
        self.queues.clear();
        self.stuck.clear();
        self.planned = true;
        let keyless = place::in_turn(turn, partitions);
        let mut sizes: BTreeMap<i32, usize> = BTreeMap::new();
        for (at, (message, outcome)) in self.messages.iter().zip(&self.outcomes).enumerate() {
            let (Some(message), None) = (message, outcome) else { continue };
            let chosen = message.key.as_ref().map_or(keyless, |key| place::of_key(key, partitions));
            let Some(partition) = chosen else { continue };
            let (queue, size) = (self.queues.entry(partition).or_default(), sizes.entry(partition).or_default());
            match queue.back_mut() {
                Some(batch) if *size + message.size() <= limit => {
                    batch.push(at);
                    *size += message.size();
                }
                _ => {
                    queue.push_back(vec![at]);
                    *size = message.size();
                }
            }
        }
    }

    /// The plan no longer holds.
    pub(super) fn unplan(&mut self) {
        self.planned = false;
        self.stuck.clear();
    }

    pub(super) fn is_planned(&self) -> bool {
        self.planned
    }

    /// Whether something is left that can be tried.
    pub(super) fn goes_on(&self) -> bool {
        if self.planned { !self.front().is_empty() } else { self.outcomes.iter().any(Option::is_none) }
    }

    /// Partitions that have a batch to send.
    pub(super) fn front(&self) -> Vec<i32> {
        let has_batch = |(partition, queue): (&i32, &VecDeque<Vec<usize>>)| {
            (!queue.is_empty() && !self.stuck.contains(partition)).then_some(*partition)
        };
        self.queues.iter().filter_map(has_batch).collect()
    }

    fn batch(&self, partition: i32) -> &[usize] {
        self.queues.get(&partition).and_then(VecDeque::front).map_or(&[], Vec::as_slice)
    }

    /// Events in the partition's next batch.
    pub(super) fn count(&self, partition: i32) -> usize {
        self.batch(partition).len()
    }

    /// The messages of the partition's next batch.
    pub(super) fn messages(&self, partition: i32) -> impl Iterator<Item = &Message> {
        self.batch(partition).iter().filter_map(|at| self.messages.get(*at)?.as_ref())
    }

    /// Bytes of the partition's next batch before compression.
    pub(super) fn size(&self, partition: i32) -> usize {
        self.messages(partition).map(Message::size).sum()
    }

    /// Names the partition's next batch by what is in it.
    pub(super) fn fingerprint(&self, partition: i32) -> Fingerprint {
        let mut hasher = DefaultHasher::new();
        for record in self.batch(partition).iter().filter_map(|at| self.records.get(*at)) {
            record.id.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether the messages of a partition carry a time.
    pub(super) fn has_times(&self, partition: i32) -> bool {
        !self.timeless.contains(&partition)
    }

    /// From now on they do not.
    pub(super) fn leave_out_times(&mut self, partition: i32) {
        self.timeless.insert(partition);
    }

    /// The partition takes nothing more in this delivery, unless the plan changes.
    pub(super) fn stick(&mut self, partition: i32) {
        self.stuck.insert(partition);
    }

    /// The partition's next batch is through, each event with this outcome.
    pub(super) fn settle(&mut self, partition: i32, outcome: &Outcome) {
        let batch = self.queues.get_mut(&partition).and_then(VecDeque::pop_front).unwrap_or_default();
        for at in batch {
            self.set(at, outcome.clone());
        }
    }

    /// Takes single events, by their place in it, out of the partition's next batch. Tells whether there were such.
    pub(super) fn reject(&mut self, partition: i32, refused: &[(i32, String)]) -> bool {
        let Some(mut batch) = self.queues.get_mut(&partition).and_then(VecDeque::pop_front) else { return false };
        let places = batch.clone();
        let mut any = false;
        for (index, why) in refused {
            if let Some(at) = usize::try_from(*index).ok().and_then(|index| places.get(index)) {
                any = true;
                batch.retain(|kept| kept != at);
                self.set(*at, Outcome::Reject(why.clone()));
            }
        }
        self.put_back(partition, batch);
        any
    }

    /// Makes two batches of the partition's next one.
    pub(super) fn halve(&mut self, partition: i32) {
        let Some(mut batch) = self.queues.get_mut(&partition).and_then(VecDeque::pop_front) else { return };
        let second = batch.split_off(batch.len() / 2);
        self.put_back(partition, second);
        self.put_back(partition, batch);
    }

    fn put_back(&mut self, partition: i32, batch: Vec<usize>) {
        if !batch.is_empty() {
            self.queues.entry(partition).or_default().push_front(batch);
        }
    }

    fn set(&mut self, at: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(at) {
            *place = Some(outcome);
        }
    }

    /// Whether nothing at all became of any event.
    pub(super) fn is_untouched(&self) -> bool {
        self.outcomes.iter().all(Option::is_none)
    }

    /// What became of each event; what was not got to stays next.
    pub(super) fn outcomes(self) -> Vec<Outcome> {
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Untried)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    fn partitions() -> Vec<Partition> {
        (0..3).map(|index| Partition { index, leader: Some(1) }).collect()
    }

    fn message(key: Option<&str>, length: usize) -> Message {
        let key = key.map(|key| key.as_bytes().to_vec());
        Message { key, value: vec![b'x'; length], headers: Vec::new() }
    }

    #[test]
    fn events_of_a_key_are_batched_in_their_order_and_a_large_one_goes_alone() {
        let records: Vec<Record> = (0..6).map(record).collect();
        let lengths = [100, 100, 100, 5000, 100, 100];
        let render = |record: &Record| Ok(message(Some("a"), lengths[record.seq() as usize]));
        let mut work = Work::new(&records, render);
        work.plan(&partitions(), 0, 300);
        let [partition] = work.front()[..] else { panic!("one key, one partition") };
        let mut counts = Vec::new();
        while work.goes_on() {
            counts.push(work.count(partition));
            work.settle(partition, &Outcome::Done);
        }
        assert_eq!(counts, [2, 1, 1, 2]);
        assert_eq!(work.outcomes(), vec![Outcome::Done; 6]);
    }

    #[test]
    fn the_same_events_have_the_same_batches_again() {
        let records: Vec<Record> = (0..9).map(record).collect();
        let render = |record: &Record| Ok(message(Some(if record.seq().is_multiple_of(2) { "a" } else { "b" }), 100));
        let plan = |records: &[Record]| {
            let mut work = Work::new(records, render);
            work.plan(&partitions(), 0, 500);
            work.front().iter().map(|partition| work.fingerprint(*partition)).collect::<Vec<_>>()
        };
        assert_eq!(plan(&records), plan(&records));
        assert_ne!(plan(&records), plan(&records[1..]));
    }

    #[test]
    fn refused_events_leave_their_batch_and_it_can_be_halved() {
        let records: Vec<Record> = (0..5).map(record).collect();
        let mut work = Work::new(&records, |record| match record.seq() {
            4 => Err(Outcome::Skipped),
            _ => Ok(message(None, 10)),
        });
        work.plan(&partitions(), 1, 1000);
        assert_eq!(work.front(), [1]);
        assert!(!work.reject(1, &[(7, "not there".into()), (-1, "nor there".into())]));
        assert!(work.reject(1, &[(1, "no".into())]));
        assert_eq!(work.count(1), 3);
        work.halve(1);
        assert_eq!(work.count(1), 1);
        work.settle(1, &Outcome::Done);
        work.stick(1);
        assert!(!work.goes_on() && !work.is_untouched());
        let wanted =
            [Outcome::Done, Outcome::Reject("no".into()), Outcome::Untried, Outcome::Untried, Outcome::Skipped];
        assert_eq!(work.outcomes(), wanted);
    }
}
