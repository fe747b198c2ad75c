//! Pods of other nodes, as far as they give names to addresses.
//!
//! *How it fits*: an alert has two ends, and the other one may be anywhere in the cluster. Of such a pod the API's answer is read for its
//! addresses and what names it; nothing else of it is even parsed.
//!
//! *Invariants*: a pod that has ended has no address; a pod that uses its node's network is not named: others have the same address.
//!
//! *Limits*: about half a kilobyte a pod; as many as [`super::table::MAX_OBJECTS`].

use crate::view;
use k8s_openapi::api::core::v1::{Pod, PodIP, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tapir_event::Workload;
use tapir_kubernetes::endpoint::Endpoint;

/// Those that are asked for, as a field selector.
pub(super) fn selected(node: &str) -> String {
    format!("spec.nodeName!={node},status.phase!=Succeeded,status.phase!=Failed")
}

/// A pod, read for its names and addresses only.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct FarPod {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: FarSpec,
    #[serde(default)]
    status: FarStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FarSpec {
    node_name: Option<String>,
    host_network: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct FarStatus {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<PodIP>>,
}

impl Resource for FarPod {
    type DynamicType = ();
    type Scope = <Pod as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What is kept of it.
#[derive(Clone, Debug)]
pub(super) struct Far {
    /// Its addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// As events name it.
    pub(super) workload: Arc<Workload>,
}

impl Far {
    /// `None`: it has no address of its own.
    pub(super) fn of(far: FarPod) -> Option<Self> {
        let FarPod { metadata, spec: FarSpec { node_name, host_network }, status } = far;
        let FarStatus { phase, pod_ip, pod_ips } = status;
        let pod = Pod {
            metadata,
            spec: Some(PodSpec { node_name, host_network, ..PodSpec::default() }),
            status: Some(PodStatus { phase, pod_ip, pod_ips, ..PodStatus::default() }),
        };
        let addresses = Endpoint::of(&pod).ok()?.addresses;
        Some(Self { addresses, workload: Arc::new(view::workload(&pod, "")) })
    }

    /// Names the service that has one of its addresses.
    pub(super) fn serve(&mut self, services: &BTreeMap<IpAddr, String>) {
        let service = self.addresses.iter().find_map(|address| services.get(address)).map_or("", String::as_str);
        if self.workload.service != service {
            Arc::make_mut(&mut self.workload).service = service.to_owned();
        }
    }
}

/// The service is not the pod's to tell: it does not count.
impl PartialEq for Far {
    fn eq(&self, other: &Self) -> bool {
        let Workload { namespace, pod, uid, owner_kind, owner_name, service: _, labels } = &*self.workload;
        let one = &*other.workload;
        self.addresses == other.addresses
            && (namespace, pod, uid) == (&one.namespace, &one.pod, &one.uid)
            && (owner_kind, owner_name, labels) == (&one.owner_kind, &one.owner_name, &one.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn far(spec: serde_json::Value, status: serde_json::Value) -> Option<Far> {
        let pod = json!({
            "metadata": {"namespace": "shop", "name": "cart-6b64-abcde", "uid": "u", "labels": {"app": "cart", "other": "x", "pod-template-hash": "6b64"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-6b64", "uid": "r", "controller": true}]},
            "spec": spec, "status": status,
        });
        Far::of(serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_pod_of_another_node_has_names_for_each_of_its_addresses() {
        let running = json!({"phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}, {"ip": "fd00::9"}], "containerStatuses": [{"x": 1}]});
        let spec = json!({"nodeName": "node-2", "containers": [{"name": "c", "env": [{"name": "SECRET"}]}]});
        let mut found = far(spec.clone(), running.clone()).unwrap();
        let addresses: Vec<IpAddr> = ["10.0.0.9", "fd00::9"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(found.addresses, addresses);
        let named = &found.workload;
        assert_eq!(
            (named.namespace.as_str(), named.pod.as_str(), named.owner_name.as_str()),
            ("shop", "cart-6b64-abcde", "cart")
        );
        assert_eq!(named.labels, BTreeMap::from([("app".to_owned(), "cart".to_owned())]));
        // Its service comes from elsewhere, and makes no other pod of it.
        found.serve(&BTreeMap::from([("fd00::9".parse().unwrap(), "cart-svc".to_owned())]));
        assert_eq!(found.workload.service, "cart-svc");
        assert_eq!(Some(found), far(spec.clone(), running.clone()));
        assert_ne!(far(json!({"nodeName": "node-3"}), json!({"podIP": "10.0.0.8"})), far(spec, running));
    }

    #[test]
    fn who_has_no_address_of_its_own_is_not_kept() {
        let here = json!({"nodeName": "node-2"});
        assert_eq!(far(here.clone(), json!({"phase": "Pending"})), None);
        assert_eq!(far(here, json!({"phase": "Succeeded", "podIP": "10.0.0.9"})), None);
        assert_eq!(far(json!({"nodeName": "node-2", "hostNetwork": true}), json!({"podIP": "192.0.2.1"})), None);
        assert_eq!(far(json!({}), json!({"podIP": "10.0.0.9"})), None);
    }

    #[test]
    fn it_is_asked_for_as_a_pod() {
        assert_eq!(FarPod::url_path(&(), None), "/api/v1/pods");
        assert_eq!(selected("n1"), "spec.nodeName!=n1,status.phase!=Succeeded,status.phase!=Failed");
    }
}
