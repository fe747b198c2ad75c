//! `[delivery.sink.webhook]`: who receives, and which events.
//!
//! *Invariants*: a query asks the event alone. What the manager knows of its group is refused here, with its place, where it would
//! silently never be true.

use super::{HttpTable, format, secret};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tapir_delivery::Sink;
use tapir_delivery::sinks::webhook::{Consumer, Filter, WebhookConfig, WebhookSink};
use tapir_event::{Format, Level, SecurityEvent, Style};
use tapir_query::{Query, parse_for_event, repair};
use tapir_store::{EventFacts, GroupState};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookTable {
    url: String,
    consumer: String,
    format: Option<String>,
    project: Option<String>,
    issue_type: Option<String>,
    generator_url: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    secret_file: Option<PathBuf>,
    min_level: Option<String>,
    query: Option<String>,
    window_minutes: Option<u16>,
    #[serde(default)]
    pub(super) http: HttpTable,
}

impl WebhookTable {
    pub(super) fn secret_file(&self) -> Option<&PathBuf> {
        self.secret_file.as_ref()
    }

    pub(super) fn make(&self, style: &Style) -> Result<Box<dyn Sink>, String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let consumer = match self.consumer.to_ascii_lowercase().as_str() {
            "generic" => Consumer::Generic(format(self.format.as_deref(), Format::Calico)?),
            "slack" => Consumer::Slack,
            "jira" => Consumer::Jira { project: text(&self.project), issue_type: text(&self.issue_type) },
            "alertmanager" => Consumer::AlertManager { generator_url: text(&self.generator_url) },
            _ => return Err(format!("consumer \"{}\": write Generic, Slack, Jira or AlertManager", self.consumer)),
        };
        let window = match self.window_minutes {
            None => WebhookConfig::WINDOW,
            Some(_) if !matches!(consumer, Consumer::Slack | Consumer::Jira { .. }) => {
                return Err("window_minutes is for Slack and Jira; others get each event".to_owned());
            }
            Some(minutes) if minutes <= 1_440 => Duration::from_secs(u64::from(minutes) * 60),
            Some(minutes) => {
                return Err(format!("window_minutes = {minutes}: write 0 (each event is a message) to 1440"));
            }
        };
        let config = WebhookConfig {
            url: self.url.clone(),
            http: self.http.config()?,
            consumer,
            labels: self.labels.clone().into_iter().collect(),
            secret: self.secret_file.as_deref().map(secret).transpose()?.unwrap_or_default(),
            window,
            style: style.clone(),
        };
        let wanted = self.wanted(style)?;
        Ok(Box::new(WebhookSink::new(config, wanted).map_err(|error| error.to_string())?))
    }

    /// Which events it is for.
    fn wanted(&self, style: &Style) -> Result<Filter, String> {
        let least = match &self.min_level {
            None => Level::Info,
            Some(word) => Level::from_name(word)
                .ok_or_else(|| format!("min_level \"{word}\": write info, low, medium, high or critical"))?,
        };
        let query = self.query.as_deref().map(event_query).transpose()?.unwrap_or_else(Query::all);
        let (cluster, unseen) = (style.cluster.clone(), GroupState::default());
        Ok(Box::new(move |event: &SecurityEvent| {
            let suppressed_by = event.suppressed_by.as_deref();
            let facts = EventFacts { event, group: &unseen, suppressed_by, cluster: &cluster };
            event.rule.level() >= least && query.matches(&facts, now_ns())
        }))
    }
}

/// A query of an event alone. The error has the byte.
fn event_query(text: &str) -> Result<Query, String> {
    parse_for_event(text).map_err(|error| {
        let hint = repair(error.suggestion.as_deref(), error.length);
        format!("query, byte {}: {}{hint}", error.offset, error.message)
    })
}

/// For `now-2h`.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tapir_event::{RuleSummary, Workload};

    fn table(keys: &str) -> WebhookTable {
        toml::from_str(&format!("url = \"http://hooks.example/x\"\nconsumer = \"Slack\"\n{keys}")).expect("a table")
    }

    fn wants(keys: &str) -> bool {
        let rule = RuleSummary { gid: 1, sid: 408, priority: 2, ..RuleSummary::default() };
        let server = Some(Workload { namespace: "shop".into(), ..Workload::default() });
        let event = SecurityEvent { rule: Arc::new(rule), server, ..SecurityEvent::default() };
        table(keys).wanted(&Style::default()).expect("a filter")(&event)
    }

    #[test]
    fn level_and_query_choose_together() {
        assert!(wants("") && wants("query = \"ns:shop sid:408 -is:suppressed cluster:cluster\""));
        assert!(!wants("query = \"ns:shop -sid:408\""));
        assert!(!wants("min_level = \"high\"\nquery = \"ns:shop\""));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (keys, expected) in [
            ("query = \"ns:shop status:open\"", "query, byte 8: status is known to the manager only"),
            ("query = \"severty>=high\"", "did you mean `severity`?"),
            ("min_level = \"huge\"", "min_level \"huge\""),
            ("window_minutes = 1441", "window_minutes = 1441"),
        ] {
            let why = table(keys).make(&Style::default()).map(|_| ()).expect_err(keys);
            assert!(why.contains(expected), "{keys}: {why}");
        }
        let generic = WebhookTable { consumer: "Generic".into(), ..table("window_minutes = 5") };
        assert!(generic.make(&Style::default()).map(|_| ()).expect_err("each event").contains("Slack and Jira"));
        assert!(table("window_minutes = 0").make(&Style::default()).is_ok());
    }
}
