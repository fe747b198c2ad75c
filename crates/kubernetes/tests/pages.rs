//! `docs/kubernetes/` against the crate: examples are what they say, errors look as shown, every field is explained.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::Value;
use std::collections::BTreeSet;
use tapir_kubernetes::crds;
use tapir_kubernetes::resources::{
    AlertException, DeepPacketInspection, Inspection, IntrusionDetection, SecurityEventWebhook, Suppression,
};
use tapir_kubernetes::selector::{MAX_BYTES, MAX_NAME, MAX_NESTING, Selector};

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../../docs/kubernetes/{name}.md", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Blocks between fences of this kind.
fn blocks<'p>(page: &'p str, kind: &str) -> Vec<&'p str> {
    page.split(&format!("```{kind}\n")).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn examples_of_selectors_are_selectors() {
    let page = page("selectors");
    let examples = page.split("\n## Examples\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let selectors: Vec<String> = examples
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split("` |").next())
        .map(|text| text.replace("\\|", "|"))
        .collect();
    assert!(selectors.len() >= 10, "{selectors:?}");
    for text in &selectors {
        Selector::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)));
    }
}

#[test]
fn errors_of_selectors_look_as_shown() {
    let page = page("selectors");
    let shown = blocks(&page, "error");
    assert!(shown.len() >= 10);
    for block in shown {
        let text = block.lines().next().unwrap();
        assert_eq!(Selector::parse(text).unwrap_err().render(text), block);
    }
}

#[test]
fn limits_of_selectors_are_the_ones_of_the_crate() {
    let page = page("selectors");
    assert!(page.contains(&format!("At most {MAX_BYTES} bytes, and {MAX_NESTING} levels of parentheses.")));
    assert!(page.contains(&format!("1 to {MAX_NAME} of A-Z")));
}

/// The definition's schema of a kind.
fn schema(kind: &str) -> Value {
    let all = crds::all();
    let of = |definition: &&crds::Definition| {
        let spec = &definition.object["spec"];
        spec["names"]["kind"] == kind && spec["group"] != "crd.projectcalico.org"
    };
    let found = all.iter().find(of).unwrap();
    found.object["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Whether a value has what the schema requires, and nothing that it does not know.
fn fits(schema: &Value, value: &Value, path: &str) {
    match value {
        Value::Object(object) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(object.contains_key(name.as_str().unwrap()), "{path} lacks {name}");
            }
            for (name, inner) in object {
                let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                let known = known.unwrap_or_else(|| panic!("{path}.{name} is in no schema"));
                fits(known, inner, &format!("{path}.{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fits(&schema["items"], item, path)),
        Value::String(text) => {
            if let Some(pattern) = schema["pattern"].as_str() {
                assert!(regex::Regex::new(pattern).unwrap().is_match(text), "{path}: {text} is not {pattern}");
            }
            if let Some(words) = schema["enum"].as_array() {
                assert!(words.contains(value), "{path}: {text} is none of {words:?}");
            }
        }
        _ => {}
    }
}

fn read_and_written<T: serde::de::DeserializeOwned + serde::Serialize>(resource: &Value) {
    let read: T = serde_json::from_value(resource.clone()).unwrap();
    assert_eq!(&serde_json::to_value(read).unwrap(), resource);
}

#[test]
fn examples_of_resources_fit_their_schemas() {
    let page = page("resources");
    let mut kinds = BTreeSet::new();
    for block in blocks(&page, "yaml") {
        let resource: Value = serde_saphyr::from_str(block).unwrap();
        let kind = resource["kind"].as_str().unwrap().to_owned();
        fits(&schema(&kind)["properties"]["spec"], &resource["spec"], &kind);
        match kind.as_str() {
            "DeepPacketInspection" => read_and_written::<DeepPacketInspection>(&resource),
            "IntrusionDetection" => read_and_written::<IntrusionDetection>(&resource),
            "AlertException" => read_and_written::<AlertException>(&resource),
            "SecurityEventWebhook" => read_and_written::<SecurityEventWebhook>(&resource),
            "Inspection" => read_and_written::<Inspection>(&resource),
            "Suppression" => read_and_written::<Suppression>(&resource),
            other => panic!("what is a {other}?"),
        }
        kinds.insert(kind);
    }
    assert_eq!(kinds.len(), 6, "{kinds:?}");
}

#[test]
fn every_field_of_our_own_is_explained() {
    fn leaves(schema: &Value, found: &mut BTreeSet<String>) {
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            found.insert(name.clone());
            leaves(inner, found);
            leaves(&inner["items"], found);
        }
    }
    let page = page("resources");
    for kind in ["Inspection", "Suppression"] {
        let section = page.split(&format!("\n## {kind}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
        let mut schema = schema(kind);
        schema["properties"]["status"]["properties"]["conditions"] = Value::Null;
        let mut names = BTreeSet::new();
        leaves(&schema, &mut names);
        assert!(names.len() > 10, "{names:?}");
        for name in names.iter().filter(|name| !["spec", "status", "conditions"].contains(&name.as_str())) {
            assert!(section.contains(name.as_str()), "{kind}: {name} is not explained");
        }
    }
}
