//! What a suppression would have hidden: from counts per group and day, never from events.

use super::dictionary::entry;
use super::link::Link;
use super::row::PartyKey;
use super::silence::covers;
use super::tally::DAY;
use crate::{DayCount, Preview, Scope, StoreError};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Most scopes of one call.
const SCOPES: usize = 20;

/// A group as far as scopes look at it.
struct Candidate {
    id: i64,
    gid: u32,
    sid: u32,
    client: i64,
    server: i64,
}

/// The numbers of each scope for the days from `days` ago on, events with times ahead of the clock included.
pub(super) fn preview(link: &mut Link, scopes: Vec<Scope>, days: u32, now: i64) -> Result<Vec<Preview>, StoreError> {
    if scopes.is_empty() || scopes.len() > SCOPES || !(1..=366).contains(&days) {
        return Err(StoreError::Invalid("a preview has 1 to 20 scopes and 1 to 366 days".to_owned()));
    }
    if scopes.iter().any(Scope::is_everything) {
        return Err(StoreError::Invalid("a scope must name a rule, a workload or a namespace".to_owned()));
    }
    let today = now.div_euclid(DAY);
    let start = today - i64::from(days) + 1;
    scopes.into_iter().map(|scope| one(link, scope, start, today)).collect()
}

fn one(link: &Link, scope: Scope, start: i64, today: i64) -> Result<Preview, StoreError> {
    let read = || {
        let base = base(link, &scope, start)?;
        let nobody = PartyKey::default();
        let party = |id: i64| entry(&link.words.parties, id).unwrap_or(&nobody);
        let inside = |group: &Candidate| covers(&scope, group.gid, group.sid, party(group.client), party(group.server));
        let (hidden, left): (Vec<Candidate>, Vec<Candidate>) = base.into_iter().partition(inside);
        let mut days: BTreeMap<i64, (u64, u64)> = (start..=today).map(|day| (day, (0, 0))).collect();
        let groups = add_days(link, &hidden, start, &mut days, true)?;
        add_days(link, &left, start, &mut days, false)?;
        let (shapes_hidden, shapes_unopened) = shapes(link, &hidden, start)?;
        Ok((days, groups, shapes_hidden, shapes_unopened))
    };
    let (days, groups, shapes_hidden, shapes_unopened) = read().map_err(|error| link.failed(&error))?;
    Ok(Preview {
        scope,
        would_hide: days.values().map(|(hidden, _)| hidden).sum(),
        left_visible: days.values().map(|(_, visible)| visible).sum(),
        groups,
        shapes_hidden,
        shapes_unopened,
        days: days.into_iter().map(|(day, (hidden, visible))| DayCount { day, hidden, visible }).collect(),
    })
}

/// Groups of the rule (all, if the scope names none) with visible events in the period.
fn base(link: &Link, scope: &Scope, start: i64) -> rusqlite::Result<Vec<Candidate>> {
    let mut statement = link.db.prepare_cached(
        "SELECT id, gid, sid, client, server FROM grp WHERE n > 0 AND last >= ?1 AND (?2 IS NULL OR gid = ?2)
         AND (?3 IS NULL OR sid = ?3)",
    )?;
    let rows = statement.query_map((start.saturating_mul(DAY), scope.gid, scope.sid), |row| {
        Ok(Candidate { id: row.get(0)?, gid: row.get(1)?, sid: row.get(2)?, client: row.get(3)?, server: row.get(4)? })
    })?;
    rows.collect()
}

/// Adds the groups' days; how many groups had any.
fn add_days(
    link: &Link,
    groups: &[Candidate],
    start: i64,
    days: &mut BTreeMap<i64, (u64, u64)>,
    hidden: bool,
) -> rusqlite::Result<u64> {
    let mut statement = link.db.prepare_cached("SELECT day, n FROM grp_day WHERE grp = ? AND day >= ?")?;
    let mut with_events = 0;
    for group in groups {
        let mut rows = statement.query([group.id, start])?;
        let mut any = 0;
        while let Some(row) = rows.next()? {
            let (day, n): (i64, i64) = (row.get(0)?, row.get(1)?);
            let entry = days.entry(day).or_default();
            *(if hidden { &mut entry.0 } else { &mut entry.1 }) += n.unsigned_abs();
            any = 1;
        }
        with_events += any;
    }
    Ok(with_events)
}

/// Different shapes in the period, and how many of them nobody has opened in any of the groups.
fn shapes(link: &Link, groups: &[Candidate], start: i64) -> rusqlite::Result<(u64, u64)> {
    let mut statement = link
        .db
        .prepare_cached("SELECT shape, opened_at IS NOT NULL FROM grp_shape WHERE grp = ? AND n > 0 AND last >= ?")?;
    let mut seen: HashMap<i64, bool> = HashMap::new();
    for group in groups {
        let mut rows = statement.query([group.id, start.saturating_mul(DAY)])?;
        while let Some(row) = rows.next()? {
            *seen.entry(row.get(0)?).or_default() |= row.get::<_, bool>(1)?;
        }
    }
    let opened: HashSet<i64> = seen.iter().filter(|(_, opened)| **opened).map(|(shape, _)| *shape).collect();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Ok((count(seen.len()), count(seen.len() - opened.len())))
}
