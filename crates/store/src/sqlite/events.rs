//! Lists of events, newest first.

use super::asked::{Asked, Way};
use super::link::Link;
use super::rows;
use super::sql::Sql;
use crate::cursor::{List, Position};
use crate::{EventPage, Filter, GroupId, PageRequest, Partial, StoreError, TOTAL_EXACT, Total};
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
    let mut way = None;
    if let Some(id) = group {
        let id = rows::group_row(link, id)?;
        let only = Sql::new("g.id = ?", [id.into()]);
        asked.group.upper = Sql::all([only.clone(), asked.group.upper]);
        asked.about.push_str(&format!("|{id}"));
        asked.everything = false;
        // (grp, t) has a group's events in the order of time.
        way = Some(Way::ByGroup);
    }
    let way = match way {
        Some(way) => way,
        None => asked.way(link)?,
    };
    let after = match &page.cursor {
        Some(cursor) => Some(link.signer.read(List::Events, &asked.about, cursor)?),
        None => None,
    };
    let limit = page.rows();
    let total = if page.total { Some(total(link, &asked, way, group.is_some())?) } else { None };
    let counted = link.guard.partial();
    let found = find(link, &asked, way, after, limit + 1)?;
    let mut ids: Vec<i64> = found.rows.iter().map(|(_, id)| *id).collect();
    let next = match (ids.len() > limit, found.stopped_at) {
        (true, _) => found.rows.get(limit - 1).copied(),
        (false, at) => at,
    };
    ids.truncate(limit);
    let partial = if next.is_some() && found.rows.len() > limit { None } else { found.partial };
    let sign = |(value, id)| link.signer.sign(List::Events, &asked.about, Position { value, second: 0, id });
    Ok(EventPage {
        items: rows::events(link, &ids)?,
        next: next.map(sign),
        total,
        partial: partial.or(counted.filter(|_| found.rows.is_empty())),
        as_of: Timestamp(filter.now.0),
    })
}

struct Found {
    /// Time and row number, newest first.
    rows: Vec<(i64, i64)>,
    partial: Option<Partial>,
    /// Where a search that was ended stood.
    stopped_at: Option<(i64, i64)>,
}

fn find(link: &Link, asked: &Asked, way: Way, after: Option<Position>, limit: usize) -> Result<Found, StoreError> {
    let keyset = after.map_or(Sql::constant(true), |at| {
        // Both, as SQLite uses the first for the index and the second for the place.
        Sql::new("e.t <= ? AND (e.t, e.id) < (?, ?)", [at.value.into(), at.value.into(), at.id.into()])
    });
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = Sql::new("SELECT e.t, e.id", [])
        .then(asked.events(way, keyset))
        .then(Sql::new(" ORDER BY e.t DESC, e.id DESC LIMIT ?", [limit.into()]));
    let mut found = Vec::new();
    match collect(&link.db, &sql, &mut found) {
        Ok(()) => Ok(Found { rows: found, partial: None, stopped_at: None }),
        Err(error) => match link.guard.partial() {
            // Sorted rows only come at the end: there is no place to go on from.
            Some(partial) if way == Way::ByTime => {
                let [t, id, _] = link.guard.last();
                Ok(Found { rows: found, partial: Some(partial), stopped_at: Some((t, id)) })
            }
            _ => Err(link.failed(&error)),
        },
    }
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
fn total(link: &Link, asked: &Asked, way: Way, one_group: bool) -> Result<Total, StoreError> {
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
    let sql = Sql::new("SELECT 1", [])
        .then(asked.events(way, Sql::constant(true)))
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
        Err(error) if link.guard.partial().is_none() => Err(link.failed(&error)),
        Err(_) => Ok(Total { count, exact: false }),
        Ok(()) => Ok(Total { count: count.min(TOTAL_EXACT), exact: count <= TOTAL_EXACT }),
    }
}
