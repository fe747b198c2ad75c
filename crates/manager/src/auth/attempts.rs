//! Failed sign-ins by address: so many in a minute, then a pause until the minute is over.
//!
//! *Limits*: 10,000 addresses; beyond that those whose minute is over go, and if none is, new addresses are counted
//! as one. IPv6 addresses count by /64, which is one customer.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
const MOST: usize = 10_000;

pub(super) struct Attempts {
    failed: Mutex<BTreeMap<IpAddr, (Instant, u32)>>,
    allowed: u32,
}

impl Attempts {
    pub(super) fn new(allowed: u32) -> Self {
        Self { failed: Mutex::default(), allowed }
    }

    /// How long the address has to wait; `None`: it may try.
    pub(super) fn blocked(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, count) = failed.get(&network(peer)).or_else(|| failed.get(&OTHERS))?;
        let left = WINDOW.checked_sub(now.saturating_duration_since(*first))?;
        (*count >= self.allowed && !left.is_zero()).then_some(left)
    }

    pub(super) fn failed(&self, peer: IpAddr, now: Instant) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut peer = network(peer);
        if !failed.contains_key(&peer) && failed.len() >= MOST {
            failed.retain(|_, (first, _)| now.saturating_duration_since(*first) < WINDOW);
            if failed.len() >= MOST {
                peer = OTHERS;
            }
        }
        let entry = failed.entry(peer).or_insert((now, 0));
        if now.saturating_duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

/// Stands for all addresses that have no place of their own.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_after_too_many_failures_and_others_do_not() {
        let attempts = Attempts::new(2);
        let (a, b, start) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap(), Instant::now());
        attempts.failed(a, start);
        assert_eq!(attempts.blocked(a, start), None);
        attempts.failed(a, start);
        assert_eq!(attempts.blocked(a, start), Some(WINDOW));
        assert_eq!(attempts.blocked(b, start), None);
        assert_eq!(attempts.blocked(a, start + WINDOW), None);
        attempts.failed(a, start + WINDOW);
        assert_eq!(attempts.blocked(a, start + WINDOW), None, "a new minute counts from one");
    }

    #[test]
    fn ipv6_counts_by_network_and_the_table_is_bounded() {
        let attempts = Attempts::new(1);
        let start = Instant::now();
        attempts.failed("2001:db8::1".parse().unwrap(), start);
        assert!(attempts.blocked("2001:db8::2".parse().unwrap(), start).is_some());
        for n in 0..u32::try_from(2 * MOST).unwrap() {
            attempts.failed(IpAddr::from(n.to_be_bytes()), start);
        }
        assert!(attempts.failed.lock().unwrap().len() <= MOST + 1);
    }
}
