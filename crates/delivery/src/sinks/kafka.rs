//! Kafka: a producer of our own that does what a sink needs and no more (docs/decisions/0014).
//!
//! *How it fits*: a delivery is planned into record batches, one at a time for each partition (`work.rs`, `place.rs`, `batch.rs`). A round
//! sends one batch for each partition to its leader and then waits for all of them (`cluster.rs`, `connection.rs`). What an answer
//! means is a table (`code.rs`).
//!
//! *Invariants*: 1. an event is done when all replicas in sync have it (`acks=all`); 2. events of one key are in one partition, in the order of
//! the spool; 3. a batch of unknown outcome is sent again under its numbers (`sequences.rs`), so that within one life of the
//! process a broken connection makes no repetition, where the cluster lets us number at all; 4. an event that the topic refuses
//! becomes a dead letter and holds up nothing; trouble of the cluster makes none.
//!
//! *Limits*: the courier's batch is held twice, as events and as messages; a record batch has [`KafkaConfig::max_batch_bytes`] before
//! compression; a delivery ends within the courier's 30 s. Brokers: Kafka 2.1 or newer. No transactions, no OAUTHBEARER or GSSAPI.

mod batch;
mod cluster;
mod code;
mod connection;
mod message;
mod place;
mod scram;
mod sequences;
mod wire;
mod work;

pub use batch::Compression;
pub use connection::{Mechanism, Sasl};
pub use message::fuzz_kafka;
pub use place::Key;

use crate::error::Error;
use crate::record::Record;
use crate::sink::{BoxFuture, Delivery, Outcome, Sink};
use batch::{Message, Numbering};
use cluster::Cluster;
use code::Meaning;
use connection::{Access, Connection};
use message::{Api, Produced};
use sequences::Sequences;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tapir_event::{Format, Style};
use tapir_outbound::TlsConfig;
use tokio::time::{Instant, sleep, timeout};
use work::Work;

/// What the sink needs to know.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port` of brokers that are asked first; an IPv6 address in brackets. The others are heard of.
    pub brokers: Vec<String>,
    /// The topic, which must be there.
    pub topic: String,
    /// How an event is written.
    pub format: Format,
    /// Cluster, tenant, wording.
    pub style: Style,
    /// What keeps events in order.
    pub key: Key,
    /// Compression of record batches.
    pub compression: Compression,
    /// Bytes of a record batch before compression. The topic's `max.message.bytes` holds for it after compression.
    pub max_batch_bytes: usize,
    /// Bytes of a single event, as written; what is larger is a dead letter.
    pub max_message_bytes: usize,
    /// Encrypted, if given.
    pub tls: Option<TlsConfig>,
    /// Who we are.
    pub sasl: Option<Sasl>,
    /// How long the replicas may take; 1 to 15 s.
    pub timeout: Duration,
}

impl KafkaConfig {
    /// Our own format, by workload, gzip, 1 MB, 10 s; neither encrypted nor with a user.
    pub fn new(brokers: Vec<String>, topic: impl Into<String>) -> Self {
        Self {
            brokers,
            topic: topic.into(),
            format: Format::Tapir,
            style: Style::default(),
            key: Key::default(),
            compression: Compression::default(),
            max_batch_bytes: 1_000_000,
            max_message_bytes: 1_000_000,
            tls: None,
            sasl: None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Header with the event's id.
pub const ID_HEADER: &str = "tapir-event-id";
/// A delivery ends before the courier gives it up.
const BUDGET: Duration = Duration::from_secs(28);
/// Beyond the replicas' time, for the way there and back.
const WAY: Duration = Duration::from_secs(2);
/// Beyond an answer's time, for connections and the layout.
const ROUND: Duration = Duration::from_secs(6);
/// How often a delivery asks for the layout anew before the courier's pause.
const DOUBTS: u32 = 3;
/// Before that, times its number: partitions move within a second.
const PAUSE: Duration = Duration::from_millis(200);
/// New producer ids in one delivery.
const RENEWALS: u32 = 2;
/// The longest pause that a broker's quota may ask for.
const MAX_THROTTLE: Duration = Duration::from_secs(60);

/// See the module.
pub struct KafkaSink {
    config: KafkaConfig,
    cluster: Cluster,
    /// Our numbers, once there are any.
    sequences: Option<Sequences>,
    /// The cluster lets us have no numbers.
    unnumbered: bool,
    /// Whose turn it is among partitions for events without a key.
    turn: usize,
    /// Bytes of a batch that the topic took.
    limit: usize,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    producer_ids: u64,
    too_large: u64,
    timeless: u64,
    throttled_ms: u64,
    reloads_failed: u64,
}

/// Why a round did not bring everything through.
struct Trouble {
    why: String,
    next: Next,
}

/// What is best after trouble.
enum Next {
    /// Ask for the layout, and try again.
    Again,
    /// Go on with the partitions that take something.
    Others,
    /// Leave it to the courier's pause.
    Pause,
}

/// A request that was sent.
struct Flight {
    leader: i32,
    connection: Connection,
    version: i16,
    partitions: Vec<i32>,
}

/// What a round found out besides outcomes.
#[derive(Default)]
struct Findings {
    trouble: Option<String>,
    stale: bool,
    renew: bool,
    too_large: bool,
    throttled: Duration,
}

impl Findings {
    /// The first trouble is told.
    fn trouble(&mut self, why: String) {
        self.trouble.get_or_insert(why);
    }

    /// The layout is not what we think.
    fn stale(&mut self, why: String) {
        self.stale = true;
        self.trouble(why);
    }
}

impl KafkaSink {
    /// Checks the configuration; the cluster is first spoken to when a batch comes.
    pub fn new(config: KafkaConfig) -> Result<Self, Error> {
        let wrong = |why: String| Err(Error::Config(why));
        let seeds: Result<Vec<(String, u16)>, Error> = config.brokers.iter().map(|text| seed(text)).collect();
        let seeds = seeds?;
        if seeds.is_empty() {
            return wrong("name at least one broker as host:port".to_owned());
        }
        if !is_topic(&config.topic) {
            return wrong(format!(
                "`{}` is no name for a topic: use 1 to 249 letters, digits, `.`, `_` and `-`",
                config.topic
            ));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(15)).contains(&config.timeout) {
            return wrong(format!("a timeout of {:?}: write 1 to 15 seconds", config.timeout));
        }
        if let Some(sasl) = &config.sasl
            && sasl.mechanism == Mechanism::Plain
            && config.tls.is_none()
            && !sasl.allow_cleartext
        {
            let why = "PLAIN sends the password in the clear: add tls, choose SCRAM, or allow it for this sink";
            return wrong(why.to_owned());
        }
        let access = Access {
            tls: config.tls.as_ref().map(TlsConfig::load).transpose()?,
            server_name: config.tls.as_ref().and_then(|tls| tls.server_name.clone()),
            sasl: config.sasl.clone(),
            patience: config.timeout + WAY,
        };
        let cluster = Cluster::new(seeds, &config.topic, access);
        let limit = config.max_batch_bytes;
        let figures = Figures::default();
        Ok(Self { config, cluster, sequences: None, unnumbered: false, turn: 0, limit, figures })
    }

    async fn deliver_batch(&mut self, batch: &[Record]) -> Delivery {
        let begun = Instant::now();
        let round_limit = self.config.timeout + WAY + ROUND;
        let mut work = Work::new(batch, |record| message(record, &self.config));
        let (mut trouble, mut doubts, mut renewals) = (None, 0, 0);
        let mut throttled = Duration::ZERO;
        let mut first = true;
        while work.goes_on() && (first || begun.elapsed() + round_limit <= BUDGET) {
            first = false;
            let round = timeout(round_limit, self.round(&mut work, &mut throttled, &mut renewals)).await;
            match round {
                Ok(Ok(())) => {}
                Ok(Err(Trouble { why, next })) => {
                    trouble = Some(why);
                    match next {
                        Next::Others => {}
                        Next::Again if doubts < DOUBTS => {
                            doubts += 1;
                            sleep(PAUSE * doubts).await;
                            work.unplan();
                        }
                        Next::Again | Next::Pause => break,
                    }
                }
                Err(_) => {
                    // Where it hung is not known; no connection is kept that may be half-way.
                    self.cluster.forget();
                    trouble = Some(format!("topic `{}`: no end within {round_limit:?}", self.config.topic));
                    break;
                }
            }
        }
        if !work.goes_on() && trouble.is_none() {
            self.turn = self.turn.wrapping_add(1);
        }
        if work.is_untouched() {
            // A failed request, which the courier tells, and tries again later.
            let topic = &self.config.topic;
            return Delivery::failed(
                trouble.unwrap_or_else(|| format!("topic `{topic}`: nothing got through in time")),
            );
        }
        // What is left comes next; should that fail as a whole, it is told then.
        let retry_after = (!throttled.is_zero()).then_some(throttled);
        Delivery { retry_after, ..Delivery::each(work.outcomes()) }
    }

    /// One batch for each partition that has one.
    async fn round(
        &mut self,
        work: &mut Work<'_>,
        throttled: &mut Duration,
        renewals: &mut u32,
    ) -> Result<(), Trouble> {
        let refreshed = self.cluster.refresh().await.map_err(|why| Trouble { why, next: Next::Pause })?;
        if refreshed {
            // The topic's limit may have been raised.
            self.limit = self.config.max_batch_bytes;
        }
        if refreshed || !work.is_planned() {
            work.plan(self.cluster.partitions(), self.turn, self.limit);
        }
        self.number(work).await?;
        let mut findings = Findings::default();
        let flights = self.send(work, &mut findings).await;
        for flight in flights {
            self.hear(flight, work, &mut findings).await;
        }
        *throttled = (*throttled).max(findings.throttled);
        if findings.renew {
            *renewals += 1;
            self.sequences = None;
            if *renewals > RENEWALS {
                let topic = &self.config.topic;
                findings
                    .trouble(format!("topic `{topic}`: the brokers refuse the numbers of our batches again and again"));
                return Err(Trouble { why: findings.trouble.unwrap_or_default(), next: Next::Pause });
            }
        }
        if findings.too_large {
            work.unplan();
        }
        if findings.stale {
            self.cluster.doubt();
        }
        match findings.trouble {
            None => Ok(()),
            Some(why) => Err(Trouble { why, next: if findings.stale { Next::Again } else { Next::Others } }),
        }
    }

    /// Sees to it that the batches in front can be numbered, with a new producer id if need be.
    async fn number(&mut self, work: &Work<'_>) -> Result<(), Trouble> {
        let front = work.front();
        let fits = |sequences: &Sequences| front.iter().all(|one| sequences.fits(*one, work.fingerprint(*one)));
        if self.unnumbered || self.sequences.as_ref().is_some_and(fits) {
            return Ok(());
        }
        // Without any leader there is nothing to send either.
        let Some(leader) = front.iter().find_map(|one| self.cluster.leader(*one)) else { return Ok(()) };
        let lost = |why: String| Trouble { why, next: Next::Again };
        let mut connection = match self.cluster.take(leader).await {
            Ok(connection) => connection,
            Err(why) => {
                self.cluster.doubt();
                return Err(lost(why));
            }
        };
        if connection.version(Api::InitProducerId).is_err() {
            self.unnumbered = true;
            self.cluster.put_back(leader, connection);
            return Ok(());
        }
        let asked = connection
            .ask_for(Api::InitProducerId, message::init_producer_id, |answer, _| message::producer_id(answer))
            .await;
        match asked {
            Err(why) => {
                self.cluster.doubt();
                return Err(lost(why));
            }
            Ok((code::NONE, producer, epoch)) => {
                self.figures.producer_ids += 1;
                self.sequences = Some(Sequences::new(producer, epoch));
            }
            // Before Kafka 2.8 that was a right of its own, and some services have none: repetitions are then told by the event's id.
            Ok((code::CLUSTER_AUTHORIZATION_FAILED, ..)) => self.unnumbered = true,
            Ok((error, ..)) => {
                let why = format!("no producer id from {}: {}", connection.address, code::explain(error, None));
                self.cluster.put_back(leader, connection);
                // A broker that has just started says so for a moment.
                return Err(Trouble { why, next: Next::Again });
            }
        }
        self.cluster.put_back(leader, connection);
        Ok(())
    }

    /// Sends the batches in front, one request to each leader.
    async fn send(&mut self, work: &mut Work<'_>, findings: &mut Findings) -> Vec<Flight> {
        let topic = self.config.topic.clone();
        let mut leaders: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in work.front() {
            match self.cluster.leader(partition) {
                Some(leader) => leaders.entry(leader).or_default().push(partition),
                None => {
                    work.stick(partition);
                    findings
                        .stale(format!("topic `{topic}`: partition {partition} has no leader; bring its brokers back"));
                }
            }
        }
        let patience = i32::try_from(self.config.timeout.as_millis()).unwrap_or(i32::MAX);
        let mut flights = Vec::with_capacity(leaders.len());
        for (leader, partitions) in leaders {
            let taken = self.cluster.take(leader).await;
            let usable = taken.and_then(|connection| Ok((connection.version(Api::Produce)?, connection)));
            let sent = match usable {
                Err(why) => Err(why),
                Ok((version, mut connection)) => {
                    let batches: Vec<(i32, Vec<u8>)> =
                        partitions.iter().map(|one| (*one, self.encode(*one, work))).collect();
                    let body = message::produce(&topic, patience, &batches);
                    connection.send(Api::Produce, version, body).await.map(|()| (version, connection))
                }
            };
            match sent {
                Ok((version, connection)) => flights.push(Flight { leader, connection, version, partitions }),
                Err(why) => self.lost(&partitions, format!("topic `{topic}`: {why}"), work, findings),
            }
        }
        flights
    }

    fn encode(&mut self, partition: i32, work: &Work<'_>) -> Vec<u8> {
        let fingerprint = work.fingerprint(partition);
        let numbering = self.sequences.as_mut().map_or(Numbering::NOBODY, |own| own.claim(partition, fingerprint));
        // When it is sent, as Kafka's own producer does, and not when it was seen: what is delivered late would else be deleted early,
        // and the broker would forget the numbers of who sends old things.
        let time_ms = if work.has_times(partition) { now_ms() } else { batch::NO_TIME };
        batch::encode(work.messages(partition), numbering, self.config.compression, time_ms)
    }

    /// The answer to a request.
    async fn hear(&mut self, mut flight: Flight, work: &mut Work<'_>, findings: &mut Findings) {
        let topic = self.config.topic.clone();
        let answer = flight.connection.receive().await;
        let read = answer.and_then(|answer| {
            message::produced(&answer, flight.version, &topic)
                .map_err(|error| format!("{}: {error}", flight.connection.address))
        });
        match read {
            Err(why) => self.lost(&flight.partitions, format!("topic `{topic}`: {why}"), work, findings),
            Ok((answers, throttled)) => {
                let throttled = Duration::from_millis(u64::try_from(throttled).unwrap_or(0)).min(MAX_THROTTLE);
                self.figures.throttled_ms += u64::try_from(throttled.as_millis()).unwrap_or(0);
                findings.throttled = findings.throttled.max(throttled);
                for partition in &flight.partitions {
                    match answers.iter().find(|answer| answer.partition == *partition) {
                        Some(answer) => self.settle(answer, &flight.connection.address, work, findings),
                        None => {
                            work.stick(*partition);
                            let at = &flight.connection.address;
                            findings
                                .trouble(format!("topic `{topic}`: the answer of {at} left partition {partition} out"));
                        }
                    }
                }
                self.cluster.put_back(flight.leader, flight.connection);
            }
        }
    }

    /// Nothing is known of what was, or was not, sent to these partitions.
    fn lost(&mut self, partitions: &[i32], why: String, work: &mut Work<'_>, findings: &mut Findings) {
        partitions.iter().for_each(|one| work.stick(*one));
        findings.stale(why);
    }

    /// What an answer means for the batch of its partition.
    fn settle(&mut self, answer: &Produced, address: &str, work: &mut Work<'_>, findings: &mut Findings) {
        let Produced { partition, error, refused, message } = answer;
        let (partition, topic) = (*partition, &self.config.topic);
        let why = || {
            let text = code::explain(*error, message.as_deref());
            format!("topic `{topic}`, partition {partition} at {address}: {text}")
        };
        let count = work.count(partition);
        let meaning = code::meaning(*error);
        if let Some(sequences) = &mut self.sequences {
            match meaning {
                Meaning::Done => sequences.done(partition, count),
                Meaning::TooLarge | Meaning::Refused | Meaning::Time => sequences.refused(partition),
                Meaning::Wait | Meaning::Stale | Meaning::Sequence => {}
            }
        }
        match meaning {
            Meaning::Done if *error == code::NONE => work.settle(partition, &Outcome::Done),
            Meaning::Done => work.settle(partition, &Outcome::Duplicate),
            Meaning::Wait => {
                work.stick(partition);
                findings.trouble(why());
            }
            Meaning::Stale => {
                work.stick(partition);
                findings.stale(why());
            }
            Meaning::TooLarge if count <= 1 => {
                let size = work.size(partition);
                work.settle(partition, &Outcome::Reject(format!("an event of {size} bytes by itself: {}", why())));
            }
            Meaning::TooLarge => {
                self.figures.too_large += 1;
                self.limit = self.limit.min(work.size(partition)) / 2;
                findings.too_large = true;
            }
            Meaning::Refused => {
                let named: Vec<(i32, String)> = refused
                    .iter()
                    .map(|(at, text)| (*at, format!("{}: {}", why(), text.as_deref().unwrap_or_default())))
                    .collect();
                match work.reject(partition, &named) {
                    true => {}
                    // The broker does not say which: they are told apart by halves.
                    false if count > 1 => work.halve(partition),
                    false => work.settle(partition, &Outcome::Reject(why())),
                }
            }
            Meaning::Time if work.has_times(partition) => {
                self.figures.timeless += 1;
                work.leave_out_times(partition);
            }
            Meaning::Time => {
                work.stick(partition);
                findings.trouble(why());
            }
            Meaning::Sequence => findings.renew = true,
        }
    }
}

impl Sink for KafkaSink {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.deliver_batch(batch))
    }

    fn reopen(&mut self) {
        self.cluster.forget();
        self.unnumbered = false;
        // Certificates are renewed. New files that cannot be used leave the old ones in force.
        if let Some(tls) = &self.config.tls {
            match tls.load() {
                Ok(config) => self.cluster.access.tls = Some(config),
                Err(_) => self.figures.reloads_failed += 1,
            }
        }
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.cluster.forget();
        Box::pin(async {})
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("connections", self.cluster.connects),
            ("layouts", self.cluster.refreshes),
            ("producer_ids", self.figures.producer_ids),
            ("unnumbered", u64::from(self.unnumbered)),
            ("batches_too_large", self.figures.too_large),
            ("batches_without_times", self.figures.timeless),
            ("throttled_ms", self.figures.throttled_ms),
            ("tls_reloads_failed", self.figures.reloads_failed),
        ]
    }
}

/// `host:port`.
fn seed(text: &str) -> Result<(String, u16), Error> {
    let wrong = || Error::Config(format!("`{text}` is no address of a broker: write host:port"));
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if host.is_empty() || host.contains('/') || (bare.is_none() && host.contains(':')) {
        return Err(wrong());
    }
    match port.parse() {
        Ok(port @ 1..) => Ok((bare.unwrap_or(host).to_owned(), port)),
        _ => Err(wrong()),
    }
}

/// As Kafka has it.
fn is_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}

/// The message of a record.
fn message(record: &Record, config: &KafkaConfig) -> Result<Message, Outcome> {
    let event = record.event().map_err(Outcome::Reject)?;
    let kind = match config.format {
        Format::Fast | Format::Csv | Format::Cef => "text/plain; charset=utf-8",
        Format::Json | Format::Eve | Format::Tapir | Format::Calico | Format::Ecs | Format::Ocsf => "application/json",
    };
    let value = config.format.line(&event, &config.style).into_bytes();
    if value.len() > config.max_message_bytes {
        let (size, most) = (value.len(), config.max_message_bytes);
        return Err(Outcome::Reject(format!(
            "{size} bytes as written, more than the sink's `max_message_bytes` ({most})"
        )));
    }
    let headers = vec![(ID_HEADER, record.id.to_string().into_bytes()), ("content-type", kind.as_bytes().to_vec())];
    Ok(Message { key: config.key.of(&event), value, headers })
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
