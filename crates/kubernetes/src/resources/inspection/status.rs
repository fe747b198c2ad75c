//! What became of an inspection.

use super::super::condition::Condition;
use super::super::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of an inspection.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InspectionStatus {
    /// Generation of the resource that conditions and summary are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, RulesLoaded, Attached, Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::condition_map")]
    pub conditions: Vec<Condition>,
    /// All nodes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Every node that has something to inspect, each with an owner of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["node"]))]
    pub nodes: Vec<NodeReport>,
}

/// All nodes together, as tables show it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Nodes ready of nodes with something to inspect: 3/4.
    pub nodes: String,
    /// Endpoints attached of endpoints selected: 11/12.
    pub endpoints: String,
    /// Alerts of the last 24 hours.
    #[serde(default, rename = "alerts24h", skip_serializing_if = "Option::is_none")]
    pub alerts_24h: Option<i64>,
}

/// What a node says.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    /// Name of the node.
    pub node: String,
    /// Generation of the resource that the node works by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Every selected endpoint is attached and the rules are loaded.
    pub ready: bool,
    /// Pods and interfaces.
    pub endpoints: Counts,
    /// Rules.
    pub rules: RulesReport,
    /// Packets inspected since the agent began.
    pub packets: i64,
    /// Packets lost since the agent began.
    pub drops: i64,
    /// When the last alert was raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_alert: Option<Time>,
    /// What went wrong and still is, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 10, "x-kubernetes-list-type" = "atomic"))]
    pub errors: Vec<NodeError>,
    /// When this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_updated: Option<Time>,
}

/// Endpoints of a node.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That are to be inspected.
    pub selected: i32,
    /// That are inspected.
    pub attached: i32,
}

/// Rules of a node.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RulesReport {
    /// In force.
    pub loaded: i32,
    /// Left out, since something is wrong with them.
    pub rejected: i32,
    /// Identity of the rule set; equal on nodes with equal rules.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule_set: String,
}

/// Something that went wrong.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeError {
    /// In words.
    pub message: String,
    /// When it was seen first, since it last was well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub since: Option<Time>,
    /// When it was seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_updated: Option<Time>,
}
