//! One group: its shapes, its history, its events by pod and port, its sparkline.

use super::audit;
use super::dictionary::entry;
use super::link::Link;
use super::rows;
use crate::{AuditWhat, Breakdown, BreakdownRow, GroupDetail, GroupId, PageRequest, Partial, ShapeRow, StoreError};
use std::collections::BTreeMap;
use tapir_packet::Timestamp;

/// Rows of a breakdown.
const BREAKDOWN: usize = 200;

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

/// Events of groups over time.
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
    let count = i128::try_from(buckets).unwrap_or(1);
    let counted = (|| {
        let mut find = link.db.prepare_cached("SELECT id FROM grp WHERE hash = ?")?;
        let mut statement = link.db.prepare_cached(
            "SELECT e.t FROM event e INDEXED BY event_grp WHERE e.grp = ? AND e.t > ? AND e.t <= ?
             AND CASE WHEN tick(e.t, e.id, 0) THEN e.sup = 0 END",
        )?;
        for (id, line) in groups.iter().zip(&mut lines) {
            let mut found = find.query([id.0.cast_signed()])?;
            let Some(group) = found.next()? else { continue };
            let mut rows = statement.query([group.get(0)?, from, to])?;
            while let Some(row) = rows.next()? {
                // Buckets are open at their beginning, as the range is.
                let offset = i128::from(row.get::<_, i64>(0)?) - i128::from(from) - 1;
                let place = usize::try_from(offset * count / span).unwrap_or(0);
                if let Some(bucket) = line.get_mut(place) {
                    *bucket += 1;
                }
            }
        }
        Ok(())
    })();
    let partial = ended(link, counted)?;
    Ok((lines, partial))
}

/// A count that may have been ended by a limit.
pub(super) fn ended(link: &Link, counted: rusqlite::Result<()>) -> Result<Option<Partial>, StoreError> {
    match counted {
        Ok(()) => Ok(None),
        Err(error) => link.guard.partial().map(Some).ok_or_else(|| link.failed(&error)),
    }
}
