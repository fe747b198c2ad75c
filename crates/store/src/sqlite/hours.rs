//! Visible events of groups by hour (`grp_hour`): what previews, sparklines and counts of a time range add up.
//!
//! The table lies by day, then group: a group's hours of a day are read with one search.

use super::link::Link;
use super::tally::{DAY, HOUR};
use rusqlite::OptionalExtension;

/// Hours of a day.
const HOURS: i64 = 24;

/// A group as far as its counts go. Times are of visible events, if there are some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub id: i64,
    pub n: i64,
    pub hidden: i64,
    pub first: i64,
    pub last: i64,
}

/// Row number and counts of a group, by `WHERE` and one parameter.
pub(super) fn counted(link: &Link, by: &str, value: i64) -> rusqlite::Result<Option<Counted>> {
    let sql = format!("SELECT id, n, hidden, first, last FROM grp WHERE {by} = ?");
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Counted { id: row.get(0)?, n: row.get(1)?, hidden: row.get(2)?, first: row.get(3)?, last: row.get(4)? })
    };
    link.db.prepare_cached(&sql)?.query_row([value], row).optional()
}

/// Days from `first` to `last` on which anything happened, in order.
pub(super) fn days(link: &Link, first: i64, last: i64) -> rusqlite::Result<Vec<i64>> {
    let mut next =
        link.db.prepare_cached("SELECT day FROM roll_day WHERE day >= ? AND day <= ? ORDER BY day LIMIT 1")?;
    let mut days = Vec::new();
    let mut at = first;
    while let Some(day) = next.query_row([at, last], |row| row.get::<_, i64>(0)).optional()? {
        days.push(day);
        at = day + 1;
    }
    Ok(days)
}

/// Hands out a group's hours of those days: hour since 1970, events.
pub(super) fn each(link: &Link, group: &Counted, days: &[i64], mut each: impl FnMut(i64, u64)) -> rusqlite::Result<()> {
    let mut statement = link.db.prepare_cached("SELECT hour, n FROM grp_hour WHERE day = ? AND grp = ?")?;
    let (first, last) = (group.first.div_euclid(DAY), group.last.div_euclid(DAY));
    for day in days.iter().filter(|day| (first..=last).contains(*day)) {
        let mut rows = statement.query([*day, group.id])?;
        while let Some(row) = rows.next()? {
            each(day * HOURS + row.get::<_, i64>(0)?, row.get::<_, i64>(1)?.unsigned_abs());
        }
    }
    Ok(())
}

/// A group's visible events after `from` up to `to`: whole hours from the table, what is left from the events. `None` if
/// more events than `budget` would have to be counted; what was counted is taken from it.
pub(super) fn between(
    link: &Link,
    group: &Counted,
    days: &[i64],
    (from, to): (i64, i64),
    budget: &mut u64,
) -> rusqlite::Result<Option<u64>> {
    if group.n == 0 || group.last <= from || group.first > to {
        return Ok(Some(0));
    }
    if group.first > from && group.last <= to {
        return Ok(Some(group.n.unsigned_abs()));
    }
    // Before its first event and after its last a group has none: there the hours are whole.
    let mut edges = Vec::new();
    let mut begin = group.first.div_euclid(HOUR);
    let mut end = group.last.div_euclid(HOUR) + 1;
    if from >= group.first {
        let moment = from.saturating_add(1);
        begin = moment.div_euclid(HOUR);
        if moment.rem_euclid(HOUR) != 0 {
            begin += 1;
            edges.push((moment, begin.saturating_mul(HOUR).saturating_sub(1).min(to)));
        }
    }
    if to < group.last {
        end = (to + 1).div_euclid(HOUR);
        let moment = end.saturating_mul(HOUR);
        // An hour that holds both ends is one edge.
        if moment <= to && end >= begin {
            edges.push((moment, to));
        }
    }
    let mut count = 0;
    each(link, group, days, |hour, n| {
        if (begin..end).contains(&hour) {
            count += n;
        }
    })?;
    let visible = if group.hidden == 0 { "" } else { "AND sup = 0" };
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM event INDEXED BY event_grp WHERE grp = ? AND t BETWEEN ? AND ? {visible}
         LIMIT ?)"
    );
    let mut statement = link.db.prepare_cached(&sql)?;
    for (first, last) in edges {
        let most = i64::try_from(*budget).unwrap_or(i64::MAX).saturating_add(1);
        let found: i64 = statement.query_row([group.id, first, last, most], |row| row.get(0))?;
        if found >= most {
            return Ok(None);
        }
        *budget -= found.unsigned_abs();
        count += found.unsigned_abs();
    }
    Ok(Some(count))
}
