//! What each consumer gets. Every text may be an attacker's: JSON escapes it, and Slack's and Jira's mark-up is
//! escaped or not used.

use super::{WebhookConfig, calico};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tapir_event::{Format, GroupKey, Level, SecurityEvent, rfc3339};

/// Who receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// The event as JSON: the incumbent's document with `labels`, or another of our formats.
    Generic(Format),
    /// A Slack incoming webhook.
    Slack,
    /// A Jira issue.
    Jira {
        /// Key of the project.
        project: String,
        /// Name of the issue's type.
        issue_type: String,
    },
    /// Prometheus Alertmanager, `/api/v2/alerts`.
    AlertManager {
        /// Link in the alert; the page's address for the event if empty.
        generator_url: String,
    },
}

/// Characters of a Slack header, field and section (Slack's block kit).
const SLACK_HEADER: usize = 150;
const SLACK_FIELD: usize = 2_000;
const SLACK_SECTION: usize = 3_000;
/// Characters of a Jira summary.
const JIRA_SUMMARY: usize = 255;

impl Consumer {
    /// Requests and the time in which they may be sent: the incumbent's limits.
    pub(super) fn rate(&self) -> (u32, Duration) {
        match self {
            Self::Slack | Self::Jira { .. } => (10, Duration::from_secs(60)),
            Self::Generic(_) | Self::AlertManager { .. } => (1_000, Duration::from_secs(1)),
        }
    }

    /// People read it: they want a message for a group, not one for each event.
    pub(super) fn is_for_people(&self) -> bool {
        matches!(self, Self::Slack | Self::Jira { .. })
    }

    /// The address must be one that this consumer can have.
    pub(super) fn check(&self, url: &str) -> Result<(), String> {
        match self {
            Self::AlertManager { .. } if !url.ends_with("/api/v2/alerts") => {
                Err(format!("`{url}` is no Alertmanager: the address must end with /api/v2/alerts"))
            }
            Self::Jira { project, .. } if project.is_empty() => Err("the Jira hook needs a project".to_owned()),
            Self::Jira { issue_type, .. } if issue_type.is_empty() => {
                Err("the Jira hook needs an issueType".to_owned())
            }
            Self::Generic(format) if !is_json(*format) => {
                Err("a generic hook sends JSON: tapir, calico, eve, ecs or ocsf".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn is_json(format: Format) -> bool {
    matches!(format, Format::Tapir | Format::Calico | Format::Eve | Format::Ecs | Format::Ocsf)
}

/// Stands before the texts of a test, as the incumbent has it.
const TEST: &str = "[TEST] ";

/// How many events a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    /// Since the last message; 0: this is the first.
    pub(super) more: u64,
    /// Since the first message, with it.
    pub(super) total: u64,
}

impl Count {
    /// Of a first message.
    pub(super) const ONE: Self = Self { more: 0, total: 1 };

    /// Behind the title.
    fn suffix(self) -> String {
        if self.more == 0 { String::new() } else { format!(" ×{} more", self.more) }
    }
}

/// The body of the request.
pub(super) fn body(event: &SecurityEvent, config: &WebhookConfig, count: Count, is_test: bool) -> String {
    let mut value = match &config.consumer {
        Consumer::Generic(format) => generic(event, config, *format),
        Consumer::Slack => slack(event, config, count),
        Consumer::Jira { project, issue_type } => jira(event, config, count, project, issue_type),
        Consumer::AlertManager { generator_url } => alertmanager(event, config, generator_url),
    };
    if is_test {
        let places: &[&str] = match &config.consumer {
            Consumer::Generic(_) => &["/description"],
            Consumer::Slack => &["/text", "/blocks/0/text/text"],
            Consumer::Jira { .. } => &["/fields/summary"],
            Consumer::AlertManager { .. } => &["/0/annotations/Description", "/0/annotations/summary"],
        };
        for place in places {
            if let Some(Value::String(text)) = value.pointer_mut(place) {
                text.insert_str(0, TEST);
            }
        }
    }
    value.to_string()
}

fn labels(config: &WebhookConfig) -> Map<String, Value> {
    config.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect()
}

fn generic(event: &SecurityEvent, config: &WebhookConfig, format: Format) -> Value {
    let mut document = format.document(event, &config.style).unwrap_or_default();
    if format == Format::Calico {
        document.insert("labels".to_owned(), labels(config).into());
    } else if !config.labels.is_empty() {
        document.entry("labels").or_insert_with(|| labels(config).into());
    }
    document.into()
}

/// Who, where, in words that fit one line.
fn parties(event: &SecurityEvent) -> (String, String) {
    let (client, server) = event.parties();
    let name = |workload: &Option<tapir_event::Workload>, end: Option<tapir_event::Endpoint>| {
        let address = end.map(|end| match end.port {
            Some(port) => format!("{} port {port}", end.address),
            None => end.address.to_string(),
        });
        match (workload, address) {
            (Some(workload), Some(address)) => format!("{} ({address})", workload.display()),
            (Some(workload), None) => workload.display(),
            (None, Some(address)) => address,
            (None, None) => "unknown".to_owned(),
        }
    };
    (name(&event.client, client), name(&event.server, server))
}

fn slack(event: &SecurityEvent, config: &WebhookConfig, count: Count) -> Value {
    let rule = &event.rule;
    let (client, server) = parties(event);
    let shape = match rule.level() {
        Level::Critical => "■ Critical",
        Level::High => "▲ High",
        Level::Medium => "● Medium",
        Level::Low => "○ Low",
        Level::Info => "· Info",
    };
    let suffix = count.suffix();
    let words = format!("{shape} · {}", rule.message());
    // The count stays when the title is cut.
    let title = |most: usize, text: &str| format!("{}{suffix}", cut(text, most - suffix.chars().count()));
    let mut fields = vec![("Client", client), ("Server", server)];
    if let Some(inspection) = &event.inspection {
        fields.push(("Inspection", inspection.to_string()));
    }
    fields.push(("Count", count.total.to_string()));
    let fields: Vec<Value> = fields
        .into_iter()
        .map(|(name, value)| json!({ "type": "mrkdwn", "text": format!("*{name}*\n{}", escape_and_cut(&value, SLACK_FIELD - 20)) }))
        .collect();
    let techniques: Vec<&str> = rule.techniques().iter().map(|technique| technique.id).collect();
    let mut context = format!("rule {}:{}:{} · {}", rule.gid, rule.sid, rule.rev, rfc3339(event.time));
    if !techniques.is_empty() {
        context.push_str(&format!(" · {}", techniques.join(", ")));
    }
    for (name, value) in &config.labels {
        context.push_str(&format!(" · {name}: {value}"));
    }
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": title(SLACK_HEADER, &words) } }),
        json!({ "type": "section", "fields": fields }),
        json!({ "type": "context", "elements": [
            { "type": "mrkdwn", "text": escape_and_cut(&context, SLACK_SECTION) } ] }),
    ];
    if let Some(url) = config.style.link(event) {
        blocks.push(json!({ "type": "actions", "elements": [
            { "type": "button", "text": { "type": "plain_text", "text": "Open the alert" }, "url": url } ] }));
    }
    let text = format!("{}{suffix}", escape_and_cut(&words, SLACK_SECTION - suffix.chars().count()));
    json!({ "text": text, "blocks": blocks })
}

/// Slack's three characters; mark-up that is left can only change how words look.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Escapes, and cuts to so many characters, never inside an entity.
fn escape_and_cut(text: &str, most: usize) -> String {
    let mut kept = cut(&escape(text), most);
    if let Some(open) = kept.rfind('&')
        && kept.ends_with('…')
        && !kept.get(open..).unwrap_or_default().contains(';')
    {
        kept.truncate(open);
        kept.push('…');
    }
    kept
}

/// The label by which a group's issue is found again.
pub(super) fn jira_label(event: &SecurityEvent) -> String {
    format!("tapir-{:016x}", GroupKey::of(event).hash())
}

/// What an event says in Jira, without mark-up.
fn jira_text(event: &SecurityEvent, config: &WebhookConfig, count: Count) -> String {
    let rule = &event.rule;
    let (client, server) = parties(event);
    let mut lines = vec![
        format!("Rule {}:{}:{} ({}), priority {}", rule.gid, rule.sid, rule.rev, rule.level().name(), rule.priority),
        format!("From {client} to {server}"),
        format!("At {} on node {}", rfc3339(event.time), event.id.node),
    ];
    lines.extend(event.inspection.as_ref().map(|inspection| format!("Inspection {inspection}")));
    lines.push(format!("Count {}", count.total));
    lines.extend(config.style.link(event));
    lines.extend(rule.reference_urls().take(5).map(|url| format!("Reference {url}")));
    // `noformat`: nothing in it is mark-up; a text that would end it is taken apart.
    format!("{{noformat}}\n{}\n{{noformat}}", lines.join("\n").replace("{noformat}", "{ noformat }"))
}

/// What a group's issue is told of further events.
pub(super) fn jira_comment(event: &SecurityEvent, config: &WebhookConfig, count: Count) -> String {
    let more =
        if count.more == 0 { "Again; the newest:".to_owned() } else { format!("×{} more; the newest:", count.more) };
    json!({ "body": format!("{more}\n{}", jira_text(event, config, count)) }).to_string()
}

fn jira(event: &SecurityEvent, config: &WebhookConfig, count: Count, project: &str, issue_type: &str) -> Value {
    let suffix = count.suffix();
    let summary = event.sentence().replace(['\r', '\n'], " ");
    let mut issue_labels = vec![jira_label(event)];
    issue_labels.extend(config.labels.iter().map(|(key, value)| format!("{key}-{value}").replace(' ', "-")));
    json!({ "fields": {
        "project": { "key": project },
        "issuetype": { "name": issue_type },
        "summary": format!("{}{suffix}", cut(&summary, JIRA_SUMMARY - suffix.chars().count())),
        "description": jira_text(event, config, count),
        "labels": issue_labels,
    }})
}

/// The incumbent's alert: its name, its annotations with `n/a` for what is absent.
fn alertmanager(event: &SecurityEvent, config: &WebhookConfig, generator_url: &str) -> Value {
    let document = calico(event, &config.style);
    let text = |name: &str| match document.get(name) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Some(value @ (Value::Number(_) | Value::Object(_))) => value.to_string(),
        _ => "n/a".to_owned(),
    };
    let mut labels = labels(config);
    // Labels are the alert's identity: no time, port or count among them.
    for (name, value) in [
        ("alertname", Some("Calico Security Event".to_owned())),
        ("severity", Some(event.rule.level().name().to_owned())),
        ("sid", Some(format!("{}:{}", event.rule.gid, event.rule.sid))),
        ("namespace", event.server.as_ref().map(|workload| workload.namespace.clone())),
        ("workload", event.server.as_ref().map(|workload| workload.owner().1.to_owned())),
        ("inspection", event.inspection.as_ref().map(ToString::to_string)),
        ("cluster", Some(config.style.cluster.clone())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            labels.entry(name).or_insert_with(|| value.into());
        }
    }
    let generator = if generator_url.is_empty() { config.style.link(event) } else { Some(generator_url.to_owned()) };
    json!([{
        "labels": labels,
        "annotations": {
            "Attack Vector": text("attack_vector"),
            "Description": text("description"),
            "Destination IP": text("dest_ip"),
            "Mitigations": text("mitigations"),
            "Mitre IDs": text("mitre_ids"),
            "Mitre Tactic": text("mitre_tactic"),
            "Origin": text("origin"),
            "Severity": text("severity"),
            "Source IP": text("source_ip"),
            "Record Data": text("record"),
            "summary": event.sentence(),
        },
        "startsAt": rfc3339(event.time),
        "generatorURL": generator.unwrap_or_default(),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::http::HttpConfig;
    use std::sync::Arc;
    use tapir_event::{EventId, RuleSummary, Style};

    fn event(msg: &str) -> SecurityEvent {
        let rule =
            RuleSummary { sid: 21562, gid: 1, rev: 6, priority: 1, msg: Some(msg.into()), ..RuleSummary::default() };
        let id = EventId { node: "n".into(), boot: 1, seq: 2 };
        SecurityEvent { rule: Arc::new(rule), id, ..SecurityEvent::default() }
    }

    fn config(consumer: Consumer) -> WebhookConfig {
        WebhookConfig {
            url: String::new(),
            http: HttpConfig::default(),
            consumer,
            labels: vec![("team".into(), "sec ops".into())],
            secret: String::new(),
            window: WebhookConfig::WINDOW,
            style: Style { page: Some("https://tapir.example".into()), ..Style::default() },
        }
    }

    fn sent(msg: &str, consumer: Consumer) -> Value {
        serde_json::from_str(&body(&event(msg), &config(consumer), Count::ONE, false)).unwrap()
    }

    #[test]
    fn the_generic_hook_sends_the_incumbents_document_with_labels() {
        let value = sent("m", Consumer::Generic(Format::Calico));
        assert_eq!(value["record"]["snort_signature_id"], "21562");
        assert_eq!(value["labels"], json!({ "team": "sec ops" }));
    }

    #[test]
    fn a_test_is_marked_in_every_form() {
        let jira = Consumer::Jira { project: "SEC".into(), issue_type: "Bug".into() };
        let alertmanager = Consumer::AlertManager { generator_url: String::new() };
        for (consumer, place) in [
            (Consumer::Generic(Format::Calico), "/description"),
            (Consumer::Slack, "/blocks/0/text/text"),
            (jira, "/fields/summary"),
            (alertmanager, "/0/annotations/Description"),
        ] {
            let text = |is_test| {
                let text = body(&event("m"), &config(consumer.clone()), Count::ONE, is_test);
                let value: Value = serde_json::from_str(&text).unwrap();
                value.pointer(place).unwrap().as_str().unwrap().to_owned()
            };
            assert_eq!(text(true), format!("[TEST] {}", text(false)), "{place}");
        }
    }

    #[test]
    fn slack_gets_no_mark_up_from_an_attacker() {
        let value = sent("<!channel> & <https://evil|click>", Consumer::Slack);
        let text = value["text"].as_str().unwrap();
        assert!(!text.contains('<') && text.contains("&lt;!channel&gt; &amp;"), "{text}");
        assert_eq!(value["blocks"][0]["text"]["type"], "plain_text");
        assert_eq!(value["blocks"][3]["elements"][0]["url"], "https://tapir.example/alerts/e/n-1-2");
    }

    #[test]
    fn texts_are_cut_to_what_slack_takes() {
        let value = sent(&"&".repeat(5_000), Consumer::Slack);
        assert_eq!(value["blocks"][0]["text"]["text"].as_str().unwrap().chars().count(), SLACK_HEADER);
        let text = value["text"].as_str().unwrap();
        assert!(text.chars().count() <= SLACK_SECTION && text.ends_with("&amp;…"), "{text}");
    }

    #[test]
    fn a_count_stands_in_its_field_and_behind_the_title_however_long_that_is() {
        let count = Count { more: 37, total: 38 };
        let text = body(&event(&"x".repeat(400)), &config(Consumer::Slack), count, false);
        let value: Value = serde_json::from_str(&text).unwrap();
        let header = value["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!(header.ends_with("… ×37 more") && header.chars().count() == SLACK_HEADER, "{header}");
        assert_eq!(value["blocks"][1]["fields"][2]["text"], "*Count*\n38");
        assert_eq!(sent("m", Consumer::Slack)["blocks"][1]["fields"][2]["text"], "*Count*\n1");
        let jira = Consumer::Jira { project: "SEC".into(), issue_type: "Bug".into() };
        let comment: Value = serde_json::from_str(&jira_comment(&event("m"), &config(jira), count)).unwrap();
        let comment = comment["body"].as_str().unwrap();
        assert!(comment.starts_with("×37 more") && comment.contains("Count 38"), "{comment}");
    }

    #[test]
    fn jira_gets_an_issue_that_can_be_found_by_its_group() {
        let consumer = Consumer::Jira { project: "SEC".into(), issue_type: "Bug".into() };
        let value = sent("a {noformat} b\nc", consumer);
        let fields = &value["fields"];
        assert_eq!(fields["project"]["key"], "SEC");
        assert!(!fields["summary"].as_str().unwrap().contains('\n'));
        assert_eq!(fields["description"].as_str().unwrap().matches("{noformat}").count(), 2);
        assert!(fields["labels"][0].as_str().unwrap().starts_with("tapir-"));
        assert_eq!(fields["labels"][1], "team-sec-ops");
    }

    #[test]
    fn alertmanager_gets_the_incumbents_annotations() {
        let value = sent("m", Consumer::AlertManager { generator_url: String::new() });
        let alert = &value[0];
        assert_eq!(alert["labels"]["alertname"], "Calico Security Event");
        assert_eq!(alert["labels"]["team"], "sec ops");
        assert_eq!(alert["annotations"]["Source IP"], "n/a");
        assert_eq!(alert["annotations"]["Attack Vector"], "Network");
        assert_eq!(alert["generatorURL"], "https://tapir.example/alerts/e/n-1-2");
        assert!(alert["labels"].get("namespace").is_none());
    }

    #[test]
    fn wrong_addresses_and_missing_parts_are_refused() {
        let alertmanager = Consumer::AlertManager { generator_url: String::new() };
        assert!(alertmanager.check("http://a/api/v1/alerts").unwrap_err().contains("/api/v2/alerts"));
        assert!(Consumer::Jira { project: String::new(), issue_type: "Bug".into() }.check("").is_err());
        assert!(Consumer::Generic(Format::Fast).check("").is_err());
    }
}
