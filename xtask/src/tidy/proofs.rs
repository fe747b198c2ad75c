//! The pages of features and of migration name the test that proves each row: `path::name` in backticks. Every such test is there, and every row
//! names one or says plainly that it is not done.
//!
//! Rust tests are found by `fn name(` (or their name as text, where a harness of its own lists them), tests of pages by `test('name'`;
//! in scripts the name is part of the text.

use crate::problem::Problem;
use crate::tree::Tree;

const PAGES: [&str; 2] = ["docs/features.md", "docs/migration.md"];
/// How a row says that there is nothing to prove.
const NOT_DONE: &str = "not done";

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    for page in PAGES {
        check_page(tree, page, found);
    }
}

fn check_page(tree: &Tree, name: &str, found: &mut Vec<Problem>) {
    let Some(page) = tree.text(name) else {
        let help = "it says what Tapir has, and which test proves it";
        return found.push(Problem::new(name, 0, "the page is missing", help));
    };
    let place = name;
    let lines: Vec<&str> = page.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let next = lines.get(at + 1).copied().unwrap_or_default();
        let mut named = 0;
        for (path, name) in references(line) {
            named += 1;
            let Some(text) = tree.text(path) else {
                found.push(Problem::new(place, at + 1, format!("no file `{path}`"), "name the file that has the test"));
                continue;
            };
            if !has(path, text, name) {
                let what = format!("`{path}` has no test `{name}`");
                found.push(Problem::new(place, at + 1, what, "name a test that is there, or say `not done`"));
            }
        }
        if named == 0 && is_row(line, next) && !line.contains(NOT_DONE) {
            let help = "name the test that proves it, as `path::name`, or say `not done` and why";
            found.push(Problem::new(place, at + 1, "the row proves nothing", help));
        }
    }
}

/// `path::name` between backticks.
fn references(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once("::").filter(|(path, _)| path.contains('/')))
}

/// A row of a table, but its head and the line below.
fn is_row(line: &str, next: &str) -> bool {
    line.starts_with("| ") && !line.starts_with("| ---") && !next.starts_with("| ---")
}

fn has(path: &str, text: &str, name: &str) -> bool {
    let quoted = |quote: char| text.contains(&format!("test({quote}{name}{quote}"));
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "rs" => text.contains(&format!("fn {name}(")) || text.contains(&format!("(\"{name}\", ")),
        "ts" => quoted('\'') || quoted('`') || quoted('"'),
        _ => text.contains(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_are_not_there_and_rows_that_prove_nothing_are_found() {
        let page = "| feature | what | proved by |\n| --- | --- | --- |\n| a | x | `c/a.rs::is` |\n| b | x | `c/a.rs::is_not` |\n\
                    | c | x | `c/b.rs::is` |\n| d | x | |\n| e | not done: why | |\n| f | x | `u/c.test.ts::in words` |\n\
                    | g | x | `t/d.sh::a check` and `c/a.rs::listed` |\n";
        let files = [
            (PAGES[0], page),
            ("c/a.rs", "fn is() {} fn is_not_it() {} [(\"listed\", x)]"),
            ("u/c.test.ts", "test('in words', () => {})"),
            ("t/d.sh", "check 'a check' true"),
        ];
        let mut found = Vec::new();
        check_page(&Tree::of(&files), PAGES[0], &mut found);
        let found: Vec<_> = found.iter().map(|problem| (problem.line, problem.what.as_str())).collect();
        assert_eq!(
            found,
            [(4, "`c/a.rs` has no test `is_not`"), (5, "no file `c/b.rs`"), (6, "the row proves nothing")]
        );
    }
}
