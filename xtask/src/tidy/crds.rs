//! The definitions of the custom resources in `deploy/crds/` are those of the types, the chart in `deploy/chart/` is what the operator
//! renders, and there are no others.

use crate::crds::FOLDER;
use crate::problem::Problem;
use crate::tree::Tree;

const HELP: &str = "run `cargo run -p xtask -- crds`";
const HELP_CHART: &str = "run `cargo run -p xtask -- chart`";

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    compare(tree, &crate::crds::files(), found);
    for (path, text) in crate::chart::files() {
        let there = tree.text(&path).unwrap_or_default();
        if there != text {
            found.push(Problem::new(
                &path,
                super::documents::first_difference(there, &text),
                "the chart is stale",
                HELP_CHART,
            ));
        }
    }
}

fn compare(tree: &Tree, fresh: &[(String, String)], found: &mut Vec<Problem>) {
    for (path, text) in fresh {
        let there = tree.text(path).unwrap_or_default();
        if there != text {
            let line = super::documents::first_difference(there, text);
            found.push(Problem::new(path, line, "the definition is stale", HELP));
        }
    }
    for name in tree.names_in(FOLDER) {
        let path = format!("{FOLDER}/{name}");
        if !fresh.iter().any(|(known, _)| *known == path) {
            found.push(Problem::new(&path, 0, "no type has this definition", "remove the file"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_missing_and_left_over_files_are_found() {
        let fresh = [("a", "1\n2\n"), ("b", "x\n"), ("c", "same\n")]
            .map(|(name, text)| (format!("{FOLDER}/{name}.yaml"), text.to_owned()));
        let files =
            [("deploy/crds/a.yaml", "1\n3\n"), ("deploy/crds/c.yaml", "same\n"), ("deploy/crds/old.yaml", "x\n")];
        let mut found = Vec::new();
        compare(&Tree::of(&files), &fresh, &mut found);
        let found: Vec<_> = found.iter().map(|problem| (problem.path.as_str(), problem.line)).collect();
        assert_eq!(found, [("deploy/crds/a.yaml", 2), ("deploy/crds/b.yaml", 1), ("deploy/crds/old.yaml", 0)]);
    }
}
