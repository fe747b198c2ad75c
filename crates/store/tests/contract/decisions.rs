//! Decisions about groups: what they change, how they are taken back, what brings a group back by itself.

use crate::fixture::*;
use crate::sample::{self, Dice};
use std::sync::Arc;
use tapir_event::{EventId, Evidence, EvidenceBuffer, RuleSummary, SecurityEvent};
use tapir_packet::Timestamp;
use tapir_store::*;

/// Events of one group: the shape is of the text, the severity of the priority.
fn event(seq: u64, text: &str, priority: u32) -> SecurityEvent {
    let buffers = vec![EvidenceBuffer { name: "http_uri".into(), bytes: text.into(), ..EvidenceBuffer::default() }];
    SecurityEvent {
        id: EventId { node: "n".into(), boot: 1, seq },
        time: NOW,
        rule: Arc::new(RuleSummary { gid: 1, sid: 7, priority, ..RuleSummary::default() }),
        evidence: Some(Evidence { buffers, ..Evidence::default() }),
        ..SecurityEvent::default()
    }
}

fn dismiss(covers: Covers) -> Action {
    Action::Dismiss { reason: Reason::Expected, text: Some("our scanner".to_owned()), covers }
}

fn only_group(fixture: &Fixture) -> Group {
    let mut groups = fixture.groups(&filter(""), GroupSort::LastSeen, 10);
    assert_eq!(groups.len(), 1);
    groups.pop().unwrap()
}

fn act(
    fixture: &Fixture,
    target: Target,
    action: Action,
    expected_count: Option<u64>,
) -> Result<ActionOutcome, StoreError> {
    let comment = None;
    wait(fixture.store().act(ActionRequest { target, action, comment, expected_count, who: "ana".into(), now: NOW }))
}

#[test]
fn an_action_changes_its_groups_and_can_be_taken_back_exactly() {
    let fixture = Fixture::new();
    fixture.ingest(&sample::events(&mut Dice(20), 150));
    let all = || {
        let mut groups = fixture.groups(&filter(""), GroupSort::LastSeen, 100);
        groups.sort_by_key(|group| group.id);
        groups
    };
    let some = all()[0].id;
    fixture.act(some, Action::Assign { to: Some("bo".into()) });
    fixture.act(some, Action::Comment { text: "seen before".into() });
    fixture.act(some, dismiss(Covers::KnownShapesUntil(Timestamp(NOW.0 + DAY))));
    let before = all();
    let matching = filter("severity>=medium OR status:dismissed");
    let wanted: Vec<_> = fixture.groups(&matching, GroupSort::LastSeen, 100).iter().map(|group| group.id).collect();
    assert!(wanted.len() > 3 && wanted.len() < before.len());
    let target = Target::Matching(Box::new(matching));
    let request = ActionRequest {
        target,
        action: Action::Escalate,
        comment: Some("please look".into()),
        expected_count: Some(wanted.len() as u64),
        who: "ana".into(),
        now: NOW,
    };
    let outcome = wait(fixture.store().act(request)).unwrap();
    assert_eq!(outcome.groups, wanted.len() as u64);
    let escalated = |group: &Group| group.status == Status::Escalated && group.comments > 0;
    assert_eq!(outcome.events, all().iter().filter(|group| escalated(group)).map(|group| group.count).sum::<u64>());
    assert_eq!(
        all().into_iter().filter(escalated).map(|group| group.id).collect::<std::collections::BTreeSet<_>>(),
        wanted.iter().copied().collect()
    );
    let token = outcome.undo.unwrap();
    let undone = wait(fixture.store().undo(token.clone(), by("ana"))).unwrap();
    assert_eq!((undone.restored, undone.skipped.len()), (wanted.len() as u64, 0));
    let as_it_was =
        |groups: Vec<Group>| groups.into_iter().map(|group| Group { version: 0, ..group }).collect::<Vec<_>>();
    assert_eq!(as_it_was(all()), as_it_was(before));
    assert_eq!(wait(fixture.store().undo(token, by("ana"))), Err(StoreError::UndoGone));
    let history = wait(fixture.store().group(some)).unwrap().history;
    let words: Vec<_> = history.iter().map(|entry| (entry.action.as_str(), entry.who.as_str())).collect();
    let last = [
        ("undo", "ana"),
        ("comment", "ana"),
        ("escalate", "ana"),
        ("dismiss", "ana"),
        ("comment", "ana"),
        ("assign", "ana"),
    ];
    assert_eq!(words, last);
    assert_eq!(history[3].detail["reason"], "expected");
    assert_eq!((history[1].detail["text"].as_str(), history[1].at), (Some("please look"), NOW));
}

#[test]
fn an_undo_leaves_alone_what_others_changed_since_and_ends_after_ten_minutes() {
    let fixture = Fixture::new();
    fixture.ingest(&sample::events(&mut Dice(21), 60));
    let groups = fixture.groups(&filter(""), GroupSort::LastSeen, 100);
    let ids = vec![(groups[0].id, None), (groups[1].id, None)];
    let token = act(&fixture, Target::Ids(ids), Action::Acknowledge, None).unwrap().undo.unwrap();
    fixture.act(groups[1].id, Action::Escalate);
    let undone = wait(fixture.store().undo(token, by("ana"))).unwrap();
    assert_eq!((undone.restored, undone.skipped), (1, vec![groups[1].id]));
    assert_eq!(fixture.group(groups[0].id).status, Status::Open);
    assert_eq!(fixture.group(groups[1].id).status, Status::Escalated);
    let token = fixture.act(groups[0].id, Action::Acknowledge).undo.unwrap();
    let late = Decision { who: "ana".into(), now: Timestamp(NOW.0 + 601 * SECOND) };
    assert_eq!(wait(fixture.store().undo(token, late)), Err(StoreError::UndoGone));
}

#[test]
fn an_action_is_refused_when_the_world_has_moved() {
    let fixture = Fixture::new();
    fixture.ingest(&sample::events(&mut Dice(22), 200));
    let groups = fixture.groups(&filter(""), GroupSort::LastSeen, 1_000);
    let count = groups.len() as u64;
    let all = || Target::Matching(Box::new(filter("")));
    for expected in [count * 2, count / 2, 0] {
        let refused = act(&fixture, all(), Action::Acknowledge, Some(expected));
        assert_eq!(refused, Err(StoreError::CountMoved { expected, found: count }));
    }
    assert!(fixture.groups(&filter("is:acknowledged"), GroupSort::LastSeen, 10).is_empty());
    assert_eq!(act(&fixture, all(), Action::Acknowledge, Some(count + count / 20)).unwrap().groups, count);
    let group = fixture.group(groups[0].id);
    let stale = vec![(group.id, Some(group.version - 1))];
    let refused = act(&fixture, Target::Ids(stale), Action::Escalate, None);
    assert!(matches!(refused, Err(StoreError::Conflict { found, .. }) if found == group.version), "{refused:?}");
    let fresh = vec![(group.id, Some(group.version))];
    let rows = act(&fixture, Target::Ids(fresh), Action::Escalate, None).unwrap().rows;
    assert_eq!((rows[0].status, rows[0].version), (Status::Escalated, group.version + 1));
    let nothing = act(&fixture, Target::Matching(Box::new(filter("sid:999"))), Action::Escalate, None).unwrap();
    assert_eq!((nothing.groups, nothing.undo), (0, None));
    for action in [
        Action::Dismiss { reason: Reason::Other, text: None, covers: Covers::Present },
        Action::Comment { text: " ".into() },
        Action::Comment { text: "x".repeat(10_000) },
        Action::Assign { to: Some(String::new()) },
    ] {
        let refused = act(&fixture, Target::Ids(vec![(group.id, None)]), action, None);
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    }
    assert!(act(&fixture, Target::Ids(vec![(GroupId(5), None)]), Action::Escalate, None).is_err());
}

#[test]
fn a_dismissed_group_comes_back_for_what_its_dismissal_did_not_foresee() {
    let until = Covers::KnownShapesUntil(Timestamp(NOW.0 + DAY));
    let later = |event: SecurityEvent| SecurityEvent { time: Timestamp(NOW.0 + DAY + 1), ..event };
    for (covers, next, why) in [
        (Covers::Present, event(2, "/a?1", 3), Some("a new event")),
        (Covers::KnownShapes, event(2, "/a?2", 3), None),
        (Covers::KnownShapes, later(event(2, "/a?2", 3)), None),
        (Covers::KnownShapes, event(2, "/b", 3), Some("new shape")),
        (Covers::KnownShapes, event(2, "/a?2", 1), Some("severity rose from 40 to 90")),
        (until, event(2, "/a?2", 3), None),
        (until, event(2, "/b", 3), Some("new shape")),
        (until, later(event(2, "/a?2", 3)), Some("covered events until")),
    ] {
        let fixture = Fixture::new();
        fixture.ingest(&[event(1, "/a?1", 3)]);
        let id = only_group(&fixture).id;
        fixture.act(id, dismiss(covers));
        let dismissed = only_group(&fixture);
        assert_eq!((dismissed.status, dismissed.reason), (Status::Dismissed, Some(Reason::Expected)));
        // Once more what was there: nothing happens.
        fixture.ingest(&[event(1, "/a?1", 3)]);
        assert_eq!(only_group(&fixture), dismissed);
        fixture.ingest_at(&[next], Timestamp(NOW.0 + SECOND));
        let group = only_group(&fixture);
        match why {
            None => assert_eq!((group.status, group.reopened_at), (Status::Dismissed, None), "{covers:?}"),
            Some(why) => {
                assert_eq!(group.status, Status::Open, "{covers:?} {why}");
                assert_eq!(group.reopened_at, Some(Timestamp(NOW.0 + SECOND)));
                assert!(group.reopened_why.as_ref().unwrap().contains(why), "{group:?}");
                assert_eq!(group.version, dismissed.version + 1);
                let history = wait(fixture.store().group(id)).unwrap().history;
                assert_eq!((history[0].action.as_str(), history[0].who.as_str()), ("reopen", "tapir"));
            }
        }
    }
}

#[test]
fn a_new_owner_is_another_group_and_so_open() {
    let fixture = Fixture::new();
    let owned = |seq, name: &str| {
        let client = tapir_event::Workload {
            namespace: "shop".into(),
            pod: format!("{name}-1"),
            owner_kind: "Deployment".into(),
            owner_name: name.into(),
            ..Default::default()
        };
        SecurityEvent { client: Some(client), ..event(seq, "/a", 3) }
    };
    fixture.ingest(&[owned(1, "web")]);
    fixture.act(only_group(&fixture).id, dismiss(Covers::KnownShapes));
    fixture.ingest(&[owned(2, "web"), owned(3, "cart")]);
    let open = fixture.groups(&filter("is:open"), GroupSort::LastSeen, 10);
    assert_eq!(open.iter().map(|group| group.client.display.as_str()).collect::<Vec<_>>(), ["shop/cart"]);
}

#[test]
fn the_audit_log_goes_back_page_by_page() {
    let fixture = Fixture::new();
    fixture.ingest(&[event(1, "/a", 3)]);
    let id = only_group(&fixture).id;
    for place in 0..25 {
        fixture.act(id, Action::Comment { text: format!("{place}") });
    }
    wait(fixture.store().put_view(NewView { name: "mine".into(), shared: true, url: "q=a".into() }, by("bo"))).unwrap();
    let mut page = PageRequest { limit: 10, ..PageRequest::default() };
    let mut texts = Vec::new();
    loop {
        let found = wait(fixture.store().audit(AuditWhat { group: Some(id), who: Some("ana".into()) }, page.clone()));
        let found = found.unwrap();
        texts.extend(found.items.iter().map(|entry| entry.detail["text"].as_str().unwrap().parse::<u32>().unwrap()));
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(texts, (0..25).rev().collect::<Vec<_>>());
    let nobody = AuditWhat { group: None, who: Some("eve".into()) };
    assert!(wait(fixture.store().audit(nobody, PageRequest::default())).unwrap().items.is_empty());
}

#[test]
fn views_belong_to_their_owner() {
    let fixture = Fixture::new();
    let view = |name: &str, shared| NewView { name: name.into(), shared, url: "q=ns:shop".into() };
    let put = |new, who| wait(fixture.store().put_view(new, by(who))).unwrap();
    let (mine, ours) = (put(view("mine", false), "ana"), put(view("ours", true), "ana"));
    assert_eq!(put(view("ours", true), "ana").id, ours.id, "the same name is the same view");
    let names = |who: &str| {
        wait(fixture.store().views(who.into())).unwrap().into_iter().map(|view| view.name).collect::<Vec<_>>()
    };
    assert_eq!((names("ana"), names("bo")), (vec!["mine".to_owned(), "ours".to_owned()], vec!["ours".to_owned()]));
    assert!(wait(fixture.store().remove_view(ours.id, by("bo"))).is_err());
    wait(fixture.store().remove_view(mine.id, by("ana"))).unwrap();
    assert_eq!(names("ana"), ["ours"]);
}
