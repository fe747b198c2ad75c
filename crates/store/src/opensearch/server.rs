//! The server: requests in JSON, and its refusals as the store's errors.
//!
//! Names of documents go into bodies, never into paths, so nothing has to be escaped.

use super::OpenSearchConfig;
use crate::StoreError;
use serde_json::{Value, json};
use std::time::Duration;
use tapir_outbound::{Answer, HttpClient, Method};

/// Operations and bytes of one `_bulk`.
const BULK_OPERATIONS: usize = 1_000;
const BULK_BYTES: usize = 5 << 20;
/// Documents of one `_mget`; those of groups can have 100 KB.
const MGET: usize = 100;
/// Bytes of an answer: the largest are hundreds of groups with all their shapes and pods.
const MAX_ANSWER: usize = 32 << 20;
/// When to come again if the server does not say.
const RETRY: Duration = Duration::from_secs(5);
/// Longest text of the server that is passed on.
const EXCERPT: usize = 400;

/// Sends requests, and answers in our words.
#[derive(Debug)]
pub(super) struct Server {
    client: HttpClient,
    time_limit: Duration,
}

/// One operation of a `_bulk`: the line of the action, and the document if it has one.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    action: Value,
    document: Option<String>,
}

impl Operation {
    /// Makes a document; one of that id is left as it is.
    pub(super) fn create(index: &str, id: &str, document: &impl serde::Serialize) -> Self {
        Self::with(json!({ "create": { "_index": index, "_id": id } }), document)
    }

    /// Makes or replaces a document.
    pub(super) fn put(index: &str, id: &str, document: &impl serde::Serialize) -> Self {
        Self::with(json!({ "index": { "_index": index, "_id": id } }), document)
    }

    /// Replaces a document in the version that was read, or makes it if there was none.
    pub(super) fn replace(index: &str, id: &str, at: Option<Seen>, document: &impl serde::Serialize) -> Self {
        match at {
            None => Self::create(index, id, document),
            Some(at) => Self::with(json!({ "index": at.action(index, id) }), document),
        }
    }

    /// Changes a document by a script or by parts.
    pub(super) fn update(index: &str, id: &str, change: &Value) -> Self {
        Self::with(json!({ "update": { "_index": index, "_id": id, "retry_on_conflict": 3 } }), change)
    }

    /// Removes a document, in the version that was read if there is one.
    pub(super) fn delete(index: &str, id: &str, at: Option<Seen>) -> Self {
        let target = at.map_or_else(|| json!({ "_index": index, "_id": id }), |at| at.action(index, id));
        Self { action: json!({ "delete": target }), document: None }
    }

    fn with(action: Value, document: &impl serde::Serialize) -> Self {
        Self { action, document: Some(serde_json::to_string(document).unwrap_or_default()) }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.action.to_string().as_bytes());
        to.push(b'\n');
        if let Some(document) = &self.document {
            to.extend_from_slice(document.as_bytes());
            to.push(b'\n');
        }
    }
}

/// In which version a document was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    seq_no: i64,
    term: i64,
}

impl Seen {
    /// Of a hit or a document of `_mget`.
    pub(super) fn of(hit: &Value) -> Option<Self> {
        Some(Self { seq_no: hit.get("_seq_no")?.as_i64()?, term: hit.get("_primary_term")?.as_i64()? })
    }

    /// The server's count of changes of the shard.
    pub(super) fn seq_no(self) -> i64 {
        self.seq_no
    }

    fn action(self, index: &str, id: &str) -> Value {
        json!({ "_index": index, "_id": id, "if_seq_no": self.seq_no, "if_primary_term": self.term })
    }
}

/// What became of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It was carried out.
    Yes,
    /// The document is there already, or not in that version (any more).
    Conflict,
    /// Never: the server does not take it, and why.
    Never(String),
}

impl Server {
    pub(super) fn new(config: &OpenSearchConfig) -> Result<Self, StoreError> {
        let mut http = config.http.clone();
        // The server ends a search in its time; what it then says must still arrive.
        http.timeout = Some(config.time_limit.saturating_mul(3).max(Duration::from_secs(15)));
        http.max_answer = Some(MAX_ANSWER);
        let client = HttpClient::new(&config.url, &http).map_err(|error| StoreError::Invalid(error.to_string()))?;
        Ok(Self { client, time_limit: config.time_limit })
    }

    fn unavailable(&self, detail: String, retry_after: Option<Duration>) -> StoreError {
        let base = self.client.base();
        let server = match (base.host_str().unwrap_or_default(), base.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        StoreError::Unavailable { server, detail, retry_after: retry_after.unwrap_or(RETRY) }
    }

    /// Sends a request; `Ok` has the status and the body of answers up to 499 but for refusals of the caller.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<(u16, Value), StoreError> {
        let headers = [("content-type", kind.to_owned())];
        let headers: &[_] = if body.is_empty() { &[] } else { &headers };
        let answer = self.client.send(method, path, headers, body).await;
        let answer: Answer = answer.map_err(|why| self.unavailable(why, None))?;
        let status = answer.status.as_u16();
        match status {
            401 | 403 => {
                let hint = "check the credentials of the store and their rights on its indices";
                Err(self.unavailable(format!("{status}: {}; {hint}", answer.excerpt()), answer.retry_after))
            }
            429 | 500..=599 => Err(self.unavailable(format!("{status}: {}", answer.excerpt()), answer.retry_after)),
            _ => {
                let value = if answer.body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&answer.body) };
                let value = value.map_err(|_| {
                    self.unavailable(format!("an answer that is no JSON: {}", answer.excerpt()), answer.retry_after)
                })?;
                Ok((status, value))
            }
        }
    }

    /// Sends JSON and wants success.
    pub(super) async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, StoreError> {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let (status, value) = self.send(method, path, "application/json", bytes).await?;
        match status {
            200..=299 => Ok(value),
            400 => Err(StoreError::Invalid(format!("the server does not take the query: {}", reason(&value)))),
            _ => Err(self.unavailable(format!("{status}: {}", reason(&value)), None)),
        }
    }

    /// A search of one index. A part of an answer is an error.
    pub(super) async fn search(&self, index: &str, mut body: Value) -> Result<Value, StoreError> {
        if let Some(object) = body.as_object_mut() {
            object.insert("timeout".to_owned(), json!(format!("{}ms", self.time_limit.as_millis())));
        }
        let path = format!("{index}/_search?allow_partial_search_results=false");
        let answer = self.json(Method::POST, &path, Some(&body)).await?;
        if answer.get("timed_out").and_then(Value::as_bool) != Some(false) {
            return Err(StoreError::Timeout { limit: self.time_limit });
        }
        Ok(answer)
    }

    /// Documents by id, each in its place; `None` for those that are not there.
    pub(super) async fn documents(
        &self,
        index: &str,
        ids: &[String],
        source: &str,
    ) -> Result<Vec<Option<Value>>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MGET) {
            let path = format!("{index}/_mget?_source_includes={source}");
            let answer = self.json(Method::POST, &path, Some(&json!({ "ids": ids }))).await?;
            let docs = answer.get("docs").and_then(Value::as_array).filter(|docs| docs.len() == ids.len());
            let docs = docs.ok_or_else(|| self.unavailable("an answer without the documents".to_owned(), None))?;
            for doc in docs {
                if let Some(error) = doc.get("error") {
                    return Err(self.unavailable(reason(&json!({ "error": error })), None));
                }
                found.push((doc.get("found").and_then(Value::as_bool) == Some(true)).then(|| doc.clone()));
            }
        }
        Ok(found)
    }

    /// Operations in as many requests as they need; what became of each. `visible`: before the answer.
    pub(super) async fn bulk(&self, operations: &[Operation], visible: bool) -> Result<Vec<Done>, StoreError> {
        let mut done = Vec::with_capacity(operations.len());
        let path = if visible { "_bulk?refresh=true" } else { "_bulk" };
        let mut body = Vec::new();
        let mut count = 0;
        for operation in operations {
            if count == BULK_OPERATIONS || body.len() > BULK_BYTES {
                done.extend(self.one_bulk(path, std::mem::take(&mut body), count).await?);
                count = 0;
            }
            operation.write(&mut body);
            count += 1;
        }
        if count > 0 {
            done.extend(self.one_bulk(path, body, count).await?);
        }
        Ok(done)
    }

    async fn one_bulk(&self, path: &str, body: Vec<u8>, count: usize) -> Result<Vec<Done>, StoreError> {
        let (status, answer) = self.send(Method::POST, path, "application/x-ndjson", body).await?;
        let items = answer.get("items").and_then(Value::as_array).filter(|items| items.len() == count);
        let Some(items) = items.filter(|_| status == 200) else {
            return Err(self.unavailable(format!("{status} to a bulk request: {}", reason(&answer)), None));
        };
        items.iter().map(|item| self.done(item)).collect()
    }

    fn done(&self, item: &Value) -> Result<Done, StoreError> {
        let item = item.as_object().and_then(|item| item.values().next()).unwrap_or(&Value::Null);
        let why = || {
            let cause = item.pointer("/error/caused_by/reason").and_then(Value::as_str).unwrap_or_default();
            format!("{} {cause}", reason(item)).trim().to_owned()
        };
        match item.get("status").and_then(Value::as_u64) {
            Some(200..=299) => Ok(Done::Yes),
            Some(409) => Ok(Done::Conflict),
            // A document that should have gone is gone.
            Some(404) if item.get("error").is_none() => Ok(Done::Yes),
            Some(400 | 413) => Ok(Done::Never(why())),
            _ => Err(self.unavailable(why(), None)),
        }
    }

    /// What was written before this call can be found after it.
    pub(super) async fn refresh(&self, index: &str) -> Result<(), StoreError> {
        self.json(Method::POST, &format!("{index}/_refresh"), None).await.map(drop)
    }
}

/// The server's reason of a refusal, short.
pub(super) fn reason(answer: &Value) -> String {
    let error = answer.get("error").unwrap_or(answer);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let root = error.pointer("/root_cause/0");
    let cause =
        error.pointer("/caused_by/reason").or_else(|| error.pointer("/failed_shards/0/reason/caused_by/reason"));
    let reason = text(cause)
        .or_else(|| text(root.and_then(|root| root.get("reason"))))
        .or_else(|| text(error.get("reason")))
        .or_else(|| text(Some(error)))
        .unwrap_or_else(|| "no reason given".to_owned());
    reason.chars().take(EXCERPT).collect()
}

/// Hits of a search.
pub(super) fn hits(answer: &Value) -> &[Value] {
    answer.pointer("/hits/hits").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A number of a hit's `sort`.
pub(super) fn sort_value(hit: &Value, place: usize) -> i64 {
    hit.get("sort").and_then(|sort| sort.get(place)).and_then(Value::as_i64).unwrap_or_default()
}

/// How many documents a search found, and whether that is all.
pub(super) fn total(answer: &Value) -> crate::Total {
    let count = answer.pointer("/hits/total/value").and_then(Value::as_u64).unwrap_or_default();
    let exact = answer.pointer("/hits/total/relation").and_then(Value::as_str) == Some("eq");
    crate::Total { count, exact }
}

/// Buckets of an aggregation.
pub(super) fn buckets<'a>(answer: &'a Value, path: &str) -> &'a [Value] {
    let path = format!("/aggregations/{path}/buckets");
    answer.pointer(&path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Documents of a bucket.
pub(super) fn doc_count(bucket: &Value) -> u64 {
    bucket.get("doc_count").and_then(Value::as_u64).unwrap_or_default()
}
