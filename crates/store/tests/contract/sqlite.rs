//! What only the embedded store has: a file that can be locked, full, damaged, too new, and calls with a budget.

use crate::fixture::*;
use crate::kind::Place;
use crate::sample::{self, Dice};
use std::time::Duration;
use tapir_event::SecurityEvent;
use tapir_packet::Timestamp;
use tapir_store::*;

fn ingest(store: &SqliteStore, events: &[SecurityEvent]) -> Result<IngestOutcome, StoreError> {
    let documents = events.iter().map(|event| serde_json::to_vec(event).unwrap()).collect();
    wait(store.ingest(IngestBatch { documents }, NOW))
}

#[test]
fn a_second_process_is_told_that_the_file_is_in_use() {
    let directory = Place::new();
    let first = SqliteStore::open(directory.config()).unwrap();
    let second = SqliteStore::open(directory.config()).err();
    assert_eq!(second, Some(StoreError::Locked { path: directory.config().path }));
    drop(first);
    SqliteStore::open(directory.config()).unwrap();
}

#[test]
fn files_that_are_no_database_too_new_or_nowhere_are_named() {
    let directory = Place::new();
    let config = directory.config();
    std::fs::write(&config.path, "this is not a database, whatever its name says\n".repeat(100)).unwrap();
    let error = SqliteStore::open(config.clone()).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    std::fs::remove_file(&config.path).unwrap();
    drop(SqliteStore::open(config.clone()).unwrap());
    rusqlite::Connection::open(&config.path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(config.clone()).err().unwrap();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, .. }), "{error:?}");
    let nowhere = SqliteConfig::new(directory.0.join("no/such/directory/events.db"));
    let error = SqliteStore::open(nowhere).err().unwrap();
    assert!(matches!(error, StoreError::CannotOpen { .. }), "{error:?}");
}

#[test]
fn a_full_disk_is_said_loses_nothing_that_was_stored_and_ends() {
    let directory = Place::new();
    let events = sample::events(&mut Dice(60), 3_000);
    let mut config = directory.config();
    config.max_file_bytes = Some(900_000);
    let store = SqliteStore::open(config).unwrap();
    let mut stored = 0;
    let mut error = None;
    for batch in events.chunks(100) {
        match ingest(&store, batch) {
            Ok(outcome) => stored += outcome.stored,
            Err(failed) => {
                error = Some(failed);
                break;
            }
        }
    }
    assert!(matches!(error, Some(StoreError::DiskFull { .. })), "{error:?}");
    assert!(stored > 0 && stored < 3_000);
    let health = wait(store.health()).unwrap();
    assert_eq!(health.events, stored);
    assert!(health.last_write_error.unwrap().contains("full"));
    // Room is made; the same batches come again.
    let policy = RetentionPolicy { max_bytes: 1, ..RetentionPolicy::default() };
    assert_eq!(wait(store.retain(policy, NOW)).unwrap().by_size, stored);
    let new = usize::try_from(stored).unwrap();
    assert_eq!(ingest(&store, &events[new..new + 100]).unwrap().stored, 100);
    assert_eq!(wait(store.health()).unwrap().last_write_error, None);
}

#[test]
fn a_search_that_looks_at_too_much_stops_says_so_and_goes_on() {
    let directory = Place::new();
    let mut config = directory.config();
    config.row_budget = 100;
    let store = SqliteStore::open(config).unwrap();
    let mut events = sample::events(&mut Dice(61), 1_000);
    events.iter_mut().for_each(|event| event.suppressed_by = None);
    ingest(&store, &events).unwrap();
    // Only the document tells, and few have it.
    let wanted = filter("status_code:404 sid:1002 uri:passwd");
    let count = |text: &str| {
        let facts = |event: &SecurityEvent| {
            let group = GroupState::default();
            query(text).matches(&EventFacts { event, group: &group, suppressed_by: None, cluster: "" }, NOW.0)
        };
        events.iter().filter(|event| facts(event)).count()
    };
    let mut page = PageRequest { limit: 10, cursor: None, total: false };
    let (mut found, mut partial) = (0, 0);
    loop {
        let answer = wait(store.events(wanted.clone(), page.clone())).unwrap();
        found += answer.items.len();
        if let Some(stopped) = answer.partial {
            assert_eq!((stopped.examined, stopped.why), (100, Why::RowBudget));
            partial += 1;
        }
        page.cursor = answer.next;
        if page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, count("status_code:404 sid:1002 uri:passwd"));
    assert!(partial >= 9, "{partial}");
    assert!(wait(store.health()).unwrap().partial_answers >= 9);
    // Groups go on, too, even where one alone is more than the budget.
    let mut page = PageRequest { limit: 10, cursor: None, total: true };
    let mut calls = 0;
    loop {
        let answer = wait(store.groups(wanted.clone(), GroupSort::LastSeen, page.clone())).unwrap();
        calls += 1;
        page.cursor = answer.next;
        if page.cursor.is_none() {
            break;
        }
        assert!(calls < 1_000);
    }
    let action = Action::Acknowledge;
    let target = Target::Matching(Box::new(wanted));
    let request = ActionRequest { target, action, comment: None, expected_count: None, who: "ana".into(), now: NOW };
    assert!(matches!(wait(store.act(request)), Err(StoreError::TooBroad(_))), "nothing is changed on half an answer");
}

#[test]
fn members_of_the_record_that_the_rule_decides_cost_no_look_at_events() {
    let directory = Place::new();
    let mut config = directory.config();
    config.row_budget = 100;
    let store = SqliteStore::open(config).unwrap();
    ingest(&store, &sample::events(&mut Dice(64), 1_000)).unwrap();
    let page = || PageRequest { limit: 500, cursor: None, total: true };
    let groups = |text: &str| wait(store.groups(filter(text), GroupSort::LastSeen, page())).unwrap();
    for (theirs, ours) in [
        ("record.snort_signature_id:1001", "sid:1001"),
        ("record.snort_signature_id IN {1001, 1003}", "sid IN {1001, 1003}"),
        ("-record.snort_signature_id=1002", "-sid=1002"),
        ("has:record.snort_signature_revision", "has:rev"),
        ("record.snort_signature_revision=1", "rev=1"),
    ] {
        let (found, same) = (groups(theirs), groups(ours));
        assert!(found.items == same.items && !same.items.is_empty(), "{theirs}");
        assert_eq!((found.total, found.partial), (same.total, same.partial), "{theirs}");
        // A group may have events of several revisions: then they are looked at, whatever the name.
        assert!(found.partial.is_none() || theirs.contains("revision=1"), "{theirs}: {:?}", found.partial);
    }
    // Others are asked of the documents.
    assert!(groups("record.snort_alert:nothing").partial.is_some());
    assert!(groups("record.snort_signature_id.x:1001").partial.is_some());
}

#[test]
fn time_is_limited() {
    let directory = Place::new();
    let mut config = directory.config();
    config.time_limit = Duration::ZERO;
    let store = SqliteStore::open(config).unwrap();
    ingest(&store, &sample::events(&mut Dice(62), 3_000)).unwrap();
    let answer =
        wait(store.events(filter("-uri:nothing -excerpt:nothing"), PageRequest { limit: 1_000, ..Default::default() }));
    match answer {
        Ok(page) => assert_eq!(page.partial.map(|partial| partial.why), Some(Why::Time)),
        Err(error) => assert!(matches!(error, StoreError::Timeout { .. }), "{error:?}"),
    }
}

#[test]
fn a_full_queue_is_told_and_not_waited_for() {
    let directory = Place::new();
    let mut config = directory.config();
    config.commit_after = Duration::from_secs(3);
    let store = SqliteStore::open(config).unwrap();
    let document = br#"{"id":"n-1-1"}"#.to_vec();
    let mut waiting = Vec::new();
    let busy = loop {
        let mut answer = store.ingest(IngestBatch { documents: vec![document.clone(); 20_000] }, NOW);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match answer.as_mut().poll(&mut context) {
            std::task::Poll::Ready(result) => break result,
            std::task::Poll::Pending => waiting.push(answer),
        }
        assert!(waiting.len() < 1_000);
    };
    assert!(matches!(busy, Err(StoreError::Busy { .. })), "{busy:?}");
    assert!(wait(store.ingest(IngestBatch { documents: vec![document; 100_001] }, NOW)).is_err());
    let outcomes: Vec<_> = waiting.into_iter().map(wait).collect();
    let stored: u64 = outcomes.iter().flatten().map(|outcome| outcome.stored).sum();
    assert_eq!(stored, 1);
}

#[test]
fn bodies_shrink_once_the_store_knows_its_documents() {
    let directory = Place::new();
    let store = SqliteStore::open(directory.config()).unwrap();
    let events = sample::events(&mut Dice(63), 2_400);
    ingest(&store, &events[..1_200]).unwrap();
    // It is learnt when nobody waits for the batch any more, and before the next change.
    assert_eq!(wait(store.retain(RetentionPolicy::default(), NOW)).unwrap(), RetentionReport::default());
    ingest(&store, &events[1_200..]).unwrap();
    for event in events.iter().step_by(37) {
        let stored = wait(store.event(event.id.clone())).unwrap();
        assert_eq!(stored.document, serde_json::to_vec(event).unwrap());
        assert_eq!(stored.received, Timestamp(NOW.0));
    }
    drop(store);
    let db = rusqlite::Connection::open(directory.config().path).unwrap();
    let size = |half: &str| -> f64 {
        let sql = format!("SELECT avg(length(body)) FROM event WHERE id {half} 1200");
        db.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert!(size(">") < size("<=") * 0.7, "{} {}", size(">"), size("<="));
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

/// A file of schema 1, as its version wrote it: a group of two revisions with three events, and one of another rule.
fn of_schema_1(path: &std::path::Path, events: &[SecurityEvent; 4]) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(include_str!("../../src/sqlite/schema_1.sql")).unwrap();
    db.execute_batch("INSERT INTO meta VALUES ('cursor_key', randomblob(32)); PRAGMA user_version = 1").unwrap();
    db.execute("INSERT INTO stream VALUES (1, 'n', 1)", []).unwrap();
    db.execute_batch(
        "INSERT INTO party VALUES (1, '203.0.113.0/24', '', '', ''), (2, '10.0.0.1', '', '', '');
         INSERT INTO word VALUES (1, 3, 'TCP')",
    )
    .unwrap();
    for (id, event) in [(1i64, &events[0]), (2, &events[1]), (3, &events[3])] {
        let rule = serde_json::to_string(&*event.rule).unwrap();
        db.execute("INSERT INTO sig VALUES (?, ?, ?)", (id, [u8::try_from(id).unwrap(); 16], rule)).unwrap();
    }
    let rows = [(1i64, 1i64), (1, 2), (1, 2), (2, 3)];
    for (at, ((group, sig), event)) in (1i64..).zip(rows.into_iter().zip(events)) {
        let mut body = vec![0];
        body.extend(serde_json::to_vec(event).unwrap());
        let address = |end: Option<tapir_event::Endpoint>| match end.unwrap().address {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(_) => unreachable!(),
        };
        db.execute(
            "INSERT INTO event VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, 50, 0, 0, 0, 0, 0, 0, 1, ?7, ?8, NULL, NULL, NULL,
                NULL, ?3, ?9)",
            rusqlite::params![
                at,
                event.id.seq.cast_signed(),
                event.time.0,
                event.time.secs(),
                group,
                sig,
                address(event.source),
                address(event.destination),
                body
            ],
        )
        .unwrap();
        for address in [address(event.source), address(event.destination)] {
            let sql = "INSERT INTO grp_addr VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1";
            db.execute(sql, (address, group)).unwrap();
        }
        let sql = "INSERT INTO grp_sig VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1";
        db.execute(sql, (group, sig)).unwrap();
        let day = event.time.0.div_euclid(DAY);
        let sql = "INSERT INTO grp_day VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1";
        db.execute(sql, (group, day)).unwrap();
        let sql = "INSERT INTO roll_day VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1";
        db.execute(sql, (day, sig)).unwrap();
    }
    for (id, sig, sigs, events) in [(1i64, 2i64, 2i64, &events[..3]), (2, 3, 1, &events[3..])] {
        let hash = tapir_event::GroupKey::of(&events[0]).hash().cast_signed();
        let times = events.iter().map(|event| event.time.0);
        db.execute(
            "INSERT INTO grp (id, hash, gid, sid, sig, sigs, sev, client, server, inspection, first, last, n, hidden,
                shapes, unclear, touch) VALUES (?, ?, 1, ?, ?, ?, 50, 1, 2, 0, ?, ?, ?, 0, 0, 0, 1)",
            rusqlite::params![
                id,
                hash,
                events[0].rule.sid,
                sig,
                sigs,
                times.clone().min(),
                times.max(),
                i64::try_from(events.len()).unwrap()
            ],
        )
        .unwrap();
    }
}

#[test]
fn a_file_of_an_older_version_answers_as_it_did() {
    let directory = Place::new();
    let config = directory.config();
    let event = |seq: u64, sid: u32, rev: u32, time: i64, from: &str| {
        let end = |text: &str| Some(tapir_event::Endpoint { address: text.parse().unwrap(), port: None });
        let msg = Some(format!("rule {sid}"));
        SecurityEvent {
            id: tapir_event::EventId { node: "n".into(), boot: 1, seq },
            time: Timestamp(time),
            rule: std::sync::Arc::new(tapir_event::RuleSummary { gid: 1, sid, rev, msg, ..Default::default() }),
            protocol: "TCP".into(),
            source: end(from),
            destination: end("10.0.0.1"),
            ..SecurityEvent::default()
        }
    };
    let events = [
        event(1, 7, 1, NOW.0 - 2 * DAY, "203.0.113.7"),
        event(2, 7, 2, NOW.0 - DAY, "203.0.113.8"),
        event(3, 7, 2, NOW.0 - 5 * HOUR + 1, "203.0.113.8"),
        // Before 1970.
        event(4, 8, 1, -HOUR - 1, "203.0.113.7"),
    ];
    of_schema_1(&config.path, &events);
    let store = SqliteStore::open(config).unwrap();
    let groups = |text: &str, from: Option<i64>| {
        let filter = Filter { from: from.map(Timestamp), ..filter(text) };
        let page = PageRequest { limit: 10, ..PageRequest::default() };
        let items = wait(store.groups(filter, GroupSort::LastSeen, page)).unwrap().items;
        items.into_iter().map(|group| (group.sid, group.rev, group.count, group.in_range)).collect::<Vec<_>>()
    };
    assert_eq!(groups("", None), [(7, 2, 3, None), (8, 1, 1, None)]);
    assert_eq!(groups("", Some(NOW.0 - 30 * HOUR)), [(7, 2, 3, Some(2))]);
    assert_eq!(groups("", Some(-2 * DAY)), [(7, 2, 3, Some(3)), (8, 1, 1, Some(1))]);
    assert_eq!(groups("ip:203.0.113.7", None).len(), 2);
    assert_eq!(groups("ip:203.0.113.8", None), [(7, 2, 3, None)]);
    assert_eq!(groups("rev:1", None).len(), 2);
    assert_eq!(groups("-rev:1", None), [(7, 2, 3, None)]);
    let scope = Scope { gid: Some(1), sid: Some(7), ..Scope::default() };
    let preview = wait(store.preview(vec![scope], 2, NOW)).unwrap().remove(0);
    assert_eq!((preview.would_hide, preview.left_visible, preview.groups), (2, 0, 1));
    // What comes and goes from here on is counted on.
    ingest(&store, &[event(5, 7, 3, NOW.0, "203.0.113.9")]).unwrap();
    assert_eq!(groups("rev:3", None), [(7, 3, 4, None)]);
    let policy = RetentionPolicy { keep: Duration::from_secs(3_600), ..RetentionPolicy::default() };
    assert_eq!(wait(store.retain(policy, NOW)).unwrap().by_age, 4);
    assert_eq!(groups("", Some(0)), [(7, 3, 1, Some(1))]);
    assert_eq!((groups("rev:2", None), groups("rev:3", None).len()), (Vec::new(), 1));
    assert_eq!((groups("ip:203.0.113.9", None).len(), groups("ip:203.0.113.7", None).len()), (1, 0));
}
