//! Removing old events, and bringing hidden ones back: at most [`STEP`] at a time, with all their counts.

use super::arrivals;
use super::dictionary::{Word, entry};
use super::groups_work;
use super::index::Unwritten;
use super::put::{Counted, count, visible};
use super::row::{Address, flag};
use super::tally::Tally;
use super::writer::Writer;
use crate::{RetentionPolicy, RetentionReport, Status, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tapir_event::SecurityEvent;

/// Events of one step.
const STEP: usize = 5_000;
/// Pages that one step gives back to the disk.
const PAGES: u32 = 4_000;

/// An event on its way out, or back.
struct Leaving {
    id: i64,
    got: i64,
    counted: Counted,
    flags: i64,
    addresses: Vec<Address>,
}

const COLUMNS: &str = "SELECT id, got, grp, t, sev, sig, sup, cpod, spod, shape, flags, cip, sip FROM event";

fn leaving(row: &Row<'_>) -> rusqlite::Result<Leaving> {
    let addresses: [Option<Vec<u8>>; 2] = [row.get(11)?, row.get(12)?];
    Ok(Leaving {
        id: row.get(0)?,
        got: row.get(1)?,
        counted: Counted {
            grp: row.get(2)?,
            t: row.get(3)?,
            sev: row.get(4)?,
            sig: row.get(5)?,
            sup: row.get(6)?,
            cpod: row.get(7)?,
            spod: row.get(8)?,
            shape: row.get(9)?,
        },
        flags: row.get(10)?,
        addresses: addresses.iter().flatten().filter_map(|bytes| Address::of(bytes)).collect(),
    })
}

fn select(db: &Connection, rest: &str, params: Vec<Value>) -> rusqlite::Result<Vec<Leaving>> {
    let mut statement = db.prepare_cached(&format!("{COLUMNS} {rest}"))?;
    statement.query_map(params_from_iter(params), leaving)?.collect()
}

/// One step of retention.
pub(super) fn step(writer: &mut Writer, policy: &RetentionPolicy, now: i64) -> Result<RetentionReport, StoreError> {
    let cutoff = |keep: Duration| {
        now.div_euclid(1_000_000_000).saturating_sub(i64::try_from(keep.as_secs()).unwrap_or(i64::MAX))
    };
    let (old, old_hidden) = (cutoff(policy.keep), cutoff(policy.keep_suppressed));
    let report = writer.transaction(|writer, touch| {
        let mut report = RetentionReport::default();
        writer.link.refresh()?;
        let (mut found, kind) = due(writer, policy, old, old_hidden).map_err(|error| writer.link.failed(&error))?;
        report.more = found.len() >= STEP;
        found.truncate(STEP);
        let removed = u64::try_from(found.len()).unwrap_or(0);
        match kind {
            Kind::Age => report.by_age = removed,
            Kind::Hidden => report.by_suppression = removed,
            Kind::Size => report.by_size = removed,
        }
        report.groups = remove(writer, &found, touch)?;
        Ok(report)
    })?;
    let removed = report.by_age + report.by_suppression + report.by_size;
    writer.gauges.removed.fetch_add(removed, Ordering::Relaxed);
    if removed > 0 {
        let pragma = format!("PRAGMA incremental_vacuum({PAGES})");
        writer.link.db.execute_batch(&pragma).map_err(|error| writer.link.failed(&error))?;
    }
    Ok(report)
}

enum Kind {
    Age,
    Hidden,
    Size,
}

/// The next events to go.
fn due(writer: &Writer, policy: &RetentionPolicy, old: i64, old_hidden: i64) -> rusqlite::Result<(Vec<Leaving>, Kind)> {
    let db = &writer.link.db;
    let step = Value::from(i64::try_from(STEP).unwrap_or(i64::MAX));
    let oldest = || select(db, "ORDER BY id LIMIT ?", vec![step.clone()]);
    // Row numbers follow the time of arrival; a clock that was set back only delays.
    let mut found = oldest()?;
    let end = found.iter().position(|event| event.got >= old).unwrap_or(found.len());
    found.truncate(end);
    if !found.is_empty() {
        return Ok((found, Kind::Age));
    }
    for (word, _) in writer.link.words.words_of(Word::Suppression) {
        let mut found = select(db, "WHERE sup = ? AND sup > 0 ORDER BY id LIMIT ?", vec![word.into(), step.clone()])?;
        let end = found.iter().position(|event| event.got >= old_hidden).unwrap_or(found.len());
        found.truncate(end);
        if !found.is_empty() {
            return Ok((found, Kind::Hidden));
        }
    }
    let page = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map(i64::unsigned_abs);
    let used = page("page_count")?.saturating_sub(page("freelist_count")?).saturating_mul(page("page_size")?);
    Ok((if used > policy.max_bytes { oldest()? } else { Vec::new() }, Kind::Size))
}

/// Removes events and takes them out of all counts; groups that went with them.
fn remove(writer: &mut Writer, found: &[Leaving], touch: i64) -> Result<u64, StoreError> {
    if found.is_empty() {
        return Ok(0);
    }
    writer.link.refresh()?;
    let mut tally = Tally::default();
    let mut groups: BTreeMap<i64, Change> = BTreeMap::new();
    let mut rules: BTreeMap<i64, BTreeMap<i64, i64>> = BTreeMap::new();
    for event in found {
        let namespaces = namespaces(writer, &event.counted)?;
        let mut addresses = event.addresses.clone();
        if event.flags & flag::IRREGULAR != 0 {
            addresses.extend(others(writer, event.id)?);
        }
        count(&mut tally, &event.counted, namespaces, addresses.into_iter(), -1);
        *rules.entry(event.counted.grp).or_default().entry(event.counted.sig).or_default() += 1;
        let change = groups.entry(event.counted.grp).or_default();
        *(if event.counted.sup == 0 { &mut change.n } else { &mut change.hidden }) -= 1;
        change.unclear -= i64::from(event.flags >> flag::BLIND_SHIFT & 15 != 0);
    }
    let write = |writer: &Writer| {
        let db = &writer.link.db;
        arrivals::going(db, found.iter().map(|event| event.id).max().unwrap_or_default())?;
        let mut delete = db.prepare_cached("DELETE FROM event WHERE id = ?")?;
        for event in found {
            delete.execute([event.id])?;
        }
        tally.write(db)?;
        let touched: Vec<(i64, i64)> = tally.shapes.keys().copied().collect();
        let shapes = groups_work::shapes(db, &mut tally)?;
        for (grp, gone) in &rules {
            groups_work::forget_rules(db, *grp, gone)?;
        }
        let mut gone = 0;
        for (grp, change) in groups {
            let shapes = shapes.get(&grp).copied().unwrap_or(0);
            gone += u64::from(change.write(db, grp, shapes, touch)?);
        }
        // Shapes of a dismissed group stay known, or an old one would bring it back as new.
        let mut forget = db.prepare_cached(
            "DELETE FROM grp_shape WHERE grp = ?1 AND shape = ?2 AND n + hidden <= 0
             AND NOT EXISTS (SELECT 1 FROM grp WHERE id = ?1 AND status = ?3)",
        )?;
        for (grp, shape) in touched {
            forget.execute(params![grp, shape, Status::Dismissed.code()])?;
        }
        Ok(gone)
    };
    write(writer).map_err(|error| writer.link.failed(&error))
}

/// Brings back a step of hidden events whose suppression was removed; whether there are more.
pub(super) fn reveal(writer: &mut Writer, touch: i64) -> Result<bool, StoreError> {
    let next = |writer: &Writer| {
        let db = &writer.link.db;
        let word = db.query_row("SELECT word FROM reveal LIMIT 1", [], |row| row.get::<_, i64>(0)).optional()?;
        let Some(word) = word else { return Ok(None) };
        let step = i64::try_from(STEP).unwrap_or(i64::MAX);
        let found = select(db, "WHERE sup = ? AND sup > 0 LIMIT ?", vec![word.into(), step.into()])?;
        if found.is_empty() {
            db.execute("DELETE FROM reveal WHERE word = ?", [word])?;
        }
        Ok(Some(found))
    };
    let Some(found) = next(writer).map_err(|error| writer.link.failed(&error))? else { return Ok(false) };
    writer.link.refresh()?;
    let mut tally = Tally::default();
    let mut groups: BTreeMap<i64, Change> = BTreeMap::new();
    for event in &found {
        let mut counted = event.counted;
        counted.sup = 0;
        let namespaces = namespaces(writer, &counted)?;
        visible(&mut tally, &counted, namespaces, 1);
        if let Some(shape) = counted.shape {
            tally.shape(counted.grp, shape, true, counted.t, 1);
            tally.shape(counted.grp, shape, false, counted.t, -1);
        }
        let change = groups.entry(counted.grp).or_default();
        change.n += 1;
        change.hidden -= 1;
        change.sev = change.sev.max(counted.sev);
    }
    let write = |writer: &Writer| {
        let db = &writer.link.db;
        let mut update = db.prepare_cached("UPDATE event SET sup = 0 WHERE id = ?")?;
        for event in &found {
            update.execute([event.id])?;
        }
        tally.write(db)?;
        let shapes = groups_work::shapes(db, &mut tally)?;
        for (grp, change) in groups {
            change.write(db, grp, shapes.get(&grp).copied().unwrap_or(0), touch)?;
        }
        Ok(())
    };
    write(writer).map_err(|error| writer.link.failed(&error))?;
    Ok(true)
}

/// What a step changes of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    n: i64,
    hidden: i64,
    unclear: i64,
    sev: i64,
}

impl Change {
    /// Writes it; `true` if the group is gone.
    fn write(self, db: &Connection, grp: i64, shapes: i64, touch: i64) -> rusqlite::Result<bool> {
        let mut update = db.prepare_cached(
            "UPDATE grp SET n = n + ?2, hidden = hidden + ?3, unclear = unclear + ?4, shapes = shapes + ?5,
                sev = max(sev, ?6), touch = ?7 WHERE id = ?1 RETURNING n, hidden",
        )?;
        let left = update
            .query_row(params![grp, self.n, self.hidden, self.unclear, shapes, self.sev, touch], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
            .optional()?;
        let Some((n, hidden)) = left else { return Ok(false) };
        if n + hidden > 0 {
            // Of visible events; of all, if none is visible.
            let of = if n > 0 { "AND sup = 0" } else { "" };
            let end = |order: &str| {
                let sql =
                    format!("SELECT t FROM event INDEXED BY event_grp WHERE grp = ? {of} ORDER BY t {order} LIMIT 1");
                db.prepare_cached(&sql)?.query_row([grp], |row| row.get::<_, i64>(0)).optional()
            };
            if let (Some(first), Some(last)) = (end("ASC")?, end("DESC")?) {
                let mut update = db.prepare_cached("UPDATE grp SET first = ?2, last = ?3 WHERE id = ?1")?;
                update.execute([grp, first, last])?;
            }
            return Ok(false);
        }
        let mut delete =
            db.prepare_cached("DELETE FROM grp WHERE id = ? AND status = 0 AND comments = 0 AND assignee IS NULL")?;
        if delete.execute([grp])? == 0 {
            // People's decisions stay: they hold for events to come.
            return Ok(false);
        }
        db.prepare_cached("DELETE FROM grp_shape WHERE grp = ?")?.execute([grp])?;
        db.prepare_cached("DELETE FROM grp_sig WHERE grp = ?")?.execute([grp])?;
        Ok(true)
    }
}

fn namespaces(writer: &mut Writer, event: &Counted) -> Result<[i64; 2], StoreError> {
    let Writer { link, index, .. } = writer;
    let mut found = [0; 2];
    for (to, pod) in found.iter_mut().zip([event.cpod, event.spod]) {
        let name = entry(&link.words.pods, pod).map_or("", |pod| &pod.namespace);
        *to = index.word(&link.db, Word::Namespace, name).map_err(|error| match error {
            Unwritten::Refused(why) => StoreError::Invalid(why),
            Unwritten::Sql(error) => link.failed(&error),
        })?;
    }
    Ok(found)
}

/// Addresses of an event that are not in its columns.
fn others(writer: &Writer, id: i64) -> Result<Vec<Address>, StoreError> {
    let link = &writer.link;
    let body: Vec<u8> = link
        .db
        .query_row("SELECT body FROM event WHERE id = ?", [id], |row| row.get(0))
        .map_err(|error| link.failed(&error))?;
    let event: Option<SecurityEvent> =
        link.guard.open(&body).ok().and_then(|document| serde_json::from_slice(&document).ok());
    let ends = event.map_or([None, None], |event| [event.source, event.destination]);
    Ok(ends.into_iter().flatten().map(|end| Address::new(end.address)).collect())
}
