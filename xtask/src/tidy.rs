//! Every check of the tree. One file each; to add one, write the file and list it in [`problems`].

mod counters;
mod crates;
mod crds;
mod dependencies;
mod documents;
mod files;
mod fuzzing;
mod lock;
mod mentions;
mod options;
mod proofs;
pub(crate) mod protocols;
mod unsafe_code;

use crate::problem::Problem;
use crate::tree::Tree;

/// All problems of the tree, by place.
pub(crate) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut found = Vec::new();
    crates::check(tree, &mut found);
    dependencies::check(&mut found);
    unsafe_code::check(tree, &mut found);
    options::check(tree, &mut found);
    protocols::check(tree, &mut found);
    counters::check(tree, &mut found);
    files::check(tree, &mut found);
    mentions::check(tree, &mut found);
    fuzzing::check(tree, &mut found);
    lock::check(tree, &mut found);
    documents::check(tree, &mut found);
    crds::check(tree, &mut found);
    proofs::check(tree, &mut found);
    found.sort();
    found
}
