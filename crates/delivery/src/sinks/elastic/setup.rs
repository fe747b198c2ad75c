//! What the server is, and the templates and policies that it gets before the first event.
//!
//! Names and field types are the incumbent's (`calico-dpi.md` section 4.2), so that its users' data views and dashboards go on
//! working; a server without life-cycle management is told so in the log and keeps everything.

use super::{ElasticConfig, Layout};
use crate::sinks::http::{Answer, HttpClient};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tapir_event::{SecurityEvent, rfc3339};

/// Whose server it is; it decides how policies are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Elasticsearch, with index lifecycle management.
    Elasticsearch,
    /// OpenSearch, with index state management if the plug-in is there.
    OpenSearch {
        /// The plug-in is there.
        policies: bool,
    },
}

/// How long events are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// The incumbent's 91 days.
    #[default]
    Default,
    /// So many days.
    Days(u32),
    /// Nothing is deleted.
    Forever,
}

impl Retention {
    fn days(self) -> Option<u32> {
        match self {
            Self::Default => Some(91),
            Self::Days(days) => Some(days),
            Self::Forever => None,
        }
    }
}

/// Longest text in a keyword field.
const IGNORE_ABOVE: u32 = 1024;

/// `<tenant>.<cluster>` or `<cluster>`.
fn family(config: &ElasticConfig) -> String {
    let style = &config.style;
    if style.tenant.is_empty() { style.cluster.clone() } else { format!("{}.{}", style.tenant, style.cluster) }
}

fn stream(config: &ElasticConfig) -> String {
    let namespace = if config.namespace.is_empty() { "default" } else { &config.namespace };
    format!("logs-tapir.alert-{namespace}")
}

/// The index, or data stream, that an event is written to.
pub(super) fn write_target(event: &SecurityEvent, config: &ElasticConfig) -> String {
    match config.layout {
        Layout::Calico => {
            // Of the event's own day: a repetition meets its first copy whenever it comes.
            let day: String = rfc3339(event.time).chars().take(10).filter(char::is_ascii_digit).collect();
            format!("tigera_secure_ee_events.{}.lma-{day}", family(config))
        }
        Layout::Ecs => stream(config),
    }
}

/// Where events are looked for.
pub(super) fn read_target(config: &ElasticConfig) -> String {
    match config.layout {
        Layout::Calico => format!("tigera_secure_ee_events.{}.lma-*", family(config)),
        Layout::Ecs => stream(config),
    }
}

/// Asks who the server is and puts template and policy there, unless told not to.
pub(super) async fn run(client: &HttpClient, config: &ElasticConfig) -> Result<Product, String> {
    let product = product(client).await?;
    if config.no_setup {
        return Ok(product);
    }
    if let Some(days) = config.retention.days() {
        policy(client, config, product, days).await?;
    }
    let (name, body) = template(config, product);
    let answer = put(client, &format!("_index_template/{name}"), &body).await?;
    accepted("index template", &name, &answer)?;
    Ok(product)
}

async fn product(client: &HttpClient) -> Result<Product, String> {
    let answer = client.send(Method::GET, "", &[], Vec::new()).await?;
    if !answer.status.is_success() {
        let hint = match answer.status.as_u16() {
            401 | 403 => "; check the sink's credentials",
            _ => "",
        };
        return Err(format!("the server answered {}{hint}: {}", answer.status.as_u16(), answer.excerpt()));
    }
    let body: Value = serde_json::from_slice(&answer.body)
        .map_err(|_| "no Elasticsearch or OpenSearch answers at this address; check the sink's address".to_owned())?;
    let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if text("/version/distribution") == "opensearch" {
        let answer = client.send(Method::GET, "_plugins/_ism/policies?size=1", &[], Vec::new()).await?;
        return Ok(Product::OpenSearch { policies: answer.status.is_success() });
    }
    if text("/version/number").is_empty() {
        return Err("the server at this address does not say its version; check the sink's address".to_owned());
    }
    Ok(Product::Elasticsearch)
}

async fn put(client: &HttpClient, path: &str, body: &Value) -> Result<Answer, String> {
    let headers = [("content-type", "application/json".to_owned())];
    client.send(Method::PUT, path, &headers, body.to_string().into_bytes()).await
}

fn accepted(what: &str, name: &str, answer: &Answer) -> Result<(), String> {
    if answer.status.is_success() {
        return Ok(());
    }
    let hint = match answer.status.as_u16() {
        401 | 403 => "; give the sink's user the right to manage it, or set it up yourself and turn the setup off",
        _ => "",
    };
    Err(format!("the server refused the {what} {name} ({}){hint}: {}", answer.status.as_u16(), answer.excerpt()))
}

/// Delete after so many days. Indices are one a day, so nothing needs to roll over.
async fn policy(client: &HttpClient, config: &ElasticConfig, product: Product, days: u32) -> Result<(), String> {
    let name = policy_name(config);
    let age = format!("{days}d");
    match product {
        Product::Elasticsearch => {
            let body = json!({ "policy": { "phases": {
                "hot": { "actions": {} },
                "warm": { "min_age": "3d", "actions": { "forcemerge": { "max_num_segments": 1 } } },
                "delete": { "min_age": age, "actions": { "delete": {} } },
            }}});
            let answer = put(client, &format!("_ilm/policy/{name}"), &body).await?;
            accepted("life-cycle policy", &name, &answer)
        }
        Product::OpenSearch { policies: true } => {
            let pattern = match config.layout {
                Layout::Calico => read_target(config),
                Layout::Ecs => format!(".ds-{}-*", stream(config)),
            };
            let body = json!({ "policy": {
                "description": "Tapir's events",
                "default_state": "hot",
                "states": [
                    { "name": "hot", "actions": [], "transitions": [
                        { "state_name": "warm", "conditions": { "min_index_age": "3d" } } ] },
                    { "name": "warm", "actions": [ { "force_merge": { "max_num_segments": 1 } } ], "transitions": [
                        { "state_name": "delete", "conditions": { "min_index_age": age } } ] },
                    { "name": "delete", "actions": [ { "delete": {} } ], "transitions": [] },
                ],
                "ism_template": [ { "index_patterns": [pattern], "priority": 100 } ],
            }});
            let answer = put(client, &format!("_plugins/_ism/policies/{name}"), &body).await?;
            // It is there from an earlier start; changing it needs its sequence number, and may undo what people did.
            if answer.status.as_u16() == 409 { Ok(()) } else { accepted("state policy", &name, &answer) }
        }
        Product::OpenSearch { policies: false } => Ok(()),
    }
}

fn policy_name(config: &ElasticConfig) -> String {
    match config.layout {
        Layout::Calico => "tigera_secure_ee_events_policy".to_owned(),
        Layout::Ecs => "tapir-alerts".to_owned(),
    }
}

/// Name and body of the index template.
fn template(config: &ElasticConfig, product: Product) -> (String, Value) {
    let mut settings = Map::new();
    settings.insert("number_of_shards".to_owned(), 1.into());
    settings.insert("refresh_interval".to_owned(), "1s".into());
    if product == Product::Elasticsearch && config.retention.days().is_some() {
        settings.insert("index.lifecycle.name".to_owned(), policy_name(config).into());
    }
    match config.layout {
        Layout::Calico => {
            let family = family(config);
            let name = format!("tigera_secure_ee_events.{family}");
            settings.insert("number_of_replicas".to_owned(), 0.into());
            let lowercase = json!({ "normalizer": { "lowercase": { "type": "custom", "filter": ["lowercase"] } } });
            settings.insert("analysis".to_owned(), lowercase);
            let body = json!({
                "index_patterns": [format!("{name}.lma-*")],
                "priority": 200,
                "template": {
                    "settings": settings,
                    "mappings": calico_mappings(),
                    // The incumbent's alias, for those who read through it.
                    "aliases": { (format!("{name}.")): {} },
                },
            });
            (name, body)
        }
        Layout::Ecs => {
            let body = json!({
                "index_patterns": ["logs-tapir.alert-*"],
                "priority": 200,
                "data_stream": {},
                "template": { "settings": settings, "mappings": ecs_mappings() },
            });
            ("logs-tapir.alert".to_owned(), body)
        }
    }
}

fn keyword() -> Value {
    json!({ "type": "keyword", "ignore_above": IGNORE_ABOVE })
}

/// The incumbent's fields with their types, and those of `tapir` that are searched for.
fn calico_mappings() -> Value {
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
fn ecs_mappings() -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_event::Style;

    fn config() -> ElasticConfig {
        ElasticConfig { style: Style { cluster: "prod".into(), ..Style::default() }, ..ElasticConfig::default() }
    }

    #[test]
    fn an_event_goes_to_the_index_of_its_own_day() {
        let mut event = SecurityEvent::default();
        event.time.0 = 1_700_000_000_000_000_000;
        assert_eq!(write_target(&event, &config()), "tigera_secure_ee_events.prod.lma-20231114");
        let mut config = config();
        config.style.tenant = "t1".into();
        assert_eq!(write_target(&event, &config), "tigera_secure_ee_events.t1.prod.lma-20231114");
        config.layout = Layout::Ecs;
        assert_eq!(write_target(&event, &config), "logs-tapir.alert-default");
    }

    #[test]
    fn settings_of_the_one_product_are_not_sent_to_the_other() {
        let opensearch = Product::OpenSearch { policies: false };
        assert!(!template(&config(), opensearch).1.to_string().contains("lifecycle"));
        let (name, body) = template(&config(), Product::Elasticsearch);
        assert_eq!(name, "tigera_secure_ee_events.prod");
        assert_eq!(body["template"]["settings"]["index.lifecycle.name"], "tigera_secure_ee_events_policy");
        assert_eq!(body["template"]["aliases"], json!({ "tigera_secure_ee_events.prod.": {} }));
        let forever = ElasticConfig { retention: Retention::Forever, ..config() };
        assert!(!template(&forever, Product::Elasticsearch).1.to_string().contains("lifecycle"));
    }
}
