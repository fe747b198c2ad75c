//! Policies that delete, and in a data stream roll over, what was written: Elasticsearch's index lifecycle management (ILM) and
//! OpenSearch's index state management (ISM).
//!
//! *Invariants*: 1. a policy is put where none of its name is, and never written over: people may have changed it; 2. its name is one of
//! ours and tells the retention where it can, so that another retention is another policy; 3. only our own indices have it: those of the incumbent's
//! family are named one by one, never by a pattern that would take the incumbent's with it.
//!
//! *Spec*: the reference pages of `PUT _ilm/policy`, and of ISM's policies, `add`, and templates, which for a data stream are compared
//! with the stream's name and not with those of the indices behind it.

use super::setup::{Product, STREAMS, accepted, put};
use super::{ElasticConfig, Layout};
use crate::sinks::http::HttpClient;
use reqwest::Method;
use serde_json::{Map, Value, json};

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

/// A data stream goes on with a new index after a day, or when its one shard has this size.
const ROLL_AGE: &str = "1d";
const ROLL_SIZE: &str = "25gb";
/// Nothing is written to an index of this age any more.
const WARM_AGE: &str = "3d";

/// `tapir-events-91d`, `tapir-alerts-forever`. OpenSearch refuses a second policy for the same streams, so there is one there.
pub(super) fn name(config: &ElasticConfig, product: Product) -> String {
    let family = match config.layout {
        Layout::Ecs if product != Product::Elasticsearch => return "tapir-alerts".to_owned(),
        Layout::Calico => "tapir-events",
        Layout::Ecs => "tapir-alerts",
    };
    match config.retention.days() {
        Some(days) => format!("{family}-{days}d"),
        None => format!("{family}-forever"),
    }
}

/// Puts the policy there, unless one of its name is.
pub(super) async fn ensure(client: &HttpClient, config: &ElasticConfig, product: Product) -> Result<(), String> {
    let name = name(config, product);
    let (what, path, body) = match product {
        Product::Elasticsearch => ("life-cycle policy", format!("_ilm/policy/{name}"), ilm(config)),
        Product::OpenSearch { policies: true } => {
            ("state policy", format!("_plugins/_ism/policies/{name}"), ism(config))
        }
        Product::OpenSearch { policies: false } => return Ok(()),
    };
    let found = client.send(Method::GET, &path, &[], Vec::new()).await?;
    if found.status.as_u16() != 404 {
        return accepted(what, &name, &found);
    }
    let answer = put(client, &path, &body).await?;
    // 409: another node was quicker (OpenSearch; Elasticsearch takes the same text twice).
    if answer.status.as_u16() == 409 { Ok(()) } else { accepted(what, &name, &answer) }
}

/// Has OpenSearch look after an index of the incumbent's family. An index that has a policy keeps it.
pub(super) async fn attach(
    client: &HttpClient,
    config: &ElasticConfig,
    product: Product,
    index: &str,
) -> Result<(), String> {
    if product != (Product::OpenSearch { policies: true }) {
        return Ok(());
    }
    let body = json!({ "policy_id": name(config, product) }).to_string().into_bytes();
    let headers = [("content-type", "application/json".to_owned())];
    let answer = client.send(Method::POST, &format!("_plugins/_ism/add/{index}"), &headers, body).await?;
    accepted("state policy of index", index, &answer)
}

/// Indices of the incumbent's family are one a day, so only a data stream rolls over.
fn ilm(config: &ElasticConfig) -> Value {
    let hot = match config.layout {
        Layout::Calico => json!({}),
        Layout::Ecs => json!({ "rollover": { "max_age": ROLL_AGE, "max_primary_shard_size": ROLL_SIZE } }),
    };
    let mut phases = Map::new();
    phases.insert("hot".to_owned(), json!({ "actions": hot }));
    let merge = json!({ "min_age": WARM_AGE, "actions": { "forcemerge": { "max_num_segments": 1 } } });
    phases.insert("warm".to_owned(), merge);
    if let Some(days) = config.retention.days() {
        let delete = json!({ "min_age": format!("{days}d"), "actions": { "delete": {} } });
        phases.insert("delete".to_owned(), delete);
    }
    json!({ "policy": { "phases": phases } })
}

fn ism(config: &ElasticConfig) -> Value {
    let after = |state: &str, age: &str| json!([{ "state_name": state, "conditions": { "min_index_age": age } }]);
    let hot = match config.layout {
        Layout::Calico => json!([]),
        // One primary shard, so this is the size of it; every version knows the word.
        Layout::Ecs => json!([{ "rollover": { "min_index_age": ROLL_AGE, "min_size": ROLL_SIZE } }]),
    };
    let end = config.retention.days().map_or(json!([]), |days| after("delete", &format!("{days}d")));
    let mut states = vec![
        json!({ "name": "hot", "actions": hot, "transitions": after("warm", WARM_AGE) }),
        json!({ "name": "warm", "actions": [{ "force_merge": { "max_num_segments": 1 } }], "transitions": end }),
    ];
    if config.retention.days().is_some() {
        states.push(json!({ "name": "delete", "actions": [{ "delete": {} }], "transitions": [] }));
    }
    let mut policy = json!({ "description": "Tapir's events", "default_state": "hot", "states": states });
    if let (Layout::Ecs, Some(policy)) = (config.layout, policy.as_object_mut()) {
        policy.insert("ism_template".to_owned(), json!([{ "index_patterns": [STREAMS], "priority": 100 }]));
    }
    json!({ "policy": policy })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(layout: Layout, retention: Retention) -> ElasticConfig {
        ElasticConfig { layout, retention, ..ElasticConfig::default() }
    }

    #[test]
    fn policies_are_ours_by_name_and_another_retention_is_another_policy() {
        for (layout, retention, expected) in [
            (Layout::Calico, Retention::Default, "tapir-events-91d"),
            (Layout::Calico, Retention::Forever, "tapir-events-forever"),
            (Layout::Ecs, Retention::Days(30), "tapir-alerts-30d"),
        ] {
            assert_eq!(name(&config(layout, retention), Product::Elasticsearch), expected);
        }
        let opensearch = Product::OpenSearch { policies: true };
        assert_eq!(name(&config(Layout::Ecs, Retention::Days(30)), opensearch), "tapir-alerts");
    }

    #[test]
    fn a_data_stream_rolls_over_after_a_day_or_25_gb_and_daily_indices_do_not() {
        let ecs = config(Layout::Ecs, Retention::Days(30));
        assert_eq!(
            ilm(&ecs)["policy"]["phases"]["hot"]["actions"]["rollover"],
            json!({ "max_age": "1d", "max_primary_shard_size": "25gb" })
        );
        assert_eq!(ilm(&ecs)["policy"]["phases"]["delete"]["min_age"], "30d");
        let policy = &ism(&ecs)["policy"];
        assert_eq!(policy["states"][0]["actions"][0]["rollover"], json!({ "min_index_age": "1d", "min_size": "25gb" }));
        assert_eq!(policy["ism_template"][0]["index_patterns"], json!(["logs-tapir.alert-*"]));
        let calico = config(Layout::Calico, Retention::Default);
        assert_eq!(ilm(&calico)["policy"]["phases"]["hot"]["actions"], json!({}));
        assert_eq!(ism(&calico)["policy"]["states"][0]["actions"], json!([]));
    }

    #[test]
    fn what_is_kept_for_ever_still_rolls_over_and_is_never_deleted() {
        let ecs = config(Layout::Ecs, Retention::Forever);
        for text in [ilm(&ecs).to_string(), ism(&ecs).to_string()] {
            assert!(text.contains("rollover") && !text.contains("delete"), "{text}");
        }
    }

    #[test]
    fn no_policy_names_the_incumbents_indices_by_a_pattern() {
        assert_eq!(ism(&config(Layout::Calico, Retention::Default))["policy"].get("ism_template"), None);
    }
}
