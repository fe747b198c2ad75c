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
use tapir_kubernetes::resources::Capture;
use tapir_kubernetes::selector::{Selector, SelectorError};

use crate::recorder::Keep;
use crate::selection::Selection;

/// Labels by name.
pub type LabelMap = BTreeMap<String, String>;

/// A resource that asks for inspection.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Which endpoints, its namespace included; or why it cannot be told.
    pub selector: Result<Selector, SelectorError>,
    /// The selector as it was written; the one that cannot be read, if one cannot.
    pub text: String,
    /// What an `Inspection` says besides.
    pub whole: Option<Arc<Whole>>,
}

/// What an `Inspection` says besides the selector of pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// Generation of the resource.
    pub generation: Option<i64>,
    /// Are pods asked for?
    pub has_workloads: bool,
    /// Namespaces of pods, by their labels.
    pub namespaces: Selector,
    /// Nodes, by their labels.
    pub nodes: Selector,
    /// Interfaces of the node, with `*` and `?`.
    pub interfaces: Vec<String>,
    /// Does it want pods named that use the node's network?
    pub names_host_pods: bool,
    /// Which rules.
    pub selection: Arc<Selection>,
    /// Do its events go without the bytes that matched?
    pub is_plain: bool,
    /// Do they take packets along, and how much of them?
    pub keep: Option<Keep>,
    /// What it asks for and does not get.
    pub notes: Vec<String>,
}

impl Asked {
    /// Of an `Inspection`.
    pub fn of(resource: &tapir_kubernetes::resources::Inspection) -> Self {
        let spec = &resource.spec;
        let workloads = spec.workloads.clone().unwrap_or_default();
        let texts = [
            ("spec.workloads.namespaceSelector", workloads.namespace_selector),
            ("spec.workloads.selector", workloads.selector),
            ("spec.nodeSelector", spec.node_selector.clone()),
        ];
        let text_of = |field: &str| {
            texts.iter().find(|(known, _)| *known == field).and_then(|(_, text)| text.clone()).unwrap_or_default()
        };
        let selectors = match spec.selectors() {
            Ok(selectors) => selectors,
            Err((field, error)) => return Self { selector: Err(error), text: text_of(field), whole: None },
        };
        let has_workloads = selectors.workloads.is_some();
        let (namespaces, pods) = selectors.workloads.unwrap_or_else(|| (Selector::all(), Selector::all()));
        let (selection, mut notes) = Selection::of(spec);
        notes.extend(crate::selection::beyond_rules(resource));
        let host = spec.host.clone().unwrap_or_default();
        let evidence = spec.evidence.as_ref();
        let whole = Whole {
            generation: resource.metadata.generation,
            has_workloads,
            namespaces,
            nodes: selectors.nodes,
            interfaces: host.interfaces,
            names_host_pods: host.host_network_pods.unwrap_or_default(),
            selection: Arc::new(selection),
            is_plain: evidence.is_some_and(|evidence| evidence.capture == Capture::None),
            keep: evidence.and_then(Keep::of),
            notes,
        };
        Self { selector: Ok(pods), text: text_of("spec.workloads.selector"), whole: Some(Arc::new(whole)) }
    }

    /// Whether it holds on this node.
    fn is_here(&self, view: &View) -> bool {
        self.whole.as_ref().is_none_or(|whole| match &view.node {
            Some(labels) => whole.nodes.matches(labels),
            None => whole.nodes.is_all(),
        })
    }

    /// Whether a pod is selected.
    fn selects(&self, view: &View, namespace: &LabelMap, pod: &EndpointLabels) -> bool {
        let of_whole = |whole: &Arc<Whole>| whole.has_workloads && whole.namespaces.matches(namespace);
        self.is_here(view)
            && self.whole.as_ref().is_none_or(of_whole)
            && self.selector.as_ref().is_ok_and(|selector| selector.matches(pod))
    }
}

/// Resources that ask for the same rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which rules.
    pub selection: Arc<Selection>,
    /// Who asked, in order; never empty.
    pub inspections: Arc<[Inspection]>,
    /// Those of them whose events go without the bytes that matched.
    pub plain: Arc<[Inspection]>,
    /// Those of them whose events take packets along.
    pub keep: Arc<[(Inspection, Keep)]>,
}

/// Who asks for the same rules, who of them without bytes, and who with packets.
type Askers = (Vec<Inspection>, Vec<Inspection>, Vec<(Inspection, Keep)>);

/// Resources by the rules that they ask for.
fn asks<'v>(resources: impl Iterator<Item = (&'v (String, String), &'v Asked)>) -> Vec<Ask> {
    let mut by_selection: BTreeMap<Arc<Selection>, Askers> = BTreeMap::new();
    for ((namespace, name), asked) in resources {
        let selection = asked.whole.as_ref().map(|whole| Arc::clone(&whole.selection)).unwrap_or_default();
        let inspection = Inspection { namespace: namespace.clone(), name: name.clone() };
        let (all, plain, keep) = by_selection.entry(selection).or_default();
        if asked.whole.as_ref().is_some_and(|whole| whole.is_plain) {
            plain.push(inspection.clone());
        }
        if let Some(much) = asked.whole.as_ref().and_then(|whole| whole.keep) {
            keep.push((inspection.clone(), much));
        }
        all.push(inspection);
    }
    let ask = |(selection, (all, plain, keep)): (Arc<Selection>, Askers)| Ask {
        selection,
        inspections: all.into(),
        plain: plain.into(),
        keep: keep.into(),
    };
    by_selection.into_iter().map(ask).collect()
}

/// Who wants an interface of the node itself inspected.
pub fn asks_of_interface(view: &View, name: &str) -> Vec<Ask> {
    let wants = |asked: &Asked| {
        let whole = asked.whole.as_ref().filter(|_| asked.is_here(view));
        whole.is_some_and(|whole| whole.interfaces.iter().any(|pattern| is_like(name, pattern)))
    };
    asks(view.inspections.iter().filter(|(_, asked)| wants(asked)))
}

/// `*` stands for any characters, `?` for one. Linear in both, but for a star, which tries each rest of the name.
pub(crate) fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
    let (mut at, mut next) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match pattern.get(next) {
            Some(b'*') => {
                star = Some((at, next));
                next += 1;
            }
            Some(wanted) if *wanted == b'?' || Some(wanted) == name.get(at) => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((from, place)) = star else { return false };
                star = Some((from + 1, place));
                (at, next) = (from + 1, place + 1);
            }
        }
    }
    pattern.iter().skip(next).all(|rest| *rest == b'*')
}

/// Where a file says that an endpoint is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The interface that leads to it.
    pub interface: Option<String>,
    /// Its network namespace: a name of `ip netns`, or a path.
    pub namespace: Option<String>,
}

/// The cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Pods of this node.
    pub pods: Vec<Arc<Pod>>,
    /// Resources by namespace and name.
    pub inspections: BTreeMap<(String, String), Asked>,
    /// Labels of this node, if they are known.
    pub node: Option<LabelMap>,
    /// Labels of namespaces.
    pub namespaces: BTreeMap<String, LabelMap>,
    /// Labels of service accounts by namespace and name.
    pub accounts: BTreeMap<(String, String), LabelMap>,
    /// Interfaces and network namespaces that a file names, by uid of the pod.
    pub given: BTreeMap<String, Given>,
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
    /// Who asked, by rules; never empty.
    pub asks: Vec<Ask>,
    /// Where it is, if a file says so.
    pub given: Given,
}

impl Wanted {
    /// Who asked.
    pub fn inspections(&self) -> Arc<[Inspection]> {
        self.asks.iter().flat_map(|ask| ask.inspections.iter().cloned()).collect()
    }
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
        let of_namespace = namespace_labels(view, &namespace);
        let fits = |asked: &Asked| asked.selects(view, &of_namespace, &labels);
        let asks = asks(view.inspections.iter().filter(|(_, asked)| fits(asked)));
        if asks.is_empty() {
            continue;
        }
        match Endpoint::of(pod) {
            Ok(endpoint) => found.push(Wanted {
                workload: Arc::new(workload(pod, service(view, &endpoint.addresses))),
                asks,
                given: view.given.get(&endpoint.uid).cloned().unwrap_or_default(),
                endpoint,
            }),
            Err(why) => {
                // Who wants pods of the node's network named inspects them where they are: on the node's interfaces.
                let names = |one: &Inspection| {
                    let asked = view.inspections.get(&(one.namespace.clone(), one.name.clone()));
                    asked.and_then(|asked| asked.whole.as_ref()).is_some_and(|whole| whole.names_host_pods)
                };
                let named = |one: &Inspection| why == NotAnEndpoint::HostNetwork && names(one);
                let inspections: Vec<Inspection> =
                    asks.iter().flat_map(|ask| ask.inspections.iter()).filter(|one| !named(one)).cloned().collect();
                if !inspections.is_empty() {
                    unfit.push(Unfit { pod: (namespace, name), inspections, why });
                }
            }
        }
    }
    found.sort_by(|one, other| one.endpoint.uid.cmp(&other.endpoint.uid));
    (found, unfit)
}

/// Labels of a namespace, its name among them.
fn namespace_labels(view: &View, namespace: &str) -> LabelMap {
    let mut labels = view.namespaces.get(namespace).cloned().unwrap_or_default();
    labels.insert("projectcalico.org/name".to_owned(), namespace.to_owned());
    labels
}

/// Pods that use the node's network and are to be named, by their address.
pub fn host_pods(view: &View) -> BTreeMap<IpAddr, Vec<Arc<Workload>>> {
    let wishes: Vec<&Asked> = view
        .inspections
        .values()
        .filter(|asked| asked.whole.as_ref().is_some_and(|whole| whole.names_host_pods))
        .collect();
    let mut found: BTreeMap<IpAddr, Vec<Arc<Workload>>> = BTreeMap::new();
    if wishes.is_empty() {
        return found;
    }
    for pod in view.pods.iter().filter(|pod| Endpoint::of(pod) == Err(NotAnEndpoint::HostNetwork)) {
        let (namespace, _) = name_of(pod);
        let of_namespace = namespace_labels(view, &namespace);
        let labels =
            EndpointLabels::of(pod, view.namespaces.get(&namespace).unwrap_or(&LabelMap::new()), &LabelMap::new());
        let is_running = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        if !is_running || !wishes.iter().any(|asked| asked.selects(view, &of_namespace, &labels)) {
            continue;
        }
        let workload = Arc::new(workload(pod, ""));
        let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()?.parse().ok());
        found.entry(address.unwrap_or(IpAddr::from([0, 0, 0, 0]))).or_default().push(workload);
    }
    found
}

/// Who has which address now: pods of this node first, then the rest of the cluster.
pub fn owners(view: &View) -> impl Iterator<Item = (IpAddr, Arc<Workload>)> {
    let here = view.pods.iter().filter_map(|pod| Some((pod, Endpoint::of(pod).ok()?))).flat_map(|(pod, endpoint)| {
        let workload = Arc::new(workload(pod, service(view, &endpoint.addresses)));
        endpoint.addresses.into_iter().map(move |address| (address, Arc::clone(&workload)))
    });
    // One alone has the address; of several nobody can say which of them spoke.
    let on_node = host_pods(view).into_iter().filter_map(|(address, pods)| match pods.as_slice() {
        [one] => Some((address, Arc::clone(one))),
        _ => None,
    });
    here.chain(on_node).chain(view.elsewhere.iter().map(|(address, workload)| (*address, Arc::clone(workload))))
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
        Asked { selector, text: text.to_owned(), whole: None }
    }

    fn view(asked: &[(&str, Asked)], pods: Vec<Pod>) -> View {
        let inspections = asked.iter().map(|(name, asked)| (("shop".to_owned(), (*name).to_owned()), asked.clone()));
        View { pods: pods.into_iter().map(Arc::new).collect(), inspections: inspections.collect(), ..View::default() }
    }

    fn names(view: &View) -> Vec<(String, Vec<String>)> {
        let (wanted, _) = wanted(view);
        let name = |one: &Wanted| {
            (one.endpoint.pod.clone(), one.inspections().iter().map(|inspection| inspection.name.clone()).collect())
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

    /// Asks for what an `Inspection` says.
    fn whole(spec: serde_json::Value) -> Asked {
        let resource =
            json!({"apiVersion": "tapir.dev/v1alpha1", "kind": "Inspection", "metadata": {"name": "x"}, "spec": spec});
        Asked::of(&serde_json::from_value(resource).unwrap())
    }

    #[test]
    fn an_inspection_selects_across_namespaces_and_nodes() {
        let pods = vec![
            pod("shop", "cart", "10.0.0.1", &[("tier", "web")]),
            pod("pay", "card", "10.0.0.2", &[("tier", "web")]),
        ];
        let mut view = view(&[], pods);
        let spec = json!({"workloads": {"namespaceSelector": "team == 'a'", "selector": "tier == 'web'"}, "nodeSelector": "zone == 'z'"});
        view.inspections.insert((String::new(), "web".into()), whole(spec));
        let count = |view: &View| wanted(view).0.len();
        view.namespaces.insert("pay".into(), LabelMap::from([("team".into(), "a".into())]));
        assert_eq!(count(&view), 0, "labels of the node are not known");
        view.node = Some(LabelMap::from([("zone".into(), "y".into())]));
        assert_eq!(count(&view), 0, "another zone");
        view.node = Some(LabelMap::from([("zone".into(), "z".into())]));
        let (found, _) = wanted(&view);
        assert_eq!((found.len(), found[0].endpoint.pod.as_str()), (1, "card"));
        assert_eq!(found[0].inspections()[0].to_string(), "web");
        view.inspections.insert(
            (String::new(), "by-name".into()),
            whole(json!({"workloads": {"namespaceSelector": "projectcalico.org/name == 'shop'"}})),
        );
        assert_eq!(count(&view), 2);
    }

    #[test]
    fn who_asks_for_other_rules_is_apart_and_who_wants_no_bytes_is_known() {
        let mut view = view(&[("all", asked("shop", ""))], vec![pod("shop", "cart", "10.0.0.1", &[])]);
        let mut add = |name: &str, spec| drop(view.inspections.insert((String::new(), name.into()), whole(spec)));
        add("same", json!({"workloads": {}, "evidence": {"capture": "none"}}));
        let most = json!({"capture": "packets", "maxPackets": 7});
        add("whole", json!({"workloads": {}, "evidence": most}));
        add("strict", json!({"workloads": {}, "rules": {"policy": "security"}}));
        add("too", json!({"workloads": {}, "rules": {"policy": "security"}}));
        let asks = &wanted(&view).0[0].asks;
        let names = |ask: &Ask| ask.inspections.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(asks.iter().map(names).collect::<Vec<_>>(), ["same whole shop/all", "strict too"]);
        assert_eq!((asks[0].plain.len(), asks[0].plain[0].name.as_str()), (1, "same"));
        let (who, much) = &asks[0].keep[0];
        assert_eq!((asks[0].keep.len(), who.name.as_str(), much.packets, much.bytes), (1, "whole", 7, 65_536));
    }

    #[test]
    fn interfaces_of_the_node_are_asked_for_by_patterns() {
        let mut view = view(&[], vec![]);
        view.inspections
            .insert((String::new(), "node".into()), whole(json!({"host": {"interfaces": ["eth0", "bond?*"]}})));
        let is = |name: &str| !asks_of_interface(&view, name).is_empty();
        assert!(is("eth0") && is("bond0") && is("bond12"));
        assert!(!is("eth01") && !is("bond") && !is("lo"));
        assert!(
            is_like("cali123", "*") && is_like("cali123", "c*1*3") && !is_like("cali123", "c*2") && is_like("", "**")
        );
    }

    #[test]
    fn a_pod_of_the_nodes_network_is_named_if_it_is_alone() {
        let mut host = pod("shop", "proxy", "192.0.2.1", &[]);
        host.spec.as_mut().unwrap().host_network = Some(true);
        let mut view = view(&[], vec![host.clone()]);
        let spec = json!({"workloads": {}, "host": {"interfaces": ["eth0"], "hostNetworkPods": true}});
        view.inspections.insert((String::new(), "node".into()), whole(spec));
        assert!(wanted(&view).1.is_empty(), "it is inspected on the node's interfaces");
        assert_eq!(owners(&view).map(|(_, workload)| workload.pod.clone()).collect::<Vec<_>>(), ["proxy"]);
        host.metadata.name = Some("other".into());
        view.pods.push(Arc::new(host));
        assert_eq!(owners(&view).count(), 0, "nobody can say which of them spoke");
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
