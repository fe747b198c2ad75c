//! Facets, top lists, histograms.

use crate::fixture::*;
use crate::model::Model;
use crate::sample::{self, Dice};
use std::collections::{BTreeMap, BTreeSet};
use tapir_event::Level;
use tapir_packet::Timestamp;
use tapir_query::{Fact, Facts, Field};
use tapir_store::*;

const FIELDS: [Field; 18] = [
    Field::Severity,
    Field::Namespace,
    Field::ServerNamespace,
    Field::Workload,
    Field::Client,
    Field::Pod,
    Field::Classtype,
    Field::Protocol,
    Field::Service,
    Field::Direction,
    Field::Inspection,
    Field::Node,
    Field::Tactic,
    Field::Visibility,
    Field::Sid,
    Field::Status,
    Field::Ip,
    Field::ServerPort,
];

/// Values of a field by counting, each in the form that lists have.
fn values(model: &Model, filter: &Filter, field: Field) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let states = model.all_states();
    for kept in model.matching(filter) {
        let facts = EventFacts { event: &kept.event, group: &states[&kept.group], suppressed_by: None, cluster: "" };
        let mut values = BTreeSet::new();
        facts.values(&field.into(), &mut |fact| {
            values.insert(match fact {
                Fact::Number(n) if field == Field::Severity => Level::of(u8::try_from(n).unwrap()).name().to_owned(),
                Fact::Text(text) if matches!(field, Field::Workload | Field::Client) && !text.contains('/') => return,
                Fact::Text(text) => text.to_owned(),
                Fact::Number(number) => number.to_string(),
                Fact::Address(address) => address.to_string(),
                other => panic!("{other:?}"),
            });
        });
        let class = kept.event.rule.classtype.clone();
        values.retain(|value| match field {
            Field::Classtype => Some(value) == class.as_ref(),
            Field::Tactic => !value.starts_with("TA"),
            Field::Service => value != "ssl",
            Field::Direction => !value.starts_with("to_") || kept.event.orientation().is_none(),
            _ => true,
        });
        values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
    }
    counts
}

#[test]
fn facets_count_what_counting_counts() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(40), 300);
    fixture.ingest(&events);
    let model = Model::of(&events);
    let mut ranged = filter("");
    ranged.from = Some(Timestamp(NOW.0 - 2 * DAY));
    let hidden = Filter { suppressed: true, ..filter("") };
    for filter in [filter(""), ranged, hidden, filter("ns:shop -uri:login"), filter("sid:999")] {
        let (facets, partial) = wait(fixture.store().facets(filter.clone(), FIELDS.to_vec())).unwrap();
        assert_eq!(partial, None);
        for (field, facet) in FIELDS.into_iter().zip(facets) {
            let expected = values(&model, &filter, field);
            let found: BTreeMap<_, _> = facet.values.iter().map(|value| (value.value.clone(), value.count)).collect();
            assert_eq!((facet.field, found), (field.info().name, expected), "{}", filter.query);
            assert!(facet.values.is_sorted_by(|a, b| a.count >= b.count) && facet.more == 0);
        }
    }
    let refused = wait(fixture.store().facets(filter(""), vec![Field::Uri]));
    assert!(matches!(refused, Err(StoreError::Invalid(_))));
}

#[test]
fn top_lists_complete_prefixes_and_tell_what_is_left_out() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(41), 300);
    fixture.ingest(&events);
    let all = values(&Model::of(&events), &filter(""), Field::Sid);
    let top = |prefix: &str, limit| {
        let request = TopRequest { filter: filter(""), field: Field::Sid, prefix: prefix.into(), limit };
        wait(fixture.store().top(request)).unwrap()
    };
    let two = top("", 2);
    assert_eq!((two.values.len(), two.more), (2, all.len() as u64 - 2));
    assert_eq!(two.values[0].count, *all.values().max().unwrap());
    assert_eq!(top("1003", 10).values, [FacetValue { value: "1003".into(), count: all["1003"] }]);
}

#[test]
fn lists_have_one_form_of_a_value_and_completion_has_all() {
    let fixture = Fixture::new();
    fixture.ingest(&sample::events(&mut Dice(43), 300));
    let top = |field, prefix: &str| {
        let request = TopRequest { filter: filter(""), field, prefix: prefix.into(), limit: 100 };
        let found = wait(fixture.store().top(request)).unwrap().values;
        found.into_iter().map(|found| found.value).collect::<BTreeSet<_>>()
    };
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(top(Field::Classtype, ""), set(&["trojan-activity", "web-application-attack"]));
    assert!(top(Field::Tactic, "").contains("Command and Control") && !top(Field::Tactic, "").contains("TA0011"));
    assert!(top(Field::Service, "").contains("tls") && !top(Field::Service, "").contains("ssl"));
    for (field, prefix, found) in [
        (Field::Classtype, "a network", "A Network Trojan was detected"),
        (Field::Tactic, "ta00", "TA0011"),
        (Field::Service, "s", "ssl"),
        (Field::Direction, "to_", "to_server"),
    ] {
        assert!(top(field, prefix).contains(found), "{prefix}: {:?}", top(field, prefix));
    }
}

#[test]
fn a_histogram_has_no_gaps_and_every_event_in_its_place() {
    let fixture = Fixture::new();
    let events = sample::events(&mut Dice(42), 300);
    fixture.ingest(&events);
    let model = Model::of(&events);
    for (days, buckets, text) in [
        (1, 24, ""),
        (4, 30, ""),
        (4, 100, ""),
        (4, 30, "ns:shop"),
        (4, 30, "sid>1001"),
        (30, 500, ""),
        (1, 1, "ns:scan"),
    ] {
        let mut filter = filter(text);
        (filter.from, filter.to) = (Some(Timestamp(NOW.0 - days * DAY + 12_345)), Some(Timestamp(NOW.0 - 77)));
        let histogram = wait(fixture.store().histogram(filter.clone(), buckets)).unwrap();
        assert!(histogram.partial.is_none() && !histogram.buckets.is_empty() && histogram.buckets.len() <= buckets);
        assert!(histogram.buckets.windows(2).all(|pair| pair[0].to == pair[1].from));
        let matching = model.matching(&filter);
        for bucket in &histogram.buckets {
            let mut expected = [0; 5];
            for kept in matching.iter().filter(|kept| kept.event.time >= bucket.from && kept.event.time < bucket.to) {
                let level = kept.event.rule.level();
                expected[Bucket::LEVELS.iter().position(|known| *known == level).unwrap()] += 1;
            }
            assert_eq!(bucket.counts, expected, "{text} {bucket:?}");
        }
        let sum: u64 = histogram.buckets.iter().flat_map(|bucket| bucket.counts).sum();
        assert_eq!(sum, matching.len() as u64);
    }
    assert!(wait(Fixture::new().store().histogram(filter(""), 10)).unwrap().buckets.is_empty());
}
