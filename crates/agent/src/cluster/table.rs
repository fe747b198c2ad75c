//! Objects of a kind by namespace and name, as a watch tells of them.
//!
//! *Invariants*: a list that is being heard replaces the table when it is complete, not before.

use std::collections::BTreeMap;

/// Objects of a kind that are kept.
pub(super) const MAX_OBJECTS: usize = 100_000;

/// Namespace (empty for those without) and name.
pub(super) type Key = (String, String);

/// See the module.
pub(super) struct Table<T> {
    objects: BTreeMap<Key, T>,
    coming: Option<BTreeMap<Key, T>>,
    is_heard: bool,
    /// Objects for which there was no room.
    refused: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), coming: None, is_heard: false, refused: 0 }
    }
}

impl<T: PartialEq> Table<T> {
    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.coming = Some(BTreeMap::new());
    }

    /// An object of the list. `None`: it cannot be understood.
    pub(super) fn list(&mut self, key: Key, object: Option<T>) {
        let coming = self.coming.get_or_insert_default();
        insert(coming, key, object, &mut self.refused);
    }

    /// The list is complete.
    pub(super) fn complete(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.objects = coming;
        }
        self.is_heard = true;
    }

    /// An object changed; whether it did so in what is kept of it.
    pub(super) fn put(&mut self, key: Key, object: Option<T>) -> bool {
        let is_same = self.objects.get(&key) == object.as_ref();
        if !is_same {
            insert(&mut self.objects, key, object, &mut self.refused);
        }
        !is_same
    }

    /// An object is gone; whether it was there.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        self.objects.remove(key).is_some()
    }

    /// The object with this key.
    pub(super) fn get(&self, key: &Key) -> Option<&T> {
        self.objects.get(key)
    }

    /// The kind does not exist, or nobody may read it: it has no objects. Whether that is news.
    pub(super) fn clear(&mut self) -> bool {
        let is_news = !self.is_heard || !self.objects.is_empty();
        self.objects.clear();
        self.coming = None;
        self.is_heard = true;
        is_news
    }

    /// A list was complete, or it is known that there is none.
    pub(super) fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// Objects for which there was no room.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// All, to be changed in what does not count when they are compared.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.objects.values_mut()
    }

    /// In the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.objects.iter()
    }
}

fn insert<T>(objects: &mut BTreeMap<Key, T>, key: Key, object: Option<T>, refused: &mut u64) {
    match object {
        Some(object) if objects.len() < MAX_OBJECTS || objects.contains_key(&key) => {
            objects.insert(key, object);
        }
        Some(_) => *refused = refused.saturating_add(1),
        None => {
            objects.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("shop".into(), name.into())
    }

    fn names(table: &Table<u8>) -> Vec<&str> {
        table.iter().map(|((_, name), _)| name.as_str()).collect()
    }

    #[test]
    fn a_list_replaces_what_was_known_only_when_it_is_complete() {
        let mut table = Table::default();
        assert!(!table.is_heard());
        table.begin();
        table.list(key("a"), Some(1));
        table.list(key("b"), Some(2));
        assert!(names(&table).is_empty());
        table.complete();
        assert!(table.is_heard());
        table.put(key("c"), Some(3));
        table.remove(&key("a"));
        assert_eq!(names(&table), ["b", "c"]);
        table.begin();
        table.list(key("c"), Some(3));
        assert_eq!(names(&table), ["b", "c"]);
        table.complete();
        assert_eq!(names(&table), ["c"]);
    }

    #[test]
    fn what_is_no_longer_understood_goes_and_what_has_no_room_is_counted() {
        let mut table = Table::default();
        table.put(key("a"), Some(1));
        table.put(key("a"), None);
        assert!(names(&table).is_empty());
        for number in 0..=MAX_OBJECTS {
            table.put(key(&number.to_string()), Some(1));
        }
        assert_eq!((table.iter().count(), table.refused()), (MAX_OBJECTS, 1));
        assert!(table.clear() && table.is_heard() && names(&table).is_empty());
        assert!(!table.clear());
    }
}
