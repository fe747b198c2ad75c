//! Which pods are workload endpoints: have an interface of their own that can be inspected.
//!
//! *How it fits*: [`Endpoint::of`] gives the endpoint of a pod, or [`NotAnEndpoint`] with the reason, which status and logs show.
//! *Invariants*: a finished pod is none, and owns no address: another pod may have it by now.
//! *Limits*: [`MAX_ADDRESSES`] addresses are kept.
//! *Spec*: Calico's `libcalico-go/lib/backend/k8s/conversion/conversion.go`.

use k8s_openapi::api::core::v1::Pod;
use std::net::IpAddr;

/// Addresses kept of one pod; Kubernetes gives two at most.
pub const MAX_ADDRESSES: usize = 16;

/// Addresses that Calico's plugin wrote; set to nothing once they are given back.
const CALICO_ADDRESS: &str = "cni.projectcalico.org/podIP";
/// The same for AWS's plugin.
const AWS_ADDRESSES: &str = "vpc.amazonaws.com/pod-ips";

/// A pod with an interface of its own on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Uid of the pod: a pod of the same name that comes later has another one.
    pub uid: String,
    /// Node that it runs on.
    pub node: String,
    /// Its addresses, the primary one first.
    pub addresses: Vec<IpAddr>,
}

/// Why a pod is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotAnEndpoint {
    /// It has no node yet.
    #[error("the pod has no node yet")]
    NotScheduled,
    /// It shares the interfaces of its node.
    #[error("the pod uses the network of its node")]
    HostNetwork,
    /// It has no address yet.
    #[error("the pod has no address yet")]
    NoAddress,
    /// It has ended, or its address was given back.
    #[error("the pod has ended")]
    Finished,
}

impl NotAnEndpoint {
    /// A word for labels of metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotScheduled => "not_scheduled",
            Self::HostNetwork => "host_network",
            Self::NoAddress => "no_address",
            Self::Finished => "finished",
        }
    }
}

impl Endpoint {
    /// The endpoint of a pod.
    pub fn of(pod: &Pod) -> Result<Self, NotAnEndpoint> {
        let spec = pod.spec.as_ref();
        let node = spec.and_then(|spec| spec.node_name.clone()).filter(|node| !node.is_empty());
        let node = node.ok_or(NotAnEndpoint::NotScheduled)?;
        if spec.and_then(|spec| spec.host_network).unwrap_or_default() {
            return Err(NotAnEndpoint::HostNetwork);
        }
        if is_finished(pod) {
            return Err(NotAnEndpoint::Finished);
        }
        let addresses = addresses(pod);
        if addresses.is_empty() {
            return Err(NotAnEndpoint::NoAddress);
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let meta = &pod.metadata;
        Ok(Self { namespace: text(&meta.namespace), pod: text(&meta.name), uid: text(&meta.uid), node, addresses })
    }
}

/// Whether a pod no longer owns its address: it has ended, or it is being deleted and its plugin gave the address back.
pub fn is_finished(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let given_back = [CALICO_ADDRESS, AWS_ADDRESSES].iter().any(|name| annotation(pod, name) == Some(""));
    matches!(phase, "Succeeded" | "Failed") || (pod.metadata.deletion_timestamp.is_some() && given_back)
}

/// As the status has them; before it does, as the plugin wrote them.
fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let status = pod.status.as_ref();
    let listed = status.and_then(|status| status.pod_ips.as_ref()).into_iter().flatten().map(|entry| entry.ip.as_str());
    let first = status.and_then(|status| status.pod_ip.as_deref());
    let mut found = distinct(first.into_iter().chain(listed));
    for name in [CALICO_ADDRESS, AWS_ADDRESSES] {
        if found.is_empty() {
            found = distinct(annotation(pod, name).unwrap_or_default().split(','));
        }
    }
    found
}

fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for text in texts {
        // Plugins write `10.65.1.9/32`.
        let address = text.trim().split('/').next().and_then(|text| text.parse().ok());
        if let Some(address) = address.filter(|address| !found.contains(address) && found.len() < MAX_ADDRESSES) {
            found.push(address);
        }
    }
    found
}

fn annotation<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod() -> Value {
        json!({
            "metadata": {"name": "frontend-1", "namespace": "shop", "uid": "u-1", "annotations": {}},
            "spec": {"containers": [], "nodeName": "node-1"},
            "status": {"phase": "Running", "podIP": "10.65.1.9", "podIPs": [{"ip": "10.65.1.9"}, {"ip": "fd00::9"}]},
        })
    }

    fn of(pod: Value) -> Result<Endpoint, NotAnEndpoint> {
        Endpoint::of(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_running_pod_has_its_addresses_once() {
        let endpoint = of(pod()).unwrap();
        assert_eq!(
            (endpoint.namespace.as_str(), endpoint.pod.as_str(), endpoint.uid.as_str()),
            ("shop", "frontend-1", "u-1")
        );
        assert_eq!(endpoint.node, "node-1");
        assert_eq!(endpoint.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.65.1.9", "fd00::9"]);
    }

    #[test]
    fn pods_without_node_interface_or_address_are_none() {
        let change = |path: &str, value: Value| {
            let mut pod = pod();
            *pod.pointer_mut(path).unwrap() = value;
            of(pod).unwrap_err()
        };
        assert_eq!(change("/spec/nodeName", json!("")), NotAnEndpoint::NotScheduled);
        assert_eq!(
            change("/spec", json!({"containers": [], "nodeName": "n", "hostNetwork": true})),
            NotAnEndpoint::HostNetwork
        );
        assert_eq!(change("/status", json!({"phase": "Pending"})), NotAnEndpoint::NoAddress);
        assert_eq!(change("/status/phase", json!("Succeeded")), NotAnEndpoint::Finished);
        assert_eq!(change("/status/phase", json!("Failed")), NotAnEndpoint::Finished);
    }

    #[test]
    fn a_deleted_pod_stays_an_endpoint_until_its_address_is_given_back() {
        for name in [CALICO_ADDRESS, AWS_ADDRESSES] {
            let mut pod = pod();
            pod["metadata"]["deletionTimestamp"] = json!("2026-11-24T03:12:07Z");
            assert!(of(pod.clone()).is_ok());
            pod["metadata"]["annotations"][name] = json!("10.65.1.9/32");
            assert!(of(pod.clone()).is_ok());
            pod["metadata"]["annotations"][name] = json!("");
            assert_eq!(of(pod.clone()), Err(NotAnEndpoint::Finished));
            // An empty annotation alone says nothing.
            pod["metadata"]["deletionTimestamp"] = json!(null);
            assert!(of(pod).is_ok());
        }
    }

    #[test]
    fn the_plugin_knows_the_address_first() {
        let mut pod = pod();
        pod["status"] = json!({"phase": "Pending"});
        pod["metadata"]["annotations"][CALICO_ADDRESS] = json!("10.65.1.9/32");
        assert_eq!(of(pod).unwrap().addresses, ["10.65.1.9".parse::<IpAddr>().unwrap()]);
    }
}
