//! Suppressions: adding, changing, removing, listing.

use super::dictionary::Word;
use super::index::Unwritten;
use super::link::Link;
use super::silence::Silences;
use super::writer::Writer;
use super::{audit, retain};
use crate::{Decision, NewSuppression, StoreError, Suppression, SuppressionChange};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;
use tapir_packet::Timestamp;

/// Most suppressions in force.
const MAX: i64 = 10_000;

const COLUMNS: &str = "SELECT id, word, what, author, created, version FROM suppression WHERE removed IS NULL";

/// All of them, newest first.
pub(super) fn list(link: &Link) -> Result<Vec<Suppression>, StoreError> {
    let read = || {
        let mut statement = link.db.prepare_cached(&format!("{COLUMNS} ORDER BY id DESC"))?;
        let rows = statement.query_map([], |row| suppression(link, row))?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|error| link.failed(&error))
}

fn suppression(link: &Link, row: &Row<'_>) -> rusqlite::Result<Suppression> {
    let (id, word, what): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let what = serde_json::from_str(&what)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error)))?;
    let mut sum = link.db.prepare_cached("SELECT coalesce(sum(n), 0), max(last) FROM silenced WHERE word = ?")?;
    let (silenced, last): (i64, Option<i64>) = sum.query_row([word], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut days = link.db.prepare_cached("SELECT day, n FROM silenced WHERE word = ? ORDER BY day DESC LIMIT 30")?;
    let days = days.query_map([word], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(Suppression {
        id: name(id),
        what,
        author: row.get(3)?,
        created: Timestamp(row.get(4)?),
        version: row.get::<_, i64>(5)?.unsigned_abs(),
        silenced: silenced.unsigned_abs(),
        last_silenced: last.map(Timestamp),
        days: days.collect::<rusqlite::Result<_>>()?,
    })
}

fn name(id: i64) -> String {
    format!("s-{id}")
}

fn number(id: &str) -> Option<i64> {
    id.strip_prefix("s-")?.parse().ok()
}

fn missing(id: &str) -> StoreError {
    StoreError::NotFound { what: "suppression", id: id.chars().take(64).collect() }
}

/// Adds one.
pub(super) fn add(writer: &mut Writer, new: &NewSuppression, by: &Decision) -> Result<Suppression, StoreError> {
    new.check(by.now.0)?;
    let id = writer.transaction(|writer, _| {
        let count =
            writer.link.db.query_row("SELECT count(*) FROM suppression WHERE removed IS NULL", [], |row| row.get(0));
        let count: i64 = count.map_err(|error| writer.link.failed(&error))?;
        if count >= MAX {
            return Err(StoreError::Invalid(format!("there are {MAX} suppressions; remove some first")));
        }
        let Writer { link, index, .. } = writer;
        let mut insert = || {
            let what = serde_json::to_string(new).unwrap_or_default();
            link.db.execute(
                "INSERT INTO suppression (word, what, author, created, version) VALUES (0, ?, ?, ?, 1)",
                params![what, by.who, by.now.0],
            )?;
            let id = link.db.last_insert_rowid();
            let word = index.word(&link.db, Word::Suppression, &name(id))?;
            link.db.execute("UPDATE suppression SET word = ? WHERE id = ?", [word, id])?;
            audit::add(&link.db, by.now.0, &by.who, "suppress", None, &json!({ "id": name(id), "what": new }))?;
            Ok(id)
        };
        let id = insert().map_err(|error| unwritten(link, error))?;
        writer.silences = Silences::load(&writer.link.db).map_err(|error| writer.link.failed(&error))?;
        Ok(id)
    })?;
    find(&writer.link, id)
}

fn unwritten(link: &Link, error: Unwritten) -> StoreError {
    match error {
        Unwritten::Refused(why) => StoreError::Invalid(why),
        Unwritten::Sql(error) => link.failed(&error),
    }
}

fn find(link: &Link, id: i64) -> Result<Suppression, StoreError> {
    let read = || {
        let mut find = link.db.prepare_cached(&format!("{COLUMNS} AND id = ?"))?;
        find.query_row([id], |row| suppression(link, row)).optional()
    };
    read().map_err(|error| link.failed(&error))?.ok_or_else(|| missing(&name(id)))
}

/// Changes one.
pub(super) fn change(
    writer: &mut Writer,
    id: &str,
    change: &SuppressionChange,
    by: &Decision,
) -> Result<Suppression, StoreError> {
    let row = number(id).ok_or_else(|| missing(id))?;
    writer.transaction(|writer, _| {
        let old = find(&writer.link, row)?;
        if let Some(expected) = change.if_version.filter(|version| *version != old.version) {
            return Err(StoreError::Conflict { what: format!("suppression {id}"), expected, found: old.version });
        }
        let mut what = old.what;
        what.mode = change.mode.unwrap_or(what.mode);
        what.reason = change.reason.clone().unwrap_or(what.reason);
        what.expires = change.expires.unwrap_or(what.expires);
        what.check(by.now.0)?;
        let write = |writer: &mut Writer| {
            let text = serde_json::to_string(&what).unwrap_or_default();
            let db = &writer.link.db;
            db.execute("UPDATE suppression SET what = ?, version = version + 1 WHERE id = ?", params![text, row])?;
            let detail = json!({ "id": id, "what": what });
            audit::add(db, by.now.0, &by.who, "change_suppression", None, &detail)?;
            writer.silences = Silences::load(db)?;
            Ok(())
        };
        write(writer).map_err(|error| writer.link.failed(&error))
    })?;
    find(&writer.link, row)
}

/// Removes one.
pub(super) fn remove(writer: &mut Writer, id: &str, reveal: bool, by: &Decision) -> Result<(), StoreError> {
    let row = number(id).ok_or_else(|| missing(id))?;
    writer.transaction(|writer, touch| {
        find(&writer.link, row)?;
        let write = |writer: &mut Writer| {
            let db = &writer.link.db;
            db.execute("UPDATE suppression SET removed = ? WHERE id = ?", [by.now.0, row])?;
            if reveal {
                db.execute("INSERT OR IGNORE INTO reveal SELECT word FROM suppression WHERE id = ?", [row])?;
            }
            let detail = json!({ "id": id, "reveal": reveal });
            audit::add(db, by.now.0, &by.who, "remove_suppression", None, &detail)?;
            writer.silences = Silences::load(db)?;
            Ok(())
        };
        write(writer).map_err(|error| writer.link.failed(&error))?;
        // The first few thousand at once, the rest when nothing else waits.
        retain::reveal(writer, touch).map(drop)
    })
}
