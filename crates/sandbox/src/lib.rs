//! What a process gives up once it has begun, so that whoever takes it over finds little: capabilities, system calls, files.
//!
//! *How it fits*: three steps, each for the thread that takes it and all that it starts from then on. [`Sandbox::start`] is for the whole
//! process, before it has a second thread; [`Sandbox::confine`] for threads that work with files and connections; [`Sandbox::seal`] for
//! one that reads what attackers write. A thread that must keep capabilities is started between the first two.
//!
//! *Invariants*: 1. nothing that is given up comes back: the kernel has no way; 2. a kernel that lacks a part never ends the program, but
//! with [`Mode::Require`]; what is missing is in the [`Standing`]; 3. with [`Mode::Off`] nothing is changed.
//!
//! *Limits*: threads share their process's memory. A sealed thread cannot open, connect or start anything, but what other threads hold
//! in memory is before its eyes. Seccomp knows x86-64, AArch64 and RISC-V.
//!
//! *Spec*: capabilities(7), seccomp(2), landlock(7), PR_SET_NO_NEW_PRIVS(2const), PR_SET_DUMPABLE(2const).

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod calls;
mod capabilities;
mod files;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
pub use rustix::thread::CapabilitySet as Capabilities;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use files::Files;

/// Whether there is a sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As far as the kernel has it.
    #[default]
    On,
    /// No.
    Off,
    /// All of it, or no start.
    Require,
}

/// Why there is no start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel lacks a part that is required.
    #[error("the sandbox is required and {0}; use a kernel that has it, or --sandbox on to do without")]
    Missing(String),
    /// What the program was told to read or write is not there.
    #[error("{0}")]
    Files(String),
}

/// What of the sandbox is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// As asked for.
    pub mode: Mode,
    /// Landlock's version in force on every thread that asked for it; 0 without.
    pub landlock: u32,
    /// Whether system calls are filtered on every thread that asked for it.
    pub seccomp: bool,
    /// Whether a thread was sealed, with all parts.
    pub sealed: bool,
    /// Capabilities that some thread may still use.
    pub kept: Vec<String>,
    /// What is missing, and why; each once.
    pub missing: BTreeSet<String>,
}

impl Standing {
    /// Whether nothing that was asked for is missing.
    pub fn is_whole(&self) -> bool {
        self.mode != Mode::Off && self.missing.is_empty()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Sandbox {
    mode: Mode,
    standing: Mutex<Standing>,
}

impl Sandbox {
    /// For the calling thread and all that it starts: no capability but `keep`, none ever gained again, no core dumps, no system call that
    /// only other programs need. To be called while there is one thread.
    pub fn start(mode: Mode, keep: Capabilities) -> Result<Self, SandboxError> {
        let standing = Standing { mode, seccomp: mode != Mode::Off, ..Standing::default() };
        let sandbox = Self { mode, standing: Mutex::new(standing) };
        if mode == Mode::Off {
            return Ok(sandbox);
        }
        sandbox.note(rustix::thread::set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}")))?;
        // Memory has traffic and tokens in it: neither belongs into a file, nor before the eyes of others of the same user.
        let undumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        sandbox.note(undumpable.map_err(|error| format!("PR_SET_DUMPABLE: {error}")))?;
        capabilities::bound(keep);
        sandbox.note(capabilities::keep(keep))?;
        sandbox.lock().kept = capabilities::names();
        sandbox.filtered(calls::process())?;
        Ok(sandbox)
    }

    /// For the calling thread and all that it starts: no capability but `keep`, no file but `files`, no other network namespace.
    pub fn confine(&self, files: &Files, keep: Capabilities) -> Result<(), SandboxError> {
        if self.mode == Mode::Off {
            return Ok(());
        }
        self.note(capabilities::keep(keep))?;
        let version = files::confine(files).map_err(SandboxError::Files)?;
        self.landlocked(version, false)?;
        self.filtered(calls::confined())?;
        Ok(())
    }

    /// For the calling thread: no capability, no file, no socket, no thread or program; memory, clocks, waiting, and what it was handed
    /// over is all that is left.
    pub fn seal(&self) -> Result<(), SandboxError> {
        if self.mode == Mode::Off {
            return Ok(());
        }
        let is_bare = self.note(capabilities::keep(Capabilities::empty()))?;
        let version = files::nothing().map_err(SandboxError::Files)?;
        let is_shut = self.landlocked(version, true)?;
        let is_filtered = self.filtered(calls::sealed())?;
        self.lock().sealed = is_bare && is_shut && is_filtered;
        Ok(())
    }

    /// What is in force.
    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }

    fn landlocked(&self, version: u32, again: bool) -> Result<bool, SandboxError> {
        let is_there = version > 0;
        {
            let mut standing = self.lock();
            // The least of all threads is what there is.
            standing.landlock = if again { standing.landlock.min(version) } else { version };
        }
        let missing = "the kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and `landlock` in the boot option lsm=)";
        self.note(if is_there { Ok(()) } else { Err(missing.to_owned()) })
    }

    fn filtered(&self, applied: Result<(), String>) -> Result<bool, SandboxError> {
        let is_there = self.note(applied)?;
        self.lock().seccomp &= is_there;
        Ok(is_there)
    }

    /// Takes down what is missing; an error if nothing may be.
    fn note(&self, done: Result<(), String>) -> Result<bool, SandboxError> {
        match done {
            Ok(()) => Ok(true),
            Err(why) if self.mode == Mode::Require => Err(SandboxError::Missing(why)),
            Err(why) => {
                self.lock().missing.insert(why);
                Ok(false)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_missing_is_told_once_or_ends_the_start() {
        let sandbox =
            |mode| Sandbox { mode, standing: Mutex::new(Standing { mode, seccomp: true, ..Standing::default() }) };
        let on = sandbox(Mode::On);
        assert!(!on.landlocked(0, false).unwrap() && !on.landlocked(0, true).unwrap());
        assert!(!on.filtered(Err("no seccomp".to_owned())).unwrap());
        let standing = on.standing();
        assert_eq!(
            (standing.landlock, standing.seccomp, standing.missing.len(), standing.is_whole()),
            (0, false, 2, false)
        );
        let required = sandbox(Mode::Require).landlocked(0, false).unwrap_err().to_string();
        assert!(required.contains("CONFIG_SECURITY_LANDLOCK") && required.contains("--sandbox on"), "{required}");
        let whole = sandbox(Mode::Require);
        assert!(whole.landlocked(7, false).unwrap() && whole.landlocked(6, true).unwrap());
        assert_eq!((whole.standing().landlock, whole.standing().is_whole()), (6, true));
    }

    #[test]
    fn switched_off_it_changes_nothing() {
        let thread = std::thread::spawn(|| {
            let before = capabilities::names();
            let sandbox = Sandbox::start(Mode::Off, Capabilities::empty()).unwrap();
            sandbox.confine(&Files::default(), Capabilities::empty()).unwrap();
            sandbox.seal().unwrap();
            assert_eq!(capabilities::names(), before);
            assert!(std::fs::read("/proc/self/environ").is_ok());
            assert!(!sandbox.standing().is_whole() && !sandbox.standing().sealed);
        });
        thread.join().unwrap();
    }
}
