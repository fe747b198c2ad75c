//! Old events go, and every count goes with them.

use crate::fixture::*;
use crate::model::Model;
use crate::sample::{self, Dice};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tapir_packet::Timestamp;
use tapir_query::Field;
use tapir_store::*;

fn policy() -> RetentionPolicy {
    let day = Duration::from_secs(86_400);
    RetentionPolicy { keep: 30 * day, keep_suppressed: 7 * day, max_bytes: u64::MAX }
}

fn retain(fixture: &Fixture, policy: &RetentionPolicy, now: i64) -> RetentionReport {
    let mut sum = RetentionReport::default();
    loop {
        let step = wait(fixture.store().retain(policy.clone(), Timestamp(now))).unwrap();
        sum.by_age += step.by_age;
        sum.by_suppression += step.by_suppression;
        sum.by_size += step.by_size;
        sum.groups += step.groups;
        if step.by_age + step.by_suppression + step.by_size == 0 {
            return sum;
        }
    }
}

/// Whatever is told of what is left is as if nothing else had ever been.
fn same(fixture: &Fixture, model: &Model) {
    let everything = Filter { suppressed: true, ..filter("") };
    assert_eq!(fixture.events(&everything, 500).len(), model.events.len());
    for filter in [filter(""), everything] {
        let groups = fixture.groups(&filter, GroupSort::LastSeen, 500);
        let states = model.all_states();
        let expected: BTreeSet<_> = model.matching(&filter).iter().map(|kept| kept.group).collect();
        assert_eq!(groups.iter().map(|group| group.id).collect::<BTreeSet<_>>(), expected);
        for group in groups {
            let state = &states[&group.id];
            let of = model.events.iter().filter(|kept| kept.group == group.id);
            let shapes: BTreeSet<_> = of.filter(|kept| kept.hidden.is_none()).filter_map(|kept| kept.shape).collect();
            assert_eq!(group.shapes, shapes.len() as u64);
            assert_eq!((group.first_seen.0, group.last_seen.0), (state.first, state.last));
            let hidden = if filter.suppressed { group.suppressed } else { 0 };
            assert_eq!(group.count, state.count + hidden);
        }
        let (facets, _) = wait(fixture.store().facets(filter.clone(), vec![Field::Sid])).unwrap();
        let mut sids: BTreeMap<String, u64> = BTreeMap::new();
        for kept in model.matching(&filter) {
            *sids.entry(kept.event.rule.sid.to_string()).or_default() += 1;
        }
        assert_eq!(facets[0].values.iter().map(|v| (v.value.clone(), v.count)).collect::<BTreeMap<_, _>>(), sids);
        for text in ["", "ns:shop"] {
            let filter = Filter { query: query(text), ..filter.clone() };
            let histogram = wait(fixture.store().histogram(filter.clone(), 50)).unwrap();
            let sum: u64 = histogram.buckets.iter().flat_map(|bucket| bucket.counts).sum();
            assert_eq!(sum, model.matching(&filter).len() as u64);
        }
    }
    for text in ["ip:10.1.2.3", "pod:cart-0", "source_ip:203.0.113.0/24"] {
        let expected: BTreeSet<_> = model.matching(&filter(text)).iter().map(|kept| kept.group).collect();
        let found = fixture.groups(&filter(text), GroupSort::LastSeen, 500);
        assert_eq!(found.into_iter().map(|group| group.id).collect::<BTreeSet<_>>(), expected, "{text}");
    }
}

#[test]
fn events_go_by_the_time_of_their_arrival() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(50), 300);
    let (old, new) = events.split_at(180);
    fixture.ingest_at(old, NOW);
    fixture.ingest_at(new, Timestamp(NOW.0 + 10 * DAY));
    same(&fixture, &Model::of(&events));
    assert_eq!(retain(&fixture, &policy(), NOW.0 + 6 * DAY), RetentionReport::default());
    // Hidden ones first.
    let report = retain(&fixture, &policy(), NOW.0 + 8 * DAY);
    let kept: Vec<_> = events
        .iter()
        .enumerate()
        .filter(|(at, event)| *at >= 180 || event.suppressed_by.is_none())
        .map(|(_, e)| e.clone())
        .collect();
    assert_eq!((report.by_age, report.by_suppression), (0, (events.len() - kept.len()) as u64));
    assert!(report.by_suppression > 0);
    same(&fixture, &Model::of(&kept));
    let report = retain(&fixture, &policy(), NOW.0 + 31 * DAY);
    assert!(report.by_age > 100 && report.groups > 0);
    let kept: Vec<_> = new.iter().filter(|event| event.suppressed_by.is_none()).cloned().collect();
    same(&fixture, &Model::of(&kept));
    let report = retain(&fixture, &policy(), NOW.0 + 100 * DAY);
    assert_eq!(report.by_age, kept.len() as u64);
    assert!(fixture.groups(&Filter { suppressed: true, ..filter("") }, GroupSort::LastSeen, 10).is_empty());
    let health = wait(fixture.store().health()).unwrap();
    assert_eq!((health.events, health.groups, health.removed), (0, 0, 300));
    assert!(wait(fixture.store().histogram(filter(""), 10)).unwrap().buckets.is_empty());
}

#[test]
fn decisions_outlive_the_events() {
    let fixture = Fixture::new();
    let mut event = sample::event(&mut Dice(51));
    event.suppressed_by = None;
    event.id.node = "n".into();
    event.id.seq = 1;
    fixture.ingest(&[event.clone()]);
    let id = fixture.groups(&filter(""), GroupSort::LastSeen, 1)[0].id;
    fixture.act(id, Action::Dismiss { reason: Reason::NoRisk, text: None, covers: Covers::KnownShapes });
    retain(&fixture, &policy(), NOW.0 + 40 * DAY);
    assert!(fixture.groups(&filter(""), GroupSort::LastSeen, 10).is_empty());
    event.id.seq = 2;
    fixture.ingest(&[event]);
    let group = fixture.group(id);
    assert_eq!((group.status, group.count), (Status::Dismissed, 1), "the same shape as then");
}

#[test]
fn events_go_when_the_file_is_too_large() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(52), 300);
    fixture.ingest(&events);
    let policy = RetentionPolicy { max_bytes: 1, ..policy() };
    let report = wait(fixture.store().retain(policy, NOW)).unwrap();
    assert_eq!((report.by_size, report.by_age, report.more), (300, 0, false));
    assert_eq!(wait(fixture.store().health()).unwrap().events, 0);
}
