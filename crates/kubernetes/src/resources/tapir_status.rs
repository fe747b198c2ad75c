//! Tapir's own `TapirStatus`: how a part of the installation is, for people who look at all of it with one command.
//!
//! *How it fits*: the operator writes one a part, [`INSPECTION`] and [`MANAGER`]; nobody else writes. Its conditions are those that
//! operators of clusters know: Available, Progressing, Degraded.
//! *Limits*: it has no spec: nothing is asked for by writing one.

use super::condition::Condition;
use super::schema;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The agents on the nodes.
pub const INSPECTION: &str = "inspection";
/// The manager with its store.
pub const MANAGER: &str = "manager";

/// Nothing.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "tapir.dev",
    version = "v1alpha1",
    kind = "TapirStatus",
    plural = "tapirstatuses",
    singular = "tapirstatus",
    category = "tapir",
    status = "TapirStatusStatus",
    derive = "PartialEq",
    doc = "How a part of Tapir is. Written by the operator.",
    printcolumn = r#"{"name": "Available", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Available\")].status"}"#,
    printcolumn = r#"{"name": "Progressing", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Progressing\")].status"}"#,
    printcolumn = r#"{"name": "Degraded", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Degraded\")].status"}"#,
    printcolumn = r#"{"name": "Since", "type": "date", "jsonPath": ".status.conditions[?(@.type==\"Available\")].lastTransitionTime"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.message"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1}"#
)]
pub struct TapirStatusSpec {}

/// How it is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TapirStatusStatus {
    /// The most important of what the conditions say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Available, Progressing, Degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::condition_map")]
    pub conditions: Vec<Condition>,
}
