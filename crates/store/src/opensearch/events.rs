//! Lists of events, newest first, and whole events.

use super::compile::{all, term};
use super::event::{Row, original, row_of};
use super::group::Found;
use super::server::{hits, sort_value, total};
use super::store::Inner;
use crate::cursor::{List, Position};
use crate::{EventPage, EventRow, Filter, GroupId, PageRequest, Status, StoreError, StoredEvent, TOTAL_EXACT};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use tapir_event::EventId;
use tapir_packet::Timestamp;

/// The order of lists: time, arrival, and a number that tells the rest apart.
const ORDER: [&str; 3] = ["t", "arrival", "key"];

impl Inner {
    /// A page of the events of a filter, or of one group's.
    pub(super) async fn event_page(
        &self,
        filter: &Filter,
        group: Option<GroupId>,
        page: &PageRequest,
    ) -> Result<EventPage, StoreError> {
        let mut asked = self.ask(filter).await?;
        let mut query = self.events_query(&asked).await?;
        if let Some(id) = group {
            self.group_doc(&id.to_string()).await?;
            asked.about.push_str(&format!("|{id}"));
            query = all(vec![term("k.group", id.to_string()), query]);
        }
        let after =
            page.cursor.as_ref().map(|cursor| self.signer.read(List::Events, &asked.about, cursor)).transpose()?;
        let limit = page.rows();
        let mut body = json!({
            "size": limit + 1, "query": query, "sort": ORDER.map(|field| json!({ field: "desc" })),
            "_source": ["row", "sup"], "track_total_hits": false,
        });
        let count = page.total.then(|| json!({ "size": 0, "query": query, "track_total_hits": TOTAL_EXACT }));
        if let (Some(at), Some(body)) = (after, body.as_object_mut()) {
            body.insert("search_after".to_owned(), json!([at.value, at.second, at.id]));
        }
        let answer = self.server.search(&self.names.events, body).await?;
        let all = hits(&answer);
        let found = all.get(..limit).unwrap_or(all);
        let rows = found.iter().map(row_of).collect::<Result<Vec<_>, _>>()?;
        let total = match count {
            None => None,
            Some(count) => Some(total(&self.server.search(&self.names.events, count).await?)),
        };
        let next = found.last().filter(|_| all.len() > limit).map(|hit| {
            let at = Position { value: sort_value(hit, 0), second: sort_value(hit, 1), id: sort_value(hit, 2) };
            self.signer.sign(List::Events, &asked.about, at)
        });
        Ok(EventPage { items: self.rows(rows).await?, next, total, partial: None, as_of: Timestamp(filter.now.0) })
    }

    /// Rows with the state of their groups.
    pub(super) async fn rows(&self, rows: Vec<(Row, Option<String>)>) -> Result<Vec<EventRow>, StoreError> {
        let groups: BTreeSet<String> = rows.iter().map(|(row, _)| row.group.clone()).collect();
        let groups: Vec<String> = groups.into_iter().collect();
        let found = self.server.documents(&self.names.groups, &groups, "doc.decided.status").await?;
        let status = |doc: Option<Json>| -> Status {
            let status = doc.and_then(|doc| doc.pointer("/_source/doc/decided/status").cloned());
            status.and_then(|status| serde_json::from_value(status).ok()).unwrap_or_default()
        };
        let states: BTreeMap<String, Status> =
            groups.into_iter().zip(found).map(|(id, doc)| (id, status(doc))).collect();
        let shown = |(row, sup): (Row, Option<String>)| {
            let status = states.get(&row.group).copied().unwrap_or_default();
            row.shown(sup, status)
        };
        rows.into_iter().map(shown).collect()
    }

    /// A whole event.
    pub(super) async fn whole_event(&self, id: &EventId) -> Result<StoredEvent, StoreError> {
        let found = self.server.documents(&self.names.events, &[id.to_string()], "row,sup,raw,got").await?;
        let missing = || StoreError::NotFound { what: "event", id: id.to_string() };
        let doc = found.into_iter().flatten().next().ok_or_else(missing)?;
        let got = doc.pointer("/_source/got").and_then(Json::as_i64).unwrap_or_default();
        let row = self.rows(vec![row_of(&doc)?]).await?.pop().ok_or_else(missing)?;
        let received = Timestamp(got.saturating_mul(super::event::SECOND));
        Ok(StoredEvent { row, received, document: original(&doc)? })
    }

    /// A group by its identity, as it is this moment.
    pub(super) async fn group_doc(&self, id: &str) -> Result<Found, StoreError> {
        let found = self.server.documents(&self.names.groups, &[id.to_owned()], "doc").await?;
        let missing = || StoreError::NotFound { what: "group", id: id.to_owned() };
        Found::of(&found.into_iter().flatten().next().ok_or_else(missing)?)
    }
}
