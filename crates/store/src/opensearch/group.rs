//! The document of a group: its figures, what people decided, and how an event changes both.
//!
//! *Limits*: [`MAX_NAMES`] shapes and as many pods of each side are told apart. Beyond that their number stands still, and
//! an event of a further shape counts as one of a new shape, so that a dismissed group rather comes back than hides.

use super::clock::{self, Clock};
use super::event::{Row, Side};
use super::indexed::{DECIDED, Indexed, SHARED};
use super::server::Seen;
use crate::extent::Extent;
use crate::{Covers, EventFacts, Group, GroupId, GroupState, Reason, Status, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use tapir_event::{Level, RuleSummary, SecurityEvent};
use tapir_packet::Timestamp;

/// Shapes, and pods of a side, that a group tells apart.
pub(super) const MAX_NAMES: usize = 500;
/// Bytes of a rule's metadata and references.
const MAX_RULE: usize = 16 << 10;
/// How long an event that a recount saw may still be on its way to the group, in numbers of the clock.
pub(super) const UNDERWAY: i64 = 120 * clock::SECOND;

/// A shape of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    pub n: u64,
    pub hidden: u64,
    pub last: i64,
    pub opened_at: Option<i64>,
    pub opened_by: Option<String>,
}

/// What people decided, and what an undo brings back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decided {
    pub status: Status,
    pub assignee: Option<String>,
    pub reason: Option<Reason>,
    pub reason_text: Option<String>,
    pub covers: Option<Covers>,
    pub comments: u64,
    pub reopened_at: Option<i64>,
    pub reopened_why: Option<String>,
    /// Number of the clock when the status was decided: earlier events are no news.
    pub since: i64,
}

impl Decided {
    /// Nobody has decided anything.
    pub(super) fn is_nothing(&self) -> bool {
        self.status == Status::Open && self.comments == 0 && self.assignee.is_none()
    }
}

/// Figures, all of them made anew by a recount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    pub extent: Extent,
    pub shapes: BTreeMap<String, Shape>,
    pub client_pods: BTreeSet<String>,
    pub server_pods: BTreeSet<String>,
    pub client_ip: Option<IpAddr>,
    pub server_ip: Option<IpAddr>,
    pub server_port: Option<u16>,
    /// The newest event, whose rule is the group's.
    pub newest: String,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct GroupDoc {
    pub id: String,
    pub gid: u32,
    pub sid: u32,
    /// Rule of the newest event, without its text.
    pub rule: RuleSummary,
    pub client: Side,
    pub server: Side,
    pub inspection: Option<String>,
    pub figures: Figures,
    pub decided: Decided,
    pub version: u64,
    /// Number of the clock when it was made.
    pub born: i64,
    /// Numbers of events that a recount has counted and that may still be on their way here.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub counted: BTreeSet<i64>,
    /// Values of the fields that all its events share.
    shared: Indexed,
}

/// A group with the version in which it was read.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub doc: GroupDoc,
    pub seen: Option<Seen>,
}

impl Found {
    /// Of a hit, or of a document of `_mget`.
    pub(super) fn of(hit: &Value) -> Result<Self, StoreError> {
        let doc = hit.pointer("/_source/doc").cloned().unwrap_or_default();
        let doc = serde_json::from_value(doc).map_err(|error| {
            let id = hit.get("_id").and_then(Value::as_str).unwrap_or_default();
            StoreError::Internal(format!("the group {id} cannot be read: {error}"))
        })?;
        Ok(Self { doc, seen: Seen::of(hit) })
    }
}

impl Figures {
    /// Adds an event; whether it is the newest that is shown.
    pub(super) fn add(&mut self, row: &Row, visible: bool) -> bool {
        let newest = self.extent.add(row.counted(visible));
        if newest {
            (self.client_ip, self.server_ip, self.server_port) = (row.client_ip, row.server_ip, row.server_port);
            self.newest = row.id.to_string();
        }
        if let Some(shape) = &row.shape
            && (self.shapes.len() < MAX_NAMES || self.shapes.contains_key(shape))
        {
            let shape =
                self.shapes.entry(shape.clone()).or_insert_with(|| Shape { last: i64::MIN, ..Shape::default() });
            *(if visible { &mut shape.n } else { &mut shape.hidden }) += 1;
            if visible {
                shape.last = shape.last.max(row.t);
            }
        }
        for (pods, pod) in [(&mut self.client_pods, &row.client_pod), (&mut self.server_pods, &row.server_pod)] {
            if let Some(pod) = pod
                && pods.len() < MAX_NAMES
            {
                pods.insert(pod.clone());
            }
        }
        newest
    }
}

impl GroupDoc {
    /// The group of an event, without any.
    pub(super) fn new(event: &SecurityEvent, row: &Row, born: i64) -> Self {
        let group = GroupState::default();
        let facts = EventFacts { event, group: &group, suppressed_by: None, cluster: "" };
        Self {
            id: row.group.clone(),
            gid: row.gid,
            sid: row.sid,
            rule: without_text(&event.rule),
            client: row.client.clone(),
            server: row.server.clone(),
            inspection: row.inspection.clone(),
            version: 1,
            born,
            shared: Indexed::of(&facts, SHARED),
            ..Self::default()
        }
    }

    /// Adds an event that was not there. Returns why it brings the group back, if it does.
    pub(super) fn add(
        &mut self,
        event: &SecurityEvent,
        row: &Row,
        hidden: bool,
        arrival: i64,
        now: i64,
    ) -> Option<String> {
        if self.counted.contains(&arrival) {
            return None;
        }
        let why = if hidden { None } else { self.judge(row, arrival, now) };
        if self.figures.add(row, !hidden) {
            self.rule = without_text(&event.rule);
        }
        why
    }

    /// Opens a dismissed group again if an event is what its dismissal did not foresee, and says why.
    pub(super) fn judge(&mut self, row: &Row, arrival: i64, now: i64) -> Option<String> {
        if self.decided.status != Status::Dismissed || arrival <= self.decided.since {
            return None;
        }
        let known = |shape: &String| self.figures.shapes.contains_key(shape);
        let new_shape = || Ok::<_, Infallible>(row.shape.clone().filter(|shape| !known(shape)));
        let covers = self.decided.covers.unwrap_or(Covers::Present);
        let Ok(why) = self.figures.extent.news(row.counted(true), covers, row.client_ip, new_shape);
        let why = why?;
        self.decided.status = Status::Open;
        self.decided.reopened_at = Some(now);
        self.decided.reopened_why = Some(why.clone());
        self.version += 1;
        Some(why)
    }

    /// Forgets what can no longer be on its way.
    pub(super) fn tidy(&mut self) {
        let since = Clock::now().saturating_sub(UNDERWAY);
        self.counted = self.counted.split_off(&since);
    }

    /// What queries see of it.
    fn state(&self) -> GroupState {
        let decided = self.decided.clone();
        GroupState {
            status: decided.status,
            reason: decided.reason,
            reason_text: decided.reason_text,
            assignee: decided.assignee,
            first: self.figures.extent.first,
            last: self.figures.extent.last,
            count: self.figures.extent.n,
            noisy: false,
        }
    }

    /// The document that is kept.
    pub(super) fn document(&self) -> Value {
        let (event, group) = (SecurityEvent::default(), self.state());
        let facts = EventFacts { event: &event, group: &group, suppressed_by: None, cluster: "" };
        let indexed = Indexed::of(&facts, DECIDED).and(self.shared.clone());
        let Figures { extent: Extent { n, hidden, sev, .. }, shapes, .. } = &self.figures;
        let opened: Vec<&String> =
            shapes.iter().filter(|(_, shape)| shape.opened_at.is_some()).map(|(name, _)| name).collect();
        let mut document = json!({
            "key": self.key(),
            "born": self.born,
            "all": n + hidden,
            "hidden": hidden,
            "sev": sev,
            "client_key": self.client.key,
            "server_key": self.server.key,
            "opened": opened,
            "doc": self,
        });
        if let (Some(all), Value::Object(indexed)) = (document.as_object_mut(), json!(indexed)) {
            all.extend(indexed);
        }
        document
    }

    /// The identity as a number that sorts.
    pub(super) fn key(&self) -> i64 {
        u64::from_str_radix(&self.id, 16).unwrap_or_default().cast_signed()
    }

    /// As the inbox shows it. `hidden`: counts are of hidden events, too. `noisy`: from so many events on.
    pub(super) fn shown(self, hidden: bool, noisy: Option<u64>) -> Group {
        let Self { gid, sid, rule, figures, decided, version, .. } = &self;
        let (client, server) = (self.client.party(), self.server.party());
        let mut namespaces: Vec<String> =
            [&client.namespace, &server.namespace].into_iter().filter(|name| !name.is_empty()).cloned().collect();
        namespaces.dedup();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Group {
            id: GroupId(self.key().cast_unsigned()),
            gid: *gid,
            sid: *sid,
            rev: rule.rev,
            msg: rule.message().to_owned(),
            classtype: rule.classtype.clone(),
            severity: figures.extent.sev,
            level: Level::of(figures.extent.sev).name(),
            client,
            server,
            client_ip: figures.client_ip,
            server_ip: figures.server_ip,
            server_port: figures.server_port,
            client_pods: count(figures.client_pods.len()),
            server_pods: count(figures.server_pods.len()),
            inspection: self.inspection.clone(),
            namespaces,
            first_seen: Timestamp(figures.extent.first),
            last_seen: Timestamp(figures.extent.last),
            count: if hidden { figures.extent.n + figures.extent.hidden } else { figures.extent.n },
            suppressed: figures.extent.hidden,
            in_range: None,
            shapes: count(figures.shapes.values().filter(|shape| shape.n > 0).count()),
            status: decided.status,
            assignee: decided.assignee.clone(),
            reason: decided.reason,
            reason_text: decided.reason_text.clone(),
            comments: decided.comments,
            reopened_at: decided.reopened_at.map(Timestamp),
            reopened_why: decided.reopened_why.clone(),
            version: *version,
            techniques: rule.techniques().into_iter().map(|technique| technique.id.to_owned()).collect(),
            tactics: rule
                .tactics()
                .into_iter()
                .map(|tactic| tactic.name.unwrap_or_else(|| tactic.id.to_owned()))
                .collect(),
            partial: figures.extent.unclear > 0,
            noisy: noisy.is_some_and(|least| figures.extent.n >= least),
        }
    }
}

/// A rule as groups keep it: without its text, and without what no rule of sense has so much of.
pub(super) fn without_text(rule: &RuleSummary) -> RuleSummary {
    let msg = rule.msg.as_ref().map(|msg| super::indexed::cut(msg));
    let mut kept = RuleSummary { text: String::new(), msg, ..rule.clone() };
    let metadata: usize = kept.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    let references =
        kept.references.iter().map(|(scheme, id, url)| scheme.len() + id.len() + url.as_ref().map_or(0, String::len));
    if metadata + references.sum::<usize>() > MAX_RULE {
        (kept.metadata, kept.references) = (Vec::new(), Vec::new());
    }
    kept
}
