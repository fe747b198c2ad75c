//! Writing events: one transaction for many batches.

use super::dictionary::Word;
use super::groups_work::{Groups, Work};
use super::index::{Index, Unwritten};
use super::row::Row;
use super::silence::Silences;
use super::tally::{DAY, HOUR, Tally};
use crate::{IngestOutcome, Rejected};
use rusqlite::{Connection, params};

/// A batch on its way, with what became of it so far.
#[derive(Debug)]
pub(super) struct Batch {
    pub rows: Vec<Row>,
    pub outcome: IngestOutcome,
    /// When it came, nanoseconds.
    pub now: i64,
}

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
    for batch in batches {
        for row in std::mem::take(&mut batch.rows) {
            match one(db, index, silences, &mut groups, &mut tally, &row, batch.now) {
                Ok(true) => batch.outcome.stored += 1,
                Ok(false) => batch.outcome.duplicates += 1,
                Err(Unwritten::Refused(why)) => {
                    batch.outcome.rejected.push(Rejected { index: row.index, id: Some(row.id.to_string()), why });
                }
                Err(Unwritten::Sql(error)) => return Err(error),
            }
        }
    }
    tally.write(db)?;
    groups.write(db, &mut tally)
}

/// Writes an event; `false` if it was there.
fn one(
    db: &Connection,
    index: &mut Index,
    silences: &Silences,
    groups: &mut Groups,
    tally: &mut Tally,
    row: &Row,
    now: i64,
) -> Result<bool, Unwritten> {
    let stream = index.stream(db, &row.id.node, row.id.boot)?;
    let sig = index.sig(db, &row.digest, &row.rule)?;
    let cpod = index.pod(db, row.cpod.as_ref())?;
    let spod = index.pod(db, row.spod.as_ref())?;
    let iface = index.word(db, Word::Iface, &row.iface)?;
    let service = index.word(db, Word::Service, &row.service)?;
    let proto = index.word(db, Word::Protocol, &row.proto)?;
    let by_agent = index.word(db, Word::Suppression, row.suppressed_by.as_deref().unwrap_or_default())?;
    let group = groups.of(db, index, row, sig)?;
    let sup = match by_agent {
        0 => silences.of(group, row, now),
        by => by,
    };
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO event (stream, seq, t, got, grp, sig, sev, sup, flags, cpod, spod, iface, service,
            proto, cip, sip, cport, sport, shape, flow, observed, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let added = insert.execute(params![
        stream,
        row.id.seq.cast_signed(),
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
    let visible = sup == 0;
    group.add(db, row, sig, visible, now)?;
    let counted = Counted { grp: group.id, t: row.t, sev: row.sev, sig, sup, cpod, spod, shape: row.shape };
    let mut namespaces = [0; 2];
    let sides = [&row.cpod, &row.spod];
    for (to, pod) in namespaces.iter_mut().zip(sides) {
        *to = index.word(db, Word::Namespace, pod.as_ref().map_or("", |pod| &pod.namespace))?;
    }
    let addresses = row.cip.iter().chain(&row.sip).chain(&row.others);
    count(tally, &counted, namespaces, addresses, 1);
    if !visible {
        let (n, last) = tally.silenced.entry((sup, row.t.div_euclid(DAY))).or_insert((0, i64::MIN));
        *n += 1;
        *last = (*last).max(row.t);
    }
    Ok(true)
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

/// Counts an event, or takes it out of the counts (`by` = -1).
pub(super) fn count<'a>(
    tally: &mut Tally,
    event: &Counted,
    namespaces: [i64; 2],
    addresses: impl Iterator<Item = &'a Vec<u8>>,
    by: i64,
) {
    let Counted { grp, t, sig, sup, cpod, spod, shape, .. } = *event;
    Tally::bump(&mut tally.sigs, (grp, sig), by);
    for (side, pod) in [(0, cpod), (1, spod)] {
        if pod > 0 {
            Tally::bump(&mut tally.pods, (grp, side, pod), by);
        }
    }
    for address in addresses {
        Tally::bump(&mut tally.addresses, (address.clone(), grp), by);
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
    Tally::bump(&mut tally.days, (event.grp, day), by);
    Tally::bump(&mut tally.hours, (hour, event.sev), by);
    Tally::bump(&mut tally.rules, (day, event.sig), by);
    let [client, server] = namespaces;
    for namespace in [client, if server == client { 0 } else { server }] {
        if namespace > 0 {
            Tally::bump(&mut tally.namespaces, (hour, namespace, event.sev), by);
        }
    }
}

impl Silences {
    fn of(&self, group: &Work, row: &Row, now: i64) -> i64 {
        self.hides(row.rule.gid, row.rule.sid, &group.client, &group.server, now)
    }
}
