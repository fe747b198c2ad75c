//! What is kept beside events: exceptions, saved views, marks of what was opened, health.

use super::link::Link;
use super::writer::{Gauges, Writer};
use super::{audit, rows};
use crate::{Decision, Exception, NewException, NewView, StoreError, StoreHealth, View};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use tapir_event::EventId;
use tapir_packet::Timestamp;
use tapir_query::Dialect;

/// Most exceptions, and most views of a person.
const MAX_EXCEPTIONS: i64 = 200;
const MAX_VIEWS: i64 = 200;

/// A number in `meta`.
pub(super) fn meta(db: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    db.query_row("SELECT value FROM meta WHERE name = ?", [name], |row| row.get(0)).optional()
}

/// All exceptions by name.
pub(super) fn exceptions(link: &Link) -> Result<Vec<Exception>, StoreError> {
    let read = || {
        let mut statement = link.db.prepare_cached(
            "SELECT name, description, selector, theirs, start, finish, author, created FROM exception ORDER BY name",
        )?;
        let rows = statement.query_map([], exception)?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|error| link.failed(&error))
}

fn exception(row: &Row<'_>) -> rusqlite::Result<Exception> {
    Ok(Exception {
        what: NewException {
            name: row.get(0)?,
            description: row.get(1)?,
            selector: row.get(2)?,
            dialect: if row.get(3)? { Dialect::Incumbent } else { Dialect::Tapir },
            start: Timestamp(row.get(4)?),
            end: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        },
        author: row.get(6)?,
        created: Timestamp(row.get(7)?),
    })
}

/// Adds or replaces an exception.
pub(super) fn put_exception(writer: &mut Writer, new: NewException, by: &Decision) -> Result<Exception, StoreError> {
    new.check()?;
    writer.transaction(|writer, _| {
        let write = |writer: &Writer| {
            let db = &writer.link.db;
            let others: i64 =
                db.query_row("SELECT count(*) FROM exception WHERE name <> ?", [&new.name], |row| row.get(0))?;
            if others >= MAX_EXCEPTIONS {
                return Ok(false);
            }
            db.execute(
                "INSERT OR REPLACE INTO exception VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    new.name,
                    new.description,
                    new.selector,
                    new.dialect == Dialect::Incumbent,
                    new.start.0,
                    new.end.map(|end| end.0),
                    by.who,
                    by.now.0
                ],
            )?;
            let detail = json!({ "name": new.name, "selector": new.selector });
            audit::add(db, by.now.0, &by.who, "put_exception", None, &detail)?;
            Ok(true)
        };
        match write(writer).map_err(|error| writer.link.failed(&error))? {
            true => Ok(()),
            false => Err(StoreError::Invalid(format!("there are {MAX_EXCEPTIONS} exceptions; remove some first"))),
        }
    })?;
    Ok(Exception { what: new, author: by.who.clone(), created: by.now })
}

/// Removes an exception.
pub(super) fn remove_exception(writer: &mut Writer, name: &str, by: &Decision) -> Result<(), StoreError> {
    writer.transaction(|writer, _| {
        let write = |writer: &Writer| {
            let db = &writer.link.db;
            let removed = db.execute("DELETE FROM exception WHERE name = ?", [name])?;
            audit::add(db, by.now.0, &by.who, "remove_exception", None, &json!({ "name": name }))?;
            Ok(removed)
        };
        match write(writer).map_err(|error| writer.link.failed(&error))? {
            0 => Err(StoreError::NotFound { what: "exception", id: name.chars().take(253).collect() }),
            _ => Ok(()),
        }
    })
}

/// Views that somebody may see.
pub(super) fn views(link: &Link, who: &str) -> Result<Vec<View>, StoreError> {
    let read = || {
        let mut statement = link.db.prepare_cached(
            "SELECT id, name, owner, shared, url, changed FROM view WHERE owner = ? OR shared ORDER BY name, id",
        )?;
        statement.query_map([who], view)?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|error| link.failed(&error))
}

fn view(row: &Row<'_>) -> rusqlite::Result<View> {
    Ok(View {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        name: row.get(1)?,
        owner: row.get(2)?,
        shared: row.get(3)?,
        url: row.get(4)?,
        changed: Timestamp(row.get(5)?),
    })
}

/// Adds or replaces a view.
pub(super) fn put_view(writer: &mut Writer, new: &NewView, by: &Decision) -> Result<View, StoreError> {
    new.check()?;
    writer.transaction(|writer, _| {
        let write = |writer: &Writer| {
            let db = &writer.link.db;
            let count: i64 =
                db.query_row("SELECT count(*) FROM view WHERE owner = ? AND name <> ?", [&by.who, &new.name], |row| {
                    row.get(0)
                })?;
            if count >= MAX_VIEWS {
                return Ok(None);
            }
            db.execute(
                "INSERT INTO view (owner, name, shared, url, changed) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (owner, name) DO UPDATE SET shared = ?3, url = ?4, changed = ?5",
                params![by.who, new.name, new.shared, new.url, by.now.0],
            )?;
            db.query_row(
                "SELECT id, name, owner, shared, url, changed FROM view WHERE owner = ? AND name = ?",
                [&by.who, &new.name],
                view,
            )
            .optional()
        };
        let full = || StoreError::Invalid(format!("you have {MAX_VIEWS} views; remove some first"));
        write(writer).map_err(|error| writer.link.failed(&error))?.ok_or_else(full)
    })
}

/// Removes one's own view.
pub(super) fn remove_view(writer: &mut Writer, id: u64, by: &Decision) -> Result<(), StoreError> {
    writer.transaction(|writer, _| {
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        let removed = writer.link.db.execute("DELETE FROM view WHERE id = ? AND owner = ?", params![id, by.who]);
        match removed.map_err(|error| writer.link.failed(&error))? {
            0 => Err(StoreError::NotFound { what: "view of yours", id: id.to_string() }),
            _ => Ok(()),
        }
    })
}

/// Marks the shape of an event as opened in its group.
pub(super) fn mark_opened(writer: &mut Writer, id: &EventId, by: &Decision) -> Result<(), StoreError> {
    writer.transaction(|writer, _| {
        let row = rows::event_row(&writer.link, id)?;
        let mark = |writer: &Writer| {
            let mut update = writer.link.db.prepare_cached(
                "UPDATE grp_shape SET opened_at = ?2, opened_by = ?3 WHERE opened_at IS NULL
                 AND (grp, shape) = (SELECT grp, shape FROM event WHERE id = ?1)",
            )?;
            update.execute(params![row, by.now.0, by.who])
        };
        mark(writer).map(drop).map_err(|error| writer.link.failed(&error))
    })
}

/// How the store is.
pub(super) fn health(link: &Link, gauges: &Gauges) -> Result<StoreHealth, StoreError> {
    let read = || {
        let number = |sql: &str| link.db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
        let (events, groups) = link.db.query_row(
            "SELECT coalesce(sum(n + hidden), 0), count(*) FROM grp WHERE n + hidden > 0",
            [],
            |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())),
        )?;
        let bytes = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
        Ok((events, groups, bytes))
    };
    let (events, groups, bytes) = read().map_err(|error| link.failed(&error))?;
    let get = |gauge: &std::sync::atomic::AtomicU64| gauge.load(Ordering::Relaxed);
    Ok(StoreHealth {
        events,
        groups,
        bytes,
        queued: get(&gauges.queued),
        stored: get(&gauges.stored),
        duplicates: get(&gauges.duplicates),
        rejected: get(&gauges.rejected),
        removed: get(&gauges.removed),
        refused_busy: get(&gauges.busy),
        partial_answers: get(&gauges.partial),
        last_write_error: gauges.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        change: gauges.touch.load(Ordering::Relaxed).unsigned_abs(),
    })
}
