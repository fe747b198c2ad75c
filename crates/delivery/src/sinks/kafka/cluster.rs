//! The cluster as far as the sink needs it: the brokers, who leads which partition of the topic, connections that are open.
//!
//! *How it fits*: [`refresh`](Cluster::refresh) asks any broker that can be reached; [`take`](Cluster::take) hands out the connection to a
//! leader, and [`put_back`](Cluster::put_back) keeps it for the next request. One that is not put back is closed, and with it whatever
//! was half-way on it.
//!
//! *Limits*: what is known is asked for anew after five minutes, as new partitions are otherwise never noticed; it is as large as one answer
//! at most.

use super::code;
use super::connection::{Access, Connection};
use super::message::{self, Api, Broker, Partition};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long what is known is believed.
const FRESH: Duration = Duration::from_secs(300);
/// So many brokers that were heard of are asked when the configured ones are away.
const HEARD_OF: usize = 32;

/// See the module.
pub(super) struct Cluster {
    /// Addresses of the configuration.
    seeds: Vec<(String, u16)>,
    /// The seed that is asked first.
    turn: usize,
    topic: String,
    pub(super) access: Access,
    brokers: Vec<Broker>,
    partitions: Vec<Partition>,
    /// When it was learned; `None` when it is known to be old.
    learned: Option<Instant>,
    open: HashMap<i32, Connection>,
    /// Connections that were made.
    pub(super) connects: u64,
    /// How often the cluster was asked for its layout.
    pub(super) refreshes: u64,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<(String, u16)>, topic: &str, access: Access) -> Self {
        Self {
            seeds,
            turn: 0,
            topic: topic.to_owned(),
            access,
            brokers: Vec::new(),
            partitions: Vec::new(),
            learned: None,
            open: HashMap::new(),
            connects: 0,
            refreshes: 0,
        }
    }

    /// The partitions as they were last heard of.
    pub(super) fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Who takes the records of a partition.
    pub(super) fn leader(&self, partition: i32) -> Option<i32> {
        // They are in the order of their numbers.
        let at = self.partitions.binary_search_by_key(&partition, |one| one.index).ok()?;
        self.partitions.get(at)?.leader
    }

    /// What is known is old: it is asked for before it is used again.
    pub(super) fn doubt(&mut self) {
        self.learned = None;
    }

    /// Closes all connections and forgets what is known.
    pub(super) fn forget(&mut self) {
        self.open.clear();
        self.learned = None;
    }

    /// Asks for the layout if what is known is old. Tells whether it was asked for.
    pub(super) async fn refresh(&mut self) -> Result<bool, String> {
        if self.learned.is_some_and(|learned| learned.elapsed() < FRESH) {
            return Ok(false);
        }
        self.refreshes += 1;
        let mut reasons: Vec<String> = Vec::new();
        for (host, port) in self.in_turn() {
            match self.ask(&host, port).await {
                Ok(()) => return Ok(true),
                // The cluster answered; another of its brokers would say the same.
                Err(Failed::Cluster(why)) => return Err(why),
                Err(Failed::Broker(why)) => {
                    self.turn = self.turn.wrapping_add(1);
                    if reasons.len() < 3 {
                        reasons.push(why);
                    }
                }
            }
        }
        Err(format!("no broker can be used ({}); check the sink's `brokers`", reasons.join("; ")))
    }

    /// The seeds, another one first after each failure; then the brokers that were heard of.
    fn in_turn(&self) -> Vec<(String, u16)> {
        let begin = self.turn.checked_rem(self.seeds.len()).unwrap_or(0);
        let mut places: Vec<(String, u16)> =
            self.seeds.iter().skip(begin).chain(self.seeds.iter().take(begin)).cloned().collect();
        for broker in self.brokers.iter().take(HEARD_OF) {
            let place = (broker.host.clone(), broker.port);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    async fn ask(&mut self, host: &str, port: u16) -> Result<(), Failed> {
        let known = self.brokers.iter().find(|one| one.host == host && one.port == port).map(|one| one.id);
        let kept = known.and_then(|id| self.open.remove(&id));
        let mut connection = self.usable(kept, host, port).await.map_err(Failed::Broker)?;
        let topic = self.topic.clone();
        let metadata = connection
            .ask_for(Api::Metadata, message::metadata_of(&topic), |answer, _| message::metadata(answer, &topic))
            .await
            .map_err(Failed::Broker)?;
        let told = |why: String| Failed::Cluster(format!("topic `{topic}` at {}: {why}", connection.address));
        if metadata.error != code::NONE {
            return Err(told(code::explain(metadata.error, None)));
        }
        if metadata.partitions.is_empty() || metadata.brokers.is_empty() {
            return Err(told("it has no partitions, or the cluster no brokers, at the moment".to_owned()));
        }
        self.brokers = metadata.brokers;
        self.partitions = metadata.partitions;
        self.learned = Some(Instant::now());
        // Brokers that are gone take their connections along.
        let brokers = &self.brokers;
        self.open.retain(|id, open| brokers.iter().any(|one| one.id == *id && is_at(open, one)));
        if let Some(broker) = brokers.iter().find(|one| is_at(&connection, one)) {
            self.open.insert(broker.id, connection);
        }
        Ok(())
    }

    /// The connection that was kept, if it still can be used, or a new one.
    async fn usable(&mut self, kept: Option<Connection>, host: &str, port: u16) -> Result<Connection, String> {
        if let Some(mut connection) = kept
            && connection.is_usable().await
        {
            return Ok(connection);
        }
        self.connects += 1;
        Connection::open(host, port, &self.access).await
    }

    /// The connection to a broker, a new one if there is none or it was closed.
    pub(super) async fn take(&mut self, broker: i32) -> Result<Connection, String> {
        let kept = self.open.remove(&broker);
        let found = self.brokers.iter().find(|one| one.id == broker);
        let (host, port) =
            found.map(|one| (one.host.clone(), one.port)).ok_or("the cluster does not say where it is")?;
        self.usable(kept, &host, port).await
    }

    /// Keeps a connection on which nothing is half-way.
    pub(super) fn put_back(&mut self, broker: i32, connection: Connection) {
        self.open.insert(broker, connection);
    }
}

fn is_at(connection: &Connection, broker: &Broker) -> bool {
    connection.is_to(&broker.host, broker.port)
}

/// Why the layout could not be had.
enum Failed {
    /// From this broker; another may do.
    Broker(String),
    /// From the cluster.
    Cluster(String),
}
