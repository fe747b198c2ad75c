//! Documents: the generated reference is fresh, and links between files lead somewhere.

use crate::problem::Problem;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    for (path, fresh) in crate::reference::pages(tree) {
        if tree.text(&path) != Some(fresh.as_str()) {
            let line = first_difference(tree.text(&path).unwrap_or_default(), &fresh);
            found.push(Problem::new(&path, line, "the page is stale", "run `cargo run -p xtask -- reference`"));
        }
    }
    links(tree, found);
}

fn first_difference(old: &str, new: &str) -> usize {
    old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count() + 1
}

fn links(tree: &Tree, found: &mut Vec<Problem>) {
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with(".md")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (at, line) in text.lines().enumerate() {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let file = target.split('#').next().unwrap_or_default();
                if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                    continue;
                }
                let place = joined(folder, file);
                let there = tree.text(&place).is_some() || !tree.names_in(&place).is_empty();
                if !there {
                    found.push(Problem::new(path, at + 1, format!("`{target}` leads nowhere"), "mend the link"));
                }
            }
        }
    }
}

/// `docs` and `../README.md` are `README.md`.
fn joined(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let text = "[a](../README.md#x) [b](https://e.org) [c](#here) [d](other.md)\n[e](decisions/)\n";
        let files = [("README.md", ""), ("docs/x.md", text), ("docs/decisions/0001.md", "")];
        let mut found = Vec::new();
        links(&Tree::of(&files), &mut found);
        assert_eq!(found.iter().map(|p| p.what.as_str()).collect::<Vec<_>>(), ["`other.md` leads nowhere"]);
    }
}
