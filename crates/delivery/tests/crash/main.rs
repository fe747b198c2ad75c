//! What happens to the spool when its process is killed, and when there is no room: each in a process of its own.
//!
//! The program starts itself again: as a writer and courier that are killed with SIGKILL at a random moment, again and
//! again (`TAPIR_KILLS`, 20 unless set), and as a process whose disk, or whose largest file, is small.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod killed;
mod receiver;
mod room;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable that tells a process what it is.
const ROLE: &str = "TAPIR_CRASH_ROLE";

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("killed") => return killed::child(),
        Ok("small-disk") => return room::small_disk(),
        Ok("small-file") => return room::small_file(),
        _ => {}
    }
    let tests: [(&str, fn()); 3] = [
        ("a_kill_at_any_moment_loses_nothing_and_doubles_nothing", killed::test),
        ("a_full_disk_refuses_and_goes_on_when_there_is_room", room::small_disk_test),
        ("a_file_that_cannot_grow_is_followed_by_another", room::small_file_test),
    ];
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for (name, test) in tests.iter().filter(|(name, _)| filter.as_ref().is_none_or(|filter| name.contains(filter))) {
        print!("test {name} ... ");
        test();
    }
}

/// This program in another role.
fn again(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role);
    command
}

/// A folder that goes away with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tapir-crash-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
