//! Events in: made once under their own id, then added to their groups.
//!
//! *Crashes*: before a batch is made a note names its groups (`underway/…` in the index of the store's state); it goes
//! once the groups have been written. A note that stays is of a batch of which nobody knows whether its groups have it:
//! they are counted anew (`recount.rs`): by this process before its next batch, and by retention two minutes later. An
//! event that was there already is never added, so that what an agent sends again after an error changes nothing.
//!
//! *Order of arrival*: numbers of events are given when the note is there, and the note's own is smaller. So who reads events in the
//! order of their numbers knows by the notes how far that order is whole (`arrivals.rs`).

use super::clock::Clock;
use super::event::Incoming;
use super::group::UNDERWAY;
use super::server::{Done, Operation};
use super::store::Inner;
use crate::ingest::read_event;
use crate::{IngestBatch, IngestOutcome, Rejected, StoreError};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tapir_packet::Timestamp;

/// Most documents of a call, and of one step of it.
const BATCH: usize = 100_000;
const STEP: usize = 1_000;
/// Batches at one time; further ones are told to come again.
pub(super) const AT_ONCE: usize = 8;
const RETRY: Duration = Duration::from_secs(1);
/// Batches in doubt that are remembered here, too.
const DOUBTFUL: usize = 1_000;
/// Notes that are looked at in one go.
const NOTES: usize = 100;

/// Batches on their way, by the names of their notes.
#[derive(Debug, Default)]
pub(super) struct Underway {
    /// Their groups are written; the notes can go.
    done: Vec<String>,
    /// Nobody knows.
    doubtful: Vec<(String, Vec<String>)>,
}

impl Inner {
    /// Keeps events.
    pub(super) async fn keep(&self, batch: IngestBatch, now: Timestamp) -> Result<IngestOutcome, StoreError> {
        if batch.documents.len() > BATCH {
            let why = format!("a batch of {} documents; send at most {BATCH}", batch.documents.len());
            return Err(StoreError::Invalid(why));
        }
        let Ok(_permit) = self.batches.try_acquire() else {
            self.gauges.busy.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Busy { queue: "the queue of events", retry_after: RETRY });
        };
        self.settle_doubts(now).await?;
        let mut outcome = IngestOutcome::default();
        let places: Vec<usize> = (0..batch.documents.len()).collect();
        for places in places.chunks(STEP) {
            self.keep_step(&batch, places, now, &mut outcome).await?;
        }
        self.gauges.rejected.fetch_add(outcome.rejected.len() as u64, Ordering::Relaxed);
        // A batch that comes at the same time, or next to this one, takes the notes along with its own.
        if self.batches.available_permits() + 1 == AT_ONCE {
            self.clear_notes().await;
        }
        Ok(outcome)
    }

    async fn keep_step(
        &self,
        batch: &IngestBatch,
        places: &[usize],
        now: Timestamp,
        outcome: &mut IngestOutcome,
    ) -> Result<(), StoreError> {
        let tuning = self.tuning().await?;
        let mut incoming = Vec::with_capacity(places.len());
        for index in places.iter().copied() {
            let Some(document) = batch.documents.get(index) else { continue };
            match read_event(document) {
                Ok(event) => {
                    let row = super::event::Row::of(&event);
                    let by = event.suppressed_by.clone().filter(|by| !by.is_empty());
                    let suppressed_by = by.or_else(|| tuning.hides(&row, now.0));
                    incoming.push((index, Incoming { event, row, suppressed_by, arrival: 0 }));
                }
                Err((id, why)) => outcome.rejected.push(Rejected { index, id, why }),
            }
        }
        if incoming.is_empty() {
            return Ok(());
        }
        let groups: BTreeSet<&String> = incoming.iter().map(|(_, event)| &event.row.group).collect();
        let groups: Vec<String> = groups.into_iter().cloned().collect();
        let note = self.note(self.clock.take(1), &groups).await?;
        let made = self.make(batch, incoming, now, outcome).await;
        self.settled(note, groups, made.is_ok());
        self.gauges.note(made.as_ref().err());
        made
    }

    /// Makes the events and adds the new ones to their groups.
    async fn make(
        &self,
        batch: &IngestBatch,
        mut incoming: Vec<(usize, Incoming)>,
        now: Timestamp,
        outcome: &mut IngestOutcome,
    ) -> Result<(), StoreError> {
        // The note is there by now.
        let first = self.clock.take(incoming.len());
        let mut operations = Vec::with_capacity(incoming.len());
        for (arrival, (index, event)) in (first..).zip(&mut incoming) {
            event.arrival = arrival;
            let document = batch.documents.get(*index).map(Vec::as_slice).unwrap_or_default();
            let document = event.document(document, now.0)?;
            operations.push(Operation::create(&self.names.events, &event.id(), &document));
        }
        let done = self.server.bulk(&operations, false).await?;
        let mut new = Vec::with_capacity(incoming.len());
        let mut duplicates = 0;
        for ((index, event), done) in incoming.iter().zip(done) {
            match done {
                Done::Yes => new.push(event),
                Done::Conflict => duplicates += 1,
                Done::Never(why) => {
                    outcome.rejected.push(Rejected { index: *index, id: Some(event.id()), why });
                }
            }
        }
        self.fold(&new, now.0).await?;
        let stored = new.len() as u64;
        outcome.stored += stored;
        outcome.duplicates += duplicates;
        self.gauges.stored.fetch_add(stored, Ordering::Relaxed);
        self.gauges.duplicates.fetch_add(duplicates, Ordering::Relaxed);
        Ok(())
    }

    /// Notes that the groups are about to change; the note's name.
    pub(super) async fn note(&self, number: i64, groups: &[String]) -> Result<String, StoreError> {
        let name = format!("underway/{number}");
        let done = std::mem::take(&mut self.underway().done);
        let mut operations: Vec<Operation> =
            done.iter().map(|name| Operation::delete(&self.names.state, name, None)).collect();
        let note = json!({ "kind": "underway", "id": number, "at": Clock::now(), "body": { "groups": groups } });
        operations.push(Operation::put(&self.names.state, &name, &note));
        let written = self.server.bulk(&operations, false).await;
        if written.is_err() {
            self.underway().done.extend(done);
        }
        written.map(|_| name)
    }

    /// Removes notes of what is written: others would wait for them, and so would this process after it was started anew.
    pub(super) async fn clear_notes(&self) {
        let done = std::mem::take(&mut self.underway().done);
        let operations: Vec<Operation> =
            done.iter().map(|name| Operation::delete(&self.names.state, name, None)).collect();
        // The next note tries again.
        if !operations.is_empty() && self.server.bulk(&operations, false).await.is_err() {
            self.underway().done.extend(done);
        }
    }

    /// What became of what was noted.
    pub(super) fn settled(&self, note: String, groups: Vec<String>, known: bool) {
        let mut underway = self.underway();
        match known {
            true => underway.done.push(note),
            false if underway.doubtful.len() < DOUBTFUL => underway.doubtful.push((note, groups)),
            // Retention finds the note.
            false => {}
        }
    }

    /// Names of notes whose batches are written, as far as this process has them.
    pub(super) fn written(&self) -> Vec<String> {
        self.underway().done.clone()
    }

    fn underway(&self) -> std::sync::MutexGuard<'_, Underway> {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the groups anew of which this process knows that it does not know. The notes stay: what the server was
    /// sent may still be on its way there, and once they are old the groups are counted once more.
    pub(super) async fn settle_doubts(&self, now: Timestamp) -> Result<(), StoreError> {
        let doubtful = std::mem::take(&mut self.underway().doubtful);
        for (place, (_, groups)) in doubtful.iter().enumerate() {
            if let Err(error) = self.recount(groups, now.0).await {
                self.underway().doubtful.extend(doubtful.iter().skip(place).cloned());
                return self.tolerated(error);
            }
        }
        Ok(())
    }

    /// The same for notes that are old, whoever left them; how many there were.
    pub(super) async fn settle_notes(&self, now: Timestamp) -> Result<usize, StoreError> {
        let old = json!({ "range": { "at": { "lt": Clock::now().saturating_sub(UNDERWAY) } } });
        let notes = self.state_docs("underway", Some(old), NOTES).await?;
        let mut gone = std::mem::take(&mut self.underway().done);
        let mut settled = 0;
        for (name, note, _) in &notes {
            if gone.contains(name) {
                continue;
            }
            let groups = note.pointer("/body/groups").cloned().unwrap_or_default();
            let groups: Vec<String> = serde_json::from_value(groups).unwrap_or_default();
            match self.recount(&groups, now.0).await {
                Ok(_) => {
                    gone.push(name.clone());
                    settled += 1;
                }
                Err(error) => self.tolerated(error)?,
            }
        }
        let operations: Vec<Operation> =
            gone.iter().map(|name| Operation::delete(&self.names.state, name, None)).collect();
        self.server.bulk(&operations, true).await?;
        Ok(settled)
    }

    /// A group that cannot be counted now must not keep others waiting; a server that does not answer does.
    fn tolerated(&self, error: StoreError) -> Result<(), StoreError> {
        self.gauges.note(Some(&error));
        match error {
            StoreError::Unavailable { .. } | StoreError::Timeout { .. } => Err(error),
            _ => Ok(()),
        }
    }
}

/// A member of a state document's body, as text.
pub(super) fn text(doc: &Json, name: &str) -> String {
    doc.pointer(&format!("/body/{name}")).and_then(Json::as_str).unwrap_or_default().to_owned()
}
