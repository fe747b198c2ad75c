//! Calico's `IntrusionDetection` of the operator: what the node agent may use, and where its own rules come from.
//!
//! *Invariants*: one resource, called [`NAME`]; no list of components, and an empty one, mean the defaults.
//! *Limits*: one init container. The part about the central controller is not Tapir's: it is kept as it is.
//! *Spec*: tigera/operator `api/v1/intrusiondetection_types.go`.

use super::condition::Condition;
use super::quantity::Quantity;
use super::schema;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the only resource is called.
pub const NAME: &str = "tigera-secure";

/// What the agent may use.
#[derive(CustomResource, JsonSchema, Serialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "operator.tigera.io",
    version = "v1",
    kind = "IntrusionDetection",
    plural = "intrusiondetections",
    singular = "intrusiondetection",
    status = "IntrusionDetectionStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "Resources and rules of the inspection on nodes. At most one; it must be named tigera-secure."
)]
#[serde(rename_all = "camelCase")]
pub struct IntrusionDetectionSpec {
    /// Resource requirements by component. Absent or empty: 1 CPU and 1Gi at most, 100m and 100Mi requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_resources: Option<Vec<ComponentResource>>,
    /// Without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly_detection: Option<AnomalyDetection>,
    /// Of the central controller; Tapir does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "controller_deployment")]
    pub intrusion_detection_controller_deployment: Option<Value>,
    /// The DaemonSet that inspects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep_packet_inspection_daemonset: Option<DaemonSet>,
}

/// An absent spec is one without fields.
impl<'de> Deserialize<'de> for IntrusionDetectionSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields {
            component_resources: Option<Vec<ComponentResource>>,
            anomaly_detection: Option<AnomalyDetection>,
            intrusion_detection_controller_deployment: Option<Value>,
            deep_packet_inspection_daemonset: Option<DaemonSet>,
        }
        let fields = Option::<Fields>::deserialize(deserializer)?.unwrap_or_default();
        Ok(Self {
            component_resources: fields.component_resources,
            anomaly_detection: fields.anomaly_detection,
            intrusion_detection_controller_deployment: fields.intrusion_detection_controller_deployment,
            deep_packet_inspection_daemonset: fields.deep_packet_inspection_daemonset,
        })
    }
}

impl IntrusionDetectionSpec {
    /// What the agent may use: as the first component has it, to the letter, else the defaults.
    pub fn resources(&self) -> ResourceRequirements {
        let first = self.component_resources.iter().flatten().next();
        first.map_or_else(ResourceRequirements::of_agent, |first| first.resource_requirements.clone())
    }

    /// With the defaults written out, as the incumbent's operator writes them into the resource. `None`: nothing to write.
    pub fn with_defaults(&self) -> Option<Self> {
        if self.component_resources.as_ref().is_some_and(|list| !list.is_empty()) {
            return None;
        }
        let component_resources = Some(vec![ComponentResource {
            component_name: ComponentName::DeepPacketInspection,
            resource_requirements: ResourceRequirements::of_agent(),
        }]);
        Some(Self { component_resources, ..self.clone() })
    }

    /// The init container that brings rules of one's own.
    pub fn rules_container(&self) -> Option<&InitContainer> {
        let set = self.deep_packet_inspection_daemonset.as_ref()?;
        set.spec.as_ref()?.template.as_ref()?.spec.as_ref()?.init_containers.first()
    }
}

/// Resource requirements of a component.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ComponentResource {
    /// Which component.
    pub component_name: ComponentName,
    /// Its requirements.
    pub resource_requirements: ResourceRequirements,
}

/// A component with requirements.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComponentName {
    /// The inspection on nodes.
    DeepPacketInspection,
}

/// What a container may use and is promised.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceRequirements {
    /// Claims of the pod that the container uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub claims: Vec<ResourceClaim>,
    /// The most that it may use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
    /// What it is promised.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
}

impl ResourceRequirements {
    /// The defaults of the agent on a node.
    pub fn of_agent() -> Self {
        let amounts = |cpu: &str, memory: &str| {
            let of = |text: &str| Quantity(text.to_owned());
            BTreeMap::from([("cpu".to_owned(), of(cpu)), ("memory".to_owned(), of(memory))])
        };
        Self { claims: Vec::new(), limits: amounts("1", "1Gi"), requests: amounts("100m", "100Mi") }
    }
}

/// A claim of the pod.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceClaim {
    /// Its name in the pod.
    pub name: String,
    /// A request of the claim. Absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// Without effect.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AnomalyDetection {
    /// Without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
}

/// The DaemonSet that inspects.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonSet {
    /// Its spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<DaemonSetSpec>,
}

/// Spec of the DaemonSet.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonSetSpec {
    /// Its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<DaemonSetTemplate>,
}

/// Pods of the DaemonSet.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonSetTemplate {
    /// Their spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<DaemonSetPodSpec>,
}

/// Spec of the pods.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DaemonSetPodSpec {
    /// At most one: an image that brings rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 1))]
    pub init_containers: Vec<InitContainer>,
}

/// A container that puts rules where the agent reads them, and ends.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct InitContainer {
    /// Always snort-rules.
    pub name: InitContainerName,
    /// Its image.
    pub image: String,
    /// Its resource requirements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// What the container may be called.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InitContainerName {
    /// `snort-rules`
    #[serde(rename = "snort-rules")]
    SnortRules,
}

/// How it is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct IntrusionDetectionStatus {
    /// Ready, once everything is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Ready, Progressing, Degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::condition_list")]
    pub conditions: Vec<Condition>,
}

/// The schema of the part that is not Tapir's: names of its containers are checked, the rest is kept.
fn controller_deployment(generator: &mut SchemaGenerator) -> Schema {
    let requirements = generator.subschema_for::<ResourceRequirements>();
    let probe = schema::untouched(generator);
    let list = |names: &[&str], probes: Value| {
        let mut properties = json!({ "name": { "type": "string", "enum": names }, "resources": requirements });
        if let (Value::Object(all), Value::Object(probes)) = (&mut properties, probes) {
            all.extend(probes);
        }
        let container = json!({ "type": "object", "required": ["name"], "properties": properties });
        json!({ "type": "array", "items": container })
    };
    let probes = json!({ "readinessProbe": probe, "livenessProbe": probe });
    let object = |name: &str, inner: Value| json!({ "type": "object", "properties": { name: inner } });
    let pod = json!({
        "type": "object",
        "properties": {
            "containers": list(&["controller", "webhooks-processor"], probes),
            "initContainers": list(&["intrusion-detection-tls-key-cert-provisioner"], json!({})),
        },
    });
    let template = object("template", object("spec", pod));
    json_schema!({ "type": "object", "properties": { "spec": template } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spec: Value) -> IntrusionDetection {
        let resource = json!({
            "apiVersion": "operator.tigera.io/v1",
            "kind": "IntrusionDetection",
            "metadata": {"name": NAME},
            "spec": spec,
        });
        serde_json::from_value(resource).unwrap()
    }

    #[test]
    fn the_tutorials_resource_holds_the_defaults() {
        let spec = json!({"componentResources": [{
            "componentName": "DeepPacketInspection",
            "resourceRequirements": {
                "limits": {"cpu": "1", "memory": "1Gi"},
                "requests": {"cpu": "100m", "memory": "100Mi"},
            },
        }]});
        let resource = read(spec.clone());
        assert_eq!(resource.spec.resources(), ResourceRequirements::of_agent());
        assert_eq!(resource.spec.with_defaults(), None);
        let written = read(json!({})).spec.with_defaults().unwrap();
        assert_eq!(serde_json::to_value(written).unwrap(), spec);
    }

    #[test]
    fn no_list_and_an_empty_one_mean_the_defaults() {
        for spec in [json!({}), json!({"componentResources": []}), json!({"componentResources": null})] {
            let spec = read(spec).spec;
            assert_eq!(spec.resources(), ResourceRequirements::of_agent());
            assert!(spec.with_defaults().is_some());
        }
    }

    #[test]
    fn requests_alone_give_no_limits() {
        let spec = read(json!({"componentResources": [{
            "componentName": "DeepPacketInspection", "resourceRequirements": {"requests": {"cpu": 2}},
        }]}));
        let resources = spec.spec.resources();
        assert!(resources.limits.is_empty());
        assert_eq!(resources.requests["cpu"], Quantity("2".into()));
    }

    #[test]
    fn rules_of_ones_own_come_from_an_init_container() {
        let spec = json!({"deepPacketInspectionDaemonset": {"spec": {"template": {"spec": {"initContainers": [
            {"name": "snort-rules", "image": "registry.example/rules:1"},
        ]}}}}});
        assert_eq!(read(spec).spec.rules_container().unwrap().image, "registry.example/rules:1");
        assert_eq!(read(json!({"deepPacketInspectionDaemonset": {"spec": {}}})).spec.rules_container(), None);
    }

    #[test]
    fn what_is_not_tapirs_is_kept() {
        let spec = json!({"intrusionDetectionControllerDeployment": {"spec": {"template": {"spec": {"containers": [
            {"name": "controller", "readinessProbe": {"periodSeconds": 7}},
        ]}}}}});
        assert_eq!(serde_json::to_value(read(spec.clone()).spec).unwrap(), spec);
    }
}
