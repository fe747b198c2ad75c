//! Groups counted anew from their events: after a crash, after retention, when hidden events come back.
//!
//! A group is read, its events are gone through in the order of arrival, and it is written in the version that was read;
//! if somebody has written it meanwhile, all begins again. An event that is seen here may still be on its way to the
//! group in another batch: numbers of the last two minutes are kept in the group, and such an event is not added again.

use super::clock::Clock;
use super::compile::terms;
use super::event::{original, row_of};
use super::fold::TRIES;
use super::group::{Figures, Found, GroupDoc, Shape, UNDERWAY, without_text};
use super::server::{Done, Operation, hits, sort_value};
use super::store::Inner;
use crate::extent::Extent;
use crate::{Status, StoreError};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tapir_event::SecurityEvent;

/// Groups at a time, and events of a request.
const GROUPS: usize = 50;
const EVENTS: usize = 2_000;
/// Most events of a group that may be on their way at a time.
const MOST_UNDERWAY: usize = 5_000;

/// What the events of a group come to.
#[derive(Debug, Default)]
struct Counted {
    figures: Figures,
    underway: BTreeSet<i64>,
    /// Visible events since the last decision, for a dismissed group.
    judged: Option<String>,
}

impl Inner {
    /// Counts groups anew; how many are gone.
    pub(super) async fn recount(&self, ids: &[String], now: i64) -> Result<u64, StoreError> {
        let mut gone = 0;
        for ids in ids.chunks(GROUPS) {
            let mut left = ids.to_vec();
            for _ in 0..TRIES {
                if left.is_empty() {
                    break;
                }
                let (contested, removed) = self.recount_once(&left, now).await?;
                (left, gone) = (contested, gone + removed);
            }
            if let Some(id) = left.first() {
                return Err(self.contested(id));
            }
        }
        self.noisy.forget();
        Ok(gone)
    }

    async fn recount_once(&self, ids: &[String], now: i64) -> Result<(Vec<String>, u64), StoreError> {
        // First the groups, then the events: who adds an event later finds another version.
        let found = self.group_docs(ids).await?;
        let mut before: BTreeMap<&str, Found> =
            ids.iter().zip(found).filter_map(|(id, found)| Some((id.as_str(), found?))).collect();
        let counted = self.count_events(ids, &mut before, now).await?;
        let newest: Vec<String> = counted.values().map(|counted| counted.figures.newest.clone()).collect();
        let mut events = BTreeMap::new();
        for (id, doc) in newest.iter().zip(self.server.documents(&self.names.events, &newest, "raw").await?) {
            let event = doc.as_ref().map(original).transpose()?;
            let event: Option<SecurityEvent> = event.and_then(|text| serde_json::from_slice(&text).ok());
            events.extend(event.map(|event| (id.as_str(), event)));
        }
        let mut operations = Vec::with_capacity(ids.len());
        let mut changes = Vec::with_capacity(ids.len());
        for id in ids {
            let counted = counted.get(id.as_str());
            let old = before.remove(id.as_str());
            let event = counted.and_then(|counted| events.get(counted.figures.newest.as_str()));
            match (old, counted) {
                (None, None) => {}
                (Some(old), None) if old.doc.decided.is_nothing() => {
                    operations.push(Operation::delete(&self.names.groups, id, old.seen));
                    changes.push((id, true, None));
                }
                (old, counted) => {
                    let (mut doc, seen) = match (old, event) {
                        (Some(old), _) => (old.doc, old.seen),
                        (None, Some(event)) => {
                            (GroupDoc::new(event, &super::event::Row::of(event), self.clock.take(1)), None)
                        }
                        // Its events have gone since.
                        (None, None) => continue,
                    };
                    let mut figures = counted.map(|counted| counted.figures.clone()).unwrap_or_default();
                    remember(&mut figures, &doc);
                    if counted.is_none() {
                        // What people decided stays; severity and times are those of the last events.
                        let Extent { sev, first, last, .. } = doc.figures.extent;
                        figures.extent = Extent { sev, first, last, ..figures.extent };
                    }
                    let before = if figures.extent.n > 0 { doc.figures.extent.sev } else { 0 };
                    figures.extent.sev = figures.extent.sev.max(before);
                    doc.figures = figures;
                    doc.counted = counted.map(|counted| counted.underway.clone()).unwrap_or_default();
                    if let Some(event) = event {
                        doc.rule = without_text(&event.rule);
                    }
                    operations.push(Operation::replace(&self.names.groups, id, seen, &doc.document()));
                    changes.push((id, false, counted.and_then(|counted| counted.judged.clone())));
                }
            }
        }
        let mut left = Vec::new();
        let (mut gone, mut back) = (0, Vec::new());
        for ((id, removed, why), done) in changes.into_iter().zip(self.server.bulk(&operations, true).await?) {
            match done {
                Done::Yes => {
                    gone += u64::from(removed);
                    back.extend(why.map(|why| (id.clone(), why)));
                }
                Done::Conflict => left.push(id.clone()),
                Done::Never(why) => return Err(StoreError::Internal(format!("the group {id} is refused: {why}"))),
            }
        }
        self.note_returns(back, now).await?;
        Ok((left, gone))
    }

    /// Goes through the events of groups. A dismissed group is judged by those since its dismissal.
    async fn count_events(
        &self,
        ids: &[String],
        before: &mut BTreeMap<&str, Found>,
        now: i64,
    ) -> Result<BTreeMap<String, Counted>, StoreError> {
        self.server.refresh(&self.names.events).await?;
        let since = Clock::now().saturating_sub(UNDERWAY);
        let mut counted: BTreeMap<String, Counted> = BTreeMap::new();
        let mut after: Option<[i64; 2]> = None;
        loop {
            let mut body = json!({
                "size": EVENTS, "query": terms("k.group", ids), "sort": [{ "arrival": "asc" }, { "key": "asc" }],
                "_source": ["row", "sup"], "track_total_hits": false,
            });
            if let (Some(after), Some(body)) = (after, body.as_object_mut()) {
                body.insert("search_after".to_owned(), json!(after));
            }
            let answer = self.server.search(&self.names.events, body).await?;
            let hits = hits(&answer);
            for hit in hits {
                let arrival = sort_value(hit, 0);
                let (row, sup) = row_of(hit)?;
                let visible = sup.is_none();
                let group = counted.entry(row.group.clone()).or_default();
                if let Some(found) = before.get_mut(row.group.as_str()).filter(|_| visible) {
                    group.judged = found.doc.judge(&row, arrival, now).or(group.judged.take());
                }
                group.figures.add(&row, visible);
                if arrival >= since {
                    group.underway.insert(arrival);
                }
                if group.underway.len() > MOST_UNDERWAY {
                    return Err(self.contested(&row.group));
                }
            }
            match hits.last() {
                Some(last) if hits.len() == EVENTS => after = Some([sort_value(last, 0), sort_value(last, 1)]),
                _ => return Ok(counted),
            }
        }
    }
}

/// What people opened stays opened, and the shapes of a dismissed group stay known: an old one would bring it back.
fn remember(figures: &mut Figures, before: &GroupDoc) {
    for (name, old) in &before.figures.shapes {
        if let Some(shape) = figures.shapes.get_mut(name) {
            (shape.opened_at, shape.opened_by) = (old.opened_at, old.opened_by.clone());
        } else if before.decided.status == Status::Dismissed {
            figures.shapes.insert(name.clone(), Shape { n: 0, hidden: 0, ..old.clone() });
        }
    }
}
