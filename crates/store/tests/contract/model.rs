//! The same store as a list: every answer by looking at everything.

use std::collections::{BTreeMap, BTreeSet};
use tapir_event::{GroupKey, SecurityEvent, shape};
use tapir_query::Query;
use tapir_store::*;

/// An event as the store should have it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub event: SecurityEvent,
    pub group: GroupId,
    pub shape: Option<u64>,
    /// The suppression that hides it.
    pub hidden: Option<String>,
    /// Order of arrival.
    pub place: usize,
}

/// All events, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub events: Vec<Kept>,
    pub states: BTreeMap<GroupId, GroupState>,
}

impl Model {
    pub fn of(events: &[SecurityEvent]) -> Self {
        let mut model = Self::default();
        events.iter().for_each(|event| model.add(event, event.suppressed_by.clone()));
        model
    }

    pub fn add(&mut self, event: &SecurityEvent, hidden: Option<String>) {
        let group = GroupId(GroupKey::of(event).hash());
        let place = self.events.len();
        let shape = shape(event.evidence.as_ref());
        self.events.push(Kept { event: event.clone(), group, shape, hidden, place });
    }

    /// Events of a group that count: the visible ones, or all if there is none.
    fn counting(&self, group: GroupId) -> Vec<&Kept> {
        let all: Vec<&Kept> = self.events.iter().filter(|kept| kept.group == group).collect();
        let visible: Vec<&Kept> = all.iter().copied().filter(|kept| kept.hidden.is_none()).collect();
        if visible.is_empty() { all } else { visible }
    }

    pub fn groups(&self) -> BTreeSet<GroupId> {
        self.events.iter().map(|kept| kept.group).collect()
    }

    pub fn state(&self, group: GroupId) -> GroupState {
        let counting = self.counting(group);
        GroupState {
            first: counting.iter().map(|kept| kept.event.time.0).min().unwrap(),
            last: counting.iter().map(|kept| kept.event.time.0).max().unwrap(),
            count: self.events.iter().filter(|kept| kept.group == group && kept.hidden.is_none()).count() as u64,
            ..self.states.get(&group).cloned().unwrap_or_default()
        }
    }

    /// What a filter shows, newest first, then the one that came last.
    pub fn matching(&self, filter: &Filter) -> Vec<&Kept> {
        let states: BTreeMap<GroupId, GroupState> =
            self.groups().into_iter().map(|group| (group, self.state(group))).collect();
        let asks_hidden = format!("{:?}", filter.query.root()).contains("uppressed");
        let mut found: Vec<&Kept> = self
            .events
            .iter()
            .filter(|kept| filter.suppressed || asks_hidden || kept.hidden.is_none())
            .filter(|kept| filter.from.is_none_or(|from| kept.event.time > from))
            .filter(|kept| filter.to.is_none_or(|to| kept.event.time <= to))
            .filter(|kept| filter.status.is_empty() || filter.status.contains(&states[&kept.group].status))
            .filter(|kept| matches(&filter.query, kept, &states[&kept.group], filter.now.0))
            .collect();
        found.sort_by_key(|kept| std::cmp::Reverse((kept.event.time, kept.place)));
        found
    }
}

fn matches(query: &Query, kept: &Kept, group: &GroupState, now: i64) -> bool {
    let facts = EventFacts { event: &kept.event, group, suppressed_by: kept.hidden.as_deref(), cluster: "blue" };
    query.matches(&facts, now)
}
