//! The number of a writer's start: part of every id, so it must never come a second time.
//!
//! It is one more than the largest that the folder remembers (the note `boot`, the segments, the cursors), and no less
//! than the seconds since 1970. The memory holds when the clock goes back; the clock holds when the folder is lost.
//! Both at once would have to happen for a number to come again. A clock far ahead costs nothing: the numbers go on from there.

use crate::note::{self, Note};
use std::path::Path;

/// The next number. Not yet kept: see [`keep`].
pub(super) fn next(folder: &Path, seen: u64, wall_ns: u64) -> u64 {
    let noted = match note::load(&folder.join("boot")) {
        Note::Fresh(text) | Note::Previous(text) => note::number(&text, "boot").unwrap_or(0),
        Note::Missing | Note::Damaged => 0,
    };
    seen.max(noted).saturating_add(1).max(wall_ns / 1_000_000_000)
}

/// Keeps the number, durably. Comes before the first record under it.
pub(super) fn keep(folder: &Path, boot: u64) -> std::io::Result<()> {
    note::save(&folder.join("boot"), &format!("boot={boot}"), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn numbers_grow_whatever_the_clock_does() {
        let folder = Folder::new();
        let first = next(folder.path(), 0, 1000 * SECOND);
        assert_eq!(first, 1000);
        keep(folder.path(), first).unwrap();
        assert_eq!(next(folder.path(), 0, 1000 * SECOND), 1001);
        assert_eq!(next(folder.path(), 0, 0), 1001, "the clock went back");
        assert_eq!(next(folder.path(), 5000, 1000 * SECOND), 5001, "a segment knows better than the note");
        assert_eq!(next(folder.path(), 0, 9000 * SECOND), 9000, "the clock went ahead");
        keep(folder.path(), 1001).unwrap();
        std::fs::write(folder.path().join("boot"), "boot=9").unwrap();
        assert_eq!(next(folder.path(), 0, 0), 1001, "the note before the damaged one");
    }
}
