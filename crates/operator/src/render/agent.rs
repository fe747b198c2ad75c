//! The agents: a DaemonSet on every Linux node, with the least that it needs.
//!
//! *How it fits*: rendered while there is something to inspect, removed with the last resource; its namespace stays.
//! *Invariants*: never privileged, no capability but NET_RAW, nothing writable but its spool; the container of the user's own rules is as
//! the incumbent renders it: without a command, an environment or a security context, so that its image can copy as root.
//! *Spec*: tigera/operator `pkg/render/intrusiondetection/dpi/dpi.go`; `docs/kubernetes/install.md` for what differs and why.

use super::{INPUTS, account, agent_namespace_rules, agent_rules, fingerprint, pull_secrets, restricted};
use crate::names::AgentNames;
use crate::object::{Object, labels, present, put};
use crate::options::{MANAGER_PORT, Options, Sandbox, USER};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tapir_kubernetes::resources::IntrusionDetectionSpec;

/// Where agents keep their spool, on the node.
const STATE: &str = "/var/lib/tapir";
/// Where the incumbent's rule images put rules.
const RULES: &str = "/usr/etc/snort/rules";
/// Secret with files for sinks of one's own, if there is one.
pub(crate) const SINKS: &str = "tapir-sinks";
const COMPONENT: &str = "tapir-agent";

/// What the agents are made of besides [`Options`].
#[derive(Clone, Debug, Default)]
pub struct AgentInputs {
    /// The incumbent's resource, if there is one.
    pub spec: IntrusionDetectionSpec,
    /// Text of `tapir.toml` that people want added: sinks of their own.
    pub settings: String,
    /// Token with which agents hand in events; empty without a manager.
    pub token: String,
    /// Authority of the manager's certificate, PEM.
    pub authority: String,
}

/// The namespace: it stays when nothing is inspected, so that people may keep secrets there.
pub fn agent_namespace(options: &Options) -> Object {
    let AgentNames { namespace, .. } = options.agent();
    Object::new("Namespace", "", namespace, COMPONENT, json!({}))
        .with("labels", "name", namespace)
        .with("labels", "pod-security.kubernetes.io/enforce", "privileged")
        .with("labels", "pod-security.kubernetes.io/enforce-version", "latest")
}

/// All of it but the namespace, in the order of creation.
pub fn agent(options: &Options, inputs: &AgentInputs) -> Vec<Object> {
    let AgentNames { namespace, name } = options.agent();
    let settings = settings(options, inputs);
    let mut objects = account(namespace, name, COMPONENT, agent_rules());
    objects.extend(rules_role(namespace, name));
    let files = json!({ "data": { "tapir.toml": settings, "ca.crt": inputs.authority } });
    objects.push(Object::new("ConfigMap", namespace, name, COMPONENT, files));
    let token = json!({ "type": "Opaque", "data": { "token": STANDARD.encode(&inputs.token) } });
    objects.push(Object::new("Secret", namespace, name, COMPONENT, token));
    objects.push(network_policy(namespace, name));
    let inputs_hash = fingerprint(&[&settings, &inputs.authority, &inputs.token]);
    objects.push(daemon_set(options, namespace, name, &inputs.spec, &inputs_hash));
    objects
}

/// The right to rules in ConfigMaps and Secrets of the agents' namespace.
fn rules_role(namespace: &str, name: &str) -> [Object; 2] {
    let role = format!("{name}-rules");
    let binding = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
    });
    [
        Object::new("Role", namespace, &role, COMPONENT, json!({ "rules": agent_namespace_rules() })),
        Object::new("RoleBinding", namespace, &role, COMPONENT, binding),
    ]
}

/// `tapir.toml` of the agents.
fn settings(options: &Options, inputs: &AgentInputs) -> String {
    let mut text = format!("[delivery]\nspool = \"{STATE}/spool\"\ncluster = {}\n", toml(&options.cluster));
    if let Some(manager) = &options.manager {
        if let Some(page) = &manager.public_url {
            text.push_str(&format!("page = {}\n", toml(page)));
        }
        let url = format!("https://{}.{}.svc:{MANAGER_PORT}", crate::names::MANAGER, options.namespace);
        text.push_str(&format!(
            "\n[[delivery.sink]]\nname = \"manager\"\nmanager = {{ url = {}, token_file = \"/etc/tapir/token/token\", \
             http = {{ tls = {{ ca = \"/etc/tapir/config/ca.crt\" }} }} }}\n",
            toml(&url)
        ));
    }
    if !inputs.settings.is_empty() {
        text.push('\n');
        text.push_str(&inputs.settings);
    }
    text
}

/// A basic string of TOML: JSON's strings are such.
fn toml(text: &str) -> String {
    Value::from(text).to_string()
}

/// Egress as the incumbent allows it. Pods on the host's network are outside of policies in most clusters.
fn network_policy(namespace: &str, name: &str) -> Object {
    let ports = |ports: &[(&str, u16)]| -> Value {
        ports.iter().map(|(protocol, port)| json!({ "protocol": protocol, "port": port })).collect()
    };
    let spec = json!({
        "podSelector": { "matchLabels": { "k8s-app": name } },
        "policyTypes": ["Egress"],
        "egress": [
            { "ports": ports(&[("UDP", 53), ("TCP", 53)]) },
            { "ports": ports(&[("TCP", 443), ("TCP", 6443)]) },
            { "ports": ports(&[("TCP", MANAGER_PORT)]) },
        ],
    });
    Object::new("NetworkPolicy", namespace, name, COMPONENT, json!({ "spec": spec }))
}

fn daemon_set(
    options: &Options,
    namespace: &str,
    name: &str,
    spec: &IntrusionDetectionSpec,
    inputs_hash: &str,
) -> Object {
    let rules = spec.rules_container();
    let selector = json!({ "k8s-app": name });
    let mut labels = labels(COMPONENT, crate::object::OPERATOR);
    put(&mut labels, "k8s-app", json!(name));
    let security = if options.is_root() { root(options.inside_pods) } else { user() };
    let mut arguments = vec![
        "agent".to_owned(),
        "--config=/etc/tapir/config/tapir.toml".to_owned(),
        format!("--health={}", options.agent_health),
        format!("--interface-prefix={}", options.interface_prefix),
        format!("--namespace={namespace}"),
        format!("--snort-rules={RULES}"),
    ];
    if options.sandbox != Sandbox::default() {
        arguments.push(format!("--sandbox={}", options.sandbox.word()));
    }
    let mut mounts = vec![
        json!({ "name": "config", "mountPath": "/etc/tapir/config", "readOnly": true }),
        json!({ "name": "token", "mountPath": "/etc/tapir/token", "readOnly": true }),
        json!({ "name": "sinks", "mountPath": "/etc/tapir/sinks", "readOnly": true }),
        json!({ "name": "state", "mountPath": STATE }),
    ];
    let mut volumes = vec![
        json!({ "name": "config", "configMap": { "name": name } }),
        json!({ "name": "token", "secret": { "secretName": name, "defaultMode": 0o440 } }),
        json!({ "name": "sinks", "secret": { "secretName": SINKS, "defaultMode": 0o440, "optional": true } }),
        json!({ "name": "state", "hostPath": { "path": STATE, "type": "DirectoryOrCreate" } }),
    ];
    if rules.is_some() {
        mounts.push(json!({ "name": "snort-cache", "mountPath": RULES, "readOnly": true }));
        volumes.push(json!({ "name": "snort-cache", "emptyDir": {} }));
    }
    let health = options.agent_health;
    // Pods are on the node's network: the kubelet reaches what is served there.
    let host = if health.ip().is_unspecified() { "127.0.0.1".to_owned() } else { health.ip().to_string() };
    let probe = |path: &str, delay: u32| {
        json!({
            "httpGet": { "host": host, "path": path, "port": health.port(), "scheme": "HTTP" },
            "initialDelaySeconds": delay, "timeoutSeconds": 10, "periodSeconds": 10,
        })
    };
    let container = json!({
        "name": name,
        "image": options.image,
        "imagePullPolicy": options.pull_policy,
        "args": arguments,
        "env": [{ "name": "NODE_NAME", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } }],
        "readinessProbe": probe("/readiness", 10),
        "livenessProbe": probe("/liveness", 60),
        "resources": spec.resources(),
        "securityContext": security,
        "volumeMounts": mounts,
    });
    let mut first = vec![spool_owner(options)];
    if let Some(rules) = rules {
        first.push(present(vec![
            ("name", Some(json!("snort-rules"))),
            ("image", Some(json!(rules.image))),
            ("resources", rules.resources.as_ref().map(|resources| json!(resources))),
            ("volumeMounts", Some(json!([{ "name": "snort-cache", "mountPath": RULES }]))),
        ]));
    }
    let pod = present(vec![
        ("containers", Some(json!([container]))),
        ("dnsPolicy", Some(json!("ClusterFirstWithHostNet"))),
        ("hostNetwork", Some(json!(true))),
        ("hostPID", (options.host_pid || options.inside_pods).then_some(json!(true))),
        ("imagePullSecrets", pull_secrets(&options.pull_secrets)),
        ("initContainers", Some(json!(first))),
        ("nodeSelector", Some(json!({ "kubernetes.io/os": "linux" }))),
        // Secrets are for the group only.
        ("securityContext", Some(json!({ "fsGroup": USER }))),
        ("serviceAccountName", Some(json!(name))),
        // The spool is synced and sinks end in order.
        ("terminationGracePeriodSeconds", Some(json!(10))),
        (
            "tolerations",
            Some(json!([
                { "key": "CriticalAddonsOnly", "operator": "Exists" },
                { "effect": "NoSchedule", "operator": "Exists" },
                { "effect": "NoExecute", "operator": "Exists" },
            ])),
        ),
        ("volumes", Some(json!(volumes))),
    ]);
    let template = json!({ "metadata": { "labels": labels, "annotations": { INPUTS: inputs_hash } }, "spec": pod });
    let spec = json!({
        "selector": { "matchLabels": selector },
        "template": template,
        "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "10%" } },
    });
    Object::new("DaemonSet", namespace, name, COMPONENT, json!({ "spec": spec })).with("labels", "k8s-app", name)
}

/// A user without a name, whose one capability comes with the program's file; that needs the kernel to let a program gain what its file
/// has, and no other file of the image has anything to give.
fn user() -> Value {
    json!({
        "allowPrivilegeEscalation": true,
        "capabilities": { "drop": ["ALL"], "add": ["NET_RAW"] },
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsGroup": USER,
        "runAsNonRoot": true,
        "runAsUser": USER,
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// Root by number, with none of its powers but NET_RAW, and what entering a pod's network namespace takes.
fn root(inside_pods: bool) -> Value {
    let powers: &[&str] = if inside_pods { &["NET_RAW", "SYS_ADMIN", "SYS_PTRACE"] } else { &["NET_RAW"] };
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"], "add": powers },
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsGroup": 0,
        "runAsNonRoot": false,
        "runAsUser": 0,
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// Gives the node's directory to the agent's user: kubelet makes it root's.
fn spool_owner(options: &Options) -> Value {
    let user = if options.is_root() { 0 } else { USER };
    let mut security = restricted();
    put(&mut security, "capabilities", json!({ "drop": ["ALL"], "add": ["CHOWN"] }));
    put(&mut security, "runAsNonRoot", json!(false));
    put(&mut security, "runAsUser", json!(0));
    put(&mut security, "runAsGroup", json!(0));
    json!({
        "name": "spool-owner",
        "image": options.image,
        "imagePullPolicy": options.pull_policy,
        "args": ["prepare-node", STATE, format!("--user={user}")],
        "resources": { "limits": { "memory": "64Mi" }, "requests": { "cpu": "10m", "memory": "16Mi" } },
        "securityContext": security,
        "volumeMounts": [{ "name": "state", "mountPath": STATE }],
    })
}
