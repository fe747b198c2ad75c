//! Files that threads may read and write: a Landlock domain of the folders they were told of, or of nothing at all.
//!
//! *Invariants*: 1. paths are opened when the domain is made: a folder stands for all that is ever in it, a file for itself alone, however
//! it is called; 2. nothing can be executed; 3. what a kernel's version does not know is left out, the rest holds.
//!
//! *Limits*: stat, connecting to a socket's path (before version 9) and what is open already are not Landlock's business. Who has a domain
//! may not look into processes outside of it (`/proc/PID/ns`), whatever its capabilities.
//!
//! *Spec*: landlock(7); versions: Linux, Documentation/userspace-api/landlock.rst.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What may be read and written, and where connections may be waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Folders and files that may be read; those that are not there are left out.
    pub read: BTreeSet<PathBuf>,
    /// Folders in which files may be made, changed and removed; each must be there.
    pub write: BTreeSet<PathBuf>,
    /// TCP ports that may be bound; 0 stands for one of the kernel's choice.
    pub ports: BTreeSet<u16>,
}

/// What a confined thread is held to. Version 6; what later ones add would forbid connecting to sockets of this host's own services.
const CONFINED: ABI = ABI::V6;
/// What a sealed one is held to: all that there is.
const SEALED: ABI = ABI::V10;
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
});

/// Holds the calling thread to `files`; the version of Landlock in force, 0 if the kernel has none.
pub(crate) fn confine(files: &Files) -> Result<u32, String> {
    let made = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(CONFINED))
        .and_then(|rules| rules.handle_access(AccessNet::BindTcp))
        .and_then(|rules| rules.scope(Scope::from_all(CONFINED)))
        .and_then(Ruleset::create);
    let mut rules = made.map_err(text)?;
    for path in &files.read {
        // What is not there, or not for us, cannot be read without a sandbox either.
        let Ok(fd) = PathFd::new(path) else { continue };
        rules = allow(rules, fd, path, READ)?;
    }
    for path in &files.write {
        let fd = PathFd::new(path).map_err(|error| format!("cannot write in {}: {error}", path.display()))?;
        rules = allow(rules, fd, path, WRITE)?;
    }
    for port in &files.ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp)).map_err(text)?;
    }
    rules.restrict_self().map(version).map_err(text)
}

/// Takes all files, TCP and signals to others from the calling thread; the version of Landlock in force, 0 if the kernel has none.
pub(crate) fn nothing() -> Result<u32, String> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(SEALED))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(SEALED)))
        .and_then(|rules| rules.scope(Scope::from_all(SEALED)))
        .and_then(Ruleset::create)
        .and_then(RulesetCreated::restrict_self)
        .map(version)
        .map_err(text)
}

/// A file has no more rights than a file can have.
fn allow(rules: RulesetCreated, fd: PathFd, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, String> {
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V10) };
    rules.add_rule(PathBeneath::new(fd, access)).map_err(|error| format!("{}: {error}", path.display()))
}

fn version(status: RestrictionStatus) -> u32 {
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as u32,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    }
}

fn text(error: RulesetError) -> String {
    format!("Landlock: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, TcpStream};

    /// Domains end with their thread.
    fn apart(trial: impl FnOnce() + Send + 'static) {
        std::thread::spawn(trial).join().unwrap();
    }

    fn is_denied<T>(tried: std::io::Result<T>) -> bool {
        tried.is_err_and(|error| error.kind() == PermissionDenied)
    }

    #[test]
    fn what_was_told_can_be_read_and_written_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["told", "spool", "other"] {
            std::fs::create_dir(at(folder)).unwrap();
            std::fs::write(at(folder).join("x"), "x").unwrap();
        }
        std::fs::write(at("file"), "x").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let files = Files {
            read: [at("told"), at("file"), at("absent")].into(),
            write: [at("spool")].into(),
            ports: [0].into(),
        };
        let at = {
            let root = dir.path().to_owned();
            move |name: &str| root.join(name)
        };
        apart(move || {
            let version = confine(&files).unwrap();
            if version == 0 {
                eprintln!("files: SKIPPED, the kernel has no Landlock");
                return;
            }
            assert!(std::fs::read(at("told/x")).is_ok() && std::fs::read(at("file")).is_ok());
            assert!(is_denied(std::fs::write(at("told/x"), "y")) && is_denied(std::fs::write(at("told/new"), "y")));
            assert!(
                std::fs::write(at("spool/new"), "y").is_ok() && std::fs::rename(at("spool/new"), at("spool/x")).is_ok()
            );
            std::fs::create_dir(at("spool/a")).unwrap();
            assert!(std::fs::remove_dir(at("spool/a")).is_ok());
            assert!(is_denied(std::fs::read(at("other/x"))) && is_denied(std::fs::read_dir(at("other"))));
            assert!(is_denied(std::fs::write(at("other/x"), "y")));
            assert!(TcpStream::connect(address).is_ok(), "sinks connect");
            if version >= 4 {
                assert!(TcpListener::bind("127.0.0.1:0").is_ok() && is_denied(TcpListener::bind("127.0.0.1:54321")));
            }
        });
        assert!(std::fs::read(dir.path().join("other/x")).is_ok(), "other threads go on");
    }

    #[test]
    fn without_files_nothing_can_be_opened_or_connected() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        apart(move || {
            assert!(std::fs::read("/proc/self/environ").is_ok() && TcpStream::connect(address).is_ok());
            let version = nothing().unwrap();
            if version == 0 {
                eprintln!("files: SKIPPED, the kernel has no Landlock");
                return;
            }
            assert!(is_denied(std::fs::read("/proc/self/environ")) && is_denied(std::fs::read_dir("/")));
            if version >= 4 {
                assert!(is_denied(TcpStream::connect(address)) && is_denied(TcpListener::bind("127.0.0.1:0")));
            }
        });
    }

    #[test]
    fn a_folder_to_write_in_must_be_there() {
        apart(|| {
            let files = Files { write: ["/nowhere/at/all".into()].into(), ..Files::default() };
            assert!(confine(&files).unwrap_err().contains("/nowhere/at/all"));
        });
    }
}
