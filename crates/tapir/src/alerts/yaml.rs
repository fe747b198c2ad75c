//! JSON values as YAML 1.2 in block style.
//!
//! *Why not a library*: what is printed was written by attackers. Libraries write a bidi control or a word like `no` as plain or
//! single-quoted text, where nothing can be escaped. Here a text is plain only if it is a harmless word; everything else
//! is a JSON string, which YAML reads, with the escapes of [`readable_json`].

use super::readable::readable_json;
use serde_json::Value;

/// Lines of a document, the last with its line feed.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Array(items) if !items.is_empty() => list(items, 0, &mut out),
        Value::Object(members) if !members.is_empty() => object(members, 0, &mut out),
        other => {
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
    out
}

/// One item of a list of the given depth.
pub fn item(value: &Value, depth: usize) -> String {
    let mut out = String::new();
    list(std::slice::from_ref(value), depth, &mut out);
    out
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn list(items: &[Value], depth: usize, out: &mut String) {
    for item in items {
        indent(depth, out);
        out.push_str("- ");
        match item {
            Value::Array(inner) if !inner.is_empty() => {
                // `- - 1` is hard to read, and to write for nested ones.
                out.pop();
                out.push('\n');
                list(inner, depth + 1, out);
            }
            Value::Object(members) if !members.is_empty() => {
                let at = out.len();
                object(members, depth + 1, out);
                // The first member stands behind the dash.
                out.replace_range(at..at + 2 * (depth + 1), "");
            }
            other => {
                out.push_str(&scalar(other));
                out.push('\n');
            }
        }
    }
}

fn object(members: &serde_json::Map<String, Value>, depth: usize, out: &mut String) {
    for (name, value) in members {
        indent(depth, out);
        out.push_str(&text(name));
        out.push(':');
        match value {
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                list(items, depth, out);
            }
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                object(inner, depth + 1, out);
            }
            other => {
                out.push(' ');
                out.push_str(&scalar(other));
                out.push('\n');
            }
        }
    }
}

/// Everything that is one line: also `[]` and `{}`.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        other => readable_json(&other.to_string()),
    }
}

fn text(string: &str) -> String {
    if is_harmless(string) { string.to_owned() } else { readable_json(&Value::from(string).to_string()) }
}

/// A word that every version of YAML reads as this text.
fn is_harmless(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_and_lists_are_blocks() {
        let value = json!({
            "a": [{ "x": 1, "z": [] }, [1, [2]], {}, "b c", null],
            "empty": {},
            "m": { "deep": { "er": true } },
            "time": "2026-11-24T03:12:07Z",
        });
        insta::assert_snapshot!(yaml(&value), @r#"
        a:
        - x: 1
          z: []
        -
          - 1
          -
            - 2
        - {}
        - "b c"
        - null
        empty: {}
        m:
          deep:
            er: true
        time: "2026-11-24T03:12:07Z"
        "#);
        assert_eq!(item(&json!({ "a": 1, "b": 2 }), 0), "- a: 1\n  b: 2\n");
    }

    #[test]
    fn text_that_means_something_else_is_quoted() {
        for odd in [
            "",
            "no",
            "True",
            "1",
            "1e3",
            "~",
            "-",
            "a: b",
            "a #b",
            "*a",
            "&a",
            "!x",
            "%a",
            "@a",
            "a\u{202e}",
            "\x1b",
            "0x1",
            ".inf",
        ] {
            let text = yaml(&json!(odd));
            assert!(text.starts_with('"') && text.ends_with("\"\n"), "{odd}: {text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!(odd));
            assert!(!text.trim_end().contains(super::super::readable::is_hidden), "{text:?}");
        }
        for plain in ["open", "shop/frontend", "T1190", "Deployment"] {
            assert_eq!(yaml(&json!(plain)), format!("{plain}\n"));
        }
    }
}
