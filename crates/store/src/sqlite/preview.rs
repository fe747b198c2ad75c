//! What a suppression would have hidden: from counts per group and hour, never from events.
//!
//! All events of a rule in the period are known from rollups, so only the groups inside the scope are added up, or only
//! those outside of it, whichever are fewer.

use super::dictionary::{entry, numbered};
use super::hours::{self, Counted};
use super::link::Link;
use super::row::PartyKey;
use super::silence::covers;
use super::tally::DAY;
use crate::{DayCount, Preview, Scope, Side, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most scopes of one call.
const SCOPES: usize = 20;
/// Revisions of a rule that are looked up day by day; of more rules all of a day are read.
const FEW: usize = 50;

/// A group as far as scopes look at it.
struct Candidate {
    counted: Counted,
    gid: u32,
    sid: u32,
    client: i64,
    server: i64,
}

/// Events by day.
type Days = BTreeMap<i64, u64>;

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
        let days = hours::days(link, start, i64::MAX)?;
        let all = all(link, &scope, start, &days)?;
        let base = base(link, &scope, start)?;
        // Without a rule only the groups inside were read.
        let only_inside = scope.gid.is_none() && scope.sid.is_none();
        let nobody = PartyKey::default();
        let party = |id: i64| entry(&link.words.parties, id).unwrap_or(&nobody);
        let inside = |group: &Candidate| covers(&scope, group.gid, group.sid, party(group.client), party(group.server));
        let (hidden, left): (Vec<Candidate>, Vec<Candidate>) = base.into_iter().partition(inside);
        let inside_is_less = only_inside || hidden.len() <= left.len();
        let some = add_up(link, if inside_is_less { &hidden } else { &left }, &days)?;
        let other: Days =
            all.iter().map(|(day, n)| (*day, n.saturating_sub(some.get(day).copied().unwrap_or(0)))).collect();
        let (hidden_days, left_days) = if inside_is_less { (some, other) } else { (other, some) };
        let groups = u64::try_from(hidden.len()).unwrap_or(u64::MAX);
        let (shapes_hidden, shapes_unopened) = shapes(link, &hidden, start)?;
        Ok((days, hidden_days, left_days, groups, shapes_hidden, shapes_unopened))
    };
    let (days, hidden, left, groups, shapes_hidden, shapes_unopened) = read().map_err(|error| link.failed(&error))?;
    let later = days.into_iter().filter(|day| *day > today);
    let of = |days: &Days, day: i64| days.get(&day).copied().unwrap_or(0);
    let day = |day: i64| DayCount { day, hidden: of(&hidden, day), visible: of(&left, day) };
    Ok(Preview {
        scope,
        would_hide: hidden.values().sum(),
        left_visible: left.values().sum(),
        groups,
        shapes_hidden,
        shapes_unopened,
        days: (start..=today)
            .chain(later)
            .map(day)
            .filter(|at| at.day <= today || at.hidden + at.visible > 0)
            .collect(),
    })
}

/// All visible events of the scope's rule (of any, if it names none) by day.
fn all(link: &Link, scope: &Scope, start: i64, days: &[i64]) -> rusqlite::Result<Days> {
    let mut all = Days::new();
    if scope.gid.is_none() && scope.sid.is_none() {
        let mut statement = link.db.prepare_cached("SELECT hour, n FROM roll_hour WHERE hour >= ?")?;
        let mut rows = statement.query([start.saturating_mul(24)])?;
        while let Some(row) = rows.next()? {
            *all.entry(row.get::<_, i64>(0)?.div_euclid(24)).or_default() += row.get::<_, i64>(1)?.unsigned_abs();
        }
        return Ok(all);
    }
    let named = |gid: u32, sid: u32| scope.gid.is_none_or(|of| of == gid) && scope.sid.is_none_or(|of| of == sid);
    let sigs: BTreeSet<i64> =
        numbered(&link.words.sigs).filter(|(_, rule)| named(rule.gid, rule.sid)).map(|(id, _)| id).collect();
    if sigs.len() <= FEW {
        let mut find = link.db.prepare_cached("SELECT n FROM roll_day WHERE day = ? AND sig = ?")?;
        for day in days {
            for sig in &sigs {
                let mut rows = find.query([*day, *sig])?;
                while let Some(row) = rows.next()? {
                    *all.entry(*day).or_default() += row.get::<_, i64>(0)?.unsigned_abs();
                }
            }
        }
        return Ok(all);
    }
    let mut statement = link.db.prepare_cached("SELECT day, sig, n FROM roll_day WHERE day >= ?")?;
    let mut rows = statement.query([start])?;
    while let Some(row) = rows.next()? {
        if sigs.contains(&row.get::<_, i64>(1)?) {
            *all.entry(row.get(0)?).or_default() += row.get::<_, i64>(2)?.unsigned_abs();
        }
    }
    Ok(all)
}

/// Groups of the rule with visible events in the period; if the scope names none, those that a party which it covers
/// takes part in.
fn base(link: &Link, scope: &Scope, start: i64) -> rusqlite::Result<Vec<Candidate>> {
    let mut among = String::new();
    let rule = match (scope.gid, scope.sid) {
        (None, None) => {
            let nobody = PartyKey::default();
            let client = Scope { client: scope.client.clone(), ..Scope::default() };
            let server = Scope { server: scope.server.clone(), ..Scope::default() };
            let one_side = |party: &PartyKey| match &scope.namespace {
                Some(namespace) => *namespace == party.namespace,
                None if scope.client != Side::Any => covers(&client, 0, 0, party, &nobody),
                None => covers(&server, 0, 0, &nobody, party),
            };
            let parties: Vec<String> = numbered(&link.words.parties)
                .filter(|(_, party)| one_side(party))
                .map(|(id, _)| id.to_string())
                .collect();
            among = format!("[{}]", parties.join(","));
            "?2 IS NULL AND ?3 IS NULL AND id IN (
                SELECT g.id FROM json_each(?4) j CROSS JOIN grp g ON g.client = j.value
                UNION SELECT g.id FROM json_each(?4) j CROSS JOIN grp g ON g.server = j.value)"
        }
        (Some(_), None) => "gid = ?2 AND ?3 IS NULL",
        (None, Some(_)) => "?2 IS NULL AND sid = ?3",
        (Some(_), Some(_)) => "gid = ?2 AND sid = ?3",
    };
    let sql = format!(
        "SELECT id, n, hidden, first, last, gid, sid, client, server FROM grp WHERE n > 0 AND last >= ?1 AND {rule}
         AND ?4 IS NOT NULL"
    );
    let mut statement = link.db.prepare_cached(&sql)?;
    let rows = statement.query_map((start.saturating_mul(DAY), scope.gid, scope.sid, among), |row| {
        let counted =
            Counted { id: row.get(0)?, n: row.get(1)?, hidden: row.get(2)?, first: row.get(3)?, last: row.get(4)? };
        Ok(Candidate { counted, gid: row.get(5)?, sid: row.get(6)?, client: row.get(7)?, server: row.get(8)? })
    })?;
    rows.collect()
}

/// The groups' events by day.
fn add_up(link: &Link, groups: &[Candidate], days: &[i64]) -> rusqlite::Result<Days> {
    let mut sums = Days::new();
    for group in groups {
        hours::each(link, &group.counted, days, |hour, n| *sums.entry(hour.div_euclid(24)).or_default() += n)?;
    }
    Ok(sums)
}

/// Different shapes in the period, and how many of them nobody has opened in any of the groups.
fn shapes(link: &Link, groups: &[Candidate], start: i64) -> rusqlite::Result<(u64, u64)> {
    let mut statement = link
        .db
        .prepare_cached("SELECT shape, opened_at IS NOT NULL FROM grp_shape WHERE grp = ? AND n > 0 AND last >= ?")?;
    let mut seen: HashMap<i64, bool> = HashMap::new();
    for group in groups {
        let mut rows = statement.query([group.counted.id, start.saturating_mul(DAY)])?;
        while let Some(row) = rows.next()? {
            *seen.entry(row.get(0)?).or_default() |= row.get::<_, bool>(1)?;
        }
    }
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let opened = seen.values().filter(|opened| **opened).count();
    Ok((count(seen.len()), count(seen.len() - opened)))
}
