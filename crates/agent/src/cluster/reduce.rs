//! What is kept of objects: the fields that are used, no others. A pod of the API has tens of kilobytes, one of ours has one.

use crate::view::Asked;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::net::IpAddr;
use std::sync::Arc;
use tapir_event::Workload;
use tapir_kubernetes::resources::{
    DeepPacketInspection, DeepPacketInspectionSpec, NodeEntry, StoredDeepPacketInspection, from_stored,
};

/// Label of a slice that names its service.
const SERVICE: &str = "kubernetes.io/service-name";
/// Annotations that tell of addresses and interfaces.
const KEPT: [&str; 3] =
    ["cni.projectcalico.org/podIP", "vpc.amazonaws.com/pod-ips", "k8s.v1.cni.cncf.io/network-status"];

/// Addresses of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slice {
    /// Its name.
    pub(super) service: String,
    /// Pods by address; named by what a slice knows of them.
    pub(super) addresses: Vec<(IpAddr, Arc<Workload>)>,
}

/// A pod, reduced.
pub(super) fn pod(pod: Pod) -> Pod {
    let meta = pod.metadata;
    let annotations = meta.annotations.map(|mut annotations| {
        annotations.retain(|name, _| KEPT.contains(&name.as_str()));
        annotations
    });
    let metadata = ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        labels: meta.labels,
        annotations: annotations.filter(|annotations| !annotations.is_empty()),
        owner_references: meta.owner_references,
        deletion_timestamp: meta.deletion_timestamp,
        ..ObjectMeta::default()
    };
    let spec = pod.spec.map(|spec| PodSpec {
        node_name: spec.node_name,
        host_network: spec.host_network,
        service_account_name: spec.service_account_name,
        ..PodSpec::default()
    });
    let status = pod.status.map(|status| PodStatus {
        phase: status.phase,
        pod_ip: status.pod_ip,
        pod_ips: status.pod_ips,
        ..PodStatus::default()
    });
    Pod { metadata, spec, status }
}

/// A resource, reduced.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    /// What it asks for.
    pub(super) asked: Asked,
    /// What this node last said in it.
    pub(super) own: Option<NodeEntry>,
}

/// A resource, read by a node.
pub(super) fn served(resource: &DeepPacketInspection, node: &str) -> Held {
    let namespace = resource.metadata.namespace.as_deref().unwrap_or_default();
    let asked =
        Asked { selector: resource.spec.selector(namespace), text: resource.spec.selector.clone().unwrap_or_default() };
    let nodes = resource.status.as_ref().map(|status| status.nodes.as_slice()).unwrap_or_default();
    Held { asked, own: nodes.iter().find(|entry| entry.node == node).cloned() }
}

/// A resource in its stored form, read. One whose metadata make no sense has a spec all the same.
pub(super) fn stored(resource: StoredDeepPacketInspection, node: &str) -> Held {
    let bare = DeepPacketInspection {
        metadata: resource.metadata.clone(),
        spec: DeepPacketInspectionSpec { selector: resource.spec.selector.clone() },
        status: resource.status.clone(),
    };
    served(&from_stored(resource).unwrap_or(bare), node)
}

/// A slice of a service's addresses, reduced.
pub(super) fn slice(slice: EndpointSlice) -> Slice {
    let service = slice.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE).cloned()).unwrap_or_default();
    let mut addresses = Vec::new();
    for endpoint in slice.endpoints {
        let Some(target) = endpoint.target_ref.filter(|target| target.kind.as_deref() == Some("Pod")) else { continue };
        let workload = Arc::new(Workload {
            namespace: target.namespace.unwrap_or_default(),
            pod: target.name.unwrap_or_default(),
            uid: target.uid.unwrap_or_default(),
            service: service.clone(),
            ..Workload::default()
        });
        let parsed = endpoint.addresses.iter().filter_map(|text| text.parse().ok());
        addresses.extend(parsed.map(|address: IpAddr| (address, Arc::clone(&workload))));
    }
    Slice { service, addresses }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_keeps_what_is_used_and_nothing_else() {
        let full: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "shop", "uid": "u", "labels": {"app": "x"}, "resourceVersion": "7",
                "annotations": {"cni.projectcalico.org/podIP": "10.0.0.9/32", "big": "y".repeat(1000)},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "o"}]},
            "spec": {"nodeName": "n", "serviceAccountName": "robot", "containers": [{"name": "c", "env": [{"name": "SECRET", "value": "z"}]}]},
            "status": {"phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}], "containerStatuses": []},
        }))
        .unwrap();
        let kept = serde_json::to_value(pod(full)).unwrap();
        assert_eq!(kept["metadata"]["annotations"], json!({"cni.projectcalico.org/podIP": "10.0.0.9/32"}));
        assert_eq!((&kept["spec"]["nodeName"], &kept["status"]["podIP"]), (&json!("n"), &json!("10.0.0.9")));
        assert!(!kept.to_string().contains("SECRET"), "{kept}");
    }

    #[test]
    fn a_slice_names_the_pods_behind_its_service() {
        let found = slice(
            serde_json::from_value(json!({
                "metadata": {"name": "s", "namespace": "shop", "labels": {"kubernetes.io/service-name": "cart"}},
                "addressType": "IPv4",
                "endpoints": [
                    {"addresses": ["10.0.0.9"], "targetRef": {"kind": "Pod", "namespace": "shop", "name": "cart-1", "uid": "u"}},
                    {"addresses": ["192.0.2.1"]},
                    {"addresses": ["nonsense"], "targetRef": {"kind": "Pod", "name": "cart-2"}},
                ],
            }))
            .unwrap(),
        );
        assert_eq!((found.service.as_str(), found.addresses.len()), ("cart", 1));
        assert_eq!(found.addresses[0].1.pod, "cart-1");
    }

    #[test]
    fn a_stored_resource_with_nonsense_in_its_annotation_still_selects() {
        let stored: StoredDeepPacketInspection = serde_json::from_value(json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "DeepPacketInspection",
            "metadata": {"name": "x", "namespace": "shop", "annotations": {"projectcalico.org/metadata": "{"}},
            "spec": {"selector": "app == 'x'"},
        }))
        .unwrap();
        let held = super::stored(stored, "n");
        assert_eq!(
            held.asked.selector.unwrap().to_string(),
            r#"(app == "x" && projectcalico.org/namespace == "shop")"#
        );
    }
}
