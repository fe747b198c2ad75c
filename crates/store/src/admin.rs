//! What is kept beside events: exceptions, saved views, the audit log, retention, health.

use crate::{Cursor, StoreError, moment};
use serde::Serialize;
use std::time::Duration;
use tapir_packet::Timestamp;
use tapir_query::{Dialect, parse};

/// Bytes of an exception's name: that of a resource, and what says that it is one's.
const MAX_NAME: usize = 300;

/// An exception to be: while it holds, events that answer the query are left out of every list. They stay in
/// the store and come back when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewException {
    /// Name, unique.
    pub name: String,
    /// For people.
    pub description: String,
    /// The query; it must ask something.
    pub selector: String,
    /// In which language; resources of the incumbent have its own.
    pub dialect: Dialect,
    /// From when; may lie in the future.
    pub start: Timestamp,
    /// Until before when; `None`: for ever.
    pub end: Option<Timestamp>,
}

impl NewException {
    /// Whether it can be one.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let invalid = |why: &str| Err(StoreError::Invalid(why.to_owned()));
        let query =
            parse(&self.selector, self.dialect).map_err(|error| StoreError::Invalid(error.render(&self.selector)))?;
        if query.is_all() {
            return invalid("an exception must ask something, or it would hide everything");
        }
        if self.name.is_empty() || self.name.len() > MAX_NAME || self.description.len() > 4096 {
            return invalid("an exception has a name of 1 to 300 bytes, and a description of at most 4 KiB");
        }
        if self.end.is_some_and(|end| end <= self.start) {
            return invalid("endTime must be after startTime");
        }
        Ok(())
    }
}

/// An exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// What was asked for.
    pub what: NewException,
    /// Who.
    pub author: String,
    /// When it was written.
    pub created: Timestamp,
}

/// A saved view to be: a name for a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewView {
    /// Name, unique for its owner.
    pub name: String,
    /// Others see it, too.
    pub shared: bool,
    /// Query string of the page.
    pub url: String,
}

impl NewView {
    /// Whether it can be one.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.name.trim().is_empty() || self.name.len() > 256 || self.url.len() > 8192 {
            let why = "a view has a name of 1 to 256 bytes and a URL of at most 8 KiB";
            return Err(StoreError::Invalid(why.to_owned()));
        }
        Ok(())
    }
}

/// A saved view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    /// Identity.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Whose.
    pub owner: String,
    /// Others see it, too.
    pub shared: bool,
    /// Query string of the page.
    pub url: String,
    /// Last change.
    #[serde(with = "moment")]
    pub changed: Timestamp,
}

/// What a list of the audit log is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditWhat {
    /// Of one group.
    pub group: Option<crate::GroupId>,
    /// Of one person.
    pub who: Option<String>,
}

/// Somebody did something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditEntry {
    /// Number.
    pub id: u64,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// Who; `tapir` for the store itself.
    pub who: String,
    /// `dismiss`, `undo`, `suppress`, …
    pub action: String,
    /// Group, if it is about one.
    pub group: Option<crate::GroupId>,
    /// The rest.
    pub detail: serde_json::Value,
}

/// A page of the audit log, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditPage {
    /// Entries.
    pub items: Vec<AuditEntry>,
    /// The next page.
    pub next: Option<Cursor>,
}

/// How long events are kept, by the time at which the store received them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Events.
    pub keep: Duration,
    /// Events that a suppression hides.
    pub keep_suppressed: Duration,
    /// Size of the database above which the oldest events go, in bytes.
    pub max_bytes: u64,
}

impl Default for RetentionPolicy {
    /// 90 days, 7 days, 20 GiB.
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self { keep: Duration::from_secs(90 * DAY), keep_suppressed: Duration::from_secs(7 * DAY), max_bytes: 20 << 30 }
    }
}

/// What a step of retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetentionReport {
    /// Events that were too old.
    pub by_age: u64,
    /// Hidden events that were too old.
    pub by_suppression: u64,
    /// Events that did not fit.
    pub by_size: u64,
    /// Groups without any event left.
    pub groups: u64,
    /// There is more to remove: call again.
    pub more: bool,
}

/// How the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreHealth {
    /// Events.
    pub events: u64,
    /// Groups.
    pub groups: u64,
    /// Bytes of the database, without its log.
    pub bytes: u64,
    /// Batches waiting to be written.
    pub queued: u64,
    /// Since the start: events stored.
    pub stored: u64,
    /// Since the start: events that were there already.
    pub duplicates: u64,
    /// Since the start: documents refused.
    pub rejected: u64,
    /// Since the start: events removed by retention.
    pub removed: u64,
    /// Since the start: calls refused because a queue was full.
    pub refused_busy: u64,
    /// Since the start: answers that covered a part only.
    pub partial_answers: u64,
    /// The last write that failed, for people.
    pub last_write_error: Option<String>,
    /// Count of changes; see [`crate::EventStore::changes`].
    pub change: u64,
}
