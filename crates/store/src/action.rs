//! Decisions about groups, and taking them back.

use crate::{Filter, Group, GroupId, StoreError, moment};
use serde::{Deserialize, Serialize};
use tapir_packet::Timestamp;

/// Why a group is dismissed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// 1: the rule is wrong.
    FalsePositive,
    /// 2: an authorised test or scanner.
    Expected,
    /// 3: true, but no risk here.
    NoRisk,
    /// 4: a duplicate, or handled elsewhere.
    Duplicate,
    /// 5: something else; needs a text.
    Other,
}

impl Reason {
    /// In the order of their keys, from 1.
    pub const ALL: [Self; 5] = [Self::FalsePositive, Self::Expected, Self::NoRisk, Self::Duplicate, Self::Other];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::FalsePositive => "false_positive",
            Self::Expected => "expected",
            Self::NoRisk => "no_risk",
            Self::Duplicate => "duplicate",
            Self::Other => "other",
        }
    }

    /// 1–5.
    pub fn number(self) -> u8 {
        match self {
            Self::FalsePositive => 1,
            Self::Expected => 2,
            Self::NoRisk => 3,
            Self::Duplicate => 4,
            Self::Other => 5,
        }
    }

    /// Of 1–5.
    pub fn of_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| i64::from(reason.number()) == number)
    }
}

/// Which later events a dismissal covers. A new shape or a worse severity always brings the group back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// None: any new event brings the group back.
    Present,
    /// Those of shapes that the group has now, for ever.
    KnownShapes,
    /// Those of shapes that the group has now, with times up to this one.
    KnownShapesUntil(#[serde(with = "moment")] Timestamp),
}

/// What is to happen to a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// Done with it.
    Dismiss {
        /// Why.
        reason: Reason,
        /// In words; needed for [`Reason::Other`].
        text: Option<String>,
        /// Which later events.
        covers: Covers,
    },
    /// Seen.
    Acknowledge,
    /// Handed on.
    Escalate,
    /// Open again.
    Reopen,
    /// Whose it is; `None`: nobody's.
    Assign {
        /// Name.
        to: Option<String>,
    },
    /// A remark.
    Comment {
        /// The remark.
        text: String,
    },
}

impl Action {
    /// The word in the audit log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dismiss { .. } => "dismiss",
            Self::Acknowledge => "acknowledge",
            Self::Escalate => "escalate",
            Self::Reopen => "reopen",
            Self::Assign { .. } => "assign",
            Self::Comment { .. } => "comment",
        }
    }
}

/// Which groups.
#[derive(Clone, Debug)]
pub enum Target {
    /// These, each with the version that the user saw, if that matters.
    Ids(Vec<(GroupId, Option<u64>)>),
    /// All that the filter shows.
    Matching(Box<Filter>),
}

/// An action on groups.
#[derive(Clone, Debug)]
pub struct ActionRequest {
    /// Which groups.
    pub target: Target,
    /// What.
    pub action: Action,
    /// A comment along with it.
    pub comment: Option<String>,
    /// Groups that the user saw; refused if the number has moved by more than 10 %.
    pub expected_count: Option<u64>,
    /// Who.
    pub who: String,
    /// When.
    pub now: Timestamp,
}

/// Longest name of a person and longest text, in bytes.
const MAX_NAME: usize = 256;
const MAX_TEXT: usize = 8 << 10;

impl ActionRequest {
    /// Whether it can be carried out at all.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let invalid = |why: &str| Err(StoreError::Invalid(why.to_owned()));
        if self.who.is_empty() || self.who.len() > MAX_NAME {
            return invalid("an action needs the name of who acts, at most 256 bytes");
        }
        let mut texts: Vec<&str> = self.comment.iter().map(String::as_str).collect();
        match &self.action {
            Action::Dismiss { reason: Reason::Other, text, .. }
                if text.as_ref().is_none_or(|text| text.trim().is_empty()) =>
            {
                return invalid("the reason `other` needs a text");
            }
            Action::Dismiss { text, .. } => texts.extend(text.as_deref()),
            Action::Assign { to: Some(to) } if to.is_empty() || to.len() > MAX_NAME => {
                return invalid("an assignee has a name of 1 to 256 bytes");
            }
            Action::Comment { text } if text.trim().is_empty() => return invalid("the comment is empty"),
            Action::Comment { text } => texts.push(text),
            Action::Assign { .. } | Action::Acknowledge | Action::Escalate | Action::Reopen => {}
        }
        if texts.iter().any(|text| text.len() > MAX_TEXT) {
            return invalid("a text is longer than 8 KiB");
        }
        Ok(())
    }
}

/// What an action did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionOutcome {
    /// Groups that were changed.
    pub groups: u64,
    /// Events in them.
    pub events: u64,
    /// The changed rows, at most 100.
    pub rows: Vec<Group>,
    /// Takes it back, for 10 minutes.
    pub undo: Option<UndoToken>,
}

/// Takes an action back, once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UndoToken(pub String);

/// What an undo did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UndoOutcome {
    /// Groups that are as they were.
    pub restored: u64,
    /// Groups that somebody, or a new event, changed since: left alone.
    pub skipped: Vec<GroupId>,
    /// The restored rows, at most 100.
    pub rows: Vec<Group>,
}

/// Who decides something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who.
    pub who: String,
    /// When.
    pub now: Timestamp,
}
