//! Events in the order in which they were kept: that of their numbers of arrival.
//!
//! *Limits*: numbers follow the clocks of the managers that gave them, and what is written shows a moment later. So events are told
//! [`BEHIND`] after they came; one whose write took longer than that is not told.

use super::clock::{Clock, SECOND};
use super::compile::all;
use super::event::{original, row_of};
use super::server::{hits, sort_value};
use super::store::Inner;
use crate::arrivals::{Arrivals, Mark, limit};
use crate::{Filter, StoreError, StoredEvent};
use serde_json::{Value as Json, json};
use tapir_packet::Timestamp;

/// Microseconds that events must have been there.
const BEHIND: i64 = 10 * SECOND;

impl Inner {
    /// Events of the filter behind a mark; without one none, and the mark of now.
    pub(super) async fn arrived(
        &self,
        filter: &Filter,
        after: Option<Mark>,
        most: usize,
    ) -> Result<Arrivals, StoreError> {
        let most = limit(most)?;
        let to = Clock::now().saturating_sub(BEHIND);
        let Some(after) = after.filter(|after| after.0 <= to) else {
            // A mark of now lies ahead until that much time has passed.
            let upto = after.unwrap_or(Mark(Clock::now(), i64::MAX));
            return Ok(Arrivals { events: Vec::new(), upto, more: false });
        };
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
}
