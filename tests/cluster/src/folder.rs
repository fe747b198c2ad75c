//! The folder of a cluster: in memory where the system has `/dev/shm`, else among its temporary files; for its owner only, removed when
//! dropped. In memory, since etcd waits for the disk at every write, and this one's data need not outlive the machine.
//!
//! A process that is killed removes nothing. So each folder has a file that its process holds a lock on; the kernel lets go of it with
//! the process, and the next cluster removes the folders whose lock is free.
//! *Limits*: with `TAPIR_CLUSTER_KEEP` set the folder stays, and where it is, is said on standard error; nothing removes it then.

use crate::Error;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const NAME: &str = "tapir-cluster-";
const LOCK: &str = "lock";
const KEEP: &str = "TAPIR_CLUSTER_KEEP";

/// A folder with a lock.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// A new one, in `TMPDIR` if that is set; those of processes that are gone are removed there.
    pub(crate) fn new() -> Result<Self, Error> {
        let memory = Path::new("/dev/shm");
        let chosen = std::env::var_os("TMPDIR").is_some();
        if !chosen && memory.is_dir() { Self::below(memory) } else { Self::below(&std::env::temp_dir()) }
    }

    fn below(parent: &Path) -> Result<Self, Error> {
        sweep(parent);
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut tries = 0;
        let path = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{NAME}{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                // A kept one, or one of another system that shares the folder.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && tries < 1_000 => tries += 1,
                Err(error) => return Err(Error::file(path)(error)),
            }
        };
        // It gets its name when it is locked: nobody finds it free before.
        let unnamed = path.join("lock.new");
        let lock = File::create(&unnamed).map_err(Error::file(&unnamed))?;
        lock.lock().map_err(Error::file(&unnamed))?;
        std::fs::rename(&unnamed, path.join(LOCK)).map_err(Error::file(&unnamed))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        std::fs::write(&path, text).map_err(Error::file(&path))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::env::var_os(KEEP).is_some_and(|keep| !keep.is_empty()) {
            eprintln!("tapir-cluster: kept {}", self.path.display());
            // Without its lock's name no sweep takes it.
            let _ = std::fs::remove_file(self.path.join(LOCK));
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes what others left behind. What cannot be removed is another user's, or about to be.
fn sweep(parent: &Path) {
    let Ok(entries) = parent.read_dir() else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(NAME)) {
        let free = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if free {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_dead_are_removed_and_those_in_use_stay() {
        use std::os::unix::fs::PermissionsExt;
        let parent = std::env::temp_dir().join(format!("tapir-folders-{}", std::process::id()));
        std::fs::create_dir_all(&parent).unwrap();
        let dead = parent.join("tapir-cluster-1-0");
        let unlocked = parent.join("tapir-cluster-2-0");
        let other = parent.join("other");
        for folder in [&dead, &unlocked, &other] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(dead.join(LOCK), "").unwrap();
        std::fs::write(other.join(LOCK), "").unwrap();
        let first = Folder::below(&parent).unwrap();
        let second = Folder::below(&parent).unwrap();
        assert!(!dead.exists());
        assert!(unlocked.exists(), "it may be about to be locked");
        assert!(other.exists() && first.path().exists());
        assert_eq!(first.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let path = first.write("x", "y").unwrap();
        drop(first);
        assert!(!path.exists() && second.path().exists());
        drop(second);
        std::fs::remove_dir_all(parent).unwrap();
    }
}
