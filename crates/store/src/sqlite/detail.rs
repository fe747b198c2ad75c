//! One group: its shapes, its history, its events by pod and port, its sparkline.

use super::audit;
use super::dictionary::entry;
use super::hours::{self, Counted};
use super::link::Link;
use super::rows;
use super::tally::{DAY, HOUR};
use crate::{AuditWhat, Breakdown, BreakdownRow, GroupDetail, GroupId, PageRequest, Partial, ShapeRow, StoreError};
use std::collections::BTreeMap;
use tapir_packet::Timestamp;

/// Rows of a breakdown.
const BREAKDOWN: usize = 200;
/// Events of a sparkline up to which each is looked at.
const FEW: u64 = 200;

/// The head of the drawer.
pub(super) fn group(link: &mut Link, id: GroupId) -> Result<GroupDetail, StoreError> {
    let row = rows::group_row(link, id)?;
    let noisy = link.noisy()?;
    let group = rows::groups(link, &[row], false, noisy)?.pop();
    let group = group.ok_or_else(|| StoreError::NotFound { what: "group", id: id.to_string() })?;
    let read = || {
        let mut statement = link.db.prepare_cached(
            "SELECT shape, n, last, opened_at, opened_by FROM grp_shape WHERE grp = ? AND n > 0
             ORDER BY last DESC, shape LIMIT 100",
        )?;
        let shapes = statement.query_map([row], |row| {
            Ok(ShapeRow {
                shape: format!("{:016x}", row.get::<_, i64>(0)?.cast_unsigned()),
                count: row.get::<_, i64>(1)?.unsigned_abs(),
                last_seen: Timestamp(row.get(2)?),
                opened_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
                opened_by: row.get(4)?,
            })
        })?;
        shapes.collect::<rusqlite::Result<Vec<_>>>()
    };
    let shapes_seen = read().map_err(|error| link.failed(&error))?;
    let what = AuditWhat { group: Some(id), who: None };
    let history = audit::page(link, &what, &PageRequest::default())?.items;
    Ok(GroupDetail { group, shapes_seen, history })
}

/// Events by pod and port, of the newest that may be looked at.
pub(super) fn breakdown(link: &mut Link, id: GroupId) -> Result<Breakdown, StoreError> {
    let row = rows::group_row(link, id)?;
    type Key = (i64, Option<Vec<u8>>, i64, Option<Vec<u8>>, Option<u16>);
    let mut counts: BTreeMap<Key, (u64, i64)> = BTreeMap::new();
    let counted = (|| {
        let mut statement = link.db.prepare_cached(
            "SELECT e.cpod, e.cip, e.spod, e.sip, e.sport, e.t FROM event e INDEXED BY event_grp
             WHERE e.grp = ? AND CASE WHEN tick(e.t, e.id, 0) THEN e.sup = 0 END ORDER BY e.t DESC",
        )?;
        let mut rows = statement.query([row])?;
        while let Some(row) = rows.next()? {
            let key = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            let t: i64 = row.get(5)?;
            let (count, last) = counts.entry(key).or_insert((0, t));
            *count += 1;
            *last = t.max(*last);
        }
        Ok(())
    })();
    let partial = ended(link, counted)?;
    let pod = |id: i64| entry(&link.words.pods, id).map(|pod| pod.pod.clone());
    let address = |bytes: Option<Vec<u8>>| bytes.as_deref().and_then(super::row::address);
    let mut rows: Vec<BreakdownRow> = counts
        .into_iter()
        .map(|((cpod, cip, spod, sip, server_port), (count, last))| BreakdownRow {
            client_pod: pod(cpod),
            client_ip: address(cip),
            server_pod: pod(spod),
            server_ip: address(sip),
            server_port,
            count,
            last_seen: Timestamp(last),
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    let more = u64::try_from(rows.len().saturating_sub(BREAKDOWN)).unwrap_or(0);
    rows.truncate(BREAKDOWN);
    Ok(Breakdown { rows, more, partial })
}

/// Events of groups over time. Where parts are an hour or more, and of groups with more than [`FEW`] events in the range,
/// the events of an hour are divided evenly over it.
pub(super) fn sparklines(
    link: &mut Link,
    groups: &[GroupId],
    from: i64,
    to: i64,
    buckets: usize,
) -> Result<(Vec<Vec<u64>>, Option<Partial>), StoreError> {
    let span = i128::from(to) - i128::from(from);
    if buckets == 0 || buckets > 100 || groups.len() > 1_000 || span <= 0 {
        return Err(StoreError::Invalid("sparklines: 1 to 100 buckets, up to 1,000 groups, `from` before `to`".into()));
    }
    let mut lines = vec![vec![0; buckets]; groups.len()];
    let parts = Parts { from: i128::from(from) + 1, span, count: i128::try_from(buckets).unwrap_or(1) };
    let days = hours::days(link, from.div_euclid(DAY), to.div_euclid(DAY)).map_err(|error| link.failed(&error))?;
    let counted = (|| {
        for (id, line) in groups.iter().zip(&mut lines) {
            let Some(group) = hours::counted(link, "hash", id.0.cast_signed())? else { continue };
            if group.last <= from || group.first > to {
                continue;
            }
            let mut by_hour = Vec::new();
            if span / parts.count >= i128::from(HOUR) {
                let asked = from.div_euclid(HOUR)..=to.div_euclid(HOUR);
                hours::each(link, &group, &days, |hour, n| by_hour.extend(asked.contains(&hour).then_some((hour, n))))?;
            }
            if by_hour.iter().map(|(_, n)| n).sum::<u64>() > FEW {
                by_hour.into_iter().for_each(|(hour, n)| parts.spread(line, hour, n));
            } else {
                one_by_one(link, &group, (from, to), &parts, line)?;
            }
        }
        Ok(())
    })();
    let partial = ended(link, counted)?;
    Ok((lines, partial))
}

/// Adds a group's events in the range.
fn one_by_one(
    link: &Link,
    group: &Counted,
    (from, to): (i64, i64),
    parts: &Parts,
    line: &mut [u64],
) -> rusqlite::Result<()> {
    // The index alone tells, unless some of the events are hidden.
    let visible = if group.hidden == 0 { "1" } else { "e.sup = 0" };
    let sql = format!(
        "SELECT e.t FROM event e INDEXED BY event_grp WHERE e.grp = ? AND e.t > ? AND e.t <= ?
         AND CASE WHEN tick(e.t, 0, 0) THEN {visible} END"
    );
    let mut statement = link.db.prepare_cached(&sql)?;
    let mut rows = statement.query([group.id, from, to])?;
    while let Some(row) = rows.next()? {
        if let Some(part) = parts.at(i128::from(row.get::<_, i64>(0)?)).and_then(|place| line.get_mut(place)) {
            *part += 1;
        }
    }
    Ok(())
}

/// Equal parts of a range, which begins at `from`. Each is open at its beginning, as the range is.
struct Parts {
    from: i128,
    span: i128,
    count: i128,
}

impl Parts {
    fn at(&self, t: i128) -> Option<usize> {
        usize::try_from((t - self.from).checked_mul(self.count)?.div_euclid(self.span)).ok()
    }

    /// Adds the events of an hour as if they lay evenly in it.
    fn spread(&self, line: &mut [u64], hour: i64, n: u64) {
        let begin = i128::from(hour) * i128::from(HOUR);
        let share = |until: i128| {
            let part = (until - begin).clamp(0, i128::from(HOUR));
            u64::try_from(i128::from(n) * part / i128::from(HOUR)).unwrap_or(0)
        };
        for (place, to) in (0i128..).zip(line) {
            let edge = |place: i128| self.from + (place * self.span).div_euclid(self.count);
            *to += share(edge(place + 1)) - share(edge(place));
        }
    }
}

/// A count that may have been ended by a limit.
pub(super) fn ended(link: &Link, counted: rusqlite::Result<()>) -> Result<Option<Partial>, StoreError> {
    match counted {
        Ok(()) => Ok(None),
        Err(error) => link.guard.stopped().map(Some).ok_or_else(|| link.failed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_divided_over_the_parts_they_lie_in() {
        let hour = i128::from(HOUR);
        let parts = Parts { from: hour / 2, span: 2 * hour, count: 2 };
        let mut line = [0; 2];
        for (at, n) in [(0, 10), (1, 100), (2, 1_001), (3, 7)] {
            parts.spread(&mut line, at, n);
        }
        // Half of hour 0 and of hour 1; the other half of hour 1 and half of hour 2.
        assert_eq!(line, [5 + 50, 50 + 500]);
        assert_eq!(
            (parts.at(hour / 2), parts.at(hour + hour / 2 - 1), parts.at(hour + hour / 2)),
            (Some(0), Some(0), Some(1))
        );
    }
}
