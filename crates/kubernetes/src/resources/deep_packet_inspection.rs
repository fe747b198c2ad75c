//! Calico's `DeepPacketInspection`: which pods of a namespace are inspected, and what each node says of it.
//!
//! *Invariants*: an absent `active.success` is false; at most [`MAX_ERRORS`] errors of a node.
//! *Spec*: tigera/api `deeppacketinspection.go`. The schema is Calico's but for what the API server can refuse of a selector, and for
//! `conditions` and the `endpoints` of a node, which the API server drops where the definition is Calico's.

use super::{Condition, Counts, schema};
use crate::selector::{Selector, SelectorError};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Errors kept of a node.
pub const MAX_ERRORS: usize = 10;

/// What to inspect.
#[derive(CustomResource, JsonSchema, Serialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "projectcalico.org",
    version = "v3",
    kind = "DeepPacketInspection",
    plural = "deeppacketinspections",
    singular = "deeppacketinspection",
    namespaced,
    status = "DeepPacketInspectionStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "Inspects the traffic of the pods of its namespace that a selector matches."
)]
pub struct DeepPacketInspectionSpec {
    /// Pods of this namespace to inspect, in Calico's selector language. Absent or empty: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selector")]
    pub selector: Option<String>,
}

/// An absent spec, which Calico's schema allows, is one without a selector: not an error that would end the watch of all.
impl<'de> Deserialize<'de> for DeepPacketInspectionSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            selector: Option<String>,
        }
        let fields = Option::<Fields>::deserialize(deserializer)?;
        Ok(Self { selector: fields.and_then(|fields| fields.selector) })
    }
}

impl DeepPacketInspectionSpec {
    /// The selector, joined with the namespace of the resource.
    pub fn selector(&self, namespace: &str) -> Result<Selector, SelectorError> {
        Ok(Selector::parse(self.selector.as_deref().unwrap_or_default())?.in_namespace(namespace))
    }
}

/// What nodes say.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct DeepPacketInspectionStatus {
    /// One entry a node; the list is written as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub nodes: Vec<NodeEntry>,
    /// Accepted, Ready: what the operator makes of what nodes say. Not Calico's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::condition_map")]
    pub conditions: Vec<Condition>,
}

/// What a node says.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeEntry {
    /// Name of the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Whether it inspects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Active>,
    /// Endpoints of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Counts>,
    /// What went wrong and still is, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 10, "x-kubernetes-list-type" = "atomic"))]
    pub error_conditions: Vec<ErrorCondition>,
}

impl NodeEntry {
    /// Whether every selected pod of the node is inspected.
    pub fn success(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.success)
    }
}

/// Whether a node inspects.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Active {
    /// Every selected pod of the node is inspected. Absent: no.
    #[serde(default, skip_serializing_if = "is_false")]
    pub success: bool,
    /// When this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_updated: Option<Time>,
}

/// Something that went wrong.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ErrorCondition {
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_updated: Option<Time>,
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> DeepPacketInspection {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_tutorials_resource_is_read() {
        let resource = read(json!({
            "apiVersion": "projectcalico.org/v3",
            "kind": "DeepPacketInspection",
            "metadata": {"name": "sample-dpi-frontend", "namespace": "hipstershop"},
            "spec": {"selector": "app == \"frontend\""},
        }));
        let selector = resource.spec.selector("hipstershop").unwrap().to_string();
        assert_eq!(selector, r#"(app == "frontend" && projectcalico.org/namespace == "hipstershop")"#);
    }

    #[test]
    fn no_selector_and_even_no_spec_mean_everything_in_the_namespace() {
        for spec in [json!({}), json!({"selector": ""}), json!({"selector": null})] {
            let resource = read(json!({"metadata": {"name": "x"}, "spec": spec}));
            assert_eq!(resource.spec.selector("shop").unwrap(), Selector::all().in_namespace("shop"));
        }
        assert_eq!(read(json!({"metadata": {"name": "x"}})).spec, DeepPacketInspectionSpec::default());
    }

    #[test]
    fn a_missing_success_is_false_and_false_is_not_written() {
        let entry: NodeEntry =
            serde_json::from_value(json!({"node": "n", "active": {"lastUpdated": "2026-11-24T03:12:07Z"}})).unwrap();
        assert!(!entry.success());
        assert_eq!(
            serde_json::to_value(&entry).unwrap(),
            json!({"node": "n", "active": {"lastUpdated": "2026-11-24T03:12:07Z"}})
        );
        assert!(!NodeEntry::default().success());
    }

    #[test]
    fn the_list_of_errors_is_bounded_as_the_schema_says() {
        let schema = serde_json::to_value(schemars::schema_for!(NodeEntry)).unwrap();
        assert_eq!(schema["properties"]["errorConditions"]["maxItems"], MAX_ERRORS);
    }
}
