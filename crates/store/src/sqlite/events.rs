//! Lists of events, newest first.

use super::asked::{Asked, Way};
use super::link::Link;
use super::rows;
use super::sql::Sql;
use crate::cursor::{List, Position};
use crate::{EventPage, Filter, GroupId, PageRequest, Partial, StoreError, TOTAL_EXACT, Total, Why};
use rusqlite::{Connection, params_from_iter};
use tapir_packet::Timestamp;

/// A page of the events of a filter, or of one group's.
pub(super) fn page(
    link: &mut Link,
    filter: &Filter,
    group: Option<GroupId>,
    page: &PageRequest,
) -> Result<EventPage, StoreError> {
    let mut asked = link.ask(filter)?;
    let mut only = None;
    if let Some(id) = group {
        let id = rows::group_row(link, id)?;
        only = Some(Way::OfGroup(id));
        asked.about.push_str(&format!("|{id}"));
        asked.everything = false;
    }
    let after = match &page.cursor {
        Some(cursor) => Some(link.signer.read(List::Events, &asked.about, cursor)?),
        None => None,
    };
    let limit = page.rows();
    let (way, found) = match only {
        Some(way) => {
            let found = find(link, &asked, &way, after, limit + 1)?;
            (Some(way), found)
        }
        None => search(link, &asked, after, limit + 1)?,
    };
    let mut ids: Vec<i64> = found.rows.iter().map(|(_, id)| *id).collect();
    let more = ids.len() > limit;
    let next = if more { found.rows.get(limit - 1).copied() } else { found.stopped_at };
    ids.truncate(limit);
    let partial = found.partial.filter(|_| !more);
    let items = link.guard.unhurried(|| rows::events(link, &ids))?;
    let total = match (page.total, found.partial) {
        (false, _) => None,
        (true, None) if link.guard.has_time() => Some(total(link, &asked, way, group.is_some())?),
        // The budget is spent: what was found is all that is known.
        (true, _) => Some(Total { count: u64::try_from(ids.len()).unwrap_or(0), exact: false }),
    };
    let sign = |(value, id)| link.signer.sign(List::Events, &asked.about, Position { value, second: 0, id });
    Ok(EventPage { items, next: next.map(sign), total, partial, as_of: Timestamp(filter.now.0) })
}

/// Looks at the newest events first: most lists are full after a few thousand. Then it is worth to ask which way is
/// better.
fn search(
    link: &Link,
    asked: &Asked,
    after: Option<Position>,
    limit: usize,
) -> Result<(Option<Way>, Found), StoreError> {
    let further = || {
        let way = asked.way(link)?;
        let found = find(link, asked, &way, after, limit)?;
        Ok((Some(way), found))
    };
    if asked.everything {
        return further();
    }
    let first = list(asked, &Way::ByTime, after, limit);
    let mut rows = Vec::new();
    if let Some(ended) = link.guard.attempt(FIRST_LOOK, || collect(&link.db, &first, &mut rows)) {
        return Ok((None, told(link, &Way::ByTime, after, rows, ended)?));
    }
    let [t, id, _] = link.guard.last();
    let no_further = |found: &Found| found.stopped_at.is_some_and(|at| at >= (t, id));
    match further() {
        // What the first look has seen is an answer, and a place to go on from.
        Err(StoreError::Timeout { .. }) => {
            let partial = link.guard.stopped();
            Ok((None, Found { rows, partial, stopped_at: Some((t, id)) }))
        }
        Ok((_, found)) if no_further(&found) => Ok((None, Found { rows, stopped_at: Some((t, id)), ..found })),
        done => done,
    }
}

/// Rows of the first look.
const FIRST_LOOK: u64 = 3_000;

struct Found {
    /// Time and row number, newest first.
    rows: Vec<(i64, i64)>,
    partial: Option<Partial>,
    /// Where a search that was ended stood.
    stopped_at: Option<(i64, i64)>,
}

fn find(link: &Link, asked: &Asked, way: &Way, after: Option<Position>, limit: usize) -> Result<Found, StoreError> {
    let mut found = Vec::new();
    let ended = collect(&link.db, &list(asked, way, after, limit), &mut found);
    told(link, way, after, found, ended)
}

/// What a search behind a place found, whole or in part.
fn told(
    link: &Link,
    way: &Way,
    after: Option<Position>,
    rows: Vec<(i64, i64)>,
    ended: rusqlite::Result<()>,
) -> Result<Found, StoreError> {
    let Err(error) = ended else { return Ok(Found { rows, partial: None, stopped_at: None }) };
    match link.guard.stopped() {
        // Sorted rows only come at the end: there is no place to go on from.
        Some(partial) if !matches!(way, Way::ByGroup(_)) => {
            let stopped_at = match link.guard.last() {
                // Not one row was looked at, and none has the number 0.
                [_, 0, _] => after.map_or((i64::MAX, i64::MAX), |at| (at.value, at.id)),
                // The clock may have stopped it between the look at a row and the answer.
                [t, id, _] if partial.why == Why::Time && rows.last() != Some(&(t, id)) => (t, id.saturating_add(1)),
                [t, id, _] => (t, id),
            };
            Ok(Found { rows, partial: Some(partial), stopped_at: Some(stopped_at) })
        }
        _ => Err(link.failed(&error)),
    }
}

fn list(asked: &Asked, way: &Way, after: Option<Position>, limit: usize) -> Sql {
    let keyset = after.map_or(Sql::constant(true), |at| {
        // Both, as SQLite uses the first for the index and the second for the place.
        Sql::new("e.t <= ? AND (e.t, e.id) < (?, ?)", [at.value.into(), at.value.into(), at.id.into()])
    });
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Sql::new("SELECT e.t, e.id", [])
        .then(asked.events(way, keyset))
        .then(Sql::new(" ORDER BY e.t DESC, e.id DESC LIMIT ?", [limit.into()]))
}

fn collect(db: &Connection, sql: &Sql, found: &mut Vec<(i64, i64)>) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(&sql.text)?;
    let mut rows = statement.query(params_from_iter(&sql.params))?;
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, row.get(1)?));
    }
    Ok(())
}

/// Exact if the group table tells or up to [`TOTAL_EXACT`].
fn total(link: &Link, asked: &Asked, way: Option<Way>, one_group: bool) -> Result<Total, StoreError> {
    if asked.group.exact && !asked.ranged && !one_group {
        let count = if asked.visible_only { "g.n" } else { "g.n + g.hidden" };
        let sql =
            Sql::new(format!("SELECT coalesce(sum({count}), 0) FROM grp g WHERE "), []).then(asked.group.upper.clone());
        let count: i64 = link
            .db
            .prepare_cached(&sql.text)
            .and_then(|mut statement| statement.query_row(params_from_iter(sql.params), |row| row.get(0)))
            .map_err(|error| link.failed(&error))?;
        return Ok(Total { count: count.unsigned_abs(), exact: true });
    }
    let way = match way {
        Some(way) => way,
        None => asked.way(link)?,
    };
    let sql = Sql::new("SELECT 1", [])
        .then(asked.events(&way, Sql::constant(true)))
        .then(Sql::new(" LIMIT ?", [i64::try_from(TOTAL_EXACT + 1).unwrap_or(i64::MAX).into()]));
    let mut count = 0;
    let counted = (|| {
        let mut statement = link.db.prepare_cached(&sql.text)?;
        let mut rows = statement.query(params_from_iter(&sql.params))?;
        while rows.next()?.is_some() {
            count += 1;
        }
        Ok(())
    })();
    match counted {
        Err(error) if link.guard.stopped().is_none() => Err(link.failed(&error)),
        Err(_) => Ok(Total { count, exact: false }),
        Ok(()) => Ok(Total { count: count.min(TOTAL_EXACT), exact: count <= TOTAL_EXACT }),
    }
}
