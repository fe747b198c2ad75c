//! What Calico calls the endpoint of a pod: the name of its `WorkloadEndpoint`.

/// `<node>-k8s-<pod>-<interface>`, with every `-` inside of a part doubled.
///
/// ```
/// use tapir_kubernetes::interface::workload_endpoint;
/// assert_eq!(workload_endpoint("aks-nodepool1-1", "netshoot", "eth0"), "aks--nodepool1--1-k8s-netshoot-eth0");
/// ```
pub fn workload_endpoint(node: &str, pod: &str, interface: &str) -> String {
    [node, "k8s", pod, interface].map(|part| part.replace('-', "--")).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_endpoints_have_different_names() {
        assert_ne!(workload_endpoint("a-b", "c", "eth0"), workload_endpoint("a", "b-c", "eth0"));
        assert_eq!(workload_endpoint("n", "frontend-6b64-x", "eth0"), "n-k8s-frontend--6b64--x-eth0");
    }
}
