//! What the server is, and what it gets before the first event: a policy, the template of the data stream, each day's index.
//!
//! Names and field types are the incumbent's (`calico-dpi.md` section 4.2), so that its users' data views and dashboards go on
//! working. The incumbent may write to the same server: nothing of its own (policy, template, roll-over) is touched. A server without
//! life-cycle management keeps everything.

use super::{ElasticConfig, Layout, mappings, policy};
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

/// Data streams of ours.
pub(super) const STREAMS: &str = "logs-tapir.alert-*";

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

/// Asks who the server is and puts policy and template there, unless told not to.
pub(super) async fn run(client: &HttpClient, config: &ElasticConfig) -> Result<Product, String> {
    let product = product(client).await?;
    if config.no_setup {
        return Ok(product);
    }
    policy::ensure(client, config, product).await?;
    if config.layout == Layout::Ecs {
        let name = "logs-tapir.alert";
        let answer = put(client, &format!("_index_template/{name}"), &stream_template(config, product)).await?;
        accepted("index template", name, &answer)?;
    }
    Ok(product)
}

/// Makes an index of the incumbent's family, if it is not there.
///
/// An index is made by itself, because a template would match the indices that the incumbent rolls over to as well: it would take their
/// life cycle from them, and a template with the alias makes Elasticsearch refuse the roll-over.
pub(super) async fn make_index(
    client: &HttpClient,
    config: &ElasticConfig,
    product: Product,
    index: &str,
) -> Result<(), String> {
    let answer = put(client, index, &index_body(config, product)).await?;
    // Another node made it, or somebody before us; an alias of this name is somebody's choice, too.
    let is_there = answer.status.as_u16() == 400
        && ["resource_already_exists_exception", "already exists as alias"]
            .iter()
            .any(|word| answer.excerpt().contains(word));
    if !is_there {
        accepted("index", index, &answer)?;
    }
    policy::attach(client, config, product, index).await
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

pub(super) async fn put(client: &HttpClient, path: &str, body: &Value) -> Result<Answer, String> {
    let headers = [("content-type", "application/json".to_owned())];
    client.send(Method::PUT, path, &headers, body.to_string().into_bytes()).await
}

pub(super) fn accepted(what: &str, name: &str, answer: &Answer) -> Result<(), String> {
    if answer.status.is_success() {
        return Ok(());
    }
    let hint = match answer.status.as_u16() {
        401 | 403 => "; give the sink's user the right to manage it, or set it up yourself and turn the setup off",
        _ => "",
    };
    Err(format!("the server refused the {what} {name} ({}){hint}: {}", answer.status.as_u16(), answer.excerpt()))
}

fn settings(config: &ElasticConfig, product: Product) -> Map<String, Value> {
    let mut settings = Map::new();
    settings.insert("number_of_shards".to_owned(), 1.into());
    settings.insert("refresh_interval".to_owned(), "1s".into());
    if product == Product::Elasticsearch {
        // Always ours: where the incumbent's template matches, its policy would wait for a roll-over that never comes.
        settings.insert("index.lifecycle.name".to_owned(), policy::name(config, product).into());
    }
    settings
}

/// An index of the incumbent's family: its settings and its mapping, and its alias for those who read through it. The incumbent
/// writes through the alias, so that ours says of itself that it is not meant.
fn index_body(config: &ElasticConfig, product: Product) -> Value {
    let mut settings = settings(config, product);
    settings.insert("number_of_replicas".to_owned(), 0.into());
    let lowercase = json!({ "normalizer": { "lowercase": { "type": "custom", "filter": ["lowercase"] } } });
    settings.insert("analysis".to_owned(), lowercase);
    let alias = format!("tigera_secure_ee_events.{}.", family(config));
    json!({
        "settings": settings,
        "mappings": mappings::calico(),
        "aliases": { (alias): { "is_write_index": false } },
    })
}

fn stream_template(config: &ElasticConfig, product: Product) -> Value {
    json!({
        "index_patterns": [STREAMS],
        "priority": 200,
        "data_stream": {},
        "template": { "settings": settings(config, product), "mappings": mappings::ecs() },
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
        let opensearch = Product::OpenSearch { policies: true };
        assert!(!index_body(&config(), opensearch).to_string().contains("lifecycle"));
        assert!(!stream_template(&config(), opensearch).to_string().contains("lifecycle"));
        let body = index_body(&config(), Product::Elasticsearch);
        assert_eq!(body["settings"]["index.lifecycle.name"], "tapir-events-91d");
        assert_eq!(body["aliases"], json!({ "tigera_secure_ee_events.prod.": { "is_write_index": false } }));
    }

    #[test]
    fn no_template_of_ours_matches_the_incumbents_indices() {
        let body = stream_template(&config(), Product::Elasticsearch).to_string();
        assert!(!body.contains("tigera_secure_ee_events"), "{body}");
    }
}
