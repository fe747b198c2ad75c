//! Copies of what was fetched, by digest, on disk: what is pinned need not be fetched twice, and is there after a restart without a network.
//!
//! *How it fits*: the [`crate::Fetcher`] looks here first and leaves here what it has fetched. Beside the copies stands which digest of
//! a place was the last good one, so that a wrong new digest leaves it in force even after a restart.
//!
//! *Invariants*: 1. a copy is checked against its digest whenever it is read; one that is damaged is removed; 2. a file is there whole
//! or not at all, also when two fetches leave the same one; 3. what is in use is not removed; 4. folders are for their owner only: rules may
//! have been paid for, and addresses may have keys in them.
//!
//! *Limits*: [`MAX_BYTES`] and [`MAX_FILES`] of copies, the ones that were used least lately go; [`MAX_PLACES`] last good digests.

use crate::{Digest, Place};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Bytes of all copies.
pub const MAX_BYTES: u64 = 256 << 20;
/// Copies.
pub const MAX_FILES: usize = 512;
/// Places whose last good digest is known.
pub const MAX_PLACES: usize = 256;
/// Bytes of the list of them.
const MAX_LIST: u64 = 2 << 20;
/// A draft that was not written to for so long is nobody's.
const ABANDONED: Duration = Duration::from_secs(3600);
/// The list of last good digests.
const LIST: &str = "last-good";
/// How names of drafts end.
const DRAFT: &str = "draft";
/// Of the next draft of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The copies of a folder.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
}

/// A copy that cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct KeptError {
    path: PathBuf,
    why: String,
}

impl Kept {
    /// In a folder, which is made with the first copy.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn copies(&self) -> PathBuf {
        self.folder.join("sha256")
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.copies().join(digest.hex())
    }

    /// A copy of at most so many bytes, if it is there and sound.
    pub fn get(&self, digest: &Digest, most: u64) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let file = std::fs::File::open(&path).ok()?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > most {
            return None;
        }
        if Digest::of(&bytes) != *digest {
            let _ = std::fs::remove_file(&path);
            return None;
        }
        // Used now; that this cannot be written on a read-only disk is no harm.
        let _ = std::fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Keeps a copy; what is not `in_use` makes room for it.
    pub fn put(&self, digest: &Digest, bytes: &[u8], in_use: &BTreeSet<Digest>) -> Result<(), KeptError> {
        let path = self.path(digest);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.copies());
        made.map_err(|error| failed(&self.copies(), &error))?;
        if !self.make_room(bytes.len() as u64, in_use) {
            let why = format!("no room: copies in use have {} MiB together at most", MAX_BYTES >> 20);
            return Err(KeptError { path, why });
        }
        self.write(&path, bytes)
    }

    /// Whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), KeptError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_extension(format!("{}-{number}.{DRAFT}", std::process::id()));
        let write = || {
            let mut file = std::fs::File::create(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&draft, path)
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&draft);
            failed(path, &error)
        })
    }

    /// Path, bytes and last use of each copy.
    fn files(&self) -> Vec<(PathBuf, u64, SystemTime)> {
        let entries = std::fs::read_dir(self.copies()).into_iter().flatten().flatten();
        let file = |entry: std::fs::DirEntry| {
            let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((entry.path(), meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
        };
        entries.filter_map(file).collect()
    }

    fn make_room(&self, for_bytes: u64, in_use: &BTreeSet<Digest>) -> bool {
        let mut files = self.files();
        // What a process left that ended while it wrote.
        files.retain(|(path, _, written)| {
            let is_left = is_draft(path) && written.elapsed().is_ok_and(|age| age > ABANDONED);
            !(is_left && std::fs::remove_file(path).is_ok())
        });
        files.sort_by_key(|(_, _, used)| *used);
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| *bytes).sum();
        let mut count = files.len();
        let is_used: BTreeSet<PathBuf> = in_use.iter().map(|digest| self.path(digest)).collect();
        let fits = |bytes: u64, count: usize| bytes.saturating_add(for_bytes) <= MAX_BYTES && count < MAX_FILES;
        for (path, size, _) in files.iter().filter(|(path, ..)| !is_used.contains(path) && !is_draft(path)) {
            if fits(bytes, count) {
                break;
            }
            if std::fs::remove_file(path).is_ok() {
                bytes = bytes.saturating_sub(*size);
                count = count.saturating_sub(1);
            }
        }
        fits(bytes, count)
    }

    /// The digest of a place that was good last.
    pub fn last_good(&self, place: &Place) -> Option<Digest> {
        let place = place.to_string();
        self.list().into_iter().find(|(_, known)| *known == place).map(|(digest, _)| digest)
    }

    /// From now on this one is.
    pub fn set_last_good(&self, place: &Place, digest: &Digest) -> Result<(), KeptError> {
        let place = place.to_string();
        let mut list = self.list();
        if list.iter().any(|(good, known)| *known == place && good == digest) {
            return Ok(());
        }
        list.retain(|(_, known)| *known != place);
        list.insert(0, (*digest, place));
        list.truncate(MAX_PLACES);
        let text: String = list.iter().map(|(digest, place)| format!("{digest} {place}\n")).collect();
        self.write(&self.folder.join(LIST), text.as_bytes())
    }

    /// The newest first.
    fn list(&self) -> Vec<(Digest, String)> {
        let mut text = String::new();
        let Ok(file) = std::fs::File::open(self.folder.join(LIST)) else { return Vec::new() };
        if file.take(MAX_LIST).read_to_string(&mut text).is_err() {
            return Vec::new();
        }
        let line = |line: &str| {
            let (digest, place) = line.split_once(' ')?;
            Some((Digest::parse(digest)?, place.to_owned()))
        };
        text.lines().filter_map(line).take(MAX_PLACES).collect()
    }
}

fn is_draft(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == DRAFT)
}

fn failed(path: &Path, error: &std::io::Error) -> KeptError {
    KeptError { path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_there_after_a_restart_and_damaged_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(&folder.path().join("state"));
        let digest = Digest::of(b"rules");
        assert_eq!(kept.get(&digest, 100), None);
        kept.put(&digest, b"rules", &BTreeSet::new()).unwrap();
        let draft = folder.path().join("state/sha256/x.draft");
        std::fs::write(&draft, "half").unwrap();
        let old = SystemTime::now() - 2 * ABANDONED;
        std::fs::File::options().write(true).open(&draft).unwrap().set_modified(old).unwrap();
        kept.put(&digest, b"rules", &BTreeSet::new()).unwrap();
        let kept = Kept::new(&folder.path().join("state"));
        assert_eq!(kept.get(&digest, 100).as_deref(), Some(&b"rules"[..]));
        assert_eq!(kept.files().len(), 1, "no draft is left");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(kept.copies()).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!((kept.get(&digest, 4), kept.files().len()), (None, 1), "too big for who asks, and sound");
        std::fs::write(kept.path(&digest), "rulez").unwrap();
        assert_eq!((kept.get(&digest, 100), kept.files().len()), (None, 0));
        std::fs::write(folder.path().join("a"), "").unwrap();
        let nowhere = Kept::new(&folder.path().join("a/b"));
        assert!(nowhere.put(&digest, b"rules", &BTreeSet::new()).unwrap_err().to_string().contains("a/b"));
    }

    #[test]
    fn what_was_not_used_lately_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path());
        std::fs::create_dir_all(kept.copies()).unwrap();
        let all: Vec<Digest> = (0..MAX_FILES as u32).map(|number| Digest::of(&number.to_be_bytes())).collect();
        for (number, digest) in (0_u32..).zip(&all) {
            std::fs::write(kept.path(digest), number.to_be_bytes()).unwrap();
            let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000 + u64::from(number));
            std::fs::File::options().write(true).open(kept.path(digest)).unwrap().set_modified(used).unwrap();
        }
        assert!(kept.get(&all[1], 100).is_some(), "used now");
        let new = Digest::of(b"new");
        kept.put(&new, b"new", &[all[0]].into()).unwrap();
        let there = |at: usize| kept.path(&all[at]).exists();
        assert_eq!((there(0), there(1), there(2), there(3)), (true, true, false, true));
        assert!(
            kept.put(&new, &vec![0; MAX_BYTES as usize + 1], &BTreeSet::new())
                .unwrap_err()
                .to_string()
                .contains("no room")
        );
    }

    #[test]
    fn the_last_good_digest_of_a_place_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path());
        let place = |name: &str| Place::Web(format!("https://a.example/{name}"));
        kept.set_last_good(&place("a"), &Digest::of(b"1")).unwrap();
        kept.set_last_good(&place("b"), &Digest::of(b"2")).unwrap();
        kept.set_last_good(&place("a"), &Digest::of(b"3")).unwrap();
        let kept = Kept::new(folder.path());
        assert_eq!(kept.last_good(&place("a")), Some(Digest::of(b"3")));
        assert_eq!(kept.last_good(&place("b")), Some(Digest::of(b"2")));
        assert_eq!(kept.last_good(&place("c")), None);
        for number in 0..MAX_PLACES {
            kept.set_last_good(&place(&number.to_string()), &Digest::of(b"4")).unwrap();
        }
        assert_eq!((kept.list().len(), kept.last_good(&place("a"))), (MAX_PLACES, None));
        std::fs::write(folder.path().join(LIST), b"\xff nonsense").unwrap();
        assert_eq!(kept.last_good(&place("0")), None);
    }
}
