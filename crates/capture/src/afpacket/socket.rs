//! System calls on sockets as safe functions: packet sockets for rings, netlink for the interface watch.
#![allow(unsafe_code, reason = "system calls; each block says why its arguments are valid")]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use libc::{c_int, c_void, socklen_t};

use crate::filter::Instruction;

/// What `poll` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Nothing within the time, or a signal came.
    Nothing,
    /// Something to read.
    Readable,
    /// An error is pending on the socket.
    Error,
}

/// A packet socket that receives nothing yet.
pub(crate) fn packet() -> io::Result<OwnedFd> {
    socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
}

/// A netlink socket for questions about the network, non-blocking.
pub(crate) fn netlink() -> io::Result<OwnedFd> {
    socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_NONBLOCK, libc::NETLINK_ROUTE)
}

/// A netlink socket for links, non-blocking, with notifications.
pub(crate) fn netlink_links() -> io::Result<OwnedFd> {
    let fd = netlink()?;
    // SAFETY: all-zero bytes are a valid `sockaddr_nl`.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = libc::RTMGRP_LINK as u32;
    bind(&fd, &address)?;
    Ok(fd)
}

/// Moves the calling thread into a network namespace; sockets that it opens from now on are there.
pub(crate) fn enter_network_namespace(namespace: &OwnedFd) -> io::Result<()> {
    // SAFETY: no pointers. Only where this thread's later sockets live changes.
    result(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = result(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: `fd` was just opened and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Starts reception: all protocols, on `interface` or on all (0).
pub(crate) fn bind_packet(fd: &OwnedFd, interface: u32) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = c_int::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    bind(fd, &address)
}

/// `T` is a socket address of the family of `fd`.
fn bind<T>(fd: &OwnedFd, address: &T) -> io::Result<()> {
    let pointer: *const T = address;
    // SAFETY: `pointer` is valid for the length given.
    result(unsafe { libc::bind(fd.as_raw_fd(), pointer.cast(), size_of::<T>() as socklen_t) }).map(drop)
}

/// `setsockopt` with a plain value.
pub(crate) fn set_option<T: Copy>(fd: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let pointer: *const T = value;
    let length = size_of::<T>() as socklen_t;
    // SAFETY: `pointer` is valid for `length` bytes.
    result(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, pointer.cast(), length) }).map(drop)
}

/// `getsockopt` into a value whose every bit pattern is valid.
fn option<T: Copy>(fd: &OwnedFd, level: c_int, name: c_int, mut value: T) -> io::Result<T> {
    let pointer: *mut T = &mut value;
    let mut length = size_of::<T>() as socklen_t;
    // SAFETY: `pointer` is valid for `length` bytes; the callers' types are integers and structs of integers.
    result(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, pointer.cast(), &mut length) })?;
    Ok(value)
}

/// The pending error of a socket, which this clears.
pub(crate) fn take_error(fd: &OwnedFd) -> io::Result<c_int> {
    option(fd, libc::SOL_SOCKET, libc::SO_ERROR, 0)
}

/// Counters of a ring since they were last read.
pub(crate) fn statistics(fd: &OwnedFd) -> io::Result<libc::tpacket_stats_v3> {
    let none = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    option(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, none)
}

/// Puts `program` in the place of the present filter, in one step; None removes it.
pub(crate) fn set_filter(fd: &OwnedFd, program: Option<&[Instruction]>) -> io::Result<()> {
    let Some(program) = program else {
        let removed = set_option(fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0);
        return removed.or_else(|e| if e.raw_os_error() == Some(libc::ENOENT) { Ok(()) } else { Err(e) });
    };
    let filter = |i: &Instruction| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k };
    let mut instructions: Vec<libc::sock_filter> = program.iter().map(filter).collect();
    let len = u16::try_from(instructions.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // The pointer in `value` lives until the call returns; the kernel copies the program.
    let value = libc::sock_fprog { len, filter: instructions.as_mut_ptr() };
    set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &value)
}

/// Waits for at most `timeout`.
pub(crate) fn poll(fd: &OwnedFd, timeout: Duration) -> io::Result<Ready> {
    // Rounded up, so that a wait of less than a millisecond does not become a busy loop.
    let milliseconds = c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX);
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, valid for the call.
    match result(unsafe { libc::poll(&mut entry, 1, milliseconds) }) {
        Ok(0) => Ok(Ready::Nothing),
        Ok(_) if entry.revents & (libc::POLLERR | libc::POLLNVAL) != 0 => Ok(Ready::Error),
        Ok(_) => Ok(Ready::Readable),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Ready::Nothing),
        Err(error) => Err(error),
    }
}

/// Reads one datagram. Its whole length is returned even if `buffer` is shorter.
pub(crate) fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let pointer: *mut c_void = buffer.as_mut_ptr().cast();
    // SAFETY: `pointer` is valid for `buffer.len()` bytes.
    let read = unsafe { libc::recv(fd.as_raw_fd(), pointer, buffer.len(), libc::MSG_DONTWAIT | libc::MSG_TRUNC) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Sends one datagram.
pub(crate) fn send(fd: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the pointer is valid for `bytes.len()` bytes.
    let sent = unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn result(returned: c_int) -> io::Result<c_int> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}
