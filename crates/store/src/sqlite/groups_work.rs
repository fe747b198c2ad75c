//! The groups that a transaction touches: read once, changed in memory, written once.

use super::index::{Index, Unwritten};
use super::row::{PartyKey, Row, address, flag};
use super::tally::Tally;
use crate::{Covers, Status};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use tapir_packet::Timestamp;

/// A group while events are added.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub id: i64,
    hash: i64,
    pub client: PartyKey,
    pub server: PartyKey,
    sig: i64,
    sev: i64,
    first: i64,
    last: i64,
    n: i64,
    hidden: i64,
    unclear: i64,
    shapes: i64,
    newest: Option<Newest>,
    status: Status,
    covers: Covers,
    version: i64,
    reopened: Option<(i64, String)>,
    /// Shapes that this transaction saw, and that the group has.
    known: std::collections::HashSet<i64>,
}

#[derive(Clone, Debug)]
struct Newest {
    cip: Option<Vec<u8>>,
    sip: Option<Vec<u8>>,
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

impl Groups {
    pub(super) fn new(touch: i64) -> Self {
        Self { groups: HashMap::new(), touch }
    }

    /// The group of an event, made if it is new.
    pub(super) fn of(
        &mut self,
        db: &Connection,
        index: &mut Index,
        row: &Row,
        sig: i64,
    ) -> Result<&mut Work, Unwritten> {
        if !self.groups.contains_key(&row.hash) {
            let mut find = db.prepare_cached(
                "SELECT id, sig, sev, first, last, n, hidden, unclear, shapes, status, covers, covers_until, version
                 FROM grp WHERE hash = ?",
            )?;
            let found = find
                .query_row([row.hash], |found| {
                    Ok(Work {
                        id: found.get(0)?,
                        hash: row.hash,
                        client: row.client.clone(),
                        server: row.server.clone(),
                        sig: found.get(1)?,
                        sev: found.get(2)?,
                        first: found.get(3)?,
                        last: found.get(4)?,
                        n: found.get(5)?,
                        hidden: found.get(6)?,
                        unclear: found.get(7)?,
                        shapes: found.get(8)?,
                        newest: None,
                        status: Status::of_code(found.get(9)?),
                        covers: covers(found.get(10)?, found.get(11)?),
                        version: found.get(12)?,
                        reopened: None,
                        known: std::collections::HashSet::new(),
                    })
                })
                .optional()?;
            let work = match found {
                Some(work) => work,
                None => self.make(db, index, row, sig)?,
            };
            self.groups.insert(row.hash, work);
        }
        let missing = || Unwritten::Refused("its group could not be made".to_owned());
        self.groups.get_mut(&row.hash).ok_or_else(missing)
    }

    fn make(&self, db: &Connection, index: &mut Index, row: &Row, sig: i64) -> Result<Work, Unwritten> {
        let client = index.party(db, &row.client)?;
        let server = index.party(db, &row.server)?;
        let inspection = index.word(db, super::dictionary::Word::Inspection, &row.inspection)?;
        let mut insert = db.prepare_cached(
            "INSERT INTO grp (hash, gid, sid, sig, sigs, sev, client, server, inspection, first, last, n, hidden,
                shapes, unclear, touch) VALUES (?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?)",
        )?;
        let (gid, sid) = (row.rule.gid, row.rule.sid);
        insert.execute(params![row.hash, gid, sid, sig, client, server, inspection, row.t, row.t, self.touch])?;
        Ok(Work {
            id: db.last_insert_rowid(),
            hash: row.hash,
            client: row.client.clone(),
            server: row.server.clone(),
            sig,
            sev: 0,
            first: row.t,
            last: row.t,
            n: 0,
            hidden: 0,
            unclear: 0,
            shapes: 0,
            newest: None,
            status: Status::Open,
            covers: Covers::Present,
            version: 1,
            reopened: None,
            known: std::collections::HashSet::new(),
        })
    }

    /// Writes the groups and their shapes.
    pub(super) fn write(self, db: &Connection, tally: &mut Tally) -> rusqlite::Result<()> {
        let mut works: Vec<Work> = self.groups.into_values().collect();
        works.sort_unstable_by_key(|work| work.id);
        let more = shapes(db, tally)?;
        let mut update = db.prepare_cached(
            "UPDATE grp SET sig = ?2, sev = ?3, first = ?4, last = ?5, n = ?6, hidden = ?7, unclear = ?8,
                shapes = ?9, touch = ?10, sigs = (SELECT count(*) FROM grp_sig WHERE grp = ?1) WHERE id = ?1",
        )?;
        let mut newest = db.prepare_cached("UPDATE grp SET cip = ?2, sip = ?3, sport = ?4 WHERE id = ?1")?;
        let mut reopen = db.prepare_cached(
            "UPDATE grp SET status = 0, version = ?2, reopened_at = ?3, reopened_why = ?4 WHERE id = ?1",
        )?;
        for work in works {
            if work.n + work.hidden == 0 {
                // Made for an event that was there already or was refused.
                db.prepare_cached("DELETE FROM grp WHERE id = ? AND n + hidden = 0 AND version = 1")?
                    .execute([work.id])?;
                continue;
            }
            let shapes = work.shapes + more.get(&work.id).copied().unwrap_or(0);
            let Work { id, sig, sev, first, last, n, hidden, unclear, .. } = work;
            update.execute(params![id, sig, sev, first, last, n, hidden, unclear, shapes, self.touch])?;
            if let Some(Newest { cip, sip, sport }) = &work.newest {
                newest.execute(params![id, cip, sip, sport])?;
            }
            if let Some((at, why)) = &work.reopened {
                reopen.execute(params![id, work.version, at, why])?;
                super::audit::add(db, *at, "tapir", "reopen", Some(work.hash), &serde_json::json!({ "why": why }))?;
            }
        }
        Ok(())
    }
}

/// Writes the shapes; by group, how many have come into sight.
pub(super) fn shapes(db: &Connection, tally: &mut Tally) -> rusqlite::Result<HashMap<i64, i64>> {
    let mut add = db.prepare_cached(
        "INSERT INTO grp_shape (grp, shape, n, hidden, last) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT DO UPDATE SET n = n + ?3, hidden = hidden + ?4, last = max(last, ?5) RETURNING n",
    )?;
    let mut more: HashMap<i64, i64> = HashMap::new();
    for ((grp, shape), tally) in std::mem::take(&mut tally.shapes) {
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
        if let (true, Some(why)) = (visible && self.status == Status::Dismissed, self.news(db, row)?) {
            self.status = Status::Open;
            self.version += 1;
            self.reopened = Some((now, why));
        }
        if let Some(shape) = row.shape {
            self.known.insert(shape);
        }
        // What is shown of a group is of its visible events; of hidden ones only while there are no others.
        let starts = if visible { self.n == 0 } else { self.n + self.hidden == 0 };
        let counts = visible || self.n == 0;
        if starts {
            (self.first, self.last, self.sev) = (row.t, row.t, row.sev);
        } else if counts {
            self.first = self.first.min(row.t);
            self.last = self.last.max(row.t);
            self.sev = self.sev.max(row.sev);
        }
        if counts && row.t == self.last {
            self.sig = sig;
            self.newest = Some(Newest { cip: row.cip.clone(), sip: row.sip.clone(), sport: row.sport });
        }
        *(if visible { &mut self.n } else { &mut self.hidden }) += 1;
        self.unclear += i64::from(row.flags >> flag::BLIND_SHIFT & 15 != 0);
        Ok(())
    }

    /// Why an event brings a dismissed group back, if it does.
    fn news(&self, db: &Connection, row: &Row) -> rusqlite::Result<Option<String>> {
        if row.sev > self.sev {
            return Ok(Some(format!("severity rose from {} to {}", self.sev, row.sev)));
        }
        if let Some(shape) = row.shape
            && !self.knows(db, shape)?
        {
            return Ok(Some(format!("a payload of a new shape, {:016x}", shape.cast_unsigned())));
        }
        Ok(match self.covers {
            Covers::KnownShapes => None,
            Covers::KnownShapesUntil(until) if row.t <= until.0 => None,
            Covers::KnownShapesUntil(until) => {
                Some(format!("the dismissal covered events until {}", tapir_event::rfc3339(until)))
            }
            Covers::Present => {
                let from = row.cip.as_deref().and_then(address).map(|ip| format!(" from {ip}")).unwrap_or_default();
                Some(format!("a new event{from}"))
            }
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
