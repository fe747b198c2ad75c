//! What the rows of a batch name: each name once, and a place in a list instead of it in the rows.
//!
//! The threads that read documents make the lists, so that the writer looks a name up once in a batch and not once in
//! a row, and a row that waits for the writer is small.

use super::row::{PartyKey, Pod};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use tapir_event::RuleSummary;

/// Place of a name, from 1; 0: none.
pub(super) type Place = u32;

/// A rule with its digest.
pub(super) type Known = (Arc<RuleSummary>, [u8; 16]);

/// Different things, each once, in the order in which they came.
#[derive(Debug)]
pub(super) struct Once<K> {
    places: HashMap<K, Place>,
    count: Place,
}

impl<K> Default for Once<K> {
    fn default() -> Self {
        Self { places: HashMap::new(), count: 0 }
    }
}

impl<K: Eq + Hash> Once<K> {
    /// The place of a thing; `make` is called if it is new.
    fn place<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, make: impl FnOnce() -> K) -> Place
    where
        K: Borrow<Q>,
    {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        self.count += 1;
        self.places.insert(make(), self.count);
        self.count
    }

    /// All in order.
    pub(super) fn list(self) -> Vec<K> {
        let mut found: Vec<(K, Place)> = self.places.into_iter().collect();
        found.sort_unstable_by_key(|(_, place)| *place);
        found.into_iter().map(|(key, _)| key).collect()
    }
}

/// The names of a batch. A batch has at most some 100,000 rows, so places fit.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub streams: Once<(Arc<str>, u64)>,
    pub ifaces: Once<String>,
    pub services: Once<String>,
    pub protocols: Once<String>,
    pub inspections: Once<String>,
    pub suppressions: Once<String>,
    pub pods: Once<Pod>,
    party_places: Once<String>,
    pub parties: Vec<PartyKey>,
    rule_places: Once<[u8; 16]>,
    pub rules: Vec<Known>,
}

impl Names {
    pub(super) fn stream(&mut self, node: &Arc<str>, boot: u64) -> Place {
        let key = (Arc::clone(node), boot);
        self.streams.place(&key, || key.clone())
    }

    pub(super) fn pod(&mut self, pod: Option<Pod>) -> Place {
        let Some(pod) = pod else { return 0 };
        match self.pods.places.get(&pod) {
            Some(place) => *place,
            None => {
                self.pods.count += 1;
                self.pods.places.insert(pod, self.pods.count);
                self.pods.count
            }
        }
    }

    /// A party is known by its key.
    pub(super) fn party(&mut self, key: String, make: impl FnOnce(String) -> PartyKey) -> Place {
        let place = self.party_places.place(key.as_str(), || key.clone());
        if usize::try_from(place).is_ok_and(|place| place > self.parties.len()) {
            self.parties.push(make(key));
        }
        place
    }

    /// A rule is known by its digest.
    pub(super) fn rule(&mut self, rule: Known) -> Place {
        let place = self.rule_places.place(&rule.1, || rule.1);
        if usize::try_from(place).is_ok_and(|place| place > self.rules.len()) {
            self.rules.push(rule);
        }
        place
    }
}

/// The place of a text, 0 for the empty one.
pub(super) fn text(list: &mut Once<String>, text: &str) -> Place {
    if text.is_empty() { 0 } else { list.place(text, || text.to_owned()) }
}

/// What stands at a place.
pub(super) fn at<T>(list: &[T], place: Place) -> Option<&T> {
    list.get(usize::try_from(place.checked_sub(1)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_place_and_lists_keep_the_order() {
        let mut names = Names::default();
        let places: Vec<_> =
            ["eth0", "", "eth1", "eth0"].map(|name| text(&mut names.ifaces, name)).into_iter().collect();
        assert_eq!(places, [1, 0, 2, 1]);
        assert_eq!(std::mem::take(&mut names.ifaces).list(), ["eth0", "eth1"]);
        let party = |key: String| PartyKey { key, ..PartyKey::default() };
        assert_eq!((names.party("a".into(), party), names.party("b".into(), party)), (1, 2));
        assert_eq!(names.party("a".into(), party), 1);
        assert_eq!(at(&names.parties, 2).map(|party| party.key.as_str()), Some("b"));
        assert_eq!((at(&names.parties, 0), at(&names.parties, 3)), (None, None));
    }
}
