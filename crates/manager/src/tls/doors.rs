//! Handshakes under way: so many at once, and so many of one address, so that those that stall neither use up the
//! connections nor keep others out.
//!
//! *Limits*: as told; a connection beyond them is closed at once. IPv6 addresses count by /64.

use crate::auth::network;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts handshakes.
pub(crate) struct Doors {
    open: Mutex<BTreeMap<IpAddr, usize>>,
    most: usize,
    most_of_one: usize,
}

/// A handshake that may go on as long as this is there.
pub(crate) struct Door<'d> {
    doors: &'d Doors,
    peer: IpAddr,
}

impl Doors {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Self {
        Self { open: Mutex::default(), most, most_of_one }
    }

    /// `None`: too many.
    pub(crate) fn enter(&self, peer: IpAddr) -> Option<Door<'_>> {
        let peer = network(peer);
        let mut open = self.lock();
        let all: usize = open.values().sum();
        let of_one = open.get(&peer).copied().unwrap_or_default();
        if all >= self.most || of_one >= self.most_of_one {
            return None;
        }
        open.insert(peer, of_one + 1);
        Some(Door { doors: self, peer })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Door<'_> {
    fn drop(&mut self) {
        let mut open = self.doors.lock();
        match open.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_places_and_places_come_back() {
        let doors = Doors::new(3, 2);
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = doors.enter(at("2001:db8::1")).unwrap();
        let second = doors.enter(at("2001:db8::2")).unwrap();
        assert!(doors.enter(at("2001:db8::3")).is_none(), "one network has two places");
        let third = doors.enter(at("192.0.2.1")).unwrap();
        assert!(doors.enter(at("192.0.2.2")).is_none(), "there are three in all");
        drop((first, second, third));
        assert!(doors.lock().is_empty());
    }
}
