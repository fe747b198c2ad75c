//! Rows that stand for several groups, and counts of a time range.

use crate::fixture::*;
use crate::model::Model;
use crate::sample::{self, Dice};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tapir_event::GroupKey;
use tapir_packet::Timestamp;
use tapir_store::*;

const ALL: [BundleBy; 3] = [BundleBy::Signature, BundleBy::Workload, BundleBy::Source];

fn ranges() -> [Filter; 5] {
    let ranged = |from: Option<i64>, to: Option<i64>| Filter {
        from: from.map(|ago| Timestamp(NOW.0 - ago)),
        to: to.map(|ago| Timestamp(NOW.0 - ago)),
        ..filter("")
    };
    [
        ranged(Some(2 * DAY + 12_345), None),
        ranged(None, Some(DAY + 77)),
        ranged(Some(3 * DAY), Some(DAY)),
        // Within an hour.
        ranged(Some(DAY - 10 * 60 * SECOND), Some(DAY - 50 * 60 * SECOND)),
        ranged(Some(2_000 * DAY), None),
    ]
}

/// Visible events of groups in a range, by counting.
fn in_range(model: &Model, filter: &Filter) -> BTreeMap<GroupId, u64> {
    let everything = Filter { query: query(""), suppressed: false, status: Vec::new(), ..filter.clone() };
    let mut counts = BTreeMap::new();
    model.matching(&everything).into_iter().for_each(|kept| *counts.entry(kept.group).or_default() += 1);
    counts
}

#[test]
fn a_group_tells_how_many_of_its_events_lie_in_the_range() {
    let fixture = Fixture::new();
    let mut events = sample::events(&mut Dice(80), 400);
    // Some of a busy group, in one hour and around it.
    for (at, event) in events.iter_mut().take(60).enumerate() {
        event.time = Timestamp(NOW.0 - DAY + i64::try_from(at).unwrap() * 90 * SECOND);
    }
    fixture.ingest(&events);
    let model = Model::of(&events);
    for filter in ranges() {
        let expected = in_range(&model, &filter);
        for filter in [filter.clone(), Filter { suppressed: true, ..filter.clone() }] {
            for group in fixture.groups(&filter, GroupSort::LastSeen, 30) {
                let count = expected.get(&group.id).copied().unwrap_or(0);
                assert_eq!(group.in_range, Some(count), "{:?} {:?} {group:#?}", filter.from, filter.to);
            }
        }
    }
    assert!(fixture.groups(&filter(""), GroupSort::LastSeen, 30).iter().all(|group| group.in_range.is_none()));
}

/// Keys of a group: what a bundle's key would be.
fn keys(by: BundleBy, event: &tapir_event::SecurityEvent) -> BTreeSet<String> {
    let key = GroupKey::of(event);
    let display = |side: &Option<tapir_event::Workload>, key: &str| match side {
        Some(side) => side.display(),
        None => key.parse::<IpAddr>().map_or_else(|_| key.to_owned(), |address| address.to_canonical().to_string()),
    };
    let (client, server) = (display(&event.client, &key.client), display(&event.server, &key.server));
    match by {
        BundleBy::Signature => [format!("{}:{}", key.gid, key.sid)].into(),
        BundleBy::Source => [client].into(),
        BundleBy::Workload => match (event.client.is_some(), event.server.is_some()) {
            (false, false) => [server].into(),
            (is_client, is_server) => {
                [(is_client, client), (is_server, server)].into_iter().filter(|at| at.0).map(|at| at.1).collect()
            }
        },
    }
}

#[test]
fn bundles_add_up_the_groups_that_a_filter_shows() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(81), 300);
    fixture.ingest(&events);
    let model = Model::of(&events);
    let mut filters: Vec<Filter> =
        ["", "sid:1001", "-uri:login", "ns:shop status_code:404"].map(filter).into_iter().collect();
    filters.extend(ranges());
    filters.push(Filter { suppressed: true, ..filter("") });
    for filter in filters {
        let groups = fixture.groups(&filter, GroupSort::LastSeen, 100);
        let counts = in_range(&model, &filter);
        for by in ALL {
            let found = fixture.bundles(&filter, by, GroupSort::LastSeen, 3);
            let mut expected: BTreeMap<String, Vec<&Group>> = BTreeMap::new();
            for group in &groups {
                let kept = model.events.iter().find(|kept| kept.group == group.id).unwrap();
                for key in keys(by, &kept.event) {
                    expected.entry(key).or_default().push(group);
                }
            }
            let names: BTreeSet<_> = found.iter().map(|bundle| bundle.key.clone()).collect();
            assert_eq!(names, expected.keys().cloned().collect(), "{by:?} {}", filter.query);
            assert_eq!(names.len(), found.len(), "no key twice");
            for bundle in found {
                let members = &expected[&bundle.key];
                let sum = |of: fn(&Group) -> u64| members.iter().map(|group| of(group)).sum::<u64>();
                assert_eq!(bundle.groups, members.len() as u64);
                assert_eq!((bundle.count, bundle.suppressed), (sum(|at| at.count), sum(|at| at.suppressed)));
                assert_eq!(Some(bundle.first_seen), members.iter().map(|at| at.first_seen).min());
                assert_eq!(Some(bundle.last_seen), members.iter().map(|at| at.last_seen).max());
                assert_eq!(Some(bundle.severity), members.iter().map(|at| at.severity).max());
                let clients: BTreeSet<_> = members.iter().map(|at| &at.client.key).collect();
                assert_eq!(bundle.clients, clients.len() as u64);
                assert_eq!(bundle.newest.last_seen, bundle.last_seen);
                assert!(members.iter().any(|at| at.id == bundle.newest.id));
                let ranged = filter.from.is_some() || filter.to.is_some();
                let count = || members.iter().map(|at| counts.get(&at.id).copied().unwrap_or(0)).sum::<u64>();
                assert_eq!(bundle.in_range, ranged.then(count));
            }
        }
    }
}

#[test]
fn a_bundles_query_finds_its_groups_and_no_others() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(82), 300);
    fixture.ingest(&events);
    for by in ALL {
        for bundle in fixture.bundles(&filter(""), by, GroupSort::Count, 100) {
            let found = fixture.groups(&filter(&bundle.query), GroupSort::LastSeen, 100);
            assert_eq!(found.len() as u64, bundle.groups, "{by:?} {}", bundle.query);
            assert_eq!(found.iter().map(|group| group.count).sum::<u64>(), bundle.count, "{}", bundle.query);
        }
    }
}

#[test]
fn bundles_have_an_order_and_cursors_of_their_own() {
    let fixture = Fixture::new();
    fixture.ingest(&sample::events(&mut Dice(83), 250));
    for by in ALL {
        for sort in [GroupSort::LastSeen, GroupSort::Severity, GroupSort::Count, GroupSort::FirstSeen] {
            let whole = fixture.bundles(&filter(""), by, sort, 100);
            let keys = |bundles: &[Bundle]| bundles.iter().map(|bundle| bundle.key.clone()).collect::<Vec<_>>();
            assert_eq!(keys(&fixture.bundles(&filter(""), by, sort, 2)), keys(&whole), "{by:?} {sort:?}");
            let place = |bundle: &Bundle| match sort {
                GroupSort::LastSeen => (bundle.last_seen.0, 0),
                GroupSort::Severity => (bundle.severity.into(), bundle.last_seen.0),
                GroupSort::Count => (i64::try_from(bundle.count).unwrap(), 0),
                GroupSort::FirstSeen => (bundle.first_seen.0, 0),
            };
            assert!(whole.is_sorted_by(|a, b| place(a) >= place(b)), "{by:?} {sort:?}");
        }
    }
    let page = |cursor| PageRequest { limit: 1, cursor, total: false };
    let ask = |by, cursor| wait(fixture.store().bundles(filter(""), by, GroupSort::LastSeen, page(cursor)));
    let next = ask(BundleBy::Signature, None).unwrap().next;
    assert!(ask(BundleBy::Signature, next.clone()).is_ok());
    assert!(matches!(ask(BundleBy::Source, next.clone()), Err(StoreError::BadCursor(_))));
    let groups = wait(fixture.store().groups(filter(""), GroupSort::LastSeen, page(next)));
    assert!(matches!(groups, Err(StoreError::BadCursor(_))));
}
