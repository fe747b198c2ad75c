//! Which events of a group are news: the first, and then a count.
//!
//! *How it fits*: Slack and Jira are read by people. The first event of a group is sent at once and opens the group's window; what
//! comes while it is open is counted; at its end the count goes out ("×37 more") and the next window begins, or nothing came and the
//! group is forgotten.
//!
//! *Invariants*: 1. a window is open only when the receiver has the group's message; 2. a summary that cannot be sent stays, and goes on
//! counting. *Limits*: [`MAX_GROUPS`] windows; the one that has counted least goes when there is no room, and what it had counted is
//! counted as untold. Nothing is on disk: what was counted when the process ends is in the store, and only the summary is missing.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use tapir_event::SecurityEvent;

/// Groups at once.
const MAX_GROUPS: usize = 4_096;

/// A window of a group.
#[derive(Debug)]
pub(super) struct Window {
    /// When it is to be told of again.
    due: Instant,
    /// Events since the last message.
    pub(super) more: u64,
    /// Events since the first message.
    pub(super) total: u64,
    /// The newest of them.
    pub(super) newest: Box<SecurityEvent>,
    /// What the receiver called the message.
    pub(super) issue: Option<String>,
}

/// The windows of a hook.
#[derive(Debug)]
pub(super) struct Windows {
    length: Duration,
    open: HashMap<u64, Window>,
    /// Events that were folded into a window.
    pub(super) folded: u64,
    /// Events of which no summary told.
    pub(super) untold: u64,
}

impl Windows {
    /// Windows of a length; none if it is zero: each event is a message.
    pub(super) fn new(length: Duration) -> Self {
        Self { length, open: HashMap::new(), folded: 0, untold: 0 }
    }

    /// Counts an event whose group has a message already. `false`: it is news.
    pub(super) fn fold(&mut self, group: u64, event: &SecurityEvent, now: Instant) -> bool {
        if let Some(window) = self.open.get_mut(&group) {
            if window.more == 0 && window.due <= now {
                // It ended with nothing to tell.
                self.open.remove(&group);
                return false;
            }
            window.more += 1;
            window.total += 1;
            *window.newest = event.clone();
            self.folded += 1;
            return true;
        }
        false
    }

    /// The receiver has a group's first message.
    pub(super) fn open(&mut self, group: u64, event: &SecurityEvent, issue: Option<String>, now: Instant) {
        if self.length.is_zero() {
            return;
        }
        if self.open.len() >= MAX_GROUPS {
            self.make_room(now);
        }
        let newest = Box::new(event.clone());
        self.open.insert(group, Window { due: now + self.length, more: 0, total: 1, newest, issue });
    }

    fn make_room(&mut self, now: Instant) {
        self.open.retain(|_, window| window.more > 0 || window.due > now);
        if self.open.len() < MAX_GROUPS {
            return;
        }
        // The group's number only decides between equals, so that the order of the table does not.
        let least = self.open.iter().min_by_key(|(group, window)| (window.more, window.due, **group));
        if let Some(group) = least.map(|(group, _)| *group)
            && let Some(window) = self.open.remove(&group)
        {
            self.untold += window.more;
        }
    }

    /// When something is to be told; windows that count nothing end unseen.
    pub(super) fn due(&self) -> Option<Instant> {
        self.open.values().filter(|window| window.more > 0).map(|window| window.due).min()
    }

    /// Groups of which something is to be told, the one that has waited longest first. `at_once`: all that count anything.
    pub(super) fn ripe(&mut self, now: Instant, at_once: bool) -> Vec<u64> {
        self.open.retain(|_, window| window.more > 0 || window.due > now);
        let ripe = |window: &Window| window.more > 0 && (at_once || window.due <= now);
        let mut found: Vec<(Instant, u64)> =
            self.open.iter().filter(|(_, window)| ripe(window)).map(|(group, window)| (window.due, *group)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, group)| group).collect()
    }

    pub(super) fn get(&self, group: u64) -> Option<&Window> {
        self.open.get(&group)
    }

    /// A summary was sent: the next window of the group begins.
    pub(super) fn told(&mut self, group: u64, issue: Option<String>, now: Instant) {
        if let Some(window) = self.open.get_mut(&group) {
            window.more = 0;
            window.due = now + self.length;
            window.issue = issue;
        }
    }

    /// A summary is to be tried again; what the message was called may be the reason, and is asked for anew.
    pub(super) fn later(&mut self, group: u64, until: Instant) {
        if let Some(window) = self.open.get_mut(&group) {
            window.due = until;
            window.issue = None;
        }
    }

    /// A summary was refused for good.
    pub(super) fn refused(&mut self, group: u64) {
        if let Some(window) = self.open.remove(&group) {
            self.untold += window.more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(900);

    fn event() -> SecurityEvent {
        SecurityEvent::default()
    }

    #[test]
    fn the_first_is_news_the_rest_is_counted_and_told_when_the_window_ends() {
        let (mut windows, start) = (Windows::new(LENGTH), Instant::now());
        assert!(!windows.fold(1, &event(), start));
        windows.open(1, &event(), None, start);
        assert_eq!(windows.due(), None, "nothing to tell yet");
        assert!((0..37).all(|_| windows.fold(1, &event(), start)));
        assert!(!windows.fold(2, &event(), start), "another group is news");
        assert_eq!((windows.due(), windows.ripe(start, false)), (Some(start + LENGTH), vec![]));
        let end = start + LENGTH;
        assert_eq!(windows.ripe(end, false), [1]);
        assert_eq!(windows.get(1).map(|window| (window.more, window.total)), Some((37, 38)));
        windows.told(1, None, end);
        assert_eq!((windows.ripe(end, false), windows.folded), (vec![], 37));
        // A flood that goes on is told of once in a window; a quiet group is forgotten.
        assert!(windows.fold(1, &event(), end));
        assert_eq!(windows.ripe(end + LENGTH, false), [1]);
        windows.told(1, None, end + LENGTH);
        assert!(!windows.fold(1, &event(), end + LENGTH * 2), "news again");
    }

    #[test]
    fn what_cannot_be_told_waits_or_is_counted() {
        let (mut windows, start) = (Windows::new(LENGTH), Instant::now());
        windows.open(1, &event(), None, start);
        windows.fold(1, &event(), start);
        let end = start + LENGTH;
        windows.later(1, end + Duration::from_secs(10));
        assert!(windows.ripe(end, false).is_empty());
        assert_eq!(windows.ripe(end, true), [1], "at the end of the process");
        assert!(windows.fold(1, &event(), end + LENGTH * 9), "still counted");
        windows.refused(1);
        assert_eq!((windows.untold, windows.due()), (2, None));
    }

    #[test]
    fn the_table_has_an_end_and_what_is_lost_there_is_counted() {
        let (mut windows, now) = (Windows::new(LENGTH), Instant::now());
        for group in 0..MAX_GROUPS as u64 {
            windows.open(group, &event(), None, now);
            windows.fold(group, &event(), now);
        }
        windows.fold(0, &event(), now);
        windows.open(u64::MAX, &event(), None, now);
        assert_eq!((windows.open.len(), windows.untold), (MAX_GROUPS, 1));
        assert!(windows.get(0).is_some() && windows.get(1).is_none());
        // Those that ended with nothing to tell go first, and nothing is lost with them.
        windows.open(u64::MAX - 1, &event(), None, now + LENGTH * 2);
        assert_eq!(windows.untold, 1);
    }

    #[test]
    fn without_a_length_each_event_is_news() {
        let (mut windows, now) = (Windows::new(Duration::ZERO), Instant::now());
        windows.open(1, &event(), None, now);
        assert!(!windows.fold(1, &event(), now));
    }
}
