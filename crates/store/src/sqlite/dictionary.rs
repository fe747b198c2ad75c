//! The dictionaries in memory: readers translate integers to names and conditions on names to sets of integers.
//!
//! Rows are only ever added, so a copy is brought up to date by reading what is behind its last id. All connections share
//! the rows; what a connection has read the others take from [`Shared`].
//! *Limits*: the writer refuses an event that needs more than [`MAX_ROWS`] rows in one of them.

use super::row::{PartyKey, Pod};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tapir_event::RuleSummary;

/// Most rows of a dictionary.
pub(super) const MAX_ROWS: i64 = 500_000;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Word {
    Iface = 1,
    Service = 2,
    Protocol = 3,
    Inspection = 4,
    Suppression = 5,
    Namespace = 6,
}

/// Rows of a part of a list.
const PART: usize = 512;

/// A list that only grows. A copy shares all rows but those of a last part that grows on both sides.
#[derive(Clone, Debug)]
pub(super) struct Grown<T> {
    parts: Vec<Arc<Vec<T>>>,
}

impl<T> Default for Grown<T> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<T> Grown<T> {
    pub(super) fn len(&self) -> usize {
        let last = self.parts.last().map_or(0, |part| part.len());
        self.parts.len().saturating_sub(1) * PART + last
    }

    fn get(&self, place: usize) -> Option<&T> {
        self.parts.get(place / PART)?.get(place % PART)
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flat_map(|part| part.iter())
    }
}

impl<T: Clone> Grown<T> {
    fn push(&mut self, row: T) {
        match self.parts.last_mut() {
            Some(last) if last.len() < PART => Arc::make_mut(last).push(row),
            _ => self.parts.push(Arc::new(vec![row])),
        }
    }
}

/// All dictionaries. Ids begin at 1; a place in a list is its id less 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionaries {
    pub streams: Grown<(Arc<str>, u64)>,
    pub words: Grown<(i64, String)>,
    pub sigs: Grown<Arc<RuleSummary>>,
    pub parties: Grown<PartyKey>,
    pub pods: Grown<Pod>,
    /// Of the rows of `words` of kind suppression: text to id.
    pub suppressions: HashMap<String, i64>,
}

/// Row of an id.
pub(super) fn entry<T>(rows: &Grown<T>, id: i64) -> Option<&T> {
    rows.get(usize::try_from(id.checked_sub(1)?).ok()?)
}

/// Rows with their ids.
pub(super) fn numbered<T>(rows: &Grown<T>) -> impl Iterator<Item = (i64, &T)> {
    (1..).zip(rows.iter())
}

/// What the connections of a store have read. Only committed rows are put here: ids of others may come again.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Dictionaries>>);

impl Shared {
    /// Takes what others have read, if it is more.
    pub(super) fn take(&self, words: &mut Dictionaries) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.rows() > words.rows() {
            words.clone_from(&known);
        }
    }

    /// Gives what was read to others.
    pub(super) fn give(&self, words: &Dictionaries) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if words.rows() > known.rows() {
            known.clone_from(words);
        }
    }
}

impl Dictionaries {
    /// Of two states of one store that with more rows is the later one, and has all that the other has.
    pub(super) fn rows(&self) -> usize {
        let Self { streams, words, sigs, parties, pods, .. } = self;
        streams.len() + words.len() + sigs.len() + parties.len() + pods.len()
    }

    /// Reads what is new. Ids have no gaps: rows are never removed, and a transaction that is rolled back takes its
    /// ids with it.
    pub(super) fn refresh(&mut self, db: &Connection) -> rusqlite::Result<()> {
        each(db, "SELECT node, boot FROM stream WHERE id > ? ORDER BY id", &mut self.streams, |row| {
            Ok((row.get::<_, String>(0)?.into(), row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        let known = self.words.len();
        each(db, "SELECT kind, text FROM word WHERE id > ? ORDER BY id", &mut self.words, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        for (id, (kind, text)) in numbered(&self.words).skip(known) {
            if *kind == Word::Suppression as i64 {
                self.suppressions.insert(text.clone(), id);
            }
        }
        each(db, "SELECT rule FROM sig WHERE id > ? ORDER BY id", &mut self.sigs, |row| {
            let text: String = row.get(0)?;
            Ok(Arc::new(serde_json::from_str(&text).unwrap_or_default()))
        })?;
        each(db, "SELECT key, namespace, kind, name FROM party WHERE id > ? ORDER BY id", &mut self.parties, |row| {
            Ok(PartyKey { key: row.get(0)?, namespace: row.get(1)?, kind: row.get(2)?, name: row.get(3)? })
        })?;
        each(db, "SELECT namespace, pod, kind, name FROM pod WHERE id > ? ORDER BY id", &mut self.pods, |row| {
            Ok(Pod { namespace: row.get(0)?, pod: row.get(1)?, kind: row.get(2)?, name: row.get(3)? })
        })
    }

    /// Text of a word; `None` for 0.
    pub(super) fn word(&self, id: i64) -> Option<&str> {
        entry(&self.words, id).map(|(_, text)| text.as_str())
    }

    /// Words of a kind with their ids.
    pub(super) fn words_of(&self, kind: Word) -> impl Iterator<Item = (i64, &str)> {
        let kind = kind as i64;
        numbered(&self.words).filter(move |(_, (of, _))| *of == kind).map(|(id, (_, text))| (id, text.as_str()))
    }
}

fn each<T: Clone>(
    db: &Connection,
    sql: &str,
    rows: &mut Grown<T>,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([i64::try_from(rows.len()).unwrap_or(i64::MAX)])?;
    while let Some(row) = found.next()? {
        rows.push(read(row)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_what_does_not_change() {
        let mut one = Grown::default();
        (0..PART + 2).for_each(|row| one.push(row));
        let mut other = one.clone();
        other.push(PART + 2);
        assert_eq!((one.len(), other.len()), (PART + 2, PART + 3));
        assert_eq!((one.get(PART + 2), other.get(PART + 2)), (None, Some(&(PART + 2))));
        assert!(other.iter().copied().eq(0..PART + 3));
        assert!(Arc::ptr_eq(&one.parts[0], &other.parts[0]));
        assert_eq!((Grown::<u8>::default().len(), entry(&one, 0), entry(&one, 1)), (0, None, Some(&0)));
    }
}
