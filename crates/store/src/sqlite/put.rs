//! Writing events: one transaction for many batches.

use super::arrivals;
use super::groups_work::Groups;
use super::index::{Ids, Index, RowIds, Unwritten};
use super::names::Names;
use super::row::{Address, Row};
use super::silence::Silences;
use super::tally::{DAY, HOUR, Tally};
use crate::{IngestOutcome, Rejected};
use rusqlite::{CachedStatement, Connection, params};

/// A batch on its way, with what became of it so far.
#[derive(Debug)]
pub(super) struct Batch {
    pub rows: Vec<Row>,
    /// What the rows name.
    pub names: Names,
    pub outcome: IngestOutcome,
    /// When it came, nanoseconds.
    pub now: i64,
}

const INSERT: &str =
    "INSERT OR IGNORE INTO event (id, stream, seq, t, got, grp, sig, sev, sup, flags, cpod, spod, iface, service,
        proto, cip, sip, cport, sport, shape, flow, observed, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Writes the batches and fills in their outcomes. Runs inside a transaction of the caller.
pub(super) fn put(
    db: &Connection,
    index: &mut Index,
    silences: &Silences,
    batches: &mut [Batch],
    touch: i64,
) -> rusqlite::Result<()> {
    let mut tally = Tally::default();
    let mut groups = Groups::new(touch);
    let mut insert = db.prepare_cached(INSERT)?;
    let mut next = arrivals::next(db)?;
    for batch in batches {
        let ids = index.resolve(db, std::mem::take(&mut batch.names))?;
        let (groups, tally, insert, next) = (&mut groups, &mut tally, &mut insert, &mut next);
        let mut adding = Adding { db, silences, groups, tally, insert, next };
        for row in std::mem::take(&mut batch.rows) {
            match adding.add(&ids, &row, batch.now) {
                Ok(true) => batch.outcome.stored += 1,
                Ok(false) => batch.outcome.duplicates += 1,
                Err(Unwritten::Refused(why)) => {
                    batch.outcome.rejected.push(Rejected { index: row.index, id: Some(ids.name(&row)), why });
                }
                Err(Unwritten::Sql(error)) => return Err(error),
            }
        }
    }
    tally.write(db)?;
    groups.write(db, &mut tally)
}

/// A transaction while events are added.
struct Adding<'a, 'db> {
    db: &'db Connection,
    silences: &'a Silences,
    groups: &'a mut Groups,
    tally: &'a mut Tally,
    insert: &'a mut CachedStatement<'db>,
    /// Number of the next event, if not the database's own.
    next: &'a mut Option<i64>,
}

impl Adding<'_, '_> {
    /// Writes an event; `false` if it was there.
    fn add(&mut self, names: &Ids, row: &Row, now: i64) -> Result<bool, Unwritten> {
        let ids = names.of(row)?;
        let group = self.groups.of(self.db, names, row, &ids)?;
        let sup = match ids.by_agent {
            0 => self.silences.of(names, row, now),
            by => by,
        };
        let RowIds { stream, sig, cpod, spod, iface, service, proto, namespaces, .. } = ids;
        let added = self.insert.execute(params![
            *self.next,
            stream,
            row.seq.cast_signed(),
            row.t,
            now.div_euclid(1_000_000_000),
            group.id,
            sig,
            row.sev,
            sup,
            row.flags,
            cpod,
            spod,
            iface,
            service,
            proto,
            row.cip,
            row.sip,
            row.cport,
            row.sport,
            row.shape,
            row.flow,
            row.observed,
            row.body,
        ])?;
        if added == 0 {
            return Ok(false);
        }
        // From here on the database goes on by itself.
        *self.next = None;
        let visible = sup == 0;
        group.add(self.db, row, sig, visible, now)?;
        let counted = Counted { grp: group.id, t: row.t, sev: row.sev, sig, sup, cpod, spod, shape: row.shape };
        count(self.tally, &counted, namespaces, row.addresses(), 1);
        if !visible {
            let (n, last) = self.tally.silenced.entry((sup, row.t.div_euclid(DAY))).or_insert((0, i64::MIN));
            *n += 1;
            *last = (*last).max(row.t);
        }
        Ok(true)
    }
}

/// What of an event is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub grp: i64,
    pub t: i64,
    pub sev: i64,
    pub sig: i64,
    pub sup: i64,
    pub cpod: i64,
    pub spod: i64,
    pub shape: Option<i64>,
}

/// Counts an event, or takes it out of the counts (`by` = -1). What its rule counts in its group is the group's to know.
pub(super) fn count(
    tally: &mut Tally,
    event: &Counted,
    namespaces: [i64; 2],
    addresses: impl Iterator<Item = Address>,
    by: i64,
) {
    let Counted { grp, t, sup, cpod, spod, shape, .. } = *event;
    for (side, pod) in [(0, cpod), (1, spod)] {
        if pod > 0 {
            tally.pods.add((grp, side, pod), by);
        }
    }
    for address in addresses {
        tally.networks.add((address.network(), grp), by);
    }
    if let Some(shape) = shape {
        tally.shape(grp, shape, sup == 0, t, by);
    }
    if sup == 0 {
        visible(tally, event, namespaces, by);
    }
}

/// The counts of events that nothing hides.
pub(super) fn visible(tally: &mut Tally, event: &Counted, namespaces: [i64; 2], by: i64) {
    let (day, hour) = (event.t.div_euclid(DAY), event.t.div_euclid(HOUR));
    tally.group_hours.add((day, event.grp, hour.rem_euclid(24)), by);
    tally.hours.add((hour, event.sev), by);
    tally.rules.add((day, event.sig), by);
    let [client, server] = namespaces;
    for namespace in [client, if server == client { 0 } else { server }] {
        if namespace > 0 {
            tally.namespaces.add((hour, namespace, event.sev), by);
        }
    }
}
