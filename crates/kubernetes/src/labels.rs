//! The labels of a workload endpoint: those of its pod, and those that it has for where and as whom it runs.
//!
//! *How it fits*: [`EndpointLabels`] is what a [`Selector`](crate::selector::Selector) is asked about. Besides the pod's own labels it has the implicit
//! ones that Calico gives an endpoint, and the inherited ones of namespace (`pcns.`) and service account (`pcsa.`), which
//! Calico's policies see and its inspection does not.
//! *Invariants*: implicit and inherited labels win over labels of the pod that have the same name, so that nobody gets into
//! another team's selector by labelling a pod.
//! *Limits*: those of the API server for the three objects.
//! *Spec*: Calico's `libcalico-go/lib/backend/k8s/conversion`.

use crate::selector::Labels;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;

/// Namespace of the endpoint.
pub const NAMESPACE: &str = "projectcalico.org/namespace";
/// What runs the endpoint: always `k8s`.
pub const ORCHESTRATOR: &str = "projectcalico.org/orchestrator";
/// Service account of the endpoint, if its name is short enough for the value of a label.
pub const SERVICE_ACCOUNT: &str = "projectcalico.org/serviceaccount";
/// Begins the labels of the namespace.
pub const OF_NAMESPACE: &str = "pcns.";
/// Begins the labels of the service account.
pub const OF_SERVICE_ACCOUNT: &str = "pcsa.";
/// Behind either prefix: the name of the object itself.
const NAME: &str = "projectcalico.org/name";
/// The name of a service account is a label if it is shorter than this.
const LONGEST_NAME: usize = 63;

/// All labels of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointLabels {
    labels: BTreeMap<String, String>,
}

impl EndpointLabels {
    /// Of a pod, with the labels of its namespace and of its service account (empty if they are not known).
    pub fn of(
        pod: &Pod,
        of_namespace: &BTreeMap<String, String>,
        of_service_account: &BTreeMap<String, String>,
    ) -> Self {
        let mut labels = pod.metadata.labels.clone().unwrap_or_default();
        let mut implicit = |name: String, value: &str| labels.insert(name, value.to_owned());
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        for (label, value) in of_namespace {
            implicit(format!("{OF_NAMESPACE}{label}"), value);
        }
        implicit(format!("{OF_NAMESPACE}{NAME}"), namespace);
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or_default();
        if !account.is_empty() {
            for (label, value) in of_service_account {
                implicit(format!("{OF_SERVICE_ACCOUNT}{label}"), value);
            }
            implicit(format!("{OF_SERVICE_ACCOUNT}{NAME}"), account);
            if account.len() < LONGEST_NAME {
                implicit(SERVICE_ACCOUNT.to_owned(), account);
            }
        }
        implicit(NAMESPACE.to_owned(), namespace);
        implicit(ORCHESTRATOR.to_owned(), "k8s");
        Self { labels }
    }

    /// By name, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Labels for EndpointLabels {
    fn get(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::Selector;
    use serde_json::json;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn pod(account: &str, own: &[(&str, &str)]) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "frontend-1", "namespace": "shop", "labels": labels(own)},
            "spec": {"containers": [], "serviceAccountName": account},
        }))
        .unwrap()
    }

    #[track_caller]
    fn check(pod: &Pod, selector: &str, expected: bool) {
        let all = EndpointLabels::of(pod, &labels(&[("team", "pay")]), &labels(&[("tier", "web")]));
        assert_eq!(Selector::parse(selector).unwrap().matches(&all), expected, "{selector}");
    }

    #[test]
    fn an_endpoint_has_the_labels_of_its_namespace_and_its_service_account() {
        let pod = pod("robot", &[("app", "frontend")]);
        check(&pod, "app == 'frontend' && projectcalico.org/namespace == 'shop'", true);
        check(&pod, "projectcalico.org/orchestrator == 'k8s'", true);
        check(&pod, "projectcalico.org/serviceaccount == 'robot'", true);
        check(&pod, "pcns.team starts with 'pa' && pcns.projectcalico.org/name == 'shop'", true);
        check(&pod, "pcsa.tier == 'web' && pcsa.projectcalico.org/name == 'robot'", true);
        check(&pod, "has(team)", false);
    }

    #[test]
    fn a_long_service_account_is_no_label_but_is_inherited() {
        check(&pod(&"a".repeat(62), &[]), "has(projectcalico.org/serviceaccount)", true);
        let long = pod(&"a".repeat(63), &[]);
        check(&long, "has(projectcalico.org/serviceaccount)", false);
        check(&long, "has(pcsa.projectcalico.org/name)", true);
        check(&pod("", &[]), "has(pcsa.projectcalico.org/name) || has(pcsa.tier)", false);
    }

    #[test]
    fn a_pod_cannot_claim_what_is_implicit() {
        let pod = pod("robot", &[("pcns.team", "sre"), ("projectcalico.org/namespace", "kube-system")]);
        check(&pod, "pcns.team == 'sre' || projectcalico.org/namespace == 'kube-system'", false);
        check(&pod, "pcns.team == 'pay' && projectcalico.org/namespace == 'shop'", true);
    }
}
