//! Groups as rows, pages, cursors, live changes.

use crate::fixture::*;
use crate::model::Model;
use crate::sample::{self, Dice};
use std::collections::BTreeSet;
use tapir_event::{EventId, GroupKey, SecurityEvent, Workload};
use tapir_packet::Timestamp;
use tapir_store::*;

#[test]
fn a_group_row_says_who_what_how_often() {
    let fixture = Fixture::new();
    let mut dice = Dice(5);
    let mut event = sample::event(&mut dice);
    let pod = |pod: &str| {
        let (owner_kind, owner_name) = ("Deployment".to_owned(), "web".to_owned());
        Some(Workload { namespace: "shop".into(), pod: pod.into(), owner_kind, owner_name, ..Workload::default() })
    };
    event.suppressed_by = None;
    event.rule = std::sync::Arc::new(tapir_event::RuleSummary {
        gid: 1,
        sid: 9,
        rev: 2,
        msg: Some("it".into()),
        priority: 1,
        metadata: vec![("mitre_technique_id".into(), "T1190".into()), ("mitre_tactic_id".into(), "TA0001".into())],
        ..Default::default()
    });
    let mut events = Vec::new();
    for (seq, name) in [(1, "web-1"), (2, "web-2"), (3, "web-1")] {
        let id = EventId { node: "n".into(), boot: 1, seq };
        let time = Timestamp(NOW.0 - i64::try_from(seq).unwrap() * HOUR);
        events.push(SecurityEvent { id, time, server: pod(name), ..event.clone() });
    }
    fixture.ingest(&events);
    let groups = fixture.groups(&Filter::all(NOW), GroupSort::LastSeen, 10);
    let [group] = groups.as_slice() else { panic!("{groups:#?}") };
    assert_eq!(group.id, GroupId(GroupKey::of(&events[0]).hash()));
    assert_eq!((group.gid, group.sid, group.rev, group.msg.as_str()), (1, 9, 2, "it"));
    assert_eq!((group.severity, group.level, group.count), (90, "high", 3));
    assert_eq!((group.server.display.as_str(), group.server.key.as_str()), ("shop/web", "shop/Deployment/web"));
    assert_eq!((group.server_pods, group.shapes, group.status), (2, u64::from(event.evidence.is_some()), Status::Open));
    assert_eq!((group.first_seen.0, group.last_seen.0), (NOW.0 - 3 * HOUR, NOW.0 - HOUR));
    assert_eq!((group.techniques.join(","), group.tactics.join(",")), ("T1190".into(), "Initial Access".into()));
    assert!(group.namespaces.contains(&"shop".to_owned()));
    let detail = wait(fixture.store().group(group.id)).unwrap();
    assert_eq!(&detail.group, group);
    let breakdown = wait(fixture.store().breakdown(group.id)).unwrap();
    let pods: Vec<_> = breakdown.rows.iter().map(|row| (row.server_pod.as_deref(), row.count)).collect();
    assert_eq!(pods, [(Some("web-1"), 2), (Some("web-2"), 1)]);
    let (lines, partial) =
        wait(fixture.store().sparklines(vec![group.id], Timestamp(NOW.0 - 4 * HOUR), NOW, 4)).unwrap();
    assert_eq!((lines, partial), (vec![vec![1, 1, 1, 0]], None));
    let unknown = wait(fixture.store().group(GroupId(1)));
    assert!(matches!(unknown, Err(StoreError::NotFound { what: "group", .. })));
}

#[test]
fn every_order_is_complete_whatever_the_page() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(6), 250);
    fixture.ingest(&events);
    let filter = Filter { suppressed: true, ..Filter::all(NOW) };
    let all = Model::of(&events).groups();
    for sort in [GroupSort::LastSeen, GroupSort::Severity, GroupSort::Count, GroupSort::FirstSeen] {
        for limit in [1, 7, 100] {
            let found = fixture.groups(&filter, sort, limit);
            let keys: Vec<_> = found
                .iter()
                .map(|group| match sort {
                    GroupSort::LastSeen => (group.last_seen.0, 0),
                    GroupSort::Severity => (group.severity.into(), group.last_seen.0),
                    GroupSort::Count => (i64::try_from(group.count).unwrap(), 0),
                    GroupSort::FirstSeen => (group.first_seen.0, 0),
                })
                .collect();
            assert!(keys.is_sorted_by(|a, b| a >= b), "{sort:?} {keys:?}");
            let ids: BTreeSet<_> = found.iter().map(|group| group.id).collect();
            assert_eq!((ids.len(), &ids), (found.len(), &all), "{sort:?} by {limit}");
        }
    }
}

#[test]
fn events_that_come_while_somebody_reads_do_not_move_the_pages() {
    let fixture = Fixture::new();
    let mut dice = Dice(7);
    let events = sample::events(&mut dice, 120);
    fixture.ingest(&events);
    let filter = Filter { suppressed: true, ..Filter::all(NOW) };
    let before: Vec<_> = fixture.events(&filter, 1_000).into_iter().map(|row| row.id).collect();
    let mut seen = Vec::new();
    let mut page = PageRequest { limit: 10, ..PageRequest::default() };
    let mut boot = 100;
    loop {
        let found = wait(fixture.store().events(filter.clone(), page.clone())).unwrap();
        seen.extend(found.items.into_iter().map(|row| row.id));
        let Some(next) = found.next else { break };
        page.cursor = Some(next);
        boot += 1;
        let mut newer = sample::event(&mut dice);
        newer.id = EventId { node: "late".into(), boot, seq: 1 };
        fixture.ingest(&[newer]);
    }
    seen.retain(|id| &*id.node != "late");
    assert_eq!(seen, before);
}

#[test]
fn a_cursor_is_for_its_list_and_store() {
    let fixture = Fixture::new();
    fixture.ingest(&sample::events(&mut Dice(8), 30));
    let page = |cursor| PageRequest { limit: 2, cursor, total: false };
    let groups = |text, sort, cursor| wait(fixture.store().groups(filter(text), sort, page(cursor)));
    let first = groups("", GroupSort::LastSeen, None).unwrap().next;
    assert!(groups("", GroupSort::LastSeen, first.clone()).is_ok());
    for (text, sort) in [("", GroupSort::Count), ("sid:1001", GroupSort::LastSeen)] {
        assert!(matches!(groups(text, sort, first.clone()), Err(StoreError::BadCursor(_))));
    }
    assert!(matches!(wait(fixture.store().events(filter(""), page(first))), Err(StoreError::BadCursor(_))));
    let other = Fixture::new();
    other.ingest(&sample::events(&mut Dice(8), 30));
    let theirs = wait(other.store().groups(filter(""), GroupSort::LastSeen, page(None))).unwrap().next;
    assert!(matches!(groups("", GroupSort::LastSeen, theirs), Err(StoreError::BadCursor(_))));
}

#[test]
fn a_groups_events_are_a_list_of_their_own() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(9), 200);
    fixture.ingest(&events);
    let model = Model::of(&events);
    for group in model.groups() {
        let filter = filter("-uri:login");
        let expected =
            model.matching(&filter).into_iter().filter(|kept| kept.group == group).map(|kept| kept.event.id.clone());
        let mut found = Vec::new();
        let mut page = PageRequest { limit: 2, cursor: None, total: true };
        loop {
            let answer = wait(fixture.store().group_events(group, filter.clone(), page.clone())).unwrap();
            found.extend(answer.items.into_iter().map(|row| row.id));
            page.cursor = answer.next;
            if page.cursor.is_none() {
                assert_eq!(answer.total, Some(Total { count: found.len() as u64, exact: true }));
                break;
            }
        }
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}

#[test]
fn changed_groups_are_told_once_and_in_order() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(10), 100);
    fixture.ingest(&events[..60]);
    let filter = filter("");
    let follow = |mut at: u64| {
        let mut ids = BTreeSet::new();
        loop {
            let changes = wait(fixture.store().changes(filter.clone(), at, 10)).unwrap();
            ids.extend(changes.groups.iter().map(|group| group.id));
            ids.extend(changes.gone);
            at = changes.at;
            if !changes.more {
                return (ids, at);
            }
        }
    };
    let (ids, at) = follow(0);
    assert_eq!(ids, Model::of(&events[..60]).groups());
    assert_eq!(follow(at), (BTreeSet::new(), at));
    fixture.ingest(&events[60..]);
    let (ids, at) = follow(at);
    assert_eq!(ids, Model::of(&events[60..]).groups());
    let one = *ids.first().unwrap();
    fixture.act(one, Action::Acknowledge);
    assert_eq!(follow(at).0, [one].into());
    assert!(wait(fixture.store().health()).unwrap().change > at);
}
