//! Events in: once each, byte for byte, whatever they hold.

use crate::fixture::*;
use crate::sample::{self, Dice};
use proptest::prelude::*;
use tapir_event::{EventId, SecurityEvent, Sequencer};
use tapir_packet::Timestamp;
use tapir_store::*;

fn lines(fixture: &Fixture, documents: &[&str]) -> IngestOutcome {
    let documents = documents.iter().map(|text| text.as_bytes().to_vec()).collect();
    fixture.ingest_documents(documents, NOW)
}

#[test]
fn a_document_comes_back_byte_for_byte_with_what_nobody_knows() {
    let fixture = Fixture::new();
    let document = r#"{ "id":"n-1-1", "time":"2026-11-24T03:12:07.5Z","from_the_future":{"a":[1,2.50,"\u0000"]},"rule":{"sid":7,"gid":1,"colour":"red"}}"#;
    assert_eq!(lines(&fixture, &[document]).stored, 1);
    let stored = wait(fixture.store().event("n-1-1".parse().unwrap())).unwrap();
    assert_eq!(String::from_utf8(stored.document).unwrap(), document);
    assert_eq!((stored.row.sid, stored.row.time), (7, Timestamp(1_795_489_927_500_000_000)));
    let missing = wait(fixture.store().event("n-1-2".parse().unwrap()));
    assert!(matches!(missing, Err(StoreError::NotFound { what: "event", .. })), "{missing:?}");
}

#[test]
fn hostile_documents_do_not_fail_their_batch() {
    let fixture = Fixture::new();
    let huge = format!(r#"{{"id":"n-1-3","rule":{{"msg":"{}"}}}}"#, "x".repeat(500_000));
    let too_long = format!(r#"{{"id":"n-1-4","interface":"{}"}}"#, "x".repeat(MAX_EVENT));
    let long_name = format!(r#"{{"id":"n-1-5","interface":"{}"}}"#, "x".repeat(5_000));
    let outcome = lines(
        &fixture,
        &[
            r#"{"id":"n-1-1","rule":{"sid":1,"msg":"a\u0000b'; DROP TABLE event; --"},"client":{"namespace":"\u0000","pod":"'"}}"#,
            "not json",
            &huge,
            &too_long,
            &long_name,
            r#"{"rule":{"sid":1}}"#,
            r#"{"id":"n-1-6","time":"2262-04-11T23:47:16.854775807Z"}"#,
            r#"{"id":"n-1-7","time":"1677-09-21T00:12:43.145224192Z"}"#,
            r#"{"id":"n-1-8","source":{"ip":"::ffff:10.0.0.1"},"destination":{"ip":"fe80::1","port":65535}}"#,
            r#"{"id":"n-18446744073709551615-18446744073709551615"}"#,
            "[]",
            r#"{"id":"n-1-9","rule":{"msg":"\ud800"}}"#,
        ],
    );
    let refused: Vec<_> = outcome.rejected.iter().map(|rejected| rejected.index).collect();
    assert_eq!((outcome.stored, outcome.duplicates, refused), (6, 0, vec![1, 3, 4, 5, 10, 11]), "{outcome:#?}");
    assert!(outcome.rejected.iter().all(|rejected| !rejected.why.is_empty()));
    assert_eq!(outcome.rejected[2].id.as_deref(), Some("n-1-5"));
    let all = fixture.events(&Filter::all(NOW), 2);
    assert_eq!(all.len(), 6);
    assert_eq!(all[0].time, Timestamp(i64::MAX), "clocks may be wrong: it is shown all the same");
    assert_eq!(all[5].time, Timestamp(i64::MIN));
    assert_eq!(fixture.events(&filter("ip:10.0.0.1"), 5).len(), 1);
    assert_eq!(fixture.events(&filter("ip:fe80::/10 dest_port:65535"), 5).len(), 1);
    assert_eq!(fixture.events(&filter("\"DROP TABLE\""), 5).len(), 1);
}

#[test]
fn lines_become_documents() {
    let batch = IngestBatch::from_lines(b"{\"id\":\"n-1-1\"}\r\n\n  {\"id\":\"n-1-2\"}");
    assert_eq!(batch.documents, [b"{\"id\":\"n-1-1\"}".to_vec(), b"{\"id\":\"n-1-2\"}".to_vec()]);
}

#[test]
fn the_store_survives_being_dropped_in_the_middle() {
    let mut fixture = Fixture::new();
    let events = sample::events(&mut Dice(3), 200);
    fixture.ingest(&events[..150]);
    let before = fixture.groups(&Filter::all(NOW), GroupSort::LastSeen, 100);
    // On its way while the store goes away.
    let documents = events[150..].iter().map(|event| serde_json::to_vec(event).unwrap()).collect();
    drop(fixture.store().ingest(IngestBatch { documents }, NOW));
    fixture.reopen();
    assert!(fixture.groups(&Filter::all(NOW), GroupSort::LastSeen, 100).len() >= before.len());
    let again = fixture.ingest(&events);
    assert!(again.duplicates >= 150 && again.stored + again.duplicates == 200, "{again:?}");
    let mut all = Filter::all(NOW);
    all.suppressed = true;
    assert_eq!(fixture.events(&all, 100).len(), 200);
}

#[test]
fn identities_are_of_node_boot_and_sequence() {
    let fixture = Fixture::new();
    let mut events = Vec::new();
    for (node, boot) in [("a", 1), ("a", 2), ("a-1", 1), ("b", 1)] {
        let mut event = SecurityEvent::default();
        Sequencer::new(node, boot).stamp(&mut event, NOW);
        events.push(event);
    }
    assert_eq!(fixture.ingest(&events).stored, 4);
    for event in &events {
        assert_eq!(wait(fixture.store().event(event.id.clone())).unwrap().row.id, event.id);
    }
    let other = EventId { node: "c".into(), boot: 1, seq: 1 };
    assert!(wait(fixture.store().event(other)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_u32.div_ceil(crate::kind::SHARE), max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn events_are_kept_once_however_often_they_come(seed: u64, count in 1usize..80) {
        let mut dice = Dice(seed);
        let events = sample::events(&mut dice, count);
        let fixture = Fixture::new();
        let mut stored = 0;
        for _ in 0..6 {
            // Any pieces in any order, with repetitions inside.
            let batch: Vec<_> = (0..1 + dice.below(60)).map(|_| dice.pick(&events).clone()).collect();
            let outcome = fixture.ingest(&batch);
            prop_assert_eq!(outcome.stored + outcome.duplicates, batch.len() as u64);
            stored += outcome.stored;
        }
        stored += fixture.ingest(&events).stored;
        prop_assert_eq!(stored, count as u64);
        let filter = Filter { suppressed: true, ..Filter::all(NOW) };
        prop_assert_eq!(fixture.events(&filter, 50).len(), count);
        let counted: u64 = fixture.groups(&filter, GroupSort::Count, 50).iter().map(|group| group.count).sum();
        prop_assert_eq!(counted, count as u64);
    }
}
