//! Words that must not stand in the tree: the machinery of those who write the project is not part of it.

use crate::problem::Problem;
use crate::rust_source::line_of;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    // Put together here, or this file would be found.
    let word = format!(".{}", "library");
    for (path, text) in tree.files() {
        for (at, _) in text.match_indices(&word) {
            let help = "nothing outside the project may be needed or named";
            found.push(Problem::new(path, line_of(text, at), format!("`{word}` is mentioned"), help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_found_in_any_file() {
        let text = format!("x\nsee /work/.{}/y\n", "library");
        let mut found = Vec::new();
        check(&Tree::of(&[("docs/a.md", &text), ("b.rs", "the library.")]), &mut found);
        assert_eq!(found.iter().map(|p| (p.path.as_str(), p.line)).collect::<Vec<_>>(), [("docs/a.md", 2)]);
    }
}
