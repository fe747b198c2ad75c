//! Which crate may use which: the table of ARCHITECTURE.md against every Cargo.toml.
//!
//! *Invariants*: 1. a row names rows above it only; 2. the table and the manifests say the same, in both
//! directions, so that the table can be trusted by a reader; 3. what a manifest names is used.

use crate::problem::Problem;
use crate::rust_source::{code, words};
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = "ARCHITECTURE.md";
/// Packages whose crate has another name.
const OTHER_NAMES: &[(&str, &str)] = &[("md-5", "md5")];
/// Files outside of a crate's folder that it includes by path.
const INCLUDED: &[(&str, &str)] = &[("xtask", "crates/tapir/src/args.rs")];
const HEAD: &str = "| crate | may use | in tests also |";

/// A row of the table.
struct Row {
    line: usize,
    uses: BTreeSet<String>,
    tests: BTreeSet<String>,
}

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    let Some(rows) = table(tree.text(TABLE).unwrap_or_default(), found) else {
        found.push(Problem::new(TABLE, 0, "the table of crates is missing", format!("its head is `{HEAD}`")));
        return;
    };
    let manifests: Vec<(&str, &str, &str)> =
        tree.files().filter_map(|(path, text)| Some((path, crate_name(path)?, text))).collect();
    for &(path, name, text) in &manifests {
        unused(tree, path, name, text, found);
        match rows.get(name) {
            Some(row) => compare(path, name, text, row, found),
            None => found.push(Problem::new(
                path,
                0,
                format!("crate `{name}` has no row in the table of crates"),
                format!("add one to {TABLE}, below everything that it uses"),
            )),
        }
    }
    for (name, row) in &rows {
        if !manifests.iter().any(|(_, known, _)| known == name) {
            found.push(Problem::new(TABLE, row.line, format!("there is no crate `{name}`"), "remove the row"));
        }
    }
}

/// `crates/flow/Cargo.toml` is `flow`.
fn crate_name(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    let name = folder.strip_prefix("crates/").or_else(|| folder.strip_prefix("tests/")).unwrap_or(folder);
    (!name.contains('/') && folder != "fuzz").then_some(name)
}

fn table(text: &str, found: &mut Vec<Problem>) -> Option<BTreeMap<String, Row>> {
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with(HEAD));
    lines.next()?;
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (at, line) in lines.skip(1).take_while(|(_, line)| line.starts_with('|')) {
        let cells: Vec<BTreeSet<String>> = line.trim_matches('|').split('|').map(names).collect();
        let (Some(first), Some(uses), Some(tests)) = (cells.first(), cells.get(1), cells.get(2)) else { continue };
        for name in uses.iter().filter(|name| !rows.contains_key(*name)) {
            let what = format!("`{name}` is not in a row above");
            found.push(Problem::new(TABLE, at + 1, what, "a crate may use crates of rows above it only"));
        }
        for name in first {
            let row = Row { line: at + 1, uses: uses.clone(), tests: tests.clone() };
            rows.insert(name.clone(), row);
        }
    }
    Some(rows)
}

/// The words in backquotes.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn compare(path: &str, name: &str, manifest: &str, row: &Row, found: &mut Vec<Problem>) {
    let Ok(manifest) = manifest.parse::<toml::Table>() else {
        found.push(Problem::new(path, 0, "not TOML", "mend it"));
        return;
    };
    for (section, allowed, column) in
        [("dependencies", &row.uses, "may use"), ("dev-dependencies", &row.tests, "in tests also")]
    {
        let there = ours(&manifest, section);
        for other in there.difference(allowed) {
            found.push(Problem::new(
                path,
                0,
                format!("`{name}` uses `{other}` ({section}), which the table of crates does not allow"),
                format!("do without it, or change the row in {TABLE}:{} and say why in docs/decisions/", row.line),
            ));
        }
        for other in allowed.difference(&there) {
            let what = format!("`{name}` does not use `{other}`");
            found.push(Problem::new(TABLE, row.line, what, format!("remove it from the column \"{column}\"")));
        }
    }
}

/// Dependencies that no file of the crate names.
fn unused(tree: &Tree, path: &str, name: &str, manifest: &str, found: &mut Vec<Problem>) {
    let Ok(manifest) = manifest.parse::<toml::Table>() else { return };
    let folder = path.trim_end_matches("Cargo.toml");
    let included = |file: &str| INCLUDED.contains(&(name, file));
    let codes: Vec<String> = tree
        .rust()
        .filter(|(file, _)| file.starts_with(folder) || included(file))
        .map(|(_, text)| code(text))
        .collect();
    for section in ["dependencies", "dev-dependencies"] {
        for dependency in manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys)
        {
            let other = OTHER_NAMES.iter().find(|(package, _)| package == dependency);
            let word = other.map_or_else(|| dependency.replace('-', "_"), |(_, name)| (*name).to_owned());
            if !codes.iter().any(|code| words(code, &word).next().is_some()) {
                let help = format!("remove `{dependency}` from its {section}");
                found.push(Problem::new(path, 0, format!("nothing in `{name}` uses `{dependency}`"), help));
            }
        }
    }
}

fn ours(manifest: &toml::Table, section: &str) -> BTreeSet<String> {
    let names = manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
    names.filter_map(|name| name.strip_prefix("tapir-")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHITECTURE: &str = "# x\n\n| crate | may use | in tests also | knows |\n| --- | --- | --- | --- |\n\
        | `a` | – | `b` | x |\n| `b` | `a` | – | y |\n";

    fn check_with(architecture: &str, b: &str) -> Vec<String> {
        let a = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\ntapir-b.workspace = true\n";
        let files = [
            (TABLE, architecture),
            ("crates/a/Cargo.toml", a),
            ("crates/a/src/lib.rs", "use serde::X;\nuse tapir_b::Y;"),
            ("crates/b/Cargo.toml", b),
            ("crates/b/src/lib.rs", "use tapir_a::X;\nuse tapir_c::X;"),
        ];
        let mut found = Vec::new();
        check(&Tree::of(&files), &mut found);
        found.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn the_table_and_the_manifests_agree() {
        assert!(check_with(ARCHITECTURE, "[dependencies]\ntapir-a.workspace = true\n").is_empty());
    }

    #[test]
    fn an_edge_that_the_table_lacks_is_found() {
        let found = check_with(ARCHITECTURE, "[dependencies]\ntapir-a.workspace = true\ntapir-c.workspace = true\n");
        assert_eq!(found, ["`b` uses `c` (dependencies), which the table of crates does not allow"]);
    }

    #[test]
    fn an_edge_that_nothing_uses_is_found() {
        assert_eq!(check_with(ARCHITECTURE, ""), ["`b` does not use `a`"]);
    }

    #[test]
    fn a_dependency_that_nothing_uses_is_found() {
        let found = check_with(ARCHITECTURE, "[dependencies]\ntapir-a.workspace = true\nlibc = \"1\"\n");
        assert_eq!(found, ["nothing in `b` uses `libc`"]);
    }

    #[test]
    fn rows_may_not_point_down_and_crates_need_a_row() {
        let upside_down = ARCHITECTURE.replace("| `a` | – | `b` |", "| `a` | `b` | `b` |");
        let found = check_with(&upside_down, "[dependencies]\ntapir-a.workspace = true\n");
        assert!(found.contains(&"`b` is not in a row above".to_owned()), "{found:?}");
        let short = ARCHITECTURE.replace("| `b` | `a` | – | y |\n", "");
        assert_eq!(check_with(&short, ""), ["crate `b` has no row in the table of crates"]);
    }
}
