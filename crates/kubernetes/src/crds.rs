//! The definitions of the custom resources for the API server: `deploy/crds/*.yaml`.
//!
//! *How it fits*: `cargo run -p xtask -- crds` writes [`all`] to files, `tidy` compares them. `kube`'s derive makes most of a
//! definition from the types in [`crate::resources`]; what Calico's schema has and the derive has not is set here.
//! *Invariants*: 1. the same types give the same bytes; 2. Calico's definitions, by [`Owner::Calico`], are for clusters that have none: who
//! installs them looks first.
//! *Limits*: the schema of a definition is what the types say; nothing is checked here that they do not.

mod adjust;
mod yaml;

use crate::resources::{
    AlertException, DeepPacketInspection, Inspection, IntrusionDetection, SecurityEventWebhook,
    StoredDeepPacketInspection, Suppression, TapirStatus,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// Annotation of a `DeepPacketInspection` that the operator writes: nodes ready of nodes with something to inspect. Calico's
/// status has no place for it, and tables show it.
pub const NODES_READY: &str = "tapir.dev/nodes-ready";
/// The same for endpoints: attached of selected.
pub const ENDPOINTS: &str = "tapir.dev/endpoints";
/// Annotation of a `DeepPacketInspection`: alerts of the last day.
pub const ALERTS: &str = "tapir.dev/alerts-24h";
/// Annotation of a definition: `always` or `if-absent`.
pub const INSTALL: &str = "tapir.dev/install";

/// Whose definition it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Tapir's: installed and updated.
    Tapir,
    /// Calico's: installed only where it is absent, never changed where it is not Tapir's.
    Calico,
}

/// A definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Whose it is.
    pub owner: Owner,
    /// The object.
    pub object: Value,
}

impl Definition {
    /// Its name: `inspections.tapir.dev`.
    pub fn name(&self) -> &str {
        self.object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
    }

    /// As a file.
    pub fn yaml(&self) -> String {
        let when = match self.owner {
            Owner::Tapir => "Tapir's own.",
            Owner::Calico => "Calico's: install it only where it is absent.",
        };
        format!("# Written by `cargo run -p xtask -- crds`; do not edit. {when}\n{}", yaml::document(&self.object))
    }
}

/// A value as YAML for people: block style, sorted keys.
pub fn yaml(value: &Value) -> String {
    yaml::document(value)
}

/// All definitions, by name.
pub fn all() -> Vec<Definition> {
    let mut all = vec![
        calicos::<DeepPacketInspection>(&[]),
        calicos::<StoredDeepPacketInspection>(&[]),
        calicos::<IntrusionDetection>(&[]),
        calicos::<AlertException>(&["metadata", "spec"]),
        calicos::<SecurityEventWebhook>(&["metadata", "spec"]),
        tapirs::<Inspection>(),
        tapirs::<Suppression>(),
        tapirs::<TapirStatus>(),
    ];
    for definition in &mut all {
        match definition.name() {
            "deeppacketinspections.projectcalico.org" | "deeppacketinspections.crd.projectcalico.org" => {
                columns(&mut definition.object);
            }
            "intrusiondetections.operator.tigera.io" => only_one(&mut definition.object),
            _ => {}
        }
    }
    all.sort_by(|a, b| a.name().cmp(b.name()));
    all
}

fn tapirs<K: CustomResourceExt>() -> Definition {
    let mut object = object::<K>(Owner::Tapir);
    adjust::every_schema(&mut object);
    Definition { owner: Owner::Tapir, object }
}

/// Calico's schemas tell the type of what every resource has, and do not ask for a spec where it may be absent.
fn calicos<K: CustomResourceExt>(required: &[&str]) -> Definition {
    let mut object = object::<K>(Owner::Calico);
    adjust::every_schema(&mut object);
    if let Some(schema) = adjust::root(&mut object) {
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            adjust::put(schema, "/properties", name, json!({ "type": kind }));
        }
        match required {
            [] => drop(schema.as_object_mut().and_then(|schema| schema.remove("required"))),
            required => adjust::put(schema, "", "required", json!(required)),
        }
    }
    Definition { owner: Owner::Calico, object }
}

fn object<K: CustomResourceExt>(owner: Owner) -> Value {
    let mut object = json!(K::crd());
    let install = match owner {
        Owner::Tapir => "always",
        Owner::Calico => "if-absent",
    };
    adjust::put(&mut object, "/metadata", "annotations", json!({ INSTALL: install }));
    adjust::put(&mut object, "/metadata", "labels", json!({ "app.kubernetes.io/name": "tapir" }));
    object
}

/// What `kubectl get` shows besides the name. Calico's definition has none; this one is ours where Calico's is absent.
fn columns(object: &mut Value) {
    let annotation = |name: &str| format!(".metadata.annotations.{}", name.replace('.', "\\."));
    let columns = json!([
        { "name": "Selector", "type": "string", "jsonPath": ".spec.selector" },
        { "name": "Nodes ready", "type": "string", "jsonPath": annotation(NODES_READY) },
        { "name": "Endpoints", "type": "string", "jsonPath": annotation(ENDPOINTS), "description": "attached of selected" },
        // Of an annotation, which is a string whatever stands in it.
        { "name": "Alerts 24h", "type": "string", "jsonPath": annotation(ALERTS) },
        { "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" },
    ]);
    adjust::put(object, "/spec/versions/0", "additionalPrinterColumns", columns);
}

/// At most one resource, by its name.
fn only_one(object: &mut Value) {
    let name = crate::resources::INTRUSION_DETECTION_NAME;
    if let Some(schema) = adjust::root(object) {
        let rule = json!([{
            "rule": format!("self.metadata.name == '{name}'"),
            "message": format!("resource name must be '{name}'"),
        }]);
        adjust::put(schema, "", "x-kubernetes-validations", rule);
    }
}

#[cfg(test)]
mod tests;
