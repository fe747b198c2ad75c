//! The sink against brokers on loopback that fail in every way that the protocol has.

mod peer;

use super::*;
use crate::record::Stream;
use crate::sink::Answer;
use peer::{Act, Peers};
use std::collections::BTreeSet;
use tapir_event::{SecurityEvent, Workload};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// An event of one of five workloads, with a message of `length`.
fn record_of(seq: u64, length: usize) -> Record {
    let workload = Workload { namespace: "shop".into(), pod: format!("pod-{}", seq % 5), ..Workload::default() };
    let mut event = SecurityEvent { server: Some(workload), protocol: "x".repeat(length).into(), ..Default::default() };
    event.time.0 = 1_700_000_000_000_000_000;
    let payload = serde_json::to_vec(&event).unwrap();
    let stream = Stream { node: "node-a".into(), boot: 3 };
    Record { id: stream.id(seq), time_ns: 1_700_000_000_123_456_789, queued_ns: 0, payload: payload.into() }
}

fn records(range: std::ops::Range<u64>) -> Vec<Record> {
    range.map(|seq| record_of(seq, 3)).collect()
}

fn config(peers: &Peers) -> KafkaConfig {
    let brokers = peers.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    KafkaConfig {
        compression: Compression::None,
        timeout: Duration::from_secs(1),
        ..KafkaConfig::new(brokers, "alerts")
    }
}

fn sink(peers: &Peers) -> KafkaSink {
    KafkaSink::new(config(peers)).unwrap()
}

fn outcomes(delivery: Delivery) -> Vec<Outcome> {
    match delivery.answer {
        Answer::Each(outcomes) => outcomes,
        Answer::Nothing(why) => panic!("{why}"),
    }
}

fn failure(delivery: Delivery) -> String {
    match delivery.answer {
        Answer::Each(outcomes) => panic!("{outcomes:?}"),
        Answer::Nothing(why) => why,
    }
}

fn figure(sink: &KafkaSink, name: &str) -> u64 {
    sink.figures().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// Every event of `range` is there, once if `once`.
fn assert_there(peers: &Peers, range: std::ops::Range<u64>, once: bool) {
    let all: Vec<String> = peers.ids().concat();
    let there: BTreeSet<&String> = all.iter().collect();
    assert_eq!(there.len() as u64, range.end - range.start);
    assert!(range.map(|seq| format!("node-a-3-{seq}")).all(|id| there.contains(&id)), "{there:?}");
    assert!(!once || all.len() == there.len(), "{} events, {} ids", all.len(), there.len());
}

#[tokio::test]
async fn events_of_a_workload_are_in_one_partition_in_their_order_with_their_ids() {
    let peers = Peers::start(2, &[0, 1, 0]).await;
    let mut sink = sink(&peers);
    for range in [0..40, 40..100] {
        let batch = records(range);
        assert_eq!(outcomes(sink.deliver(&batch).await), vec![Outcome::Done; batch.len()]);
    }
    assert_there(&peers, 0..100, true);
    let state = peers.state();
    for n in 0..5 {
        let key = Some(format!("shop/pod-{n}"));
        let with_key = |log: &&Vec<peer::Kept>| log.iter().any(|kept| kept.key == key);
        let [log] = state.log.iter().filter(with_key).collect::<Vec<_>>()[..] else { panic!("{key:?}") };
        let ids: Vec<String> = log.iter().filter(|kept| kept.key == key).map(|kept| kept.id.clone()).collect();
        let wanted: Vec<String> = (0..20).map(|turn| format!("node-a-3-{}", turn * 5 + n)).collect();
        assert_eq!(ids, wanted);
    }
    let kept = state.log.iter().flatten().next().unwrap();
    assert_eq!(kept.headers[1], ("content-type".into(), "application/json".into()));
    assert!((now_ms() - 60_000..=now_ms()).contains(&kept.time_ms), "{}", kept.time_ms);
    let event: SecurityEvent = serde_json::from_slice(&kept.value).unwrap();
    assert_eq!(event.id.to_string(), kept.id);
    // One connection each, and one question for the layout.
    assert_eq!((figure(&sink, "connections"), state.layouts), (2, 1));
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_loses_nothing_and_doubles_nothing() {
    for act in [Act::TakeAndCut, Act::CutAnswer] {
        let peers = Peers::start(1, &[0, 0]).await;
        let mut sink = sink(&peers);
        peers.script([act]);
        let batch = records(0..50);
        assert_eq!(outcomes(sink.deliver(&batch).await), vec![Outcome::Done; 50]);
        assert_eq!(outcomes(sink.deliver(&records(50..60)).await), vec![Outcome::Done; 10]);
        assert_there(&peers, 0..60, true);
        assert_eq!(figure(&sink, "producer_ids"), 1);
    }
}

#[tokio::test]
async fn other_events_never_get_the_numbers_of_a_batch_whose_outcome_is_unknown() {
    let peers = Peers::start(1, &[0]).await;
    let mut sink = sink(&peers);
    peers.script(vec![Act::TakeAndCut; 4]);
    let why = failure(sink.deliver(&records(0..10)).await);
    assert!(why.contains("topic `alerts`") && why.contains("closed the connection"), "{why}");
    // As if the first events had been given up: what comes under the same numbers is something else.
    assert_eq!(outcomes(sink.deliver(&records(5..15)).await), vec![Outcome::Done; 10]);
    assert_there(&peers, 0..15, false);
    assert_eq!(figure(&sink, "producer_ids"), 2);
}

#[tokio::test]
async fn a_partition_that_moved_is_followed() {
    let peers = Peers::start(2, &[0]).await;
    let mut sink = sink(&peers);
    assert_eq!(outcomes(sink.deliver(&records(0..5)).await), vec![Outcome::Done; 5]);
    peers.state().leaders = vec![1];
    assert_eq!(outcomes(sink.deliver(&records(5..10)).await), vec![Outcome::Done; 5]);
    assert_there(&peers, 0..10, true);
    assert_eq!(peers.state().layouts, 2);
}

#[tokio::test]
async fn a_partition_that_fails_holds_up_its_own_events_only() {
    let peers = Peers::start(1, &[0, 0, 0]).await;
    let mut sink = sink(&peers);
    let batch = records(0..20);
    sink.deliver(&records(100..120)).await;
    let stuck = peers.state().log.iter().position(|log| !log.is_empty()).unwrap() as i32;
    let theirs: BTreeSet<Option<String>> =
        peers.state().log[stuck as usize].iter().map(|kept| kept.key.clone()).collect();
    peers.state().log.iter_mut().for_each(Vec::clear);
    peers.script(vec![Act::Codes(vec![(stuck, 19)]); 3]);
    let found = outcomes(sink.deliver(&batch).await);
    let mut left = Vec::new();
    for (record, outcome) in batch.iter().zip(&found) {
        let wanted = if theirs.contains(&Some(format!("shop/pod-{}", record.seq() % 5))) {
            left.push(record.clone());
            Outcome::Untried
        } else {
            Outcome::Done
        };
        assert_eq!(*outcome, wanted);
    }
    assert!(!left.is_empty() && left.len() < batch.len());
    // Alone they are a failure with words, and no attempt that is counted against them.
    let why = failure(sink.deliver(&left).await);
    for part in ["topic `alerts`", "127.0.0.1:", "NOT_ENOUGH_REPLICAS", "min.insync.replicas"] {
        assert!(why.contains(part), "{why}");
    }
    peers.state().script.clear();
    assert_eq!(outcomes(sink.deliver(&left).await), vec![Outcome::Done; left.len()]);
    assert_there(&peers, 0..20, true);
}

#[tokio::test]
async fn an_event_that_the_topic_does_not_take_is_rejected_and_the_others_pass() {
    let peers = Peers::start(1, &[0]).await;
    peers.state().max_batch = 20_000;
    let mut sink = sink(&peers);
    let mut batch = records(0..200);
    batch[77] = record_of(77, 40_000);
    let found = outcomes(sink.deliver(&batch).await);
    let Outcome::Reject(why) = &found[77] else { panic!("{:?}", found[77]) };
    assert!(why.contains("MESSAGE_TOO_LARGE") && why.contains("max.message.bytes"), "{why}");
    assert_eq!(found.iter().filter(|outcome| **outcome == Outcome::Done).count(), 199);
    assert_eq!(peers.ids().concat().len(), 199);
    // What was learned is kept: no batch is too large any more.
    let before = figure(&sink, "batches_too_large");
    assert!((1..10).contains(&before), "{before}");
    assert_eq!(outcomes(sink.deliver(&records(200..300)).await), vec![Outcome::Done; 100]);
    assert_eq!(figure(&sink, "batches_too_large"), before);
}

#[tokio::test]
async fn an_event_above_the_sinks_own_limit_is_not_even_sent() {
    let peers = Peers::start(1, &[0]).await;
    let mut sink = KafkaSink::new(KafkaConfig { max_message_bytes: 5_000, ..config(&peers) }).unwrap();
    let found = outcomes(sink.deliver(&[record_of(0, 6_000), record_of(1, 10)]).await);
    assert!(matches!(&found[0], Outcome::Reject(why) if why.contains("max_message_bytes")), "{found:?}");
    assert_eq!((&found[1], peers.state().requests), (&Outcome::Done, 1));
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_left_and_asked_again() {
    let peers = Peers::start(1, &[0]).await;
    let mut sink = sink(&peers);
    peers.script([Act::Hang]);
    assert_eq!(outcomes(sink.deliver(&records(0..5)).await), vec![Outcome::Done; 5]);
    assert_there(&peers, 0..5, true);
}

#[tokio::test]
async fn a_delivery_that_is_given_up_half_way_is_sent_again_under_its_numbers() {
    let peers = Peers::start(1, &[0]).await;
    let mut sink = sink(&peers);
    peers.script([Act::Hang]);
    let batch = records(0..5);
    let given_up = tokio::time::timeout(Duration::from_millis(300), sink.deliver(&batch)).await;
    assert!(given_up.is_err());
    assert_eq!(outcomes(sink.deliver(&batch).await), vec![Outcome::Done; 5]);
    assert_there(&peers, 0..5, true);
    assert_eq!(figure(&sink, "producer_ids"), 1);
}

#[tokio::test]
async fn refused_records_are_rejected_by_name_or_found_by_halves() {
    // From version 8 on the broker names them.
    let peers = Peers::start(1, &[0]).await;
    let mut named = sink(&peers);
    peers.script([Act::Refuse(0, vec![1, 3])]);
    let found = outcomes(named.deliver(&records(0..5)).await);
    for (at, outcome) in found.iter().enumerate() {
        match at {
            1 | 3 => assert!(matches!(outcome, Outcome::Reject(why) if why.contains("not this one")), "{outcome:?}"),
            _ => assert_eq!(*outcome, Outcome::Done),
        }
    }
    // An older one refuses the batch, then its second half, then the one record of that.
    let peers = Peers::start(1, &[0]).await;
    peers.state().produce = 7;
    let mut unnamed = sink(&peers);
    let no = || Act::Codes(vec![(0, 87)]);
    peers.script([no(), Act::Codes(Vec::new()), no()]);
    let found = outcomes(unnamed.deliver(&records(0..2)).await);
    assert_eq!(found[0], Outcome::Done);
    assert!(matches!(&found[1], Outcome::Reject(why) if why.contains("INVALID_RECORD")), "{found:?}");
}

#[tokio::test]
async fn times_that_the_broker_does_not_like_are_left_out() {
    let peers = Peers::start(1, &[0]).await;
    let mut sink = sink(&peers);
    peers.script([Act::Codes(vec![(0, 32)])]);
    assert_eq!(outcomes(sink.deliver(&records(0..3)).await), vec![Outcome::Done; 3]);
    assert!(peers.state().log[0].iter().all(|kept| kept.time_ms == -1));
    assert_eq!(figure(&sink, "batches_without_times"), 1);
    let sink_refuses_for_good = vec![Act::Codes(vec![(0, 32)]); 2];
    peers.script(sink_refuses_for_good);
    assert!(failure(sink.deliver(&records(3..5)).await).contains("check the clocks"));
}

#[tokio::test]
async fn numbers_that_the_broker_does_not_know_are_replaced_and_not_for_ever() {
    let peers = Peers::start(1, &[0]).await;
    let mut sink = sink(&peers);
    peers.script([Act::Codes(vec![(0, 45)])]);
    assert_eq!(outcomes(sink.deliver(&records(0..3)).await), vec![Outcome::Done; 3]);
    assert_eq!(figure(&sink, "producer_ids"), 2);
    peers.script(vec![Act::Codes(vec![(0, 59)]); 5]);
    assert!(failure(sink.deliver(&records(3..6)).await).contains("numbers"));
    peers.state().script.clear();
    assert_eq!(outcomes(sink.deliver(&records(3..6)).await), vec![Outcome::Done; 3]);
    assert_there(&peers, 0..6, true);
}

#[tokio::test]
async fn a_cluster_that_gives_no_numbers_gets_events_without() {
    let peers = Peers::start(1, &[0]).await;
    peers.state().id_error = code::CLUSTER_AUTHORIZATION_FAILED;
    let mut sink = sink(&peers);
    assert_eq!(outcomes(sink.deliver(&records(0..3)).await), vec![Outcome::Done; 3]);
    assert_eq!(peers.state().producers, [-1]);
    assert_eq!(figure(&sink, "unnumbered"), 1);
}

#[tokio::test]
async fn events_without_a_key_take_turns_among_partitions() {
    let peers = Peers::start(1, &[0, -1, 0]).await;
    let mut sink = KafkaSink::new(KafkaConfig { key: Key::None, ..config(&peers) }).unwrap();
    for turn in 0..4 {
        assert_eq!(outcomes(sink.deliver(&records(turn * 3..turn * 3 + 3)).await), vec![Outcome::Done; 3]);
    }
    let lengths: Vec<usize> = peers.ids().iter().map(Vec::len).collect();
    assert_eq!(lengths, [6, 0, 6]);
}

#[tokio::test]
async fn what_keeps_the_sink_from_its_topic_is_told_with_what_to_do() {
    let peers = Peers::start(1, &[0]).await;
    for (error, parts) in [(3, ["create the topic", "UNKNOWN_TOPIC"]), (29, ["Write and Describe", "AUTHORIZATION"])] {
        peers.state().topic_error = error;
        let why = failure(sink(&peers).deliver(&records(0..2)).await);
        let place = format!("127.0.0.1:{}", peers.ports[0]);
        assert!(parts.iter().all(|part| why.contains(part)), "{why}");
        assert!(why.contains("topic `alerts`") && why.contains(&place), "{why}");
    }
    peers.state().topic_error = 0;
    peers.state().leaders = vec![-1];
    assert!(failure(sink(&peers).deliver(&records(0..2)).await).contains("has no leader"));
    peers.state().leaders = vec![0];
    peers.state().produce = 6;
    assert!(failure(sink(&peers).deliver(&records(0..2)).await).contains("Kafka 2.1"));
}

fn sink_to(port: u16) -> KafkaSink {
    let timeout = Duration::from_secs(1);
    KafkaSink::new(KafkaConfig { timeout, ..KafkaConfig::new(vec![format!("127.0.0.1:{port}")], "alerts") }).unwrap()
}

#[tokio::test]
async fn a_broker_that_is_none_or_not_there_is_a_failure_with_words() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let why = failure(sink_to(closed).deliver(&records(0..1)).await);
    assert!(why.contains("refused") && why.contains("`brokers`"), "{why}");

    // Four letters that are a length of more than a gigabyte.
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = web.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = web.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let why = failure(sink_to(port).deliver(&records(0..1)).await);
    assert!(why.contains("does not speak Kafka's protocol") && why.contains("wants TLS"), "{why}");
}

#[tokio::test]
async fn a_record_that_is_no_event_is_rejected() {
    let peers = Peers::start(1, &[0]).await;
    let odd = Record { payload: b"{".as_slice().into(), ..record_of(3, 1) };
    let found = outcomes(sink(&peers).deliver(&[odd, record_of(4, 1)]).await);
    assert!(matches!(&found[..], [Outcome::Reject(why), Outcome::Done] if why.contains("not an event")), "{found:?}");
}

#[test]
fn mistakes_of_the_configuration_are_named() {
    let base = || KafkaConfig::new(vec!["a.example:9092".into()], "alerts");
    let plain = |allow_cleartext| Sasl {
        mechanism: Mechanism::Plain,
        user: "u".into(),
        password: "hunter2".into(),
        allow_cleartext,
    };
    for (config, part) in [
        (KafkaConfig { brokers: Vec::new(), ..base() }, "at least one broker"),
        (KafkaConfig { brokers: vec!["a.example".into()], ..base() }, "host:port"),
        (KafkaConfig { brokers: vec!["kafka://a.example:1".into()], ..base() }, "host:port"),
        (KafkaConfig { brokers: vec!["::1:9092".into()], ..base() }, "host:port"),
        (KafkaConfig { brokers: vec!["a.example:0".into()], ..base() }, "host:port"),
        (KafkaConfig { topic: "a/b".into(), ..base() }, "no name for a topic"),
        (KafkaConfig { topic: "..".into(), ..base() }, "no name for a topic"),
        (KafkaConfig { timeout: Duration::from_secs(60), ..base() }, "1 to 15 seconds"),
        (KafkaConfig { sasl: Some(plain(false)), ..base() }, "in the clear"),
        (
            KafkaConfig {
                tls: Some(TlsConfig { authorities: Some("/nowhere".into()), ..Default::default() }),
                ..base()
            },
            "/nowhere",
        ),
    ] {
        let error = KafkaSink::new(config).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(
        KafkaSink::new(KafkaConfig { sasl: Some(plain(true)), brokers: vec!["[::1]:9092".into()], ..base() }).is_ok()
    );
    assert!(!format!("{:?}", plain(true)).contains("hunter2"));
}
