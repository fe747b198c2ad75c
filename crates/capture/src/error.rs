//! Why capture could not be set up.

use std::io;
use std::path::PathBuf;

/// An error of setting up capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The process lacks a capability.
    #[error("{operation} is not permitted: the process needs the capability {capability}")]
    MissingCapability {
        /// What was tried.
        operation: &'static str,
        /// What is missing.
        capability: &'static str,
    },
    /// A ring can't have this shape.
    #[error("bad ring configuration: {0}")]
    Config(&'static str),
    /// The filter over the interfaces, with the user's filter, has too many instructions for the kernel.
    #[error("filter of {instructions} instructions is longer than the kernel takes ({most})")]
    FilterTooLong {
        /// Instructions needed.
        instructions: usize,
        /// Instructions allowed.
        most: usize,
    },
    /// The ring is bound to one interface, so there is no set of interfaces to change.
    #[error("the ring is bound to one interface")]
    Bound,
    /// There is no such network namespace, or it may not be opened.
    #[error("no network namespace at {path}: {source} (`ip netns list` names some; a process's is /proc/PID/ns/net)", path = path.display())]
    NoNamespace {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel has no AF_PACKET: packet(7).
    #[error(
        "{operation} failed: this kernel has no packet sockets (AF_PACKET); it needs CONFIG_PACKET, or its module af_packet"
    )]
    NoPacketSockets {
        /// What was tried.
        operation: &'static str,
    },
    /// The system said no.
    #[error("{operation} failed")]
    System {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl CaptureError {
    /// From a failed system call; missing permission becomes the name of the capability.
    pub(crate) fn system(operation: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::MissingCapability { operation, capability: "CAP_NET_RAW" },
            _ if source.raw_os_error() == Some(libc::EAFNOSUPPORT) => Self::NoPacketSockets { operation },
            _ => Self::System { operation, source },
        }
    }

    /// From a failed entry into a network namespace.
    pub(crate) fn namespace(source: io::Error) -> Self {
        let operation = "entering a network namespace";
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::MissingCapability { operation, capability: "CAP_SYS_ADMIN" },
            _ => Self::System { operation, source },
        }
    }

    /// A name for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MissingCapability { .. } => "missing_capability",
            Self::Config(_) => "config",
            Self::FilterTooLong { .. } => "filter_too_long",
            Self::Bound => "bound",
            Self::NoNamespace { .. } => "no_namespace",
            Self::NoPacketSockets { .. } => "no_packet_sockets",
            Self::System { .. } => "system",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_permission_names_the_capability() {
        let error = CaptureError::system("opening a packet socket", io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(error.reason(), "missing_capability");
        assert!(error.to_string().contains("CAP_NET_RAW"));
        let error = CaptureError::system("mapping a ring", io::Error::from_raw_os_error(libc::ENOMEM));
        assert_eq!(error.reason(), "system");
    }
}
