//! How many packages the project is made of, and that each dependency says why it is there.

use crate::problem::Problem;
use crate::tree::Tree;

/// Packages in Cargo.lock at most.
const MAX_PACKAGES: usize = 400;

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
        } else if dependencies && line.contains('=') && !line.starts_with("tapir-") && !line.contains('#') {
            let name = line.split('=').next().unwrap_or_default().trim();
            let what = format!("`{name}` does not say why it is needed");
            found.push(Problem::new("Cargo.toml", at + 1, what, "add a comment to its line"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_packages_and_unexplained_ones_are_found() {
        let lock = "[[package]]\n".repeat(MAX_PACKAGES + 1);
        let manifest = "[workspace.dependencies]\ntapir-a = 1\na = \"1\" # why\nb = \"1\"\n[profile.dev]\nc = 1\n";
        let mut found = Vec::new();
        check(&Tree::of(&[("Cargo.lock", &lock), ("Cargo.toml", manifest)]), &mut found);
        let places: Vec<_> = found.iter().map(|problem| (problem.path.as_str(), problem.line)).collect();
        assert_eq!(places, [("Cargo.lock", 0), ("Cargo.toml", 4)]);
    }
}
