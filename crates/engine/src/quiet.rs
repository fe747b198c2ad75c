//! "Quiet this", applied where events come into being: the suppressions that people made on the Alerts page.
//!
//! *How it fits*: a [`Suppressions`] list is compiled once and given to every worker by [`crate::Worker::set_suppressions`].
//! A rule that is stopped is not evaluated ([`Stops`]); an event that comes into being is judged: hidden (it says by
//! which suppression and goes on to the manager), dropped, or shown.
//!
//! *Invariants*: 1. an event that is not shown is counted, by suppression; 2. a rule that sets flowbits, or counts for a
//! `detection_filter`, goes on being evaluated when it is stopped, and only its events are dropped: others may depend on it;
//! 3. the first of stop, hide and limit decides, in this order, and of several of one kind the oldest.
//!
//! *Limits*: [`MAX_PAIRS`] pairs are counted for limits (`quiet_entries_evicted`).

use rapidhash::fast::SeedableState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use tapir_detect::{Between, DetectRule, RuleSet, Stops};
use tapir_event::SecurityEvent;
use tapir_event::quiet::{Mode, Parties, Side, Standing};
use tapir_packet::Timestamp;
use tapir_telemetry::{Counter, Counters};

/// Pairs counted at once for suppressions that limit.
const MAX_PAIRS: usize = 1 << 16;

/// The suppressions in force, compiled.
#[derive(Clone, Debug, Default)]
pub struct Suppressions {
    standing: Vec<Standing>,
    digest: String,
}

impl Suppressions {
    /// From the manager's list, oldest first, under the name that it has there.
    pub fn new(standing: Vec<Standing>, digest: String) -> Self {
        Self { standing, digest }
    }

    /// What the list is called; empty if none was ever given.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The list.
    pub fn standing(&self) -> &[Standing] {
        &self.standing
    }

    /// What the detector leaves out. The rest is left to the judgement of events: parties that are known by name only (an
    /// address is somebody else's tomorrow), and scopes that name no signature.
    fn stops(&self, set: &RuleSet, now: Timestamp) -> Stops {
        let stopped: Vec<&Standing> =
            self.standing.iter().filter(|one| one.mode == Mode::Stop && one.holds(now)).collect();
        let mut stops = Stops::default();
        if stopped.is_empty() {
            return stops;
        }
        let mut by_sid: HashMap<u32, Vec<(u32, &DetectRule)>> = HashMap::new();
        for (index, rule) in (0..).zip(&set.rules) {
            by_sid.entry(rule.rule.info.sid).or_default().push((index, rule));
        }
        for Standing { scope, .. } in stopped {
            let sides = network(&scope.client).zip(network(&scope.server)).filter(|_| scope.namespace.is_none());
            let (Some((client, server)), Some(rules)) = (sides, scope.sid.and_then(|sid| by_sid.get(&sid))) else {
                continue;
            };
            for (index, rule) in rules {
                let info = &rule.rule.info;
                if scope.is_about_rule(info.gid, info.sid) && !rule.has_effects() {
                    stops.add(*index, Between { client, server });
                }
            }
        }
        stops
    }

    /// When the next one ends, so that what is stopped is looked at again.
    fn next_end(&self, now: Timestamp) -> Option<i64> {
        self.standing.iter().filter(|one| one.holds(now)).filter_map(|one| one.expires).min()
    }
}

/// A side as a network: `Some(None)` is everybody, `None` cannot be told from addresses.
fn network(side: &Side) -> Option<Option<(IpAddr, u8)>> {
    let key = match side {
        Side::Any => return Some(None),
        Side::Namespace(_) => return None,
        Side::Party(key) => key,
    };
    let (address, length) = key.split_once('/').map_or((key.as_str(), None), |(head, tail)| (head, Some(tail)));
    let address: IpAddr = address.parse().ok()?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(whole), |text| text.parse().ok().filter(|length| *length <= whole))?;
    Some(Some((address, length)))
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is raised; it may say that it is hidden.
    Raise,
    /// It is counted, and no more.
    Drop,
}

/// A worker's suppressions and what they have done.
pub(crate) struct Quiet {
    suppressions: Arc<Suppressions>,
    /// Events of a pair since the beginning of its window, by suppression and pair.
    pairs: HashMap<(u32, u64), Window, SeedableState<'static>>,
    /// Events that were dropped, by suppression.
    dropped: HashMap<String, u64>,
    /// When one of them ends.
    next_end: Option<i64>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start: i64,
    count: u32,
}

impl Quiet {
    pub(crate) fn new(seed: u64) -> Self {
        let pairs = HashMap::with_hasher(SeedableState::new(seed));
        Self { suppressions: Arc::default(), pairs, dropped: HashMap::new(), next_end: None, seed }
    }

    pub(crate) fn suppressions(&self) -> &Arc<Suppressions> {
        &self.suppressions
    }

    /// Events dropped by the suppressions in force since the worker's start.
    pub(crate) fn dropped(&self) -> &HashMap<String, u64> {
        &self.dropped
    }

    /// Puts a new list in force. What is counted for limits starts anew, what was dropped is kept.
    pub(crate) fn set(&mut self, suppressions: Arc<Suppressions>) {
        self.pairs.clear();
        let stays = |id: &str| suppressions.standing.iter().any(|one| one.id == id);
        self.dropped.retain(|id, _| stays(id));
        self.suppressions = suppressions;
    }

    /// What the detector leaves out from now on.
    pub(crate) fn stops(&mut self, set: &RuleSet, now: Timestamp) -> Stops {
        self.next_end = self.suppressions.next_end(now);
        self.suppressions.stops(set, now)
    }

    /// One of them has ended: [`Quiet::stops`] are to be asked for again.
    #[inline]
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.next_end.is_some_and(|end| end <= now.0)
    }

    /// Decides about an event, counts, and marks it if it is hidden.
    pub(crate) fn judge(&mut self, event: &mut SecurityEvent, counters: &mut Counters) -> Verdict {
        if self.suppressions.standing.is_empty() {
            return Verdict::Raise;
        }
        let suppressions = Arc::clone(&self.suppressions);
        let (gid, sid) = (event.rule.gid, event.rule.sid);
        let about_rule = |one: &&Standing| one.scope.is_about_rule(gid, sid) && one.holds(event.time);
        if !suppressions.standing.iter().any(|one| about_rule(&one)) {
            return Verdict::Raise;
        }
        let parties = Parties::of(event);
        let (client, server) = (parties.client(), parties.server());
        let covering = || {
            suppressions
                .standing
                .iter()
                .enumerate()
                .filter(|(_, one)| one.holds(event.time))
                .filter(|(_, one)| one.scope.covers(gid, sid, &client, &server))
        };
        if let Some((_, stopped)) = covering().find(|(_, one)| one.mode == Mode::Stop) {
            return self.drop(&stopped.id, counters);
        }
        if let Some((_, hidden)) = covering().find(|(_, one)| one.mode == Mode::Hide) {
            counters.bump(Counter::EventsHidden);
            let id = hidden.id.clone();
            event.suppressed_by = Some(id);
            return Verdict::Raise;
        }
        let mut over = None;
        for (index, one) in covering() {
            let Mode::Limit { count, seconds } = one.mode else { continue };
            let pair = SeedableState::new(self.seed).hash_one((gid, sid, client.key, server.key));
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if self.over((index, pair), (count, seconds), event.time, counters) && over.is_none() {
                over = Some(&one.id);
            }
        }
        match over {
            Some(id) => self.drop(id, counters),
            None => Verdict::Raise,
        }
    }

    fn drop(&mut self, id: &str, counters: &mut Counters) -> Verdict {
        counters.bump(Counter::EventsQuieted);
        match self.dropped.get_mut(id) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.dropped.insert(id.to_owned(), 1);
            }
        }
        Verdict::Drop
    }

    /// Counts an event of a pair; whether it is one too many in its window.
    fn over(&mut self, key: (u32, u64), (most, seconds): (u32, u32), time: Timestamp, counters: &mut Counters) -> bool {
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&key) {
            counters.add(Counter::QuietEntriesEvicted, self.pairs.len() as u64);
            self.pairs.clear();
        }
        let now = time.secs();
        let window = self.pairs.entry(key).or_insert(Window { start: now, count: 0 });
        if now.saturating_sub(window.start) >= i64::from(seconds) {
            *window = Window { start: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        window.count > most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_event::quiet::Scope;
    use tapir_event::{Endpoint, RuleSummary};

    fn event(sid: u32, client: &str, seconds: i64) -> SecurityEvent {
        let end = |text: &str| text.parse().ok().map(|address| Endpoint { address, port: Some(1) });
        SecurityEvent {
            time: Timestamp::from_secs_nanos(seconds, 0),
            rule: Arc::new(RuleSummary { gid: 1, sid, ..RuleSummary::default() }),
            source: end(client),
            destination: end("10.0.0.2"),
            ..SecurityEvent::default()
        }
    }

    fn standing(id: &str, sid: Option<u32>, client: Side, mode: Mode) -> Standing {
        let scope = Scope { sid, client, ..Scope::default() };
        Standing { id: id.into(), scope, mode, expires: None }
    }

    fn quiet(standing: Vec<Standing>) -> (Quiet, Counters) {
        let mut quiet = Quiet::new(7);
        quiet.set(Arc::new(Suppressions::new(standing, String::new())));
        (quiet, Counters::default())
    }

    fn party(key: &str) -> Side {
        Side::Party(key.into())
    }

    #[test]
    fn hidden_events_go_on_and_say_by_what() {
        let (mut quiet, mut counters) = quiet(vec![standing("s-1", Some(7), party("10.0.0.1"), Mode::Hide)]);
        let mut covered = event(7, "10.0.0.1", 1);
        assert_eq!(quiet.judge(&mut covered, &mut counters), Verdict::Raise);
        assert_eq!(covered.suppressed_by.as_deref(), Some("s-1"));
        for mut other in [event(8, "10.0.0.1", 1), event(7, "10.0.0.9", 1)] {
            assert_eq!(quiet.judge(&mut other, &mut counters), Verdict::Raise);
            assert_eq!(other.suppressed_by, None);
        }
        assert_eq!((counters.value(Counter::EventsHidden), counters.value(Counter::EventsQuieted)), (1, 0));
    }

    #[test]
    fn a_limit_holds_for_each_pair_and_window_and_counts_what_it_drops() {
        let limit = Mode::Limit { count: 2, seconds: 60 };
        let (mut quiet, mut counters) = quiet(vec![standing("s-1", Some(7), Side::Any, limit)]);
        let mut raised =
            |client: &str, seconds| quiet.judge(&mut event(7, client, seconds), &mut counters) == Verdict::Raise;
        let first: Vec<bool> = [0, 1, 2, 59].into_iter().map(|at| raised("10.0.0.1", at)).collect();
        assert_eq!(first, [true, true, false, false]);
        assert!(raised("10.0.0.9", 3), "another pair");
        assert!(raised("10.0.0.1", 60), "another window");
        assert_eq!(quiet.dropped().get("s-1"), Some(&2));
        assert_eq!(counters.value(Counter::EventsQuieted), 2);
    }

    #[test]
    fn stop_goes_before_hide_before_limit_and_all_end_in_time() {
        let mut stop = standing("stop", Some(7), Side::Any, Mode::Stop);
        stop.expires = Some(Timestamp::from_secs_nanos(10, 0).0);
        let mut hide = standing("hide", None, party("10.0.0.1"), Mode::Hide);
        hide.expires = Some(Timestamp::from_secs_nanos(20, 0).0);
        let limit = standing("limit", Some(7), Side::Any, Mode::Limit { count: 1, seconds: 1 });
        let (mut quiet, mut counters) = quiet(vec![limit, hide, stop]);
        assert_eq!(quiet.judge(&mut event(7, "10.0.0.1", 9), &mut counters), Verdict::Drop);
        let mut second = event(7, "10.0.0.1", 10);
        assert_eq!(quiet.judge(&mut second, &mut counters), Verdict::Raise);
        assert_eq!(second.suppressed_by.as_deref(), Some("hide"));
        let verdicts = [20, 20].map(|at| quiet.judge(&mut event(7, "10.0.0.1", at), &mut counters));
        assert_eq!(verdicts, [Verdict::Raise, Verdict::Drop]);
        assert_eq!(quiet.dropped().len(), 2);
        quiet.set(Arc::new(Suppressions::new(vec![standing("limit", Some(7), Side::Any, Mode::Hide)], String::new())));
        assert_eq!(quiet.dropped().keys().collect::<Vec<_>>(), ["limit"], "what is no longer in force is forgotten");
    }

    #[test]
    fn parties_are_networks_where_they_can_be() {
        let net = |text: &str| network(&party(text));
        assert_eq!(net("203.0.113.0/24"), Some(Some(("203.0.113.0".parse().unwrap(), 24))));
        assert_eq!(net("10.0.0.1"), Some(Some(("10.0.0.1".parse().unwrap(), 32))));
        assert_eq!(net("2001:db8:1::/48"), Some(Some(("2001:db8:1::".parse().unwrap(), 48))));
        assert_eq!((net("shop/Deployment/cart"), net("10.0.0.0/99"), net("?")), (None, None, None));
        assert_eq!(network(&Side::Any), Some(None));
        assert_eq!(network(&Side::Namespace("shop".into())), None);
    }

    #[test]
    fn pairs_are_capped_and_the_loss_is_counted() {
        let limit = Mode::Limit { count: 1, seconds: 60 };
        let (mut quiet, mut counters) = quiet(vec![standing("s-1", Some(7), Side::Any, limit)]);
        for number in 0..=MAX_PAIRS as u32 {
            let client = std::net::Ipv4Addr::from_bits(0x0a00_0000 | number).to_string();
            quiet.judge(&mut event(7, &client, 1), &mut counters);
        }
        assert_eq!((quiet.pairs.len(), counters.value(Counter::QuietEntriesEvicted)), (1, MAX_PAIRS as u64));
    }
}
