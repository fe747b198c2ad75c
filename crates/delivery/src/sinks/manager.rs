//! Tapir's own manager: `POST /api/v1/ingest`, one event a line, gzip.
//!
//! The manager keeps an event once by its id, so that a repetition is harmless; fields that a newer agent writes reach it
//! untouched, because the record's text is sent as it is, with its id put in front.

use super::http::{Auth, HttpClient, HttpConfig, Refusal};
use crate::error::Error;
use crate::record::Record;
use crate::sink::{BoxFuture, Delivery, Outcome, Sink};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde::Deserialize;
use std::io::Write;

/// See the module.
pub struct ManagerSink {
    client: HttpClient,
}

/// What the manager answers.
#[derive(Deserialize)]
struct Ingested {
    #[serde(default)]
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    /// From 1.
    line: usize,
    why: String,
}

impl ManagerSink {
    /// To the manager at `url` with an agent's token.
    pub fn new(url: &str, token: String, http: HttpConfig) -> Result<Self, Error> {
        Ok(Self { client: HttpClient::new(url, &HttpConfig { auth: Auth::Bearer(token), ..http })? })
    }

    async fn deliver_batch(&mut self, batch: &[Record]) -> Delivery {
        let mut outcomes = Vec::with_capacity(batch.len());
        // Places in the batch of the lines that are sent.
        let mut sent = Vec::with_capacity(batch.len());
        let mut body = GzEncoder::new(Vec::new(), Compression::fast());
        for (at, record) in batch.iter().enumerate() {
            match line(record) {
                // Writing into memory does not fail.
                Some(line) => {
                    let _ = body.write_all(&line);
                    sent.push(at);
                    outcomes.push(Outcome::Done);
                }
                None => outcomes.push(Outcome::Reject("not a JSON object".to_owned())),
            }
        }
        if sent.is_empty() {
            return Delivery::each(outcomes);
        }
        let headers = [("content-type", "application/x-ndjson".to_owned()), ("content-encoding", "gzip".to_owned())];
        let body = body.finish().unwrap_or_default();
        let answer = match self.client.send(Method::POST, "api/v1/ingest", &headers, body).await {
            Ok(answer) => answer,
            Err(why) => return Delivery::failed(why),
        };
        let status = answer.status.as_u16();
        if !answer.status.is_success() {
            let hint = match status {
                401 | 403 => "; check the agent's token",
                404 => "; check the manager's address",
                _ => "",
            };
            return answer.failed(format!("the manager answered {status}{hint}: {}", answer.excerpt()));
        }
        let ingested: Ingested = match serde_json::from_slice(&answer.body) {
            Ok(ingested) => ingested,
            Err(_) => return Delivery::failed("what answers at this address is no Tapir manager; check the address"),
        };
        for Rejected { line, why } in ingested.rejected {
            let at = line.checked_sub(1).and_then(|line| sent.get(line));
            if let Some(outcome) = at.and_then(|at| outcomes.get_mut(*at)) {
                *outcome = Outcome::Reject(why);
            }
        }
        Delivery::each(outcomes)
    }
}

impl Sink for ManagerSink {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.deliver_batch(batch))
    }
}

/// The record as one line with its id. The spool's payload has none: an id comes into being in the spool.
fn line(record: &Record) -> Option<Vec<u8>> {
    let members = record.payload.strip_prefix(b"{")?;
    if record.payload.contains(&b'\n') {
        return None;
    }
    let mut line = format!("{{\"id\":{}", serde_json::Value::from(record.id.to_string())).into_bytes();
    if members != b"}" {
        line.push(b',');
    }
    line.extend_from_slice(members);
    line.push(b'\n');
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use tapir_event::SecurityEvent;

    #[test]
    fn the_id_is_put_in_front_and_the_rest_stays_as_it_is() {
        let event = serde_json::to_string(&SecurityEvent::default()).unwrap();
        let with_future = event.replacen('{', r#"{"from_the_future":[1],"#, 1);
        for payload in [event.as_str(), with_future.as_str(), "{}"] {
            let mut record = record(7);
            record.payload = payload.as_bytes().into();
            let line = line(&record).unwrap();
            let read: SecurityEvent = serde_json::from_slice(&line).unwrap();
            assert_eq!(read.id, record.id);
            assert!(line.ends_with(format!("{}\n", payload.strip_prefix('{').unwrap()).as_bytes()));
        }
    }

    #[test]
    fn what_is_no_object_in_one_line_is_refused() {
        for payload in ["", "[1]", "{\n}"] {
            let mut record = record(7);
            record.payload = payload.as_bytes().into();
            assert_eq!(line(&record), None, "{payload:?}");
        }
    }
}
