//! Events in the order in which they were kept: that of their numbers of arrival.
//!
//! *How nothing is left out.* A batch has a note (`underway/…`, see `ingest.rs`) from before its numbers are given until its
//! events are written. So what has a number below that of every note, and is not of the last seconds, is written or will never be: events
//! are told up to there and no further. The order of looking matters: first the notes, then the events are made visible, then
//! they are read; a note that has gone by then has left its events where they are found.
//!
//! *Limits*: events are told [`BEHIND`] after they came at the soonest, because numbers follow the clocks of the managers that
//! gave them: clocks that differ by more than that can leave events out. A batch of which nobody knows what became of it holds back
//! what came after it until its note is settled (two minutes, `ingest.rs`), or for [`HELD`] where nobody settles notes.

use super::clock::{Clock, SECOND};
use super::compile::{all, not};
use super::event::{original, row_of};
use super::server::{hits, sort_value};
use super::store::Inner;
use crate::arrivals::{Arrivals, Mark, limit};
use crate::{Filter, StoreError, StoredEvent};
use serde_json::{Value as Json, json};
use tapir_packet::Timestamp;

/// Microseconds that events must have been there.
const BEHIND: i64 = 10 * SECOND;
/// Microseconds after which a write that was begun has long ended, one way or the other.
const HELD: i64 = 600 * SECOND;

impl Inner {
    /// Events of the filter behind a mark; without one none, and the mark of now.
    pub(super) async fn arrived(
        &self,
        filter: &Filter,
        after: Option<Mark>,
        most: usize,
    ) -> Result<Arrivals, StoreError> {
        let most = limit(most)?;
        let Some(after) = after else {
            // It lies ahead until that much time has passed.
            return Ok(Arrivals { events: Vec::new(), upto: Mark(Clock::now(), i64::MAX), more: false });
        };
        let to = self.whole_up_to().await?;
        if after.0 > to {
            return Ok(Arrivals { events: Vec::new(), upto: after, more: false });
        }
        self.server.refresh(&self.names.events).await?;
        let asked = self.ask(filter).await?;
        let query = self.events_query(&asked).await?;
        let body = json!({
            "size": most,
            "query": all(vec![query, json!({ "range": { "arrival": { "gte": after.0, "lte": to } } })]),
            "sort": [{ "arrival": "asc" }, { "key": "asc" }],
            "search_after": [after.0, after.1],
            "_source": ["row", "sup", "raw", "got"], "track_total_hits": false,
        });
        let answer = self.server.search(&self.names.events, body).await?;
        let found = hits(&answer);
        let marks: Vec<Mark> = found.iter().map(|hit| Mark(sort_value(hit, 0), sort_value(hit, 1))).collect();
        let rows = found.iter().map(row_of).collect::<Result<Vec<_>, _>>()?;
        let mut events = Vec::with_capacity(found.len());
        for ((hit, row), mark) in found.iter().zip(self.rows(rows).await?).zip(&marks) {
            let got = hit.pointer("/_source/got").and_then(Json::as_i64).unwrap_or_default();
            let received = Timestamp(got.saturating_mul(super::event::SECOND));
            events.push((StoredEvent { row, received, document: original(hit)? }, *mark));
        }
        let full = marks.last().copied().filter(|_| marks.len() >= most);
        Ok(Arrivals { events, upto: full.unwrap_or(Mark(to, i64::MAX)), more: full.is_some() })
    }

    /// The last number before which nothing is on its way any more.
    async fn whole_up_to(&self) -> Result<i64, StoreError> {
        let now = Clock::now();
        // What this process knows to be written needs no note; those stay for a while.
        let done = self.written();
        self.server.refresh(&self.names.state).await?;
        let held = json!({ "range": { "at": { "gte": now.saturating_sub(HELD) } } });
        let open = all(vec![held, not(json!({ "ids": { "values": done } }))]);
        let first = self.state_docs("underway", Some(open), 1).await?;
        let number = first.first().and_then(|(_, note, _)| note.get("id")?.as_i64());
        let to = now.saturating_sub(BEHIND);
        Ok(number.map_or(to, |number| to.min(number.saturating_sub(1))))
    }
}
