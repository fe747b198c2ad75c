//! What agents and manager may do in the cluster: the rules of `deploy/kubernetes/*-rbac.yaml`, which people read, too.
//!
//! *Invariants*: the operator holds each of these rules itself, since nobody may grant what he has not.

use serde::Deserialize;
use serde_json::Value;

const AGENT: &str = include_str!("../../../../deploy/kubernetes/agent-rbac.yaml");
const MANAGER: &str = include_str!("../../../../deploy/kubernetes/manager-rbac.yaml");

/// Rules of the agents' ClusterRole.
pub(crate) fn agent_rules() -> Value {
    rules(AGENT, "ClusterRole", "")
}

/// Rules of the agents' Role in their namespace.
pub(crate) fn agent_namespace_rules() -> Value {
    rules(AGENT, "Role", "")
}

/// Rules of the manager's ClusterRole.
pub(crate) fn manager_rules() -> Value {
    rules(MANAGER, "ClusterRole", "")
}

/// Rules of the manager's Role where webhooks refer to ConfigMaps and Secrets.
pub(crate) fn webhook_rules() -> Value {
    rules(MANAGER, "Role", "-webhooks")
}

/// Rules of the manager's Role in its own namespace.
pub(crate) fn manager_namespace_rules() -> Value {
    rules(MANAGER, "Role", "-counts")
}

/// The rules of the first role of a kind of a file of ours whose name ends so; a test reads each of them.
fn rules(file: &str, kind: &str, ending: &str) -> Value {
    #[derive(Deserialize)]
    struct Document {
        kind: String,
        metadata: Metadata,
        #[serde(default)]
        rules: Value,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
    }
    let documents: Vec<Document> = serde_saphyr::from_multiple(file).unwrap_or_default();
    let is_meant = |document: &Document| document.kind == kind && document.metadata.name.ends_with(ending);
    documents.into_iter().find(is_meant).map(|role| role.rules).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_have_rules() {
        for rules in
            [agent_rules(), agent_namespace_rules(), manager_rules(), webhook_rules(), manager_namespace_rules()]
        {
            let rules = rules.as_array().unwrap().clone();
            assert!(!rules.is_empty());
            for rule in rules {
                assert!(rule["verbs"].as_array().is_some_and(|verbs| !verbs.is_empty()), "{rule}");
                assert!(!rule.to_string().contains('*'), "no wildcard: {rule}");
            }
        }
    }
}
