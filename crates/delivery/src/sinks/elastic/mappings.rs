//! Types of the fields that readers search for, in both layouts.
//!
//! *Spec*: `calico-dpi.md` section 4.2 for the incumbent's; the Elastic Common Schema for the other.

use serde_json::{Map, Value, json};

/// Longest text in a keyword field.
const IGNORE_ABOVE: u32 = 1024;

fn keyword() -> Value {
    json!({ "type": "keyword", "ignore_above": IGNORE_ABOVE })
}

/// The incumbent's fields with their types, and those of `tapir` that are searched for.
pub(super) fn calico() -> Value {
    let mut properties = Map::new();
    for name in [
        "alert",
        "attack_vector",
        "cluster",
        "description",
        "dest_name",
        "dest_name_aggr",
        "dest_namespace",
        "host",
        "id",
        "mitigations",
        "mitre_ids",
        "mitre_tactic",
        "name",
        "origin",
        "protocol",
        "source_name",
        "source_name_aggr",
        "source_namespace",
        "tenant",
        "type",
    ] {
        properties.insert(name.to_owned(), keyword());
    }
    for name in ["source_ip", "dest_ip"] {
        properties.insert(name.to_owned(), json!({ "type": "ip", "null_value": "0.0.0.0" }));
    }
    for name in ["source_port", "dest_port"] {
        properties.insert(name.to_owned(), json!({ "type": "long", "null_value": 0 }));
    }
    properties.insert("severity".to_owned(), json!({ "type": "long" }));
    properties.insert("dismissed".to_owned(), json!({ "type": "boolean" }));
    properties
        .insert("time".to_owned(), json!({ "type": "date", "format": "strict_date_optional_time||epoch_second" }));
    properties.insert("generated_time".to_owned(), json!({ "type": "date" }));
    let geo = ["asn", "city_name", "country_name", "iso"].map(|name| (name.to_owned(), keyword()));
    properties.insert("geo_info".to_owned(), json!({ "properties": Map::from_iter(geo) }));
    let record =
        ["snort_alert", "snort_signature_id", "snort_signature_revision"].map(|name| (name.to_owned(), keyword()));
    properties.insert("record".to_owned(), json!({ "properties": Map::from_iter(record) }));
    let own = ["id", "group", "shape", "level", "service", "community_id", "visibility", "direction"];
    let mut own: Map<String, Value> = own.iter().map(|name| ((*name).to_owned(), keyword())).collect();
    own.insert("evidence".to_owned(), json!({ "type": "object", "enabled": false }));
    properties.insert("tapir".to_owned(), json!({ "properties": own }));
    json!({ "dynamic": false, "properties": properties })
}

/// ECS fields that readers search; everything else stays in the source.
pub(super) fn ecs() -> Value {
    json!({
        "dynamic": true,
        "dynamic_templates": [
            { "addresses": { "match": "ip", "match_mapping_type": "string", "mapping": { "type": "ip" } } },
            { "texts": { "match_mapping_type": "string", "mapping": keyword() } },
        ],
        "properties": {
            "@timestamp": { "type": "date_nanos" },
            "message": { "type": "text", "fields": { "keyword": keyword() } },
            "related": { "properties": { "ip": { "type": "ip" } } },
            "tapir": { "properties": { "evidence": { "type": "object", "enabled": false } } },
        },
    })
}
