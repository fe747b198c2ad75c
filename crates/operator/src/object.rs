//! Objects of the cluster as the operator writes them: JSON with a kind that it knows.
//!
//! *How it fits*: [`render`](crate::render) and [`install`](crate::install) make them, [`write`](crate::write) brings them to the API
//! server. Types of `k8s-openapi` would have every field of Kubernetes' API compiled in for the few that are set.
//! *Invariants*: every object has a kind of [`KINDS`], a name, and the label that says whose it is.

use kube::core::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use serde_json::{Map, Value, json};

/// Label that says who keeps an object.
pub const KEEPER: &str = "app.kubernetes.io/managed-by";
/// Its value on what the operator renders.
pub const OPERATOR: &str = "tapir-operator";
/// Its value on what is installed by `tapir install`, and by people.
pub const INSTALLER: &str = "tapir-install";

/// Kinds that are written: apiVersion, kind, plural, whether they are in a namespace.
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("v1", "Namespace", "namespaces", false),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", false),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", true),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
];

/// An object to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(pub Value);

impl Object {
    /// An object with the usual labels. `component` is its part of Tapir; `namespace` is empty for those of the whole cluster;
    /// `body` has everything besides type and metadata.
    pub fn new(kind: &str, namespace: &str, name: &str, component: &str, body: Value) -> Self {
        let version = KINDS.iter().find(|known| known.1 == kind).map_or("v1", |known| known.0);
        let mut metadata = json!({ "name": name, "labels": labels(component, OPERATOR) });
        if !namespace.is_empty() {
            put(&mut metadata, "namespace", json!(namespace));
        }
        let mut object = json!({ "apiVersion": version, "kind": kind, "metadata": metadata });
        if let (Value::Object(object), Value::Object(body)) = (&mut object, body) {
            object.extend(body);
        }
        Self(object)
    }

    /// Written by `tapir install`, not by the operator.
    #[must_use]
    pub fn installed(mut self) -> Self {
        if let Some(labels) = self.0.pointer_mut("/metadata/labels") {
            put(labels, KEEPER, json!(INSTALLER));
        }
        self
    }

    /// With an annotation or label more: `of` is `annotations` or `labels`.
    #[must_use]
    pub fn with(mut self, of: &str, name: &str, value: &str) -> Self {
        if let Some(metadata) = self.0.pointer_mut("/metadata") {
            if metadata.get(of).is_none() {
                put(metadata, of, json!({}));
            }
            if let Some(map) = metadata.get_mut(of) {
                put(map, name, json!(value));
            }
        }
        self
    }

    /// `DaemonSet`.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Its namespace; empty for those of the whole cluster.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// For people: `DaemonSet tigera-dpi/tigera-dpi`.
    pub fn in_words(&self) -> String {
        match self.namespace() {
            "" => format!("{} {}", self.kind(), self.name()),
            namespace => format!("{} {namespace}/{}", self.kind(), self.name()),
        }
    }

    /// How the API server is asked for it.
    pub fn resource(&self) -> ApiResource {
        let known = KINDS.iter().find(|known| known.1 == self.kind());
        let (version, kind, plural, _) = known.copied().unwrap_or(("v1", "", "", false));
        resource(version, kind, plural)
    }

    /// As the client takes it.
    pub fn dynamic(&self) -> Result<DynamicObject, serde_json::Error> {
        let mut object: DynamicObject = serde_json::from_value(self.0.clone())?;
        object.types = Some(TypeMeta { api_version: self.text("/apiVersion").into(), kind: self.kind().into() });
        Ok(object)
    }

    fn text(&self, place: &str) -> &str {
        self.0.pointer(place).and_then(Value::as_str).unwrap_or_default()
    }
}

/// How the API server is asked for a kind by its apiVersion.
pub fn resource(version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// The labels that Kubernetes recommends.
pub fn labels(component: &str, keeper: &str) -> Value {
    json!({
        "app.kubernetes.io/name": component,
        "app.kubernetes.io/instance": "tapir",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "tapir",
        KEEPER: keeper,
    })
}

/// Sets a key, if it is an object.
pub(crate) fn put(value: &mut Value, key: &str, new: Value) {
    if let Value::Object(map) = value {
        map.insert(key.to_owned(), new);
    }
}

/// An object of several that may be absent.
pub(crate) fn present(pairs: Vec<(&str, Option<Value>)>) -> Value {
    let present = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}
