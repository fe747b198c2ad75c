//! Indices and their mappings, made when they are not there.
//!
//! | index | documents | found by |
//! | --- | --- | --- |
//! | `-events` | one for each event | values of its facts, time, arrival, group |
//! | `-groups` | one for each group, one shard | its facts and figures |
//! | `-audit` | who did what | number, person, group |
//! | `-state` | settings, suppressions, exceptions, views, undo, batches on their way | kind |
//!
//! Whole documents and rows lie in `row`, `doc` and `body`, which the server stores and does not index.

use super::OpenSearchConfig;
use super::server::{Operation, Server};
use crate::StoreError;
use crate::cursor::Signer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tapir_outbound::Method;

/// Version of the mappings.
const SCHEMA: u64 = 1;
/// The document with the store's own settings.
const META: &str = "meta";

/// Names of the indices.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub events: String,
    pub groups: String,
    pub audit: String,
    pub state: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Result<Self, StoreError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let first = prefix.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if prefix.len() > 200 || !first || !prefix.bytes().all(plain) {
            return Err(StoreError::Invalid(format!(
                "`{prefix}` cannot begin the names of indices: use lower-case letters, digits, `-`, `_` and `.`"
            )));
        }
        let name = |rest: &str| format!("{prefix}-{rest}");
        Ok(Self { events: name("events"), groups: name("groups"), audit: name("audit"), state: name("state") })
    }
}

/// Makes what is missing; the signer of cursors.
pub(super) async fn prepare(server: &Server, names: &Names, config: &OpenSearchConfig) -> Result<Signer, StoreError> {
    let replicas = match config.replicas {
        Some(replicas) => replicas,
        None => {
            let health = server.json(Method::GET, "_cluster/health", None).await?;
            u32::from(health.get("number_of_data_nodes").and_then(Value::as_u64) > Some(1))
        }
    };
    for (name, shards, mapping) in [
        (&names.events, config.shards.max(1), events()),
        (&names.groups, 1, groups()),
        (&names.audit, 1, audit()),
        (&names.state, 1, state()),
    ] {
        let index = json!({
            "settings": { "index": {
                "number_of_shards": shards,
                "number_of_replicas": replicas,
                "refresh_interval": "1s",
                "codec": "best_compression",
                "max_regex_length": 20_000,
                "mapping.total_fields.limit": 500,
            } },
            "mappings": mapping,
        });
        let (status, answer) =
            server.send(Method::PUT, name, "application/json", index.to_string().into_bytes()).await?;
        let there = answer.pointer("/error/type").and_then(Value::as_str) == Some("resource_already_exists_exception");
        if status != 200 && !there {
            let why = super::server::reason(&answer);
            return Err(StoreError::Invalid(format!("the index {name} cannot be made: {why}")));
        }
    }
    signer(server, names).await
}

/// The key of cursors, made by whoever comes first.
async fn signer(server: &Server, names: &Names) -> Result<Signer, StoreError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| StoreError::Internal(format!("no random numbers: {error}")))?;
    let meta = json!({ "kind": META, "body": { "schema": SCHEMA, "cursor_key": STANDARD.encode(key) } });
    server.bulk(&[Operation::create(&names.state, META, &meta)], true).await?;
    let found = server.documents(&names.state, &[META.to_owned()], "body").await?;
    let body = found.into_iter().flatten().next().and_then(|doc| doc.pointer("/_source/body").cloned());
    let body = body.unwrap_or_default();
    let schema = body.get("schema").and_then(Value::as_u64).unwrap_or_default();
    if schema != SCHEMA {
        return Err(StoreError::Invalid(format!(
            "the indices have schema {schema}, and this version knows {SCHEMA}; run the version that made them"
        )));
    }
    let key = body.get("cursor_key").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok());
    key.map(Signer::new).ok_or_else(|| StoreError::Internal("the store's key cannot be read".to_owned()))
}

/// Values by the names of the query language: `k` text as it is, `m` prose with marked words, `n` numbers, `a`
/// addresses as digits.
fn facts(properties: Value) -> Value {
    let by_path =
        |path: &str, mapping: Value| json!({ path: { "path_match": format!("{path}.*"), "mapping": mapping } });
    let object = |known: Value| json!({ "type": "object", "dynamic": true, "properties": known });
    let (long, keyword) = (long(), keyword());
    // What lists are ordered and collected by is known before the first document comes.
    let mut all = json!({
        "k": object(json!({ "group": keyword })), "m": object(json!({})), "a": object(json!({})),
        "n": object(json!({ "count": long, "first_seen": long, "last_seen": long })),
        "has": searched(),
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), properties) {
        all.extend(more);
    }
    json!({
        "dynamic": false,
        "date_detection": false,
        "dynamic_templates": [
            by_path("k", keyword), by_path("m", searched()), by_path("n", long), by_path("a", searched()),
        ],
        "properties": all,
    })
}

fn long() -> Value {
    json!({ "type": "long" })
}

fn keyword() -> Value {
    json!({ "type": "keyword" })
}

/// Words that are searched and never counted.
fn searched() -> Value {
    json!({ "type": "keyword", "doc_values": false })
}

/// Words that are counted and never searched.
fn counted() -> Value {
    json!({ "type": "keyword", "index": false })
}

/// Numbers that lists are ordered by, or counted over, and that are never searched.
fn order() -> Value {
    json!({ "type": "long", "index": false })
}

fn kept() -> Value {
    json!({ "type": "object", "enabled": false })
}

fn events() -> Value {
    facts(json!({
        "@timestamp": { "type": "date" },
        "t": long(), "second": order(), "day": long(), "got": long(), "arrival": long(), "key": order(),
        "level": keyword(), "sup": keyword(), "shape": counted(), "group_shape": searched(), "pair": counted(),
        "texts": searched(), "client_key": searched(), "server_key": searched(),
        "r": searched(), "ri": searched(), "rt": searched(),
        "row": kept(), "raw": { "type": "binary" },
    }))
}

fn groups() -> Value {
    facts(json!({
        "key": order(), "born": order(), "all": long(), "hidden": long(), "sev": order(),
        "client_key": searched(), "server_key": searched(), "opened": keyword(),
        "doc": kept(),
    }))
}

fn audit() -> Value {
    json!({ "dynamic": false, "properties": {
        "id": long(), "who": keyword(), "group": keyword(), "action": keyword(),
        "@timestamp": { "type": "date" },
        "body": kept(),
    } })
}

fn state() -> Value {
    json!({ "dynamic": false, "properties": {
        "kind": keyword(), "owner": keyword(), "shared": { "type": "boolean" }, "id": long(), "at": long(),
        "body": kept(),
    } })
}
