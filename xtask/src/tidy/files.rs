//! Rust files: about one thing each, named for it, opened by saying what they know.

use crate::problem::Problem;
use crate::tree::Tree;

/// Lines of a file at most.
const MAX_LINES: usize = 1_000;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "stuff", "shared_code"];

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    for (path, text) in tree.rust() {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            let what = format!("{lines} lines, more than {MAX_LINES}");
            found.push(Problem::new(path, MAX_LINES + 1, what, "split it by what its parts know"));
        }
        if !opens_with_docs(text) {
            let help = "open it with `//!`: what it knows, its limits, its source";
            found.push(Problem::new(path, 1, "the file does not say what it is", help));
        }
        for part in path.trim_end_matches(".rs").split('/') {
            if EMPTY_NAMES.contains(&part) {
                let help = "name it for the thing that it knows";
                found.push(Problem::new(path, 0, format!("`{part}` says nothing about what is inside"), help));
            }
        }
    }
}

/// `//!` comes first, but for inner attributes and blank lines.
fn opens_with_docs(text: &str) -> bool {
    text.lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with("#!"))
        .is_some_and(|line| line.starts_with("//!"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_nameless_and_silent_files_are_found() {
        let long = format!("//! x\n{}", "a\n".repeat(MAX_LINES));
        let files = [
            ("crates/a/src/fine.rs", "#![no_main]\n\n//! What it knows."),
            ("crates/a/src/long.rs", long.as_str()),
            ("crates/a/src/silent.rs", "use x;\n//! late"),
            ("crates/a/src/utils/x.rs", "//! x"),
        ];
        let mut found = Vec::new();
        check(&Tree::of(&files), &mut found);
        let paths: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["crates/a/src/long.rs", "crates/a/src/silent.rs", "crates/a/src/utils/x.rs"]);
    }
}
