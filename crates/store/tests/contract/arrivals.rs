//! Events in the order in which they were kept: none twice, none left out, whatever their packet times, over a restart.

use crate::fixture::*;
use crate::sample::{self, Dice};
use std::time::{Duration, Instant};
use tapir_event::{EventId, SecurityEvent};
use tapir_query::Dialect;
use tapir_store::*;

/// A store on a server tells what is some seconds old.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads behind a mark until so many have come, `limit` at once.
fn read(fixture: &Fixture, filter: &Filter, mut mark: Mark, wanted: usize, limit: usize) -> (Vec<EventId>, Mark) {
    let begin = Instant::now();
    let mut found = Vec::new();
    loop {
        let arrivals = wait(fixture.store().arrivals(filter.clone(), Some(mark), limit)).unwrap();
        assert!(arrivals.events.len() <= limit && arrivals.upto >= mark);
        for (event, at) in &arrivals.events {
            assert!(*at > mark && *at <= arrivals.upto, "{at:?} {mark:?} {:?}", arrivals.upto);
            let document: SecurityEvent = serde_json::from_slice(&event.document).unwrap();
            assert_eq!(document.id, event.row.id);
        }
        found.extend(arrivals.events.into_iter().map(|(event, _)| event.row.id));
        mark = arrivals.upto;
        if !arrivals.more && found.len() >= wanted {
            return (found, mark);
        }
        assert!(begin.elapsed() < PATIENCE, "{} of {wanted}", found.len());
        if !arrivals.more {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn sorted(mut ids: Vec<EventId>) -> Vec<String> {
    ids.sort_unstable_by_key(ToString::to_string);
    ids.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_kept_after_a_mark_is_told_once_in_any_portions() {
    let mut fixture = Fixture::new();
    let all = sample::events(&mut Dice(71), 400);
    let everything = Filter { suppressed: true, ..filter("") };
    // What is there before the mark is not told.
    fixture.ingest(&all[..100]);
    let begin = wait(fixture.store().arrivals(everything.clone(), None, 10)).unwrap();
    assert!(begin.events.is_empty() && !begin.more);
    // Packet times do not matter: they are all mixed.
    fixture.ingest(&all[100..250]);
    let (first, mark) = read(&fixture, &everything, begin.upto, 150, 7);
    assert_eq!(sorted(first), sorted(all[100..250].iter().map(|event| event.id.clone()).collect()));
    // A mark outlives the store, and its text.
    let text = serde_json::to_string(&mark).unwrap();
    fixture.reopen();
    // Duplicates are no arrivals.
    fixture.ingest(&all[200..]);
    let (second, _) = read(&fixture, &everything, serde_json::from_str(&text).unwrap(), 150, 1_000);
    assert_eq!(sorted(second), sorted(all[250..].iter().map(|event| event.id.clone()).collect()));
    assert!(wait(fixture.store().arrivals(everything.clone(), Some(mark), 0)).is_err());
    assert!(wait(fixture.store().arrivals(everything, Some(mark), MAX_PAGE + 1)).is_err());
}

#[test]
fn what_comes_after_retention_took_the_newest_events_is_told() {
    let fixture = Fixture::new();
    let all = sample::events(&mut Dice(73), 60);
    let everything = Filter { suppressed: true, ..filter("") };
    let begin = wait(fixture.store().arrivals(everything.clone(), None, 10)).unwrap().upto;
    fixture.ingest(&all[..30]);
    let (_, mark) = read(&fixture, &everything, begin, 30, 1_000);
    // All of them go, and fewer come, before anybody looks again.
    let later = tapir_packet::Timestamp(NOW.0 + 100 * DAY);
    let policy = RetentionPolicy { max_bytes: u64::MAX, ..RetentionPolicy::default() };
    while wait(fixture.store().retain(policy.clone(), later)).unwrap().more {}
    fixture.settle();
    assert!(fixture.events(&everything, 100).is_empty());
    fixture.ingest_at(&all[30..50], later);
    fixture.ingest_at(&all[50..], later);
    let (told, mark) = read(&fixture, &everything, mark, 30, 7);
    assert_eq!(sorted(told), sorted(all[30..].iter().map(|event| event.id.clone()).collect()));
    let rest = wait(fixture.store().arrivals(everything, Some(mark), 100)).unwrap();
    assert!(rest.events.is_empty());
}

#[test]
fn queries_exceptions_and_suppressions_count() {
    let fixture = Fixture::new();
    let begin = wait(fixture.store().arrivals(filter(""), None, 10)).unwrap().upto;
    let exception = NewException {
        name: "alertexception:quiet".into(),
        description: String::new(),
        selector: "severity >= 90".into(),
        dialect: Dialect::Incumbent,
        start: NOW,
        end: None,
    };
    wait(fixture.store().put_exception(exception, by("ana"))).unwrap();
    let events = sample::events(&mut Dice(72), 300);
    fixture.ingest(&events);
    for text in ["", "ns:shop", "-ns:shop"] {
        let shown = fixture.events(&filter(text), 100);
        assert!(!shown.is_empty() && shown.iter().all(|row| row.severity < 90), "{text}");
        let (told, _) = read(&fixture, &filter(text), begin, shown.len(), 11);
        assert_eq!(sorted(told), sorted(shown.into_iter().map(|row| row.id).collect()), "{text}");
    }
}
