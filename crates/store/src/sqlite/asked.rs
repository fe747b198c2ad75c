//! A filter as SQL, and the three ways to find its events: in the order of time, by group, and group by group.
//!
//! *By group* is taken when the groups that can have such events hold few of them, which the group table tells
//! beforehand; else events are looked at from the newest on until there are enough, or the budget is spent.

use super::compile::Bounds;
use super::link::Link;
use super::sql::Sql;
use crate::StoreError;
use rusqlite::params_from_iter;

/// A filter as SQL.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Over `e` and `g`, without the range.
    pub event: Sql,
    /// Over `g`.
    pub group: Bounds,
    /// Events after…
    pub from: i64,
    /// …up to and including.
    pub to: i64,
    /// One of the two was given.
    pub ranged: bool,
    /// Hidden events are not asked for.
    pub visible_only: bool,
    /// Documents must be read.
    pub documents: bool,
    /// There is no condition but the range and hiding.
    pub everything: bool,
    /// There is no condition but the range, hiding, and that one side is in this namespace.
    pub namespace: Option<i64>,
    /// What pages of one list have in common.
    pub about: String,
}

/// How to find events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the newest on.
    ByTime,
    /// All events of the groups in question.
    ByGroup,
}

/// Most groups that are gone through one by one.
const MANY_GROUPS: i64 = 20_000;

impl Asked {
    /// Events in the groups in question, and those groups; `None`: too many to tell.
    fn candidates(&self, link: &Link) -> Result<Option<i64>, StoreError> {
        let mut sql =
            Sql::new("SELECT count(*), coalesce(sum(k), 0) FROM (SELECT g.n + g.hidden AS k FROM grp g WHERE ", [])
                .then(self.group.upper.clone());
        if self.visible_only && self.ranged {
            sql = sql.word(" AND ").then(self.in_range());
        }
        sql = sql.then(Sql::new(" LIMIT ?)", [(MANY_GROUPS + 1).into()]));
        let read = || {
            let mut statement = link.db.prepare_cached(&sql.text)?;
            statement.query_row(params_from_iter(sql.params), |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
        };
        let (groups, events): (i64, i64) = read().map_err(|error| link.failed(&error))?;
        Ok((groups <= MANY_GROUPS).then_some(events))
    }

    /// Groups that can have visible events in the range.
    pub(super) fn in_range(&self) -> Sql {
        match self.from {
            // The lowest moment of all is not after itself.
            i64::MIN => Sql::new("g.first <= ?", [self.to.into()]),
            from => Sql::new("g.last > ? AND g.first <= ?", [from.into(), self.to.into()]),
        }
    }

    /// Events in the range.
    pub(super) fn range(&self) -> Sql {
        match self.from {
            i64::MIN => Sql::new("e.t <= ?", [self.to.into()]),
            from => Sql::new("e.t > ? AND e.t <= ?", [from.into(), self.to.into()]),
        }
    }

    /// Which way is better.
    pub(super) fn way(&self, link: &Link) -> Result<Way, StoreError> {
        if self.everything {
            return Ok(Way::ByTime);
        }
        let most = if self.documents { 20_000 } else { 100_000 };
        let most = most.min(i64::try_from(link.guard.left()).unwrap_or(i64::MAX));
        Ok(match self.candidates(link)? {
            Some(events) if events <= most => Way::ByGroup,
            _ => Way::ByTime,
        })
    }

    /// `FROM … WHERE …` over events; the columns asked for stand before it, an order may stand behind. `keyset`: a
    /// further condition over `e`.
    pub(super) fn events(&self, way: Way, keyset: Sql) -> Sql {
        let range = self.range();
        let sql = match way {
            Way::ByTime => Sql::new(" FROM event e INDEXED BY event_t CROSS JOIN grp g ON g.id = e.grp WHERE ", []),
            Way::ByGroup => Sql::new(" FROM grp g CROSS JOIN event e INDEXED BY event_grp ON e.grp = g.id WHERE ", [])
                .then(self.group.upper.clone())
                .word(" AND "),
        };
        sql.then(Sql::all([range, keyset]))
            .word(" AND CASE WHEN tick(e.t, e.id, 0) THEN ")
            .then(self.event.clone())
            .word(" END")
    }
}
