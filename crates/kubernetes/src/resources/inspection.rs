//! Tapir's own `Inspection`: what is inspected in the whole cluster, with which rules, and what became of it.
//!
//! *How it fits*: it says what `DeepPacketInspection` cannot: several namespaces, the nodes themselves, rules, evidence. Agents
//! report into `status.nodes`, each under its own name with server-side apply; the operator writes conditions and the summary.
//! *Invariants*: references to ConfigMaps and Secrets have no namespace: they are looked for in Tapir's own, so that whoever
//! may create an `Inspection` cannot read other people's secrets through it.
//! *Limits*: those of the schema; an object of Kubernetes has about 1.5 MiB, which is some 3,000 nodes.

mod evidence;
mod rules;
mod status;

pub use evidence::{Capture, Evidence};
pub use rules::{KeyRef, ObjectRef, OciArtifact, Policy, Rules, Source, UrlSource, Variable};
pub use status::{Counts, InspectionStatus, NodeError, NodeReport, RulesReport, Summary};

use super::schema;
use crate::selector::{Selector, SelectorError};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to inspect, and how.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "tapir.dev",
    version = "v1alpha1",
    kind = "Inspection",
    plural = "inspections",
    singular = "inspection",
    shortname = "insp",
    category = "tapir",
    status = "InspectionStatus",
    derive = "PartialEq",
    doc = "Inspects the traffic of workloads in any namespace, and of nodes.",
    printcolumn = r#"{"name": "Selector", "type": "string", "jsonPath": ".spec.workloads.selector"}"#,
    printcolumn = r#"{"name": "Nodes ready", "type": "string", "jsonPath": ".status.summary.nodes"}"#,
    printcolumn = r#"{"name": "Endpoints", "type": "string", "jsonPath": ".status.summary.endpoints", "description": "attached of selected"}"#,
    printcolumn = r#"{"name": "Alerts 24h", "type": "integer", "jsonPath": ".status.summary.alerts24h"}"#,
    printcolumn = r#"{"name": "Namespaces", "type": "string", "jsonPath": ".spec.workloads.namespaceSelector", "priority": 1}"#,
    printcolumn = r#"{"name": "Why", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.workloads) || has(self.host)", "message": "name workloads, host or both: nothing would be inspected"}
]))]
pub struct InspectionSpec {
    /// Pods with a network of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Workloads>,
    /// The nodes' own interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Nodes on which it holds, by their labels, in Calico's selector language. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selector")]
    pub node_selector: Option<String>,
    /// Which rules. Absent: those of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
    /// Variables of rules, like HOME_NET. Those that are not named are as on the node; HOME_NET and EXTERNAL_NET are any there,
    /// since rules that look at one direction only would be silent otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 64, "x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub variables: Vec<Variable>,
    /// What is kept of the traffic behind an alert. Absent: the bytes that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// Pods with a network of their own.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Workloads {
    /// Namespaces, by their labels, in Calico's selector language; projectcalico.org/name is the name. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selector")]
    pub namespace_selector: Option<String>,
    /// Pods in them, by their labels, in Calico's selector language. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selector")]
    pub selector: Option<String>,
}

/// The nodes' own interfaces.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Names of interfaces; * and ? stand for any characters and for one.
    #[schemars(extend("minItems" = 1, "maxItems" = 32, "x-kubernetes-list-type" = "set"), inner(regex(pattern = r"^[A-Za-z0-9_.:@*?-]{1,15}$")))]
    pub interfaces: Vec<String>,
    /// Also names the pods that use the network of their node, where workloads selects them, as parties of alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_network_pods: Option<bool>,
}

/// The selectors of an [`Inspection`], read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selectors {
    /// Pods, if any are to be inspected: namespaces by their labels, and pods in them.
    pub workloads: Option<(Selector, Selector)>,
    /// Nodes.
    pub nodes: Selector,
}

impl InspectionSpec {
    /// Reads the selectors; the error comes with the field that it is in.
    pub fn selectors(&self) -> Result<Selectors, (&'static str, SelectorError)> {
        let read = |field, text: &Option<String>| {
            Selector::parse(text.as_deref().unwrap_or_default()).map_err(|error| (field, error))
        };
        let workloads = match &self.workloads {
            Some(workloads) => Some((
                read("spec.workloads.namespaceSelector", &workloads.namespace_selector)?,
                read("spec.workloads.selector", &workloads.selector)?,
            )),
            None => None,
        };
        Ok(Selectors { workloads, nodes: read("spec.nodeSelector", &self.node_selector)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(value: serde_json::Value) -> InspectionSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn absent_selectors_select_everything() {
        let read = spec(json!({"workloads": {}})).selectors().unwrap();
        assert_eq!(read, Selectors { workloads: Some((Selector::all(), Selector::all())), nodes: Selector::all() });
        assert_eq!(spec(json!({"host": {"interfaces": ["eth0"]}})).selectors().unwrap().workloads, None);
    }

    #[test]
    fn an_error_names_its_field() {
        let (field, error) = spec(json!({"workloads": {"selector": "app = 'x'"}})).selectors().unwrap_err();
        assert_eq!((field, error.position), ("spec.workloads.selector", 4));
        let (field, _) = spec(json!({"nodeSelector": "("})).selectors().unwrap_err();
        assert_eq!(field, "spec.nodeSelector");
    }

    #[test]
    fn an_inspection_is_written_as_it_was_read() {
        let all = json!({
            "workloads": {"namespaceSelector": "team == \"pay\"", "selector": "app == \"frontend\""},
            "host": {"interfaces": ["eth0", "bond*"], "hostNetworkPods": true},
            "nodeSelector": "zone == \"a\"",
            "rules": {
                "policy": "security",
                "bundled": false,
                "enable": ["1:21562"],
                "disable": ["1:408"],
                "sources": [
                    {"name": "own", "configMap": {"name": "my-rules", "key": "local.rules"}},
                    {"name": "paid", "secret": {"name": "paid-rules"}},
                    {"name": "feed", "url": {"url": "https://rules.example/r.tar.gz", "digest": format!("sha256:{}", "0".repeat(64)), "credentials": {"name": "feed"}}},
                    {"name": "image", "oci": {"reference": format!("registry.example/rules@sha256:{}", "0".repeat(64))}},
                ],
            },
            "variables": [{"name": "HOME_NET", "value": "10.0.0.0/8"}],
            "evidence": {"capture": "packets", "maxBytes": 4096, "maxPackets": 64},
        });
        assert_eq!(serde_json::to_value(spec(all.clone())).unwrap(), all);
    }
}
