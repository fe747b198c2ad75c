//! Calico's `SecurityEventWebhook`: events that a query matches go to another's server.
//!
//! *Invariants*: consumers and states that Tapir does not know are read all the same; the schema allows any word.
//! *Limits*: [`MAX_LABELS`] labels of the annotation.
//! *Spec*: tigera/api `securityeventwebhook.go`. Its status is a bare list.

use super::condition::Condition;
use super::schema;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Labels read of the annotation.
const MAX_LABELS: usize = 64;

/// Which events go where.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "projectcalico.org",
    version = "v3",
    kind = "SecurityEventWebhook",
    plural = "securityeventwebhooks",
    singular = "securityeventwebhook",
    status = "SecurityEventWebhookStatus",
    derive = "PartialEq",
    doc = "Sends the events that a query matches to Slack, Jira, Alertmanager or any HTTP server."
)]
pub struct SecurityEventWebhookSpec {
    /// Slack, Jira, Generic or AlertManager.
    pub consumer: String,
    /// Enabled, Disabled, Test (sends one sample event, then is Enabled) or Debug (sends nothing).
    pub state: String,
    /// A query over events.
    pub query: String,
    /// Settings of the consumer.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub config: Vec<ConfigValue>,
}

impl SecurityEventWebhookSpec {
    /// The consumer, if Tapir knows it.
    pub fn consumer(&self) -> Option<Consumer> {
        match self.consumer.as_str() {
            "Slack" => Some(Consumer::Slack),
            "Jira" => Some(Consumer::Jira),
            "Generic" => Some(Consumer::Generic),
            // Calico's reference page spells it in another way than its API does.
            "AlertManager" | "Alertmanager" => Some(Consumer::AlertManager),
            _ => None,
        }
    }

    /// The state, if Tapir knows it.
    pub fn state(&self) -> Option<State> {
        match self.state.as_str() {
            "Enabled" => Some(State::Enabled),
            "Disabled" => Some(State::Disabled),
            "Test" => Some(State::Test),
            "Debug" => Some(State::Debug),
            _ => None,
        }
    }
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consumer {
    /// A channel of Slack.
    Slack,
    /// Issues of Jira.
    Jira,
    /// Any HTTP server.
    Generic,
    /// Prometheus' Alertmanager.
    AlertManager,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Events are sent.
    Enabled,
    /// Nothing.
    Disabled,
    /// One sample event is sent, then the state is Enabled.
    Test,
    /// Everything but sending.
    Debug,
}

/// One setting.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigValue {
    /// Which: url, project, basicAuth, …
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its value stands, in namespace tigera-intrusion-detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ConfigSource>,
}

/// Where the value of a setting stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSource {
    /// In a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigKey>,
    /// In a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<ConfigKey>,
}

/// A key of a ConfigMap or Secret.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ConfigKey {
    /// Name of the object.
    #[serde(default)]
    pub name: String,
    /// Key in it.
    pub key: String,
    /// Whether it may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// Conditions, as a bare list: one, of type `Healthy`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(transparent)]
pub struct SecurityEventWebhookStatus(
    /// The conditions.
    pub Vec<Condition>,
);

impl JsonSchema for SecurityEventWebhookStatus {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecurityEventWebhookStatus".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema::condition_list(generator)
    }
}

/// Labels of annotation `webhooks.projectcalico.org/labels`: `name:value,name:value`. Parts without `:` are left out.
pub fn labels_of_annotation(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once(':'));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    pairs.filter(|(name, _)| !name.is_empty()).take(MAX_LABELS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_status_is_a_bare_list() {
        let webhook: SecurityEventWebhook = serde_json::from_value(json!({
            "metadata": {"name": "slack"},
            "spec": {
                "consumer": "Slack", "state": "Enabled", "query": "type = waf",
                "config": [{"name": "url", "valueFrom": {"secretKeyRef": {"name": "s", "key": "url"}}}],
            },
            "status": [{
                "type": "Healthy", "status": "True", "reason": "WebhookValidation",
                "message": "the webhook is healthy", "lastTransitionTime": "2026-11-24T03:12:07Z",
            }],
        }))
        .unwrap();
        assert_eq!(webhook.status.as_ref().unwrap().0[0].type_, "Healthy");
        let written = serde_json::to_value(&webhook).unwrap();
        assert!(written["status"].is_array());
        assert_eq!((webhook.spec.consumer(), webhook.spec.state()), (Some(Consumer::Slack), Some(State::Enabled)));
        assert_eq!(
            written["spec"]["config"][0],
            json!({"name": "url", "valueFrom": {"secretKeyRef": {"name": "s", "key": "url"}}})
        );
    }

    #[test]
    fn both_spellings_of_the_alert_manager_are_known_and_others_are_not() {
        let spec = |consumer: &str| SecurityEventWebhookSpec {
            consumer: consumer.into(),
            state: "Paused".into(),
            query: String::new(),
            config: Vec::new(),
        };
        assert_eq!(spec("AlertManager").consumer(), spec("Alertmanager").consumer());
        assert_eq!((spec("Teams").consumer(), spec("Teams").state()), (None, None));
    }

    #[test]
    fn labels_of_the_annotation_are_pairs() {
        let labels = labels_of_annotation("team: pay,env:prod:eu,,bad,:x");
        assert_eq!(
            labels.into_iter().collect::<Vec<_>>(),
            [("env".into(), "prod:eu".into()), ("team".into(), "pay".into())]
        );
    }
}
