//! The `_bulk` request and what its answer says of each event.

use super::{ElasticConfig, Layout, document, setup};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io::Write;
use tapir_event::SecurityEvent;

/// One event on its way.
#[derive(Debug)]
pub(super) struct Item {
    /// Place in the batch.
    pub(super) at: usize,
    /// `_id`.
    pub(super) id: String,
    /// Where it is written.
    pub(super) index: String,
    document: Map<String, Value>,
}

impl Item {
    pub(super) fn new(at: usize, event: &SecurityEvent, config: &ElasticConfig) -> Self {
        let document = document(event, config);
        let id = match config.layout {
            // The incumbent's documents carry their `_id`.
            Layout::Calico => document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            Layout::Ecs => event.id.to_string(),
        };
        Self { at, id, index: setup::write_target(event, config), document }
    }

    /// The same event, for a mapping that refuses it: times and words stay, the rest becomes one text.
    pub(super) fn as_text(&self) -> Self {
        let mut document = Map::new();
        for name in ["id", "time", "@timestamp", "type", "description", "origin", "severity", "host", "name", "message"]
        {
            if let Some(value) = self.document.get(name) {
                document.insert(name.to_owned(), value.clone());
            }
        }
        let raw = Value::Object(self.document.clone()).to_string();
        document.insert("tapir".to_owned(), json!({ "unmapped_raw": raw }));
        Self { at: self.at, id: self.id.clone(), index: self.index.clone(), document }
    }
}

/// The request's body: NDJSON, gzip.
pub(super) fn body(items: &[Item]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for item in items {
        let action = json!({ "create": { "_index": item.index, "_id": item.id } });
        let document = serde_json::to_string(&item.document).unwrap_or_default();
        // Writing into memory does not fail.
        let _ = writeln!(encoder, "{action}\n{document}");
    }
    encoder.finish().unwrap_or_default()
}

/// What became of one event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Stored,
    /// It was there before.
    There,
    Later(String),
    Never(String),
}

#[derive(Deserialize)]
struct BulkAnswer {
    items: Vec<Map<String, Value>>,
}

/// Verdicts in the order of the request; fewer than were sent if the server left some out.
pub(super) fn read(answer: &[u8]) -> Result<Vec<Verdict>, String> {
    let answer: BulkAnswer =
        serde_json::from_slice(answer).map_err(|error| format!("the server's answer is no bulk answer: {error}"))?;
    Ok(answer.items.iter().map(|item| item.values().next().map_or_else(unreadable, verdict)).collect())
}

fn unreadable() -> Verdict {
    Verdict::Later("the server's answer for this event cannot be read".to_owned())
}

fn verdict(item: &Value) -> Verdict {
    let Some(status) = item.get("status").and_then(Value::as_u64) else { return unreadable() };
    let error = item.get("error");
    let part = |name: &str| error.and_then(|error| error.get(name)).and_then(Value::as_str).unwrap_or_default();
    let (kind, reason) = (part("type"), part("reason"));
    let cause = error
        .and_then(|error| error.get("caused_by"))
        .and_then(|cause| cause.get("reason"))
        .and_then(Value::as_str)
        .map(|text| format!(" ({text})"))
        .unwrap_or_default();
    let text = format!("{status} {kind}: {reason}{cause}");
    match status {
        200..=299 => Verdict::Stored,
        409 => Verdict::There,
        429 | 500..=599 => Verdict::Later(text),
        // An index that is being made, or closed for a moment.
        _ if matches!(kind, "es_rejected_execution_exception" | "cluster_block_exception") => Verdict::Later(text),
        // Rights and aliases can be put right; the event is not at fault.
        401 | 403 | 404 => Verdict::Later(text),
        _ => Verdict::Never(text),
    }
}

/// Whether a refusal was about the document's fields.
pub(super) fn is_mapping_error(why: &str) -> bool {
    ["mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception"]
        .iter()
        .chain(["illegal_argument_exception", "mapper_exception"].iter())
        .any(|kind| why.contains(kind))
}

/// `_id`s of a search's hits.
pub(super) fn found_ids(answer: &[u8]) -> Result<HashSet<String>, String> {
    let answer: Value =
        serde_json::from_slice(answer).map_err(|error| format!("the server's answer is no search answer: {error}"))?;
    let hits = answer.pointer("/hits/hits").and_then(Value::as_array).ok_or("the server's answer has no hits")?;
    Ok(hits.iter().filter_map(|hit| hit.get("_id").and_then(Value::as_str)).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_its_verdict() {
        let answer = json!({ "errors": true, "items": [
            { "create": { "status": 201 } },
            { "create": { "status": 409, "error": { "type": "version_conflict_engine_exception", "reason": "r" } } },
            { "create": { "status": 429, "error": { "type": "es_rejected_execution_exception", "reason": "full" } } },
            { "create": { "status": 400, "error": { "type": "mapper_parsing_exception", "reason": "no ip",
                "caused_by": { "reason": "'' is not an IP string literal" } } } },
            { "create": { "status": 403, "error": { "type": "security_exception", "reason": "no" } } },
            { "create": {} },
            {},
        ]});
        let verdicts = read(answer.to_string().as_bytes()).unwrap();
        assert_eq!(verdicts[..2], [Verdict::Stored, Verdict::There]);
        assert!(matches!(&verdicts[2], Verdict::Later(why) if why.contains("full")));
        let Verdict::Never(why) = &verdicts[3] else { panic!("{verdicts:?}") };
        assert!(is_mapping_error(why) && why.contains("not an IP"), "{why}");
        assert!(verdicts[4..].iter().all(|verdict| matches!(verdict, Verdict::Later(_))), "{verdicts:?}");
    }

    #[test]
    fn other_answers_are_errors() {
        assert!(read(b"<html>").is_err());
        assert!(read(b"{}").is_err());
        assert!(found_ids(b"{}").is_err());
        let hits = br#"{"hits":{"hits":[{"_id":"a"},{}]}}"#;
        assert_eq!(found_ids(hits).unwrap(), HashSet::from(["a".to_owned()]));
    }

    #[test]
    fn a_document_that_does_not_fit_becomes_text() {
        let mut event = SecurityEvent::default();
        event.id.seq = 7;
        let item = Item::new(3, &event, &ElasticConfig::default());
        let plain = item.as_text();
        assert_eq!((plain.at, &plain.id), (3, &item.id));
        let raw = plain.document["tapir"]["unmapped_raw"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(raw).unwrap()["record"], item.document["record"]);
    }
}
