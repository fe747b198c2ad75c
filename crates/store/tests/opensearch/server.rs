//! What only the store on a server has: others that write at the same time, crashes half-way, a server that is away.

use crate::fixture::*;
use crate::kind::Place;
use crate::model::Model;
use crate::sample::{self, Dice};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tapir_event::{EventId, SecurityEvent};
use tapir_outbound::{HttpClient, Method};
use tapir_store::*;

/// Asks the server behind the store's back.
fn ask(place: &Place, method: Method, path: &str, body: &Value) -> Value {
    let config = place.config();
    let client = HttpClient::new(&config.url, &config.http).unwrap();
    let headers = [("content-type", "application/json".to_owned())];
    let path = format!("{}-{path}", config.prefix);
    let answer = wait(Box::pin(async {
        client.send(method, &path, &headers, body.to_string().into_bytes()).await.map_err(StoreError::Internal)
    }));
    serde_json::from_slice(&answer.unwrap().body).unwrap()
}

fn documents(events: &[SecurityEvent]) -> IngestBatch {
    IngestBatch { documents: events.iter().map(|event| serde_json::to_vec(event).unwrap()).collect() }
}

/// Groups of a filter with hidden events, by identity.
fn counts(store: &OpenSearchStore) -> Vec<(GroupId, u64)> {
    wait(Box::pin(store.refresh())).unwrap();
    let filter = Filter { suppressed: true, ..Filter::all(NOW) };
    let page = PageRequest { limit: 1_000, ..PageRequest::default() };
    let groups = wait(store.groups(filter, GroupSort::Count, page)).unwrap().items;
    let mut counts: Vec<_> = groups.into_iter().map(|group| (group.id, group.count)).collect();
    counts.sort_unstable();
    counts
}

fn expected(events: &[SecurityEvent]) -> Vec<(GroupId, u64)> {
    let mut counts = std::collections::BTreeMap::new();
    for kept in Model::of(events).events {
        *counts.entry(kept.group).or_default() += 1;
    }
    counts.into_iter().collect()
}

#[test]
fn managers_that_share_a_server_count_every_event_once() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    let events = sample::events(&mut Dice(70), 600);
    // Both are sent everything, in pieces that overlap, at the same time.
    std::thread::scope(|scope| {
        for (store, size) in [(&one, 70), (&other, 110)] {
            let events = &events;
            scope.spawn(move || {
                for batch in events.chunks(size) {
                    loop {
                        match wait(store.ingest(documents(batch), NOW)) {
                            Ok(outcome) => break assert!(outcome.rejected.is_empty()),
                            Err(StoreError::Busy { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(counts(&one), expected(&events));
    assert_eq!(counts(&other), expected(&events));
    let sum = |health: StoreHealth| health.stored;
    let stored = sum(wait(one.health()).unwrap()) + sum(wait(other.health()).unwrap());
    assert!(stored <= 600, "an event was kept twice");
    drop(other);
    place.close(one);
}

#[test]
fn a_crash_between_an_event_and_its_group_is_mended() {
    let place = Place::new();
    let store = place.open();
    let mut events = sample::events(&mut Dice(71), 120);
    events.iter_mut().for_each(|event| event.suppressed_by = None);
    wait(store.ingest(documents(&events), NOW)).unwrap();
    assert_eq!(counts(&store), expected(&events));
    // As if the process had gone after the events and before their groups: one is gone, one counts too few.
    let [(lost, _), (short, n), ..] = expected(&events)[..] else { panic!() };
    ask(&place, Method::DELETE, &format!("groups/_doc/{lost}"), &Value::Null);
    let doc = ask(&place, Method::GET, &format!("groups/_doc/{short}"), &Value::Null);
    let mut doc = doc["_source"].clone();
    doc["doc"]["figures"]["n"] = json!(n + 5);
    doc["n"]["count"] = json!([n + 5]);
    ask(&place, Method::PUT, &format!("groups/_doc/{short}?refresh=true"), &doc);
    assert_ne!(counts(&store), expected(&events));
    let note = json!({ "kind": "underway", "id": 1, "at": 1, "body": { "groups": [lost, short] } });
    ask(&place, Method::PUT, "state/_doc/crashed?refresh=true", &note);
    let policy = RetentionPolicy { max_bytes: u64::MAX, ..RetentionPolicy::default() };
    wait(store.retain(policy, NOW)).unwrap();
    assert_eq!(counts(&store), expected(&events));
    // Nothing is counted again when the same events come once more.
    assert_eq!(wait(store.ingest(documents(&events), NOW)).unwrap().duplicates, 120);
    assert_eq!(counts(&store), expected(&events));
    place.close(store);
}

#[test]
fn an_event_whose_write_took_long_is_told_before_what_came_later() {
    let place = Place::new();
    let store = place.open();
    let everything = Filter { suppressed: true, ..Filter::all(NOW) };
    let begin = wait(store.arrivals(everything.clone(), None, 10)).unwrap().upto;
    let number = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_micros()).unwrap()
    };
    // Another manager begins a batch.
    let first = number();
    let note = json!({ "kind": "underway", "id": first, "at": first, "body": { "groups": [] } });
    ask(&place, Method::PUT, "state/_doc/underway-elsewhere", &note);
    let events = sample::events(&mut Dice(74), 40);
    wait(store.ingest(documents(&events), NOW)).unwrap();
    wait(Box::pin(store.refresh())).unwrap();
    // One of the events is of that batch, and its write hangs.
    let search = json!({ "size": 1, "sort": [{ "arrival": "desc" }] });
    let found = ask(&place, Method::POST, "events/_search", &search);
    let hit = &found["hits"]["hits"][0];
    let (id, mut late) = (hit["_id"].as_str().unwrap().to_owned(), hit["_source"].clone());
    assert!(late["arrival"].as_i64().unwrap() > first);
    late["arrival"] = json!(first + 1);
    ask(&place, Method::DELETE, &format!("events/_doc/{id}?refresh=true"), &Value::Null);
    // The others are old enough, and would be told; but the mark must not pass by.
    std::thread::sleep(Duration::from_secs(12));
    let held = wait(store.arrivals(everything.clone(), Some(begin), 100)).unwrap();
    assert_eq!((held.events.len(), held.more), (0, false));
    // It is written, and the note goes, before any of it shows by itself.
    ask(&place, Method::PUT, &format!("events/_doc/{id}"), &late);
    ask(&place, Method::DELETE, "state/_doc/underway-elsewhere", &Value::Null);
    let told = wait(store.arrivals(everything.clone(), Some(held.upto), 100)).unwrap();
    let ids: Vec<String> = told.events.iter().map(|(event, _)| event.row.id.to_string()).collect();
    assert_eq!((ids.len(), ids.first()), (40, Some(&id)));
    // A note that nobody settles holds nothing back for ever.
    let note = json!({ "kind": "underway", "id": 1, "at": number() - 601_000_000, "body": { "groups": [] } });
    ask(&place, Method::PUT, "state/_doc/underway-forgotten", &note);
    let more = wait(store.arrivals(everything, Some(told.upto), 100)).unwrap();
    assert!(more.events.is_empty() && more.upto >= told.upto);
    place.close(store);
}

#[test]
fn a_server_that_is_away_is_told_with_a_time_to_come_again() {
    let mut config = Place::new().config();
    config.url = "http://127.0.0.1:9".to_owned();
    let error = wait(Box::pin(OpenSearchStore::open(config))).err().unwrap();
    assert!(matches!(error, StoreError::Unavailable { retry_after, .. } if !retry_after.is_zero()), "{error:?}");
    let mut config = Place::new().config();
    config.prefix = "Not-A-Name*".to_owned();
    let error = wait(Box::pin(OpenSearchStore::open(config))).err().unwrap();
    assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
}

#[test]
fn what_is_too_hard_for_the_server_is_refused_and_not_half_answered() {
    let place = Place::new();
    let store = place.open();
    let events = sample::events(&mut Dice(72), 20);
    wait(store.ingest(documents(&events), NOW)).unwrap();
    wait(Box::pin(store.refresh())).unwrap();
    let hard = format!("uri:\"{}\"", "a*b?c*".repeat(400));
    match wait(store.events(filter(&hard), PageRequest::default())) {
        Ok(page) => assert!(page.items.is_empty()),
        Err(error) => assert!(matches!(error, StoreError::Invalid(_)), "{error:?}"),
    }
    place.close(store);
}

/// Figures for docs/decisions/0011; run with `--ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn speeds_with_a_hundred_thousand_events() {
    let place = Place::new();
    let store = place.open();
    let mut dice = Dice(73);
    let kinds = sample::events(&mut dice, 4_000);
    let started = Instant::now();
    let (mut boot, mut bytes) = (1_000, 0);
    for _ in 0..100 {
        let batch: Vec<SecurityEvent> = (0..1_000)
            .map(|_| {
                boot += 1;
                let time = tapir_packet::Timestamp(NOW.0 - i64::try_from(dice.below(30 * DAY as u64)).unwrap());
                let id = EventId { node: "bench".into(), boot, seq: 1 };
                SecurityEvent { id, time, suppressed_by: None, ..dice.pick(&kinds).clone() }
            })
            .collect();
        let batch = documents(&batch);
        bytes += batch.documents.iter().map(Vec::len).sum::<usize>();
        assert_eq!(wait(store.ingest(batch, NOW)).unwrap().stored, 1_000);
    }
    let took = started.elapsed();
    println!("ingest: {:.0} events/s, {} bytes each", 100_000.0 / took.as_secs_f64(), bytes / 100_000);
    wait(Box::pin(store.refresh())).unwrap();
    let health = wait(store.health()).unwrap();
    println!("{} events, {} groups, {} bytes an event", health.events, health.groups, health.bytes / health.events);
    let page = || PageRequest { limit: 100, ..PageRequest::default() };
    let day = |text: &str, days: i64| {
        let from = Some(tapir_packet::Timestamp(NOW.0 - days * DAY));
        Filter { from, to: Some(NOW), ..filter(text) }
    };
    let time = |name: &str, call: &dyn Fn()| {
        let mut times: Vec<Duration> = (0..9)
            .map(|_| {
                let started = Instant::now();
                call();
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("{name}: median {} ms, worst {} ms", times[4].as_millis(), times[8].as_millis());
    };
    let groups = |filter: Filter| drop(wait(store.groups(filter, GroupSort::LastSeen, page())).unwrap());
    time("groups, everything", &|| groups(filter("")));
    time("groups, one day", &|| groups(day("", 1)));
    time("groups, one day, ns:shop severity>=medium", &|| groups(day("ns:shop severity>=medium", 1)));
    time("groups, 30 days, is:open uri:passwd", &|| groups(day("is:open uri:passwd", 30)));
    time("events, 30 days", &|| drop(wait(store.events(day("", 30), page())).unwrap()));
    time("events, 30 days, passwd", &|| drop(wait(store.events(day("passwd", 30), page())).unwrap()));
    time("histogram, 30 days", &|| drop(wait(store.histogram(day("", 30), 100)).unwrap()));
    let fields = vec![tapir_query::Field::Severity, tapir_query::Field::Namespace, tapir_query::Field::Sid];
    time("3 facets, 30 days", &|| drop(wait(store.facets(day("", 30), fields.clone())).unwrap()));
    let scope = Scope { gid: Some(1), sid: Some(1_001), ..Scope::default() };
    time("preview, 30 days", &|| drop(wait(store.preview(vec![scope.clone()], 30, NOW)).unwrap()));
    let id = wait(store.groups(filter(""), GroupSort::Count, page())).unwrap().items[0].id;
    let action = || ActionRequest {
        target: Target::Ids(vec![(id, None)]),
        action: Action::Acknowledge,
        comment: None,
        expected_count: None,
        who: "ana".into(),
        now: NOW,
    };
    time("an action", &|| drop(wait(store.act(action())).unwrap()));
    place.close(store);
}
