//! `unsafe` stands in the named modules only: the rings, the SIMD kernels of the pattern search, the
//! PCRE2 wrapper, the heap's one setting.

use crate::problem::Problem;
use crate::rust_source::{code, line_of, words};
use crate::tree::Tree;

const ALLOWED: &[&str] = &[
    "crates/capture/src/afpacket/",
    "crates/detect/src/search/kernel",
    "crates/options/src/pcre2.rs",
    "crates/tapir/src/heap.rs",
];

pub(super) fn check(tree: &Tree, found: &mut Vec<Problem>) {
    for (path, text) in tree.rust() {
        if ALLOWED.iter().any(|allowed| path.starts_with(allowed)) {
            continue;
        }
        let code = code(text);
        for at in words(&code, "unsafe") {
            found.push(Problem::new(
                path,
                line_of(&code, at),
                "`unsafe` outside the modules that may have it",
                format!("write it in safe Rust, or move it below one of {} with a decision record", ALLOWED.join(", ")),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_by_line_and_only_where_it_may_not_be() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\nfn f() { unsafe { g() } }\n";
        let files = [("crates/flow/src/a.rs", text), ("crates/detect/src/search/kernel/avx2.rs", text)];
        let mut found = Vec::new();
        check(&Tree::of(&files), &mut found);
        let places: Vec<_> = found.iter().map(|problem| (problem.path.as_str(), problem.line)).collect();
        assert_eq!(places, [("crates/flow/src/a.rs", 3)]);
    }
}
