//! What counts matches and events over time: `detection_filter`, `event_filter`/`threshold`,
//! `rate_filter`, `suppress`.
//!
//! Times are packet times in whole seconds. State is per filter, endpoint and tracked address, in
//! one capped table. *Spec*: `snort/02-options.md` §2.10. *Limits*: [`MAX_TRACKED`]
//! (`filter_entries_evicted`).

use rapidhash::fast::SeedableState;
use std::collections::HashMap;
use std::net::IpAddr;
use tapir_options::{DetectionFilter, FilterKind, Net, Threshold, Track};
use tapir_packet::Timestamp;
use tapir_rules::{Action, AddressItem};
use tapir_telemetry::{Counter, Counters};

/// Tracked (filter, address) pairs of a worker at most.
const MAX_TRACKED: usize = 1 << 16;

/// For which events a filter line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Generator; 0 = every generator.
    pub gid: u32,
    /// Signature; 0 = every signature of the generator.
    pub sid: u32,
}

/// A configured `event_filter` line (or an in-rule `threshold`).
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Which events.
    pub scope: Scope,
    /// The filter.
    pub threshold: Threshold,
}

/// A configured `suppress` line.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// Which events.
    pub scope: Scope,
    /// Only for these addresses: whose, and which networks (`true` = negated).
    pub addresses: Option<(Track, Vec<(AddressItem, bool)>)>,
}

/// A configured `rate_filter` line.
#[derive(Clone, Debug)]
pub struct RateFilter {
    /// Which events.
    pub scope: Scope,
    /// Whose.
    pub track: Track,
    /// More than this many …
    pub count: u32,
    /// … in this many seconds (0: in total) …
    pub seconds: u32,
    /// … changes the action to this …
    pub new_action: Action,
    /// … for this many seconds (0: for ever).
    pub timeout: u32,
    /// Only events whose tracked address is in these networks (`true` = negated).
    pub apply_to: Option<Vec<(AddressItem, bool)>>,
}

/// The filters of a rule set.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// `event_filter` lines.
    pub events: Vec<EventFilter>,
    /// `suppress` lines.
    pub suppressions: Vec<Suppression>,
    /// `rate_filter` lines.
    pub rates: Vec<RateFilter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    None,
    One(IpAddr),
    Two(IpAddr, IpAddr),
    Flow(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Detection(u32),
    Threshold(u32),
    /// Line number and, for lines over many events, the event.
    Event(u32, u32, u32),
    Rate(u32, u32, u32),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    start: i64,
    last: i64,
    count: u32,
    previous: u32,
    until: Option<i64>,
}

/// Counts of one worker.
pub(crate) struct FilterState {
    counts: HashMap<(Owner, u32, Key), Count, SeedableState<'static>>,
}

/// What an event is, to the filters.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) gid: u32,
    pub(crate) sid: u32,
    pub(crate) net: Net,
    pub(crate) endpoint: u32,
    pub(crate) flow: u64,
    pub(crate) time: Timestamp,
}

impl Subject {
    fn key(&self, track: Track) -> Key {
        match track {
            Track::BySource => Key::One(self.net.source),
            Track::ByDestination => Key::One(self.net.destination),
            Track::ByBoth => {
                Key::Two(self.net.source.min(self.net.destination), self.net.source.max(self.net.destination))
            }
            Track::ByRule => Key::None,
            Track::ByFlow => Key::Flow(self.flow),
        }
    }

    fn in_scope(&self, scope: Scope) -> bool {
        (scope.gid == 0 || scope.gid == self.gid) && (scope.sid == 0 || scope.sid == self.sid)
    }
}

impl FilterState {
    /// Empty. `seed` keys the hash: addresses are chosen by whoever attacks.
    pub(crate) fn new(seed: u64) -> Self {
        Self { counts: HashMap::with_hasher(SeedableState::new(seed)) }
    }

    fn entry(&mut self, owner: Owner, subject: &Subject, track: Track, counters: &mut Counters) -> (&mut Count, bool) {
        let key = (owner, subject.endpoint, subject.key(track));
        let now = subject.time.secs();
        if self.counts.len() >= MAX_TRACKED && !self.counts.contains_key(&key) {
            self.evict(now, counters);
        }
        let mut fresh = false;
        let count = self.counts.entry(key).or_insert_with(|| {
            fresh = true;
            Count { start: now, last: now, count: 0, previous: 0, until: None }
        });
        (count, fresh)
    }

    /// Drops the older half; which filters count from anew is visible in the counter.
    fn evict(&mut self, now: i64, counters: &mut Counters) {
        let mut ages: Vec<i64> = self.counts.values().map(|count| now.saturating_sub(count.last)).collect();
        let middle = ages.len() / 2;
        let (_, &mut median, _) = ages.select_nth_unstable(middle);
        let before = self.counts.len();
        self.counts.retain(|_, count| now.saturating_sub(count.last) < median.max(1));
        if self.counts.len() == before {
            self.counts.clear();
        }
        counters.add(Counter::FilterEntriesEvicted, (before - self.counts.len()) as u64);
    }

    /// Whether a match passes its rule's `detection_filter`.
    pub(crate) fn detection(
        &mut self,
        rule: u32,
        filter: &DetectionFilter,
        subject: &Subject,
        counters: &mut Counters,
    ) -> bool {
        let now = subject.time.secs();
        let seconds = i64::from(filter.seconds);
        let (entry, fresh) = self.entry(Owner::Detection(rule), subject, filter.track, counters);
        if fresh {
            entry.count = 1;
        } else {
            entry.count = entry.count.saturating_add(1);
            if now.saturating_sub(entry.start) >= seconds {
                entry.start = now;
                entry.previous =
                    if now.saturating_sub(entry.last) > seconds { 0 } else { entry.count.saturating_sub(1) };
                entry.count = 1;
            }
        }
        entry.last = now;
        entry.count > filter.count || entry.previous > filter.count
    }

    fn threshold(&mut self, owner: Owner, filter: &Threshold, subject: &Subject, counters: &mut Counters) -> bool {
        let Some(limit) = filter.count else { return true };
        let now = subject.time.secs();
        let (entry, fresh) = self.entry(owner, subject, filter.track, counters);
        let restart = !fresh && now.saturating_sub(entry.start) >= i64::from(filter.seconds);
        if fresh || restart {
            entry.start = now;
            entry.count = 1;
        } else {
            entry.count = entry.count.saturating_add(1);
        }
        entry.last = now;
        match filter.kind {
            FilterKind::Limit => entry.count <= limit,
            FilterKind::Threshold => {
                let log = entry.count >= limit;
                if log {
                    entry.count = 0;
                    entry.start = now;
                }
                log
            }
            FilterKind::Both => {
                // Snort restarts silently: the event that restarts is not logged, whatever the count.
                !restart && entry.count == limit
            }
        }
    }

    /// Whether a selected event is logged. `rule` is its index and in-rule threshold.
    pub(crate) fn event(
        &mut self,
        filters: &Filters,
        rule: Option<(u32, &Threshold)>,
        subject: &Subject,
        counters: &mut Counters,
    ) -> bool {
        if filters.suppressions.iter().any(|line| suppressed(line, subject)) {
            counters.bump(Counter::EventsSuppressed);
            return false;
        }
        let mut log = true;
        if let Some((index, threshold)) = rule {
            log = self.threshold(Owner::Threshold(index), threshold, subject, counters);
        }
        // Lines for exactly this event are tested before the global ones; the first decisive one ends.
        let specific = |line: &&(usize, &EventFilter)| line.1.scope.gid != 0 && line.1.scope.sid != 0;
        let lines: Option<(usize, &EventFilter)> = {
            let mut fitting = filters.events.iter().enumerate().filter(|(_, line)| subject.in_scope(line.scope));
            let all: Vec<(usize, &EventFilter)> =
                if filters.events.is_empty() { Vec::new() } else { fitting.by_ref().collect() };
            all.iter().find(specific).or_else(|| all.first()).copied()
        };
        if let (true, Some((index, line))) = (log, lines) {
            let owner = Owner::Event(u32::try_from(index).unwrap_or(u32::MAX), subject.gid, subject.sid);
            log = self.threshold(owner, &line.threshold, subject, counters);
        }
        if !log {
            counters.bump(Counter::EventsFiltered);
        }
        log
    }

    /// The action that `rate_filter` lines give the event, if any does.
    pub(crate) fn rate(&mut self, filters: &Filters, subject: &Subject, counters: &mut Counters) -> Option<Action> {
        let now = subject.time.secs();
        let mut action = None;
        for (index, line) in filters.rates.iter().enumerate() {
            let applies = line.apply_to.as_ref().is_none_or(|networks| tracked_in(line.track, networks, subject));
            if !subject.in_scope(line.scope) || !applies {
                continue;
            }
            let owner = Owner::Rate(u32::try_from(index).unwrap_or(u32::MAX), subject.gid, subject.sid);
            let (entry, _) = self.entry(owner, subject, line.track, counters);
            if line.seconds > 0 && now.saturating_sub(entry.start) >= i64::from(line.seconds) {
                entry.start = now;
                entry.count = 0;
            }
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
            if entry.count > line.count {
                entry.until =
                    Some(if line.timeout == 0 { i64::MAX } else { now.saturating_add(i64::from(line.timeout)) });
            }
            if entry.until.is_some_and(|until| now < until) {
                action = Some(line.new_action);
            }
        }
        action
    }
}

fn suppressed(line: &Suppression, subject: &Subject) -> bool {
    if !subject.in_scope(line.scope) {
        return false;
    }
    line.addresses.as_ref().is_none_or(|(track, networks)| tracked_in(*track, networks, subject))
}

/// Whether the address that is tracked is in a list of networks (positive minus negated).
fn tracked_in(track: Track, networks: &[(AddressItem, bool)], subject: &Subject) -> bool {
    let of = |address: IpAddr| {
        let inside =
            |negated: bool| networks.iter().any(|(network, minus)| *minus == negated && contains(network, address));
        (networks.iter().all(|(_, minus)| *minus) || inside(false)) && !inside(true)
    };
    match track {
        Track::BySource => of(subject.net.source),
        Track::ByDestination => of(subject.net.destination),
        Track::ByBoth | Track::ByRule | Track::ByFlow => of(subject.net.source) || of(subject.net.destination),
    }
}

fn contains(network: &AddressItem, address: IpAddr) -> bool {
    in_network(network.network, network.prefix, address)
}

/// Whether an address belongs to a network of that prefix length.
pub(crate) fn in_network(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32 - u32::from(prefix.min(32));
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128 - u32::from(prefix.min(128));
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn subject(second: i64) -> Subject {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Subject {
            gid: 1,
            sid: 1,
            net: Net { source: ip, destination: ip, source_port: None, destination_port: None, protocol: 17 },
            endpoint: 0,
            flow: 0,
            time: Timestamp::from_secs_nanos(second, 0),
        }
    }

    fn run(kind: FilterKind, count: u32, seconds: u32, times: &[i64]) -> Vec<bool> {
        let mut state = FilterState::new(0);
        let filters = Filters {
            events: vec![EventFilter {
                scope: Scope { gid: 1, sid: 1 },
                threshold: Threshold { kind, track: Track::BySource, count: Some(count), seconds },
            }],
            ..Filters::default()
        };
        let mut counters = Counters::default();
        times.iter().map(|&t| state.event(&filters, None, &subject(t), &mut counters)).collect()
    }

    #[test]
    fn limit_logs_the_first_ones_of_an_interval() {
        assert_eq!(run(FilterKind::Limit, 2, 10, &[0, 1, 2, 10]), [true, true, false, true]);
    }

    #[test]
    fn threshold_logs_every_nth() {
        assert_eq!(run(FilterKind::Threshold, 2, 60, &[0, 1, 2, 3, 4]), [false, true, false, true, false]);
    }

    #[test]
    fn both_logs_once_after_n() {
        assert_eq!(run(FilterKind::Both, 2, 60, &[0, 1, 2, 3]), [false, true, false, false]);
    }

    #[test]
    fn detection_filter_fires_beyond_the_count_and_remembers_a_busy_interval() {
        let mut state = FilterState::new(0);
        let mut counters = Counters::default();
        let filter = DetectionFilter { track: Track::BySource, count: 2, seconds: 10 };
        let fired: Vec<bool> =
            [0, 0, 0, 0, 10, 11].iter().map(|&t| state.detection(7, &filter, &subject(t), &mut counters)).collect();
        assert_eq!(fired, [false, false, true, true, true, true]);
    }

    #[test]
    fn suppression_by_network_spares_others() {
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0));
        let line = |prefix| Suppression {
            scope: Scope { gid: 1, sid: 0 },
            addresses: Some((Track::BySource, vec![(AddressItem { network: ip, prefix }, false)])),
        };
        assert!(!suppressed(&line(8), &subject(0)));
        assert!(suppressed(&line(0), &subject(0)));
    }
}
