//! A note: a line of text in a small file that is always whole, and its previous text for the case that it is not.
//!
//! Boot numbers and cursors are notes. The line ends with a checksum: `next=123 boot=7 crc32=9f3b21aa`.
//!
//! *Invariants*: 1. after a crash at any moment one of the last two texts is read; 2. a damaged file is noticed and its
//! predecessor read.
//!
//! *How*: the text goes to `NAME.new`, `NAME` becomes `NAME.old`, `NAME.new` becomes `NAME`. Reading tries `NAME`,
//! `NAME.new`, `NAME.old`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The longest note, bytes.
const MAX: u64 = 1024;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The newest text.
    Fresh(String),
    /// The newest text was damaged or lost; this is the one before it.
    Previous(String),
    /// There is no note.
    Missing,
    /// All copies are damaged.
    Damaged,
}

/// Replaces a note. With `durable` it is on the disk when this returns; else the kernel has it.
pub(crate) fn save(path: &Path, text: &str, durable: bool) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = File::create(&new)?;
    let sum = crc32fast::hash(text.as_bytes());
    file.write_all(format!("{text} crc32={sum:08x}\n").as_bytes())?;
    if durable {
        file.sync_all()?;
    }
    match fs::rename(path, beside(path, "old")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(&new, path)?;
    if durable && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Reads a note.
pub(crate) fn load(path: &Path) -> Note {
    let mut seen = false;
    for (place, previous) in [(path.to_owned(), false), (beside(path, "new"), false), (beside(path, "old"), true)] {
        match read(&place) {
            Some(Some(text)) if previous => return Note::Previous(text),
            Some(Some(text)) => return Note::Fresh(text),
            Some(None) => seen = true,
            None => {}
        }
    }
    if seen { Note::Damaged } else { Note::Missing }
}

/// Deletes a note and its copies.
pub(crate) fn delete(path: &Path) -> io::Result<()> {
    for place in [beside(path, "old"), beside(path, "new"), path.to_owned()] {
        match fs::remove_file(place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The number behind `key=` in a note.
pub(crate) fn number(text: &str, key: &str) -> Option<u64> {
    text.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

/// `None` without a file, `Some(None)` when it is damaged.
fn read(path: &Path) -> Option<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8(bytes).ok().and_then(|line| {
        let (text, sum) = line.strip_suffix('\n')?.rsplit_once(" crc32=")?;
        let sum = u32::from_str_radix(sum, 16).ok()?;
        (sum == crc32fast::hash(text.as_bytes())).then(|| text.to_owned())
    }))
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn the_newest_text_is_read_and_the_one_before_when_it_is_damaged() {
        let folder = Folder::new();
        let path = folder.path().join("n");
        assert_eq!(load(&path), Note::Missing);
        save(&path, "next=1", true).unwrap();
        save(&path, "next=2", false).unwrap();
        assert_eq!(load(&path), Note::Fresh("next=2".into()));
        fs::write(&path, "next=3 crc32=00000000\n").unwrap();
        assert_eq!(load(&path), Note::Previous("next=1".into()));
        fs::write(beside(&path, "old"), "").unwrap();
        assert_eq!(load(&path), Note::Damaged);
    }

    #[test]
    fn a_crash_between_the_steps_loses_nothing() {
        let folder = Folder::new();
        let path = folder.path().join("n");
        save(&path, "next=1", false).unwrap();
        save(&path, "next=2", false).unwrap();
        // As if it had stopped after the first rename.
        fs::rename(&path, beside(&path, "new")).unwrap();
        assert_eq!(load(&path), Note::Fresh("next=2".into()));
        // As if `NAME.new` had been torn.
        fs::write(beside(&path, "new"), "next=").unwrap();
        assert_eq!(load(&path), Note::Previous("next=1".into()));
    }

    #[test]
    fn numbers_are_found_by_their_key() {
        assert_eq!(number("next=12 boot=3", "boot"), Some(3));
        assert_eq!(number("next=12 boot=3", "oot"), None);
        assert_eq!(number("next=x", "next"), None);
    }
}
