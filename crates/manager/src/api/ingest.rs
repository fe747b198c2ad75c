//! Events from agents: newline-delimited JSON, kept once however often it is sent.
//!
//! A line is kept as it came, with whatever newer agents put in. A line that can never be kept is refused by its
//! number and the others are kept; so an agent never sends a batch for ever because of one line. When the store cannot
//! keep up the answer is 429 and the agent keeps its spool.

use super::packed::Coding;
use crate::app::{State, now};
use crate::auth::Caller;
use crate::problem::{Answer, Problem, bytes};
use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use std::time::Duration;
use tapir_event::EventId;
use tapir_store::{IngestBatch, MAX_EVENT, StoreError};
use utoipa::ToSchema;

/// Lines refused that are named in the answer; the rest is counted in the last.
const MAX_NAMED: usize = 1_000;

/// A line that was refused.
#[derive(Serialize, ToSchema)]
pub(super) struct RejectedLine {
    /// Number, from 1.
    line: usize,
    /// Reason for people.
    why: String,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct Ingested {
    /// New events.
    stored: u64,
    /// Events that were there already.
    duplicates: u64,
    /// Lines that can never be kept; at most 1,000 are named.
    rejected: Vec<RejectedLine>,
    /// All lines that were refused.
    rejected_count: usize,
}

/// Takes events: one JSON document a line, plain or packed with zstd or gzip.
#[utoipa::path(post, path = "/ingest", tag = "agents",
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = Ingested), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 429, description = "back-pressure: keep the events and come again", body = Problem)))]
pub(super) async fn ingest(state: State, caller: Caller, request: Request) -> Answer<Json<Ingested>> {
    let coding = described(request.headers())?;
    let body = bytes(request, &()).await?;
    let limits = state.config.limits.clone();
    let node = caller.identity.node;
    let unpacked = tokio::task::spawn_blocking(move || {
        let plain = coding.unpack(&body, &limits)?;
        split(&plain, limits.ingest_events, node.as_deref())
    });
    let batch = unpacked.await.map_err(|_| Problem::bad_request("the body could not be unpacked"))??;
    let Lines { documents, numbers, mut rejected, mut rejected_count } = batch;
    let outcome = match state.store.ingest(IngestBatch { documents }, now()).await {
        Ok(outcome) => outcome,
        Err(StoreError::Busy { retry_after, .. }) => {
            state.metrics.pushed_back();
            return Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "back-pressure",
                "The store cannot keep up",
                "keep the events and send them again after the time in Retry-After",
            )
            .after(retry_after.max(Duration::from_secs(1))));
        }
        Err(error) => return Err(error.into()),
    };
    rejected_count += outcome.rejected.len();
    for refused in outcome.rejected {
        if rejected.len() < MAX_NAMED {
            let line = numbers.get(refused.index).copied().unwrap_or_default();
            rejected.push(RejectedLine { line, why: refused.why });
        }
    }
    rejected.sort_by_key(|refused| refused.line);
    let count = u64::try_from(rejected_count).unwrap_or(u64::MAX);
    state.metrics.ingested(outcome.stored, outcome.duplicates, count);
    if outcome.stored > 0 {
        state.live.changed();
    }
    Ok(Json(Ingested { stored: outcome.stored, duplicates: outcome.duplicates, rejected, rejected_count }))
}

/// How the body is packed, if its type is right.
pub(super) fn described(headers: &HeaderMap) -> Answer<Coding> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(kind.as_str(), "application/x-ndjson" | "application/ndjson" | "application/jsonl") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "Wrong content type",
            "send application/x-ndjson: one JSON document a line",
        ));
    }
    Coding::named(Some(text(header::CONTENT_ENCODING)))
}

struct Lines {
    documents: Vec<Vec<u8>>,
    /// Line of each document.
    numbers: Vec<usize>,
    rejected: Vec<RejectedLine>,
    rejected_count: usize,
}

/// The lines that can be kept. `node`: the sender is the agent of this node and has events of no other.
fn split(plain: &[u8], most: usize, node: Option<&str>) -> Answer<Lines> {
    let mut lines = Lines { documents: Vec::new(), numbers: Vec::new(), rejected: Vec::new(), rejected_count: 0 };
    let refuse = |lines: &mut Lines, line: usize, why: String| {
        lines.rejected_count += 1;
        if lines.rejected.len() < MAX_NAMED {
            lines.rejected.push(RejectedLine { line, why });
        }
    };
    for (at, line) in plain.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if line.len() > MAX_EVENT {
            refuse(&mut lines, at + 1, format!("{} bytes, more than {MAX_EVENT}", line.len()));
            continue;
        }
        // What is no event at all is for the store to refuse.
        if let Some((node, of)) = node.zip(origin(line)).filter(|(node, of)| node != of) {
            refuse(&mut lines, at + 1, format!("it is of node {of}, and the agent of {node} sent it"));
            continue;
        }
        if lines.documents.len() >= most {
            return Err(Problem::too_large(format!("more than {most} events; send fewer at once")));
        }
        lines.documents.push(line.to_vec());
        lines.numbers.push(at + 1);
    }
    Ok(lines)
}

/// The node that an event names as its own.
fn origin(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Head {
        id: EventId,
    }
    serde_json::from_slice::<Head>(line).ok().map(|head| head.id.node.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers() {
        let lines = split(b"\n{\"a\":1}\r\n\n {\"b\":2} ", 10, None).unwrap();
        assert_eq!(lines.documents, [b"{\"a\":1}".to_vec(), b"{\"b\":2}".to_vec()]);
        assert_eq!(lines.numbers, [2, 4]);
        assert_eq!(split(b"1\n2\n3", 2, None).err().unwrap().status, 413);
        let long = vec![b'x'; MAX_EVENT + 1];
        let lines = split(&long, 10, None).unwrap();
        assert_eq!((lines.documents.len(), lines.rejected_count), (0, 1));
    }
}
