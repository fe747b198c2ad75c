//! Documents: the generated reference is fresh, codes of diagnostics are listed, links lead somewhere.

use crate::problem::Problem;
use crate::rust_source::line_of;
use crate::tree::Tree;
use std::collections::BTreeMap;

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    for (path, fresh) in crate::reference::pages(tree) {
        if tree.text(&path) != Some(fresh.as_str()) {
            let line = first_difference(tree.text(&path).unwrap_or_default(), &fresh);
            found.push(Problem::new(&path, line, "the page is stale", "run `cargo run -p xtask -- reference`"));
        }
    }
    codes(tree, found);
    links(tree, found);
}

/// Every code of a diagnostic in the sources has a row in the page about rules, and the other way round.
fn codes(tree: &Tree, found: &mut Vec<Problem>) {
    let listed: BTreeMap<&str, usize> = tree
        .text(RULES_PAGE)
        .unwrap_or_default()
        .lines()
        .enumerate()
        .filter_map(|(at, line)| Some((line.strip_prefix("| ")?.get(..CODE)?, at + 1)))
        .filter(|(code, _)| is_code(code))
        .collect();
    let mut used = BTreeMap::new();
    for (path, text) in tree.rust().filter(|(path, _)| path.starts_with("crates/")) {
        for (at, _) in text.match_indices('"') {
            let literal = text.get(at + 1..at + 1 + CODE).filter(|code| is_code(code));
            if let Some(code) = literal.filter(|_| text.get(at + 1 + CODE..).is_some_and(|rest| rest.starts_with('"')))
            {
                used.entry(code).or_insert((path, line_of(text, at)));
            }
        }
    }
    for (code, (path, line)) in &used {
        if !listed.contains_key(code) {
            let help = format!("say what it means in the table of {RULES_PAGE}");
            found.push(Problem::new(path, *line, format!("code {code} is not documented"), help));
        }
    }
    for (code, line) in &listed {
        if !used.contains_key(code) {
            found.push(Problem::new(RULES_PAGE, *line, format!("nothing reports {code}"), "remove its row"));
        }
    }
}

/// Length of a code.
const CODE: usize = 5;
const RULES_PAGE: &str = "docs/rules.md";

/// `R0501`, `F0101`.
fn is_code(text: &str) -> bool {
    text.starts_with(['R', 'F']) && text.bytes().skip(1).all(|byte| byte.is_ascii_digit())
}

/// The line in which two texts begin to differ.
pub(super) fn first_difference(old: &str, new: &str) -> usize {
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
    fn codes_are_documented_and_documented_codes_exist() {
        let page = "| code | | meaning |\n| R0101 | E | x |\n| R0102 | E | y |\n";
        let files = [("crates/rules/src/a.rs", "error(\"R0101\"); error(\"R0103\"); f(\"R01\");"), (RULES_PAGE, page)];
        let mut found = Vec::new();
        codes(&Tree::of(&files), &mut found);
        let found: Vec<_> = found.iter().map(|problem| problem.what.as_str()).collect();
        assert_eq!(found, ["code R0103 is not documented", "nothing reports R0102"]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let text = "[a](../README.md#x) [b](https://e.org) [c](#here) [d](other.md)\n[e](decisions/)\n";
        let files = [("README.md", ""), ("docs/x.md", text), ("docs/decisions/0001.md", "")];
        let mut found = Vec::new();
        links(&Tree::of(&files), &mut found);
        assert_eq!(found.iter().map(|p| p.what.as_str()).collect::<Vec<_>>(), ["`other.md` leads nowhere"]);
    }
}
