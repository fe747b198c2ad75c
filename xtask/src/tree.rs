//! The files of the project, read once and handed to every check.
//!
//! Checks see paths and texts only, so that their tests can make trees of a few lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders that hold no sources of ours, by path from the root.
const LEFT_OUT: &[&str] = &[
    ".git",
    "target",
    "fuzz/target",
    "fuzz/corpus",
    "fuzz/artifacts",
    "fuzz/seeds",
    "bench/out",
    "ui/node_modules",
    "ui/dist",
];

/// Every file with its text; bytes that are not UTF-8 are replaced.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

/// The root of the project that this program was built from.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

impl Tree {
    /// Reads everything below `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.folder(root, "").map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(tree)
    }

    fn folder(&mut self, root: &Path, folder: &str) -> std::io::Result<()> {
        for entry in std::fs::read_dir(root.join(folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let left_out = LEFT_OUT.contains(&path.as_str()) || path.starts_with("target-");
                if !left_out {
                    self.folder(root, &path)?;
                }
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path())?;
                self.files.insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(())
    }

    /// A tree made up for a test.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { files }
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Every path, sorted.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Every file, sorted by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Rust files, sorted by path.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Names directly below a folder (files and folders), sorted, each once.
    pub(crate) fn names_in<'t>(&'t self, folder: &str) -> Vec<&'t str> {
        let prefix = format!("{folder}/");
        let mut names: Vec<&str> = self
            .paths()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(|rest| rest.split_once('/').map_or(rest, |(first, _)| first))
            .collect();
        names.dedup();
        names
    }
}
