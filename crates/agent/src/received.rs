//! What a pod's own devices say that they have received, for comparison with what its tap has seen.
//!
//! *How it fits*: asked once a second for each pod whose tap is on the node's side ([`crate::blindness`]). The counters are those of the
//! process's network namespace, so nothing need be entered: reading another process's `/proc/PID/net` takes no capability.
//!
//! *Invariants*: total over any text; a device is only named by an index where the kernel says so.
//!
//! *Limits*: [`MAX_TEXT`] bytes of each file. The index of a device is told by the table of multicast groups, which has every device
//! that may have an address.
//!
//! *Spec*: proc(5), `/proc/PID/net/dev` and `/proc/PID/net/igmp`.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use tapir_capture::{CaptureError, NetworkNamespace};

/// Bytes of a file that are read.
const MAX_TEXT: u64 = 256 << 10;

/// Where a pod's network namespace is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// By a process in it: its folder below `/proc`.
    Process(PathBuf),
    /// By a name of `ip netns`, or a path.
    Named(String),
}

impl Sight {
    /// By a name or a path, as a file has it. `/proc/PID/ns/net` is a process, whose counters can be read without entering.
    pub fn named(name: &str) -> Self {
        match name.strip_suffix("/ns/net").filter(|folder| folder.starts_with("/proc/")) {
            Some(folder) => Self::Process(folder.into()),
            None => Self::Named(name.to_owned()),
        }
    }

    /// Opens the namespace.
    pub fn open(&self) -> Result<NetworkNamespace, CaptureError> {
        match self {
            Self::Process(folder) => NetworkNamespace::open(&folder.join("ns/net").to_string_lossy()),
            Self::Named(name) => NetworkNamespace::open(name),
        }
    }

    /// Packets received by the index of the device; `None` if it cannot be told.
    pub fn received(&self) -> Option<Received> {
        match self {
            Self::Process(folder) => Received::read(&folder.join("net")),
            // A name alone has no counters: a thread that enters sees them.
            Self::Named(name) => {
                let namespace = NetworkNamespace::open(name).ok()?;
                namespace.within(|| Ok(Received::read(Path::new("/proc/thread-self/net")))).ok()?
            }
        }
    }
}

/// Packets received, by device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    by_index: HashMap<u32, u64>,
}

impl Received {
    /// Of the namespace that this folder shows.
    fn read(net: &Path) -> Option<Self> {
        let text = |name: &str| -> Option<String> {
            let mut text = String::new();
            std::fs::File::open(net.join(name)).ok()?.take(MAX_TEXT).read_to_string(&mut text).ok()?;
            Some(text)
        };
        Some(Self::of(&text("dev")?, &text("igmp")?))
    }

    fn of(devices: &str, groups: &str) -> Self {
        let packets: HashMap<&str, u64> = devices.lines().filter_map(packets).collect();
        let indexed = groups.lines().filter_map(indexed);
        Self { by_index: indexed.filter_map(|(index, name)| Some((index, *packets.get(name)?))).collect() }
    }

    /// Of the device with this index.
    pub fn packets(&self, index: u32) -> Option<u64> {
        self.by_index.get(&index).copied()
    }
}

/// `  eth0: BYTES PACKETS …`
fn packets(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.trim_start().split_once(':')?;
    Some((name, rest.split_ascii_whitespace().nth(1)?.parse().ok()?))
}

/// `2⇥eth0      :     1      V3`; lines of groups begin with a tab.
fn indexed(line: &str) -> Option<(u32, &str)> {
    let (index, rest) = line.split_once('\t')?;
    Some((index.trim().parse().ok()?, rest.split([' ', ':']).next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
        lo:     840      10    0    0    0     0          0         0      840      10    0    0    0     0       0          0\n  \
        eth0: 1234567890123    4242    0    0    0     0          0         0     1000       9    0    0    0     0       0          0\n  \
        net1:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n";
    const IGMP: &str = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
        1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
        7\teth0      :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n";

    #[test]
    fn packets_are_told_by_the_index_of_their_device() {
        let found = Received::of(DEV, IGMP);
        assert_eq!((found.packets(7), found.packets(1), found.packets(2)), (Some(4242), Some(10), None));
        assert_eq!(Received::of("", IGMP), Received::default());
        assert_eq!(Received::of("eth0: x\n:\n", "7\n\t\n9\t:\n"), Received::default());
    }

    #[test]
    fn our_own_devices_can_be_read() {
        let ours = Sight::Process("/proc/self".into());
        assert!(ours.received().is_some());
        assert!(ours.open().is_ok());
        assert_eq!(Sight::named("/proc/7/ns/net"), Sight::Process("/proc/7".into()));
        assert_eq!(Sight::named("/run/netns/a"), Sight::Named("/run/netns/a".into()));
        assert!(Sight::Process("/nowhere".into()).received().is_none());
        assert!(Sight::Named("no-such-namespace".into()).received().is_none());
    }
}
