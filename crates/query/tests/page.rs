//! `docs/query-language.md` against the crate: the table of fields is the catalogue, every example is a query, every
//! error looks as shown. `TAPIR_BLESS=1` writes the table anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write;
use tapir_query::{Dialect, Field, State, Values, parse};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/query-language.md");
const START: &str = "<!-- fields: written by `TAPIR_BLESS=1 cargo test -p tapir-query --test page` -->\n";
const END: &str = "<!-- end -->";

fn page() -> String {
    std::fs::read_to_string(PAGE).unwrap()
}

fn table() -> String {
    let mut out =
        "| field | also | kind | what | values | incumbent's key |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    let code = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    for field in Field::all() {
        let info = field.info();
        let name = if *field == Field::Record { "record.PATH" } else { info.name };
        let values = match info.values {
            Values::Any => String::new(),
            Values::Only(words) => code(words),
            Values::Known(words) => format!("{}, …", code(words)),
        };
        let kind = info.kind.word();
        let incumbent = info.incumbent.map_or(String::new(), |key| format!("`{key}`"));
        let also = code(info.aliases);
        writeln!(out, "| `{name}` | {also} | {kind} | {} | {values} | {incumbent} |", info.help).unwrap();
    }
    out
}

#[test]
fn the_table_of_fields_is_the_catalogue() {
    let page = page();
    let (before, rest) = page.split_once(START).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let fresh = table();
    if written != fresh && std::env::var_os("TAPIR_BLESS").is_some() {
        std::fs::write(PAGE, format!("{before}{START}{fresh}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(written, fresh, "run `TAPIR_BLESS=1 cargo test -p tapir-query --test page`");
}

#[test]
fn every_example_is_a_query() {
    let page = page();
    let examples = page.split_once("\n## Examples\n").unwrap().1.split_once("\n## ").unwrap().0;
    let queries: Vec<&str> =
        examples.lines().filter_map(|line| line.strip_prefix("| `")?.split("` |").next()).collect();
    assert!(queries.len() >= 20, "{}", queries.len());
    for query in queries {
        let read = parse(query, Dialect::Tapir).unwrap_or_else(|error| panic!("{}", error.render(query)));
        assert!(!read.is_all());
    }
}

#[test]
fn errors_look_as_shown() {
    let page = page();
    let mut seen = 0;
    for block in page.split("```error\n").skip(1) {
        let shown = block.split("\n```").next().unwrap();
        let query = shown.lines().next().unwrap();
        assert_eq!(parse(query, Dialect::Tapir).unwrap_err().render(query), shown);
        seen += 1;
    }
    assert!(seen >= 5);
}

#[test]
fn states_and_limits_are_the_ones_of_the_crate() {
    let page = page();
    let states = State::ALL.map(|state| format!("`{}`", state.word())).join(", ");
    assert!(page.contains(&format!("is in the state: {states}")));
    let limits = [tapir_query::MAX_BYTES, tapir_query::MAX_TERMS, tapir_query::MAX_DEPTH];
    let [bytes, terms, depth] = limits;
    assert!(page.contains(&format!("{bytes} bytes, {terms} terms (every value of a list counts), {depth} levels")));
}

#[test]
fn the_differences_are_as_told() {
    let theirs = |text| parse(text, Dialect::Incumbent);
    assert!(theirs("").is_err() && parse("", Dialect::Tapir).unwrap().is_all());
    for text in ["NOT NOT type = waf", "type = waf And host In {a}", "dest_port IN {80}"] {
        assert!(theirs(text).is_ok(), "{text}");
    }
}
