//! Every protocol is registered, says what it is, has tests and a fuzz target.

use crate::problem::Problem;
use crate::rust_source::code;
use crate::tree::Tree;

const FOLDER: &str = "crates/protocol/src/protocols";
/// Files of the folder that are no protocol.
const OTHERS: &[&str] = &["mod", "conformance"];
/// Protocols without a parser of their own: nothing to fuzz.
const NO_PARSER: &[&str] = &["ftp_data"];

/// The file that a protocol's folder is opened with.
pub(crate) fn main_file(tree: &Tree, name: &str) -> String {
    let file = format!("{FOLDER}/{name}.rs");
    if tree.text(&file).is_some() { file } else { format!("{FOLDER}/{name}/mod.rs") }
}

/// Names of the protocols, as modules.
pub(crate) fn names(tree: &Tree) -> Vec<&str> {
    let mut names: Vec<&str> =
        tree.names_in(FOLDER).into_iter().map(|name| name.strip_suffix(".rs").unwrap_or(name)).collect();
    names.retain(|name| !OTHERS.contains(name));
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    let registry_path = format!("{FOLDER}/mod.rs");
    let registry = code(tree.text(&registry_path).unwrap_or_default());
    for name in names(tree) {
        let path = main_file(tree, name);
        if !registry.contains(&format!("mod {name};")) || !registry.contains(&format!("&{name}::DEF")) {
            let help = format!("add `mod {name};` and `&{name}::DEF,` to {registry_path}");
            found.push(Problem::new(&path, 0, "the protocol is not registered", help));
        }
        let files = || tree.rust().filter(|(file, _)| *file == path || file.starts_with(&format!("{FOLDER}/{name}/")));
        if !files().any(|(_, text)| text.contains("#[test]") || text.contains("proptest!")) {
            found.push(Problem::new(&path, 0, "the protocol has no tests", "add conversations to its tests.rs"));
        }
        if !files().any(|(_, text)| text.contains(&format!("pub fn fuzz_{name}("))) && !NO_PARSER.contains(&name) {
            let help = format!("add `pub fn fuzz_{name}(data: &[u8])` and fuzz/fuzz_targets/{name}.rs");
            found.push(Problem::new(&path, 0, "the protocol has no fuzz function", help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_protocol_lacks_is_found() {
        let files = [
            ("crates/protocol/src/protocols/mod.rs", "mod a;\nstatic P: X = &[&a::DEF];"),
            ("crates/protocol/src/protocols/a/mod.rs", "pub fn fuzz_a(data: &[u8]) {}"),
            ("crates/protocol/src/protocols/a/tests.rs", "#[test] fn x() {}"),
            ("crates/protocol/src/protocols/b.rs", ""),
            ("crates/protocol/src/protocols/conformance.rs", ""),
        ];
        let tree = Tree::of(&files);
        let mut found = Vec::new();
        check(&tree, &mut found);
        assert_eq!(names(&tree), ["a", "b"]);
        assert!(found.iter().all(|problem| problem.path.ends_with("/b.rs")), "{found:?}");
        assert_eq!(found.len(), 3);
    }
}
