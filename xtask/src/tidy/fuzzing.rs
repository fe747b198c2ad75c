//! Every `fuzz_*` function has a target that calls it, listed in fuzz/Cargo.toml and given seeds.

use crate::problem::Problem;
use crate::rust_source::{code, line_of};
use crate::tree::Tree;

const MANIFEST: &str = "fuzz/Cargo.toml";

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    let seeds = crate::tree::root().join("fuzz/seeds");
    targets(tree, &|name| std::fs::read_dir(seeds.join(name)).is_ok_and(|mut inputs| inputs.next().is_some()), found);
}

fn targets(tree: &Tree, has_seeds: &dyn Fn(&str) -> bool, found: &mut Vec<Problem>) {
    let manifest = tree.text(MANIFEST).unwrap_or_default();
    for (path, text) in tree.rust().filter(|(path, _)| path.starts_with("crates/")) {
        let code = code(text);
        for (at, _) in code.match_indices("pub fn fuzz_") {
            let Some(name) = code.get(at + "pub fn fuzz_".len()..).and_then(entry_point) else { continue };
            let target = format!("fuzz/fuzz_targets/{name}.rs");
            let called = tree.text(&target).is_some_and(|text| text.contains(&format!("fuzz_{name}(data)")));
            let mut missing = |what: &str, help: String| {
                found.push(Problem::new(path, line_of(&code, at), format!("`fuzz_{name}` {what}"), help));
            };
            if !called {
                missing("has no fuzz target", format!("add {target}: one line like its neighbours"));
            }
            if !manifest.contains(&format!("name = \"{name}\"")) {
                missing("is not listed as a target", format!("add a [[bin]] for {target} to {MANIFEST}"));
            }
            if !has_seeds(name) {
                missing("has no seeds", format!("add some for `{name}` to fuzz/make-seeds.py and run it"));
            }
        }
    }
}

/// The name, if the function takes the bytes and nothing else.
fn entry_point(code: &str) -> Option<&str> {
    let (name, rest) = code.split_once('(')?;
    rest.starts_with("data: &[u8])").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_without_target_listing_or_seeds_is_found() {
        let source = "//! x\npub fn fuzz_a(data: &[u8]) {}\npub fn fuzz_b(data: &[u8]) {}\npub fn fuzz_with(data: &[u8], x: X) {}";
        let files = [
            ("crates/p/src/x.rs", source),
            ("fuzz/fuzz_targets/a.rs", "fuzz_target!(|data: &[u8]| p::fuzz_a(data));"),
            (MANIFEST, "name = \"a\""),
        ];
        let mut found = Vec::new();
        targets(&Tree::of(&files), &|name| name == "a", &mut found);
        let found: Vec<_> = found.iter().map(|problem| (problem.line, problem.what.as_str())).collect();
        assert_eq!(
            found,
            [
                (3, "`fuzz_b` has no fuzz target"),
                (3, "`fuzz_b` is not listed as a target"),
                (3, "`fuzz_b` has no seeds")
            ]
        );
    }
}
