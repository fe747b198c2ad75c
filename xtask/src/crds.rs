//! `deploy/crds/`: the definitions of the custom resources, written from their types.
//!
//! *Invariants*: as those of the reference: the same tree gives the same bytes, nothing is written by hand.

/// Where they are.
pub(crate) const FOLDER: &str = "deploy/crds";

/// All files: path from the root, text.
pub(crate) fn files() -> Vec<(String, String)> {
    let all = tapir_kubernetes::crds::all();
    all.iter().map(|definition| (format!("{FOLDER}/{}.yaml", definition.name()), definition.yaml())).collect()
}
