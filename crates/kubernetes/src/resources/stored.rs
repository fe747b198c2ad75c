//! The stored form of a `DeepPacketInspection`: group `crd.projectcalico.org`, as Calico's own API server keeps it.
//!
//! *How it fits*: where that API server runs, a resource of `projectcalico.org/v3` is an object of `crd.projectcalico.org/v1`
//! whose metadata stand in an annotation. An agent that reads the stored form turns it into the served one here.
//! *Invariants*: `from_stored(to_stored(x))` is `x` but for its uid.
//! *Limits*: Calico computes the uid of one form from that of the other, also in references to owners. Both are the API server's to
//! give; here they stay as they are, and `to_stored` leaves the uid out.
//! *Spec*: Calico's `libcalico-go/lib/backend/k8s/resources/resources.go`.

use super::deep_packet_inspection::{DeepPacketInspection, DeepPacketInspectionSpec, DeepPacketInspectionStatus};
use super::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Where the metadata of the served form are kept.
pub const METADATA_ANNOTATION: &str = "projectcalico.org/metadata";
const SERVED: &str = "projectcalico.org/v3";
const STORED: &str = "crd.projectcalico.org/v1";

/// What to inspect, as stored.
#[derive(CustomResource, JsonSchema, Serialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "crd.projectcalico.org",
    version = "v1",
    kind = "DeepPacketInspection",
    root = "StoredDeepPacketInspection",
    plural = "deeppacketinspections",
    singular = "deeppacketinspection",
    namespaced,
    status = "DeepPacketInspectionStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "The stored form of DeepPacketInspection of group projectcalico.org. Write that one where it is served."
)]
pub struct StoredDeepPacketInspectionSpec {
    /// Pods of this namespace to inspect, in Calico's selector language. Absent or empty: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selector")]
    pub selector: Option<String>,
}

/// Read as the served form is.
impl<'de> Deserialize<'de> for StoredDeepPacketInspectionSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let DeepPacketInspectionSpec { selector } = DeepPacketInspectionSpec::deserialize(deserializer)?;
        Ok(Self { selector })
    }
}

/// Why the metadata of a stored resource cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "annotation {METADATA_ANNOTATION} of {resource} is not the metadata of a resource: write it anew with kubectl apply"
)]
pub struct StoredMetadataError {
    /// `namespace/name`.
    pub resource: String,
    /// What serde says.
    #[source]
    pub source: serde_json::Error,
}

/// The served form.
pub fn from_stored(stored: StoredDeepPacketInspection) -> Result<DeepPacketInspection, StoredMetadataError> {
    let StoredDeepPacketInspection { metadata, spec, status } = stored;
    let metadata = served_metadata(metadata)?;
    Ok(DeepPacketInspection { metadata, spec: DeepPacketInspectionSpec { selector: spec.selector }, status })
}

fn served_metadata(mut stored: ObjectMeta) -> Result<ObjectMeta, StoredMetadataError> {
    let mut annotations = stored.annotations.take().unwrap_or_default();
    let Some(kept) = annotations.remove(METADATA_ANNOTATION) else {
        return Ok(ObjectMeta { annotations: not_empty(annotations), ..stored });
    };
    let mut meta: ObjectMeta = serde_json::from_str(&kept).map_err(|source| {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        StoredMetadataError { resource: format!("{}/{}", text(&stored.namespace), text(&stored.name)), source }
    })?;
    for owner in meta.owner_references.iter_mut().flatten().filter(|owner| owner.api_version == STORED) {
        owner.api_version = SERVED.to_owned();
    }
    // Older versions kept labels and annotations where they are looked for; what the annotation says is newer.
    annotations.extend(meta.annotations.take().unwrap_or_default());
    let mut labels = stored.labels.take().unwrap_or_default();
    labels.extend(meta.labels.take().unwrap_or_default());
    Ok(ObjectMeta {
        name: meta.name.filter(|name| !name.is_empty()).or(stored.name),
        namespace: stored.namespace,
        resource_version: stored.resource_version,
        uid: stored.uid,
        creation_timestamp: meta.creation_timestamp.or(stored.creation_timestamp),
        annotations: not_empty(annotations),
        labels: not_empty(labels),
        ..meta
    })
}

/// The stored form, as Calico's API server would write it.
pub fn to_stored(served: DeepPacketInspection) -> Result<StoredDeepPacketInspection, StoredMetadataError> {
    let DeepPacketInspection { metadata, spec, status } = served;
    let (name, namespace) = (metadata.name.clone(), metadata.namespace.clone());
    let resource_version = metadata.resource_version.clone();
    let ours = |map: &Option<BTreeMap<String, String>>| -> BTreeMap<String, String> {
        let all = map.iter().flatten();
        all.filter(|(key, _)| is_calicos(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let labels = not_empty(ours(&metadata.labels));
    let mut annotations = ours(&metadata.annotations);
    let mut kept = ObjectMeta { name: None, namespace: None, resource_version: None, uid: None, ..metadata };
    for owner in kept.owner_references.iter_mut().flatten().filter(|owner| owner.api_version == SERVED) {
        owner.api_version = STORED.to_owned();
    }
    let text = serde_json::to_string(&kept).map_err(|source| StoredMetadataError {
        resource: format!("{}/{}", namespace.clone().unwrap_or_default(), name.clone().unwrap_or_default()),
        source,
    })?;
    annotations.insert(METADATA_ANNOTATION.to_owned(), text);
    let metadata = ObjectMeta {
        name,
        namespace,
        resource_version,
        labels,
        annotations: Some(annotations),
        ..ObjectMeta::default()
    };
    Ok(StoredDeepPacketInspection {
        metadata,
        spec: StoredDeepPacketInspectionSpec { selector: spec.selector },
        status,
    })
}

/// Of two lists, one resource a namespace and name: the served one, if both are there.
pub fn prefer_served(
    served: Vec<DeepPacketInspection>,
    stored: Vec<DeepPacketInspection>,
) -> BTreeMap<(String, String), DeepPacketInspection> {
    let key = |resource: &DeepPacketInspection| {
        let meta = &resource.metadata;
        (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
    };
    stored.into_iter().chain(served).map(|resource| (key(&resource), resource)).collect()
}

/// Labels and annotations that stay on the stored object, too.
fn is_calicos(key: &str) -> bool {
    key.contains("projectcalico.org/") || key.contains("operator.tigera.io/")
}

fn not_empty(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    Some(map).filter(|map| !map.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn served() -> DeepPacketInspection {
        serde_json::from_value(json!({
            "metadata": {
                "name": "frontend", "namespace": "shop", "resourceVersion": "77", "generation": 3,
                "creationTimestamp": "2026-11-24T03:12:07Z",
                "labels": {"team": "pay", "projectcalico.org/x": "1"},
                "annotations": {"note": "n", "operator.tigera.io/y": "2"},
                "ownerReferences": [
                    {"apiVersion": "projectcalico.org/v3", "kind": "Tier", "name": "t", "uid": "u"},
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "v"},
                ],
            },
            "spec": {"selector": "app == 'frontend'"},
            "status": {"nodes": [{"node": "n", "active": {"success": true}}]},
        }))
        .unwrap()
    }

    #[test]
    fn the_stored_form_and_back_changes_nothing() {
        assert_eq!(from_stored(to_stored(served()).unwrap()).unwrap(), served());
    }

    #[test]
    fn only_names_and_calicos_own_labels_stand_outside_of_the_annotation() {
        let stored = serde_json::to_value(to_stored(served()).unwrap()).unwrap();
        assert_eq!((&stored["apiVersion"], &stored["kind"]), (&json!(STORED), &json!("DeepPacketInspection")));
        let meta = &stored["metadata"];
        assert_eq!(meta["labels"], json!({"projectcalico.org/x": "1"}));
        assert_eq!(
            (&meta["name"], &meta["namespace"], &meta["resourceVersion"]),
            (&json!("frontend"), &json!("shop"), &json!("77"))
        );
        assert!(meta["generation"].is_null() && meta["uid"].is_null());
        let kept: serde_json::Value =
            serde_json::from_str(meta["annotations"][METADATA_ANNOTATION].as_str().unwrap()).unwrap();
        assert_eq!(meta["annotations"].as_object().unwrap().len(), 2);
        assert!(kept["name"].is_null() && kept["namespace"].is_null() && kept["resourceVersion"].is_null());
        assert_eq!(kept["labels"], json!({"team": "pay", "projectcalico.org/x": "1"}));
        assert_eq!(kept["ownerReferences"][0]["apiVersion"], STORED);
        assert_eq!(kept["ownerReferences"][1]["apiVersion"], "v1");
    }

    #[test]
    fn a_stored_resource_without_the_annotation_is_what_it_seems() {
        let stored: StoredDeepPacketInspection = serde_json::from_value(json!({
            "metadata": {"name": "x", "namespace": "shop", "uid": "u-1", "labels": {"a": "b"}, "annotations": {}},
            "spec": {},
        }))
        .unwrap();
        let served = from_stored(stored).unwrap();
        assert_eq!(served.metadata.labels, Some(BTreeMap::from([("a".into(), "b".into())])));
        assert_eq!((served.metadata.uid.as_deref(), served.metadata.annotations), (Some("u-1"), None));
    }

    #[test]
    fn a_broken_annotation_is_named() {
        let mut stored = to_stored(served()).unwrap();
        stored.metadata.annotations.as_mut().unwrap().insert(METADATA_ANNOTATION.into(), "{".into());
        let error = from_stored(stored).unwrap_err().to_string();
        assert!(error.contains("shop/frontend") && error.contains(METADATA_ANNOTATION), "{error}");
    }

    #[test]
    fn the_served_form_wins() {
        let other = DeepPacketInspection { spec: DeepPacketInspectionSpec::default(), ..served() };
        let all = prefer_served(vec![served()], vec![other]);
        assert_eq!(all.into_values().collect::<Vec<_>>(), [served()]);
    }
}
