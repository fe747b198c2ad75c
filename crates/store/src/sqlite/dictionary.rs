//! The dictionaries in memory: readers translate integers to names and conditions on names to sets of integers.
//!
//! Rows are only ever added, so a copy is brought up to date by reading what is behind its last id.
//! *Limits*: the writer refuses an event that needs more than [`MAX_ROWS`] rows in one of them.

use super::row::{PartyKey, Pod};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;
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

/// All dictionaries. Ids begin at 1; a place in a vector is its id less 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionaries {
    pub streams: Vec<(Arc<str>, u64)>,
    pub words: Vec<(i64, String)>,
    pub sigs: Vec<Arc<RuleSummary>>,
    pub parties: Vec<PartyKey>,
    pub pods: Vec<Pod>,
    /// Of the rows of `words` of kind suppression: text to id.
    pub suppressions: HashMap<String, i64>,
}

/// Row of an id.
pub(super) fn entry<T>(rows: &[T], id: i64) -> Option<&T> {
    rows.get(usize::try_from(id.checked_sub(1)?).ok()?)
}

/// Rows with their ids.
pub(super) fn numbered<T>(rows: &[T]) -> impl Iterator<Item = (i64, &T)> {
    (1..).zip(rows)
}

impl Dictionaries {
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

fn each<T>(
    db: &Connection,
    sql: &str,
    rows: &mut Vec<T>,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([i64::try_from(rows.len()).unwrap_or(i64::MAX)])?;
    while let Some(row) = found.next()? {
        rows.push(read(row)?);
    }
    Ok(())
}
