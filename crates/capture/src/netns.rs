//! Another network namespace: sockets are opened there, the process stays where it is.
//!
//! *How it fits*: a packet or netlink socket belongs to the namespace of the thread that opened it, for good. So a
//! thread of its own enters the namespace, opens what is wanted, and ends; it never returns to a pool.
//!
//! *Spec*: setns(2), network_namespaces(7); names of namespaces: ip-netns(8).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::afpacket::socket;
use crate::error::CaptureError;

/// Where ip-netns(8) keeps its names.
const NAMED: &str = "/run/netns";

/// A network namespace, held open: it lives for as long as this does. Two of these are equal if they are one namespace.
#[derive(Debug)]
pub struct NetworkNamespace {
    fd: OwnedFd,
    id: u64,
}

impl PartialEq for NetworkNamespace {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for NetworkNamespace {}

impl NetworkNamespace {
    /// By the name that `ip netns` knows, or by a path such as `/proc/4711/ns/net`, which needs CAP_SYS_PTRACE if the process is
    /// another's.
    pub fn open(name_or_path: &str) -> Result<Self, CaptureError> {
        let path = path(name_or_path);
        match File::open(&path).and_then(|file| Ok((file.metadata()?.ino(), file))) {
            Ok((id, file)) => Ok(Self { fd: file.into(), id }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.starts_with("/proc") => {
                let operation = "opening the network namespace of another process";
                Err(CaptureError::MissingCapability { operation, capability: "CAP_SYS_PTRACE" })
            }
            Err(source) => Err(CaptureError::NoNamespace { path, source }),
        }
    }

    /// The kernel's number for it: no other has it while this one is held.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Runs `open` by a thread inside the namespace. What it opens stays there; the caller does not move.
    ///
    /// Needs CAP_SYS_ADMIN, in the user namespace that owns the network namespace and in our own.
    pub fn within<T: Send>(&self, open: impl FnOnce() -> Result<T, CaptureError> + Send) -> Result<T, CaptureError> {
        let entered = || {
            socket::enter_network_namespace(&self.fd).map_err(CaptureError::namespace)?;
            open()
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("tapir-netns".into())
                .spawn_scoped(scope, entered)
                .map_err(CaptureError::namespace)?;
            thread.join().unwrap_or_else(|_| {
                Err(CaptureError::namespace(io::Error::other("the thread that entered it ended unexpectedly")))
            })
        })
    }
}

/// A word without a slash is a name.
fn path(name_or_path: &str) -> PathBuf {
    if name_or_path.contains('/') { name_or_path.into() } else { Path::new(NAMED).join(name_or_path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_name_anything_else_a_path() {
        assert_eq!(path("blue"), Path::new("/run/netns/blue"));
        assert_eq!(path("/proc/1/ns/net"), Path::new("/proc/1/ns/net"));
        assert_eq!(path("./net"), Path::new("./net"));
    }

    #[test]
    fn what_is_no_namespace_is_named() {
        let error = NetworkNamespace::open("no-such-namespace").unwrap_err();
        assert_eq!(error.reason(), "no_namespace");
        assert!(error.to_string().contains("/run/netns/no-such-namespace"), "{error}");
        let error = NetworkNamespace::open("/dev/null").unwrap().within(|| Ok(())).unwrap_err();
        assert!(matches!(error.reason(), "system" | "missing_capability"), "{error}");
    }

    #[test]
    fn one_namespace_is_itself_whichever_way_it_is_opened() {
        let ours = NetworkNamespace::open("/proc/self/ns/net").unwrap();
        assert_eq!(ours, NetworkNamespace::open("/proc/thread-self/ns/net").unwrap());
        assert_ne!(ours, NetworkNamespace::open("/dev/null").unwrap());
    }

    #[test]
    fn our_own_namespace_can_be_entered_if_we_may() {
        match NetworkNamespace::open("/proc/self/ns/net").unwrap().within(|| Ok(7)) {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert_eq!(error.reason(), "missing_capability", "{error}"),
        }
    }
}
