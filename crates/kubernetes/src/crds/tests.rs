//! The definitions against Calico's schemas, and against what Kubernetes asks of a definition.

use super::*;

fn definition(name: &str) -> Definition {
    all().into_iter().find(|definition| definition.name() == name).unwrap()
}

/// The schema without what describes and what is ours: descriptions and the rule about characters of selectors.
fn schema(name: &str) -> Value {
    fn bare(schema: &mut Value) {
        match schema {
            Value::Object(object) => {
                if object.get("description").is_some_and(Value::is_string) {
                    object.remove("description");
                }
                if object.get("maxLength") == Some(&json!(crate::selector::MAX_BYTES)) {
                    object.remove("maxLength");
                    object.remove("x-kubernetes-validations");
                }
                object.iter_mut().for_each(|(_, value)| bare(value));
            }
            Value::Array(items) => items.iter_mut().for_each(bare),
            _ => {}
        }
    }
    let mut object = definition(name).object;
    let mut schema = adjust::root(&mut object).unwrap().take();
    bare(&mut schema);
    schema
}

fn root(spec: &Value, status: &Value, required: &[&str]) -> Value {
    let mut root = json!({
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    });
    if !required.is_empty() {
        root["required"] = json!(required);
    }
    root
}

#[test]
fn deep_packet_inspection_has_calicos_schema_in_both_forms() {
    let time = json!({"type": "string", "format": "date-time"});
    let error = json!({"type": "object", "properties": {"message": {"type": "string"}, "lastUpdated": time}});
    let count = json!({"type": "integer", "format": "int32"});
    let node = json!({
        "type": "object",
        "properties": {
            "node": {"type": "string"},
            // Not Calico's.
            "endpoints": {"type": "object", "properties": {"selected": count, "attached": count}, "required": ["attached", "selected"]},
            "active": {"type": "object", "properties": {"success": {"type": "boolean"}, "lastUpdated": time}},
            "errorConditions": {"type": "array", "items": error, "maxItems": 10, "x-kubernetes-list-type": "atomic"},
        },
    });
    // Not Calico's either.
    let mut condition_map = conditions();
    condition_map["x-kubernetes-list-type"] = json!("map");
    condition_map["x-kubernetes-list-map-keys"] = json!(["type"]);
    let nodes = json!({"type": "array", "items": node, "x-kubernetes-list-type": "atomic"});
    let expected = root(
        &json!({"type": "object", "properties": {"selector": {"type": "string"}}}),
        &json!({"type": "object", "properties": {"nodes": nodes, "conditions": condition_map}}),
        &[],
    );
    for (group, version) in [("projectcalico.org", "v3"), ("crd.projectcalico.org", "v1")] {
        let name = format!("deeppacketinspections.{group}");
        assert_eq!(schema(&name), expected, "{name}");
        let spec = definition(&name).object["spec"].take();
        assert_eq!((&spec["group"], &spec["scope"]), (&json!(group), &json!("Namespaced")));
        assert_eq!(
            spec["names"],
            json!({
                "kind": "DeepPacketInspection", "plural": "deeppacketinspections", "singular": "deeppacketinspection",
            })
        );
        let only = &spec["versions"][0];
        assert_eq!((&only["name"], &only["served"], &only["storage"]), (&json!(version), &json!(true), &json!(true)));
        assert_eq!(only["subresources"], json!({"status": {}}));
    }
}

fn conditions() -> Value {
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "message": {"type": "string", "maxLength": 32768},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "reason": {"type": "string", "maxLength": 1024, "minLength": 1, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "type": {
                    "type": "string", "maxLength": 316,
                    "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                },
            },
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        },
    })
}

#[test]
fn security_event_webhook_has_calicos_schema() {
    let key = json!({
        "type": "object",
        "properties": {"key": {"type": "string"}, "name": {"type": "string", "default": ""}, "optional": {"type": "boolean"}},
        "required": ["key"],
        "x-kubernetes-map-type": "atomic",
    });
    let value = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "value": {"type": "string"},
            "valueFrom": {"type": "object", "properties": {"configMapKeyRef": key, "secretKeyRef": key}},
        },
        "required": ["name"],
    });
    let spec = json!({
        "type": "object",
        "properties": {
            "config": {"type": "array", "items": value, "x-kubernetes-list-type": "atomic"},
            "consumer": {"type": "string"},
            "query": {"type": "string"},
            "state": {"type": "string"},
        },
        "required": ["config", "consumer", "query", "state"],
    });
    let expected = root(&spec, &conditions(), &["metadata", "spec"]);
    assert_eq!(schema("securityeventwebhooks.projectcalico.org"), expected);
    assert_eq!(definition("securityeventwebhooks.projectcalico.org").object["spec"]["scope"], "Cluster");
}

#[test]
fn alert_exception_has_calicos_schema() {
    let spec = json!({
        "type": "object",
        "properties": {
            "description": {"type": "string"},
            "selector": {"type": "string"},
            "startTime": {"type": "string", "format": "date-time"},
            "endTime": {"type": "string", "format": "date-time"},
        },
        "required": ["description", "selector", "startTime"],
        "x-kubernetes-validations": [
            {"rule": "!has(self.endTime) || self.endTime > self.startTime", "message": "endTime must be after startTime"},
        ],
    });
    let name = "alertexceptions.projectcalico.org";
    assert_eq!(schema(name), root(&spec, &json!({"type": "object"}), &["metadata", "spec"]));
    let spec = definition(name).object["spec"].take();
    assert_eq!((&spec["scope"], &spec["versions"][0]["subresources"]), (&json!("Cluster"), &json!({"status": {}})));
}

#[test]
fn intrusion_detection_has_calicos_schema() {
    let quantity = json!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$",
        "x-kubernetes-int-or-string": true,
    });
    let amounts = json!({"type": "object", "additionalProperties": quantity});
    let claim = json!({
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "request": {"type": "string"}},
    });
    let resources = json!({
        "type": "object",
        "properties": {
            "claims": {"type": "array", "items": claim, "x-kubernetes-list-map-keys": ["name"], "x-kubernetes-list-type": "map"},
            "limits": amounts,
            "requests": amounts,
        },
    });
    let component = json!({
        "type": "object",
        "properties": {
            "componentName": {"type": "string", "enum": ["DeepPacketInspection"]},
            "resourceRequirements": resources,
        },
        "required": ["componentName", "resourceRequirements"],
    });
    let init = json!({
        "type": "object",
        "properties": {
            "image": {"type": "string"},
            "name": {"type": "string", "enum": ["snort-rules"]},
            "resources": resources,
        },
        "required": ["image", "name"],
    });
    let container = |names: &[&str], probes: &[&str]| {
        let mut container = json!({
            "type": "object", "required": ["name"],
            "properties": {"name": {"type": "string", "enum": names}, "resources": resources},
        });
        for name in probes {
            container["properties"][*name] = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        }
        container
    };
    let nested = |inner: Value| {
        let object = |name: &str, inner: Value| json!({"type": "object", "properties": {name: inner}});
        object("spec", object("template", object("spec", json!({"type": "object", "properties": inner}))))
    };
    let controller = nested(json!({
        "containers": {
            "type": "array",
            "items": container(&["controller", "webhooks-processor"], &["readinessProbe", "livenessProbe"]),
        },
        "initContainers": {
            "type": "array", "items": container(&["intrusion-detection-tls-key-cert-provisioner"], &[]),
        },
    }));
    let spec = json!({
        "type": "object",
        "properties": {
            "anomalyDetection": {"type": "object", "properties": {"storageClassName": {"type": "string"}}},
            "componentResources": {"type": "array", "items": component},
            "intrusionDetectionControllerDeployment": controller,
            "deepPacketInspectionDaemonset": nested(json!({
                "initContainers": {"type": "array", "items": init, "maxItems": 1},
            })),
        },
    });
    let status = json!({"type": "object", "properties": {"state": {"type": "string"}, "conditions": conditions()}});
    let mut expected = root(&spec, &status, &[]);
    expected["x-kubernetes-validations"] = json!([
        {"rule": "self.metadata.name == 'tigera-secure'", "message": "resource name must be 'tigera-secure'"},
    ]);
    assert_eq!(schema("intrusiondetections.operator.tigera.io"), expected);
}

#[test]
fn tables_begin_with_what_is_inspected_and_end_with_the_age() {
    for definition in all() {
        let Some(columns) = definition.object["spec"]["versions"][0]["additionalPrinterColumns"].as_array().cloned()
        else {
            assert_eq!(definition.owner, Owner::Calico, "{}", definition.name());
            continue;
        };
        let names: Vec<&str> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
        assert_eq!(names.last(), Some(&"Age"), "{names:?}");
        assert_eq!(columns.last().unwrap()["jsonPath"], ".metadata.creationTimestamp");
        assert!(columns.iter().all(|column| column["jsonPath"].as_str().unwrap().starts_with('.')), "{columns:?}");
        assert!(!names.contains(&"Name"), "kubectl shows the name by itself");
    }
    let inspection = definition("inspections.tapir.dev").object["spec"].take();
    assert_eq!((&inspection["scope"], &inspection["names"]["shortNames"]), (&json!("Cluster"), &json!(["insp"])));
    assert_eq!(inspection["names"]["categories"], json!(["tapir"]));
    assert_eq!(definition("suppressions.tapir.dev").object["spec"]["scope"], "Namespaced");
}

/// Every schema below one, with its path.
fn walk(schema: &Value, path: &str, see: &mut dyn FnMut(&str, &Value)) {
    see(path, schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(inner, &format!("{path}.{name}"), see);
    }
    for below in ["items", "additionalProperties"] {
        if schema[below].is_object() {
            walk(&schema[below], &format!("{path}[]"), see);
        }
    }
}

#[test]
fn schemas_are_structural_and_bounded_where_rules_are() {
    for definition in all() {
        let mut object = definition.object.clone();
        let schema = adjust::root(&mut object).unwrap();
        walk(schema, definition.name(), &mut |path, schema| {
            let typed = schema["type"].is_string() || schema["x-kubernetes-int-or-string"] == true;
            assert!(typed, "{path} has no type: {schema}");
            for word in ["nullable", "$ref", "oneOf", "allOf", "const", "title", "$schema"] {
                assert!(schema.get(word).is_none(), "{path}: {word}");
            }
            if let Some(format) = schema.get("format") {
                assert!(["int32", "int64", "date-time"].contains(&format.as_str().unwrap()), "{path}: {format}");
            }
            // The API server reckons the cost of a rule with the largest size that the schema allows.
            let rules = |schema: &Value| schema.get("x-kubernetes-validations").is_some();
            let mut inside = false;
            walk(&schema["items"], path, &mut |_, inner| inside |= rules(inner));
            assert!(!inside || schema["maxItems"].is_u64(), "{path} has rules in a list without an end");
        });
    }
}

#[test]
fn the_files_say_what_the_objects_say() {
    for definition in all() {
        let text = definition.yaml();
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, definition.object, "{}", definition.name());
        assert!(text.starts_with("# Written by `cargo run -p xtask -- crds`; do not edit."));
    }
}

#[test]
fn every_field_is_described() {
    for definition in all() {
        let mut object = definition.object.clone();
        let schema = adjust::root(&mut object).unwrap();
        for part in ["spec", "status"] {
            walk(&schema["properties"][part], part, &mut |path, schema| {
                let ours =
                    !path.contains("onditions") && !path.contains("ControllerDeployment") && !path.ends_with("[]");
                let bare = path.starts_with("status") && definition.name().starts_with("securityeventwebhooks");
                assert!(
                    !ours || bare || schema["description"].is_string(),
                    "{}: {path} has no description",
                    definition.name()
                );
            });
        }
    }
}
