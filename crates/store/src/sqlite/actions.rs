//! Decisions about groups, each one transaction with its audit entries and what is needed to take it back.

use super::writer::Writer;
use super::{audit, groups, rows};
use crate::{
    Action, ActionOutcome, ActionRequest, Covers, Decision, GroupId, MAX_ACTION_GROUPS, StoreError, Target,
    UndoOutcome, UndoToken,
};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// How long an action can be taken back: 10 minutes, in nanoseconds.
const UNDO: i64 = 600_000_000_000;
/// Rows that come back with an answer.
const ROWS: usize = 100;

/// What an action changes of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Decided {
    status: i64,
    assignee: Option<String>,
    reason: Option<i64>,
    reason_text: Option<String>,
    covers: Option<i64>,
    covers_until: Option<i64>,
    comments: i64,
    reopened_at: Option<i64>,
    reopened_why: Option<String>,
}

/// Carries an action out.
pub(super) fn act(writer: &mut Writer, request: &ActionRequest) -> Result<ActionOutcome, StoreError> {
    request.check()?;
    let (ids, events, token) = writer.transaction(|writer, touch| {
        let ids = targets(writer, request)?;
        let found = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        if let Some(expected) = request.expected_count
            && found.abs_diff(expected).saturating_mul(10) > expected
        {
            return Err(StoreError::CountMoved { expected, found });
        }
        if ids.is_empty() {
            return Ok((ids, 0, None));
        }
        let apply = |writer: &Writer| {
            let db = &writer.link.db;
            db.execute("DELETE FROM undo WHERE at < ?", [request.now.0.saturating_sub(UNDO)])?;
            let token: String = db.query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0))?;
            let mut events = 0;
            for id in &ids {
                events += one(writer, *id, request, &token, touch)?;
            }
            Ok((events, token))
        };
        let (events, token) = apply(writer).map_err(|error| writer.link.failed(&error))?;
        Ok((ids, events, Some(UndoToken(token))))
    })?;
    Ok(ActionOutcome {
        groups: u64::try_from(ids.len()).unwrap_or(u64::MAX),
        events,
        rows: shown(writer, &ids)?,
        undo: token,
    })
}

/// Row numbers of the groups, each once.
fn targets(writer: &mut Writer, request: &ActionRequest) -> Result<Vec<i64>, StoreError> {
    match &request.target {
        Target::Matching(filter) => writer.searching(filter.now.0, |link| groups::all(link, filter, MAX_ACTION_GROUPS)),
        Target::Ids(ids) if ids.len() > MAX_ACTION_GROUPS => {
            Err(StoreError::TooBroad(format!("more than {MAX_ACTION_GROUPS} groups")))
        }
        Target::Ids(ids) => {
            let wanted: BTreeMap<GroupId, Option<u64>> = ids.iter().copied().collect();
            let mut found = Vec::with_capacity(wanted.len());
            for (id, expected) in wanted {
                let row = rows::group_row(&writer.link, id)?;
                let version = |row: i64| {
                    let mut find = writer.link.db.prepare_cached("SELECT version FROM grp WHERE id = ?")?;
                    find.query_row([row], |row| row.get::<_, i64>(0))
                };
                let version = version(row).map_err(|error| writer.link.failed(&error))?.unsigned_abs();
                if let Some(expected) = expected.filter(|expected| *expected != version) {
                    return Err(StoreError::Conflict { what: format!("group {id}"), expected, found: version });
                }
                found.push(row);
            }
            Ok(found)
        }
    }
}

/// Acts on one group; its events.
fn one(writer: &Writer, id: i64, request: &ActionRequest, token: &str, touch: i64) -> rusqlite::Result<u64> {
    let db = &writer.link.db;
    let (before, version, hash, events) = read(writer, id)?;
    let mut after = before.clone();
    let mut detail = serde_json::Map::new();
    match &request.action {
        Action::Dismiss { reason, text, covers } => {
            after.status = crate::Status::Dismissed.code();
            after.reason = Some(reason.number().into());
            after.reason_text.clone_from(text);
            (after.covers, after.covers_until) = match covers {
                Covers::Present => (Some(0), None),
                Covers::KnownShapes => (Some(1), None),
                Covers::KnownShapesUntil(until) => (Some(2), Some(until.0)),
            };
            detail.insert("reason".into(), json!(reason.name()));
            detail.insert("text".into(), json!(text));
            detail.insert("covers".into(), json!(covers));
        }
        Action::Acknowledge => after.status = crate::Status::Acknowledged.code(),
        Action::Escalate => after.status = crate::Status::Escalated.code(),
        Action::Reopen => after.status = crate::Status::Open.code(),
        Action::Assign { to } => {
            after.assignee.clone_from(to);
            detail.insert("to".into(), json!(to));
        }
        Action::Comment { text } => {
            after.comments += 1;
            detail.insert("text".into(), json!(text));
        }
    }
    if !matches!(request.action, Action::Assign { .. } | Action::Comment { .. }) {
        // Somebody has looked at it: it is no longer "back by itself".
        (after.reopened_at, after.reopened_why) = (None, None);
        if after.status != crate::Status::Dismissed.code() {
            (after.reason, after.reason_text, after.covers, after.covers_until) = (None, None, None, None);
        }
    }
    let (who, now) = (&request.who, request.now.0);
    audit::add(db, now, who, request.action.name(), Some(hash), &detail.into())?;
    if let Some(text) = &request.comment {
        after.comments += 1;
        audit::add(db, now, who, "comment", Some(hash), &json!({ "text": text }))?;
    }
    write(writer, id, &after, version + 1, touch)?;
    db.prepare_cached("INSERT INTO undo VALUES (?, ?, ?, ?, ?)")?.execute(params![
        token,
        id,
        now,
        version + 1,
        serde_json::to_string(&before).unwrap_or_default()
    ])?;
    Ok(events)
}

/// State, version, hash, visible events.
fn read(writer: &Writer, id: i64) -> rusqlite::Result<(Decided, i64, i64, u64)> {
    let mut find = writer.link.db.prepare_cached(
        "SELECT status, assignee, reason, reason_text, covers, covers_until, comments, reopened_at, reopened_why,
            version, hash, n FROM grp WHERE id = ?",
    )?;
    find.query_row([id], |row| {
        let decided = Decided {
            status: row.get(0)?,
            assignee: row.get(1)?,
            reason: row.get(2)?,
            reason_text: row.get(3)?,
            covers: row.get(4)?,
            covers_until: row.get(5)?,
            comments: row.get(6)?,
            reopened_at: row.get(7)?,
            reopened_why: row.get(8)?,
        };
        Ok((decided, row.get(9)?, row.get(10)?, row.get::<_, i64>(11)?.unsigned_abs()))
    })
}

fn write(writer: &Writer, id: i64, to: &Decided, version: i64, touch: i64) -> rusqlite::Result<()> {
    let mut update = writer.link.db.prepare_cached(
        "UPDATE grp SET status = ?2, assignee = ?3, reason = ?4, reason_text = ?5, covers = ?6, covers_until = ?7,
            comments = ?8, reopened_at = ?9, reopened_why = ?10, version = ?11, touch = ?12 WHERE id = ?1",
    )?;
    let Decided { status, assignee, reason, reason_text, covers, covers_until, comments, reopened_at, reopened_why } =
        to;
    update.execute(params![
        id,
        status,
        assignee,
        reason,
        reason_text,
        covers,
        covers_until,
        comments,
        reopened_at,
        reopened_why,
        version,
        touch
    ])?;
    Ok(())
}

/// Takes an action back.
pub(super) fn undo(writer: &mut Writer, token: &UndoToken, by: &Decision) -> Result<UndoOutcome, StoreError> {
    let (restored, skipped) = writer.transaction(|writer, touch| {
        let kept = |writer: &Writer| {
            let mut find = writer
                .link
                .db
                .prepare_cached("SELECT grp, version, before FROM undo WHERE token = ? AND at >= ? ORDER BY grp")?;
            let since = by.now.0.saturating_sub(UNDO);
            let rows = find.query_map(params![token.0, since], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let kept = kept(writer).map_err(|error| writer.link.failed(&error))?;
        if kept.is_empty() {
            return Err(StoreError::UndoGone);
        }
        let restore = |writer: &Writer| {
            let (mut restored, mut skipped) = (Vec::new(), Vec::new());
            for (id, version, before) in kept {
                let Some((_, now, hash, _)) = read(writer, id).optional()? else { continue };
                let before: Option<Decided> = serde_json::from_str(&before).ok();
                match before.filter(|_| now == version) {
                    Some(before) => {
                        write(writer, id, &before, version + 1, touch)?;
                        audit::add(&writer.link.db, by.now.0, &by.who, "undo", Some(hash), &json!({}))?;
                        restored.push(id);
                    }
                    None => skipped.push(GroupId(hash.cast_unsigned())),
                }
            }
            writer.link.db.execute("DELETE FROM undo WHERE token = ?", [&token.0])?;
            Ok((restored, skipped))
        };
        restore(writer).map_err(|error| writer.link.failed(&error))
    })?;
    Ok(UndoOutcome {
        restored: u64::try_from(restored.len()).unwrap_or(u64::MAX),
        skipped,
        rows: shown(writer, &restored)?,
    })
}

fn shown(writer: &mut Writer, ids: &[i64]) -> Result<Vec<crate::Group>, StoreError> {
    writer.link.refresh()?;
    let noisy = writer.link.noisy()?;
    rows::groups(&writer.link, ids.get(..ROWS).unwrap_or(ids), false, noisy)
}
