//! Counts beside the events: per group, per day, per hour. Collected over a transaction and written once, so that a
//! busy group costs a row per transaction and not per event. Removing events is the same with the sign turned.

use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Nanoseconds of an hour and of a day.
pub(super) const HOUR: i64 = 3_600_000_000_000;
pub(super) const DAY: i64 = 24 * HOUR;

/// A shape of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShapeTally {
    pub n: i64,
    pub hidden: i64,
    pub last: i64,
}

/// What a transaction adds.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub sigs: BTreeMap<(i64, i64), i64>,
    pub pods: BTreeMap<(i64, i64, i64), i64>,
    pub addresses: BTreeMap<(Vec<u8>, i64), i64>,
    pub shapes: BTreeMap<(i64, i64), ShapeTally>,
    pub days: BTreeMap<(i64, i64), i64>,
    pub hours: BTreeMap<(i64, i64), i64>,
    pub namespaces: BTreeMap<(i64, i64, i64), i64>,
    pub rules: BTreeMap<(i64, i64), i64>,
    /// By suppression and day: events, the last one.
    pub silenced: BTreeMap<(i64, i64), (i64, i64)>,
}

impl Tally {
    /// Adds to a count.
    pub(super) fn bump<K: Ord>(map: &mut BTreeMap<K, i64>, key: K, by: i64) {
        *map.entry(key).or_default() += by;
    }

    /// Counts an event of a shape.
    pub(super) fn shape(&mut self, grp: i64, shape: i64, visible: bool, t: i64, by: i64) {
        let tally = self.shapes.entry((grp, shape)).or_insert(ShapeTally { n: 0, hidden: 0, last: i64::MIN });
        *(if visible { &mut tally.n } else { &mut tally.hidden }) += by;
        if visible && by > 0 {
            tally.last = tally.last.max(t);
        }
    }

    /// Writes all but shapes, which their groups need, and empties itself. Counts that fall to 0 lose their row.
    pub(super) fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let tally = std::mem::take(self);
        self.shapes = tally.shapes;
        two(db, "grp_sig", "grp", "sig", tally.sigs)?;
        three(db, "grp_pod", ["grp", "side", "pod"], tally.pods)?;
        two(db, "grp_addr", "addr", "grp", tally.addresses)?;
        two(db, "grp_day", "grp", "day", tally.days)?;
        two(db, "roll_hour", "hour", "sev", tally.hours)?;
        three(db, "roll_ns", ["hour", "ns", "sev"], tally.namespaces)?;
        two(db, "roll_day", "day", "sig", tally.rules)?;
        let mut add = db.prepare_cached(
            "INSERT INTO silenced VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = n + ?3, last = max(last, ?4)",
        )?;
        for ((word, day), (n, last)) in tally.silenced {
            add.execute(params![word, day, n, last])?;
        }
        Ok(())
    }
}

fn two<A: rusqlite::ToSql>(
    db: &Connection,
    table: &str,
    first: &str,
    second: &str,
    counts: BTreeMap<(A, i64), i64>,
) -> rusqlite::Result<()> {
    let mut add = db.prepare_cached(&format!(
        "INSERT INTO {table} ({first}, {second}, n) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + ?3"
    ))?;
    let mut remove =
        db.prepare_cached(&format!("DELETE FROM {table} WHERE {first} = ?1 AND {second} = ?2 AND n <= 0"))?;
    for ((a, b), n) in counts {
        add.execute(params![a, b, n])?;
        if n < 0 {
            remove.execute(params![a, b])?;
        }
    }
    Ok(())
}

fn three(
    db: &Connection,
    table: &str,
    [first, second, third]: [&str; 3],
    counts: BTreeMap<(i64, i64, i64), i64>,
) -> rusqlite::Result<()> {
    let mut add = db.prepare_cached(&format!(
        "INSERT INTO {table} ({first}, {second}, {third}, n) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET n = n + ?4"
    ))?;
    let mut remove = db.prepare_cached(&format!(
        "DELETE FROM {table} WHERE {first} = ?1 AND {second} = ?2 AND {third} = ?3 AND n <= 0"
    ))?;
    for ((a, b, c), n) in counts {
        add.execute(params![a, b, c, n])?;
        if n < 0 {
            remove.execute(params![a, b, c])?;
        }
    }
    Ok(())
}
