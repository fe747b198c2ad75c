//! Every file of a rule option is registered, documented and tested.

use crate::problem::Problem;
use crate::rust_source::code;
use crate::tree::Tree;
use tapir_options::OPTIONS;

const FOLDER: &str = "crates/options/src/options";
/// Files of the folder that are no option.
const OTHERS: &[&str] = &["mod", "unsupported"];

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    registered(tree, found);
    for def in OPTIONS {
        let path = format!("{FOLDER}/{}.rs", def.name);
        if tree.text(&path).is_none() {
            found.push(Problem::new(&path, 0, format!("option `{}` has no file of its name", def.name), "rename it"));
        }
        if def.summary.is_empty() || def.docs.is_empty() || def.grammar.is_empty() && takes_a_value(tree, &path) {
            let help = "fill in `summary`, `grammar` and `docs` of its DEF: they are the reference page";
            found.push(Problem::new(&path, 0, format!("option `{}` is not documented", def.name), help));
        }
    }
}

/// An option that reads its value has a grammar to tell.
fn takes_a_value(tree: &Tree, path: &str) -> bool {
    tree.text(path).is_some_and(|text| !text.contains("no_value()"))
}

fn registered(tree: &Tree, found: &mut Vec<Problem>) {
    let registry_path = format!("{FOLDER}/mod.rs");
    let registry = code(tree.text(&registry_path).unwrap_or_default());
    for name in tree.names_in(FOLDER).iter().filter_map(|name| name.strip_suffix(".rs")) {
        if OTHERS.contains(&name) {
            continue;
        }
        let path = format!("{FOLDER}/{name}.rs");
        if !registry.contains(&format!("mod {name};")) || !registry.contains(&format!("&{name}::DEF,")) {
            let help = format!("add `mod {name};` and `&{name}::DEF,` to {registry_path}, in the order of names");
            found.push(Problem::new(&path, 0, "the option is not registered", help));
        }
        let tested = tree.text(&path).is_some_and(|text| text.contains("#[cfg(test)]"));
        if !tested {
            found.push(Problem::new(&path, 0, "the option has no tests", "add them at the end of the file"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_registered_or_tested_are_found() {
        let files = [
            ("crates/options/src/options/mod.rs", "mod a;\nstatic O: X = &[\n    &a::DEF,\n]; // mod b;"),
            ("crates/options/src/options/a.rs", "#[cfg(test)] mod tests {}"),
            ("crates/options/src/options/b.rs", ""),
            ("crates/options/src/options/unsupported.rs", ""),
        ];
        let mut found = Vec::new();
        registered(&Tree::of(&files), &mut found);
        let found: Vec<_> = found.iter().map(|problem| (problem.path.as_str(), problem.what.as_str())).collect();
        let b = "crates/options/src/options/b.rs";
        assert_eq!(found, [(b, "the option is not registered"), (b, "the option has no tests")]);
    }
}
