//! Parts of schemas that several resources share.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

/// What the API server can refuse of a selector before anybody reads it, as a regular expression in RE2's language: everything
/// but parentheses that do not match, names that are too long, and words that run into each other.
pub(crate) fn selector_pattern() -> String {
    let name = "[A-Za-z0-9_./-]+";
    // Quotation marks by number: the expression stands in one of CEL's strings.
    let value = r"(?:\x22[^\x22]*\x22|\x27[^\x27]*\x27)";
    let set = format!(r"\{{[ \t]*(?:{value}[ \t]*(?:,[ \t]*{value}[ \t]*)*(?:,[ \t]*)?)?\}}");
    let call = format!(r"(?:all|global)\([ \t]*\)|has\([ \t]*{name}[ \t]*\)");
    let compared = format!(r"(?:==|!=|contains|starts[ \t]*with|ends[ \t]*with)[ \t]*{value}");
    let term = format!(r"(?:{call}|{name}[ \t]*(?:{compared}|(?:not[ \t]*)?in[ \t]*{set}))");
    let grouped = format!(r"(?:[ \t]*[!(])*[ \t]*{term}(?:[ \t]*\))*[ \t]*");
    format!(r"^[ \t]*(?:{grouped}(?:(?:&&|\|\|){grouped})*)?$")
}

/// A text in Calico's selector language.
pub(crate) fn selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": crate::selector::MAX_BYTES,
        "x-kubernetes-validations": [{
            "rule": format!("self.matches(r'{}')", selector_pattern()),
            "message": "must be a Calico selector on one line: labels compared with ==, !=, in, not in, contains, \
                        starts with, ends with; has(), all(); joined with &&, ||, !; values in straight quotation marks",
        }],
    })
}

/// A time as RFC 3339.
pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// Conditions as a list that is written as a whole.
pub(crate) fn condition_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": condition() })
}

/// Conditions by type, each with an owner of its own.
pub(crate) fn condition_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": condition(),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}

/// metav1.Condition with its limits.
fn condition() -> serde_json::Value {
    json!({
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": { "type": "string", "format": "date-time" },
            "message": { "type": "string", "maxLength": 32768 },
            "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
            "type": {
                "type": "string",
                "maxLength": 316,
                "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            },
        },
    })
}

/// An object of another's that is kept as it is.
pub(crate) fn untouched(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

#[cfg(test)]
mod tests {
    use super::selector_pattern;
    use crate::selector::Selector;
    use regex::Regex;

    fn pattern() -> Regex {
        Regex::new(&selector_pattern()).unwrap()
    }

    #[test]
    fn the_pattern_lets_every_selector_pass() {
        let pattern = pattern();
        for text in [
            "",
            "app == \"frontend\"",
            "!has(a)&&b!='é“\n'||(c in{'x',}) && d not in {}",
            "a starts with \"it's\" && b == 'say \"x\"'",
        ] {
            assert!(Selector::parse(text).is_ok() && pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn the_pattern_stops_what_no_selector_has() {
        let pattern = pattern();
        for text in [
            "a = 'b'",
            "a == “b”",
            "a == 'b' &&\n c == 'd'",
            "a == 'b",
            "kéy == 'v'",
            "a:b == 'c'",
            "a & b",
            "%",
            "app",
            "!app",
            "a b",
        ] {
            assert!(Selector::parse(text).is_err() && !pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn the_pattern_agrees_with_calico() {
        let Some(lines) = crate::shared::lines("selectors.jsonl") else { return };
        let pattern = pattern();
        let mut refused = 0;
        for line in &lines {
            let text = line["selector"].as_str().unwrap();
            let passes = pattern.is_match(text);
            assert!(passes || line["valid"] == false, "{text}");
            refused += usize::from(!passes);
        }
        assert!(refused >= 50, "{refused} of 60 invalid selectors are refused by the API server already");
    }
}
