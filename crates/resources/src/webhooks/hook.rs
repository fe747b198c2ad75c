//! One webhook: is it right, what comes, send it, say how it is.
//!
//! *Invariants*: 1. nothing is cut off while it is being sent: a change of the object waits for the answer; 2. `Test` sends one sample for
//! each time that somebody sets it; 3. a status is written when it says something else, and not twice within [`PAUSE`].
//!
//! *Limits*: [`BATCH`] events are read at once, so that exceptions made meanwhile count; after a failure the receiver is left alone for
//! 2 s more each time, up to [`LONGEST`]; an event that has waited for a day ([`GIVEN_UP`]) is given up and counted.

use super::settings::{Settings, Unresolved, without_answer};
use super::{Hooks, sample};
use crate::exceptions::{at_byte, fault};
use crate::time::now;
use crate::write::{self, TRIES, code, refused};
use k8s_openapi::jiff;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_delivery::sinks::webhook::WebhookSink;
use tapir_delivery::{Answer, Delivery, Outcome, Record, Sink};
use tapir_event::rfc3339;
use tapir_kubernetes::resources::{
    Consumer, SecurityEventWebhook, SecurityEventWebhookSpec, State, Verdict, labels_of_annotation, set_condition,
};
use tapir_manager::resources::{QueryFault, ResourceKind};
use tapir_query::{ErrorKind, Query, parse_resource};
use tapir_store::{Filter, Mark, StoreError, StoredEvent};
use tokio::sync::watch;

/// The one condition.
pub(crate) const HEALTHY: &str = "Healthy";
/// Annotations.
pub(crate) const LABELS: &str = "webhooks.projectcalico.org/labels";
pub(crate) const TEST_EVENT: &str = "webhooks.projectcalico.org/testEvent";
const TEST_RESULT: &str = "webhooks.projectcalico.org/testResult";
/// What is said when all is well, in the incumbent's words.
const WELL: &str = "the webhook is healthy";

/// Events that are read at once.
const BATCH: usize = 50;
/// How often values of ConfigMaps and Secrets are read again.
const RESOLVE: Duration = Duration::from_secs(60);
/// How often a webhook that cannot work is judged again.
const AGAIN: Duration = Duration::from_secs(10);
/// How long it is waited for a sign that something came.
const IDLE: Duration = Duration::from_secs(5);
/// The incumbent's back-off, and where it ends.
const STEP: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
/// How often a status is written at most.
const PAUSE: Duration = Duration::from_secs(10);
/// Nanoseconds after which an event is no news any more.
const GIVEN_UP: i64 = 86_400_000_000_000;

type Object = SecurityEventWebhook;
type Asked = watch::Receiver<Arc<Object>>;

/// Why a webhook cannot work.
struct Trouble {
    verdict: Verdict,
    fault: Option<QueryFault>,
}

fn trouble(reason: &'static str, message: impl Into<String>) -> Box<Trouble> {
    Box::new(Trouble { verdict: Verdict::no(HEALTHY, reason, message), fault: None })
}

/// What a webhook is to do.
struct Plan {
    query: Query,
    consumer: Consumer,
    state: State,
    labels: Vec<(String, String)>,
}

/// What of an object can be judged without asking anybody.
fn plan(object: &Object) -> Result<Plan, Box<Trouble>> {
    let spec = &object.spec;
    let state = match spec.state() {
        Some(State::Disabled) => return Err(trouble("WebhookState", "the webhook is disabled")),
        Some(state) => state,
        None => {
            let why = format!("spec.state is `{}`; Enabled, Disabled, Test or Debug is wanted", spec.state);
            return Err(trouble("WebhookState", why));
        }
    };
    let query = parse_resource(&spec.query).map_err(|error| {
        let reason = match error.kind {
            ErrorKind::UnknownField | ErrorKind::InvalidValue | ErrorKind::InvalidComparator => "QueryValidation",
            _ => "QueryParsing",
        };
        let fault = fault(&error);
        let mut trouble = trouble(reason, at_byte("spec.query", &fault));
        trouble.fault = Some(fault);
        trouble
    })?;
    let consumer = spec.consumer().ok_or_else(|| {
        let why = format!("spec.consumer is `{}`; Slack, Jira, Generic or AlertManager is wanted", spec.consumer);
        trouble("ConsumerDiscovery", why)
    })?;
    let labels = object.annotations().get(LABELS).map(|text| labels_of_annotation(text)).unwrap_or_default();
    Ok(Plan { query, consumer, state, labels: labels.into_iter().collect() })
}

/// The same but for its state.
fn stateless(spec: &SecurityEventWebhookSpec) -> SecurityEventWebhookSpec {
    SecurityEventWebhookSpec { state: String::new(), ..spec.clone() }
}

/// What became of a batch: how many events are settled from its begin on, and why it stopped.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settled {
    through: usize,
    delivered: u64,
    rejected: u64,
    /// Why the last rejected one was.
    refusal: Option<String>,
    /// The receiver's trouble.
    failure: Option<String>,
}

fn settle(delivery: &Delivery) -> Settled {
    let mut settled = Settled::default();
    match &delivery.answer {
        Answer::Nothing(why) => settled.failure = Some(why.clone()),
        Answer::Each(outcomes) => {
            for outcome in outcomes {
                match outcome {
                    Outcome::Done | Outcome::Duplicate => settled.delivered += 1,
                    Outcome::Skipped => {}
                    Outcome::Reject(why) => {
                        settled.rejected += 1;
                        settled.refusal = Some(why.clone());
                    }
                    Outcome::Retry(why) => {
                        settled.failure = Some(why.clone());
                        break;
                    }
                    Outcome::Untried => break,
                }
                settled.through += 1;
            }
        }
    }
    settled
}

/// A sink, and what it was made of: it keeps its rate as long as that stays.
struct Made {
    settings: Settings,
    spec: SecurityEventWebhookSpec,
    labels: Vec<(String, String)>,
    sink: WebhookSink,
}

/// A webhook at work.
pub(crate) struct Hook {
    hooks: Arc<Hooks>,
    api: Api<Object>,
    name: String,
    uid: String,
    made: Option<Made>,
    /// The store's count of changes.
    pulse: watch::Receiver<u64>,
    /// What is to be in the status.
    wanted: Option<Verdict>,
    /// What was written, and when.
    written: Option<Verdict>,
    wrote_at: Option<Instant>,
    /// Trouble with writing, so that it is said once.
    unwritten: String,
    /// Generation whose sample was sent, if the object could not be told yet.
    fired: Option<(Option<i64>, Result<(), String>, String)>,
    /// The last test failed: until something is delivered, or somebody changes more than the state.
    failed_test: Option<(SecurityEventWebhookSpec, String)>,
    failures: u32,
}

impl Hook {
    pub(crate) fn new(hooks: Arc<Hooks>, name: &str, uid: &str) -> Self {
        Self {
            api: Api::all(hooks.shared.client.clone()),
            pulse: hooks.pulse.clone(),
            hooks,
            name: name.to_owned(),
            uid: uid.to_owned(),
            made: None,
            wanted: None,
            written: None,
            wrote_at: None,
            unwritten: String::new(),
            fired: None,
            failed_test: None,
            failures: 0,
        }
    }

    /// Works until it is aborted.
    pub(crate) async fn run(mut self, mut asked: Asked) {
        loop {
            let object = Arc::clone(&asked.borrow_and_update());
            self.failures = 0;
            // Who has changed it wants to see what became of it.
            self.wrote_at = None;
            while !asked.has_changed().unwrap_or(true) {
                let wait = match self.prepare(&object).await {
                    Ok(plan) if plan.state == State::Test => self.test(&object).await,
                    Ok(plan) => {
                        self.work(&plan, &mut asked).await;
                        continue;
                    }
                    Err(trouble) => {
                        if object.spec.state() == Some(State::Disabled) {
                            // What comes while it is disabled is not for it.
                            self.hooks.marks.forget(&self.uid);
                        }
                        self.tell(trouble.verdict, trouble.fault);
                        AGAIN
                    }
                };
                if !self.pause(wait, &mut asked).await {
                    break;
                }
            }
            if asked.has_changed().is_err() {
                return;
            }
        }
    }

    /// Judges the object, and makes its sink.
    async fn prepare(&mut self, object: &Object) -> Result<Plan, Box<Trouble>> {
        let plan = plan(object)?;
        let shared = &self.hooks.shared;
        let namespace = &shared.config.webhook_namespace;
        let found = Settings::resolve(&shared.client, namespace, &object.spec.config).await;
        let spec = stateless(&object.spec);
        let before = self.made.as_ref().filter(|made| made.spec == spec && made.labels == plan.labels);
        let settings = match (found, before) {
            (Ok(settings), _) => settings,
            (Err(Unresolved::Wrong(why)), _) => return Err(trouble("ConfigurationParsing", why)),
            (Err(Unresolved::Away(_)), Some(made)) => made.settings.clone(),
            (Err(Unresolved::Away(why)), None) => return Err(trouble("ConfigurationParsing", why)),
        };
        if before.is_none_or(|made| made.settings != settings) {
            self.made = None;
            let config = &shared.config;
            let sink = settings
                .sink(plan.consumer, plan.labels.clone(), &config.style, config.allow_local)
                .map_err(|why| trouble("ConsumerConfigurationValidation", why))?;
            self.made = Some(Made { settings, spec, labels: plan.labels.clone(), sink });
        }
        if self.failed_test.as_ref().is_some_and(|(spec, _)| *spec != stateless(&object.spec)) {
            self.failed_test = None;
        }
        Ok(plan)
    }

    /// Sends the sample, and sets the state back. How long to wait if the object could not be told.
    async fn test(&mut self, object: &Object) -> Duration {
        let generation = object.metadata.generation;
        let asked = object.annotations().get(TEST_EVENT).cloned().unwrap_or_default();
        if self.fired.as_ref().is_none_or(|(known, ..)| *known != generation) {
            let Some(Made { settings, sink, .. }) = &mut self.made else { return STEP };
            let at = now();
            let (event, note) = sample::event(&asked, at);
            let sent = sink.send_sample(&event).await.map_err(|why| settings.hide(&why));
            let outcome = match &sent {
                Ok(()) => format!("the receiver took the sample event of {}", rfc3339(at)),
                Err(why) => format!("failed at {}: {}", rfc3339(at), without_answer(why)),
            };
            let result = note.map_or(outcome.clone(), |note| format!("{outcome} ({note})"));
            let text = format!("SecurityEventWebhook {}: test: {}", self.name, sent.as_ref().err().unwrap_or(&result));
            (self.hooks.shared.config.say)(&text, sent.is_err());
            self.fired = Some((generation, sent, result));
        }
        let Some((_, sent, result)) = self.fired.clone() else { return STEP };
        self.failed_test = sent.err().map(|why| (stateless(&object.spec), without_answer(&why).to_owned()));
        self.tell(self.well("TestFireProcedure"), None);
        let enabled = self.enable(object, &result).await;
        self.flush().await;
        match enabled {
            Ok(()) => STEP,
            Err(why) => {
                let why = format!("the state of SecurityEventWebhook {} is not set back to Enabled: {why}", self.name);
                if self.unwritten != why {
                    self.hooks.shared.warn(&why);
                    self.unwritten = why;
                }
                RESOLVE
            }
        }
    }

    /// Writes the result of a test, and sets the state back, if it is still the one that was tested.
    async fn enable(&self, tested: &Object, result: &str) -> Result<(), String> {
        let resource = ResourceKind::SecurityEventWebhook.resource();
        let board = &self.hooks.shared.board;
        let mut version = tested.metadata.resource_version.clone();
        for _ in 0..TRIES {
            let patch = json!({
                "metadata": { "resourceVersion": version, "annotations": { TEST_RESULT: result } },
                "spec": { "state": "Enabled" },
            });
            match self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Ok(_) => {
                    board.count_write("written");
                    return Ok(());
                }
                Err(error) if code(&error) == Some(404) => return Ok(()),
                Err(error) if code(&error) == Some(409) => board.count_write("conflict"),
                Err(error) => {
                    board.count_write("failed");
                    return Err(refused("patch", resource, &error));
                }
            }
            let found = self.api.get(&self.name).await.map_err(|error| refused("get", resource, &error))?;
            if found.spec != tested.spec {
                // Somebody has decided otherwise.
                return Ok(());
            }
            version = found.metadata.resource_version;
        }
        board.count_write("failed");
        Err("others wrote at the same time, again and again".to_owned())
    }

    /// All is well, unless the last test said otherwise.
    fn well(&self, reason: &'static str) -> Verdict {
        match &self.failed_test {
            Some((_, why)) => Verdict::no(HEALTHY, "TestFireProcedure", why.clone()),
            None => Verdict::yes(HEALTHY, reason, WELL),
        }
    }

    /// Sends events until the object changes or its values are to be read again.
    async fn work(&mut self, plan: &Plan, asked: &mut Asked) {
        self.fired = None;
        if self.failures == 0 {
            self.tell(self.well("WebhookValidation"), None);
        }
        let until = Instant::now() + RESOLVE;
        loop {
            // What comes from here on will be heard while it waits.
            self.pulse.borrow_and_update();
            let wait = match self.portion(plan).await {
                Ok(Some(wait)) => wait,
                Ok(None) => Duration::ZERO,
                Err(why) => {
                    let why = format!("events cannot be read: {why}");
                    self.tell(Verdict::no(HEALTHY, "EventsFetched", why), None);
                    IDLE
                }
            };
            if !self.pause(wait, asked).await || Instant::now() >= until {
                return;
            }
        }
    }

    /// One portion of events. How long to wait before the next; `None`: there is more.
    async fn portion(&mut self, plan: &Plan) -> Result<Option<Duration>, StoreError> {
        let (hooks, at) = (Arc::clone(&self.hooks), now());
        let (store, board) = (&hooks.shared.store, &hooks.shared.board);
        let filter = Filter { query: plan.query.clone(), ..Filter::all(at) };
        let Some(mark) = hooks.marks.get(&self.uid) else {
            let begin = store.arrivals(filter, None, 1).await?.upto;
            hooks.marks.set(&self.uid, begin);
            return Ok(Some(IDLE));
        };
        let found = store.arrivals(filter, Some(mark), BATCH).await?;
        let next = if found.more { None } else { Some(IDLE) };
        let (old, fresh): (Vec<_>, Vec<_>) =
            found.events.into_iter().partition(|(event, _)| at.0.saturating_sub(event.received.0) > GIVEN_UP);
        if !old.is_empty() {
            board.count_events("expired", old.len() as u64);
            let text = format!(
                "SecurityEventWebhook {}: {} events have waited for a day and are not sent any more",
                self.name,
                old.len()
            );
            hooks.shared.warn(&text);
        }
        if fresh.is_empty() {
            hooks.marks.set(&self.uid, found.upto);
            if let Some(Made { sink, .. }) = self.made.as_mut().filter(|_| plan.state != State::Debug)
                && sink.due().is_some_and(|due| due <= Instant::now())
            {
                // What was counted while the groups' windows were open.
                sink.tick().await;
            }
            return Ok(next);
        }
        if plan.state == State::Debug {
            board.count_events("would_send", fresh.len() as u64);
            hooks.shared.say(&format!("SecurityEventWebhook {} (Debug): would send {} events", self.name, fresh.len()));
            hooks.marks.set(&self.uid, found.upto);
            return Ok(next);
        }
        let Some(Made { settings, sink, .. }) = &mut self.made else { return Ok(Some(STEP)) };
        let (records, marks): (Vec<Record>, Vec<Mark>) =
            fresh.into_iter().map(|(event, mark)| (record(event), mark)).unzip();
        let delivery = sink.deliver(&records).await;
        let settled = settle(&delivery);
        board.count_events("delivered", settled.delivered);
        board.count_events("rejected", settled.rejected);
        let is_whole = settled.through >= records.len();
        let reached = if is_whole { Some(found.upto) } else { marks.get(settled.through.wrapping_sub(1)).copied() };
        if let Some(reached) = reached {
            hooks.marks.set(&self.uid, reached);
        }
        let failure = settled.failure.map(|why| settings.hide(&why));
        let refusal = settled.refusal.map(|why| settings.hide(&why));
        if let Some(why) = failure {
            self.failures = self.failures.saturating_add(1);
            let told = format!("{}; trying again", without_answer(&why));
            self.tell(Verdict::no(HEALTHY, "EventsFetched", told), None);
            let pause = STEP.saturating_mul(self.failures).min(LONGEST);
            return Ok(Some(delivery.retry_after.unwrap_or(pause).min(Duration::from_secs(3_600))));
        }
        self.failures = 0;
        if let Some(why) = refusal {
            let told = format!("an event was refused and is not sent again: {}", without_answer(&why));
            self.tell(Verdict::no(HEALTHY, "EventsFetched", told), None);
        } else if settled.delivered > 0 {
            self.failed_test = None;
            self.tell(self.well("WebhookValidation"), None);
        }
        Ok(if is_whole { next } else { Some(delivery.retry_after.unwrap_or(STEP)) })
    }

    /// How it is: at once on the board and in the log, and in the status when it is fit.
    fn tell(&mut self, verdict: Verdict, fault: Option<QueryFault>) {
        self.hooks.report(&self.name, &verdict, fault);
        if self.wanted.as_ref() != Some(&verdict) {
            let is_off = verdict.reason == "WebhookState" && verdict.message.ends_with("disabled");
            let is_first_and_well = self.wanted.is_none() && verdict.holds == Some(true);
            if !is_first_and_well {
                let text = format!("SecurityEventWebhook {}: {}: {}", self.name, verdict.reason, verdict.message);
                (self.hooks.shared.config.say)(&text, verdict.holds != Some(true) && !is_off);
            }
            self.wanted = Some(verdict);
        }
    }

    /// Writes the status, if it is to say something else and enough time has passed.
    async fn flush(&mut self) {
        let Some(wanted) = self.wanted.clone().filter(|wanted| self.written.as_ref() != Some(wanted)) else { return };
        if self.wrote_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        let resource = ResourceKind::SecurityEventWebhook.resource();
        let (uid, verdict) = (self.uid.clone(), wanted.clone());
        let change = move |object: &mut Object| {
            if object.metadata.uid.as_deref() != Some(&uid) {
                return false;
            }
            let generation = object.metadata.generation;
            let status = object.status.get_or_insert_default();
            status.0.retain(|condition| condition.type_ == HEALTHY);
            set_condition(&mut status.0, &verdict, generation, jiff::Timestamp::now())
        };
        let result = write::status(&self.api, resource, &self.name, &self.hooks.shared.board, change).await;
        self.wrote_at = Some(Instant::now());
        match result {
            Ok(()) => {
                self.written = Some(wanted);
                self.unwritten.clear();
            }
            Err(why) => {
                let why = format!("status of SecurityEventWebhook {} not written: {why}", self.name);
                if self.unwritten != why {
                    self.hooks.shared.warn(&why);
                    self.unwritten = why;
                }
            }
        }
    }

    /// Waits, and writes the status when it is time. `false`: the object is another one now.
    async fn pause(&mut self, wait: Duration, asked: &mut Asked) -> bool {
        let until = Instant::now() + wait;
        loop {
            self.flush().await;
            if asked.has_changed().unwrap_or(true) {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            // Only an idle hook is woken by what comes.
            let is_idle = wait == IDLE;
            tokio::select! {
                _ = asked.changed() => {
                    asked.mark_changed();
                    return false;
                }
                _ = self.pulse.changed(), if is_idle => return true,
                () = tokio::time::sleep(left.min(Duration::from_secs(1))) => {}
            }
        }
    }
}

fn record(event: StoredEvent) -> Record {
    let nanos = |time: i64| u64::try_from(time).unwrap_or_default();
    Record {
        time_ns: nanos(event.row.time.0),
        queued_ns: nanos(event.received.0),
        id: event.row.id,
        payload: event.document.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn object(spec: Value) -> Object {
        let mut all = json!({ "consumer": "Generic", "state": "Enabled", "query": "type = waf", "config": [] });
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let meta = json!({ "name": "x", "annotations": { LABELS: "team:sec" } });
        serde_json::from_value(json!({ "metadata": meta, "spec": all })).unwrap()
    }

    fn reason(spec: Value) -> (&'static str, String, Option<QueryFault>) {
        let trouble = plan(&object(spec)).map(|_| ()).unwrap_err();
        assert_eq!((trouble.verdict.kind, trouble.verdict.holds), (HEALTHY, Some(false)));
        (trouble.verdict.reason, trouble.verdict.message, trouble.fault)
    }

    #[test]
    fn each_fault_has_the_incumbents_reason() {
        assert_eq!(reason(json!({ "state": "Disabled" })).0, "WebhookState");
        assert_eq!(reason(json!({ "state": "Paused", "query": "=" })).0, "WebhookState");
        let (word, message, fault) = reason(json!({ "query": "type = waf AND" }));
        assert_eq!(word, "QueryParsing");
        assert!(message.starts_with("spec.query, byte "), "{message}");
        assert!(fault.unwrap().offset >= 10);
        assert_eq!(reason(json!({ "query": "colour = red" })).0, "QueryValidation");
        assert_eq!(reason(json!({ "query": "severity = 999" })).0, "QueryValidation");
        assert_eq!(reason(json!({ "consumer": "Teams" })).0, "ConsumerDiscovery");
        let rule = json!({ "query": "\"record.snort_signature_id\" = 21562 AND sid = 21562" });
        assert!(plan(&object(rule)).is_ok(), "a webhook can name a rule");
        let good = plan(&object(json!({ "consumer": "Alertmanager" }))).map_err(|_| ()).unwrap();
        assert_eq!((good.consumer, good.state), (Consumer::AlertManager, State::Enabled));
        assert_eq!(good.labels, [("team".to_owned(), "sec".to_owned())]);
    }

    #[test]
    fn a_batch_is_settled_up_to_the_first_that_is_to_come_again() {
        let each = |outcomes: Vec<Outcome>| settle(&Delivery::each(outcomes));
        let (done, no) = (Outcome::Done, Outcome::Reject("no".into()));
        let settled = each(vec![done.clone(), no, Outcome::Skipped, Outcome::Retry("later".into()), done.clone()]);
        assert_eq!((settled.through, settled.delivered, settled.rejected), (3, 1, 1));
        assert_eq!((settled.refusal.as_deref(), settled.failure.as_deref()), (Some("no"), Some("later")));
        let waiting = each(vec![done, Outcome::Untried, Outcome::Untried]);
        assert_eq!((waiting.through, waiting.failure), (1, None));
        let down = settle(&Delivery::failed("refused"));
        assert_eq!((down.through, down.failure.as_deref()), (0, Some("refused")));
    }
}
