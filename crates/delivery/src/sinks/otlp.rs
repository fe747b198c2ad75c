//! OpenTelemetry logs: OTLP/HTTP with JSON, `POST /v1/logs` (OTLP 1.x, section OTLP/HTTP; logs data model).
//!
//! One request is one batch; a partial success names how many records were refused, not which, so those of that batch are
//! counted as refused and not sent again, as the protocol asks.

use super::http::{HttpClient, HttpConfig, Refusal};
use crate::error::Error;
use crate::record::Record;
use crate::sink::{BoxFuture, Delivery, Outcome, Sink};
use reqwest::Method;
use serde_json::{Value, json};
use tapir_event::{Format, Level, SecurityEvent, Style};

/// See the module.
pub struct OtlpSink {
    client: HttpClient,
    style: Style,
    refused: u64,
}

impl OtlpSink {
    /// To the collector at `url`, e.g. `http://collector:4318`.
    pub fn new(url: &str, http: &HttpConfig, style: Style) -> Result<Self, Error> {
        Ok(Self { client: HttpClient::new(url, http)?, style, refused: 0 })
    }

    async fn deliver_batch(&mut self, batch: &[Record]) -> Delivery {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut records = Vec::with_capacity(batch.len());
        for record in batch {
            match record.event() {
                Ok(event) => {
                    records.push(log_record(&event, &self.style));
                    outcomes.push(Outcome::Done);
                }
                Err(why) => outcomes.push(Outcome::Reject(why)),
            }
        }
        if records.is_empty() {
            return Delivery::each(outcomes);
        }
        let node = batch.first().map(|record| record.id.node.to_string()).unwrap_or_default();
        let body = json!({ "resourceLogs": [{
            "resource": { "attributes": [
                attribute("service.name", "tapir"),
                attribute("service.version", env!("CARGO_PKG_VERSION")),
                attribute("k8s.cluster.name", self.style.cluster.as_str()),
                attribute("host.name", node),
            ]},
            "scopeLogs": [{ "scope": { "name": "tapir.alert" }, "logRecords": records }],
        }]});
        let headers = [("content-type", "application/json".to_owned())];
        let answer = match self.client.send(Method::POST, "v1/logs", &headers, body.to_string().into_bytes()).await {
            Ok(answer) => answer,
            Err(why) => return Delivery::failed(why),
        };
        let status = answer.status.as_u16();
        let text = format!("the collector answered {status}: {}", answer.excerpt());
        match status {
            200..=299 => {
                self.refused += rejected(&answer.body);
                Delivery::each(outcomes)
            }
            // What the protocol calls retryable, and what people can put right.
            401 | 403 | 404 | 413 | 429 | 502..=504 => answer.failed(text),
            // The batch cannot be understood: no use in sending it again.
            _ => {
                let refused = outcomes.into_iter().map(|outcome| match outcome {
                    Outcome::Done => Outcome::Reject(text.clone()),
                    other => other,
                });
                Delivery::each(refused.collect())
            }
        }
    }
}

impl Sink for OtlpSink {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.deliver_batch(batch))
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![("refused_by_collector", self.refused)]
    }
}

/// `partialSuccess.rejectedLogRecords`, a number or, as protobuf's JSON has it, a text.
fn rejected(body: &[u8]) -> u64 {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match body.pointer("/partialSuccess/rejectedLogRecords") {
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        Some(value) => value.as_u64().unwrap_or(0),
        None => 0,
    }
}

fn attribute(key: &str, value: impl Into<String>) -> Value {
    json!({ "key": key, "value": { "stringValue": value.into() } })
}

fn log_record(event: &SecurityEvent, style: &Style) -> Value {
    let rule = &event.rule;
    // Severity numbers of the logs data model.
    let (number, text) = match rule.level() {
        Level::Info => (9, "INFO"),
        Level::Low => (10, "INFO2"),
        Level::Medium => (13, "WARN"),
        Level::High => (17, "ERROR"),
        Level::Critical => (21, "FATAL"),
    };
    let (client, server) = event.parties();
    let mut attributes = vec![
        attribute("event.name", "tapir.alert"),
        attribute("event.id", event.id.to_string()),
        attribute("rule.id", format!("{}:{}", rule.gid, rule.sid)),
        attribute("rule.name", rule.message()),
        attribute("network.transport", event.protocol.to_ascii_lowercase()),
    ];
    for (side, end) in [("client", client), ("server", server)] {
        if let Some(end) = end {
            attributes.push(attribute(&format!("{side}.address"), end.address.to_string()));
            if let Some(port) = end.port {
                attributes.push(json!({ "key": format!("{side}.port"), "value": { "intValue": port.to_string() } }));
            }
        }
    }
    if let Some(workload) = event.server.as_ref().or(event.client.as_ref()) {
        attributes.push(attribute("k8s.namespace.name", workload.namespace.as_str()));
        attributes.push(attribute("k8s.pod.name", workload.pod.as_str()));
    }
    if let Some(inspection) = &event.inspection {
        attributes.push(attribute("tapir.inspection", inspection.to_string()));
    }
    let document = Format::Tapir.line(event, style);
    attributes.push(attribute("tapir.event", document));
    json!({
        "timeUnixNano": event.time.0.max(0).to_string(),
        "observedTimeUnixNano": event.observed.0.max(0).to_string(),
        "severityNumber": number,
        "severityText": text,
        "body": { "stringValue": event.sentence() },
        "attributes": attributes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_records_are_counted_in_both_forms() {
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedLogRecords":"3"}}"#), 3);
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedLogRecords":2}}"#), 2);
        assert_eq!(rejected(b""), 0);
    }

    #[test]
    fn a_record_has_its_times_as_text_and_the_whole_event() {
        let mut event = SecurityEvent::default();
        event.time.0 = 1_700_000_000_000_000_001;
        let record = log_record(&event, &Style::default());
        assert_eq!(record["timeUnixNano"], "1700000000000000001");
        let attributes = record["attributes"].as_array().unwrap();
        let own = attributes.iter().find(|attribute| attribute["key"] == "tapir.event").unwrap();
        let text = own["value"]["stringValue"].as_str().unwrap();
        assert!(serde_json::from_str::<SecurityEvent>(text).is_ok());
    }
}
