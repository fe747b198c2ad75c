//! The figures of a group and how an event changes them, and when an event brings a dismissed group back. All stores count
//! and judge by this.

use crate::Covers;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How many events a group has, from when to when, how bad. Severity and times are of the events that nothing hides; of
/// hidden ones only while there are no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    pub sev: u8,
    pub first: i64,
    pub last: i64,
    /// Events that nothing hides.
    pub n: u64,
    pub hidden: u64,
    /// Events of conversations that were visible in part only.
    pub unclear: u64,
}

/// What of an event its group counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub t: i64,
    pub sev: u8,
    pub unclear: bool,
    pub visible: bool,
}

impl Extent {
    /// Adds an event; whether it is the newest of those that are shown.
    pub(crate) fn add(&mut self, event: Counted) -> bool {
        let Counted { t, sev, unclear, visible } = event;
        let starts = if visible { self.n == 0 } else { self.n + self.hidden == 0 };
        let counts = visible || self.n == 0;
        if starts {
            (self.first, self.last, self.sev) = (t, t, sev);
        } else if counts {
            self.first = self.first.min(t);
            self.last = self.last.max(t);
            self.sev = self.sev.max(sev);
        }
        *(if visible { &mut self.n } else { &mut self.hidden }) += 1;
        self.unclear += u64::from(unclear);
        counts && t == self.last
    }

    /// Why an event that is not added yet brings a dismissed group back, if it does. `new_shape`: asked for at most once,
    /// its shape if the group does not know it.
    pub(crate) fn news<E>(
        &self,
        event: Counted,
        covers: Covers,
        client: Option<IpAddr>,
        new_shape: impl FnOnce() -> Result<Option<String>, E>,
    ) -> Result<Option<String>, E> {
        if event.sev > self.sev {
            return Ok(Some(format!("severity rose from {} to {}", self.sev, event.sev)));
        }
        if let Some(shape) = new_shape()? {
            return Ok(Some(format!("a payload of a new shape, {shape}")));
        }
        Ok(match covers {
            Covers::KnownShapes => None,
            Covers::KnownShapesUntil(until) if event.t <= until.0 => None,
            Covers::KnownShapesUntil(until) => {
                Some(format!("the dismissal covered events until {}", tapir_event::rfc3339(until)))
            }
            Covers::Present => {
                let from = client.map(|ip| format!(" from {ip}")).unwrap_or_default();
                Some(format!("a new event{from}"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: Counted = Counted { t: 5, sev: 50, unclear: false, visible: true };

    #[test]
    fn hidden_events_show_only_while_there_are_no_others() {
        let mut extent = Extent::default();
        assert!(extent.add(Counted { t: 9, sev: 90, visible: false, ..EVENT }));
        assert!(extent.add(Counted { t: 9, visible: false, unclear: true, ..EVENT }));
        assert_eq!(extent, Extent { sev: 90, first: 9, last: 9, n: 0, hidden: 2, unclear: 1 });
        assert!(extent.add(EVENT), "the first that is visible takes their place");
        assert!(!extent.add(Counted { t: 20, sev: 90, visible: false, ..EVENT }));
        assert!(!extent.add(Counted { t: 2, sev: 60, ..EVENT }));
        assert_eq!(extent, Extent { sev: 60, first: 2, last: 5, n: 2, hidden: 3, unclear: 1 });
        assert!(extent.add(EVENT), "of two at one moment the one that came last");
    }

    #[test]
    fn a_dismissed_group_comes_back_for_what_was_not_foreseen() {
        let extent = Extent { sev: 50, n: 1, ..Extent::default() };
        let why = |event, covers, shape: Option<&str>| {
            extent.news::<()>(event, covers, None, || Ok(shape.map(str::to_owned))).unwrap()
        };
        let until = Covers::KnownShapesUntil(tapir_packet::Timestamp(5));
        assert_eq!(why(EVENT, Covers::KnownShapes, None), None);
        assert_eq!(why(EVENT, until, None), None);
        assert!(why(Counted { t: 6, ..EVENT }, until, None).unwrap().contains("until 1970"));
        assert_eq!(why(EVENT, Covers::Present, None).as_deref(), Some("a new event"));
        assert!(why(EVENT, Covers::KnownShapes, Some("ab")).unwrap().contains("new shape, ab"));
        assert!(why(Counted { sev: 51, ..EVENT }, Covers::KnownShapes, None).unwrap().contains("from 50 to 51"));
    }
}
