//! What the cluster is to have, as values: the agents, the manager, and the definitions of resources.
//!
//! *Invariants*: the same inputs give the same objects, byte by byte; nothing here asks or tells a cluster.

mod agent;
mod manager;
mod roles;

pub use agent::{AgentInputs, agent, agent_namespace};
pub(crate) use manager::{AGENT_TOKEN, TLS};
pub use manager::{ManagerInputs, manager};
pub(crate) use roles::{agent_namespace_rules, agent_rules, manager_namespace_rules, manager_rules, webhook_rules};

use crate::object::Object;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Annotation of pods with what they read at their start, so that a change of it makes new pods.
const INPUTS: &str = "tapir.dev/inputs";

/// A hash of what pods read at their start, 16 hex digits.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut text = String::with_capacity(16);
    for byte in hash.finalize().iter().take(8) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A service account with a role of its own in the whole cluster.
fn account(namespace: &str, name: &str, component: &str, rules: Value) -> Vec<Object> {
    let subject = json!([{ "kind": "ServiceAccount", "name": name, "namespace": namespace }]);
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name });
    vec![
        Object::new("ServiceAccount", namespace, name, component, json!({})),
        Object::new("ClusterRole", "", name, component, json!({ "rules": rules })),
        Object::new("ClusterRoleBinding", "", name, component, json!({ "roleRef": role, "subjects": subject })),
    ]
}

/// What a container that needs nothing gets.
pub(crate) fn restricted() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] },
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsGroup": crate::options::USER,
        "runAsNonRoot": true,
        "runAsUser": crate::options::USER,
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// Names of secrets for pulling images.
pub(crate) fn pull_secrets(names: &[String]) -> Option<Value> {
    let secrets: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    (!secrets.is_empty()).then(|| json!(secrets))
}

#[cfg(test)]
mod tests;
