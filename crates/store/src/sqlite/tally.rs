//! Counts beside the events: per group, per day, per hour. Collected over a transaction and written once, so that a
//! busy group costs a row per transaction and not per event. Removing events is the same with the sign turned.

use super::row::Address;
use rusqlite::{Connection, Params, params};
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

/// Counts by key, added up when they are written: sorting once is cheaper than a tree that is searched for each event.
#[derive(Debug)]
pub(super) struct Counts<K>(Vec<(K, i64)>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord> Counts<K> {
    pub(super) fn add(&mut self, key: K, by: i64) {
        self.0.push((key, by));
    }

    /// Each key once, in order, with its sum.
    pub(super) fn sums(mut self) -> Vec<(K, i64)> {
        self.0.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.0.dedup_by(|(next, by), (key, sum)| {
            let same = next == key;
            if same {
                *sum += *by;
            }
            same
        });
        self.0
    }
}

/// What a transaction adds.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Group, side, pod.
    pub pods: Counts<(i64, i64, i64)>,
    /// Network, group.
    pub networks: Counts<(Address, i64)>,
    /// Group, shape.
    pub shapes: BTreeMap<(i64, i64), ShapeTally>,
    /// Day, group, hour of the day.
    pub group_hours: Counts<(i64, i64, i64)>,
    /// Hour, severity.
    pub hours: Counts<(i64, i64)>,
    /// Hour, namespace, severity.
    pub namespaces: Counts<(i64, i64, i64)>,
    /// Day, rule.
    pub rules: Counts<(i64, i64)>,
    /// By suppression and day: events, the last one.
    pub silenced: BTreeMap<(i64, i64), (i64, i64)>,
}

impl Tally {
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
        let three = |((a, b, c), n): &((i64, i64, i64), i64)| (*a, *b, *c, *n);
        let two = |((a, b), n): &((i64, i64), i64)| (*a, *b, *n);
        write(db, "grp_pod", &["grp", "side", "pod"], &tally.pods.sums(), three)?;
        write(db, "grp_net", &["net", "grp"], &tally.networks.sums(), |((net, grp), n)| (*net, *grp, *n))?;
        write(db, "grp_hour", &["day", "grp", "hour"], &tally.group_hours.sums(), three)?;
        write(db, "roll_hour", &["hour", "sev"], &tally.hours.sums(), two)?;
        write(db, "roll_ns", &["hour", "ns", "sev"], &tally.namespaces.sums(), three)?;
        write(db, "roll_day", &["day", "sig"], &tally.rules.sums(), two)?;
        let mut add = db.prepare_cached(
            "INSERT INTO silenced VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = n + ?3, last = max(last, ?4)",
        )?;
        for ((word, day), (n, last)) in tally.silenced {
            add.execute(params![word, day, n, last])?;
        }
        Ok(())
    }
}

/// Adds counts to a table whose columns are the key and `n`. `row`: the values in that order.
fn write<K, P: Params>(
    db: &Connection,
    table: &str,
    key: &[&str],
    counts: &[(K, i64)],
    row: impl Fn(&(K, i64)) -> P,
) -> rusqlite::Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    let columns = key.join(", ");
    let marks: Vec<String> = (1..=key.len() + 1).map(|at| format!("?{at}")).collect();
    let (marks, n) = (marks.join(", "), key.len() + 1);
    let mut add = db.prepare_cached(&format!(
        "INSERT INTO {table} ({columns}, n) VALUES ({marks}) ON CONFLICT DO UPDATE SET n = n + ?{n}"
    ))?;
    let same: Vec<String> = (1..).zip(key).map(|(at, column)| format!("{column} = ?{at}")).collect();
    // The last parameter is bound and always true, so that one row of values fits both statements.
    let mut remove =
        db.prepare_cached(&format!("DELETE FROM {table} WHERE {} AND n <= 0 AND ?{n} < 0", same.join(" AND ")))?;
    for count in counts {
        add.execute(row(count))?;
        if count.1 < 0 {
            remove.execute(row(count))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up_by_key() {
        let mut counts = Counts::default();
        for (key, by) in [(3, 1), (1, 1), (3, 1), (2, -1), (3, -1), (2, -1)] {
            counts.add(key, by);
        }
        assert_eq!(counts.sums(), [(1, 1), (2, -2), (3, 1)]);
    }
}
