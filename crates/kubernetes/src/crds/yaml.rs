//! A value of JSON as YAML for people: block style, keys sorted, quotation marks only where they are needed, long sentences
//! folded.
//!
//! *Invariants*: the same value gives the same bytes, whatever the order of its keys; a reader of YAML 1.1 or 1.2 gets the value back.
//! *Limits*: for definitions of resources, which are a dozen levels deep; it recurses.

use serde_json::{Map, Value};
use std::fmt::Write;

/// Columns of a folded text.
const WIDTH: usize = 110;

/// A document.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(&mut out, map, 0, false),
        other => {
            scalar(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

/// `inline`: the first key stands behind the dash of a list.
fn mapping(out: &mut String, map: &Map<String, Value>, indent: usize, inline: bool) {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_unstable();
    for (at, key) in keys.into_iter().enumerate() {
        if at > 0 || !inline {
            spaces(out, indent);
        }
        if is_plain(key) {
            out.push_str(key)
        } else {
            quoted(out, key)
        }
        out.push(':');
        match map.get(key) {
            Some(Value::Object(inner)) if !inner.is_empty() => {
                out.push('\n');
                mapping(out, inner, indent + 2, false);
            }
            Some(Value::Array(items)) if !items.is_empty() => {
                out.push('\n');
                sequence(out, items, indent);
            }
            Some(other) => {
                out.push(' ');
                scalar(out, other, indent + 2);
                out.push('\n');
            }
            None => {}
        }
    }
}

fn sequence(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        spaces(out, indent);
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(out, map, indent + 2, true),
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                sequence(out, inner, indent + 2);
            }
            other => {
                scalar(out, other, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

fn scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(text) => string(out, text, indent),
        // Writing to a string does not fail. Empty maps and lists, numbers, true, false and null are as in JSON.
        other => drop(write!(out, "{other}")),
    }
}

fn string(out: &mut String, text: &str, indent: usize) {
    let block = !text.is_empty() && text.trim() == text && !text.contains(is_strange);
    if is_plain(text) && text.len() <= WIDTH {
        out.push_str(text);
    } else if block && text.len() > WIDTH && !text.contains("  ") && !text.contains('\\') {
        folded(out, text, indent);
    } else if block && text.contains('\\') && text.contains('\'') {
        out.push_str("|-\n");
        spaces(out, indent);
        out.push_str(text);
    } else if block && !text.contains('\'') {
        out.push('\'');
        out.push_str(text);
        out.push('\'');
    } else {
        quoted(out, text);
    }
}

/// As JSON has it, which is a double-quoted text of YAML, but for characters that YAML does not print.
fn quoted(out: &mut String, text: &str) {
    for c in Value::from(text).to_string().chars() {
        if is_strange(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

/// Not printable, or the end of a line for some readers. All are below U+10000.
fn is_strange(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Lines that a reader joins with one blank.
fn folded(out: &mut String, text: &str, indent: usize) {
    out.push_str(">-");
    let mut column = WIDTH;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column + 1 + length > WIDTH {
            out.push('\n');
            spaces(out, indent);
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
}

/// Needs no quotation marks, and no reader takes it for something else than a text.
fn is_plain(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " ./_-,()<>+;=$~".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/');
    let word = text.to_ascii_lowercase();
    let taken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&word.as_str());
    let number = [".nan", ".inf"].contains(&word.as_str())
        || text.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    starts && !taken && !number && text.chars().all(allowed) && !text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn documents_are_readable() {
        let value = json!({
            "kind": "X",
            "list": [{"name": "a", "type": "string"}, "b", [1, 2], {}],
            "empty": {},
            "none": [],
            "nested": {"true": "yes", "number": "1", "flag": true},
            "pattern": "^[a-z]$",
            "rule": "self.matches(r'^\\d$')",
            "long": "word ".repeat(40).trim(),
        });
        let text = document(&value);
        assert_eq!(read(&text), value);
        let expected = "empty: {}\nkind: X\nlist:\n- name: a\n  type: string\n- b\n- \n  - 1\n  - 2\n- {}\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains("\"true\": 'yes'\n") && text.contains("number: '1'\n") && text.contains("flag: true\n"),
            "{text}"
        );
        assert!(text.contains("pattern: '^[a-z]$'\n"), "{text}");
        assert!(text.contains("rule: |-\n  self.matches(r'^\\d$')\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[ -~]{0,12}", "[a-z:#'\"\\\\ \n-]{0,12}", "(a |b\\\\ |c' |d: |# ){0,60}z", ".{0,6}"];
        let leaf = prop_oneof![
            text.prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            prop::sample::select(vec![
                "true",
                "NO",
                "~",
                "1e3",
                "0x1f",
                "2026-11-24",
                ".5",
                "null",
                "-",
                "1_000",
                "=",
                "<<",
                ".nan"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{1,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
        #[test]
        fn every_value_is_read_back(value in value()) {
            let value = json!({"in": value});
            let text = document(&value);
            prop_assert_eq!(read(&text), value, "{}", text);
        }
    }
}
