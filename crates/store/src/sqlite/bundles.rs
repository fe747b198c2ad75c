//! Lists by rule, workload and source: the groups that a filter shows, put together in memory. What is added up is the
//! group table, which the inbox walks, too; events are looked at only where groups alone can't tell.

use super::dictionary::entry;
use super::groups::{EDGES, Search};
use super::hours;
use super::link::Link;
use super::row::PartyKey;
use super::rows;
use super::sql::Sql;
use super::tally::DAY;
use crate::bundle::{BundleKey, Bundles, Bundling, MOST_GROUPS, Member, SideOf};
use crate::cursor::{List, Position};
use crate::{BundleBy, BundlePage, Filter, GroupSort, PageRequest, Partial, StoreError, Total, Why};
use rusqlite::params_from_iter;
use std::collections::HashMap;
use tapir_packet::Timestamp;

/// Searches in the counts by hour, for one page: groups times days.
const SEARCHES: usize = 100_000;

/// Columns of a group beyond those of the walk.
const MORE: &str = ", g.sev, g.first, g.last, g.n, g.hidden, g.client, g.server, g.gid, g.sid";

/// A page of bundles.
pub(super) fn page(
    link: &mut Link,
    filter: &Filter,
    by: BundleBy,
    sort: GroupSort,
    page: &PageRequest,
) -> Result<BundlePage, StoreError> {
    let asked = link.ask(filter)?;
    let about = format!("{}|{sort:?}|{by:?}", asked.about);
    let after = match &page.cursor {
        Some(cursor) => Some(link.signer.read(List::Bundles, &about, cursor)?),
        None => None,
    };
    let search = Search::unordered(&asked, sort, None, Sql::constant(true), MORE);
    let (bundles, partial) = collect(link, &search, by)?;
    let hidden = !asked.visible_only;
    let mut found = bundles.sorted(sort, hidden);
    let total =
        page.total.then(|| Total { count: u64::try_from(found.len()).unwrap_or(u64::MAX), exact: partial.is_none() });
    if let Some(after) = after {
        let key = |at: &Position| (at.value, at.second, at.id);
        found.retain(|(at, _)| key(at) < key(&after));
    }
    let limit = page.rows();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more && partial.is_none()).map(|(at, _)| *at);
    let ids: Vec<i64> = found.iter().map(|(_, bundle)| bundle.newest).collect();
    let newest = link.guard.unhurried(|| rows::groups(link, &ids, hidden, link.noisy()?))?;
    let counts = asked.ranged && partial.is_none() && link.guard.has_time();
    let range = counts.then_some((asked.from, asked.to));
    let counts = count_range(link, range, &found)?;
    let rows = found.into_iter().zip(newest).zip(counts);
    Ok(BundlePage {
        items: rows.map(|(((_, bundle), newest), in_range)| bundle.shown(newest, hidden, in_range)).collect(),
        next: next.map(|at| link.signer.sign(List::Bundles, &about, at)),
        total,
        partial,
        as_of: Timestamp(filter.now.0),
    })
}

/// Puts the groups of a search together.
fn collect(link: &Link, search: &Search, by: BundleBy) -> Result<(Bundles<i64>, Option<Partial>), StoreError> {
    let mut bundles = Bundles::default();
    // Names are made once for a party or a rule, and not for each group.
    let mut places: HashMap<[i64; 2], usize> = HashMap::new();
    let mut looked = 0;
    let walked = (|| {
        let mut groups = link.db.prepare_cached(&search.sql.text)?;
        let mut events = link.db.prepare_cached(&search.check.text)?;
        let mut rows = groups.query(params_from_iter(&search.sql.params))?;
        while let Some(row) = rows.next()? {
            looked += 1;
            if looked > MOST_GROUPS {
                break;
            }
            let id: i64 = row.get(2)?;
            let params = std::iter::once(id.into()).chain(search.check.params.iter().cloned());
            if !row.get::<_, bool>(3)? && !events.exists(params_from_iter(params))? {
                continue;
            }
            let number = |column: usize| row.get::<_, i64>(column);
            let (client, server) = (number(9)?, number(10)?);
            let (gid, sid): (u32, u32) = (row.get(11)?, row.get(12)?);
            let member = Member {
                id,
                severity: u8::try_from(number(4)?).unwrap_or(100),
                first: number(5)?,
                last: number(6)?,
                n: number(7)?.unsigned_abs(),
                hidden: number(8)?.unsigned_abs(),
                client: client.unsigned_abs(),
                server: server.unsigned_abs(),
            };
            let mut add = |bundles: &mut Bundles<i64>, alike: [i64; 2], key: &dyn Fn() -> BundleKey| {
                let place = *places.entry(alike).or_insert_with(|| bundles.place(key(), &member));
                bundles.add(place, &member);
            };
            let side = |id: i64| entry(&link.words.parties, id);
            let is_workload = |id: i64| side(id).is_some_and(|party| !party.kind.is_empty());
            let display = |id: i64| side(id).map_or_else(|| "?".to_owned(), PartyKey::display);
            let named = |id: i64, key: fn(SideOf<'_>) -> BundleKey| {
                key(SideOf { display: &display(id), workload: is_workload(id) })
            };
            match by {
                BundleBy::Signature => {
                    add(&mut bundles, [gid.into(), sid.into()], &|| BundleKey::rule(gid, sid));
                }
                BundleBy::Source => add(&mut bundles, [client, 0], &|| named(client, BundleKey::source)),
                BundleBy::Workload => {
                    let sides = match (is_workload(client), is_workload(server)) {
                        // Parties of two kinds may have one name.
                        (true, true) => (true, client != server && display(client) != display(server)),
                        (is, also) => (is, also || !is),
                    };
                    for (_, id) in [(sides.0, client), (sides.1, server)].into_iter().filter(|side| side.0) {
                        add(&mut bundles, [id, 0], &|| named(id, BundleKey::workload));
                    }
                }
            }
        }
        Ok(())
    })();
    match walked {
        Ok(()) => {
            let examined = u64::try_from(looked).unwrap_or(u64::MAX);
            Ok((bundles, (looked > MOST_GROUPS).then_some(Partial { examined, why: Why::RowBudget })))
        }
        Err(error) => match link.guard.stopped() {
            Some(partial) => Ok((bundles, Some(partial))),
            None => Err(link.failed(&error)),
        },
    }
}

/// For each bundle its events in the range, where that is not too much to add up.
fn count_range(
    link: &Link,
    range: Option<(i64, i64)>,
    found: &[(Position, Bundling<i64>)],
) -> Result<Vec<Option<u64>>, StoreError> {
    let none = || vec![None; found.len()];
    let Some((from, to)) = range else { return Ok(none()) };
    let count = || {
        let days = hours::days(link, from.div_euclid(DAY), to.div_euclid(DAY))?;
        let mut budget = EDGES;
        let mut searches = SEARCHES;
        let mut counts = Vec::with_capacity(found.len());
        for (_, bundle) in found {
            if bundle.first > from && bundle.last <= to {
                counts.push(Some(bundle.n));
                continue;
            }
            let cost = bundle.members.len().saturating_mul(days.len() + 2);
            let Some(left) = searches.checked_sub(cost) else {
                counts.push(None);
                continue;
            };
            searches = left;
            let mut sum = Some(0);
            for id in &bundle.members {
                let Some(group) = hours::counted(link, "id", *id)? else { continue };
                let n = hours::between(link, &group, &days, (from, to), &mut budget)?;
                sum = sum.zip(n).map(|(sum, n)| sum + n);
                if sum.is_none() {
                    break;
                }
            }
            counts.push(sum);
        }
        Ok(counts)
    };
    match count() {
        Ok(counts) => Ok(counts),
        Err(_) if link.guard.stopped().is_some() => Ok(none()),
        Err(error) => Err(link.failed(&error)),
    }
}
