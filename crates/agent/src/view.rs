//! What is known of the cluster at one moment: pods, the resources that ask for inspection, and what labels pods inherit.
//!
//! *How it fits*: a source (the API server, or files) makes a new [`View`] whenever something changes; [`wanted`] says which
//! pods of this node are to be inspected, for whom. Pure functions over values.
//!
//! *Invariants*: a resource whose selector cannot be read selects nobody and says why; it takes no other along.

use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tapir_event::{Inspection, Workload};
use tapir_kubernetes::endpoint::{Endpoint, NotAnEndpoint};
use tapir_kubernetes::labels::EndpointLabels;
use tapir_kubernetes::selector::{Selector, SelectorError};

/// Labels by name.
pub type LabelMap = BTreeMap<String, String>;

/// A resource that asks for inspection.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Which endpoints, its namespace included; or why it cannot be told.
    pub selector: Result<Selector, SelectorError>,
    /// The selector as it was written.
    pub text: String,
}

/// The cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Pods of this node.
    pub pods: Vec<Arc<Pod>>,
    /// Resources by namespace and name.
    pub inspections: BTreeMap<(String, String), Asked>,
    /// Labels of namespaces.
    pub namespaces: BTreeMap<String, LabelMap>,
    /// Labels of service accounts by namespace and name.
    pub accounts: BTreeMap<(String, String), LabelMap>,
    /// Interfaces that a file names, by uid of the pod.
    pub given: BTreeMap<String, String>,
    /// Who has which address in the rest of the cluster.
    pub elsewhere: Vec<(IpAddr, Arc<Workload>)>,
    /// Names of services by address of a pod.
    pub services: BTreeMap<IpAddr, String>,
}

/// A pod of this node that is to be inspected.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name, uid and addresses.
    pub endpoint: Endpoint,
    /// As events name it.
    pub workload: Arc<Workload>,
    /// Who asked, in order; never empty.
    pub inspections: Arc<[Inspection]>,
    /// The interface, where a file names it.
    pub given: Option<String>,
}

/// A pod that is selected but has no interface of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Namespace and name.
    pub pod: (String, String),
    /// Who asked.
    pub inspections: Vec<Inspection>,
    /// Why not.
    pub why: NotAnEndpoint,
}

/// Pods of this node that are to be inspected, and those that are selected but cannot be.
pub fn wanted(view: &View) -> (Vec<Wanted>, Vec<Unfit>) {
    let none = LabelMap::new();
    let (mut found, mut unfit) = (Vec::new(), Vec::new());
    for pod in &view.pods {
        let (namespace, name) = name_of(pod);
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone()).unwrap_or_default();
        let labels = EndpointLabels::of(
            pod,
            view.namespaces.get(&namespace).unwrap_or(&none),
            view.accounts.get(&(namespace.clone(), account)).unwrap_or(&none),
        );
        let asked = view
            .inspections
            .iter()
            .filter(|(_, asked)| asked.selector.as_ref().is_ok_and(|selector| selector.matches(&labels)));
        let inspections: Vec<Inspection> = asked
            .map(|((namespace, name), _)| Inspection { namespace: namespace.clone(), name: name.clone() })
            .collect();
        if inspections.is_empty() {
            continue;
        }
        match Endpoint::of(pod) {
            Ok(endpoint) => found.push(Wanted {
                workload: Arc::new(workload(pod, service(view, &endpoint.addresses))),
                inspections: inspections.into(),
                given: view.given.get(&endpoint.uid).cloned(),
                endpoint,
            }),
            Err(why) => unfit.push(Unfit { pod: (namespace, name), inspections, why }),
        }
    }
    found.sort_by(|one, other| one.endpoint.uid.cmp(&other.endpoint.uid));
    (found, unfit)
}

/// Who has which address now: pods of this node first, then the rest of the cluster.
pub fn owners(view: &View) -> impl Iterator<Item = (IpAddr, Arc<Workload>)> {
    let here = view.pods.iter().filter_map(|pod| Some((pod, Endpoint::of(pod).ok()?))).flat_map(|(pod, endpoint)| {
        let workload = Arc::new(workload(pod, service(view, &endpoint.addresses)));
        endpoint.addresses.into_iter().map(move |address| (address, Arc::clone(&workload)))
    });
    here.chain(view.elsewhere.iter().map(|(address, workload)| (*address, Arc::clone(workload))))
}

fn service<'v>(view: &'v View, addresses: &[IpAddr]) -> &'v str {
    addresses.iter().find_map(|address| view.services.get(address)).map_or("", String::as_str)
}

fn name_of(pod: &Pod) -> (String, String) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (text(&pod.metadata.namespace), text(&pod.metadata.name))
}

/// Labels that events carry: those by which people know a workload.
const SHOWN: [&str; 7] = [
    "app",
    "k8s-app",
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
];

/// A pod as events name it.
pub fn workload(pod: &Pod, service: &str) -> Workload {
    let (namespace, name) = name_of(pod);
    let none = LabelMap::new();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&none);
    let (owner_kind, owner_name) = owner(pod, labels);
    Workload {
        namespace,
        pod: name,
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        owner_kind,
        owner_name,
        service: service.to_owned(),
        labels: SHOWN.iter().filter_map(|name| Some(((*name).to_owned(), labels.get(*name)?.clone()))).collect(),
    }
}

/// The top owner. The API has the next one only; that of a ReplicaSet or of a Job is told by how controllers name what they
/// make: a hash that is also a label, and the minute of the run.
fn owner(pod: &Pod, labels: &LabelMap) -> (String, String) {
    let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
    let Some(owner) = owners.iter().find(|owner| owner.controller == Some(true)).or_else(|| owners.first()) else {
        return Default::default();
    };
    let of = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    match owner.kind.as_str() {
        "ReplicaSet" => {
            let hash = labels.get("pod-template-hash").filter(|hash| !hash.is_empty());
            match hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')) {
                Some(deployment) => of("Deployment", deployment),
                None => of("ReplicaSet", &owner.name),
            }
        }
        "Job" => match owner.name.rsplit_once('-') {
            Some((cron, minute)) if minute.len() >= 8 && minute.bytes().all(|byte| byte.is_ascii_digit()) => {
                of("CronJob", cron)
            }
            _ => of("Job", &owner.name),
        },
        kind => of(kind, &owner.name),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A running pod with an address.
    pub(crate) fn pod(namespace: &str, name: &str, address: &str, labels: &[(&str, &str)]) -> Pod {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": namespace, "uid": format!("u-{name}"), "labels": labels},
            "spec": {"containers": [], "nodeName": "node-1"},
            "status": {"phase": "Running", "podIP": address},
        }))
        .unwrap()
    }

    /// Asks for what a selector matches in a namespace.
    pub(crate) fn asked(namespace: &str, text: &str) -> Asked {
        let selector = Selector::parse(text).map(|selector| selector.in_namespace(namespace));
        Asked { selector, text: text.to_owned() }
    }

    fn view(asked: &[(&str, Asked)], pods: Vec<Pod>) -> View {
        let inspections = asked.iter().map(|(name, asked)| (("shop".to_owned(), (*name).to_owned()), asked.clone()));
        View { pods: pods.into_iter().map(Arc::new).collect(), inspections: inspections.collect(), ..View::default() }
    }

    fn names(view: &View) -> Vec<(String, Vec<String>)> {
        let (wanted, _) = wanted(view);
        let name = |one: &Wanted| {
            (one.endpoint.pod.clone(), one.inspections.iter().map(|inspection| inspection.name.clone()).collect())
        };
        wanted.iter().map(name).collect()
    }

    #[test]
    fn a_pod_is_inspected_for_each_resource_of_its_namespace_that_selects_it() {
        let pods = vec![
            pod("shop", "cart", "10.0.0.1", &[("app", "cart")]),
            pod("shop", "pay", "10.0.0.2", &[("app", "pay")]),
            pod("other", "cart", "10.0.0.3", &[("app", "cart")]),
        ];
        let mut view = view(&[("all", asked("shop", "")), ("cart", asked("shop", "app == 'cart'"))], pods);
        let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&view), [("cart".into(), text(&["all", "cart"])), ("pay".into(), text(&["all"]))]);
        // A selector that cannot be read takes nothing along.
        view.inspections.insert(("shop".into(), "bad".into()), asked("shop", "app = 'cart'"));
        assert_eq!(names(&view).len(), 2);
        view.inspections.clear();
        assert!(names(&view).is_empty());
    }

    #[test]
    fn labels_of_the_namespace_select_too() {
        let mut view = view(&[("x", asked("shop", "pcns.team == 'pay'"))], vec![pod("shop", "cart", "10.0.0.1", &[])]);
        assert!(names(&view).is_empty());
        view.namespaces.insert("shop".into(), LabelMap::from([("team".into(), "pay".into())]));
        assert_eq!(names(&view).len(), 1);
    }

    #[test]
    fn selected_pods_without_an_interface_of_their_own_are_told() {
        let mut host = pod("shop", "host", "192.0.2.1", &[]);
        host.spec.as_mut().unwrap().host_network = Some(true);
        let (found, unfit) = wanted(&view(&[("all", asked("shop", ""))], vec![host]));
        assert!(found.is_empty());
        assert_eq!(unfit[0].why, NotAnEndpoint::HostNetwork);
    }

    #[test]
    fn owners_are_told_by_how_controllers_name_what_they_make() {
        let owned = |kind: &str, name: &str, labels: &[(&str, &str)]| {
            let mut pod = pod("shop", "p", "10.0.0.1", labels);
            let reference = json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true}]);
            pod.metadata.owner_references = serde_json::from_value(reference).unwrap();
            let workload = workload(&pod, "");
            format!("{}/{}", workload.owner_kind, workload.owner_name)
        };
        let hash = [("pod-template-hash", "77b88cc7cb")];
        assert_eq!(owned("ReplicaSet", "frontend-77b88cc7cb", &hash), "Deployment/frontend");
        assert_eq!(owned("ReplicaSet", "frontend-77b88cc7cb", &[]), "ReplicaSet/frontend-77b88cc7cb");
        assert_eq!(owned("ReplicaSet", "-77b88cc7cb", &[("pod-template-hash", "")]), "ReplicaSet/-77b88cc7cb");
        assert_eq!(owned("Job", "report-29401234", &[]), "CronJob/report");
        assert_eq!(owned("Job", "report-1", &[]), "Job/report-1");
        assert_eq!(owned("StatefulSet", "db", &[]), "StatefulSet/db");
    }

    #[test]
    fn addresses_have_the_pod_and_its_service() {
        let mut view = view(&[], vec![pod("shop", "cart", "10.0.0.1", &[("app", "cart"), ("secret", "x")])]);
        view.services.insert("10.0.0.1".parse().unwrap(), "cart-svc".into());
        view.elsewhere
            .push(("10.0.9.9".parse().unwrap(), Arc::new(Workload { pod: "far".into(), ..Workload::default() })));
        let found: Vec<_> = owners(&view).collect();
        assert_eq!((found[0].1.pod.as_str(), found[0].1.service.as_str()), ("cart", "cart-svc"));
        assert_eq!(found[0].1.labels, LabelMap::from([("app".into(), "cart".into())]), "others stay at home");
        assert_eq!(found[1].1.pod, "far");
    }
}
