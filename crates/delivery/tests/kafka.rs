//! The whole way into a real Kafka broker, read back by Kafka's own consumer: spool, courier, sink, topic; also over TLS, with users and
//! certificates, and through a crash of the broker.
//!
//! Needs the variables of `tests/kafka/run.sh`; `make kafka-test` starts a broker and sets them. The tests take turns, as one of them
//! crashes the broker.

#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_delivery::courier::{self, Courier, CourierConfig, DeadLetterConfig, SinkStats};
use tapir_delivery::sinks::kafka::{Compression, KafkaConfig, KafkaSink, Mechanism, Sasl};
use tapir_delivery::{NewRecord, Spool, SpoolConfig, SystemClock, TlsConfig, Writer, open};
use tapir_event::{Evidence, Format, RuleSummary, SecurityEvent, Workload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

static ALONE: Mutex<()> = Mutex::const_new(());
/// A broker on a busy machine takes its time to come back.
const PATIENCE: Duration = Duration::from_secs(120);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("no {name}; see tests/kafka/run.sh"))
}

/// What the broker's launcher answers, without its last line.
async fn try_asking(what: &str) -> Result<Vec<String>, String> {
    let mut stream = TcpStream::connect(variable("KAFKA_CONTROL")).await.map_err(|error| error.to_string())?;
    stream.write_all(format!("{what}\n").as_bytes()).await.map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(|error| error.to_string())?;
    let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
    match lines.pop().as_deref() {
        Some("ok") => Ok(lines),
        last => Err(format!("{what}: {last:?}")),
    }
}

async fn ask(what: &str) -> Vec<String> {
    try_asking(what).await.unwrap()
}

/// A record as the consumer saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    partition: u32,
    time_ms: i64,
    key: String,
    id: String,
    kind: String,
    value: Vec<u8>,
}

async fn read(topic: &str) -> Vec<Seen> {
    let bytes = |word: &str| word.strip_prefix('=').map(|text| STANDARD.decode(text).unwrap()).unwrap_or_default();
    let text = |word: &str| String::from_utf8(bytes(word)).unwrap();
    let seen = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        let [partition, _offset, time, key, id, kind, value] = words[..] else { panic!("{line}") };
        Seen {
            partition: partition.parse().unwrap(),
            time_ms: time.parse().unwrap(),
            key: text(key),
            id: text(id),
            kind: text(kind),
            value: bytes(value),
        }
    };
    ask(&format!("read {topic}")).await.iter().map(seen).collect()
}

/// A spool in a folder of its own.
struct Bench {
    folder: PathBuf,
    writer: Writer,
    spool: Spool,
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    /// `None`, said plainly, without a broker.
    async fn new(name: &str) -> Option<Self> {
        if std::env::var("KAFKA_PLAIN").is_err() {
            println!("skipped: no KAFKA_PLAIN; `make kafka-test` starts a broker");
            return None;
        }
        let alone = ALONE.lock().await;
        let folder = std::env::temp_dir().join(format!("tapir-kafka-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let clock = Arc::new(SystemClock::default());
        let opened = open(&folder.join("spool"), "node-a", SpoolConfig::default(), clock).unwrap();
        Some(Self { folder, writer: opened.writer, spool: opened.spool, _alone: alone })
    }

    fn append(&mut self, events: impl Iterator<Item = SecurityEvent>) {
        let record = |event: SecurityEvent| NewRecord {
            time_ns: event.time.0 as u64,
            payload: serde_json::to_vec(&event).unwrap(),
        };
        let records: Vec<NewRecord> = events.map(record).collect();
        self.writer.append(&records).unwrap();
    }

    fn start(&self, name: &str, batch_records: usize, config: KafkaConfig) -> Courier {
        let dead = DeadLetterConfig::new(self.folder.join("dead"));
        let linger = Duration::from_millis(10);
        let courier = CourierConfig { linger, batch_records, ..CourierConfig::new(name, dead) };
        courier::start(&self.spool, courier, Box::new(KafkaSink::new(config).unwrap())).unwrap()
    }

    /// Delivers everything in the spool as a sink that has never been seen before.
    async fn deliver(&self, name: &str, config: KafkaConfig) -> SinkStats {
        let courier = self.start(name, 1000, config);
        until(&courier, |stats| stats.lag_records == 0 && stats.requests > 0).await;
        courier.shutdown(Duration::from_secs(5)).await
    }

    /// The words of a sink that cannot deliver.
    async fn failure(&self, name: &str, config: KafkaConfig) -> String {
        let courier = self.start(name, 1000, config);
        until(&courier, |stats| stats.failed_requests > 0).await;
        let stats = courier.stats();
        assert_eq!((stats.delivered, stats.rejected), (0, 0), "{stats:?}");
        stats.last_error.unwrap().0
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn until(courier: &Courier, done: impl Fn(&SinkStats) -> bool) {
    let begun = Instant::now();
    while !done(&courier.stats()) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", courier.stats());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An alert at one of seven workloads, as large as alerts with evidence are.
fn event(n: u64) -> SecurityEvent {
    let workload = Workload { namespace: "shop".into(), pod: format!("pod-{}", n % 7), ..Workload::default() };
    let mut event = SecurityEvent {
        rule: Arc::new(RuleSummary { gid: 1, sid: 21562, msg: Some("MALWARE-CNC \u{0}".into()), ..Default::default() }),
        server: Some(workload),
        protocol: "TCP".into(),
        evidence: Some(Evidence { payload: format!("smk={n}").repeat(40).into_bytes(), ..Evidence::default() }),
        ..SecurityEvent::default()
    };
    event.time.0 = 1_784_682_388_000_000_000 + n as i64 * 1_000_000;
    event
}

fn plain(topic: &str) -> KafkaConfig {
    KafkaConfig::new(vec![variable("KAFKA_PLAIN")], topic)
}

fn tls(identity: bool) -> TlsConfig {
    let file = |name: &str| PathBuf::from(variable("KAFKA_CERTS")).join(name);
    let identity = identity.then(|| (file("client.pem"), file("client.key")));
    TlsConfig { authorities: Some(file("ca.pem")), identity, server_name: None }
}

fn secure(topic: &str, mechanism: Mechanism, user: &str, password: &str) -> KafkaConfig {
    let sasl = Sasl { mechanism, user: user.into(), password: password.into(), allow_cleartext: false };
    let brokers = vec![variable("KAFKA_SECURE")];
    KafkaConfig { tls: Some(tls(false)), sasl: Some(sasl), ..KafkaConfig::new(brokers, topic) }
}

/// The number of an event, from its id.
fn number(id: &str) -> u64 {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

/// Every event is there, those of a key in one partition and in order; how many came twice.
fn assert_complete(seen: &[Seen], count: u64) -> usize {
    let mut first: BTreeMap<&str, &Seen> = BTreeMap::new();
    let mut keys: BTreeMap<&str, (BTreeSet<u32>, Vec<u64>)> = BTreeMap::new();
    for one in seen {
        match first.get(one.id.as_str()) {
            Some(before) => assert_eq!((&before.value, &before.key), (&one.value, &one.key), "an id, two events"),
            None => {
                first.insert(&one.id, one);
                let (partitions, numbers) = keys.entry(&one.key).or_default();
                partitions.insert(one.partition);
                numbers.push(number(&one.id));
            }
        }
    }
    assert_eq!(first.len() as u64, count);
    assert_eq!(keys.len(), 7);
    for (key, (partitions, numbers)) in keys {
        assert_eq!(partitions.len(), 1, "{key}");
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
    seen.len() - first.len()
}

#[tokio::test]
async fn every_event_arrives_in_order_and_readable_however_it_is_compressed() {
    let Some(mut bench) = Bench::new("all").await else { return };
    bench.append((0..5_000).map(event));
    for (name, compression) in [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)] {
        let topic = format!("all-{name}");
        ask(&format!("create {topic} 3")).await;
        let begun = Instant::now();
        let stats = bench.deliver(name, KafkaConfig { compression, ..plain(&topic) }).await;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{name}: {:.0} events/s from the spool into the topic", 5_000.0 / seconds);
        assert_eq!((stats.delivered, stats.rejected, stats.failed_requests), (5_000, 0, 0), "{stats:?}");
        let seen = read(&topic).await;
        assert_eq!(assert_complete(&seen, 5_000), 0);
        let one = &seen[0];
        // When it was sent, which is after it was seen.
        assert_eq!(one.kind, "application/json");
        assert!(one.time_ms > 1_784_682_388_000, "{}", one.time_ms);
        let event: SecurityEvent = serde_json::from_slice(&one.value).unwrap();
        assert_eq!((event.id.to_string(), event.rule.sid), (one.id.clone(), 21562));
    }
    // The same spool once more, as after a restart that forgot its place: twice, and told apart by the ids.
    let ecs = KafkaConfig { format: Format::Ecs, ..plain("all-gzip") };
    bench.deliver("again", ecs).await;
    let seen = read("all-gzip").await;
    assert_eq!(seen.len(), 10_000);
    assert_eq!(seen.iter().map(|one| &one.id).collect::<BTreeSet<_>>().len(), 5_000);
}

#[tokio::test]
async fn a_broker_that_crashes_in_the_middle_loses_nothing_and_doubles_nothing() {
    let Some(mut bench) = Bench::new("crash").await else { return };
    ask("create crash 3").await;
    bench.append((0..4_000).map(event));
    let courier = bench.start("crash", 40, plain("crash"));
    until(&courier, |stats| stats.delivered >= 800).await;
    // Its answer goes down with it.
    let _ = try_asking("crash").await;
    until(&courier, |stats| stats.lag_records == 0).await;
    let stats = courier.shutdown(Duration::from_secs(5)).await;
    assert_eq!((stats.delivered + stats.duplicates, stats.rejected), (4_000, 0), "{stats:?}");
    assert!(stats.failed_requests > 0, "the crash came too late: {stats:?}");
    while try_asking("read crash").await.is_err() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(assert_complete(&read("crash").await, 4_000), 0, "{stats:?}");
    println!("{} failed requests until the broker was back", stats.failed_requests);
}

#[tokio::test]
async fn users_are_known_by_every_mechanism_over_tls_and_held_to_their_rights() {
    let Some(mut bench) = Bench::new("users").await else { return };
    ask("create users 3").await;
    ask("allow tapir users").await;
    bench.append((0..70).map(event));
    let good = "secret of tapir";
    for (at, mechanism) in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512].into_iter().enumerate() {
        let stats = bench.deliver(&format!("good-{at}"), secure("users", mechanism, "tapir", good)).await;
        assert_eq!((stats.delivered, stats.failed_requests), (70, 0), "{mechanism:?}: {stats:?}");
        let why = bench.failure(&format!("bad-{at}"), secure("users", mechanism, "tapir", "wrong")).await;
        assert!(why.contains("SASL_AUTHENTICATION_FAILED") && why.contains("password_file"), "{why}");
    }
    assert_eq!(assert_complete(&read("users").await, 70), 140);
    let stranger = secure("users", Mechanism::Plain, "stranger", "secret of stranger");
    let why = bench.failure("stranger", stranger).await;
    assert!(why.contains("TOPIC_AUTHORIZATION_FAILED") && why.contains("Write and Describe"), "{why}");
    // Neither encryption where it is wanted, nor a user where one is.
    let unencrypted = KafkaConfig::new(vec![variable("KAFKA_SECURE")], "users");
    let why = bench.failure("unencrypted", unencrypted).await;
    assert!(why.contains("TLS"), "{why}");
    let nobody = KafkaConfig { sasl: None, ..secure("users", Mechanism::Plain, "", "") };
    let why = bench.failure("nobody", nobody).await;
    assert!(why.contains("no broker can be used"), "{why}");
}

#[tokio::test]
async fn a_broker_that_wants_a_certificate_gets_one() {
    let Some(mut bench) = Bench::new("mutual").await else { return };
    ask("create mutual 1").await;
    ask("allow CN=client mutual").await;
    bench.append((0..70).map(event));
    let with = |identity| KafkaConfig {
        tls: Some(tls(identity)),
        ..KafkaConfig::new(vec![variable("KAFKA_MUTUAL")], "mutual")
    };
    let stats = bench.deliver("with", with(true)).await;
    assert_eq!((stats.delivered, stats.failed_requests), (70, 0), "{stats:?}");
    assert_eq!(assert_complete(&read("mutual").await, 70), 0);
    let why = bench.failure("without", with(false)).await;
    assert!(why.contains("ertificate"), "{why}");
}

#[tokio::test]
async fn what_the_topic_does_not_take_is_a_dead_letter_and_the_rest_arrives() {
    let Some(mut bench) = Bench::new("large").await else { return };
    ask("create large 3 max.message.bytes=20000").await;
    let with_large = |n| {
        let mut event = event(n);
        if n == 100 {
            event.evidence = Some(Evidence { payload: vec![0xA5; 60_000], ..Evidence::default() });
        }
        event
    };
    bench.append((0..500).map(with_large));
    let stats = bench.deliver("large", KafkaConfig { compression: Compression::None, ..plain("large") }).await;
    assert_eq!((stats.delivered, stats.rejected, stats.dead_letters), (499, 1, 1), "{stats:?}");
    let letter = std::fs::read_to_string(bench.folder.join("dead/large.ndjson")).unwrap();
    let letter: serde_json::Value = serde_json::from_str(&letter).unwrap();
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("MESSAGE_TOO_LARGE") && reason.contains("max.message.bytes"), "{reason}");
    assert_eq!(number(letter["id"].as_str().unwrap()), 100);
    assert_eq!(assert_complete(&read("large").await, 499), 0);
}

#[tokio::test]
async fn a_cluster_that_takes_nothing_is_waited_for_and_told_of() {
    let Some(mut bench) = Bench::new("waits").await else { return };
    bench.append((0..70).map(event));
    // The broker makes topics on demand; the sink demands none.
    let courier = bench.start("waits", 1000, plain("waits"));
    until(&courier, |stats| stats.failed_requests > 0).await;
    let why = courier.stats().last_error.unwrap().0;
    assert!(why.contains("topic `waits`") && why.contains("create the topic"), "{why}");
    assert!(try_asking("set waits retention.ms=1000").await.is_err(), "the sink made the topic");
    ask("create waits 2").await;
    courier.reopen();
    until(&courier, |stats| stats.lag_records == 0).await;
    let stats = courier.shutdown(Duration::from_secs(5)).await;
    assert_eq!((stats.delivered, stats.rejected), (70, 0), "{stats:?}");
    assert_eq!(assert_complete(&read("waits").await, 70), 0);
    // A broker that refuses our time, whatever it is, gets none.
    ask("create clocks 1 message.timestamp.before.max.ms=0").await;
    let stats = bench.deliver("clocks", plain("clocks")).await;
    assert_eq!((stats.delivered, stats.rejected), (70, 0), "{stats:?}");
    let seen = read("clocks").await;
    assert_eq!(assert_complete(&seen, 70), 0);
    println!("times that the broker did not like: {}", seen.iter().filter(|one| one.time_ms == -1).count());
}
