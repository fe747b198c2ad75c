//! The shared vectors of the incumbent's language, if `../shared` (or `$TAPIR_SHARED`) is there: verdict, tree, check of
//! keys, matching documents.

use crate::syntax::{Literal, Tree};
use crate::{Dialect, ErrorKind, Fact, Facts, Key, Query, State, parse, parse_for_event, parse_resource, syntax};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Vectors that are wrong about the place, with ours: they name the blank before the character that begins
/// nothing, and a caret belongs under the character.
const PLACES: &[(&str, &str)] =
    &[("origin = \"unterminated", "unexpected character at 9"), ("type && waf", "unexpected character at 5")];

/// A document of the incumbent: its keys are the members.
struct Document(Json);

impl Facts for Document {
    fn values(&self, key: &Key, each: &mut dyn FnMut(Fact<'_>)) {
        let Some(name) = key.field.info().incumbent else { return };
        match &self.0[name] {
            Json::String(text) => each(Fact::Text(text)),
            Json::Number(number) if name == "time" => each(Fact::Time(number.as_i64().unwrap() * 1_000_000_000)),
            Json::Number(number) => each(Fact::Number(number.as_u64().unwrap())),
            Json::Bool(yes) => each(Fact::Bool(*yes)),
            _ => {}
        }
    }

    fn texts(&self, _: &mut dyn FnMut(&str)) {}

    fn is(&self, _: State) -> bool {
        false
    }
}

fn tree(tree: &Tree<'_>) -> Json {
    let text = Literal::text;
    let all = |word: &str, members: &[Tree<'_>]| {
        Json::Array(std::iter::once(json!(word)).chain(members.iter().map(self::tree)).collect())
    };
    match tree {
        Tree::And(members) => all("AND", members),
        Tree::Or(members) => all("OR", members),
        Tree::Not(inner, _) => json!(["NOT", self::tree(inner)]),
        Tree::Compare { key, op, value, .. } => json!([op.symbol(), text(key), text(value)]),
        Tree::In { key, negated, members, .. } => {
            let word = if *negated { "NOTIN" } else { "IN" };
            json!([word, text(key), members.iter().map(text).collect::<Vec<_>>()])
        }
        Tree::Empty { key, .. } => json!(["EMPTY", text(key)]),
        other => panic!("{other:?} is not of this dialect"),
    }
}

fn vectors() -> Option<String> {
    let shared = std::env::var_os("TAPIR_SHARED").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = shared.or_else(|| here.ancestors().map(|folder| folder.join("shared")).find(|path| path.is_dir()));
    let path = shared.map(|shared| shared.join("spec/calico/query-language.jsonl")).filter(|path| path.exists());
    if path.is_none() {
        eprintln!("skipped: no spec/calico/query-language.jsonl in ../shared");
    }
    path.map(|path| std::fs::read_to_string(path).unwrap())
}

#[test]
fn every_vector_agrees() {
    let Some(text) = vectors() else { return };
    let mut lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let documents = lines.next().unwrap();
    let documents: BTreeMap<String, Document> =
        serde_json::from_value::<BTreeMap<String, Json>>(documents["documents"].clone())
            .unwrap()
            .into_iter()
            .map(|(name, document)| (name, Document(document)))
            .collect();
    let (mut seen, mut excused) = (0, 0);
    for vector in lines {
        let query = vector["query"].as_str().unwrap();
        seen += 1;
        let read = syntax::parse(query, Dialect::Incumbent);
        assert_eq!(read.is_ok(), vector["syntax"].as_bool().unwrap(), "{query}: {read:?}");
        if let Ok(Some(read)) = &read {
            assert_eq!(tree(read), vector["tree"], "{query}");
        }
        let parsed = parse(query, Dialect::Incumbent);
        // What the incumbent takes a resource takes, and it means the same.
        if let Ok(parsed) = &parsed {
            let resource = parse_resource(query);
            assert_eq!(resource.as_ref(), Ok(parsed), "{query}");
            assert_eq!(resource.map(|query| query.dialect()), Ok(Dialect::Incumbent), "{query}");
        }
        if let Some(expected) = vector["error"].as_str() {
            let excuse = PLACES.iter().find(|(text, _)| *text == query).map(|(_, ours)| *ours);
            excused += usize::from(excuse.is_some());
            assert_ne!(excuse, Some(expected), "{query}: the vector was mended, take the exception out");
            assert_eq!(parsed.unwrap_err().to_string(), excuse.unwrap_or(expected), "{query}");
            continue;
        }
        assert_eq!(vector["events_keys"], json!(true), "{query}");
        // As a subset of Tapir's it means the same.
        for query in [parsed.unwrap(), parse(query, Dialect::Tapir).unwrap()] {
            let matching = |query: &Query| -> Vec<&String> {
                documents.iter().filter(|(_, document)| query.matches(*document, 0)).map(|(name, _)| name).collect()
            };
            let mut expected: Vec<String> = serde_json::from_value(vector["matches"].clone()).unwrap();
            expected.sort();
            assert_eq!(matching(&query), expected.iter().collect::<Vec<_>>(), "{query}");
        }
    }
    assert_eq!((seen, excused), (53, PLACES.len()));
}

#[test]
fn what_the_incumbent_reads_beyond_the_vectors() {
    let ok = |text| parse(text, Dialect::Incumbent).unwrap_or_else(|error| panic!("{text}: {error}"));
    // Prefixes of addresses, `!`, EMPTY, names in any case.
    assert!(ok("source_ip = \"10.0.0.0/8\"").to_string().contains("10.0.0.0/8"));
    assert_eq!(ok("!host = a AND !(type = waf)"), ok("NOT host = a AND NOT type = waf"));
    assert_eq!(ok("NOT mitre_tactic EMPTY").to_string(), "NOT mitre_tactic EMPTY");
    assert_eq!(ok("dest_name = \"Frontend.\""), ok("dest_name = frontend"));
    let error = |text| parse(text, Dialect::Incumbent).unwrap_err();
    assert_eq!(error("source_ip > \"10.0.0.1\"").to_string(), "invalid comparator for source_ip: >");
    for text in [
        "type:waf",
        "sid = 5",
        "\"tapir.sid\" = 5",
        "\"record.a\" = 5",
        "type = waf host = a",
        "time > now",
        "is:open",
        "waf",
        "-type = waf",
        "TYPE = waf",
    ] {
        assert!(parse(text, Dialect::Incumbent).is_err(), "{text}");
    }
    assert_eq!(error("TYPE = waf").kind, ErrorKind::UnknownField);
    assert_eq!(error("TYPE = waf").suggestion.as_deref(), Some("type"));
}

#[test]
fn a_resource_can_name_a_rule_in_the_incumbents_grammar() {
    for text in [
        "sid = 21562",
        "gid = 1 AND sid IN {21562, 408} AND dest_namespace = shop",
        "\"record.snort_signature_id\" = 21562",
        "\"tapir.service\" = http AND NOT msg = \"SCAN\"",
        "classtype = \"trojan-activity\" OR priority <= 2",
        "mitre IN {\"T1071*\"}",
    ] {
        let query = parse_resource(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(query.dialect(), Dialect::Tapir, "{text}");
        // A store that keeps the text reads it in Tapir's dialect.
        assert_eq!(parse(text, Dialect::Tapir).as_ref(), Ok(&query), "{text}");
        assert!(parse(text, Dialect::Incumbent).is_err(), "{text}");
    }
    let error = |text| parse_resource(text).unwrap_err();
    for text in ["", "sid:21562", "sid = 1 gid = 1", "is:open", "21562", "record.a = 5", "severity = high"] {
        assert!(parse_resource(text).is_err(), "{text}");
    }
    let unknown = error("type = waf AND sidd = 5");
    assert_eq!((unknown.to_string().as_str(), unknown.offset), ("invalid key: sidd", 15));
    assert_eq!(unknown.suggestion.as_deref(), Some("sid"));
    assert_eq!(error("sid = x").kind, ErrorKind::InvalidValue);
}

#[test]
fn what_only_the_manager_knows_is_not_asked_of_an_event() {
    for text in ["", "severity>=high ns:shop", "sid:(1 2) -is:encrypted", "is:suppressed", "bredolab", "has:mitre"] {
        assert!(parse_for_event(text).is_ok(), "{text}");
    }
    for (text, at) in [
        ("ns:shop status:open", (8, 11)),
        ("ns:shop -is:dismissed", (9, 12)),
        ("(sid:1 OR count>5)", (10, 7)),
        ("dismissed=false", (0, 15)),
        ("has:assignee", (0, 12)),
        ("first_seen>now-1h", (0, 17)),
    ] {
        let error = parse_for_event(text).unwrap_err();
        assert_eq!((error.offset, error.length), at, "{text}: {error}");
        assert!(error.message.contains("manager"), "{error}");
    }
    assert!(parse_for_event("severty>1").unwrap_err().message.contains("unknown field"));
}
