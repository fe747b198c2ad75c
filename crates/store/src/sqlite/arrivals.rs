//! Events in the order in which they were kept: that of their row numbers.
//!
//! There is one writer, and rows show when their transaction ends, so what has a number above those that are seen comes later. Numbers
//! never come twice: where retention takes the newest rows, the last number that was given is kept ([`LAST`]).
//!
//! *Limits*: [`WINDOW`] rows are looked at in one call. A mark ahead of the store is of another file, or of this one before it was
//! brought back from a backup: it goes back to the newest event there is.

use super::link::Link;
use super::rows;
use super::sql::Sql;
use crate::arrivals::{Arrivals, Mark, limit};
use crate::{Filter, StoreError};
use rusqlite::{Connection, params_from_iter};

/// Rows that one call looks at.
const WINDOW: i64 = 5_000;

/// Name under which the last number is kept if its event is gone.
const LAST: &str = "event/last";

/// The last number that was given.
pub(super) fn last(db: &Connection) -> rusqlite::Result<i64> {
    let sql =
        "SELECT max(coalesce((SELECT max(id) FROM event), 0), coalesce((SELECT value FROM meta WHERE name = ?), 0))";
    db.prepare_cached(sql)?.query_row([LAST], |row| row.get(0))
}

/// The number for the next event, where the database would give one again that has been given.
pub(super) fn next(db: &Connection) -> rusqlite::Result<Option<i64>> {
    let newest: i64 = db.prepare_cached("SELECT coalesce(max(id), 0) FROM event")?.query_row([], |row| row.get(0))?;
    let last = last(db)?;
    Ok((last > newest).then(|| last.saturating_add(1)))
}

/// Events are about to go, the last of them with this number.
pub(super) fn going(db: &Connection, number: i64) -> rusqlite::Result<()> {
    // Nearly always it is an old one, and then nothing is written.
    if number >= last(db)? {
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (LAST, number))?;
    }
    Ok(())
}

/// Events of the filter behind a mark; without one none, and the mark of now.
pub(super) fn after(
    link: &mut Link,
    filter: &Filter,
    after: Option<Mark>,
    most: usize,
) -> Result<Arrivals, StoreError> {
    let most = limit(most)?;
    let newest = last(&link.db).map_err(|error| link.failed(&error))?;
    let Some(after) = after else { return Ok(Arrivals { events: Vec::new(), upto: Mark(newest, 0), more: false }) };
    let from = after.0.min(newest);
    let to = newest.min(from.saturating_add(WINDOW));
    if from == to {
        return Ok(Arrivals { events: Vec::new(), upto: Mark(to, 0), more: false });
    }
    let asked = link.ask(filter)?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let place = Sql::new("e.id > ? AND e.id <= ?", [from.into(), to.into()]);
    let sql = Sql::new("SELECT e.id FROM event e NOT INDEXED CROSS JOIN grp g ON g.id = e.grp WHERE ", [])
        .then(Sql::all([place, asked.range()]))
        .word(" AND CASE WHEN tick(e.t, e.id, 0) THEN ")
        .then(asked.event)
        .word(" END")
        .then(Sql::new(" ORDER BY e.id LIMIT ?", [limit.into()]));
    let mut ids: Vec<i64> = Vec::new();
    let mut collect = || {
        let mut statement = link.db.prepare_cached(&sql.text)?;
        let mut rows = statement.query(params_from_iter(&sql.params))?;
        while let Some(row) = rows.next()? {
            ids.push(row.get(0)?);
        }
        Ok(())
    };
    let ended: rusqlite::Result<()> = collect();
    let upto = match ended {
        Err(error) => {
            if link.guard.stopped().is_none() {
                return Err(link.failed(&error));
            }
            // The row at which it stopped may not have been answered.
            let [_, id, _] = link.guard.last();
            let upto = id.saturating_sub(1);
            if upto <= from {
                return Err(StoreError::Timeout { limit: link.config.time_limit });
            }
            ids.retain(|id| *id <= upto);
            upto
        }
        Ok(()) => ids.last().copied().filter(|_| ids.len() >= most).unwrap_or(to),
    };
    let stored = |id: i64| Ok((rows::stored_at(link, id)?, Mark(id, 0)));
    let events = ids.into_iter().map(stored).collect::<Result<_, StoreError>>()?;
    Ok(Arrivals { events, upto: Mark(upto, 0), more: upto < newest })
}
