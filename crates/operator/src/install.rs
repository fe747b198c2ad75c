//! What `tapir install` prints: the operator itself with its permissions, and the definitions of resources.
//!
//! *How it fits*: everything else is rendered and kept by the operator once it runs.
//! *Invariants*: 1. the operator may do what this module says and nothing more: in the cluster what agents and manager may, since nobody
//! grants what he has not, and its own objects by name; secrets in its two namespaces only; 2. Calico's definitions are printed only
//! where the caller knows that they are absent.

use crate::names::{AgentNames, Compat, MANAGER, OPERATOR, WEBHOOKS, WEBHOOKS_ROLE};
use crate::object::{Object, labels, present, put};
use crate::options::{ManagerOptions, Options};
use crate::render;
use serde_json::{Value, json};
use tapir_kubernetes::crds;

const COMPONENT: &str = "tapir-operator";
/// Where health is served.
pub const HEALTH_PORT: u16 = 9098;

/// Namespaces that are made; those that others have are used as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// That of the agents.
    pub agents: bool,
    /// That to which webhooks refer.
    pub webhooks: bool,
}

impl Made {
    /// Both.
    pub const ALL: Self = Self { agents: true, webhooks: true };
}

/// What to say of the agents' namespace when it is not ours.
pub fn shared(options: &Options, whose: &str) -> String {
    let namespace = options.agent().namespace;
    let how = match options.compat {
        Compat::Calico => "; use --compat none to run side by side",
        Compat::None => "",
    };
    format!("namespace {namespace} belongs to {whose}: it is used, and left as it is{how}")
}

/// Everything but definitions, in the order of creation.
pub fn operator(options: &Options, made: Made) -> Vec<Object> {
    let own = &options.namespace;
    let AgentNames { namespace: agents, .. } = options.agent();
    // The operator keeps that of the agents; its role there must have a place from the beginning.
    let mut objects = vec![namespace(own)];
    if made.agents {
        objects.push(render::agent_namespace(options));
    }
    objects.push(Object::new("ServiceAccount", own, OPERATOR, COMPONENT, json!({})));
    let role = json!({ "rules": cluster_rules(options) });
    objects.push(Object::new("ClusterRole", "", OPERATOR, COMPONENT, role));
    objects.push(Object::new("ClusterRoleBinding", "", OPERATOR, COMPONENT, binding("ClusterRole", own)));
    for place in [own.as_str(), agents] {
        let role = json!({ "rules": namespace_rules() });
        objects.push(Object::new("Role", place, OPERATOR, COMPONENT, role));
        objects.push(Object::new("RoleBinding", place, OPERATOR, COMPONENT, binding("Role", own)));
    }
    if options.manager.as_ref().is_some_and(ManagerOptions::sends_webhooks) {
        objects.extend(webhook_objects(own, made.webhooks));
    }
    objects.push(deployment(options));
    // The namespace of the agents is the operator's to keep; the rest is not.
    let is_kept = |object: &Object| object.kind() == "Namespace" && object.name() == agents;
    objects.into_iter().map(|object| if is_kept(&object) { object } else { object.installed() }).collect()
}

/// Definitions of resources; Calico's only if `with_calicos` says so of a name.
pub fn definitions(with_calicos: impl Fn(&str) -> bool) -> Vec<Value> {
    let wanted =
        |definition: &crds::Definition| definition.owner == crds::Owner::Tapir || with_calicos(definition.name());
    crds::all().into_iter().filter(wanted).map(|definition| definition.object).collect()
}

/// As a stream of YAML documents.
pub fn yaml<'v>(objects: impl IntoIterator<Item = &'v Value>) -> String {
    objects.into_iter().map(|object| format!("---\n{}", crds::yaml(object))).collect()
}

/// The namespace of operator and manager, which need nothing that a cluster could refuse.
fn namespace(name: &str) -> Object {
    Object::new("Namespace", "", name, COMPONENT, json!({}))
        .with("labels", "name", name)
        .with("labels", "pod-security.kubernetes.io/enforce", "restricted")
        .with("labels", "pod-security.kubernetes.io/enforce-version", "latest")
}

/// The manager's right to what webhooks refer to. It is not the operator's to give, who reads no secrets there.
fn webhook_objects(own: &str, with_namespace: bool) -> Vec<Object> {
    let mut objects = Vec::new();
    if with_namespace {
        objects.push(Object::new("Namespace", "", WEBHOOKS, MANAGER, json!({})));
    }
    let role = json!({ "rules": render::webhook_rules() });
    objects.push(Object::new("Role", WEBHOOKS, WEBHOOKS_ROLE, MANAGER, role));
    let binding = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": WEBHOOKS_ROLE },
        "subjects": [{ "kind": "ServiceAccount", "name": MANAGER, "namespace": own }],
    });
    objects.push(Object::new("RoleBinding", WEBHOOKS, WEBHOOKS_ROLE, MANAGER, binding));
    objects
}

fn binding(kind: &str, own: &str) -> Value {
    json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": OPERATOR },
        "subjects": [{ "kind": "ServiceAccount", "name": OPERATOR, "namespace": own }],
    })
}

/// In the whole cluster.
fn cluster_rules(options: &Options) -> Value {
    let definitions: Vec<String> = crds::all().iter().map(|definition| definition.name().to_owned()).collect();
    let AgentNames { namespace: agents, name: agent } = options.agent();
    let other = options.compat.other().agent();
    let roles = json!([agent, other.name, MANAGER]);
    let mut rules = vec![
        // Definitions: looked at, made where absent; only ours are changed.
        json!({ "apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["get", "list", "watch", "create"] }),
        json!({ "apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "resourceNames": definitions, "verbs": ["patch"] }),
        // What is to be inspected; both forms of it are kept alike, and entries of gone nodes are taken out.
        json!({ "apiGroups": ["projectcalico.org", "crd.projectcalico.org"], "resources": ["deeppacketinspections"], "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"] }),
        json!({ "apiGroups": ["projectcalico.org", "crd.projectcalico.org"], "resources": ["deeppacketinspections/status"], "verbs": ["update", "patch"] }),
        json!({ "apiGroups": ["tapir.dev"], "resources": ["inspections"], "verbs": ["get", "list", "watch"] }),
        json!({ "apiGroups": ["tapir.dev"], "resources": ["inspections/status"], "verbs": ["update", "patch"] }),
        json!({ "apiGroups": ["operator.tigera.io"], "resources": ["intrusiondetections"], "verbs": ["get", "list", "watch", "patch"] }),
        json!({ "apiGroups": ["operator.tigera.io"], "resources": ["intrusiondetections/status"], "verbs": ["update", "patch"] }),
        // What is told.
        json!({ "apiGroups": ["tapir.dev"], "resources": ["tapirstatuses"], "verbs": ["get", "list", "watch", "create", "patch"] }),
        json!({ "apiGroups": ["tapir.dev"], "resources": ["tapirstatuses/status"], "verbs": ["update", "patch"] }),
        json!({ "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] }),
        // Which nodes there are.
        json!({ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"] }),
        // The namespace of the agents, and the roles of agents and manager.
        json!({ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch", "create"] }),
        json!({ "apiGroups": [""], "resources": ["namespaces"], "resourceNames": [agents], "verbs": ["patch"] }),
        json!({ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "clusterrolebindings"], "verbs": ["get", "list", "watch", "create"] }),
        json!({ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "clusterrolebindings"], "resourceNames": roles, "verbs": ["patch", "delete"] }),
    ];
    // What is granted must be held.
    for granted in [render::agent_rules(), render::manager_rules()] {
        rules.extend(granted.as_array().into_iter().flatten().cloned());
    }
    json!(rules)
}

/// In the namespaces of operator and agents.
fn namespace_rules() -> Value {
    let all = ["get", "list", "watch", "create", "patch", "delete"];
    json!([
        { "apiGroups": [""], "resources": ["serviceaccounts", "configmaps", "secrets", "services"], "verbs": all },
        { "apiGroups": ["apps"], "resources": ["daemonsets", "statefulsets"], "verbs": all },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": all },
        { "apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": all },
        // Why pods are refused.
        { "apiGroups": [""], "resources": ["events"], "verbs": ["list"] },
        { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"] },
    ])
}

fn deployment(options: &Options) -> Object {
    let selector = json!({ "k8s-app": OPERATOR });
    let mut labels = labels(COMPONENT, crate::object::INSTALLER);
    put(&mut labels, "k8s-app", json!(OPERATOR));
    let mut arguments = vec!["operator".to_owned()];
    arguments.extend(options.arguments());
    arguments.push(format!("--health=0.0.0.0:{HEALTH_PORT}"));
    let probe = |path: &str| json!({ "httpGet": { "path": path, "port": "health" }, "periodSeconds": 10 });
    let container = json!({
        "name": "operator",
        "image": options.image,
        "imagePullPolicy": options.pull_policy,
        "args": arguments,
        "env": [{ "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
        "ports": [{ "name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP" }],
        "livenessProbe": probe("/liveness"),
        "readinessProbe": probe("/readiness"),
        "resources": { "limits": { "memory": "128Mi" }, "requests": { "cpu": "20m", "memory": "48Mi" } },
        "securityContext": render::restricted(),
    });
    let pod = present(vec![
        ("containers", Some(json!([container]))),
        ("imagePullSecrets", render::pull_secrets(&options.pull_secrets)),
        ("nodeSelector", Some(json!({ "kubernetes.io/os": "linux" }))),
        ("serviceAccountName", Some(json!(OPERATOR))),
        // It must come up where the network plugin is not ready yet.
        ("tolerations", Some(json!([{ "effect": "NoSchedule", "operator": "Exists" }]))),
    ]);
    let spec = json!({
        "replicas": 1,
        "selector": { "matchLabels": selector },
        "template": { "metadata": { "labels": labels }, "spec": pod },
    });
    Object::new("Deployment", &options.namespace, OPERATOR, COMPONENT, json!({ "spec": spec }))
        .with("labels", "k8s-app", OPERATOR)
}
