//! Every counter is counted somewhere: one that nothing increments tells a reader that all is well.

use crate::problem::Problem;
use crate::rust_source::{code_without_tests, line_of, words};
use crate::tree::Tree;
use tapir_telemetry::Counter;

const CATALOGUE: &str = "crates/telemetry/src/catalogue.rs";

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    let names: Vec<String> = Counter::ALL.iter().map(|counter| format!("{counter:?}")).collect();
    unused(tree, &names, found);
}

fn unused(tree: &Tree, names: &[String], found: &mut Vec<Problem>) {
    let codes: Vec<String> = tree
        .rust()
        .filter(|(path, _)| {
            path.starts_with("crates/") && path.contains("/src/") && !path.starts_with("crates/telemetry/")
        })
        .filter(|(path, _)| !path.ends_with("tests.rs") && !path.contains("/tests/"))
        .map(|(_, text)| code_without_tests(text))
        .collect();
    let catalogue = tree.text(CATALOGUE).unwrap_or_default();
    for name in names {
        let word = format!("Counter::{name}");
        if codes.iter().any(|code| words(code, &word).any(|at| is_counted(code, at))) {
            continue;
        }
        let line = words(catalogue, name).next().map_or(0, |at| line_of(catalogue, at));
        let help = "count it where it happens, or remove it from the catalogue";
        found.push(Problem::new(CATALOGUE, line, format!("nothing increments `{name}`"), help));
    }
}

/// Reading a counter is not counting.
fn is_counted(code: &str, at: usize) -> bool {
    !code.get(..at).is_some_and(|before| before.trim_end().ends_with(".value("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_testing_and_mentioning_is_not_counting() {
        let source = "fn f() { c.bump(Counter::A); c.value(Counter::B); } // Counter::B\n\
            #[cfg(test)]\nmod tests { fn g() { c.bump(Counter::B); } }\n";
        let files = [(CATALOGUE, "\n A = 1\n B = 2\n"), ("crates/flow/src/x.rs", source)];
        let mut found = Vec::new();
        unused(&Tree::of(&files), &["A".to_owned(), "B".to_owned()], &mut found);
        assert_eq!(
            found.iter().map(|p| (p.line, p.what.as_str())).collect::<Vec<_>>(),
            [(3, "nothing increments `B`")]
        );
    }
}
