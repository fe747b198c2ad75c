//! Answers of Calico's own parser for 122 selectors: read from `$TAPIR_SHARED/spec/calico` where that is there.

use super::Selector;
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn calico_gives_the_same_answers() {
    let Some(lines) = crate::shared::lines("selectors.jsonl") else { return };
    let (mut valid, mut invalid) = (0, 0);
    let mut wrong = Vec::new();
    for line in &lines {
        let text = line["selector"].as_str().unwrap();
        match (line["valid"].as_bool().unwrap(), Selector::parse(text)) {
            (true, Ok(selector)) => {
                valid += 1;
                differences(line, &selector, &mut wrong);
            }
            (false, Err(error)) => {
                invalid += 1;
                let (kind, expected) = (error.kind.reason(), line["error_kind"].as_str().unwrap());
                if kind != expected {
                    wrong.push(format!("{text:?}: error {kind} instead of {expected}"));
                }
            }
            (expected, got) => wrong.push(format!("{text:?}: valid should be {expected}, got {got:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(valid >= 62 && invalid >= 60, "{valid} valid, {invalid} invalid: lines are missing");
}

fn differences(line: &Value, selector: &Selector, wrong: &mut Vec<String>) {
    let text = &line["selector"];
    let mut same = |what: &str, got: &str, expected: &str| {
        if got != expected {
            wrong.push(format!("{text}: {what} {got} instead of {expected}"));
        }
    };
    same("canonical", &selector.to_string(), line["canonical"].as_str().unwrap());
    same("id", &selector.id(), line["uid"].as_str().unwrap());
    for (sets, expected) in [("matches", true), ("non_matches", false)] {
        for set in line[sets].as_array().unwrap() {
            let labels: BTreeMap<String, String> = serde_json::from_value(set.clone()).unwrap();
            same(&format!("{set} matches"), &selector.matches(&labels).to_string(), &expected.to_string());
        }
    }
}
