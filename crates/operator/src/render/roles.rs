//! What agents and manager may do in the cluster: the rules of `deploy/kubernetes/*-rbac.yaml`, which people read, too.
//!
//! *Invariants*: the operator holds each of these rules itself, since nobody may grant what he has not.

use serde::Deserialize;
use serde_json::Value;

const AGENT: &str = include_str!("../../../../deploy/kubernetes/agent-rbac.yaml");
const MANAGER: &str = include_str!("../../../../deploy/kubernetes/manager-rbac.yaml");

/// Rules of the agents' ClusterRole.
pub(crate) fn agent_rules() -> Value {
    rules(AGENT)
}

/// Rules of the manager's ClusterRole.
pub(crate) fn manager_rules() -> Value {
    rules(MANAGER)
}

/// The rules of the first ClusterRole of a file of ours; a test reads each of them.
fn rules(file: &str) -> Value {
    #[derive(Deserialize)]
    struct Document {
        kind: String,
        #[serde(default)]
        rules: Value,
    }
    let documents: Vec<Document> = serde_saphyr::from_multiple(file).unwrap_or_default();
    documents.into_iter().find(|document| document.kind == "ClusterRole").map(|role| role.rules).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_have_rules() {
        for rules in [agent_rules(), manager_rules()] {
            let rules = rules.as_array().unwrap().clone();
            assert!(!rules.is_empty());
            for rule in rules {
                assert!(rule["verbs"].as_array().is_some_and(|verbs| !verbs.is_empty()), "{rule}");
                assert!(!rule.to_string().contains('*'), "no wildcard: {rule}");
            }
        }
    }
}
