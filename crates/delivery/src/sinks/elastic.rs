//! Elasticsearch and OpenSearch: the incumbent's index family, or an ECS data stream.
//!
//! *How it fits*: on first use it asks the server who it is and puts policy and template there, and makes each day's index before the
//! first event of that day (`setup.rs`, `policy.rs`, `mappings.rs`); each batch is one `_bulk`
//! of `create` with our `_id`, so what was stored before is answered with 409 and counts as delivered (`bulk.rs`).
//!
//! *Never twice*: an `_id` is unique within one index only. The incumbent's family is therefore written to indices named by the
//! event's own day, so that a repetition always meets its first copy. A data stream rolls over; before an event whose first
//! outcome is unknown is sent again, the stream is asked for its id.
//!
//! *Limits*: the courier's batch (1,000 records, 5 MB); an answer of [`MAX_ANSWER`](super::http::MAX_ANSWER).

mod bulk;
mod mappings;
mod policy;
mod setup;

use super::http::{Answer, HttpClient, HttpConfig, Refusal};
use crate::error::Error;
use crate::record::Record;
use crate::sink::{BoxFuture, Delivery, Outcome, Sink};
use bulk::{Item, Verdict};
use reqwest::Method;
use serde_json::json;
use std::collections::HashSet;
use tapir_event::{EventId, Format, SecurityEvent, Style};

pub use policy::Retention;
pub use setup::Product;

/// Where events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// `tigera_secure_ee_events.<cluster>.lma-<day>` with the incumbent's document.
    #[default]
    Calico,
    /// `logs-tapir.alert-<namespace>` with ECS documents.
    Ecs,
}

/// What the sink needs to know.
#[derive(Clone, Debug, Default)]
pub struct ElasticConfig {
    /// Address of the server.
    pub url: String,
    /// Client.
    pub http: HttpConfig,
    /// Where events are written.
    pub layout: Layout,
    /// Cluster, tenant, wording.
    pub style: Style,
    /// Namespace of the data stream; `default` if empty.
    pub namespace: String,
    /// How long events are kept, if the server is to delete them.
    pub retention: Retention,
    /// Leave templates and policies to somebody else.
    pub no_setup: bool,
}

/// Remembers so many ids of unknown outcome; beyond that the whole batch is asked for.
const MAX_UNCERTAIN: usize = 10_000;
/// Remembers so many indices that are there; then it begins anew, which costs a question for each.
const MAX_INDICES: usize = 4_096;

/// See the module.
pub struct ElasticSink {
    config: ElasticConfig,
    client: HttpClient,
    product: Option<Product>,
    /// Indices that are known to be there.
    indices: HashSet<String>,
    uncertain: HashSet<EventId>,
    /// Nothing is known of what a former process sent.
    fresh: bool,
    unmapped: u64,
    found_again: u64,
}

impl ElasticSink {
    /// Checks the configuration; the server is first spoken to when a batch comes.
    pub fn new(config: ElasticConfig) -> Result<Self, Error> {
        let client = HttpClient::new(&config.url, &config.http)?;
        Ok(Self {
            config,
            client,
            product: None,
            indices: HashSet::new(),
            uncertain: HashSet::new(),
            fresh: true,
            unmapped: 0,
            found_again: 0,
        })
    }

    async fn deliver_batch(&mut self, batch: &[Record]) -> Delivery {
        let product = match self.product {
            Some(product) => product,
            None => match setup::run(&self.client, &self.config).await {
                Ok(product) => *self.product.insert(product),
                Err(why) => return Delivery::failed(why),
            },
        };
        let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.len()];
        let mut items = Vec::with_capacity(batch.len());
        for (at, record) in batch.iter().enumerate() {
            match record.event() {
                Ok(event) => items.push(Item::new(at, &event, &self.config)),
                Err(why) => set(&mut outcomes, at, Outcome::Reject(why)),
            }
        }
        if let Err(why) = self.make_indices(product, &items).await {
            return Delivery::failed(why);
        }
        if self.config.layout == Layout::Ecs
            && let Err(delivery) = self.settle_uncertain(batch, &mut items, &mut outcomes).await
        {
            return delivery;
        }
        if let Err(delivery) = self.write(batch, &items, &mut outcomes).await {
            return delivery;
        }
        self.fresh = false;
        let unmapped: Vec<Item> =
            items.into_iter().filter(|item| outcomes.get(item.at).is_some_and(refused_by_mapping)).collect();
        if !unmapped.is_empty() {
            // The document does not fit the mapping that is there: its facts are kept as text.
            let plain: Vec<Item> = unmapped.iter().map(Item::as_text).collect();
            self.unmapped += plain.len() as u64;
            if let Err(delivery) = self.write(batch, &plain, &mut outcomes).await {
                return delivery;
            }
        }
        Delivery::each(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(no_answer)).collect())
    }

    /// Makes the indices of a batch that are not known to be there. What was made stays known if a later one fails.
    async fn make_indices(&mut self, product: Product, items: &[Item]) -> Result<(), String> {
        if self.config.layout == Layout::Ecs || self.config.no_setup {
            return Ok(());
        }
        for item in items {
            if self.indices.contains(&item.index) {
                continue;
            }
            setup::make_index(&self.client, &self.config, product, &item.index).await?;
            if self.indices.len() >= MAX_INDICES {
                self.indices.clear();
            }
            self.indices.insert(item.index.clone());
        }
        Ok(())
    }

    /// One `_bulk`. An error is a request that failed as a whole.
    async fn write(
        &mut self,
        batch: &[Record],
        items: &[Item],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), Delivery> {
        if items.is_empty() {
            return Ok(());
        }
        let body = bulk::body(items);
        let headers = [("content-type", "application/x-ndjson".to_owned()), ("content-encoding", "gzip".to_owned())];
        let ids = || items.iter().filter_map(|item| batch.get(item.at)).map(|record| record.id.clone());
        let answer = match self.client.send(Method::POST, "_bulk", &headers, body).await {
            Ok(answer) => answer,
            Err(why) => {
                self.remember(ids().collect());
                return Err(Delivery::failed(why));
            }
        };
        if !answer.status.is_success() {
            if answer.status.is_server_error() {
                self.remember(ids().collect());
            }
            return Err(failure(&answer));
        }
        let verdicts = match bulk::read(&answer.body) {
            Ok(verdicts) => verdicts,
            Err(why) => {
                self.remember(ids().collect());
                return Err(Delivery::failed(why));
            }
        };
        for (item, verdict) in items.iter().zip(verdicts) {
            let outcome = match verdict {
                Verdict::Stored => Outcome::Done,
                Verdict::There => Outcome::Duplicate,
                Verdict::Later(why) => Outcome::Retry(why),
                Verdict::Never(why) => Outcome::Reject(why),
            };
            if let Some(record) = batch.get(item.at)
                && !matches!(outcome, Outcome::Retry(_))
            {
                self.uncertain.remove(&record.id);
            }
            set(outcomes, item.at, outcome);
        }
        Ok(())
    }

    /// Asks the stream for events that may be there already, and takes those that are out of the batch.
    async fn settle_uncertain(
        &mut self,
        batch: &[Record],
        items: &mut Vec<Item>,
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), Delivery> {
        let all = self.fresh || self.uncertain.len() >= MAX_UNCERTAIN;
        let is_uncertain =
            |item: &Item| batch.get(item.at).is_some_and(|record| all || self.uncertain.contains(&record.id));
        let asked: Vec<&str> = items.iter().filter(|item| is_uncertain(item)).map(|item| item.id.as_str()).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let query = json!({ "size": asked.len(), "_source": false, "query": { "ids": { "values": asked } } });
        let index = setup::read_target(&self.config);
        // What was written a moment ago is found only after a refresh.
        let refresh = self.client.send(Method::POST, &format!("{index}/_refresh"), &[], Vec::new()).await;
        let path = format!("{index}/_search?ignore_unavailable=true&allow_no_indices=true");
        let headers = [("content-type", "application/json".to_owned())];
        let answer = match refresh {
            Ok(_) => self.client.send(Method::POST, &path, &headers, query.to_string().into_bytes()).await,
            Err(why) => Err(why),
        };
        let answer = answer.map_err(Delivery::failed)?;
        if !answer.status.is_success() {
            return Err(failure(&answer));
        }
        let there = bulk::found_ids(&answer.body).map_err(Delivery::failed)?;
        items.retain(|item| {
            let found = there.contains(&item.id);
            if found {
                set(outcomes, item.at, Outcome::Duplicate);
                self.found_again += 1;
                if let Some(record) = batch.get(item.at) {
                    self.uncertain.remove(&record.id);
                }
            }
            !found
        });
        Ok(())
    }

    fn remember(&mut self, ids: Vec<EventId>) {
        for id in ids {
            if self.uncertain.len() < MAX_UNCERTAIN {
                self.uncertain.insert(id);
            }
        }
    }
}

impl Sink for ElasticSink {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.deliver_batch(batch))
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![("unmapped", self.unmapped), ("found_again", self.found_again)]
    }
}

fn set(outcomes: &mut [Option<Outcome>], at: usize, outcome: Outcome) {
    if let Some(place) = outcomes.get_mut(at) {
        *place = Some(outcome);
    }
}

fn refused_by_mapping(outcome: &Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Reject(why)) if bulk::is_mapping_error(why))
}

/// The server answered, but not for this record.
fn no_answer() -> Outcome {
    Outcome::Retry("the server's answer left this event out".to_owned())
}

/// A request that was refused as a whole.
fn failure(answer: &Answer) -> Delivery {
    let status = answer.status.as_u16();
    let hint = match status {
        401 | 403 => "; check the sink's credentials and their rights on the index",
        404 => "; check the sink's address",
        _ => "",
    };
    answer.failed(format!("the server answered {status}{hint}: {}", answer.excerpt()))
}

/// The document of an event in this sink's layout.
pub(crate) fn document(event: &SecurityEvent, config: &ElasticConfig) -> serde_json::Map<String, serde_json::Value> {
    let format = match config.layout {
        Layout::Calico => Format::Calico,
        Layout::Ecs => Format::Ecs,
    };
    format.document(event, &config.style).unwrap_or_default()
}
