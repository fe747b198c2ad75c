//! What is changed in every schema that the derive makes, so that it is one that Kubernetes takes without a warning and that
//! is worded as controller-gen words it.

use serde_json::{Value, json};

/// Formats that the API server knows; of others it warns.
const FORMATS: &[&str] = &["int32", "int64", "float", "double", "byte", "date", "date-time"];

/// The schema of the resource itself.
pub(super) fn root(definition: &mut Value) -> Option<&mut Value> {
    definition.pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
}

/// Sets a key of the object at a place, if there is one.
pub(super) fn put(value: &mut Value, place: &str, key: &str, new: Value) {
    if let Some(Value::Object(object)) = value.pointer_mut(place) {
        object.insert(key.to_owned(), new);
    }
}

/// Changes the schema of the resource and all below.
pub(super) fn every_schema(definition: &mut Value) {
    if let Some(schema) = root(definition) {
        walk(schema);
    }
}

/// Definitions have bounds as floating-point numbers; `0` is easier to read than `0.0`.
fn whole(number: &Value) -> Value {
    let text = number.as_f64().map(|number| format!("{number:.0}"));
    let whole = text.and_then(|text| text.parse::<i64>().ok()).map(Value::from);
    whole.filter(|whole| whole.as_f64() == number.as_f64()).unwrap_or_else(|| number.clone())
}

fn walk(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    // Absent is absent: null is not a value that anything here has.
    object.remove("nullable");
    // The name of the Rust type.
    object.remove("title");
    for bound in ["minimum", "maximum"] {
        if let Some(number) = object.get_mut(bound) {
            *number = whole(number);
        }
    }
    if object.get("format").and_then(Value::as_str).is_some_and(|format| !FORMATS.contains(&format)) {
        object.remove("format");
    }
    if object.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        object.insert("anyOf".to_owned(), json!([{ "type": "integer" }, { "type": "string" }]));
        object.remove("type");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.iter_mut().for_each(|(_, schema)| walk(schema));
    }
    for below in ["items", "additionalProperties"] {
        if let Some(schema) = object.get_mut(below) {
            walk(schema);
        }
    }
}
