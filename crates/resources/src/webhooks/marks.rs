//! How far each webhook has come in the store, kept in a file, so that a restart neither leaves events out nor begins anew.
//!
//! *Invariants*: a mark moves when the receiver has acknowledged all before it. What is written is durable before the file has its name.
//! *Limits*: written once in [`OFTEN`], so a crash makes a second of events come again. A file that cannot be read is told, and webhooks
//! go on from now.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tapir_store::Mark;

/// How often it is written.
const OFTEN: Duration = Duration::from_secs(1);
/// Bytes of a file that is read.
const MOST: u64 = 1 << 20;

#[derive(Default, Serialize, Deserialize)]
struct File {
    version: u32,
    /// By the identity of the object.
    hooks: BTreeMap<String, Mark>,
}

#[derive(Default)]
struct State {
    hooks: BTreeMap<String, Mark>,
    is_dirty: bool,
}

/// See the module.
pub(crate) struct Marks {
    path: PathBuf,
    state: Mutex<State>,
}

impl Marks {
    /// What the file has; the second value says why it has nothing.
    pub(crate) fn open(data_dir: &Path) -> (Self, Option<String>) {
        let path = data_dir.join("webhooks.json");
        let (hooks, trouble) = match read(&path) {
            Ok(hooks) => (hooks, None),
            Err(why) => {
                let why = format!(
                    "{}: {why}; webhooks go on from now, and what came while it was away is not sent",
                    path.display()
                );
                (BTreeMap::new(), Some(why))
            }
        };
        (Self { path, state: Mutex::new(State { hooks, is_dirty: false }) }, trouble)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, hook: &str) -> Option<Mark> {
        self.state().hooks.get(hook).copied()
    }

    pub(crate) fn set(&self, hook: &str, mark: Mark) {
        let mut state = self.state();
        if state.hooks.get(hook) != Some(&mark) {
            state.hooks.insert(hook.to_owned(), mark);
            state.is_dirty = true;
        }
    }

    pub(crate) fn forget(&self, hook: &str) {
        let mut state = self.state();
        state.is_dirty |= state.hooks.remove(hook).is_some();
    }

    /// Forgets all but these.
    pub(crate) fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut state = self.state();
        let before = state.hooks.len();
        state.hooks.retain(|hook, _| keep(hook));
        state.is_dirty |= state.hooks.len() != before;
    }

    /// Writes what has changed.
    pub(crate) fn save(&self) -> Result<(), String> {
        let text = {
            let mut state = self.state();
            if !state.is_dirty {
                return Ok(());
            }
            state.is_dirty = false;
            let file = File { version: 1, hooks: state.hooks.clone() };
            serde_json::to_vec(&file).map_err(|error| error.to_string())?
        };
        let written = write(&self.path, &text);
        if written.is_err() {
            self.state().is_dirty = true;
        }
        written.map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }

    /// Writes for ever, and tells each trouble once.
    pub(crate) async fn keep(&self, warn: impl Fn(&str)) {
        let mut failing = String::new();
        loop {
            tokio::time::sleep(OFTEN).await;
            match self.save() {
                Ok(()) => failing.clear(),
                Err(why) if why != failing => {
                    warn(&format!("{why}: after a restart webhooks would send events again"));
                    failing = why;
                }
                Err(_) => {}
            }
        }
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        // Nobody is left to be told; events come again.
        let _ = self.save();
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Mark>, String> {
    let size = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.to_string()),
    };
    if size > MOST {
        return Err(format!("it has {size} bytes, more than {MOST}"));
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let file: File = serde_json::from_slice(&text).map_err(|error| format!("cannot be read: {error}"))?;
    match file.version {
        1 => Ok(file.hooks),
        other => Err(format!("it is of version {other}, and this program knows 1")),
    }
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: i64) -> Mark {
        serde_json::from_str(&format!("[{number},0]")).unwrap()
    }

    #[test]
    fn marks_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let (marks, trouble) = Marks::open(folder.path());
        assert_eq!(trouble, None);
        marks.set("a", mark(7));
        marks.set("b", mark(9));
        marks.forget("b");
        drop(marks);
        let (marks, trouble) = Marks::open(folder.path());
        assert_eq!((marks.get("a"), marks.get("b"), trouble), (Some(mark(7)), None, None));
        marks.retain(|hook| hook != "a");
        marks.save().unwrap();
        assert_eq!(Marks::open(folder.path()).0.get("a"), None);
    }

    #[test]
    fn a_file_that_is_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["{", r#"{"version":2,"hooks":{}}"#] {
            std::fs::write(folder.path().join("webhooks.json"), text).unwrap();
            let (marks, trouble) = Marks::open(folder.path());
            assert!(trouble.unwrap().contains("webhooks.json"));
            assert_eq!(marks.get("a"), None);
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let (marks, _) = Marks::open(&gone);
        marks.set("a", mark(1));
        assert!(marks.save().unwrap_err().contains("webhooks.json"));
        std::fs::create_dir(&gone).unwrap();
        marks.save().unwrap();
        assert_eq!(Marks::open(&gone).0.get("a"), Some(mark(1)));
    }
}
