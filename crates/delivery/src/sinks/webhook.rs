//! Webhooks: Slack, Jira, Alertmanager and any receiver of JSON, with the incumbent's payloads, limits and words
//! (`calico-dpi.md` section 4.7).
//!
//! *How it fits*: one request for each event that the hook's query matches; the query is asked by the caller's filter.
//!
//! *Limits*: the incumbent's rates: Slack and Jira 10 a minute, the others 1,000 a second; what is above waits in the spool.

mod payload;

use super::http::{HttpClient, HttpConfig};
use crate::error::Error;
use crate::record::Record;
use crate::sink::{Answer, BoxFuture, Delivery, Load, Outcome, Sink};
use hmac::{Hmac, Mac};
use reqwest::Method;
use sha2::Sha256;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tapir_event::{Format, SecurityEvent, Style};

pub use payload::Consumer;

/// What a webhook needs to know.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Address that is posted to.
    pub url: String,
    /// Client.
    pub http: HttpConfig,
    /// Who receives, and in which form.
    pub consumer: Consumer,
    /// Added to the payload.
    pub labels: Vec<(String, String)>,
    /// Key of the signature in `X-Tapir-Signature`; none if empty.
    pub secret: String,
    /// Cluster, wording, address of the page.
    pub style: Style,
}

/// Chooses the events of a hook.
pub type Filter = Box<dyn Fn(&SecurityEvent) -> bool + Send + Sync>;

/// See the module.
pub struct WebhookSink {
    config: WebhookConfig,
    client: HttpClient,
    wanted: Filter,
    rate: Rate,
    waited: u64,
}

impl WebhookSink {
    /// Checks the configuration.
    pub fn new(config: WebhookConfig, wanted: Filter) -> Result<Self, Error> {
        config.consumer.check(&config.url).map_err(Error::Config)?;
        let client = HttpClient::new(&config.url, &config.http)?;
        let rate = Rate::new(config.consumer.rate(), Instant::now());
        Ok(Self { config, client, wanted, rate, waited: 0 })
    }

    async fn deliver_batch(&mut self, batch: &[Record]) -> Delivery {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut delivery = Delivery::each(Vec::new());
        for record in batch {
            let event = match record.event() {
                Ok(event) => event,
                Err(why) => {
                    outcomes.push(Outcome::Reject(why));
                    continue;
                }
            };
            if !(self.wanted)(&event) {
                outcomes.push(Outcome::Skipped);
                continue;
            }
            if let Err(wait) = self.rate.take(Instant::now()) {
                // Not a failure: the rest of the batch comes back when there is room.
                self.waited += 1;
                delivery.retry_after = Some(wait);
                break;
            }
            let (outcome, retry_after) = self.post(&event, false).await;
            if let Outcome::Retry(why) = outcome {
                // The receiver's trouble, not this event's: it is tried again for as long as it takes.
                if outcomes.is_empty() {
                    delivery = Delivery::failed(why);
                }
                delivery.retry_after = retry_after;
                delivery.load = if retry_after.is_some() { Load::Slower } else { Load::Fine };
                break;
            }
            outcomes.push(outcome);
        }
        if let Answer::Each(each) = &mut delivery.answer {
            outcomes.resize(batch.len(), Outcome::Untried);
            *each = outcomes;
        }
        delivery
    }

    /// Sends an event that nothing has raised, marked as a test; neither filter nor rate are asked. The error is for people.
    pub async fn send_sample(&self, event: &SecurityEvent) -> Result<(), String> {
        match self.post(event, true).await.0 {
            Outcome::Retry(why) | Outcome::Reject(why) => Err(why),
            Outcome::Done | Outcome::Duplicate | Outcome::Skipped | Outcome::Untried => Ok(()),
        }
    }

    async fn post(&self, event: &SecurityEvent, is_test: bool) -> (Outcome, Option<Duration>) {
        let body = payload::body(event, &self.config, is_test).into_bytes();
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            // The receiver's means to keep an event once.
            ("idempotency-key", event.id.to_string()),
        ];
        if !self.config.secret.is_empty() {
            headers.push(("x-tapir-signature", sign(&self.config.secret, now(), &body)));
        }
        match self.client.send(Method::POST, "", &headers, body).await {
            Err(why) => (Outcome::Retry(why), None),
            Ok(answer) => {
                let status = answer.status.as_u16();
                let text = format!("the receiver answered {status}: {}", answer.excerpt());
                match status {
                    200..=299 => (Outcome::Done, None),
                    408 | 425 | 429 | 500..=599 => (Outcome::Retry(text), answer.retry_after),
                    300..=399 => (Outcome::Reject(format!("{text} (redirects are not followed)")), None),
                    // Credentials can be put right; the event is not at fault.
                    401 | 403 | 404 => (Outcome::Retry(text), None),
                    _ => (Outcome::Reject(text), None),
                }
            }
        }
    }
}

impl Sink for WebhookSink {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.deliver_batch(batch))
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![("rate_limited", self.waited)]
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `t=<unix seconds>,v1=<hex>`: HMAC-SHA256 over `<unix seconds>.<body>`.
fn sign(secret: &str, time: u64, body: &[u8]) -> String {
    // Any length of key is allowed (RFC 2104 section 2).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={digest}")
}

/// A bucket of requests that fills steadily.
#[derive(Debug)]
struct Rate {
    size: u32,
    period: Duration,
    level: f64,
    at: Instant,
}

impl Rate {
    fn new((size, period): (u32, Duration), now: Instant) -> Self {
        Self { size, period, level: f64::from(size), at: now }
    }

    /// Takes one, or says how long until there is one.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let per_second = f64::from(self.size) / self.period.as_secs_f64();
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.level = (self.level + passed * per_second).min(f64::from(self.size));
        if self.level >= 1.0 {
            self.level -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.level) / per_second))
    }
}

/// The document of the incumbent's `Generic` consumer.
pub(crate) fn calico(event: &SecurityEvent, style: &Style) -> serde_json::Map<String, serde_json::Value> {
    Format::Calico.document(event, style).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_minute_are_ten_at_once_and_one_every_six_seconds() {
        let start = Instant::now();
        let mut rate = Rate::new((10, Duration::from_secs(60)), start);
        assert!((0..10).all(|_| rate.take(start).is_ok()));
        let wait = rate.take(start).unwrap_err();
        assert!((5.9..=6.1).contains(&wait.as_secs_f64()), "{wait:?}");
        assert!(rate.take(start + wait + Duration::from_millis(1)).is_ok());
        assert!(rate.take(start + wait + Duration::from_millis(2)).is_err());
    }

    /// Checked with `openssl dgst -sha256 -hmac`.
    #[test]
    fn the_signature_is_hmac_sha256_of_time_and_body() {
        assert_eq!(sign("key", 1, b"{}"), "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224");
    }
}
