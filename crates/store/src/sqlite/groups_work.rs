//! The groups that a transaction touches: read once, changed in memory, written once.
//!
//! *Rules of a group*: nearly all groups have events of one revision of their rule. Its number stands in `grp.sig`, and
//! `grp_sig` has rows only of groups with several (`grp.sigs` > 1): rows of others, if there are any, mean nothing.

use super::index::{Ids, RowIds, Unwritten};
use super::names::at;
use super::row::{Address, Row, address, flag};
use super::tally::Tally;
use crate::extent::{Counted, Extent};
use crate::{Covers, Status};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap, HashSet};
use tapir_packet::Timestamp;

/// A group while events are added.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub id: i64,
    hash: i64,
    extent: Extent,
    shapes: i64,
    rules: Rules,
    newest: Option<Newest>,
    status: Status,
    covers: Covers,
    version: i64,
    reopened: Option<(i64, String)>,
    /// Shapes that this transaction saw, and that the group has; of dismissed groups only, which ask.
    known: HashSet<i64>,
}

/// The rules of a group's events.
#[derive(Clone, Debug, Default)]
struct Rules {
    /// Of the newest event.
    newest: i64,
    /// How many there were before this transaction; the one, if it was one; its events.
    count: i64,
    only: i64,
    before: i64,
    /// Events that this transaction adds.
    added: Vec<(i64, i64)>,
}

#[derive(Clone, Debug)]
struct Newest {
    cip: Option<Address>,
    sip: Option<Address>,
    sport: Option<u16>,
}

/// All groups of a transaction, by hash.
pub(super) struct Groups {
    groups: HashMap<i64, Work>,
    touch: i64,
}

/// The columns of a dismissal.
pub(super) fn covers(kind: Option<i64>, until: Option<i64>) -> Covers {
    match (kind, until) {
        (Some(2), Some(until)) => Covers::KnownShapesUntil(Timestamp(until)),
        (Some(1), _) => Covers::KnownShapes,
        _ => Covers::Present,
    }
}

/// A severity, from its column.
fn severity(column: i64) -> u8 {
    u8::try_from(column).unwrap_or(100)
}

impl Groups {
    pub(super) fn new(touch: i64) -> Self {
        Self { groups: HashMap::new(), touch }
    }

    /// The group of an event, made if it is new.
    pub(super) fn of(&mut self, db: &Connection, names: &Ids, row: &Row, ids: &RowIds) -> Result<&mut Work, Unwritten> {
        if !self.groups.contains_key(&row.hash) {
            let work = match find(db, row.hash)? {
                Some(work) => work,
                None => self.make(db, names, row, ids)?,
            };
            self.groups.insert(row.hash, work);
        }
        let missing = || Unwritten::Refused("its group could not be made".to_owned());
        self.groups.get_mut(&row.hash).ok_or_else(missing)
    }

    fn make(&self, db: &Connection, names: &Ids, row: &Row, ids: &RowIds) -> Result<Work, Unwritten> {
        let mut insert = db.prepare_cached(
            "INSERT INTO grp (hash, gid, sid, sig, sigs, sev, client, server, inspection, first, last, n, hidden,
                shapes, unclear, touch) VALUES (?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?)",
        )?;
        let (gid, sid) = at(&names.rules_named, row.rule).map_or((0, 0), |rule| (rule.gid, rule.sid));
        let RowIds { sig, client, server, inspection, .. } = *ids;
        insert.execute(params![row.hash, gid, sid, sig, client, server, inspection, row.t, row.t, self.touch])?;
        Ok(Work {
            id: db.last_insert_rowid(),
            hash: row.hash,
            extent: Extent { first: row.t, last: row.t, ..Extent::default() },
            shapes: 0,
            rules: Rules { newest: sig, ..Rules::default() },
            newest: None,
            status: Status::Open,
            covers: Covers::Present,
            version: 1,
            reopened: None,
            known: HashSet::new(),
        })
    }

    /// Writes the groups and their shapes.
    pub(super) fn write(self, db: &Connection, tally: &mut Tally) -> rusqlite::Result<()> {
        let mut works: Vec<Work> = self.groups.into_values().collect();
        works.sort_unstable_by_key(|work| work.id);
        let more = shapes(db, tally)?;
        let mut update = db.prepare_cached(
            "UPDATE grp SET sig = ?2, sev = ?3, first = ?4, last = ?5, n = ?6, hidden = ?7, unclear = ?8,
                shapes = ?9, touch = ?10, sigs = ?15,
                cip = iif(?11, ?12, cip), sip = iif(?11, ?13, sip), sport = iif(?11, ?14, sport) WHERE id = ?1",
        )?;
        let mut reopen = db.prepare_cached(
            "UPDATE grp SET status = 0, version = ?2, reopened_at = ?3, reopened_why = ?4 WHERE id = ?1",
        )?;
        for work in works {
            let Extent { sev, first, last, n, hidden, unclear } = work.extent;
            if n + hidden == 0 {
                // Made for an event that was there already or was refused.
                db.prepare_cached("DELETE FROM grp WHERE id = ? AND n + hidden = 0 AND version = 1")?
                    .execute([work.id])?;
                continue;
            }
            let shapes = work.shapes + more.get(&work.id).copied().unwrap_or(0);
            let newer = work.newest.is_some();
            let (cip, sip, sport) = work.newest.map_or((None, None, None), |at| (at.cip, at.sip, at.sport));
            let sigs = work.rules.write(db, work.id)?;
            update.execute(params![
                work.id,
                work.rules.newest,
                sev,
                first,
                last,
                n.cast_signed(),
                hidden.cast_signed(),
                unclear.cast_signed(),
                shapes,
                self.touch,
                newer,
                cip,
                sip,
                sport,
                sigs
            ])?;
            if let Some((at, why)) = &work.reopened {
                reopen.execute(params![work.id, work.version, at, why])?;
                super::audit::add(db, *at, "tapir", "reopen", Some(work.hash), &serde_json::json!({ "why": why }))?;
            }
        }
        Ok(())
    }
}

fn find(db: &Connection, hash: i64) -> rusqlite::Result<Option<Work>> {
    let mut find = db.prepare_cached(
        "SELECT id, sig, sigs, sev, first, last, n, hidden, unclear, shapes, status, covers, covers_until, version
         FROM grp WHERE hash = ?",
    )?;
    let work = |found: &rusqlite::Row<'_>| {
        let number = |column: usize| found.get::<_, i64>(column).map(i64::unsigned_abs);
        let extent = Extent {
            sev: severity(found.get(3)?),
            first: found.get(4)?,
            last: found.get(5)?,
            n: number(6)?,
            hidden: number(7)?,
            unclear: number(8)?,
        };
        let (sig, count): (i64, i64) = (found.get(1)?, found.get(2)?);
        let before = extent.n.saturating_add(extent.hidden).cast_signed();
        Ok(Work {
            id: found.get(0)?,
            hash,
            extent,
            shapes: found.get(9)?,
            // A group whose events have all gone begins anew.
            rules: Rules { newest: sig, count: count.min(before), only: sig, before, added: Vec::new() },
            newest: None,
            status: Status::of_code(found.get(10)?),
            covers: covers(found.get(11)?, found.get(12)?),
            version: found.get(13)?,
            reopened: None,
            known: HashSet::new(),
        })
    };
    find.query_row([hash], work).optional()
}

impl Rules {
    fn add(&mut self, sig: i64) {
        match self.added.iter_mut().find(|(known, _)| *known == sig) {
            Some((_, n)) => *n += 1,
            None => self.added.push((sig, 1)),
        }
    }

    /// Writes what differs from one rule alone; how many there are now.
    fn write(&self, db: &Connection, grp: i64) -> rusqlite::Result<i64> {
        if self.count <= 1 {
            let one = if self.count == 1 { Some(self.only) } else { self.added.first().map(|(sig, _)| *sig) };
            if self.added.iter().all(|(sig, _)| Some(*sig) == one) {
                return Ok(1);
            }
            db.prepare_cached("DELETE FROM grp_sig WHERE grp = ?")?.execute([grp])?;
            if self.count == 1 {
                let mut first = db.prepare_cached("INSERT INTO grp_sig (grp, sig, n) VALUES (?, ?, ?)")?;
                first.execute([grp, self.only, self.before])?;
            }
        }
        let mut add = db.prepare_cached(
            "INSERT INTO grp_sig (grp, sig, n) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + ?3",
        )?;
        for (sig, n) in &self.added {
            add.execute([grp, *sig, *n])?;
        }
        let mut count = db.prepare_cached("SELECT count(*) FROM grp_sig WHERE grp = ?")?;
        count.query_row([grp], |row| row.get(0))
    }
}

/// Takes events out of the rules of a group, if it has several.
pub(super) fn forget_rules(db: &Connection, grp: i64, gone: &BTreeMap<i64, i64>) -> rusqlite::Result<()> {
    let several = db
        .prepare_cached("SELECT 1 FROM grp WHERE id = ? AND sigs > 1")?
        .query_row([grp], |row| row.get::<_, i64>(0))
        .optional()?;
    if several.is_none() {
        return Ok(());
    }
    let mut less = db.prepare_cached("UPDATE grp_sig SET n = n - ?3 WHERE grp = ?1 AND sig = ?2")?;
    for (sig, n) in gone {
        less.execute([grp, *sig, *n])?;
    }
    if db.prepare_cached("DELETE FROM grp_sig WHERE grp = ? AND n <= 0")?.execute([grp])? == 0 {
        return Ok(());
    }
    // If one is left it is the group's, whatever its newest event was.
    db.prepare_cached(
        "UPDATE grp SET sigs = max(1, (SELECT count(*) FROM grp_sig WHERE grp = ?1)),
            sig = iif((SELECT count(*) FROM grp_sig WHERE grp = ?1) = 1, (SELECT sig FROM grp_sig WHERE grp = ?1), sig)
         WHERE id = ?1",
    )?
    .execute([grp])?;
    Ok(())
}

/// Writes the shapes; by group, how many have come into sight.
pub(super) fn shapes(db: &Connection, tally: &mut Tally) -> rusqlite::Result<HashMap<i64, i64>> {
    // Mostly the shape is in sight already and stays there.
    let mut more_of = db.prepare_cached(
        "UPDATE grp_shape SET n = n + ?3, hidden = hidden + ?4, last = max(last, ?5)
         WHERE grp = ?1 AND shape = ?2 AND n > 0",
    )?;
    let mut add = db.prepare_cached(
        "INSERT INTO grp_shape (grp, shape, n, hidden, last) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT DO UPDATE SET n = n + ?3, hidden = hidden + ?4, last = max(last, ?5) RETURNING n",
    )?;
    let mut more: HashMap<i64, i64> = HashMap::new();
    for ((grp, shape), tally) in std::mem::take(&mut tally.shapes) {
        if tally.n >= 0 && more_of.execute(params![grp, shape, tally.n, tally.hidden, tally.last])? > 0 {
            continue;
        }
        let n: i64 = add.query_row(params![grp, shape, tally.n, tally.hidden, tally.last], |row| row.get(0))?;
        let change = i64::from(n > 0) - i64::from(n - tally.n > 0);
        if change != 0 {
            *more.entry(grp).or_default() += change;
        }
    }
    Ok(more)
}

impl Work {
    /// Adds an event that is new.
    pub(super) fn add(
        &mut self,
        db: &Connection,
        row: &Row,
        sig: i64,
        visible: bool,
        now: i64,
    ) -> rusqlite::Result<()> {
        let unclear = row.flags >> flag::BLIND_SHIFT & 15 != 0;
        let event = Counted { t: row.t, sev: severity(row.sev), unclear, visible };
        if self.status == Status::Dismissed {
            if let (true, Some(why)) = (visible, self.news(db, row, event)?) {
                self.status = Status::Open;
                self.version += 1;
                self.reopened = Some((now, why));
            }
            self.known.extend(row.shape);
        }
        self.rules.add(sig);
        if self.extent.add(event) {
            self.rules.newest = sig;
            self.newest = Some(Newest { cip: row.cip, sip: row.sip, sport: row.sport });
        }
        Ok(())
    }

    /// Why an event brings a dismissed group back, if it does.
    fn news(&self, db: &Connection, row: &Row, event: Counted) -> rusqlite::Result<Option<String>> {
        let client = row.cip.and_then(|ip| address(ip.bytes()));
        self.extent.news(event, self.covers, client, || {
            let Some(shape) = row.shape else { return Ok(None) };
            Ok((!self.knows(db, shape)?).then(|| format!("{:016x}", shape.cast_unsigned())))
        })
    }

    fn knows(&self, db: &Connection, shape: i64) -> rusqlite::Result<bool> {
        if self.known.contains(&shape) {
            return Ok(true);
        }
        let mut find = db.prepare_cached("SELECT 1 FROM grp_shape WHERE grp = ? AND shape = ?")?;
        find.exists([self.id, shape])
    }
}
