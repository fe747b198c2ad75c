//! "Quiet this": suppressions as the store keeps them, and what one would hide. What is one: [`tapir_event::quiet`].

use crate::{StoreError, moment};
use serde::{Deserialize, Serialize};
use tapir_event::quiet::Standing;
pub use tapir_event::quiet::{Mode, Scope, Side};
use tapir_packet::Timestamp;

/// The numbers that were on the screen when somebody decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// Days looked at.
    pub days: u32,
    /// Events that it would have hidden.
    pub would_hide: u64,
    /// Events of the same rule that it would have left.
    pub left_visible: u64,
    /// Payload shapes among the hidden.
    pub shapes_hidden: u64,
    /// Of those, shapes that nobody had opened.
    pub shapes_unopened: u64,
}

/// A suppression to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSuppression {
    /// What.
    pub scope: Scope,
    /// How.
    pub mode: Mode,
    /// Why.
    pub reason: String,
    /// Until when; `None`: for ever.
    #[serde(with = "moment::option")]
    pub expires: Option<Timestamp>,
    /// What the author saw.
    pub shown: Option<Shown>,
}

impl NewSuppression {
    /// Whether it can be one at this moment, in nanoseconds.
    pub(crate) fn check(&self, now: i64) -> Result<(), StoreError> {
        let invalid = |why: &str| Err(StoreError::Invalid(why.to_owned()));
        if self.scope.is_everything() {
            return invalid("a suppression must name a rule, a workload or a namespace, or it would hide everything");
        }
        if self.reason.trim().is_empty() || self.reason.len() > 4096 {
            return invalid("a suppression needs a reason, at most 4 KiB");
        }
        if self.expires.is_some_and(|expires| expires.0 <= now) {
            return invalid("the suppression would have expired already");
        }
        Ok(())
    }
}

/// A suppression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// Identity; it is in `suppressed_by` of the events.
    pub id: String,
    /// What was asked for.
    #[serde(flatten)]
    pub what: NewSuppression,
    /// Who.
    pub author: String,
    /// When.
    #[serde(with = "moment")]
    pub created: Timestamp,
    /// Version, for `If-Match`.
    pub version: u64,
    /// Events that it has hidden.
    pub silenced: u64,
    /// The last of them.
    #[serde(with = "moment::option")]
    pub last_silenced: Option<Timestamp>,
    /// By day, the last 30 with events.
    pub days: Vec<(i64, u64)>,
}

impl Suppression {
    /// As nodes apply it.
    pub fn standing(&self) -> Standing {
        let NewSuppression { scope, mode, expires, .. } = &self.what;
        Standing { id: self.id.clone(), scope: scope.clone(), mode: *mode, expires: expires.map(|at| at.0) }
    }
}

/// A change of a suppression; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SuppressionChange {
    /// How.
    pub mode: Option<Mode>,
    /// Why.
    pub reason: Option<String>,
    /// Until when; `Some(None)`: for ever.
    #[serde(skip)]
    pub expires: Option<Option<Timestamp>>,
    /// Version that the user saw.
    pub if_version: Option<u64>,
}

/// What a scope would have hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Of this scope.
    pub scope: Scope,
    /// Events that it would have hidden.
    pub would_hide: u64,
    /// Events of the same rule (of any rule, if the scope names none) that it would have left.
    pub left_visible: u64,
    /// Groups that would have vanished from the inbox.
    pub groups: u64,
    /// Different payload shapes among the hidden.
    pub shapes_hidden: u64,
    /// Of those, shapes that nobody has opened in any of the groups.
    pub shapes_unopened: u64,
    /// Day by day, oldest first, every day of the period.
    pub days: Vec<DayCount>,
}

/// A day of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DayCount {
    /// Days since 1970-01-01.
    pub day: i64,
    /// Events that it would have hidden.
    pub hidden: u64,
    /// Events of the same rule that it would have left.
    pub visible: u64,
}
