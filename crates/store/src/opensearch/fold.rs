//! Adding new events to their groups: read, changed, and written in the version that was read.

use super::event::Incoming;
use super::group::{Found, GroupDoc};
use super::server::{Done, Operation};
use super::store::Inner;
use crate::StoreError;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a group is read again because somebody else has written it.
pub(super) const TRIES: usize = 10;
/// Longest pause before it is.
const PAUSE: Duration = Duration::from_millis(50);

impl Inner {
    /// Adds events that were not there.
    pub(super) async fn fold(&self, new: &[&Incoming], now: i64) -> Result<(), StoreError> {
        let mut groups: BTreeMap<&str, Vec<&Incoming>> = BTreeMap::new();
        new.iter().for_each(|event| groups.entry(&event.row.group).or_default().push(event));
        let mut left: Vec<String> = groups.keys().map(|id| (*id).to_owned()).collect();
        // Batches of one process do not get in each other's way.
        let _turn = self.folding.lock().await;
        let mut back = Vec::new();
        for attempt in 0..TRIES {
            if left.is_empty() {
                break;
            }
            if attempt > 0 {
                tokio::time::sleep(PAUSE * u32::try_from(attempt).unwrap_or(1)).await;
            }
            let found = self.group_docs(&left).await?;
            let mut operations = Vec::with_capacity(left.len());
            let mut reasons = Vec::with_capacity(left.len());
            for (id, found) in left.iter().zip(found) {
                let events = groups.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
                let Some(first) = events.first() else { continue };
                let (mut doc, seen) = match found {
                    Some(Found { doc, seen }) => (doc, seen),
                    None => (GroupDoc::new(&first.event, &first.row, first.arrival), None),
                };
                let mut why = None;
                for event in events {
                    let hidden = event.suppressed_by.is_some();
                    why = doc.add(&event.event, &event.row, hidden, event.arrival, now).or(why);
                }
                doc.tidy();
                operations.push(Operation::replace(&self.names.groups, id, seen, &doc.document()));
                reasons.push((id.clone(), why));
            }
            left.clear();
            for ((id, why), done) in reasons.into_iter().zip(self.server.bulk(&operations, false).await?) {
                match done {
                    Done::Yes => back.extend(why.map(|why| (id, why))),
                    Done::Conflict => left.push(id),
                    Done::Never(why) => return Err(StoreError::Internal(format!("the group {id} is refused: {why}"))),
                }
            }
        }
        self.noisy.forget();
        self.note_returns(back, now).await?;
        match left.first() {
            None => Ok(()),
            Some(id) => Err(self.contested(id)),
        }
    }

    /// Groups that came back by themselves, in the audit log.
    pub(super) async fn note_returns(&self, back: Vec<(String, String)>, now: i64) -> Result<(), StoreError> {
        if back.is_empty() {
            return Ok(());
        }
        let entries: Vec<_> = back
            .into_iter()
            .map(|(id, why)| self.audit_entry(now, "tapir", "reopen", Some(&id), &json!({ "why": why })))
            .collect();
        self.server.bulk(&entries, false).await.map(drop)
    }

    /// Groups by identity, each in its place.
    pub(super) async fn group_docs(&self, ids: &[String]) -> Result<Vec<Option<Found>>, StoreError> {
        let found = self.server.documents(&self.names.groups, ids, "doc").await?;
        found.into_iter().map(|doc| doc.as_ref().map(Found::of).transpose()).collect()
    }

    /// Others write a group all the time.
    pub(super) fn contested(&self, id: &str) -> StoreError {
        StoreError::Busy {
            queue: if id.is_empty() { "the store" } else { "a group that others change, too," },
            retry_after: PAUSE,
        }
    }
}
