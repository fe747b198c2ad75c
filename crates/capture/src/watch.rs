//! The watch over network interfaces: names to indexes, and an event for every change.
//!
//! *How it fits*: the agent asks it for the indexes of its endpoints' interfaces, and after every event that concerns
//! one gives the rings their new set. Frames carry indexes only; a deleted and re-created interface has a new index.
//!
//! *Invariants*: 1. Events applied in order to the state at opening give [`InterfaceWatch::interfaces`]. 2. When
//! notifications are lost the list is fetched anew and the differences come as events.
//!
//! *Limits*: none on the number of interfaces but the host's. Resyncs are counted (`interface_resyncs`).
//!
//! *Spec*: rtnetlink(7); lost notifications: netlink(7), ENOBUFS.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use tapir_telemetry::{Counter, Counters};

use crate::afpacket::socket::{self, Ready};
use crate::error::CaptureError;
use crate::link::{self, LinkMessage};

/// A change of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceEvent {
    /// It was created, or moved into this network namespace.
    New {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
        /// Is it up already?
        up: bool,
    },
    /// It was deleted, or moved out of this network namespace. The index will not come back.
    Deleted {
        /// Its index.
        index: u32,
        /// Its last name.
        name: String,
    },
    /// It was set up.
    Up {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
    },
    /// It was set down.
    Down {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
    },
    /// It has a new name.
    Renamed {
        /// Its index.
        index: u32,
        /// The name before.
        from: String,
        /// The name now.
        to: String,
    },
}

/// The interfaces of the network namespace in which it was opened.
pub struct InterfaceWatch {
    fd: OwnedFd,
    links: BTreeMap<u32, Link>,
    /// Number of the last request for the list.
    sequence: u32,
    /// While a list is coming in: the indexes that it, or a notification since, has named.
    listing: Option<BTreeSet<u32>>,
    buffer: Vec<u8>,
    resyncs: u64,
    resyncs_counted: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    name: String,
    up: bool,
    /// Namespace of its other end, by the number that ours has for it.
    peer: Option<i32>,
}

/// The kernel writes lists in datagrams of at most 32 KiB.
const BUFFER: usize = 64 << 10;
/// Room for bursts of notifications; the kernel may grant less.
const RECEIVE_BUFFER: libc::c_int = 1 << 20;
/// The first list must be here within this time.
const FIRST_LIST: Duration = Duration::from_secs(5);
/// The kernel answers within the call that asks.
const ANSWER: Duration = Duration::from_secs(1);

impl InterfaceWatch {
    /// Opens the watch and fetches the interfaces that exist.
    pub fn open() -> Result<Self, CaptureError> {
        let failed = |e| CaptureError::system("listing network interfaces", e);
        let fd = socket::netlink_links().map_err(failed)?;
        socket::set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &RECEIVE_BUFFER).map_err(failed)?;
        let (links, buffer) = (BTreeMap::new(), vec![0; BUFFER]);
        let mut watch = Self { fd, links, sequence: 0, listing: None, buffer, resyncs: 0, resyncs_counted: 0 };
        watch.request_list().map_err(failed)?;
        let deadline = Instant::now() + FIRST_LIST;
        while watch.listing.is_some() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(failed(io::Error::from(io::ErrorKind::TimedOut)));
            }
            // What exists at opening is the state, not an event.
            watch.wait(left, &mut |_| ()).map_err(failed)?;
        }
        Ok(watch)
    }

    /// Waits for at most `timeout` and reports what has changed since the last call, in order.
    pub fn wait(&mut self, timeout: Duration, report: &mut dyn FnMut(InterfaceEvent)) -> io::Result<()> {
        match socket::poll(&self.fd, timeout)? {
            Ready::Nothing => return Ok(()),
            // A pending ENOBUFS is returned by the next read, too.
            Ready::Readable | Ready::Error => {}
        }
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = socket::receive(&self.fd, &mut buffer);
            let done = self.take(read, &buffer, report);
            self.buffer = buffer;
            if done? {
                return Ok(());
            }
        }
    }

    /// All interfaces by index: name, and whether they are up.
    pub fn interfaces(&self) -> impl Iterator<Item = (u32, &str, bool)> {
        self.links.iter().map(|(&index, link)| (index, link.name.as_str(), link.up))
    }

    /// The index of the interface with this name.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.links.iter().find(|(_, link)| link.name == name).map(|(&index, _)| index)
    }

    /// The name of the interface with this index.
    pub fn name(&self, index: u32) -> Option<&str> {
        self.links.get(&index).map(|link| link.name.as_str())
    }

    /// Is the interface up? None if there is none.
    pub fn is_up(&self, index: u32) -> Option<bool> {
        self.links.get(&index).map(|link| link.up)
    }

    /// The interfaces whose other end is in the network namespace with this number ([`namespace_of`]).
    pub fn peers_in(&self, namespace: i32) -> impl Iterator<Item = u32> {
        self.links.iter().filter(move |(_, link)| link.peer == Some(namespace)).map(|(&index, _)| index)
    }

    /// Asks for the whole list again; differences come as events. Where the other end of an interface is, the kernel tells
    /// no one when it moves.
    pub fn refresh(&mut self) -> io::Result<()> {
        if self.listing.is_none() { self.request_list() } else { Ok(()) }
    }

    /// How often notifications were lost and the list fetched anew.
    pub fn resyncs(&self) -> u64 {
        self.resyncs
    }

    /// Adds what happened since the last call to `counters`.
    pub fn count(&mut self, counters: &mut Counters) {
        counters.add(Counter::InterfaceResyncs, self.resyncs - self.resyncs_counted);
        self.resyncs_counted = self.resyncs;
    }

    /// Works in what a read gave. True when there is nothing more to read.
    fn take(
        &mut self,
        read: io::Result<usize>,
        buffer: &[u8],
        report: &mut dyn FnMut(InterfaceEvent),
    ) -> io::Result<bool> {
        let length = match read {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                self.resync()?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let Some(datagram) = buffer.get(..length) else {
            // Longer than the buffer: its end is lost, so the list is fetched anew.
            self.resync()?;
            return Ok(false);
        };
        for message in link::messages(datagram, self.sequence) {
            self.apply(message, report)?;
        }
        Ok(false)
    }

    fn resync(&mut self) -> io::Result<()> {
        self.resyncs += 1;
        self.request_list()
    }

    /// A list under way is given up: it carries an older number. Until its end was read the kernel refuses another with
    /// EBUSY, upon which it is asked again.
    fn request_list(&mut self) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.listing = Some(BTreeSet::new());
        socket::send(&self.fd, &link::list_request(self.sequence))
    }

    fn apply(&mut self, message: LinkMessage, report: &mut dyn FnMut(InterfaceEvent)) -> io::Result<()> {
        match message {
            LinkMessage::Present { index, name, up, peer } => self.present(index, Link { name, up, peer }, report),
            LinkMessage::Gone { index } => {
                if let Some(named) = &mut self.listing {
                    named.remove(&index);
                }
                self.gone(index, report);
            }
            LinkMessage::Done { interrupted: true } | LinkMessage::Refused(libc::EBUSY) => self.request_list()?,
            LinkMessage::Done { interrupted: false } => {
                let named = self.listing.take().unwrap_or_default();
                let lost: Vec<u32> = self.links.keys().copied().filter(|index| !named.contains(index)).collect();
                lost.into_iter().for_each(|index| self.gone(index, report));
            }
            LinkMessage::Refused(errno) => return Err(io::Error::from_raw_os_error(errno)),
        }
        Ok(())
    }

    fn present(&mut self, index: u32, link: Link, report: &mut dyn FnMut(InterfaceEvent)) {
        let Link { name, up, peer } = link;
        if let Some(named) = &mut self.listing {
            named.insert(index);
        }
        let Some(known) = self.links.get_mut(&index) else {
            report(InterfaceEvent::New { index, name: name.clone(), up });
            self.links.insert(index, Link { name, up, peer });
            return;
        };
        known.peer = peer;
        if known.name != name {
            let from = std::mem::replace(&mut known.name, name.clone());
            report(InterfaceEvent::Renamed { index, from, to: name.clone() });
        }
        if known.up != up {
            known.up = up;
            report(if up { InterfaceEvent::Up { index, name } } else { InterfaceEvent::Down { index, name } });
        }
    }

    fn gone(&mut self, index: u32, report: &mut dyn FnMut(InterfaceEvent)) {
        if let Some(link) = self.links.remove(&index) {
            report(InterfaceEvent::Deleted { index, name: link.name });
        }
    }
}

/// The number that our network namespace has for that of a process; `None` if it has none, which is so before an
/// interface joins the two.
///
/// Needs no capability, but the process must be visible: the node's PID namespace.
pub fn namespace_of(pid: u32) -> io::Result<Option<i32>> {
    let fd = socket::netlink()?;
    socket::send(&fd, &link::namespace_request(pid))?;
    if socket::poll(&fd, ANSWER)? == Ready::Nothing {
        return Err(io::Error::from(io::ErrorKind::TimedOut));
    }
    let mut buffer = [0; 512];
    let length = socket::receive(&fd, &mut buffer)?;
    match link::namespace_answer(buffer.get(..length).unwrap_or(&buffer)) {
        Some(Ok(id)) => Ok((id >= 0).then_some(id)),
        Some(Err(errno)) => Err(io::Error::from_raw_os_error(errno)),
        None => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

impl AsFd for InterfaceWatch {
    /// For waiting on it together with rings.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for InterfaceWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterfaceWatch").field("links", &self.links).finish_non_exhaustive()
    }
}
