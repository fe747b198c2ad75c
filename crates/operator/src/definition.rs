//! Whose a definition of resources is: ours, or that of somebody who had it before or took it over since.
//!
//! *How it fits*: [`world`](crate::world) judges every definition that it hears of, `tapir install` those that the cluster has.
//! *Invariants*: 1. one without our annotation is not ours; 2. a definition of Calico's that is ours stays so only while our label is on it and
//! nobody else owns a part of its `spec`: annotations outlive an update by the vendor, and two that write by turns would never end. Tapir's own
//! definitions are nobody else's to change.
//! *Limits*: an owner of fields is known by the name that he gave, and by whether he wrote our annotation as well: that is how a `kubectl apply` of what
//! `tapir install --print` prints differs from one of the vendor's manifest.

use crate::object::INSTALLER;
use crate::write::FIELD_MANAGER;
use kube::core::ObjectMeta;
use serde_json::Value;
use tapir_kubernetes::crds::INSTALL;

/// Its value on definitions of Calico's.
const IF_ABSENT: &str = "if-absent";

/// Whose it is, for people; `None`: ours.
pub fn foreign(meta: &ObjectMeta) -> Option<String> {
    let annotation = meta.annotations.as_ref().and_then(|all| all.get(INSTALL));
    let Some(install) = annotation else { return Some("somebody else's".to_owned()) };
    if install != IF_ABSENT {
        return None;
    }
    let label = meta.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/name"));
    if label.map(String::as_str) != Some("tapir") {
        return Some("taken over by somebody, since our label is gone".to_owned());
    }
    let taker = meta.managed_fields.iter().flatten().find(|entry| {
        let fields = entry.fields_v1.as_ref().map_or(&Value::Null, |fields| &fields.0);
        let ours = [FIELD_MANAGER, INSTALLER].contains(&entry.manager.as_deref().unwrap_or_default());
        let wrote_annotation =
            fields.pointer("/f:metadata/f:annotations").is_some_and(|all| all.get(format!("f:{INSTALL}")).is_some());
        entry.subresource.as_deref().unwrap_or_default().is_empty()
            && fields.get("f:spec").is_some()
            && !ours
            && !wrote_annotation
    })?;
    Some(format!("taken over by {}, who writes its spec", taker.manager.as_deref().unwrap_or("somebody")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meta(install: &str, label: &str, managers: &[(&str, &str, Value)]) -> ObjectMeta {
        let managed: Vec<_> = managers
            .iter()
            .map(|(manager, subresource, fields)| json!({ "manager": manager, "subresource": subresource, "fieldsV1": fields }))
            .collect();
        serde_json::from_value(json!({
            "name": "x",
            "annotations": { "tapir.dev/install": install },
            "labels": { "app.kubernetes.io/name": label },
            "managedFields": managed,
        }))
        .unwrap()
    }

    fn spec() -> Value {
        json!({ "f:spec": { "f:versions": {} } })
    }

    fn both() -> Value {
        json!({ "f:metadata": { "f:annotations": { "f:tapir.dev/install": {} } }, "f:spec": { "f:versions": {} } })
    }

    #[test]
    fn it_is_ours_however_it_was_installed() {
        let ways: [&[(&str, &str, Value)]; 5] = [
            &[],
            &[("tapir-operator", "", spec()), ("kube-apiserver", "status", json!({ "f:status": {} }))],
            &[("kubectl-client-side-apply", "", both()), ("tapir-operator", "", both())],
            &[("kubectl", "", both())],
            &[("helm", "", both()), ("tapir-install", "", spec()), ("kubectl-label", "", json!({ "f:metadata": {} }))],
        ];
        for managers in ways {
            assert_eq!(foreign(&meta("if-absent", "tapir", managers)), None, "{managers:?}");
        }
    }

    #[test]
    fn it_is_not_when_somebody_took_it_over() {
        assert_eq!(foreign(&ObjectMeta::default()).as_deref(), Some("somebody else's"));
        let label = foreign(&meta("if-absent", "calico", &[("tapir-operator", "", spec())]));
        assert!(label.unwrap().contains("our label is gone"));
        for manager in ["kubectl-client-side-apply", "operator"] {
            let managers = [("tapir-operator", "", both()), (manager, "", spec())];
            let taken = foreign(&meta("if-absent", "tapir", &managers)).unwrap();
            assert_eq!(taken, format!("taken over by {manager}, who writes its spec"));
        }
    }

    #[test]
    fn tapirs_own_are_nobody_elses() {
        assert_eq!(foreign(&meta("always", "other", &[("kubectl-edit", "", spec())])), None);
    }
}
