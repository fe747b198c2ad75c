//! The audit log: who did what, when.

use super::link::Link;
use crate::cursor::{List, Position};
use crate::{AuditEntry, AuditPage, AuditWhat, GroupId, PageRequest, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use tapir_packet::Timestamp;

/// Adds an entry.
pub(super) fn add(
    db: &Connection,
    at: i64,
    who: &str,
    action: &str,
    group: Option<i64>,
    detail: &serde_json::Value,
) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO audit (at, who, action, grp, detail) VALUES (?, ?, ?, ?, ?)")?.execute(params![
        at,
        who,
        action,
        group,
        detail.to_string()
    ])?;
    Ok(())
}

/// A page of it.
pub(super) fn page(link: &mut Link, what: &AuditWhat, page: &PageRequest) -> Result<AuditPage, StoreError> {
    let about = format!("{what:?}");
    let before = match &page.cursor {
        Some(cursor) => link.signer.read(List::Audit, &about, cursor)?.id,
        None => i64::MAX,
    };
    let mut sql = "SELECT id, at, who, action, grp, detail FROM audit WHERE id < ?".to_owned();
    let mut params = vec![Value::from(before)];
    if let Some(group) = what.group {
        sql.push_str(" AND grp = ?");
        params.push(group.0.cast_signed().into());
    }
    if let Some(who) = &what.who {
        sql.push_str(" AND who = ?");
        params.push(who.clone().into());
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    let rows = page.rows();
    params.push(i64::try_from(rows + 1).unwrap_or(i64::MAX).into());
    let read = || {
        let mut statement = link.db.prepare_cached(&sql)?;
        let found = statement.query_map(params_from_iter(params), |row| {
            let detail: String = row.get(5)?;
            Ok(AuditEntry {
                id: row.get::<_, i64>(0)?.unsigned_abs(),
                at: Timestamp(row.get(1)?),
                who: row.get(2)?,
                action: row.get(3)?,
                group: row.get::<_, Option<i64>>(4)?.map(|hash| GroupId(hash.cast_unsigned())),
                detail: serde_json::from_str(&detail).unwrap_or_default(),
            })
        })?;
        found.collect::<rusqlite::Result<Vec<_>>>()
    };
    let mut items = read().map_err(|error| link.failed(&error))?;
    let more = items.len() > rows;
    items.truncate(rows);
    let last = items.last().filter(|_| more).map(|entry| entry.id.cast_signed());
    let next = last.map(|id| link.signer.sign(List::Audit, &about, Position { id, ..Position::default() }));
    Ok(AuditPage { items, next })
}
