//! The beacon: an agent tells the manager how it is, and hears which suppressions to apply.
//!
//! *How it fits*: one call does both. The manager holds the answer until there is something new, or for [`WAIT`], so that a
//! suppression reaches every node at once. It runs beside the couriers and shares nothing with them.
//!
//! *Invariants*: a manager that is away changes nothing: what was last applied stays in force, and each suppression still
//! ends at its own time.

use crate::courier::{CourierState, SinkStats};
use crate::sinks::http::HttpClient;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tapir_event::quiet::Standing;
use tapir_event::{RuleSummary, rfc3339};
use tapir_packet::Timestamp;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// How long the manager is asked to hold the answer: an agent without news is heard of this often.
pub const WAIT: Duration = Duration::from_secs(10);
/// What a client of the beacon must be patient for at least.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How long new suppressions are waited for to be applied before the manager is told that they are not.
const APPLY: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an agent says of itself. Counts are since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Heartbeat {
    /// Name of the node.
    pub node: String,
    /// Version of the agent.
    pub version: String,
    /// Identity of its rule set.
    pub rule_set: String,
    /// Rules in it.
    pub rules: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets and events lost, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Bytes of memory.
    pub memory: u64,
    /// Pods that it inspects.
    pub endpoints: u64,
    /// Interfaces that it listens on.
    pub interfaces: Vec<String>,
    /// Name of the list of suppressions that it applies; empty before the first.
    pub suppressions: String,
    /// Suppressions that it applies.
    pub suppressions_active: Vec<String>,
    /// Events dropped for suppressions that limit or stop.
    pub quieted: BTreeMap<String, u64>,
    /// Its sinks.
    pub sinks: Vec<SinkReport>,
    /// Conversations of each interface, whether they could be inspected or not.
    pub flows: BTreeMap<String, u64>,
    /// What could not be inspected, or not wholly.
    pub unseen: Vec<Unseen>,
    /// What rules cost, if they are timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_costs: Option<RuleCostReport>,
}

/// What rules cost, in a heartbeat. Counts are since the rule set came, of the units that were samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleCostReport {
    /// Of so many units one was a sample.
    pub every: u32,
    /// Units that were.
    pub units: u64,
    /// Evaluations of all rules.
    pub evaluations: u64,
    /// Their time, nanoseconds.
    pub nanos: u64,
    /// The dearest rules, the dearest first.
    pub rules: Vec<RuleCostRow>,
}

/// A rule in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleCostRow {
    /// Generator.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Evaluations.
    pub evaluations: u64,
    /// Those that matched.
    pub matches: u64,
    /// Time of all, nanoseconds.
    pub nanos: u64,
}

/// Something that could not be inspected, in a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// The interface; empty: of the whole node.
    pub interface: String,
    /// `encrypted`, `gap`, a counter's name, …
    pub reason: String,
    /// Service, if it was recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Port of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What is counted: `flows`, `packets`, `bytes`, `events`.
    pub unit: String,
    /// How many.
    pub count: u64,
}

/// A sink in a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SinkReport {
    /// Name.
    pub name: String,
    /// `elasticsearch`, `syslog`, …
    pub kind: String,
    /// `ok`, or what is wrong.
    pub state: String,
    /// Events delivered.
    pub delivered: u64,
    /// Events that the receiver had already.
    pub duplicates: u64,
    /// Events that the receiver refused for good.
    pub rejected: u64,
    /// Tries that were repeated.
    pub retried: u64,
    /// Events that were lost.
    pub lost: u64,
    /// Events that wait.
    pub lag_records: u64,
    /// How long the oldest of them has waited.
    pub lag_seconds: f64,
    /// The last error.
    pub last_error: Option<String>,
    /// When it was, RFC 3339.
    pub last_error_at: Option<String>,
}

impl SinkReport {
    /// From a courier's figures.
    pub fn new(name: &str, kind: &str, stats: &SinkStats) -> Self {
        let state = match stats.state {
            CourierState::Idle | CourierState::Delivering => "ok",
            CourierState::BackingOff => "waiting after a failure",
            CourierState::Stopped => "stopped",
            CourierState::Broken => "broken",
        };
        let (last_error, at) = stats.last_error.clone().unzip();
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            state: state.to_owned(),
            delivered: stats.delivered,
            duplicates: stats.duplicates,
            rejected: stats.rejected,
            retried: stats.retried,
            lost: stats.lost_to_caps + stats.lost_to_damage + stats.dead_letters_lost,
            lag_records: stats.lag_records,
            lag_seconds: stats.lag.as_secs_f64(),
            last_error,
            last_error_at: at.map(|at| rfc3339(Timestamp(i64::try_from(at).unwrap_or(i64::MAX)))),
        }
    }
}

/// Rules that a node has in force.
#[derive(Clone, Debug, Default)]
pub struct RulesInForce {
    /// Identity of the set, as [`Heartbeat::rule_set`] has it.
    pub set: String,
    /// What events say of each.
    pub rules: Vec<Arc<RuleSummary>>,
}

/// What the manager answers.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    suppressions: Option<Told>,
    /// It does not know the rules of the set that was named.
    #[serde(default)]
    rules_wanted: bool,
    #[serde(default)]
    pause: Option<u64>,
}

/// As it travels: a newer manager may know suppressions that we do not.
#[derive(Deserialize)]
struct Told {
    digest: String,
    items: Vec<serde_json::Value>,
}

/// Suppressions to apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSuppressions {
    /// Name of the list, for [`Heartbeat::suppressions`].
    pub digest: String,
    /// Oldest first.
    pub standing: Vec<Standing>,
}

/// Whom the beacon speaks for.
pub trait Agent: Send + Sync {
    /// How the agent is now.
    fn report(&self) -> Heartbeat;

    /// The rules of its set, for a manager that asks; `None`: it has none.
    fn rules(&self) -> Option<RulesInForce>;

    /// How its sinks are, and how many events did not get into the spool: for the reports to come.
    fn set_delivery(&self, sinks: Vec<SinkReport>, refused: u64);

    /// Suppressions to apply from now on, in the place of those before.
    fn suppress(&self, new: NewSuppressions);

    /// Told when what was last given to [`Agent::suppress`] is in force.
    fn applied(&self) -> &Notify;

    /// Something for the log: the first failure after a success, and the first success after a failure.
    fn say(&self, text: &str);
}

/// Speaks for `agent` until it is dropped.
pub async fn run(client: HttpClient, agent: &dyn Agent) {
    let path = format!("api/v1/heartbeat?wait={}", WAIT.as_secs());
    let mut pause = FIRST_PAUSE;
    let mut failing = false;
    loop {
        let report = agent.report();
        match beat(&client, &path, &report).await {
            Ok(answer) => {
                if std::mem::take(&mut failing) {
                    agent.say("the manager hears of this node again");
                }
                pause = FIRST_PAUSE;
                if let Some(told) = answer.suppressions {
                    let count = told.items.len();
                    let known = told.items.into_iter().filter_map(|item| serde_json::from_value(item).ok());
                    let standing: Vec<Standing> = known.collect();
                    if standing.len() < count {
                        let unknown = count - standing.len();
                        agent
                            .say(&format!("{unknown} of {count} suppressions are of a newer kind and are not applied"));
                    }
                    agent.suppress(NewSuppressions { digest: told.digest, standing });
                    // Too late is told as it is.
                    let _ = timeout(APPLY, agent.applied().notified()).await;
                }
                if answer.rules_wanted
                    && let Some(rules) = agent.rules()
                    // Another set came meanwhile: the next heartbeat names it.
                    && rules.set == report.rule_set
                    && let Err(why) = send(&client, rules).await
                {
                    agent.say(&format!("the manager does not list the rules of this node: {why}"));
                }
                if let Some(seconds) = answer.pause {
                    sleep(Duration::from_secs(seconds).min(LONGEST_PAUSE)).await;
                }
            }
            Err(why) => {
                if !std::mem::replace(&mut failing, true) {
                    agent.say(&format!("the manager does not hear of this node: {why}; trying again"));
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Sends the rules. Tens of thousands take a second to pack, in which events have their way.
async fn send(client: &HttpClient, rules: RulesInForce) -> Result<(), String> {
    let path = format!("api/v1/rule-sets/{}", rules.set);
    let body = tokio::task::spawn_blocking(move || pack(&rules.rules));
    let body = body.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let headers = [("content-type", "application/x-ndjson".to_owned()), ("content-encoding", "gzip".to_owned())];
    let answer = client.send(Method::PUT, &path, &headers, body).await?;
    if answer.status.is_success() {
        return Ok(());
    }
    Err(format!("it answered {}: {}", answer.status.as_u16(), answer.excerpt()))
}

/// One a line.
fn pack(rules: &[Arc<RuleSummary>]) -> std::io::Result<Vec<u8>> {
    let mut body = GzEncoder::new(Vec::new(), Compression::fast());
    for rule in rules {
        serde_json::to_writer(&mut body, &**rule)?;
        body.write_all(b"\n")?;
    }
    body.finish()
}

async fn beat(client: &HttpClient, path: &str, beat: &Heartbeat) -> Result<Answer, String> {
    let body = serde_json::to_vec(beat).map_err(|error| error.to_string())?;
    let headers = [("content-type", "application/json".to_owned())];
    let answer = client.send(Method::POST, path, &headers, body).await?;
    if !answer.status.is_success() {
        return Err(format!("it answered {}: {}", answer.status.as_u16(), answer.excerpt()));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|_| "what answers there is no Tapir manager; check the address".to_owned())
}
