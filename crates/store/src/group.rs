//! Groups: what the inbox lists.

use crate::{Cursor, Partial, Total, moment};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use tapir_event::quiet::Named;
use tapir_packet::Timestamp;

/// Identity of a group: [`tapir_event::GroupKey::hash`]. Text form 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub u64);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for GroupId {
    type Err = crate::StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| crate::StoreError::NotFound { what: "group", id: text.chars().take(64).collect() })
    }
}

impl Serialize for GroupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What people decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has looked at it.
    #[default]
    Open,
    /// Somebody has.
    Acknowledged,
    /// It was handed on.
    Escalated,
    /// It is done with.
    Dismissed,
}

impl Status {
    /// All.
    pub const ALL: [Self; 4] = [Self::Open, Self::Acknowledged, Self::Escalated, Self::Dismissed];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Escalated => "escalated",
            Self::Dismissed => "dismissed",
        }
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Acknowledged => 1,
            Self::Escalated => 2,
            Self::Dismissed => 3,
        }
    }

    pub(crate) fn of_code(code: i64) -> Self {
        Self::ALL.into_iter().find(|status| status.code() == code).unwrap_or_default()
    }
}

/// One side of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Party {
    /// As in the group's key: `namespace/kind/owner`, a network, an address, or `?`.
    pub key: String,
    /// For people: `namespace/owner`, or the network or address.
    pub display: String,
    /// Namespace; empty outside of the cluster.
    pub namespace: String,
    /// Owner's kind; empty outside of the cluster.
    pub kind: String,
    /// Owner's name; empty outside of the cluster.
    pub name: String,
}

impl Party {
    /// As suppressions name it.
    pub fn named(&self) -> Named<'_> {
        Named { key: &self.key, namespace: &self.namespace }
    }
}

/// A group in the inbox. Counts are of events that no suppression hides, unless the filter asks for those, too.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Identity.
    pub id: GroupId,
    /// Generator of the rule.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Newest revision seen.
    pub rev: u32,
    /// Message of that revision.
    pub msg: String,
    /// Class of the rule.
    pub classtype: Option<String>,
    /// Worst severity seen, 0–100.
    pub severity: u8,
    /// Its word.
    pub level: &'static str,
    /// Who opened the conversations.
    pub client: Party,
    /// The other side.
    pub server: Party,
    /// Address of the client of the newest event.
    pub client_ip: Option<IpAddr>,
    /// Address of the server of the newest event.
    pub server_ip: Option<IpAddr>,
    /// Server's port of the newest event.
    pub server_port: Option<u16>,
    /// Different pods on the client's side.
    pub client_pods: u64,
    /// Different pods on the server's side.
    pub server_pods: u64,
    /// `namespace/name` of the inspection.
    pub inspection: Option<String>,
    /// Namespaces of both sides, without repetition.
    pub namespaces: Vec<String>,
    /// First event.
    #[serde(with = "moment")]
    pub first_seen: Timestamp,
    /// Last event.
    #[serde(with = "moment")]
    pub last_seen: Timestamp,
    /// Events.
    pub count: u64,
    /// Events that a suppression hides.
    pub suppressed: u64,
    /// Of `count`, events in the time range of the list, hidden ones never among them, whatever the query. `None`: no
    /// range was asked for, or too many would have had to be counted.
    pub in_range: Option<u64>,
    /// Different payload shapes.
    pub shapes: u64,
    /// State.
    pub status: Status,
    /// Who takes care of it.
    pub assignee: Option<String>,
    /// Why it was dismissed.
    pub reason: Option<crate::Reason>,
    /// In the words of who dismissed it.
    pub reason_text: Option<String>,
    /// Comments.
    pub comments: u64,
    /// When a dismissed group came back by itself.
    #[serde(with = "moment::option")]
    pub reopened_at: Option<Timestamp>,
    /// Why it came back.
    pub reopened_why: Option<String>,
    /// Changes with every decision about the group, not with its counts: for `If-Match`.
    pub version: u64,
    /// ATT&CK techniques of the rule.
    pub techniques: Vec<String>,
    /// ATT&CK tactics of the rule, by name.
    pub tactics: Vec<String>,
    /// Some of its conversations were visible in part only.
    pub partial: bool,
    /// Among the 1 % of groups with the most events.
    pub noisy: bool,
}

/// Order of groups. Ties are broken by age of the group, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupSort {
    /// Last seen first.
    #[default]
    LastSeen,
    /// Worst first, then last seen.
    Severity,
    /// Most events first.
    Count,
    /// Newest group first.
    FirstSeen,
}

/// A page of groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupPage {
    /// Rows.
    pub items: Vec<Group>,
    /// The next page, or where a partial search goes on; `None` at the end.
    pub next: Option<Cursor>,
    /// The whole list, if asked for.
    pub total: Option<Total>,
    /// Not everything was looked at.
    pub partial: Option<Partial>,
    /// When.
    #[serde(with = "moment")]
    pub as_of: Timestamp,
}

/// A shape of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShapeRow {
    /// 16 hexadecimal digits.
    pub shape: String,
    /// Events.
    pub count: u64,
    /// Last event.
    #[serde(with = "moment")]
    pub last_seen: Timestamp,
    /// Somebody has opened an event of this shape.
    #[serde(with = "moment::option")]
    pub opened_at: Option<Timestamp>,
    /// Who, first.
    pub opened_by: Option<String>,
}

/// A group with what the head of the drawer shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupDetail {
    /// Row.
    #[serde(flatten)]
    pub group: Group,
    /// Its shapes, newest first, at most 100.
    pub shapes_seen: Vec<ShapeRow>,
    /// What people did, newest first, at most 100; more through the audit log.
    pub history: Vec<crate::AuditEntry>,
}

/// A group's events by pod and port.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breakdown {
    /// Most events first, at most 200.
    pub rows: Vec<BreakdownRow>,
    /// More rows than that.
    pub more: u64,
    /// Only the newest events were counted.
    pub partial: Option<Partial>,
}

/// Events between two pods on one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakdownRow {
    /// Client's pod.
    pub client_pod: Option<String>,
    /// Client's address.
    pub client_ip: Option<IpAddr>,
    /// Server's pod.
    pub server_pod: Option<String>,
    /// Server's address.
    pub server_ip: Option<IpAddr>,
    /// Server's port.
    pub server_port: Option<u16>,
    /// Events.
    pub count: u64,
    /// Last event.
    #[serde(with = "moment")]
    pub last_seen: Timestamp,
}

/// Groups that changed since a moment of the store's own count, for live lists.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changes {
    /// Changed groups that the filter shows, in the order of their change.
    pub groups: Vec<Group>,
    /// Changed groups that the filter does not show (any more).
    pub gone: Vec<GroupId>,
    /// Ask from here next time.
    pub at: u64,
    /// There are more: ask again at once.
    pub more: bool,
}
