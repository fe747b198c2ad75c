//! How many packages the project is made of, and that each dependency says why it is there and is used.

use crate::problem::Problem;
use crate::tree::Tree;

/// Packages in Cargo.lock at most: some more than there are, so that growth is noticed and decided. 400 until the sandbox and archives of rules came.
const MAX_PACKAGES: usize = 410;

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    let packages = tree.text("Cargo.lock").unwrap_or_default().lines().filter(|line| *line == "[[package]]").count();
    if packages > MAX_PACKAGES {
        let what = format!("{packages} packages, more than {MAX_PACKAGES}");
        found.push(Problem::new(
            "Cargo.lock",
            0,
            what,
            "see `cargo tree --duplicates`; drop or slim down a dependency",
        ));
    }
    let mut dependencies = false;
    for (at, line) in tree.text("Cargo.toml").unwrap_or_default().lines().enumerate() {
        if line.starts_with('[') {
            dependencies = line == "[workspace.dependencies]";
        } else if let Some((name, rest)) = line.split_once('=').filter(|_| dependencies) {
            let name = name.trim();
            if !name.starts_with("tapir-") && !rest.contains('#') {
                let what = format!("`{name}` does not say why it is needed");
                found.push(Problem::new("Cargo.toml", at + 1, what, "add a comment to its line"));
            }
            let used = format!("{name}.workspace");
            let manifests = || tree.files().filter(|(path, _)| path.ends_with("/Cargo.toml"));
            if !manifests().any(|(_, text)| text.lines().any(|line| line.starts_with(&used))) {
                found.push(Problem::new("Cargo.toml", at + 1, format!("no crate uses `{name}`"), "remove its line"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_packages_and_those_unexplained_or_unused_are_found() {
        let lock = "[[package]]\n".repeat(MAX_PACKAGES + 1);
        let manifest = "[workspace.dependencies]\ntapir-a = 1\na = \"1\" # why\nb = \"1\"\n[profile.dev]\nc = 1\n";
        let mut found = Vec::new();
        let uses = "[dependencies]\ntapir-a.workspace = true\nb.workspace = true\n";
        let files = [("Cargo.lock", lock.as_str()), ("Cargo.toml", manifest), ("crates/x/Cargo.toml", uses)];
        check(&Tree::of(&files), &mut found);
        let places: Vec<_> = found.iter().map(|problem| (problem.line, problem.what.as_str())).collect();
        let too_many = format!("{} packages, more than {MAX_PACKAGES}", MAX_PACKAGES + 1);
        let expected = [(0, too_many.as_str()), (3, "no crate uses `a`"), (4, "`b` does not say why it is needed")];
        assert_eq!(places, expected);
    }
}
