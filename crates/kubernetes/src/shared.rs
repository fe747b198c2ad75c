//! Test data that is no part of the repository: `spec/calico` below `$TAPIR_SHARED`, else below `../shared` beside it.

use serde_json::Value;
use std::path::PathBuf;

/// The objects of a file of lines; `None`, said plainly, if the data are not there.
pub(crate) fn lines(file: &str) -> Option<Vec<Value>> {
    let text = text(file)?;
    Some(text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// A file; `None`, said plainly, if the data are not there.
pub(crate) fn text(file: &str) -> Option<String> {
    let root = std::env::var_os("TAPIR_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let path = root.join("spec/calico").join(file);
    if !root.is_dir() {
        eprintln!("SKIPPED: no {} (set TAPIR_SHARED)", root.display());
        return None;
    }
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
