//! The inbox: groups that have an event of the kind, in an order.
//!
//! Groups are walked in the order that is asked for. Where the group table alone decides, no event is looked at; else
//! a group's events are searched for one that answers.

use super::asked::Asked;
use super::detail::ended;
use super::hours;
use super::link::Link;
use super::rows;
use super::sql::Sql;
use super::tally::DAY;
use crate::cursor::{List, Position};
use crate::{
    Changes, Filter, Group, GroupId, GroupPage, GroupSort, PageRequest, Partial, StoreError, TOTAL_EXACT, Total,
};
use rusqlite::params_from_iter;
use tapir_packet::Timestamp;

/// A group that was found: its place in the order.
type Found = Position;

/// A page of the inbox.
pub(super) fn page(
    link: &mut Link,
    filter: &Filter,
    sort: GroupSort,
    page: &PageRequest,
) -> Result<GroupPage, StoreError> {
    let asked = link.ask(filter)?;
    let about = format!("{}|{sort:?}", asked.about);
    let after = match &page.cursor {
        Some(cursor) => Some(link.signer.read(List::Groups, &about, cursor)?),
        None => None,
    };
    let limit = page.rows();
    let mut found = Vec::new();
    let end = walk(link, &asked, sort, after, Sql::constant(true), |at| {
        found.push(at);
        found.len() <= limit
    })?;
    let next = match found.len() > limit {
        true => found.get(limit - 1).copied(),
        false => end.stopped_at,
    };
    let partial = if found.len() > limit { None } else { end.partial };
    found.truncate(limit);
    let ids: Vec<i64> = found.iter().map(|at| at.id).collect();
    let rows = || rows::groups(link, &ids, !asked.visible_only, link.noisy()?);
    let mut items = link.guard.unhurried(rows)?;
    let least = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let total = if page.total { Some(total(link, &asked, partial, least)?) } else { None };
    if asked.ranged && partial.is_none() && link.guard.has_time() {
        count_range(link, &asked, &mut items)?;
    }
    let next = next.map(|at| link.signer.sign(List::Groups, &about, at));
    Ok(GroupPage { items, next, total, partial, as_of: Timestamp(filter.now.0) })
}

/// Events of groups in the range that are counted one by one, at the edges of hours, for one page.
pub(super) const EDGES: u64 = 200_000;

/// Fills in how many events of each group lie in the range.
fn count_range(link: &Link, asked: &Asked, groups: &mut [Group]) -> Result<(), StoreError> {
    let count = || {
        let days = hours::days(link, asked.from.div_euclid(DAY), asked.to.div_euclid(DAY))?;
        let mut budget = EDGES;
        let mut counts = Vec::with_capacity(groups.len());
        for group in groups.iter() {
            counts.push(match hours::counted(link, "hash", group.id.0.cast_signed())? {
                None => None,
                Some(counted) => hours::between(link, &counted, &days, (asked.from, asked.to), &mut budget)?,
            });
        }
        Ok(counts)
    };
    match count() {
        Ok(counts) => groups.iter_mut().zip(counts).for_each(|(group, count)| group.in_range = count),
        // The list stands without them.
        Err(_) if link.guard.stopped().is_some() => {}
        Err(error) => return Err(link.failed(&error)),
    }
    Ok(())
}

/// Row numbers of all groups that the filter shows; an error if that can't be told or are more than `most`.
pub(super) fn all(link: &mut Link, filter: &Filter, most: usize) -> Result<Vec<i64>, StoreError> {
    let asked = link.ask(filter)?;
    let mut found = Vec::new();
    let end = walk(link, &asked, GroupSort::LastSeen, None, Sql::constant(true), |at| {
        found.push(at.id);
        found.len() <= most
    })?;
    if found.len() > most {
        return Err(StoreError::TooBroad(format!("more than {most} groups")));
    }
    match end.partial {
        None => Ok(found),
        Some(partial) => Err(StoreError::TooBroad(format!("{} rows looked at and not done", partial.examined))),
    }
}

/// Groups that changed.
pub(super) fn changes(link: &mut Link, filter: &Filter, after: u64, limit: usize) -> Result<Changes, StoreError> {
    let limit = limit.clamp(1, crate::MAX_PAGE);
    let read = || {
        let mut statement =
            link.db.prepare_cached("SELECT id, hash, touch FROM grp WHERE touch > ? ORDER BY touch, id LIMIT ?")?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = statement.query_map([after, i64::try_from(limit + 1).unwrap_or(i64::MAX)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        rows.collect::<rusqlite::Result<Vec<(i64, i64, i64)>>>()
    };
    let mut changed = read().map_err(|error| link.failed(&error))?;
    let mut more = changed.len() > limit;
    if let Some((_, _, touch)) = changed.get(limit).copied() {
        // All groups of one transaction have one number: take whole transactions, unless it is one alone.
        let whole = changed.iter().filter(|(_, _, at)| *at < touch).count();
        if whole > 0 {
            changed.truncate(whole);
        } else {
            changed = one_transaction(link, touch)?;
            more = true;
        }
    }
    let asked = link.ask(filter)?;
    let mut shown = Vec::new();
    for (id, ..) in &changed {
        let only = Sql::new("g.id = ?", [(*id).into()]);
        let end = walk(link, &asked, GroupSort::LastSeen, None, only, |at| {
            shown.push(at.id);
            true
        })?;
        if end.partial.is_some() {
            return Err(StoreError::Timeout { limit: link.config.time_limit });
        }
    }
    let gone = changed.iter().filter(|(id, ..)| !shown.contains(id));
    Ok(Changes {
        gone: gone.map(|(_, hash, _)| GroupId(hash.cast_unsigned())).collect(),
        groups: rows::groups(link, &shown, !asked.visible_only, link.noisy()?)?,
        at: changed.last().map_or(after, |(_, _, touch)| touch.unsigned_abs()),
        more,
    })
}

fn one_transaction(link: &Link, touch: i64) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let read = || {
        let mut statement = link.db.prepare_cached("SELECT id, hash, touch FROM grp WHERE touch = ? ORDER BY id")?;
        let rows = statement.query_map([touch], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|error| link.failed(&error))
}

/// How the groups of a filter are searched.
pub(super) struct Search {
    /// Two sort values, the group, whether it is shown for sure; then what else was asked for. In order.
    pub sql: Sql,
    /// Whether an event of a group is what was asked for; its first parameter is the group.
    pub check: Sql,
}

impl Search {
    /// `only`: a further condition over `g`; `more`: further columns of it, each with a comma before it.
    pub(super) fn new(asked: &Asked, sort: GroupSort, after: Option<Position>, only: Sql, more: &str) -> Self {
        let mut search = Self::unordered(asked, sort, after, only, more);
        let (value, second) = values(asked, sort);
        let second = if second == "0" { String::new() } else { format!(" {second} DESC,") };
        search.sql = search.sql.word(&format!(" ORDER BY {value} DESC,{second} g.id DESC"));
        search
    }

    /// The same in any order.
    pub(super) fn unordered(asked: &Asked, sort: GroupSort, after: Option<Position>, only: Sql, more: &str) -> Self {
        let all = asked.visible_only;
        let (value, second) = values(asked, sort);
        let keyset = after.map_or(Sql::constant(true), |at| {
            let params = [at.value.into(), at.value.into(), at.second.into(), at.id.into()];
            Sql::new(format!("{value} <= ? AND ({value}, {second}, g.id) < (?, ?, ?)"), params)
        });
        // Without a range a group whose events all answer needs no look at them; with one, if its first or last event,
        // which the group table knows, lies in it.
        let sure = if !asked.ranged {
            asked.group.lower.clone()
        } else if all {
            let within = |column: &str| {
                Sql::new(format!("({column} > ? AND {column} <= ?)"), [asked.from.into(), asked.to.into()])
            };
            Sql::all([asked.group.lower.clone(), Sql::any([within("g.last"), within("g.first")])])
        } else {
            Sql::constant(false)
        };
        let range = if asked.ranged && all { asked.in_range() } else { Sql::constant(true) };
        let sql = Sql::new(format!("SELECT {value}, {second}, g.id, "), [])
            .then(sure)
            .word(more)
            .word(" FROM grp g WHERE ")
            .then(Sql::all([only, keyset, range, asked.group.upper.clone()]));
        // The hidden condition of a group's events is in `asked.event`; `g` is the group of the outer walk.
        let check =
            Sql::new("SELECT 1 FROM grp g CROSS JOIN event e INDEXED BY event_grp ON e.grp = g.id WHERE g.id = ?", [])
                .word(" AND ")
                .then(asked.range())
                .word(" AND CASE WHEN tick(e.t, e.id, 0) THEN ")
                .then(asked.event.clone())
                .word(" END LIMIT 1");
        Self { sql, check }
    }
}

/// Columns by which groups are sorted.
fn values(asked: &Asked, sort: GroupSort) -> (&'static str, &'static str) {
    match sort {
        GroupSort::LastSeen => ("g.last", "0"),
        GroupSort::FirstSeen => ("g.first", "0"),
        GroupSort::Severity => ("g.sev", "g.last"),
        GroupSort::Count if asked.visible_only => ("g.n", "0"),
        GroupSort::Count => ("g.n + g.hidden", "0"),
    }
}

/// How a walk ended.
struct End {
    partial: Option<Partial>,
    /// Behind which group the search goes on.
    stopped_at: Option<Position>,
}

/// Groups that are put in order at first, where no index does it.
const CHUNK: usize = 1_000;

/// Hands out the groups that the filter shows, in order, until `each` has enough.
fn walk(
    link: &Link,
    asked: &Asked,
    sort: GroupSort,
    after: Option<Position>,
    only: Sql,
    mut each: impl FnMut(Found) -> bool,
) -> Result<End, StoreError> {
    let mut before = after;
    let mut first = true;
    // Without an index SQLite keeps only as many rows in order as it may give out.
    let mut most = if sort == GroupSort::LastSeen || (sort == GroupSort::Count && asked.visible_only) {
        None
    } else {
        Some(CHUNK)
    };
    let walked = loop {
        let Search { sql, check } = Search::new(asked, sort, before, only.clone(), "");
        let sql = match most {
            Some(most) => sql.then(Sql::new(" LIMIT ?", [i64::try_from(most).unwrap_or(i64::MAX).into()])),
            None => sql,
        };
        let mut given = 0;
        let mut enough = false;
        let walked = (|| {
            let mut groups = link.db.prepare_cached(&sql.text)?;
            let mut events = link.db.prepare_cached(&check.text)?;
            let mut rows = groups.query(params_from_iter(&sql.params))?;
            while let Some(row) = rows.next()? {
                given += 1;
                let at = Position { value: row.get(0)?, second: row.get(1)?, id: row.get(2)? };
                let shown = row.get::<_, bool>(3)? || {
                    let params = std::iter::once(at.id.into()).chain(check.params.iter().cloned());
                    let found = events.exists(params_from_iter(params));
                    if found.is_err() && first && link.guard.partial().is_some() {
                        // One group alone is more than one call may look at: leave it out, or the list would never go on.
                        before = Some(at);
                    }
                    found?
                };
                before = Some(at);
                first = false;
                if shown && !each(at) {
                    enough = true;
                    return Ok(());
                }
            }
            Ok(())
        })();
        match (&walked, most) {
            (Ok(()), Some(chunk)) if !enough && given >= chunk => most = Some(chunk.saturating_mul(10)),
            _ => break walked,
        }
    };
    match walked {
        Ok(()) => Ok(End { partial: None, stopped_at: None }),
        Err(error) => match link.guard.stopped() {
            Some(partial) if before.is_some() => Ok(End { partial: Some(partial), stopped_at: before }),
            _ => Err(link.failed(&error)),
        },
    }
}

/// How many groups the filter shows; at least `least`, which the page has, when the limits do not allow to tell.
fn total(link: &Link, asked: &Asked, partial: Option<Partial>, least: u64) -> Result<Total, StoreError> {
    if !link.guard.has_time() {
        return Ok(Total { count: least, exact: false });
    }
    if asked.group.exact && !asked.ranged {
        let sql = Sql::new("SELECT count(*) FROM grp g WHERE ", []).then(asked.group.upper.clone());
        let mut count: i64 = 0;
        let counted = link
            .db
            .prepare_cached(&sql.text)
            .and_then(|mut statement| statement.query_row(params_from_iter(sql.params), |row| row.get(0)))
            .map(|all| count = all);
        let exact = ended(link, counted)?.is_none();
        return Ok(Total { count: count.unsigned_abs().max(least), exact });
    }
    let mut count = 0;
    if partial.is_some() {
        // The budget is spent: what the page shows is all that is known.
        return Ok(Total { count: least, exact: false });
    }
    // In any order, which is the order of the table: in that of an index each group would be looked up.
    let Search { sql, check } = Search::unordered(asked, GroupSort::LastSeen, None, Sql::constant(true), "");
    let counted = (|| {
        let mut groups = link.db.prepare_cached(&sql.text)?;
        let mut events = link.db.prepare_cached(&check.text)?;
        let mut rows = groups.query(params_from_iter(&sql.params))?;
        while let Some(row) = rows.next()? {
            let params = std::iter::once(row.get::<_, i64>(2)?.into()).chain(check.params.iter().cloned());
            if row.get::<_, bool>(3)? || events.exists(params_from_iter(params))? {
                count += 1;
                if count > TOTAL_EXACT {
                    break;
                }
            }
        }
        Ok(())
    })();
    let ended = ended(link, counted)?;
    Ok(Total { count: count.min(TOTAL_EXACT).max(least), exact: ended.is_none() && count <= TOTAL_EXACT })
}
