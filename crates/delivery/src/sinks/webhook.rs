//! Webhooks: Slack, Jira, Alertmanager and any receiver of JSON, with the incumbent's payloads, limits and words
//! (`calico-dpi.md` section 4.7).
//!
//! *How it fits*: one request for each event that the hook's query matches; the query is asked by the caller's filter. Slack and Jira get
//! one message for a group and window, then a count (`window.rs`), and Jira one issue for a group (`jira.rs`).
//!
//! *Invariants*: an event is done when the receiver has it, or has the message of its group whose window is open. The count that follows
//! is best effort: the cursor does not wait a quarter of an hour for it, which would hold the spool and, after a restart, send everything
//! in it again.
//!
//! *Limits*: the incumbent's rates: Slack and Jira 10 a minute, the others 1,000 a second; what is above waits in the spool. New groups
//! come before counts of known ones.

mod jira;
mod payload;
mod window;

use super::http::{Answer as HttpAnswer, HttpClient, HttpConfig};
use crate::error::Error;
use crate::record::Record;
use crate::sink::{Answer, BoxFuture, Delivery, Load, Outcome, Sink};
use hmac::{Hmac, Mac};
use jira::{Found, Jira};
use payload::Count;
use reqwest::Method;
use sha2::Sha256;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tapir_event::{Format, GroupKey, SecurityEvent, Style};
use window::Windows;

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
    /// How long what follows a group's message is counted and not sent, for those that people read; zero: never.
    pub window: Duration,
    /// Cluster, wording, address of the page.
    pub style: Style,
}

impl WebhookConfig {
    /// The window unless told otherwise.
    pub const WINDOW: Duration = Duration::from_secs(15 * 60);
    /// The longest.
    pub const MAX_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
}

/// Chooses the events of a hook.
pub type Filter = Box<dyn Fn(&SecurityEvent) -> bool + Send + Sync>;

/// See the module.
pub struct WebhookSink {
    config: WebhookConfig,
    client: HttpClient,
    wanted: Filter,
    rate: Rate,
    windows: Windows,
    jira: Option<Jira>,
    waited: u64,
    summaries: u64,
}

/// How long a count waits before it is tried again, if the receiver does not say.
const AGAIN: Duration = Duration::from_secs(30);

/// What became of a message.
struct Posted {
    outcome: Outcome,
    retry_after: Option<Duration>,
    /// What Jira calls it.
    issue: Option<String>,
}

impl From<Outcome> for Posted {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, retry_after: None, issue: None }
    }
}

impl WebhookSink {
    /// Checks the configuration.
    pub fn new(config: WebhookConfig, wanted: Filter) -> Result<Self, Error> {
        config.consumer.check(&config.url).map_err(Error::Config)?;
        let client = HttpClient::new(&config.url, &config.http)?;
        let rate = Rate::new(config.consumer.rate(), Instant::now());
        let length =
            if config.consumer.is_for_people() { config.window.min(WebhookConfig::MAX_WINDOW) } else { Duration::ZERO };
        let jira = match &config.consumer {
            Consumer::Jira { project, .. } => Some(Jira::new(&config.url, &config.http, project)?),
            _ => None,
        };
        let windows = Windows::new(length);
        Ok(Self { config, client, wanted, rate, windows, jira, waited: 0, summaries: 0 })
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
            let group = GroupKey::of(&event).hash();
            if self.windows.fold(group, &event, Instant::now()) {
                outcomes.push(Outcome::Done);
                continue;
            }
            if let Err(wait) = self.rate.take(Instant::now()) {
                // Not a failure: the rest of the batch comes back when there is room.
                self.waited += 1;
                delivery.retry_after = Some(wait);
                break;
            }
            let Posted { outcome, retry_after, issue } = self.post(&event, Count::ONE, false).await;
            if outcome == Outcome::Done {
                self.windows.open(group, &event, issue, Instant::now());
            }
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
        if delivery.retry_after.is_none() && matches!(delivery.answer, Answer::Each(_)) {
            self.tell(false).await;
        }
        delivery
    }

    /// Tells of what was counted, as far as the rate allows. `at_once`: also where the window has not ended.
    async fn tell(&mut self, at_once: bool) {
        for group in self.windows.ripe(Instant::now(), at_once) {
            let Some(window) = self.windows.get(group) else { continue };
            let (event, issue) = (window.newest.clone(), window.issue.clone());
            let count = Count { more: window.more, total: window.total };
            if let Err(wait) = self.rate.take(Instant::now()) {
                // Nothing of the others would go either.
                self.windows.later(group, Instant::now() + wait);
                return;
            }
            let posted = match (&self.jira, &issue) {
                (Some(_), Some(issue)) => self.comment(issue, &event, count).await,
                _ => self.post(&event, count, false).await,
            };
            match posted.outcome {
                Outcome::Retry(_) | Outcome::Untried => {
                    self.windows.later(group, Instant::now() + posted.retry_after.unwrap_or(AGAIN));
                    return;
                }
                Outcome::Reject(_) => self.windows.refused(group),
                Outcome::Done | Outcome::Duplicate | Outcome::Skipped => {
                    self.summaries += 1;
                    self.windows.told(group, posted.issue.or(issue), Instant::now());
                }
            }
        }
    }

    /// Sends an event that nothing has raised, marked as a test; neither filter nor rate are asked. The error is for people.
    pub async fn send_sample(&mut self, event: &SecurityEvent) -> Result<(), String> {
        match self.post(event, Count::ONE, true).await.outcome {
            Outcome::Retry(why) | Outcome::Reject(why) => Err(why),
            Outcome::Done | Outcome::Duplicate | Outcome::Skipped | Outcome::Untried => Ok(()),
        }
    }

    /// One message. Of Jira a comment, if there is an issue of the group that is not done.
    async fn post(&mut self, event: &SecurityEvent, count: Count, is_test: bool) -> Posted {
        if let Some(jira) = self.jira.as_mut().filter(|_| !is_test) {
            match jira.find(&payload::jira_label(event)).await {
                Found::Issue(issue) => return self.comment(&issue, event, count).await,
                Found::None => {}
                Found::Trouble(answer) => return judge(answer),
            }
        }
        let body = payload::body(event, &self.config, count, is_test).into_bytes();
        let headers = self.headers(event, &body);
        judge(self.client.send(Method::POST, "", &headers, body).await)
    }

    async fn comment(&self, issue: &str, event: &SecurityEvent, count: Count) -> Posted {
        let Some(jira) = &self.jira else { return Outcome::Skipped.into() };
        let body = payload::jira_comment(event, &self.config, count).into_bytes();
        let headers = self.headers(event, &body);
        Posted { issue: Some(issue.to_owned()), ..judge(jira.comment(issue, &headers, body).await) }
    }

    fn headers(&self, event: &SecurityEvent, body: &[u8]) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            // The receiver's means to keep an event once.
            ("idempotency-key", event.id.to_string()),
        ];
        if !self.config.secret.is_empty() {
            headers.push(("x-tapir-signature", sign(&self.config.secret, now(), body)));
        }
        headers
    }
}

/// What an answer means for the message.
fn judge(answer: Result<HttpAnswer, String>) -> Posted {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return Outcome::Retry(why).into(),
    };
    let status = answer.status.as_u16();
    let text = format!("the receiver answered {status}: {}", answer.excerpt());
    match status {
        200..=299 => Posted { issue: jira::made(&answer), ..Outcome::Done.into() },
        408 | 425 | 429 | 500..=599 => Posted { retry_after: answer.retry_after, ..Outcome::Retry(text).into() },
        300..=399 => Outcome::Reject(format!("{text} (redirects are not followed)")).into(),
        // Credentials can be put right; the event is not at fault.
        401 | 403 | 404 => Outcome::Retry(text).into(),
        _ => Outcome::Reject(text).into(),
    }
}

impl Sink for WebhookSink {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.deliver_batch(batch))
    }

    fn due(&self) -> Option<Instant> {
        self.windows.due()
    }

    fn tick(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.tell(false))
    }

    /// What was counted is told before it is forgotten, as far as there is time.
    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.tell(true))
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        let mut figures = vec![("rate_limited", self.waited)];
        if self.config.consumer.is_for_people() {
            figures.extend([
                ("folded", self.windows.folded),
                ("summaries", self.summaries),
                ("untold", self.windows.untold),
            ]);
        }
        figures.extend(self.jira.as_ref().map(|jira| ("unsearched", jira.unsearched)));
        figures
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
