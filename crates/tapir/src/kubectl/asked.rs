//! What asks for inspection, both kinds alike: whom it selects, and what nodes say of it.
//!
//! *How it fits*: `inspections` shows it, `coverage` asks it about pods. Pure but for [`read`], which lists resources.
//! *Invariants*: a resource whose selector cannot be read selects nobody, and that is one of its errors; of the two forms of a
//! `DeepPacketInspection` the served one counts.

use super::cluster::{Cluster, Refusal, What, list_if_known};
use crate::alerts::failure::Failure;
use serde_json::Value;
use std::collections::BTreeMap;
use tapir_kubernetes::crds::{ENDPOINTS, NODES_READY};
use tapir_kubernetes::labels::{EndpointLabels, OF_NAMESPACE, OF_SERVICE_ACCOUNT};
use tapir_kubernetes::resources::{
    DeepPacketInspection, Inspection, Selectors, StoredDeepPacketInspection, from_stored, prefer_served,
};
use tapir_kubernetes::selector::Selector;

const SERVED: What = What("deeppacketinspections.projectcalico.org");
const STORED: What = What("deeppacketinspections.crd.projectcalico.org");
const OWN: What = What("inspections.tapir.dev");
/// What follows `pcns.` and `pcsa.` where the name of the object is meant, which needs no look at the object.
const NAME: &str = "projectcalico.org/name";

/// Labels by name.
pub type LabelMap = BTreeMap<String, String>;

/// A resource that asks for inspection.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `None`: of the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Whom it selects, for people.
    pub selector: String,
    /// Nodes ready of nodes with something to inspect; `None` before any says something.
    pub nodes: Option<(usize, usize)>,
    /// Endpoints attached of selected, as the operator wrote them.
    pub endpoints: String,
    /// What is wrong: a node and words, the newest last.
    pub errors: Vec<String>,
    /// RFC 3339.
    pub created: String,
    /// As the API server has it.
    pub value: Value,
    whom: Option<Whom>,
}

#[derive(Clone, Debug)]
enum Whom {
    /// Endpoints, their namespace included.
    Endpoints(Selector),
    /// Namespaces, pods in them, on nodes.
    Cluster(Box<Selectors>),
}

/// What a pod is besides itself.
pub struct Around<'a> {
    /// Labels of its namespace.
    pub namespace: &'a LabelMap,
    /// Labels of its node.
    pub node: &'a LabelMap,
}

impl Asked {
    /// Of Calico's resource.
    pub fn of_calicos(resource: DeepPacketInspection) -> Self {
        let meta = &resource.metadata;
        let namespace = meta.namespace.clone().unwrap_or_default();
        let selector = resource.spec.selector(&namespace);
        let mut errors: Vec<String> =
            selector.as_ref().err().map(|error| format!("spec.selector: {error}")).into_iter().collect();
        let nodes = resource.status.as_ref().map_or(&[][..], |status| &status.nodes);
        for node in nodes {
            errors.extend(node.error_conditions.iter().map(|error| format!("{}: {}", node.node, error.message)));
        }
        let annotation =
            |name: &str| meta.annotations.as_ref().and_then(|all| all.get(name)).cloned().unwrap_or_default();
        let ready = nodes.iter().filter(|node| node.success()).count();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            selector: all_if_empty(resource.spec.selector.as_deref()),
            nodes: (!nodes.is_empty() || !annotation(NODES_READY).is_empty()).then_some((ready, nodes.len())),
            endpoints: annotation(ENDPOINTS),
            errors,
            created: created(meta),
            whom: selector.ok().map(Whom::Endpoints),
            namespace: Some(namespace),
            value: serde_json::to_value(&resource).unwrap_or_default(),
        }
    }

    /// Of Tapir's own.
    pub fn of_own(resource: Inspection) -> Self {
        let meta = &resource.metadata;
        let status = resource.status.clone().unwrap_or_default();
        let selectors = resource.spec.selectors();
        let mut errors: Vec<String> =
            selectors.as_ref().err().map(|(field, error)| format!("{field}: {error}")).into_iter().collect();
        for node in &status.nodes {
            errors.extend(node.errors.iter().map(|error| format!("{}: {}", node.node, error.message)));
        }
        let ready = status.nodes.iter().filter(|node| node.ready).count();
        let (attached, selected) = status.nodes.iter().fold((0_i64, 0_i64), |(attached, selected), node| {
            (attached + i64::from(node.endpoints.attached), selected + i64::from(node.endpoints.selected))
        });
        Self {
            namespace: None,
            name: meta.name.clone().unwrap_or_default(),
            selector: whom(&resource),
            nodes: (!status.nodes.is_empty()).then_some((ready, status.nodes.len())),
            endpoints: if status.nodes.is_empty() { String::new() } else { format!("{attached}/{selected}") },
            errors,
            created: created(meta),
            whom: selectors.ok().map(|selectors| Whom::Cluster(Box::new(selectors))),
            value: serde_json::to_value(&resource).unwrap_or_default(),
        }
    }

    /// Whether a pod that has an interface of its own is selected.
    pub fn selects(&self, labels: &EndpointLabels, around: &Around<'_>) -> bool {
        match &self.whom {
            Some(Whom::Endpoints(selector)) => selector.matches(labels),
            Some(Whom::Cluster(selectors)) => selectors.workloads.as_ref().is_some_and(|(namespaces, pods)| {
                namespaces.matches(around.namespace) && pods.matches(labels) && selectors.nodes.matches(around.node)
            }),
            None => false,
        }
    }

    /// `shop/frontend`, or the name alone.
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// `DeepPacketInspection` or `Inspection`.
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_some() { "DeepPacketInspection" } else { "Inspection" }
    }

    /// What it takes to know whom it selects.
    fn needs(&self, needs: &mut Needs) {
        let mut inherited = |selector: &Selector| {
            let of = |prefix: &str| {
                selector.label_names().iter().any(|name| name.strip_prefix(prefix).is_some_and(|rest| rest != NAME))
            };
            needs.namespaces |= of(OF_NAMESPACE);
            needs.accounts |= of(OF_SERVICE_ACCOUNT);
        };
        match &self.whom {
            Some(Whom::Endpoints(selector)) => inherited(selector),
            Some(Whom::Cluster(selectors)) => {
                if let Some((namespaces, pods)) = &selectors.workloads {
                    inherited(pods);
                    needs.namespaces |= namespaces.label_names().iter().any(|name| *name != NAME);
                }
                needs.nodes |= selectors.workloads.is_some() && !selectors.nodes.label_names().is_empty();
            }
            None => {}
        }
    }
}

/// What must be read besides pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Labels of namespaces.
    pub namespaces: bool,
    /// Labels of service accounts.
    pub accounts: bool,
    /// Labels of nodes.
    pub nodes: bool,
}

/// What all of them take.
pub fn needs(asked: &[Asked]) -> Needs {
    let mut all = Needs::default();
    asked.iter().for_each(|one| one.needs(&mut all));
    all
}

/// Everything that asks, sorted by namespace and name; those of the whole cluster last. The text says what could not be read.
pub async fn read(cluster: &Cluster) -> Result<(Vec<Asked>, Option<String>), Failure> {
    let served = list_if_known(&cluster.api::<DeepPacketInspection>(), SERVED).await?;
    let stored = list_if_known(&cluster.api::<StoredDeepPacketInspection>(), STORED).await;
    // Where Calico's own API server runs, people need no right to what it keeps.
    let stored = match stored {
        Err(Refusal::Forbidden(_)) if served.is_some() => None,
        other => other?,
    };
    let mut unread = None;
    let own = match list_if_known(&cluster.whole::<Inspection>(), OWN).await {
        // Whoever sees one namespace only may still see what is asked for in it.
        Err(Refusal::Forbidden(why)) if cluster.namespace.is_some() => {
            unread = Some(why);
            None
        }
        other => other?,
    };
    if served.is_none() && stored.is_none() && own.is_none() && unread.is_none() {
        return Err(Refusal::Unknown.into());
    }
    let stored =
        stored.into_iter().flatten().map(|one| from_stored(one).map_err(|error| Failure::Other(error.to_string())));
    let stored = stored.collect::<Result<Vec<_>, _>>()?;
    let calicos = prefer_served(served.unwrap_or_default(), stored);
    let mut all: Vec<Asked> = calicos.into_values().map(Asked::of_calicos).collect();
    let mut own: Vec<Asked> = own.into_iter().flatten().map(Asked::of_own).collect();
    own.sort_by(|one, other| one.name.cmp(&other.name));
    all.extend(own);
    Ok((all, unread))
}

fn created(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> String {
    meta.creation_timestamp.as_ref().map(|time| time.0.to_string()).unwrap_or_default()
}

fn all_if_empty(selector: Option<&str>) -> String {
    match selector.map(str::trim) {
        None | Some("") => "all()".to_owned(),
        Some(text) => text.to_owned(),
    }
}

fn whom(resource: &Inspection) -> String {
    let spec = &resource.spec;
    let mut parts = Vec::new();
    if let Some(workloads) = &spec.workloads {
        let mut part = all_if_empty(workloads.selector.as_deref());
        if let Some(namespaces) = workloads.namespace_selector.as_deref().filter(|text| !text.trim().is_empty()) {
            part.push_str(&format!(" in namespaces {namespaces}"));
        }
        parts.push(part);
    }
    if let Some(host) = &spec.host {
        parts.push(format!("interfaces {}", host.interfaces.join(",")));
    }
    let mut text = parts.join("; ");
    if let Some(nodes) = spec.node_selector.as_deref().filter(|text| !text.trim().is_empty()) {
        text.push_str(&format!(" on nodes {nodes}"));
    }
    text
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// A `DeepPacketInspection` with what two nodes say.
    pub fn calicos(namespace: &str, name: &str, selector: &str) -> Asked {
        Asked::of_calicos(
            serde_json::from_value(json!({
                "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-11-24T03:12:07Z",
                    "annotations": {"tapir.dev/endpoints": "2/3"}},
                "spec": {"selector": selector},
                "status": {"nodes": [
                    {"node": "n1", "active": {"success": true}},
                    {"node": "n2", "active": {}, "errorConditions": [{"message": "no interface for shop/cart-\u{202e}1"}]},
                ]},
            }))
            .unwrap(),
        )
    }

    /// An `Inspection`.
    pub fn own(name: &str, spec: Value) -> Asked {
        Asked::of_own(serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap())
    }

    #[test]
    fn an_unreadable_selector_selects_nobody_and_is_an_error() {
        let broken = calicos("shop", "broken", "app = 'x'");
        assert_eq!(broken.errors.first().unwrap(), "spec.selector: a single `=` at byte 4; write `==`");
        let none = LabelMap::new();
        let labels = EndpointLabels::of(&k8s_openapi::api::core::v1::Pod::default(), &none, &none);
        let around = Around { namespace: &none, node: &none };
        assert!(!broken.selects(&labels, &around));
        let broken = own("broken", json!({"workloads": {"namespaceSelector": "("}}));
        assert!(broken.errors.first().unwrap().starts_with("spec.workloads.namespaceSelector: "));
        assert!(!broken.selects(&labels, &around));
        // One of the nodes' own interfaces selects no pod.
        assert!(!own("host", json!({"host": {"interfaces": ["eth0"]}})).selects(&labels, &around));
        assert!(own("all", json!({"workloads": {}})).selects(&labels, &around));
    }

    #[test]
    fn only_what_selectors_ask_about_is_read() {
        let of = |asked: &[Asked]| needs(asked);
        assert_eq!(of(&[calicos("shop", "a", "app == 'x'"), own("b", json!({"workloads": {}}))]), Needs::default());
        assert_eq!(of(&[calicos("shop", "a", "pcns.projectcalico.org/name == 'x'")]), Needs::default());
        assert!(of(&[calicos("shop", "a", "pcns.team == 'x'")]).namespaces);
        assert!(of(&[calicos("shop", "a", "has(pcsa.team)")]).accounts);
        assert!(of(&[own("a", json!({"workloads": {"namespaceSelector": "team == 'x'"}}))]).namespaces);
        assert!(of(&[own("a", json!({"workloads": {}, "nodeSelector": "zone == 'x'"}))]).nodes);
        assert_eq!(
            of(&[own("a", json!({"host": {"interfaces": ["e"]}, "nodeSelector": "zone == 'x'"}))]),
            Needs::default()
        );
    }

    #[test]
    fn whom_is_said_in_words() {
        let all = json!({"workloads": {"namespaceSelector": "team == 'pay'"}, "host": {"interfaces": ["eth0", "bond*"]}, "nodeSelector": "zone == 'a'"});
        assert_eq!(
            own("a", all).selector,
            "all() in namespaces team == 'pay'; interfaces eth0,bond* on nodes zone == 'a'"
        );
    }
}
