//! Exceptions hide at the time of asking; suppressions hide on the way in; a preview says what one would have hidden.

use crate::fixture::*;
use crate::model::Model;
use crate::sample::{self, Dice};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tapir_event::{EventId, GroupKey, SecurityEvent};
use tapir_packet::Timestamp;
use tapir_query::Dialect;
use tapir_store::*;

fn exception(selector: &str, start: i64, end: Option<i64>) -> NewException {
    NewException {
        name: "quiet".into(),
        description: "for a test".into(),
        selector: selector.into(),
        dialect: Dialect::Incumbent,
        start: Timestamp(start),
        end: end.map(Timestamp),
    }
}

#[test]
fn exceptions_hide_while_they_hold() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(30), 200);
    fixture.ingest(&events);
    let model = Model::of(&events);
    let selector = r#"source_namespace = "shop" OR severity >= 90 AND NOT dest_ip = "10.1.2.3""#;
    let written = wait(fixture.store().put_exception(exception(selector, NOW.0, Some(NOW.0 + HOUR)), by("ana")));
    assert_eq!(wait(fixture.store().exceptions()).unwrap(), [written.unwrap()]);
    let at = |now: i64, text: &str| Filter { now: Timestamp(now), ..filter(text) };
    let ids = |filter: &Filter| fixture.events(filter, 50).into_iter().map(|row| row.id).collect::<Vec<_>>();
    let negated = format!("NOT ({selector})");
    for (now, hides) in [(NOW.0 - 1, false), (NOW.0, true), (NOW.0 + HOUR - 1, true), (NOW.0 + HOUR, false)] {
        for text in ["", "ns:scan"] {
            let expected =
                if hides { format!("({text}) AND {negated}").replace("() AND ", "") } else { text.to_owned() };
            let expected = model.matching(&at(now, &expected));
            let shown: Vec<_> = expected.iter().map(|kept| kept.event.id.clone()).collect();
            assert_eq!(ids(&at(now, text)), shown, "{now} {text}");
            let groups: BTreeSet<_> = expected.iter().map(|kept| kept.group).collect();
            let listed = fixture.groups(&at(now, text), GroupSort::LastSeen, 10);
            assert_eq!(listed.iter().map(|group| group.id).collect::<BTreeSet<_>>(), groups);
        }
    }
    let everything = Filter { excepted: true, ..at(NOW.0, "") };
    assert_eq!(ids(&everything).len(), model.matching(&everything).len());
    // Moved into the past it ends at once.
    wait(fixture.store().put_exception(exception(selector, NOW.0 - 2, Some(NOW.0 - 1)), by("ana"))).unwrap();
    assert_eq!(ids(&at(NOW.0, "")).len(), model.matching(&everything).len());
    wait(fixture.store().remove_exception("quiet".into(), by("ana"))).unwrap();
    assert!(wait(fixture.store().remove_exception("quiet".into(), by("ana"))).is_err());
    for (bad, why) in [
        (exception("severity >", NOW.0, None), "severity >"),
        (exception("sid = 1", NOW.0, None), "sid"),
        (exception("type = waf", NOW.0, Some(NOW.0)), "endTime must be after startTime"),
    ] {
        let error = wait(fixture.store().put_exception(bad, by("ana"))).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

fn suppression(scope: Scope, expires: Option<i64>) -> NewSuppression {
    NewSuppression {
        scope,
        mode: Mode::Hide,
        reason: "authorised scanner".into(),
        expires: expires.map(Timestamp),
        shown: Some(Shown { days: 30, would_hide: 5, ..Shown::default() }),
    }
}

fn rule(sid: u32) -> Scope {
    Scope { gid: Some(1), sid: Some(sid), ..Scope::default() }
}

#[test]
fn a_suppression_hides_what_comes_counts_it_and_can_be_taken_back() {
    let fixture = Fixture::new();
    let mut events = sample::events(&mut Dice(31), 300);
    events.iter_mut().for_each(|event| event.suppressed_by = None);
    let (old, new) = events.split_at(100);
    fixture.ingest(old);
    let made = wait(fixture.store().suppress(suppression(rule(1_001), Some(NOW.0 + DAY)), by("ana"))).unwrap();
    assert_eq!((made.author.as_str(), made.silenced, made.what.shown.unwrap().would_hide), ("ana", 0, 5));
    fixture.ingest(new);
    let mut model = Model::of(old);
    let hides = |event: &SecurityEvent| (event.rule.sid == 1_001).then(|| made.id.clone());
    new.iter().for_each(|event| model.add(event, hides(event)));
    let hidden = new.iter().filter(|event| hides(event).is_some()).count() as u64;
    assert!(hidden > 5);
    for text in ["", "is:suppressed", "sid:1001", "-is:suppressed", &format!("suppressed_by:{}", made.id)] {
        let expected: Vec<_> = model.matching(&filter(text)).iter().map(|kept| kept.event.id.clone()).collect();
        let found: Vec<_> = fixture.events(&filter(text), 50).into_iter().map(|row| row.id).collect();
        assert_eq!(found, expected, "{text}");
    }
    let listed = wait(fixture.store().suppressions()).unwrap();
    assert_eq!(listed[0].silenced, hidden);
    assert_eq!(listed[0].days.iter().map(|(_, n)| n).sum::<u64>(), hidden);
    let event = new.iter().find(|event| hides(event).is_some()).unwrap();
    let row = wait(fixture.store().event(event.id.clone())).unwrap().row;
    assert_eq!(row.suppressed_by.as_ref(), Some(&made.id));
    // Changed: by version, and it must still mean something.
    let change = |change| wait(fixture.store().change_suppression(made.id.clone(), change, by("bo")));
    let stale = change(SuppressionChange { if_version: Some(9), ..SuppressionChange::default() });
    assert!(matches!(stale, Err(StoreError::Conflict { .. })));
    let changed =
        change(SuppressionChange { reason: Some("asked for".into()), ..SuppressionChange::default() }).unwrap();
    assert_eq!((changed.what.reason.as_str(), changed.version), ("asked for", 2));
    // Taken back.
    wait(fixture.store().remove_suppression(made.id.clone(), true, by("ana"))).unwrap();
    assert!(wait(fixture.store().suppressions()).unwrap().is_empty());
    let model = Model::of(&events);
    let found = fixture.events(&filter(""), 100);
    assert_eq!(found.len(), 300);
    for group in fixture.groups(&filter(""), GroupSort::LastSeen, 100) {
        let state = model.state(group.id);
        assert_eq!((group.count, group.suppressed), (state.count, 0));
        assert_eq!((group.first_seen.0, group.last_seen.0), (state.first, state.last));
    }
    let sum: u64 =
        wait(fixture.store().histogram(filter(""), 100)).unwrap().buckets.iter().flat_map(|b| b.counts).sum();
    assert_eq!(sum, 300);
}

#[test]
fn suppressions_end_and_have_limits() {
    let fixture = Fixture::new();
    let mut event = sample::event(&mut Dice(32));
    event.suppressed_by = None;
    let mut at = |seq: u64, now: i64| {
        event.id = EventId { node: "n".into(), boot: 1, seq };
        fixture.ingest_at(&[event.clone()], Timestamp(now));
        let id = event.id.clone();
        wait(fixture.store().event(id)).unwrap().row.suppressed_by.is_some()
    };
    assert!(!at(1, NOW.0));
    let scope = Scope { sid: Some(sample::event(&mut Dice(32)).rule.sid), ..Scope::default() };
    wait(fixture.store().suppress(suppression(scope.clone(), Some(NOW.0 + HOUR)), by("ana"))).unwrap();
    assert!(at(2, NOW.0 + HOUR - 1) && !at(3, NOW.0 + HOUR));
    // The engine limits and stops; the store keeps what it is sent.
    for mode in [Mode::Limit { count: 1, seconds: 60 }, Mode::Stop] {
        let new = NewSuppression { mode, ..suppression(scope.clone(), None) };
        wait(fixture.store().suppress(new, by("ana"))).unwrap();
    }
    assert!(!at(4, NOW.0 + HOUR));
    for bad in [
        suppression(Scope::default(), None),
        suppression(scope.clone(), Some(NOW.0)),
        NewSuppression { reason: String::new(), ..suppression(scope, None) },
    ] {
        assert!(matches!(wait(fixture.store().suppress(bad, by("ana"))), Err(StoreError::Invalid(_))));
    }
    let missing = wait(fixture.store().remove_suppression("s-99".into(), false, by("ana")));
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));
}

/// Whether a scope covers an event, in other words than the store's.
fn covers(scope: &Scope, event: &SecurityEvent) -> bool {
    let key = GroupKey::of(event);
    let namespace = |side: &Option<tapir_event::Workload>| side.as_ref().map_or("", |side| &side.namespace).to_owned();
    let (client, server) = (namespace(&event.client), namespace(&event.server));
    let side = |side: &Side, key: &str, of: &str| match side {
        Side::Any => true,
        Side::Namespace(namespace) => namespace == of,
        Side::Party(party) => party == key,
    };
    scope.gid.is_none_or(|gid| gid == event.rule.gid)
        && scope.sid.is_none_or(|sid| sid == event.rule.sid)
        && side(&scope.client, &key.client, &client)
        && side(&scope.server, &key.server, &server)
        && scope.namespace.as_ref().is_none_or(|namespace| *namespace == client || *namespace == server)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_u32.div_ceil(crate::kind::SHARE), max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_preview_counts_what_counting_counts(seed: u64, count in 1usize..200, days in 1u32..10) {
        let mut dice = Dice(seed);
        let events = sample::events(&mut dice, count);
        let fixture = Fixture::new();
        fixture.ingest(&events);
        let mut opened = BTreeSet::new();
        for event in events.iter().filter(|_| dice.one_in(4)) {
            wait(fixture.store().mark_opened(event.id.clone(), by("ana"))).unwrap();
            let shape = tapir_event::shape(event.evidence.as_ref());
            opened.insert((GroupKey::of(event).hash(), shape));
        }
        let of = GroupKey::of(dice.pick(&events));
        let scopes = vec![
            Scope {
                gid: Some(of.gid),
                sid: Some(of.sid),
                client: Side::Party(of.client.clone()),
                server: Side::Party(of.server.clone()),
                namespace: None,
            },
            Scope { client: Side::Party(of.client.clone()), ..rule(of.sid) },
            Scope { namespace: Some("shop".into()), ..rule(of.sid) },
            Scope { gid: Some(of.gid), sid: Some(of.sid), ..Scope::default() },
            Scope { server: Side::Namespace("shop".into()), ..Scope::default() },
        ];
        let previews = wait(fixture.store().preview(scopes.clone(), days, NOW)).unwrap();
        let today = NOW.0.div_euclid(DAY);
        let start = today - i64::from(days) + 1;
        for (scope, preview) in scopes.iter().zip(previews) {
            let day = |event: &SecurityEvent| event.time.0.div_euclid(DAY);
            let of_rule = |event: &&SecurityEvent| {
                event.suppressed_by.is_none()
                    && day(event) >= start
                    && scope.gid.is_none_or(|gid| gid == event.rule.gid)
                    && scope.sid.is_none_or(|sid| sid == event.rule.sid)
            };
            let (hidden, left): (Vec<_>, Vec<_>) = events.iter().filter(of_rule).partition(|event| covers(scope, event));
            prop_assert_eq!((preview.would_hide, preview.left_visible), (hidden.len() as u64, left.len() as u64));
            let groups: BTreeSet<_> = hidden.iter().map(|event| GroupKey::of(event).hash()).collect();
            prop_assert_eq!(preview.groups, groups.len() as u64);
            let shape = |event: &SecurityEvent| tapir_event::shape(event.evidence.as_ref());
            let shapes: BTreeSet<_> = hidden.iter().filter_map(|event| shape(event)).collect();
            let seen = |shape: &u64| groups.iter().any(|group| opened.contains(&(*group, Some(*shape))) && hidden.iter().any(
                |event| GroupKey::of(event).hash() == *group && tapir_event::shape(event.evidence.as_ref()) == Some(*shape)));
            let unopened = shapes.iter().filter(|shape| !seen(shape)).count();
            prop_assert_eq!((preview.shapes_hidden, preview.shapes_unopened), (shapes.len() as u64, unopened as u64));
            for count in &preview.days {
                let on = |events: &[&SecurityEvent]| events.iter().filter(|event| day(event) == count.day).count() as u64;
                prop_assert_eq!((count.hidden, count.visible), (on(&hidden), on(&left)));
            }
            let listed: Vec<_> = preview.days.iter().map(|count| count.day).filter(|day| *day <= today).collect();
            prop_assert_eq!(listed, (start..=today).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_preview_has_limits() {
    let fixture = Fixture::new();
    let preview = |scopes, days| wait(fixture.store().preview(scopes, days, NOW));
    for (scopes, days) in
        [(vec![], 30), (vec![rule(1); 21], 30), (vec![rule(1)], 0), (vec![rule(1)], 367), (vec![Scope::default()], 30)]
    {
        assert!(matches!(preview(scopes, days), Err(StoreError::Invalid(_))));
    }
    assert_eq!(preview(vec![rule(1)], 30).unwrap()[0].days.len(), 30);
}
