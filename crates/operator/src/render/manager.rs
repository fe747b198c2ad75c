//! The manager with its store: one pod with a volume of its own, and the service under which agents and people find it.
//!
//! *Invariants*: TLS always: events carry what workloads said to each other; no root, nothing writable but its volume.
//! *Limits*: one replica, since the embedded store is a file. Fleets give the manager a server as its store and install it themselves.

use super::{INPUTS, account, fingerprint, manager_namespace_rules, manager_rules, pull_secrets, restricted};
use crate::names::MANAGER;
use crate::object::{Object, labels, present, put};
use crate::options::{HONOUR, MANAGER_PORT, ManagerOptions, Options, USER};
use serde_json::{Value, json};
use tapir_kubernetes::status::AlertCounts;

/// Secret with certificate and key of the manager.
pub(crate) const TLS: &str = "tapir-manager-tls";
/// Secret with the token of agents.
pub(crate) const AGENT_TOKEN: &str = "tapir-agent-token";
const COMPONENT: &str = "tapir-manager";
const DATA: &str = "/var/lib/tapir/manager";

/// What the manager is made of besides [`Options`].
#[derive(Clone, Debug, Default)]
pub struct ManagerInputs {
    /// Token with which agents hand in events.
    pub token: String,
}

/// All of it, in the order of creation.
pub fn manager(options: &Options, chosen: &ManagerOptions, inputs: &ManagerInputs) -> Vec<Object> {
    let namespace = &options.namespace;
    let selector = json!({ "k8s-app": MANAGER });
    let mut objects = account(namespace, MANAGER, COMPONENT, manager_rules());
    objects.extend(counts(namespace));
    let port = json!([{ "name": "https", "port": MANAGER_PORT, "targetPort": "https", "protocol": "TCP" }]);
    let service = json!({ "spec": { "type": "ClusterIP", "selector": selector, "ports": port } });
    objects.push(Object::new("Service", namespace, MANAGER, COMPONENT, service));
    // Agents come from the addresses of nodes, people from anywhere: the port is what can be said.
    let policy = json!({ "spec": {
        "podSelector": { "matchLabels": selector },
        "policyTypes": ["Ingress"],
        "ingress": [{ "ports": [{ "protocol": "TCP", "port": MANAGER_PORT }] }],
    } });
    objects.push(Object::new("NetworkPolicy", namespace, MANAGER, COMPONENT, policy));
    objects.push(stateful_set(options, chosen, inputs));
    objects
}

/// Where the manager tells the operator how many alerts inspections have, and the right to.
fn counts(namespace: &str) -> [Object; 3] {
    let role = format!("{MANAGER}-counts");
    let binding = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": MANAGER, "namespace": namespace }],
    });
    [
        // Its data are the manager's.
        Object::new("ConfigMap", namespace, AlertCounts::NAME, COMPONENT, json!({})),
        Object::new("Role", namespace, &role, COMPONENT, json!({ "rules": manager_namespace_rules() })),
        Object::new("RoleBinding", namespace, &role, COMPONENT, binding),
    ]
}

fn stateful_set(options: &Options, chosen: &ManagerOptions, inputs: &ManagerInputs) -> Object {
    let namespace = &options.namespace;
    let mut labels = labels(COMPONENT, crate::object::OPERATOR);
    put(&mut labels, "k8s-app", json!(MANAGER));
    let mut arguments = vec![
        "manager".to_owned(),
        format!("--listen=0.0.0.0:{MANAGER_PORT}"),
        format!("--data-dir={DATA}"),
        format!("--cluster={}", options.cluster),
        "--tls-cert=/etc/tapir/tls/tls.crt".to_owned(),
        "--tls-key=/etc/tapir/tls/tls.key".to_owned(),
        "--agent-token-file=/etc/tapir/token/token".to_owned(),
        "--kubernetes".to_owned(),
        "--alert-counts".to_owned(),
    ];
    if chosen.honour != HONOUR {
        arguments.push(format!("--honour={}", chosen.honour.join(",")));
    }
    arguments.extend(chosen.public_url.as_ref().map(|url| format!("--public-url={url}")));
    let probe = json!({ "tcpSocket": { "port": "https" }, "initialDelaySeconds": 2, "periodSeconds": 10 });
    let container = json!({
        "name": "manager",
        "image": options.image,
        "imagePullPolicy": options.pull_policy,
        "args": arguments,
        "ports": [{ "name": "https", "containerPort": MANAGER_PORT, "protocol": "TCP" }],
        "readinessProbe": probe,
        "resources": { "limits": { "memory": "1Gi" }, "requests": { "cpu": "100m", "memory": "256Mi" } },
        "securityContext": restricted(),
        "volumeMounts": [
            { "name": "data", "mountPath": DATA },
            { "name": "tls", "mountPath": "/etc/tapir/tls", "readOnly": true },
            { "name": "token", "mountPath": "/etc/tapir/token", "readOnly": true },
            { "name": "tmp", "mountPath": "/tmp" },
        ],
    });
    let pod = present(vec![
        ("containers", Some(json!([container]))),
        ("imagePullSecrets", pull_secrets(&options.pull_secrets)),
        ("nodeSelector", Some(json!({ "kubernetes.io/os": "linux" }))),
        ("securityContext", Some(json!({ "fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch" }))),
        ("serviceAccountName", Some(json!(MANAGER))),
        ("terminationGracePeriodSeconds", Some(json!(30))),
        (
            "volumes",
            Some(json!([
                { "name": "tls", "secret": { "secretName": TLS, "defaultMode": 0o440 } },
                { "name": "token", "secret": { "secretName": AGENT_TOKEN, "defaultMode": 0o440 } },
                { "name": "tmp", "emptyDir": { "sizeLimit": "256Mi" } },
            ])),
        ),
    ]);
    let claim = present(vec![
        ("accessModes", Some(json!(["ReadWriteOnce"]))),
        ("resources", Some(json!({ "requests": { "storage": chosen.storage } }))),
        ("storageClassName", chosen.storage_class.as_ref().map(|class| json!(class))),
    ]);
    let annotations = json!({ INPUTS: fingerprint(&[&inputs.token]) });
    let spec: Value = json!({
        "replicas": 1,
        "selector": { "matchLabels": { "k8s-app": MANAGER } },
        "serviceName": MANAGER,
        "template": { "metadata": { "labels": labels, "annotations": annotations }, "spec": pod },
        "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": claim }],
    });
    Object::new("StatefulSet", namespace, MANAGER, COMPONENT, json!({ "spec": spec }))
        .with("labels", "k8s-app", MANAGER)
}
