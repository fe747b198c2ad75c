//! Any query over any events answers what the evaluator says over all of them.

use crate::fixture::*;
use crate::model::Model;
use crate::sample::{self, Dice};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tapir_packet::Timestamp;
use tapir_query::Field;
use tapir_store::*;

fn check(fixture: &Fixture, model: &Model, filter: &Filter) {
    let expected = model.matching(filter);
    let ids: Vec<_> = expected.iter().map(|kept| kept.event.id.clone()).collect();
    let found: Vec<_> = fixture.events(filter, 7).into_iter().map(|row| row.id).collect();
    assert_eq!(found, ids, "events of {} {:?}..{:?}", filter.query, filter.from, filter.to);
    let groups: BTreeSet<_> = expected.iter().map(|kept| kept.group).collect();
    let found: Vec<_> = fixture.groups(filter, GroupSort::LastSeen, 3);
    let times: Vec<_> = found.iter().map(|group| group.last_seen).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
    let listed: BTreeSet<_> = found.iter().map(|group| group.id).collect();
    assert_eq!(listed.len(), found.len(), "no group twice");
    assert_eq!(listed, groups, "groups of {} {:?}..{:?}", filter.query, filter.from, filter.to);
    let page = PageRequest { limit: 1, total: true, ..PageRequest::default() };
    let total = wait(fixture.store().events(filter.clone(), page.clone())).unwrap().total;
    assert_eq!(total, Some(Total { count: ids.len() as u64, exact: true }), "events of {}", filter.query);
    let total = wait(fixture.store().groups(filter.clone(), GroupSort::Count, page)).unwrap().total;
    assert_eq!(total, Some(Total { count: groups.len() as u64, exact: true }), "groups of {}", filter.query);
    let histogram = wait(fixture.store().histogram(filter.clone(), 50)).unwrap();
    let sum: u64 = histogram.buckets.iter().flat_map(|bucket| bucket.counts).sum();
    assert_eq!(sum, ids.len() as u64, "histogram of {} {:?}..{:?}", filter.query, filter.from, filter.to);
}

#[test]
fn every_condition_of_the_catalogue_answers_as_the_evaluator_does() {
    let mut dice = Dice(11);
    let events = sample::events(&mut dice, 400);
    let fixture = Fixture::new();
    fixture.ingest(&events);
    let mut model = Model::of(&events);
    // Some groups have been decided about.
    for (place, id) in model.groups().into_iter().enumerate() {
        let state = model.states.entry(id).or_default();
        match place % 5 {
            0 => {
                let text = Some("a test of ours".to_owned());
                let action =
                    Action::Dismiss { reason: Reason::Expected, text: text.clone(), covers: Covers::KnownShapes };
                fixture.act(id, action);
                (state.status, state.reason, state.reason_text) = (Status::Dismissed, Some(Reason::Expected), text);
            }
            1 => {
                fixture.act(id, Action::Assign { to: Some("ana".to_owned()) });
                fixture.act(id, Action::Acknowledge);
                (state.status, state.assignee) = (Status::Acknowledged, Some("ana".to_owned()));
            }
            _ => {}
        }
    }
    let mut asked = BTreeSet::new();
    let mut answered = 0;
    for atom in sample::atoms() {
        asked.extend(query(atom).fields());
        answered += usize::from(!model.matching(&filter(atom)).is_empty());
        check(&fixture, &model, &filter(atom));
        check(&fixture, &model, &filter(&format!("NOT ({atom})")));
    }
    let forgotten: Vec<_> = Field::all().iter().filter(|field| !asked.contains(field)).collect();
    // Both are hashes of the events: asked for below.
    assert_eq!(forgotten, [&Field::Group]);
    assert!(answered > 120, "{answered} conditions found something");
    let kept = &model.events[0];
    for text in [
        format!("group:{}", kept.group),
        format!("group={}", kept.group),
        format!("group:{}*", &kept.group.to_string()[..4]),
        format!("shape:{:016x}", kept.shape.unwrap_or_default()),
        format!("id={}", kept.event.id),
    ] {
        check(&fixture, &model, &filter(&text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_u32.div_ceil(crate::kind::SHARE), max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn queries_answer_as_the_evaluator_does(seed: u64, count in 1usize..150) {
        let mut dice = Dice(seed);
        let events = sample::events(&mut dice, count);
        let fixture = Fixture::new();
        let mut rest = events.as_slice();
        while !rest.is_empty() {
            let (batch, more) = rest.split_at(1 + usize::try_from(dice.below(rest.len() as u64)).unwrap());
            fixture.ingest(batch);
            rest = more;
        }
        let model = Model::of(&events);
        for _ in 0..25 {
            let mut filter = filter(&sample::query(&mut dice, 6));
            filter.suppressed = dice.one_in(4);
            if dice.one_in(3) {
                filter.status = vec![*dice.pick(&Status::ALL)];
            }
            let moment = |dice: &mut Dice| Timestamp(NOW.0 - i64::try_from(dice.below(5 * DAY as u64)).unwrap());
            if dice.one_in(3) {
                filter.from = Some(moment(&mut dice));
            }
            if dice.one_in(3) {
                filter.to = Some(moment(&mut dice));
            }
            check(&fixture, &model, &filter);
        }
        let mut all = Filter::all(NOW);
        check(&fixture, &model, &all);
        all.from = Some(Timestamp(NOW.0 - HOUR));
        check(&fixture, &model, &all);
        check(&fixture, &model, &filter("ns:shop"));
    }
}
